//! Which responses are stored, and for how long they say that they are fresh.

use super::*;

#[test]
fn rfc_9111_3_only_statuses_that_speak_of_the_resource_are_stored() {
    for status in [200, 203, 204, 300, 301, 302, 303, 307, 308] {
        let lifetime = stored(status, "cache-control: max-age=60");
        assert_eq!((lifetime.fresh, lifetime.negative), (s(60), false), "{status}");
    }
    for status in [400, 402, 403, 404, 405, 406, 409, 410, 414, 415, 422, 451] {
        let lifetime = stored(status, "cache-control: max-age=60");
        assert_eq!((lifetime.fresh, lifetime.negative), (s(60), true), "{status}");
    }
    for status in [100, 202, 304, 401, 407, 408, 412, 413, 416, 417, 421, 425, 426, 428, 429, 431, 499, 600] {
        check_pass(status, "cache-control: max-age=60", Reason::Status);
    }
}

#[test]
fn rfc_9111_3_3_parts_are_not_stored() {
    check_pass(206, "cache-control: max-age=60\ncontent-range: bytes 0-1/2", Reason::ContentRange);
    check_pass(206, "cache-control: max-age=60", Reason::ContentRange);
    check_pass(200, "cache-control: max-age=60\ncontent-range: bytes 0-1/2", Reason::ContentRange);
}

#[test]
fn rfc_9111_5_2_2_what_forbids_storing() {
    for (lines, reason) in [
        ("cache-control: no-store, max-age=60", Reason::NoStore),
        ("cache-control: max-age=60\ncache-control: NO-STORE", Reason::NoStore),
        ("cache-control: max-age=60, no-store=0", Reason::NoStore),
        ("cache-control: private, s-maxage=60", Reason::Private),
        ("cache-control: max-age=60, private=\"a, b\", x", Reason::Private),
        ("cache-control: private=\"a, max-age=60", Reason::Private),
        ("cache-control: no-cache, max-age=60", Reason::NoCache),
        ("cache-control: no-cache=\"set-cookie\", max-age=60", Reason::NoCache),
        ("cache-control: max-age=60\nset-cookie: a=b", Reason::SetCookie),
        ("cache-control: max-age=0", Reason::NoFreshness),
        ("", Reason::NoFreshness),
        ("cache-control: public", Reason::NoFreshness),
        ("pragma: no-cache", Reason::NoFreshness),
    ] {
        check_pass(200, lines, reason);
    }
}

#[test]
fn rfc_9111_5_2_2_3_must_understand_takes_the_place_of_no_store() {
    check_times("cache-control: no-store, must-understand, max-age=60", (60, 0, 0));
}

#[test]
fn rfc_9111_3_5_authorization_wants_leave_to_share() {
    let with = |lines: &str| {
        let headers = headers(lines);
        let credentials = Credentials::Authorization;
        let (requested, received) = (noon(), noon());
        let status = StatusCode::OK;
        evaluate(
            &Exchange { status, headers: &headers, requested, received, credentials },
            &Policy::default(),
        )
    };
    assert_eq!(with("cache-control: max-age=60"), Verdict::Pass(Reason::Authorization));
    for leave in ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"] {
        assert!(matches!(with(&format!("cache-control: {leave}")), Verdict::Store(_)), "{leave}");
    }
}

#[test]
fn rfc_9111_4_2_1_s_maxage_before_max_age_before_expires() {
    let expires = date(30);
    let dated = date(0);
    for (lines, fresh) in [
        (format!("cache-control: max-age=10, s-maxage=20\nexpires: {expires}\ndate: {dated}"), 20),
        (format!("cache-control: max-age=10\nexpires: {expires}\ndate: {dated}"), 10),
        (format!("expires: {expires}\ndate: {dated}"), 30),
        // An invalid max-age is stale, and does not fall back on Expires.
        (format!("cache-control: max-age=x\nexpires: {expires}\ndate: {dated}\netag: \"a\""), 0),
    ] {
        check_times(&lines, (fresh, 0, 0));
    }
}

#[test]
fn rfc_9111_5_3_expires_that_cannot_be_read_is_past() {
    for expires in ["0", "-1", "never", "Thu, 99 Dec 1994 16:00:00 GMT", ""] {
        let lines = format!("expires: {expires}\ndate: {}", date(0));
        check_pass(200, &lines, Reason::NoFreshness);
    }
    let both = format!("expires: {}\nexpires: {}\ndate: {}", date(60), date(20), date(0));
    check_times(&both, (20, 0, 0));
}

