//! The name of a request in logs, problems and upstream requests.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher as _, RandomState},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken from a client, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 64;

/// 1 to [`REQUEST_ID_BYTES_MAX`] characters of `[A-Za-z0-9._-]`; safe in a log line, a header and a URN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id of a call inside the process that nobody named.
    pub const INTERNAL: Self = Self(HeaderValue::from_static("internal"));

    /// The client's id, when it sent exactly one and it is well-formed.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(X_REQUEST_ID).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        let is_well_formed = (1..=REQUEST_ID_BYTES_MAX).contains(&value.len())
            && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
        is_well_formed.then(|| Self(value.clone()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("an id is ASCII")
    }

    /// As the value of [`X_REQUEST_ID`].
    pub fn to_header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes the ids of one core: they do not repeat, and collide with those of others only by chance (2^-128).
#[derive(Debug, Default)]
pub(crate) struct RequestIds {
    /// Two keyed hashes, keyed by the system's randomness.
    keys: [RandomState; 2],
    next: Cell<u64>,
}

impl RequestIds {
    pub(crate) fn make(&self) -> RequestId {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let [high, low] = &self.keys;
        // The two states differ by one in their keys only, so the halves also hash different inputs.
        let halves = [high.hash_one((number, 'h')), low.hash_one((number, 'l'))];
        let mut text = [0; 32];
        let bytes = halves.iter().flat_map(|half| half.to_be_bytes());
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        RequestId(HeaderValue::from_bytes(&text).expect("hexadecimal digits are a header value"))
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_well_formed_id_is_taken_from_the_client() {
        let longest = "a".repeat(REQUEST_ID_BYTES_MAX);
        let too_long = "a".repeat(REQUEST_ID_BYTES_MAX + 1);
        for (sent, taken) in [
            (&["aZ09._-"][..], Some("aZ09._-")),
            (&[longest.as_str()], Some(longest.as_str())),
            (&[too_long.as_str()], None),
            (&[""], None),
            (&["a b"], None),
            (&["a\"b"], None),
            (&["one", "two"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(X_REQUEST_ID, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(RequestId::from_headers(&headers).as_ref().map(RequestId::as_str), taken, "{sent:?}");
        }
    }

    #[test]
    fn made_ids_are_well_formed_and_differ() {
        let (one, other) = (RequestIds::default(), RequestIds::default());
        let made = [one.make(), one.make(), other.make()];
        for (index, id) in made.iter().enumerate() {
            let headers = HeaderMap::from_iter([(X_REQUEST_ID, id.to_header_value())]);
            assert_eq!(RequestId::from_headers(&headers).as_ref(), Some(id));
            assert!(made.iter().skip(index + 1).all(|next| next != id));
        }
    }
}
