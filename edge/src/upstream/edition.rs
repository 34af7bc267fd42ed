//! Which edition of an object a body is of, and whether another answer goes on where it broke off.
//!
//! Only what proves to be byte for byte the same may be joined: a strong `ETag`, or, from the same upstream, a
//! `Last-Modified` long enough before the answer that two changes cannot share it.
//!
//! Spec: RFC 9110 §8.8 (validators), §13.1.5 (`If-Range`), §14.4, §15.3.7.

use std::{ops::Range, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, IF_MATCH,
        IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
    },
};
use rillcast_http::EntityTag;

use super::content_range::ContentRange;

/// A date so long before the answer is a strong validator: no two editions of one server share it.
const DATE_IS_STRONG_AFTER: Duration = Duration::from_secs(60);

/// What is known of a body: enough to ask for the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edition {
    validator: Validator,
    /// Position of the body's first byte in the object.
    first: u64,
    /// Position after its last byte, when known.
    end: Option<u64>,
    /// Length of the object, when known.
    complete: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Validator {
    Tag(EntityTag),
    Date(HeaderValue),
}

/// Why an answer does not go on where the body broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// The object is another one by now.
    Changed,
    /// The answer is no part, or another part.
    NoPart,
}

impl Edition {
    /// Of a response to a GET. `None` when its body cannot be joined with another's.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        if !is_identity(headers) || refuses_ranges(headers) {
            return None;
        }
        let validator = Validator::of(headers)?;
        match status {
            StatusCode::OK => {
                let len = content_length(headers);
                Some(Self { validator, first: 0, end: len, complete: len })
            }
            StatusCode::PARTIAL_CONTENT => {
                let ContentRange { part, complete } = content_range(headers)?;
                Some(Self { validator, first: part.start, end: Some(part.end), complete })
            }
            _ => None,
        }
    }

    /// Whether any upstream may have the rest. A date says something about the clock of one server only.
    pub(super) fn is_known_everywhere(&self) -> bool {
        matches!(self.validator, Validator::Tag(_))
    }

    /// Length of the whole body, when known.
    pub(super) fn len(&self) -> Option<u64> {
        self.end?.checked_sub(self.first)
    }

    /// Turns the fields of the first request into those that ask for what follows after `received` bytes.
    pub(super) fn ask_for_rest(&self, headers: &mut HeaderMap, received: u64) {
        const CONDITIONS: [HeaderName; 4] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
        for name in CONDITIONS {
            headers.remove(name);
        }
        let first = self.first.saturating_add(received);
        let range = match self.end {
            // The last byte of the object need not be named.
            Some(end) if self.complete != Some(end) => format!("bytes={first}-{}", end.saturating_sub(1)),
            _ => format!("bytes={first}-"),
        };
        headers.insert(RANGE, HeaderValue::try_from(range).expect("digits are a header value"));
        headers.insert(IF_RANGE, self.validator.to_header_value());
    }

    /// Holds an answer against what was asked for after `received` bytes, and learns lengths from it.
    pub(super) fn continues(
        &mut self,
        received: u64,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<(), Mismatch> {
        let is_same = self.validator.is_in(headers);
        if status != StatusCode::PARTIAL_CONTENT {
            // A whole object of the same edition would have to be read again from its start.
            let is_changed = status.is_success() && !is_same;
            return Err(if is_changed { Mismatch::Changed } else { Mismatch::NoPart });
        }
        let ContentRange { part, complete } = content_range(headers).ok_or(Mismatch::NoPart)?;
        let is_next = self.first.checked_add(received) == Some(part.start) && is_identity(headers);
        let is_of_length = content_length(headers).is_none_or(|len| Some(len) == len_of(&part));
        if !is_next || !is_of_length {
            return Err(Mismatch::NoPart);
        }
        if !is_same || (self.complete.is_some() && complete != self.complete) {
            return Err(Mismatch::Changed);
        }
        // Without an end we asked for all that there is, and only a whole length tells whether this is it.
        let end = self.end.or(complete).ok_or(Mismatch::NoPart)?;
        if part.end != end {
            return Err(Mismatch::NoPart);
        }
        (self.end, self.complete) = (Some(end), complete);
        Ok(())
    }
}

impl Validator {
    fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key(ETAG) {
            // A weak tag says that the date may be shared, too.
            let tag = EntityTag::from_header_value(only(headers, &ETAG)?)?;
            return (!tag.is_weak()).then_some(Self::Tag(tag));
        }
        let modified = only(headers, &LAST_MODIFIED)?;
        let time = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
        let age = time(only(headers, &DATE)?)?.duration_since(time(modified)?).ok()?;
        (age >= DATE_IS_STRONG_AFTER).then(|| Self::Date(modified.clone()))
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Tag(tag) => only(headers, &ETAG).is_some_and(|value| *value == tag.to_header_value()),
            Self::Date(date) => only(headers, &LAST_MODIFIED) == Some(date) && !headers.contains_key(ETAG),
        }
    }

    fn to_header_value(&self) -> HeaderValue {
        match self {
            Self::Tag(tag) => tag.to_header_value(),
            Self::Date(date) => date.clone(),
        }
    }
}

/// The value of a field that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    Some(value)
}

/// What a 206 is a part of; `None` also for several parts in one body, whose type says so and which have no such field.
pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    ContentRange::read(only(headers, &CONTENT_RANGE)?.as_bytes())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    only(headers, &CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn len_of(part: &Range<u64>) -> Option<u64> {
    part.end.checked_sub(part.start)
}

/// Codings are often made on the way, and then two of one name differ.
fn is_identity(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn refuses_ranges(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT_RANGES).iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"none"))
}
