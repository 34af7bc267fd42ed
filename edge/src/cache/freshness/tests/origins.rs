//! Origins that say strange things, and answers that are errors.

use proptest::prelude::*;

use super::*;

#[test]
fn rfc_9111_4_2_1_of_two_contradicting_directives_the_stricter_counts() {
    check_times("cache-control: max-age=60, max-age=5", (5, 0, 0));
    check_times("cache-control: max-age=5\ncache-control: max-age=60", (5, 0, 0));
    check_times("cache-control: s-maxage=60, s-maxage=5, max-age=1", (5, 0, 0));
    check_times("cache-control: max-age=60, stale-if-error=9, stale-if-error=3", (60, 0, 3));
    check_pass(200, "cache-control: max-age=60, max-age=", Reason::NoFreshness);
    check_pass(200, "cache-control: public, private, max-age=60", Reason::Private);
}

#[test]
fn rfc_9111_1_2_2_numbers_of_any_length_are_read_and_bounded() {
    let year = Policy::default().fresh_max.as_secs();
    for (value, fresh) in [
        ("60", 60),
        ("\"60\"", 60),
        (" 60 ", 60),
        ("0060", 60),
        ("2147483648", year),
        ("9999999999", year),
        ("99999999999999999999999999999999999999", year),
    ] {
        check_times(&format!("cache-control: max-age={value}"), (fresh, 0, 0));
    }
    for value in ["-1", "+60", "6e1", "60.0", "60s", "0x3c", "\"60", "", "\"\"", "'60'", "60 60", "\u{66}"] {
        check_pass(200, &format!("cache-control: max-age={value}"), Reason::NoFreshness);
    }
    check_pass(200, "cache-control: max-age", Reason::NoFreshness);
}

#[test]
fn no_lifetime_is_longer_than_the_policy() {
    let policy = Policy { fresh_max: s(100), stale_max: s(10), negative_max: s(7), ..Policy::default() };
    let times = |status, directives: &str| {
        let Verdict::Store(lifetime) =
            verdict_under(&policy, status, &format!("cache-control: {directives}"))
        else {
            panic!("{status} {directives} is passed")
        };
        [lifetime.fresh, lifetime.stale_while_revalidate, lifetime.stale_if_error].map(|time| time.as_secs())
    };
    assert_eq!(times(200, "max-age=100, stale-while-revalidate=10, stale-if-error=10"), [100, 10, 10]);
    assert_eq!(times(200, "max-age=101, stale-while-revalidate=11, stale-if-error=11"), [100, 10, 10]);
    assert_eq!(times(404, "max-age=7"), [7, 0, 0]);
    assert_eq!(times(404, "max-age=8"), [7, 0, 0]);
    let lines = format!("expires: Fri, 31 Dec 9999 23:59:59 GMT\ndate: {}", date(0));
    let Verdict::Store(lifetime) = verdict_under(&policy, 200, &lines) else { panic!("passed") };
    assert_eq!(lifetime.fresh, s(100));
}

#[test]
fn negative_answers_are_kept_for_a_short_while_and_never_stale() {
    for status in [404, 405, 410, 414] {
        let lifetime = stored(status, "");
        assert_eq!((lifetime.fresh, lifetime.negative), (s(1), true), "{status}");
    }
    for status in [400, 403, 451] {
        check_pass(status, "", Reason::NoFreshness);
    }
    assert_eq!(stored(404, "cache-control: max-age=3600").fresh, s(60));
    assert_eq!(
        stored(404, "cache-control: max-age=5, stale-while-revalidate=9, stale-if-error=9").usable_for(),
        s(5)
    );
    check_pass(404, "cache-control: no-store", Reason::NoStore);
    check_pass(404, "cache-control: max-age=0\netag: \"a\"", Reason::NoFreshness);
    let never = Policy { negative_default: Duration::ZERO, ..Policy::default() };
    assert_eq!(verdict_under(&never, 404, ""), Verdict::Pass(Reason::NoFreshness));
    let long = Policy { negative_default: s(3600), ..Policy::default() };
    let Verdict::Store(lifetime) = verdict_under(&long, 404, "") else { panic!("passed") };
    assert_eq!(lifetime.fresh, s(60), "a default does not escape the maximum");
}