#[test]
fn rfc_9111_4_2_2_nothing_is_guessed_unless_an_operator_says_so() {
    let lines = format!("last-modified: {}\ndate: {}", date(-1000), date(0));
    check_pass(200, &lines, Reason::NoFreshness);
    let guessing = Policy { heuristic_max: Some(s(70)), ..Policy::default() };
    let fresh = |status, lines: &str| match verdict_under(&guessing, status, lines) {
        Verdict::Store(lifetime) => Ok(lifetime.fresh),
        Verdict::Pass(reason) => Err(reason),
    };
    assert_eq!(fresh(200, &lines), Ok(s(70)), "a tenth of it is 100 s, the maximum 70");
    let newer = format!("last-modified: {}\ndate: {}", date(-200), date(0));
    assert_eq!(fresh(200, &newer), Ok(s(20)));
    assert_eq!(fresh(302, &newer), Err(Reason::NoFreshness), "not a status to guess for");
    let future = format!("last-modified: {}\ndate: {}", date(200), date(0));
    assert_eq!(fresh(200, &future), Err(Reason::NoFreshness));
    assert_eq!(fresh(200, &format!("{newer}\ncache-control: max-age=5")), Ok(s(5)), "what is said wins");
}

#[test]
fn rfc_5861_stale_responses_are_used_as_long_as_the_origin_says() {
    check_times("cache-control: max-age=1, stale-while-revalidate=2, stale-if-error=3", (1, 2, 3));
    check_times("cache-control: max-age=0, stale-while-revalidate=2", (0, 2, 0));
    check_times("cache-control: s-maxage=1, stale-while-revalidate=2", (1, 2, 0));
    for forbidding in ["must-revalidate", "proxy-revalidate"] {
        let lines =
            format!("cache-control: max-age=1, stale-while-revalidate=2, stale-if-error=3, {forbidding}");
        check_times(&lines, (1, 0, 0));
        assert!(stored(200, &lines).must_revalidate);
    }
    // §5.2.2.4: no-cache means never without asking.
    let lines = "cache-control: no-cache, max-age=9, stale-while-revalidate=2, stale-if-error=3\netag: \"a\"";
    check_times(lines, (0, 0, 0));
}

#[test]
fn rfc_9111_4_2_4_an_operator_may_let_stale_stand_in_for_errors() {
    let policy = Policy { stale_if_error_default: s(30), ..Policy::default() };
    let if_error = |status, directives: &str| match verdict_under(
        &policy,
        status,
        &format!("cache-control: {directives}\netag: \"a\""),
    ) {
        Verdict::Store(lifetime) => lifetime.stale_if_error,
        Verdict::Pass(reason) => panic!("{directives}: {reason:?}"),
    };
    assert_eq!(if_error(200, "max-age=1"), s(30));
    assert_eq!(if_error(200, "max-age=1, stale-if-error=5"), s(5));
    for forbidding in ["max-age=1, must-revalidate", "s-maxage=1", "no-cache"] {
        assert_eq!(if_error(200, forbidding), Duration::ZERO, "{forbidding}");
    }
    assert_eq!(if_error(404, "max-age=1"), Duration::ZERO);
}

#[test]
fn rfc_8246_immutable_is_remembered() {
    assert!(stored(200, "cache-control: max-age=31536000, immutable").immutable);
    assert!(!stored(200, "cache-control: max-age=31536000").immutable);
}

