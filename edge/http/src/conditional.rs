//! Conditional requests (RFC 9110 §13): `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since` and
//! `If-Range`, in the order of §13.2.2.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::entity_tag::{EntityTag, TagInField};

/// The validators of the representation that would be sent.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    /// Its tag: of the chosen coding, not of the identity coding.
    pub etag: Option<&'a EntityTag>,
    /// When it changed last.
    pub last_modified: Option<SystemTime>,
}

/// What the conditions of a request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on as if there were none.
    Proceed,
    /// The client's copy is good: 304.
    NotModified,
    /// A precondition failed: 412.
    Failed,
}

/// Evaluates the conditions of a `GET` or `HEAD` for an existing representation (RFC 9110 §13.2.2, steps 1 to 4).
pub fn evaluate(headers: &HeaderMap, validators: Validators<'_>) -> Verdict {
    let last_modified = validators.last_modified.map(seconds);
    if let Some(listed) = listed_tag(headers, &header::IF_MATCH, validators.etag, EntityTag::strong_eq) {
        if !listed {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, &header::IF_UNMODIFIED_SINCE), last_modified)
        && modified > since
    {
        return Verdict::Failed;
    }
    match listed_tag(headers, &header::IF_NONE_MATCH, validators.etag, EntityTag::weak_eq) {
        Some(true) => Verdict::NotModified,
        Some(false) => Verdict::Proceed,
        None => match (date(headers, &header::IF_MODIFIED_SINCE), last_modified) {
            (Some(since), Some(modified)) if modified <= since => Verdict::NotModified,
            _ => Verdict::Proceed,
        },
    }
}

/// Whether `If-Range`, if there is one, lets `Range` count (RFC 9110 §13.1.5).
///
/// A tag must be equal by strong comparison. A date must equal `Last-Modified` and be strong, that is, at least a
/// second older than `now` (§8.8.2.2): two changes within one second would share a date.
pub fn is_range_allowed(headers: &HeaderMap, validators: Validators<'_>, now: SystemTime) -> bool {
    let Some(field) = headers.get(header::IF_RANGE) else { return true };
    if let Some((tag, rest)) = TagInField::read(field.as_bytes().trim_ascii()) {
        return rest.is_empty() && validators.etag.is_some_and(|etag| etag.strong_eq(&tag));
    }
    let (Some(sent), Some(modified)) = (parse_date(field), validators.last_modified.map(seconds)) else {
        return false;
    };
    sent == modified && modified.saturating_add(1) <= seconds(now)
}

/// The end of the year 9999, in seconds since 1970: no HTTP date is later.
const LAST_SAYABLE_SECONDS: u64 = 253_402_300_799;

/// `Last-Modified` as it is sent.
pub fn last_modified_value(modified: SystemTime) -> HeaderValue {
    // A file that claims a later year is dated at the end of what can be said.
    let last_sayable =
        UNIX_EPOCH.checked_add(Duration::from_secs(LAST_SAYABLE_SECONDS)).unwrap_or(UNIX_EPOCH);
    let sayable = modified.clamp(UNIX_EPOCH, last_sayable);
    HeaderValue::try_from(httpdate::fmt_http_date(sayable)).expect("an HTTP date is a header value")
}

/// Whether the tag is in the list of field `name`; `None` without such a field. `*` stands for any representation.
fn listed_tag(
    headers: &HeaderMap,
    name: &HeaderName,
    etag: Option<&EntityTag>,
    is_equal: fn(&EntityTag, &TagInField<'_>) -> bool,
) -> Option<bool> {
    let mut fields = headers.get_all(name).iter().peekable();
    fields.peek()?;
    Some(fields.any(|field| {
        let mut rest = field.as_bytes().trim_ascii();
        if rest == b"*" {
            return true;
        }
        // A malformed rest of a list is not read: what came before it still counts.
        while let Some((tag, after)) = TagInField::read(rest) {
            if etag.is_some_and(|etag| is_equal(etag, &tag)) {
                return true;
            }
            rest = after.trim_ascii_start();
            while let Some(next) = rest.strip_prefix(b",") {
                rest = next.trim_ascii_start();
            }
        }
        false
    }))
}

/// The date of field `name` in seconds; an invalid one, or one given twice, is ignored (RFC 9110 §13.1.3).
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (Some(only), None) => parse_date(only),
        _ => None,
    }
}

fn parse_date(field: &HeaderValue) -> Option<u64> {
    httpdate::parse_http_date(field.to_str().ok()?).ok().map(seconds)
}

