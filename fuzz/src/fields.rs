//! Header fields as fuzz input: one a line, its first byte naming the field, the rest its value.

use http::{HeaderMap, HeaderName, HeaderValue, header};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The fields of `lines`. A line that names no field, or holds what no field can, is left out: the
/// server in front has refused it.
pub(crate) fn read(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some((name, value)) = line.split_first() else { continue };
        let (Some(name), Ok(value)) = (name_of(*name), HeaderValue::from_bytes(value)) else { continue };
        headers.append(name, value);
    }
    headers
}

fn name_of(letter: u8) -> Option<HeaderName> {
    Some(match letter {
        b'r' => header::RANGE,
        b'i' => header::IF_RANGE,
        b'n' => header::IF_NONE_MATCH,
        b'm' => header::IF_MATCH,
        b's' => header::IF_MODIFIED_SINCE,
        b'u' => header::IF_UNMODIFIED_SINCE,
        b'e' => header::ACCEPT_ENCODING,
        b'o' => header::ORIGIN,
        b'f' => header::FORWARDED,
        b'x' => X_FORWARDED_FOR,
        _ => return None,
    })
}

/// Splits a number off the front: eight bytes, most significant first.
pub(crate) fn number(data: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = data.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}
