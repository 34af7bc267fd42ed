//! Freshness: whatever an origin says, the policy's maxima hold, time makes nothing better, and what is forbidden is
//! not stored.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rillcast_edge::cache::freshness::{
    Credentials, Exchange, Lifetime, Policy, State, Verdict, add_conditions, evaluate, freshen,
};

use crate::fields;

/// The target: eight bytes (status, how long the exchange took, how much later it is), then fields.
pub fn run(data: &[u8]) {
    let Some((number, lines)) = fields::number(data) else { return };
    let status = StatusCode::from_u16(u16::try_from(number >> 48).expect("two bytes") % 1000);
    let Ok(status) = status else { return };
    let headers = read(lines);
    let received = UNIX_EPOCH + Duration::from_millis(784_111_777_500);
    let took = Duration::from_millis(number >> 32 & 0xffff);
    let later = Duration::from_secs(number & 0xffff_ffff);
    let exchange = Exchange {
        status,
        headers: &headers,
        requested: received - took,
        received,
        credentials: Credentials::None,
    };
    let policy = Policy { heuristic_max: Some(Duration::from_secs(60)), ..Policy::default() };
    let verdict = evaluate(&exchange, &policy);
    if let Verdict::Store(lifetime) = verdict {
        stored(&exchange, &policy, &lifetime);
        passes(&lifetime, exchange.received, later);
    }
    let mut request = HeaderMap::new();
    assert_eq!(add_conditions(&headers, &mut request), !request.is_empty());
    if let Ok(updated) = freshen(&headers, &headers) {
        let again = evaluate(&Exchange { headers: &updated, ..exchange }, &policy);
        assert_eq!(again, verdict, "a 304 that says the same changes nothing");
    }
}

fn stored(exchange: &Exchange<'_>, policy: &Policy, lifetime: &Lifetime) {
    let max = match exchange.status.as_u16() {
        400..=499 => policy.negative_max,
        500.. => policy.server_error_max,
        _ => policy.fresh_max,
    };
    assert!(lifetime.fresh <= max);
    assert!(lifetime.stale_while_revalidate.max(lifetime.stale_if_error) <= policy.stale_max);
    assert!(!lifetime.must_revalidate || lifetime.usable_for() <= lifetime.fresh);
    assert!(!exchange.headers.contains_key(header::SET_COOKIE));
    let is_targeted = exchange.headers.keys().any(|name| TARGETED.contains(name));
    let fields = exchange.headers.get_all(header::CACHE_CONTROL);
    // Where nothing is quoted, a list is what lies between commas.
    let lists: Vec<_> = fields.iter().map(|field| field.as_bytes().to_ascii_lowercase()).collect();
    if !is_targeted && lists.iter().all(|list| !list.contains(&b'"')) {
        let says = |word: &[u8]| {
            let mut words = lists.iter().flat_map(|list| list.split(|byte| *byte == b','));
            words.any(|element| element.trim_ascii() == word)
        };
        assert!(!says(b"private"));
        assert!(
            !says(b"no-store") || says(b"must-understand") || lists.iter().any(|list| list.contains(&b'='))
        );
        assert!(!says(b"no-cache") || lifetime.fresh.is_zero());
    }
}

/// Time goes by, and nothing gets better.
fn passes(lifetime: &Lifetime, received: std::time::SystemTime, later: Duration) {
    let rank = |state| match state {
        State::Fresh => 0,
        State::StaleWhileRevalidate => 1,
        State::StaleIfError => 2,
        State::Expired => 3,
    };
    let (soon, late) = (received + later / 2, received + later);
    assert!(rank(lifetime.state(soon)) <= rank(lifetime.state(late)));
    assert!(lifetime.age(received) <= lifetime.age(soon) && lifetime.age(soon) <= lifetime.age(late));
    assert_eq!(lifetime.state(late) == State::Expired, later >= lifetime.usable_for());
    assert_eq!(lifetime.state(late) == State::Fresh, lifetime.age(late) < lifetime.fresh);
    assert_eq!(lifetime.ttl_seconds(late) < 0, lifetime.age(late) > lifetime.fresh);
    let long_before = received - Duration::from_secs(3600);
    assert_eq!(lifetime.state(long_before), State::Expired, "a clock that was set back");
    assert_eq!(lifetime.age(long_before), lifetime.age(received));
}

const TARGETED: [HeaderName; 2] =
    [HeaderName::from_static("cdn-cache-control"), HeaderName::from_static("surrogate-control")];

/// One field a line, its first byte naming it.
fn read(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some((letter, value)) = line.split_first() else { continue };
        let name = match letter {
            b'c' => header::CACHE_CONTROL,
            b't' => const { HeaderName::from_static("cdn-cache-control") },
            b's' => const { HeaderName::from_static("surrogate-control") },
            b'e' => header::EXPIRES,
            b'd' => header::DATE,
            b'a' => header::AGE,
            b'v' => header::VARY,
            b'l' => header::LAST_MODIFIED,
            b'g' => header::ETAG,
            b'k' => header::SET_COOKIE,
            b'n' => header::CONTENT_ENCODING,
            _ => continue,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    headers
}
