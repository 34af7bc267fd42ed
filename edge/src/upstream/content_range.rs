//! The `Content-Range` field of an answer (RFC 9110 §14.4), read. Bytes only.

use std::ops::Range;

/// Which bytes a part is, and of how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes; never empty.
    pub part: Range<u64>,
    /// Length of the whole, when it is told; the part lies within it.
    pub complete: Option<u64>,
}

impl ContentRange {
    /// Reads the field of a 206. `None` for anything but one valid range of bytes, that of a 416 included.
    pub fn read(field: &[u8]) -> Option<Self> {
        let (unit, rest) = field.trim_ascii().split_at_checked(b"bytes ".len())?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let (range, complete) = split_once(rest, b'/')?;
        let (first, last) = split_once(range, b'-')?;
        let (first, last) = (position(first)?, position(last)?);
        let complete = if complete == b"*" { None } else { Some(position(complete)?) };
        let part = first..last.checked_add(1)?;
        let is_within = complete.is_none_or(|complete| part.end <= complete);
        (!part.is_empty() && is_within).then_some(Self { part, complete })
    }
}

fn split_once(field: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let mut halves = field.splitn(2, |byte| *byte == at);
    Some((halves.next()?, halves.next()?))
}

/// Digits as a number. One beyond 64 bits is none: a wrong position would be worse than an error.
fn position(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_says_which_bytes_and_of_how_many() {
        for (field, part, complete) in [
            ("bytes 0-0/1", 0..1, Some(1)),
            ("bytes 3-5/10", 3..6, Some(10)),
            ("Bytes 3-9/10", 3..10, Some(10)),
            (" bytes 3-5/* ", 3..6, None),
            ("bytes 0-18446744073709551614/18446744073709551615", 0..u64::MAX, Some(u64::MAX)),
        ] {
            assert_eq!(
                ContentRange::read(field.as_bytes()),
                Some(ContentRange { part, complete }),
                "{field}"
            );
        }
    }

    #[test]
    fn anything_else_is_none() {
        for field in [
            "",
            "bytes",
            "bytes ",
            "bytes */10",
            "bytes 5-3/10",
            "bytes 3-10/10",
            "bytes 3-5",
            "bytes 3-5/",
            "bytes -5/10",
            "bytes 3-/10",
            "bytes 3-5/10, 7-8/10",
            "bytes=3-5/10",
            "items 3-5/10",
            "bytes +3-5/10",
            "bytes 0-18446744073709551615/*",
            "bytes 0-18446744073709551616/*",
            "bytes 3-5/\u{661}0",
        ] {
            assert_eq!(ContentRange::read(field.as_bytes()), None, "{field}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_is_what_we_read(start in 0..1u64 << 62, len in 1..1u64 << 61, more in 0..1u64 << 61) {
            let part = start..start + len;
            let complete = part.end + more;
            let written = rillcast_http::range::content_range(&part, complete);
            let read = ContentRange::read(written.as_bytes());
            prop_assert_eq!(read, Some(ContentRange { part, complete: Some(complete) }));
        }
    }
}
