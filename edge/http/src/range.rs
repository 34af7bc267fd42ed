//! The `Range` and `Content-Range` header fields (RFC 9110 §14), bytes only.
//!
//! What is no valid byte range is ignored, as the RFC allows. A list of several ranges is ignored too, so that the
//! whole is sent: players do not ask for it, and assembling many overlapping pieces is a known way to hurt a server.

use std::ops::Range;

use http::HeaderValue;

/// What a `Range` field asks of a body of a known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeAnswer {
    /// Send the whole: no range, an invalid one, another unit, or more than one.
    Whole,
    /// Send these bytes; never empty.
    Part(Range<u64>),
    /// Nothing of what was asked for exists: 416.
    Unsatisfiable,
}

/// Decides what `field` asks of a body of `len` bytes.
pub fn decide(field: &[u8], len: u64) -> RangeAnswer {
    let Some(set) = strip_unit(field) else { return RangeAnswer::Whole };
    // Empty list elements are legal and mean nothing (RFC 9110 §5.6.1.2).
    let mut specs = set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty());
    let (Some(only), None) = (specs.next(), specs.next()) else { return RangeAnswer::Whole };
    decide_one(only, len).unwrap_or(RangeAnswer::Whole)
}

/// `Content-Range` of a part.
pub fn content_range(part: &Range<u64>, len: u64) -> HeaderValue {
    let last = part.end.saturating_sub(1);
    HeaderValue::try_from(format!("bytes {}-{last}/{len}", part.start)).expect("digits are a header value")
}

/// `Content-Range` of a 416.
pub fn unsatisfied_range(len: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes */{len}")).expect("digits are a header value")
}

/// What follows `bytes=`; units are case-insensitive (RFC 9110 §14.1).
fn strip_unit(field: &[u8]) -> Option<&[u8]> {
    let (unit, set) = field.trim_ascii().split_at_checked(b"bytes=".len())?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// `None` when `spec` is no range.
fn decide_one(spec: &[u8], len: u64) -> Option<RangeAnswer> {
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (spec.get(..dash)?, spec.get(dash.checked_add(1)?..)?);
    let part = if first.is_empty() {
        len.saturating_sub(position(last)?)..len
    } else if last.is_empty() {
        position(first)?..len
    } else {
        let (first, last) = (position(first)?, position(last)?);
        if first > last {
            return None;
        }
        first..last.saturating_add(1).min(len)
    };
    Some(if part.start < part.end { RangeAnswer::Part(part) } else { RangeAnswer::Unsatisfiable })
}

/// Digits as a number; one beyond 64 bits is as good as the largest, because no body is that long.
fn position(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        Some(value.saturating_mul(10).saturating_add(digit.into()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(field: &str, len: u64, expected: &RangeAnswer) {
        assert_eq!(decide(field.as_bytes(), len), *expected, "{field:?} of {len}");
    }

    #[test]
    fn one_valid_range_inside_the_body_is_a_part() {
        for (field, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..10),
            ("bytes=0-9", 0..10),
            ("bytes=0-99", 0..10),
            ("bytes=9-", 9..10),
            ("bytes=3-5", 3..6),
            ("bytes=-1", 9..10),
            ("bytes=-10", 0..10),
            ("bytes=-11", 0..10),
            ("BYTES=3-5", 3..6),
            (" bytes= 3-5 ", 3..6),
            ("bytes=,3-5,", 3..6),
            ("bytes=3-99999999999999999999999", 3..10),
            ("bytes=0000000000000000000000003-5", 3..6),
            ("bytes=-99999999999999999999999", 0..10),
        ] {
            check(field, 10, &RangeAnswer::Part(part));
        }
    }

    #[test]
    fn one_valid_range_outside_the_body_is_unsatisfiable() {
        for (field, len) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=99999999999999999999999-", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=-5", 0),
        ] {
            check(field, len, &RangeAnswer::Unsatisfiable);
        }
    }

    #[test]
    fn what_is_no_single_range_gives_the_whole() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes:0-1",
            "bytes=\u{661}-",
        ] {
            check(field, 10, &RangeAnswer::Whole);
        }
    }

    #[test]
    fn content_range_names_first_last_and_length() {
        assert_eq!(content_range(&(3..6), 10), "bytes 3-5/10");
        assert_eq!(unsatisfied_range(0), "bytes */0");
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_part_inside_the_body_or_none(field in prop::collection::vec(any::<u8>(), 0..40), len: u64) {
            if let RangeAnswer::Part(part) = decide(&field, len) {
                prop_assert!(part.start < part.end && part.end <= len);
            }
        }

        #[test]
        fn a_written_range_is_read_back(first in 0u64..1000, more in 0u64..1000, len in 1u64..1000) {
            let last = first + more;
            let expected = if first < len {
                RangeAnswer::Part(first..len.min(last + 1))
            } else {
                RangeAnswer::Unsatisfiable
            };
            prop_assert_eq!(decide(format!("bytes={first}-{last}").as_bytes(), len), expected);
        }
    }
}