/// Whole seconds since 1970, the grain of HTTP dates, as far as those go: what we said comes back equal.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().min(LAST_SAYABLE_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Last-Modified` of every entity in these tests, and the seconds beside it.
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn modified() -> SystemTime {
        // A fraction of a second must not count.
        httpdate::parse_http_date(MODIFIED).unwrap() + Duration::from_millis(700)
    }

    fn check(lines: &[(HeaderName, &str)], etag: Option<&EntityTag>, expected: Verdict) {
        let validators = Validators { etag, last_modified: Some(modified()) };
        assert_eq!(evaluate(&headers(lines), validators), expected, "{lines:?} for {etag:?}");
    }

    #[test]
    fn if_none_match_compares_weakly_over_lists_lines_and_star() {
        let (strong, weak) = (EntityTag::strong("a").unwrap(), EntityTag::weak("a").unwrap());
        use header::IF_NONE_MATCH as NAME;
        for tag in [&strong, &weak] {
            for hit in ["\"a\"", "W/\"a\"", "*", "\"x\", \"a\"", "\"x\",,W/\"a\" , \"y\"", "\"a,b\", \"a\""] {
                check(&[(NAME, hit)], Some(tag), Verdict::NotModified);
            }
            for miss in ["\"b\"", "\"A\"", "a", "", "\"a", "\"x\" \u{7f}\"a\"".trim_end_matches('x'), "\"*\""]
            {
                if let Ok(value) = HeaderValue::from_str(miss) {
                    check(&[(NAME, value.to_str().unwrap())], Some(tag), Verdict::Proceed);
                }
            }
            check(&[(NAME, "\"x\""), (NAME, "\"a\"")], Some(tag), Verdict::NotModified);
        }
        check(&[(NAME, "\"a\"")], None, Verdict::Proceed);
        check(&[(NAME, "*")], None, Verdict::NotModified);
    }

    #[test]
    fn if_none_match_silences_if_modified_since() {
        let tag = EntityTag::strong("a").unwrap();
        check(
            &[(header::IF_NONE_MATCH, "\"b\""), (header::IF_MODIFIED_SINCE, AFTER)],
            Some(&tag),
            Verdict::Proceed,
        );
    }

    #[test]
    fn dates_compare_by_the_second_and_bad_ones_are_ignored() {
        use header::{IF_MODIFIED_SINCE as SINCE, IF_UNMODIFIED_SINCE as UNTIL};
        for (name, value, verdict) in [
            (SINCE, BEFORE, Verdict::Proceed),
            (SINCE, MODIFIED, Verdict::NotModified),
            (SINCE, AFTER, Verdict::NotModified),
            (SINCE, "yesterday", Verdict::Proceed),
            (SINCE, "Sunday, 06-Nov-94 08:49:37 GMT", Verdict::NotModified),
            (SINCE, "Sun Nov  6 08:49:37 1994", Verdict::NotModified),
            (UNTIL, BEFORE, Verdict::Failed),
            (UNTIL, MODIFIED, Verdict::Proceed),
            (UNTIL, AFTER, Verdict::Proceed),
            (UNTIL, "yesterday", Verdict::Proceed),
        ] {
            check(&[(name, value)], None, verdict);
        }
        check(&[(SINCE, AFTER), (SINCE, AFTER)], None, Verdict::Proceed);
    }

    #[test]
    fn if_match_compares_strongly_and_silences_if_unmodified_since() {
        let (strong, weak) = (EntityTag::strong("a").unwrap(), EntityTag::weak("a").unwrap());
        use header::IF_MATCH as NAME;
        check(&[(NAME, "\"x\", \"a\"")], Some(&strong), Verdict::Proceed);
        check(&[(NAME, "*")], None, Verdict::Proceed);
        check(&[(NAME, "W/\"a\"")], Some(&strong), Verdict::Failed);
        check(&[(NAME, "\"a\"")], Some(&weak), Verdict::Failed);
        check(&[(NAME, "\"a\"")], None, Verdict::Failed);
        check(&[(NAME, "\"a\""), (header::IF_UNMODIFIED_SINCE, BEFORE)], Some(&strong), Verdict::Proceed);
        check(&[(NAME, "\"a\""), (header::IF_NONE_MATCH, "\"a\"")], Some(&strong), Verdict::NotModified);
    }

    #[test]
    fn if_range_wants_the_same_strong_tag_or_the_same_old_date() {
        let (strong, weak) = (EntityTag::strong("a").unwrap(), EntityTag::weak("a").unwrap());
        let later = modified() + Duration::from_secs(2);
        for (field, etag, now, allowed) in [
            (Some("\"a\""), Some(&strong), later, true),
            (Some("\"b\""), Some(&strong), later, false),
            (Some("W/\"a\""), Some(&strong), later, false),
            (Some("\"a\""), Some(&weak), later, false),
            (Some("\"a\", \"b\""), Some(&strong), later, false),
            (Some("\"a\""), None, later, false),
            (Some(MODIFIED), Some(&strong), later, true),
            (Some(MODIFIED), Some(&strong), modified(), false),
            (Some(AFTER), Some(&strong), later, false),
            (Some(BEFORE), Some(&strong), later, false),
            (Some("nonsense"), Some(&strong), later, false),
            (None, None, later, true),
        ] {
            let lines: Vec<_> = field.iter().map(|value| (header::IF_RANGE, *value)).collect();
            let validators = Validators { etag, last_modified: Some(modified()) };
            assert_eq!(is_range_allowed(&headers(&lines), validators, now), allowed, "{field:?} {etag:?}");
        }
    }

    #[test]
    fn dates_that_http_cannot_say_are_clamped() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(last_modified_value(far), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(last_modified_value(UNIX_EPOCH - Duration::from_secs(9)), "Thu, 01 Jan 1970 00:00:00 GMT");
        let validators = Validators { etag: None, last_modified: Some(far) };
        for (name, verdict) in [
            (header::IF_MODIFIED_SINCE, Verdict::NotModified),
            (header::IF_UNMODIFIED_SINCE, Verdict::Proceed),
        ] {
            let sent_back = HeaderMap::from_iter([(name, last_modified_value(far))]);
            assert_eq!(evaluate(&sent_back, validators), verdict);
        }
    }
}
