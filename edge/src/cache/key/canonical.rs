//! The canonical form of a path or a piece of a query (RFC 3986 §6.2.2).
//!
//! Triplets of unreserved characters are decoded, the digits of the others are upper case. Everything else stays as it
//! was sent: a reserved character and its triplet are different things (§2.2), and so is an illegal character that some
//! origin may understand.

use std::borrow::Cow;

use memchr::memchr_iter;

use super::{KeyError, Part};

/// The canonical form of a path. Borrowed when it was canonical already.
pub(super) fn path(path: &str) -> Result<Cow<'_, str>, KeyError> {
    if !path.starts_with('/') {
        return Err(KeyError::NotAbsolute);
    }
    let path = text(path, Part::Path)?;
    if has_dot_segment(&path) {
        return Err(KeyError::DotSegment);
    }
    Ok(path)
}

/// The canonical form of `input`. Borrowed when it was canonical already.
pub(super) fn text(input: &str, part: Part) -> Result<Cow<'_, str>, KeyError> {
    // Made at the first change; what lies before `copied` is in it.
    let mut changed: Option<String> = None;
    let mut copied = 0;
    let mut bytes = input.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte != b'%' {
            if !is_allowed(byte, part) {
                return Err(KeyError::Byte { at, part });
            }
            continue;
        }
        let digits = (bytes.next(), bytes.next());
        let (Some((_, high)), Some((_, low))) = digits else { return Err(KeyError::Percent { at, part }) };
        let Some(value) = value_of(high, low) else { return Err(KeyError::Percent { at, part }) };
        if !is_unreserved(value) && !high.is_ascii_lowercase() && !low.is_ascii_lowercase() {
            continue;
        }
        let text = changed.get_or_insert_with(|| String::with_capacity(input.len()));
        text.push_str(input.get(copied..at).expect("a percent sign begins a character"));
        copied = at.saturating_add(3);
        if is_unreserved(value) {
            text.push(char::from(value));
        } else {
            text.extend(['%', char::from(high).to_ascii_uppercase(), char::from(low).to_ascii_uppercase()]);
        }
    }
    let Some(mut text) = changed else { return Ok(Cow::Borrowed(input)) };
    text.push_str(input.get(copied..).expect("a triplet ends a character"));
    Ok(Cow::Owned(text))
}

/// Bytes that can stand unencoded. Spaces, controls and fragments cannot reach us in a well-formed request; were they
/// passed on, they would break the upstream's.
fn is_allowed(byte: u8, part: Part) -> bool {
    byte > b' ' && byte != 0x7f && byte != b'#' && (byte != b'?' || part == Part::Query)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn value_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from((digit(high)? << 4) | digit(low)?).ok()
}

/// Whether a segment of a canonical path is `.` or `..`. There are origins that take an encoded slash, a backslash or
/// an encoded backslash for a slash; one that does must not be led out of a folder.
fn has_dot_segment(path: &str) -> bool {
    let begins_segment = |at: usize| {
        let before = path.as_bytes().get(..at).unwrap_or_default();
        matches!(before, [.., b'/' | b'\\']) || before.ends_with(b"%2F") || before.ends_with(b"%5C")
    };
    if !memchr_iter(b'.', path.as_bytes()).any(begins_segment) {
        return false;
    }
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    path.split(['/', '\\']).flat_map(|segment| segment.split("%2F")).flat_map(|s| s.split("%5C")).any(is_dots)
}