#[test]
fn server_errors_are_kept_only_on_request_and_hardly() {
    for status in [500, 501, 502, 503, 504, 599] {
        check_pass(status, "", Reason::NoFreshness);
        check_pass(status, "retry-after: 30", Reason::NoFreshness);
        let lifetime = stored(status, "cache-control: max-age=3600, stale-if-error=60");
        assert_eq!(
            (lifetime.fresh, lifetime.stale_if_error, lifetime.negative),
            (s(1), s(0), true),
            "{status}"
        );
    }
}

#[test]
fn every_reason_has_a_word_of_its_own() {
    let all = [
        Reason::Status,
        Reason::ContentRange,
        Reason::NoStore,
        Reason::Private,
        Reason::NoCache,
        Reason::SetCookie,
        Reason::VaryStar,
        Reason::VaryUnsupported,
        Reason::Coding,
        Reason::Authorization,
        Reason::NoFreshness,
        Reason::StaleOnArrival,
    ];
    let words: std::collections::BTreeSet<_> = all.map(Reason::as_str).into();
    assert_eq!(words.len(), all.len());
    assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
}

fn field() -> impl Strategy<Value = (&'static str, String)> {
    let names = [
        "cache-control",
        "cdn-cache-control",
        "surrogate-control",
        "expires",
        "date",
        "age",
        "vary",
        "last-modified",
        "etag",
    ];
    let directive = prop_oneof![
        "(max-age|s-maxage|stale-while-revalidate|stale-if-error)=[0-9]{1,12}",
        "(no-store|no-cache|private|public|must-revalidate|immutable)",
        "[ -~]{0,12}",
    ];
    let value = prop_oneof![
        prop::collection::vec(directive, 0..4).prop_map(|all| all.join(",")),
        (-4000i64..4000).prop_map(date),
        "[0-9]{0,12}",
    ];
    (prop::sample::select(names.to_vec()), value)
}

proptest! {
    #[test]
    fn whatever_an_origin_says_the_policy_and_the_clock_hold(
        status in 100u16..600,
        fields in prop::collection::vec(field(), 0..6),
        took in 0u64..5000,
        later in 0u64..1_000_000,
    ) {
        let lines: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let policy = Policy { heuristic_max: Some(s(60)), stale_if_error_default: s(5), ..Policy::default() };
        let exchange = Exchange {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers(&lines.join("\n")),
            requested: noon() - s(took),
            received: noon(),
            credentials: Credentials::None,
        };
        if let Verdict::Store(lifetime) = evaluate(&exchange, &policy) {
            let max = match status {
                400..=499 => policy.negative_max,
                500.. => policy.server_error_max,
                _ => policy.fresh_max,
            };
            prop_assert!(lifetime.fresh <= max);
            prop_assert!(lifetime.stale_while_revalidate.max(lifetime.stale_if_error) <= policy.stale_max);
            prop_assert!(!lifetime.must_revalidate || lifetime.usable_for() <= lifetime.fresh);
            // Time passes in one direction: what was once worse never gets better.
            let rank = |state| match state {
                State::Fresh => 0,
                State::StaleWhileRevalidate => 1,
                State::StaleIfError => 2,
                State::Expired => 3,
            };
            let (soon, late) = (noon() + s(later / 2), noon() + s(later));
            prop_assert!(rank(lifetime.state(soon)) <= rank(lifetime.state(late)));
            prop_assert!(lifetime.age(soon) <= lifetime.age(late));
            let is_over = s(later) >= lifetime.usable_for();
            prop_assert_eq!(lifetime.state(late) == State::Expired, is_over);
            prop_assert_eq!(lifetime.state(late) == State::Fresh, lifetime.age(late) < lifetime.fresh);
        }
    }
}
