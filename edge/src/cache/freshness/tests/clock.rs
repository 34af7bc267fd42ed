//! Ages, and clocks that are wrong or jump.

use super::*;

/// Age at arrival of a response that was asked for `took` before noon.
fn initial_age(took: Duration, lines: &str) -> Duration {
    let exchange = Exchange {
        status: StatusCode::OK,
        headers: &headers(&format!("cache-control: max-age=31536000\n{lines}")),
        requested: noon() - took,
        received: noon(),
        credentials: Credentials::None,
    };
    let Verdict::Store(lifetime) = evaluate(&exchange, &Policy::default()) else { panic!("passed: {lines}") };
    lifetime.age(noon())
}

fn check_age(took_ms: u64, lines: &str, expected_ms: u64) {
    let age = initial_age(Duration::from_millis(took_ms), lines);
    assert_eq!(age, Duration::from_millis(expected_ms), "{took_ms} ms, {lines:?}");
}

#[test]
fn rfc_9111_4_2_3_the_age_is_the_greater_of_what_is_said_and_what_is_seen() {
    check_age(0, "", 0);
    check_age(0, "age: 30", 30_000);
    // Without a date the time on the way counts.
    check_age(2_000, "age: 30", 32_000);
    check_age(2_000, "", 2_000);
    // The date's second ends 0.5 s after noon less ten seconds.
    check_age(0, &format!("date: {}", date(-10)), 9_500);
    check_age(0, &format!("date: {}\nage: 3", date(-10)), 9_500);
    check_age(0, &format!("date: {}\nage: 30", date(-10)), 30_000);
    check_age(4_000, &format!("date: {}\nage: 8", date(-10)), 12_000);
}

#[test]
fn a_response_made_while_we_waited_did_not_age_on_the_way() {
    // A blocking playlist: asked for 6 s ago, made and sent now.
    check_age(6_000, &format!("date: {}", date(0)), 0);
    check_age(6_000, &format!("date: {}\nage: 0", date(0)), 0);
    check_age(6_000, &format!("date: {}\nage: 2", date(-3)), 2_500);
    // Made before we asked: §4.2.3 to the letter.
    check_age(6_000, &format!("date: {}\nage: 0", date(-20)), 19_500);
    check_age(6_000, &format!("date: {}\nage: 15", date(-20)), 21_000);
}

#[test]
fn rfc_9111_5_1_of_several_ages_the_first_counts_and_nonsense_is_ignored() {
    for (lines, age_ms) in [
        ("age: 3, 9", 3_000),
        ("age: 3\nage: 9", 3_000),
        ("age: -1", 0),
        ("age: soon", 0),
        ("age: 1.5", 0),
        ("age: ", 0),
    ] {
        check_age(0, lines, age_ms);
    }
    check_pass(200, "cache-control: max-age=60\nage: 99999999999999999999", Reason::StaleOnArrival);
    check_pass(200, "cache-control: max-age=60\nage: 60", Reason::StaleOnArrival);
    assert_eq!(stored(200, "cache-control: max-age=60\nage: 59").usable_for(), s(1));
    assert_eq!(stored(200, "cache-control: max-age=60\nage: 60\netag: \"a\"").state(noon()), State::Expired);
}

#[test]
fn dates_that_lie_make_nothing_young_or_eternal() {
    check_age(0, &format!("date: {}", date(100_000)), 0);
    check_age(3_000, &format!("date: {}", date(100_000)), 3_000);
    check_age(0, "date: Fri, 31 Dec 9999 23:59:59 GMT", 0);
    check_age(0, "date: yesterday", 0);
    check_age(0, &format!("date: {}\ndate: {}", date(-50), date(-50)), 0);
    // An origin that lives in the future means its own time from Date to Expires.
    let lines = format!("date: {}\nexpires: {}", date(100_000), date(100_020));
    assert_eq!(stored(200, &lines).fresh, s(20));
    // Without a date, Expires is compared with our own clock.
    assert_eq!(stored(200, &format!("expires: {}", date(20))).fresh, Duration::from_millis(19_500));
}

#[test]
fn a_clock_set_back_during_the_exchange_gives_no_negative_delay() {
    let exchange = Exchange {
        status: StatusCode::OK,
        headers: &headers("cache-control: max-age=60\nage: 5"),
        requested: noon() + s(3600),
        received: noon(),
        credentials: Credentials::None,
    };
    let Verdict::Store(lifetime) = evaluate(&exchange, &Policy::default()) else { panic!("passed") };
    assert_eq!(lifetime.age(noon()), s(5));
}

#[test]
fn each_state_begins_where_the_one_before_ends() {
    let lifetime =
        stored(200, "cache-control: max-age=60, stale-while-revalidate=10, stale-if-error=30\nage: 20");
    for (after_ms, state, ttl) in [
        (0, State::Fresh, 40),
        (39_999, State::Fresh, 0),
        (40_000, State::StaleWhileRevalidate, 0),
        (40_001, State::StaleWhileRevalidate, -1),
        (49_999, State::StaleWhileRevalidate, -10),
        (50_000, State::StaleIfError, -10),
        (69_999, State::StaleIfError, -30),
        (70_000, State::Expired, -30),
    ] {
        let now = noon() + Duration::from_millis(after_ms);
        assert_eq!((lifetime.state(now), lifetime.ttl_seconds(now)), (state, ttl), "{after_ms} ms");
    }
    assert_eq!(lifetime.usable_for(), s(70));
    assert_eq!(lifetime.received(), noon());
    assert_eq!(lifetime.age_value(noon() + Duration::from_millis(1_999)), "21");
}

#[test]
fn a_clock_that_jumps_ahead_makes_stale_and_one_set_back_makes_expired() {
    let lifetime = stored(200, "cache-control: max-age=31536000, stale-if-error=60");
    assert_eq!(lifetime.state(noon() + s(400 * 24 * 3600)), State::Expired);
    assert_eq!(lifetime.state(noon() - CLOCK_SLACK), State::Fresh);
    assert_eq!(lifetime.state(noon() - CLOCK_SLACK - Duration::from_nanos(1)), State::Expired);
    assert_eq!(lifetime.state(UNIX_EPOCH), State::Expired);
    assert_eq!(lifetime.age(UNIX_EPOCH), Duration::ZERO);
    let far = UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 100);
    assert_eq!(lifetime.age_value(far), "2147483648");
}