#[test]
fn rfc_9213_a_field_for_us_takes_the_place_of_the_others() {
    let dated = format!("expires: {}\ndate: {}", date(30), date(0));
    for (lines, times) in [
        ("cdn-cache-control: max-age=60\ncache-control: no-store", (60, 0, 0)),
        ("cdn-cache-control: max-age=60, stale-if-error=5\nsurrogate-control: max-age=7", (60, 0, 5)),
        ("cdn-cache-control: max-age=60, no-store=?0\ncache-control: private", (60, 0, 0)),
        ("cdn-cache-control: max-age=60;x=y, a=\"b, no-store\"", (60, 0, 0)),
        ("surrogate-control: max-age=60\ncache-control: no-store", (60, 0, 0)),
        ("surrogate-control: max-age=60+30, content=\"ESI/1.0\"\ncache-control: max-age=1", (60, 30, 30)),
        ("surrogate-control: max-age=60;edge", (60, 0, 0)),
        // Empty, malformed or about something else: as good as absent.
        ("cdn-cache-control: \ncache-control: max-age=5", (5, 0, 0)),
        ("cdn-cache-control: max-age=60,\ncache-control: max-age=5", (5, 0, 0)),
        ("cdn-cache-control: Max-Age=60\nsurrogate-control: max-age=7", (7, 0, 0)),
        ("surrogate-control: content=\"ESI/1.0\"\ncache-control: max-age=5", (5, 0, 0)),
    ] {
        check_times(&format!("{lines}\n{dated}"), times);
    }
    for (lines, reason) in [
        ("cdn-cache-control: no-store\ncache-control: max-age=60", Reason::NoStore),
        ("cdn-cache-control: no-store=?1\ncache-control: max-age=60", Reason::NoStore),
        ("surrogate-control: no-store\ncache-control: max-age=60", Reason::NoStore),
        ("cdn-cache-control: public\ncache-control: max-age=60", Reason::NoFreshness),
        ("cdn-cache-control: max-age=\"60\", max-age=0\ncache-control: max-age=60", Reason::NoFreshness),
    ] {
        check_pass(200, &format!("{lines}\n{dated}"), reason);
    }
}

#[test]
fn rfc_9111_4_1_only_codings_tell_variants_apart() {
    use rillcast_http::coding::Coding::{Brotli, Gzip};
    let of = |lines: &str| match verdict(200, &format!("cache-control: max-age=60\n{lines}")) {
        Verdict::Store(lifetime) => Ok(lifetime.variation),
        Verdict::Pass(reason) => Err(reason),
    };
    for (lines, expected) in [
        ("", Ok(Variation::None)),
        ("vary: ", Ok(Variation::None)),
        ("content-encoding: zstd", Ok(Variation::None)),
        ("vary: accept-encoding", Ok(Variation::Coding(None))),
        ("vary: Accept-Encoding\ncontent-encoding: identity", Ok(Variation::Coding(None))),
        ("vary: ACCEPT-ENCODING\ncontent-encoding: GZIP", Ok(Variation::Coding(Some(Gzip)))),
        ("vary: origin\nvary: , accept-encoding\ncontent-encoding: br", Ok(Variation::Coding(Some(Brotli)))),
        ("vary: Origin, Access-Control-Request-Headers, Access-Control-Request-Method", Ok(Variation::None)),
        ("vary: accept-encoding\ncontent-encoding: zstd", Err(Reason::Coding)),
        ("vary: accept-encoding\ncontent-encoding: gzip, br", Err(Reason::Coding)),
        ("vary: *", Err(Reason::VaryStar)),
        ("vary: accept-encoding, *", Err(Reason::VaryStar)),
        ("vary: user-agent", Err(Reason::VaryUnsupported)),
        ("vary: accept-encoding\nvary: cookie", Err(Reason::VaryUnsupported)),
    ] {
        assert_eq!(of(lines), expected, "{lines:?}");
    }
    let policy = Policy { vary_ignored: vec![header::USER_AGENT], ..Policy::default() };
    let lines = "cache-control: max-age=60\nvary: User-Agent";
    assert!(matches!(verdict_under(&policy, 200, lines), Verdict::Store(_)));
    let lines = "cache-control: max-age=60\nvary: origin";
    assert_eq!(verdict_under(&policy, 200, lines), Verdict::Pass(Reason::VaryUnsupported));
    let words =
        [Variation::None, Variation::Coding(None), Variation::Coding(Some(Gzip))].map(Variation::as_str);
    assert_eq!(words, ["none", "identity", "gzip"]);
}

#[test]
fn only_if_cached_is_the_one_demand_of_viewers_that_counts() {
    for (lines, expected) in [
        ("cache-control: only-if-cached", true),
        ("cache-control: no-cache\ncache-control: max-age=0, ONLY-IF-CACHED ,", true),
        ("cache-control: no-cache, no-store, max-age=0\npragma: no-cache", false),
        ("cache-control: only-if-cached2", false),
        ("", false),
    ] {
        assert_eq!(only_if_cached(&headers(lines)), expected, "{lines:?}");
    }
}
