//! How old a response was when it came (RFC 9111 §4.2.3), and the dates it carries.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, header};

use super::{Exchange, directives};

/// What a date leaves open: it names a second, not an instant.
const GRAIN: Duration = Duration::from_secs(1);

/// The corrected initial age.
///
/// Two steps away from the letter of §4.2.3, both because half a second matters to a playlist that lives one, and
/// because players with low latency believe `Age` (see `decisions/0002-age-of-held-responses.md`):
/// a `Date` is taken for the end of its second, not its beginning; and the time that the exchange took is not added to
/// the age of a response that was made after we had asked for it.
pub(super) fn initial(exchange: &Exchange<'_>) -> Duration {
    let value = age_value(exchange.headers);
    let Some(date) = date(exchange.headers) else { return value.saturating_add(delay(exchange)) };
    let end = date.checked_add(GRAIN).unwrap_or(date);
    let apparent = exchange.received.duration_since(end).unwrap_or(Duration::ZERO);
    let latest = exchange.received.checked_add(GRAIN).unwrap_or(exchange.received);
    if end >= exchange.requested && date <= latest {
        // Made while we waited: it cannot have spent that time on the way.
        return apparent.max(value);
    }
    apparent.max(value.saturating_add(delay(exchange)))
}

/// Time between request and response; none when the clock was set back in between.
fn delay(exchange: &Exchange<'_>) -> Duration {
    exchange.received.duration_since(exchange.requested).unwrap_or(Duration::ZERO)
}

/// The `Age` field: its first member; one that is no number is ignored (§5.1).
fn age_value(headers: &HeaderMap) -> Duration {
    let Some(field) = headers.get(header::AGE) else { return Duration::ZERO };
    let first = field.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default();
    directives::delta_seconds(first.trim_ascii()).unwrap_or_default()
}

/// `Date`, if it can be read and is there once.
pub(super) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    only(headers, &header::DATE)
}

/// `Last-Modified`, if it can be read and is there once.
pub(super) fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    only(headers, &header::LAST_MODIFIED)
}

/// `Expires`: the earliest of all; one that cannot be read lies in the past (§5.3).
pub(super) fn expires(headers: &HeaderMap) -> Option<SystemTime> {
    let fields = headers.get_all(header::EXPIRES).iter();
    fields.map(|field| read(field.as_bytes()).unwrap_or(UNIX_EPOCH)).min()
}

fn only(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (Some(only), None) => read(only.as_bytes()),
        _ => None,
    }
}

fn read(field: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(field.trim_ascii()).ok()?).ok()
}
