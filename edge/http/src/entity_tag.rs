//! Entity tags and their two comparisons (RFC 9110 §8.8.3).

use http::HeaderValue;

/// A validator of one representation, strong or weak.
///
/// Cloning is a reference count. Equality of the type is equality of text; use [`Self::strong_eq`] or
/// [`Self::weak_eq`] for HTTP's comparisons.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityTag {
    /// As it stands in the header: `"opaque"` or `W/"opaque"`.
    value: HeaderValue,
    weak: bool,
}

/// Why a text is no opaque part of an entity tag; always the caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} cannot stand in an entity tag")]
pub struct EntityTagError {
    /// Offset of the offending byte.
    pub at: usize,
}

impl EntityTag {
    /// The strong tag `"opaque"`: same tag, same bytes.
    ///
    /// # Errors
    /// [`EntityTagError`] for a quote, a space, a control or a non-ASCII character.
    pub fn strong(opaque: &str) -> Result<Self, EntityTagError> {
        Self::build(opaque, false)
    }

    /// The weak tag `W/"opaque"`: same tag, equivalent content.
    ///
    /// # Errors
    /// As [`Self::strong`].
    pub fn weak(opaque: &str) -> Result<Self, EntityTagError> {
        Self::build(opaque, true)
    }

    /// The strong tag whose opaque part is `digest` in lower-case hexadecimal.
    pub fn strong_hex(digest: &[u8]) -> Self {
        let mut opaque = String::with_capacity(digest.len().saturating_mul(2));
        for byte in digest {
            for nibble in [byte >> 4, byte & 15] {
                opaque.extend(char::from_digit(nibble.into(), 16));
            }
        }
        Self::build(&opaque, false).expect("hexadecimal digits may stand in a tag")
    }

    /// The tag that an `ETag` field gives; `None` for what is no tag.
    pub fn from_header_value(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?.trim();
        let (weak, quoted) = text.strip_prefix("W/").map_or((false, text), |quoted| (true, quoted));
        let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
        Self::build(opaque, weak).ok()
    }

    fn build(opaque: &str, weak: bool) -> Result<Self, EntityTagError> {
        if let Some(at) = opaque.bytes().position(|byte| !is_etagc(byte) || !byte.is_ascii()) {
            return Err(EntityTagError { at });
        }
        let text = if weak { format!("W/\"{opaque}\"") } else { format!("\"{opaque}\"") };
        let value = HeaderValue::try_from(text).expect("visible ASCII is a header value");
        Ok(Self { value, weak })
    }

    /// Whether it is weak.
    pub fn is_weak(&self) -> bool {
        self.weak
    }

    /// As it stands in the `ETag` header.
    pub fn to_header_value(&self) -> HeaderValue {
        self.value.clone()
    }

    /// The text between the quotes.
    pub fn opaque(&self) -> &str {
        let text = self.value.to_str().expect("a tag is visible ASCII");
        text.trim_start_matches("W/").trim_matches('"')
    }

    /// Both strong and the same (RFC 9110 §8.8.3.2).
    pub fn strong_eq(&self, other: &TagInField<'_>) -> bool {
        !self.weak && !other.weak && self.opaque().as_bytes() == other.opaque
    }

    /// The same but for weakness (RFC 9110 §8.8.3.2).
    pub fn weak_eq(&self, other: &TagInField<'_>) -> bool {
        self.opaque().as_bytes() == other.opaque
    }

    /// The tag of another coding of the same content: `"abc"` becomes `"abc-gz"`; weakness stays.
    pub(crate) fn with_suffix(&self, suffix: &'static str) -> Self {
        Self::build(&format!("{}{suffix}", self.opaque()), self.weak).expect("our suffixes are visible ASCII")
    }
}

/// A tag as a client sent it, borrowed from the header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagInField<'a> {
    pub(crate) weak: bool,
    pub(crate) opaque: &'a [u8],
}

impl<'a> TagInField<'a> {
    /// Reads one tag from the front of `field`; returns it and what follows. `None` when there is no tag.
    pub(crate) fn read(field: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, rest) = match field.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, field),
        };
        let rest = rest.strip_prefix(b"\"")?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        let (opaque, rest) = rest.split_at_checked(end)?;
        opaque.iter().all(|byte| is_etagc(*byte)).then_some((Self { weak, opaque }, rest.get(1..)?))
    }
}

/// `etagc` of RFC 9110 §8.8.3: visible but the quote, and bytes above ASCII.
fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_gives_the_tag_that_it_was_written_from() {
        for (text, is_weak) in [("\"a-1\"", false), ("W/\"a\"", true), ("\"\"", false), (" \"a\" ", false)] {
            let tag = EntityTag::from_header_value(&HeaderValue::from_str(text).unwrap()).unwrap();
            assert_eq!((tag.to_header_value().to_str().unwrap(), tag.is_weak()), (text.trim(), is_weak));
        }
        for text in ["a", "\"a", "w/\"a\"", "\"a\", \"b\"", "\"a b\"", "*", ""] {
            assert!(EntityTag::from_header_value(&HeaderValue::from_str(text).unwrap()).is_none(), "{text}");
        }
    }

    #[test]
    fn the_two_comparisons_follow_the_table_of_the_rfc() {
        // RFC 9110 §8.8.3.2, the four rows.
        for (ours, theirs, strong, weak) in [
            ("W/1", &b"W/\"1\""[..], false, true),
            ("W/1", b"W/\"2\"", false, false),
            ("W/1", b"\"1\"", false, true),
            ("1", b"\"1\"", true, true),
        ] {
            let tag = match ours.strip_prefix("W/") {
                Some(opaque) => EntityTag::weak(opaque),
                None => EntityTag::strong(ours),
            }
            .unwrap();
            let (field, rest) = TagInField::read(theirs).unwrap();
            assert!(rest.is_empty());
            assert_eq!((tag.strong_eq(&field), tag.weak_eq(&field)), (strong, weak), "{ours} {theirs:?}");
        }
    }

    #[test]
    fn a_tag_refuses_what_would_break_the_header() {
        for (opaque, at) in [("a\"b", 1), ("a b", 1), ("\n", 0), ("é", 0), ("\u{7f}", 0)] {
            assert_eq!(EntityTag::strong(opaque).unwrap_err(), EntityTagError { at }, "{opaque:?}");
        }
        assert_eq!(EntityTag::strong("").unwrap().to_header_value(), "\"\"");
        assert_eq!(EntityTag::strong_hex(&[0x0f, 0xa0]).to_header_value(), "\"0fa0\"");
        assert_eq!(EntityTag::weak("x").unwrap().with_suffix("-gz").to_header_value(), "W/\"x-gz\"");
    }

    #[test]
    fn text_without_both_quotes_is_no_tag() {
        for field in [&b""[..], b"abc", b"\"abc", b"W/", b"w/\"a\"", b"\"a\x01\""] {
            assert_eq!(TagInField::read(field), None, "{field:?}");
        }
    }
}
