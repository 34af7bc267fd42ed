//! The name of a request in logs, problems and upstream requests.

use std::{
    cell::{Cell, RefCell},
    fmt,
    hash::{BuildHasher as _, RandomState},
};

use bytes::Bytes;
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

/// Ids that are written at a time.
const IDS_A_BLOCK: usize = 64;
/// Characters of an id that we make.
const MADE_BYTES: usize = 32;

/// Makes the ids of one core: they never repeat, and those of another core begin with another number (but for a chance of
/// 2^-64).
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// The first half of every id here.
    core: u64,
    next: Cell<u64>,
    /// Ids that wait to be used, one behind the other: with memory and a count for each they would cost three times as much.
    block: RefCell<Bytes>,
}

impl Default for RequestIds {
    fn default() -> Self {
        // Keyed by the system's randomness.
        let random = RandomState::new();
        let [core, next] = [0, 1].map(|number: u64| random.hash_one(number));
        Self { core, next: Cell::new(next), block: RefCell::default() }
    }
}

impl RequestIds {
    pub(crate) fn make(&self) -> RequestId {
        let mut block = self.block.borrow_mut();
        if block.is_empty() {
            *block = self.write_block();
        }
        let id = block.split_to(MADE_BYTES);
        RequestId(HeaderValue::from_maybe_shared(id).expect("hexadecimal digits are a header value"))
    }

    fn write_block(&self) -> Bytes {
        let mut text = Vec::with_capacity(IDS_A_BLOCK.saturating_mul(MADE_BYTES));
        for _ in 0..IDS_A_BLOCK {
            let number = self.next.get();
            self.next.set(number.wrapping_add(1));
            for half in [self.core, scattered(number)] {
                for byte in half.to_be_bytes() {
                    text.extend([hex_digit(byte >> 4), hex_digit(byte & 15)]);
                }
            }
        }
        text.into()
    }
}

/// Another number for each `number`, and no order in them (the finalizer of SplitMix64, each step of which can be undone).
fn scattered(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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

    #[test]
    fn ids_do_not_repeat_from_block_to_block() {
        let ids = RequestIds::default();
        let made: HashSet<String> = (0..3 * IDS_A_BLOCK + 1).map(|_| ids.make().to_string()).collect();
        assert_eq!(made.len(), 3 * IDS_A_BLOCK + 1);
        assert!(made.iter().all(|id| id.len() == MADE_BYTES));
    }
}
