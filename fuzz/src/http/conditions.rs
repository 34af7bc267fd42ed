//! Conditional requests: `If-Match` and its kin, and `If-Range`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use rillcast_http::EntityTag;
use rillcast_http::conditional::{Validators, Verdict, evaluate, is_range_allowed, last_modified_value};

use crate::fields;

/// Opaque part of the tag of every representation here.
pub(crate) const OPAQUE: &str = "a-1";

/// From 1970 to the last second that has an HTTP date; it is never a second ago.
const LAST_SAYABLE: Duration = Duration::from_secs(253_402_300_799);

/// The target: eight bytes of modification time (seconds; two bits say what kind of tag there is),
/// then fields. A client that sends our validators back has a good copy; a field that does not hold
/// our tag does not match it.
pub fn run(data: &[u8]) {
    let Some((number, lines)) = fields::number(data) else { return };
    let etag = tag(number >> 62);
    let modified = UNIX_EPOCH + Duration::from_secs(number & 0xff_ffff_ffff);
    let validators = Validators { etag: etag.as_ref(), last_modified: Some(modified) };
    sent_back(etag.as_ref(), modified, validators);

    let headers = fields::read(lines);
    let now = modified + Duration::from_secs(number >> 40 & 3);
    let verdict = evaluate(&headers, validators);
    let has = |name: &HeaderName| headers.contains_key(name);
    let text = etag.as_ref().map(|tag| tag.to_header_value());
    let holds = |name, tag: Option<&[u8]>| {
        let matches = |value: &HeaderValue| {
            let bytes = value.as_bytes();
            bytes.trim_ascii() == b"*"
                || tag.is_some_and(|tag| bytes.windows(tag.len()).any(|window| window == tag))
        };
        headers.get_all(name).iter().any(matches)
    };
    let is_strong = etag.as_ref().is_some_and(|tag| !tag.is_weak());
    let quoted = etag.as_ref().map(|tag| format!("\"{}\"", tag.opaque()));
    let quoted = quoted.as_ref().map(String::as_bytes);
    match verdict {
        Verdict::NotModified if has(&header::IF_NONE_MATCH) => {
            assert!(holds(header::IF_NONE_MATCH, quoted));
        }
        Verdict::NotModified => assert!(has(&header::IF_MODIFIED_SINCE)),
        Verdict::Failed => assert!(has(&header::IF_MATCH) || has(&header::IF_UNMODIFIED_SINCE)),
        Verdict::Proceed => {}
    }
    if has(&header::IF_MATCH) && verdict != Verdict::Failed {
        assert!(holds(header::IF_MATCH, quoted.filter(|_| is_strong)));
    }
    let allowed = is_range_allowed(&headers, validators, now);
    match headers.get(header::IF_RANGE).map(|field| field.as_bytes().trim_ascii()) {
        None => assert!(allowed),
        Some(field) if field.starts_with(b"\"") || field.starts_with(b"W/\"") => {
            assert_eq!(allowed, is_strong && text.is_some_and(|text| text.as_bytes() == field));
        }
        Some(_) => assert!(!allowed || now > modified, "a date of this second is not strong"),
    }
}

/// What the server said itself, sent back to it.
fn sent_back(etag: Option<&EntityTag>, modified: SystemTime, validators: Validators<'_>) {
    let is_strong = etag.is_some_and(|tag| !tag.is_weak());
    let asked = |name: HeaderName, value: &HeaderValue| HeaderMap::from_iter([(name, value.clone())]);
    let date = last_modified_value(modified);
    let later = modified + Duration::from_secs(1);
    assert_eq!(evaluate(&asked(header::IF_MODIFIED_SINCE, &date), validators), Verdict::NotModified);
    assert_eq!(evaluate(&asked(header::IF_UNMODIFIED_SINCE, &date), validators), Verdict::Proceed);
    let is_sayable = modified < UNIX_EPOCH + LAST_SAYABLE;
    assert_eq!(is_range_allowed(&asked(header::IF_RANGE, &date), validators, later), is_sayable);
    assert!(!is_range_allowed(&asked(header::IF_RANGE, &date), validators, modified));
    let Some(tag) = etag.map(EntityTag::to_header_value) else { return };
    let expected = if is_strong { Verdict::Proceed } else { Verdict::Failed };
    assert_eq!(evaluate(&asked(header::IF_MATCH, &tag), validators), expected);
    assert_eq!(evaluate(&asked(header::IF_NONE_MATCH, &tag), validators), Verdict::NotModified);
    assert_eq!(is_range_allowed(&asked(header::IF_RANGE, &tag), validators, later), is_strong);
}

/// No tag, a strong one, or a weak one.
pub(crate) fn tag(kind: u64) -> Option<EntityTag> {
    match kind & 3 {
        0 => None,
        1 => Some(EntityTag::weak(OPAQUE).expect("one of ours")),
        _ => Some(EntityTag::strong(OPAQUE).expect("one of ours")),
    }
}
