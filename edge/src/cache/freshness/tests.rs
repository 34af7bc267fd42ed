mod clock;
mod origins;
mod revalidated;
mod storing;

use std::time::UNIX_EPOCH;

use http::HeaderValue;

use super::*;

/// The moment that the tests are about, in the middle of a second.
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(784_111_777_500)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Fields written as `name: value`, one a line.
fn headers(lines: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let name = HeaderName::try_from(name.trim()).unwrap();
        headers.append(name, HeaderValue::try_from(value.trim()).unwrap());
    }
    headers
}

/// The verdict on a response that came at once, at noon.
fn verdict(status: u16, lines: &str) -> Verdict {
    verdict_under(&Policy::default(), status, lines)
}

fn verdict_under(policy: &Policy, status: u16, lines: &str) -> Verdict {
    let exchange = Exchange {
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers(lines),
        requested: noon(),
        received: noon(),
        credentials: Credentials::None,
    };
    evaluate(&exchange, policy)
}

fn stored(status: u16, lines: &str) -> Lifetime {
    match verdict(status, lines) {
        Verdict::Store(lifetime) => lifetime,
        Verdict::Pass(reason) => panic!("{status} {lines:?} is passed: {reason:?}"),
    }
}

fn check_pass(status: u16, lines: &str, reason: Reason) {
    assert_eq!(verdict(status, lines), Verdict::Pass(reason), "{status} {lines:?}");
}

/// Fresh, stale while revalidate, stale if error, in seconds.
fn check_times(lines: &str, expected: (u64, u64, u64)) {
    let lifetime = stored(200, lines);
    let whole = |duration: Duration| {
        assert_eq!(duration.subsec_nanos(), 0);
        duration.as_secs()
    };
    let times =
        (whole(lifetime.fresh), whole(lifetime.stale_while_revalidate), whole(lifetime.stale_if_error));
    assert_eq!(times, expected, "{lines:?}");
}

/// An HTTP date so many seconds from noon's own second.
fn date(offset: i64) -> String {
    let second = UNIX_EPOCH + Duration::from_secs(784_111_777u64.saturating_add_signed(offset));
    httpdate::fmt_http_date(second)
}
