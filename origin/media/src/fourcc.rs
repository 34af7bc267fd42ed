//! Four-character codes: the names of boxes, brands and sample entries (ISO/IEC 14496-12 §4.2).

use std::fmt;

/// A four-character code, compared by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// The code of four bytes of a literal, such as `FourCc::new(b"moov")`.
    pub const fn new(code: &[u8; 4]) -> Self {
        Self(*code)
    }

    /// The code as text; bytes that do not print become `\xNN`.
    pub fn text(&self) -> String {
        self.0.escape_ascii().to_string()
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unprintable_bytes_are_escaped() {
        assert_eq!(FourCc::new(b"moov").to_string(), "moov");
        assert_eq!(FourCc([0, b'a', 0xa9, b'\n']).to_string(), "\\x00a\\xa9\\n");
    }
}
