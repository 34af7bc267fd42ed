use std::{net::Ipv6Addr, sync::OnceLock};

use super::*;
use crate::{Algorithm, Claims, KeyRecord, KeyState, NumericDate, Revoked, sign};

const PATH: &str = "/vod/film.mp4/main.m3u8";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    *START.get_or_init(Instant::now)
}

fn ip() -> IpAddr {
    IpAddr::from([192, 0, 2, 1])
}

fn key() -> &'static KeyRecord {
    static KEY: OnceLock<KeyRecord> = OnceLock::new();
    KEY.get_or_init(|| new_key(Algorithm::HS256))
}

fn new_key(algorithm: Algorithm) -> KeyRecord {
    KeyRecord::generate(algorithm, KeyState::Active, None, now()).expect("a key")
}

fn keys(records: &[&KeyRecord]) -> KeySet {
    KeySet::new(records.iter().copied().cloned()).expect("different keys")
}

fn grants_with(limits: &GrantLimits) -> Grants {
    Grants::new(limits, HashKey::random(), keys(&[key()]))
}

fn grants() -> Grants {
    grants_with(&GrantLimits::default())
}

/// Claims that end `seconds` from now.
fn claims(seconds: u64) -> Claims {
    let exp = NumericDate::of(now() + Duration::from_secs(seconds));
    Claims { paths: vec!["/vod/film.mp4/".to_owned()], exp, ..Claims::default() }
}

fn token(claims: &Claims) -> String {
    sign(claims, key()).expect("a token")
}

/// The verdict `seconds` after now, on both clocks.
fn code_at(grants: &Grants, token: &str, seconds: u64) -> &'static str {
    let later = Duration::from_secs(seconds);
    grants
        .check(token, PATH, ip(), now() + later, start() + later)
        .map_or_else(|error| error.code(), |_| "good")
}

fn code(grants: &Grants, token: &str) -> &'static str {
    code_at(grants, token, 0)
}

/// A token that is new each time, in order but for its signature.
fn forged(number: usize) -> String {
    let mut forged = token(&Claims { jti: Some(number.to_string()), ..claims(60) });
    let last = if forged.ends_with('A') { 'B' } else { 'A' };
    forged.insert(forged.rfind('.').expect("a signature") + 1, last);
    forged.pop();
    forged
}

#[test]
fn a_token_is_verified_once_and_then_known() {
    let no_second = BudgetLimits { burst: 1, per_second: 0, ..BudgetLimits::default() };
    let grants = grants_with(&GrantLimits { budget: no_second, ..GrantLimits::default() });
    let token = token(&claims(60));
    let check = || grants.check(&token, PATH, ip(), now(), start()).expect("a good token");
    assert!(Arc::ptr_eq(&check(), &check()));
    assert_eq!(grants.verified.size().0, 1);
    let other = sign(&Claims { jti: Some("other".to_owned()), ..claims(60) }, key()).expect("a token");
    assert_eq!(code(&grants, &other), "token_verification_budget");
}

#[test]
fn a_known_token_is_judged_at_each_request() {
    let grants = grants();
    let from = NumericDate::of(now());
    let local = Claims { ip: Some(vec!["192.0.2.0/24".to_owned()]), nbf: Some(from), ..claims(60) };
    let token = token(&local);
    for _ in 0..2 {
        let check = |path, client: [u8; 4], at| {
            let verdict = grants.check(&token, path, IpAddr::from(client), at, start());
            verdict.map_or_else(|error| error.code(), |_| "good")
        };
        assert_eq!(check(PATH, [192, 0, 2, 1], now()), "good");
        assert_eq!(check("/vod/film.mp42/main.m3u8", [192, 0, 2, 1], now()), "token_path");
        assert_eq!(check("/vod/film.mp4/../x", [192, 0, 2, 1], now()), "token_path");
        assert_eq!(check(PATH, [192, 0, 3, 1], now()), "token_address");
        assert_eq!(check(PATH, [192, 0, 2, 1], now() + Duration::from_secs(59)), "good");
        assert_eq!(check(PATH, [192, 0, 2, 1], now() + Duration::from_secs(60)), "token_expired");
        assert_eq!(check(PATH, [192, 0, 2, 1], now() - Duration::from_secs(6)), "token_not_yet_valid");
        assert_eq!(check(PATH, [192, 0, 2, 1], now()), "good", "clocks jump back too");
    }
}

#[test]
fn country_and_referrer_are_judged_when_asked() {
    let grants = grants();
    let local = Claims {
        countries: Some(vec!["DE".to_owned()]),
        referrers: Some(vec!["example.org".to_owned()]),
        ..claims(60)
    };
    let grant = grants.check(&token(&local), PATH, ip(), now(), start()).expect("a good token");
    assert!(grant.restricts_country() && grant.restricts_referrer());
    let permits = |country: Option<&str>, referrer| {
        let country = country.map(|country| country.parse().expect("a country"));
        grant.permits(ip(), country, referrer).map_err(|error| error.code())
    };
    let page = Some("https://example.org/watch");
    assert_eq!(permits(Some("DE"), page), Ok(()));
    assert_eq!(
        (permits(Some("AT"), page), permits(None, page)),
        (Err("token_country"), Err("token_country"))
    );
    assert_eq!(permits(Some("DE"), Some("https://evil.example/")), Err("token_referrer"));
    assert_eq!(permits(Some("DE"), None), Err("token_referrer"));
}

#[test]
fn a_revocation_is_effective_at_the_next_request() {
    let viewer = Claims {
        sid: Some("s".to_owned()),
        sub: Some("v".to_owned()),
        jti: Some("t".to_owned()),
        ..claims(60)
    };
    let token = token(&viewer);
    let hash8 = grants().check(&token, PATH, ip(), now(), start()).expect("good").id().to_string();
    for what in [
        Revoked::Session { environment: "default", id: "s" },
        Revoked::Subject { environment: "default", id: "v" },
        Revoked::Token { environment: "default", id: "t" },
        Revoked::Key { environment: "default", kid: key().kid() },
        Revoked::Logged { kid: key().kid(), hash8: &hash8 },
    ] {
        let (known, fresh) = (grants(), grants());
        assert_eq!(code(&known, &token), "good");
        let mut revocations = Revocations::default();
        revocations.revoke(what, now() + Duration::from_secs(30)).expect("room");
        for grants in [&known, &fresh] {
            grants.set_revocations(revocations.clone());
            assert_eq!(
                (code(grants, &token), code(grants, &token)),
                ("token_revoked", "token_revoked"),
                "{what:?}"
            );
            assert_eq!(code_at(grants, &token, 30), "good", "it has ended: {what:?}");
            grants.set_revocations(Revocations::default());
            assert_eq!(code(grants, &token), "good", "taken back: {what:?}");
        }
    }
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_along() {
    let (grants, other) = (grants(), new_key(Algorithm::EdDSA));
    let token = token(&claims(60));
    assert_eq!(code(&grants, &token), "good");
    grants.set_keys(keys(&[key(), &other]));
    assert_eq!((code(&grants, &token), grants.epoch()), ("good", 1));
    grants.set_keys(keys(&[&other]));
    assert_eq!(code(&grants, &token), "token_key_unknown");
    assert_eq!(grants.verified.size(), (0, 0));
    grants.set_keys(keys(&[key()]));
    assert_eq!(code(&grants, &token), "good");
}

#[test]
fn another_key_under_the_same_id_is_another_key() {
    let (grants, other) = (grants(), new_key(Algorithm::HS256));
    let token = token(&claims(60));
    assert_eq!(code(&grants, &token), "good");
    let json =
        crate::KeyFile::of([other.clone()]).expect("one key").to_json().replace(other.kid(), key().kid());
    let impostor =
        crate::KeyFile::from_json(json.as_bytes()).expect("a key file").key_set().expect("one key");
    grants.set_keys(impostor);
    assert_eq!(code(&grants, &token), "token_signature");
    grants.set_keys(keys(&[key()]));
    assert_eq!(code(&grants, &token), "good", "what was bad under other keys is not held against it");
}

#[test]
fn a_session_goes_on_after_its_token_until_its_maximum() {
    let grants = grants();
    let session = |max: Option<u64>, exp| {
        let claims = Claims { sid: Some(format!("{max:?} {exp}")), max_session_s: max, ..claims(exp) };
        token(&claims)
    };
    let hour = session(Some(3600), 60);
    assert_eq!(code_at(&grants, &hour, 10), "good");
    assert_eq!(code_at(&grants, &hour, 60), "good", "the token has ended, the session goes on");
    assert_eq!(code_at(&grants, &hour, 3609), "good");
    assert_eq!(code_at(&grants, &hour, 3610), "token_expired");
    let ours = session(None, 60);
    let allowance = SessionLimits::default().allowance.as_secs();
    assert_eq!(code(&grants, &ours), "good");
    assert_eq!(
        (code_at(&grants, &ours, allowance - 1), code_at(&grants, &ours, allowance)),
        ("good", "token_expired")
    );
    let long = session(Some(u64::MAX), 60);
    assert_eq!(code(&grants, &long), "good");
    assert_eq!(
        (code_at(&grants, &long, allowance - 1), code_at(&grants, &long, allowance)),
        ("good", "token_expired")
    );
    let none = session(Some(0), 60);
    assert_eq!((code(&grants, &none), code_at(&grants, &none, 60)), ("good", "token_expired"));
}

#[test]
fn only_an_admitted_session_goes_on() {
    let grants = grants();
    let late = Claims { sid: Some("late".to_owned()), ..claims(60) };
    assert_eq!(code_at(&grants, &token(&late), 60), "token_expired", "it was never seen in time");
    assert_eq!(
        (code(&grants, &token(&claims(60))), code_at(&grants, &token(&claims(60)), 60)),
        ("good", "token_expired")
    );
    // A token that had ended before the session began is not revived by it, even with its session's id.
    let old = token(&Claims { paths: vec!["/".to_owned()], ..late.clone() });
    let young = token(&Claims { exp: NumericDate::of(now() + Duration::from_secs(200)), ..late });
    assert_eq!(code_at(&grants, &young, 100), "good");
    assert_eq!(code_at(&grants, &old, 100), "token_expired");
    assert_eq!(code_at(&grants, &young, 300), "good");
}

#[test]
fn a_session_needs_its_token_no_longer_to_be_remembered() {
    let grants = grants_with(&GrantLimits { entries: 0, ..GrantLimits::default() });
    let token = token(&Claims { sid: Some("s".to_owned()), ..claims(60) });
    assert_eq!((code(&grants, &token), code_at(&grants, &token, 61)), ("good", "good"));
}

#[test]
fn a_revoked_session_does_not_come_back() {
    let grants = grants();
    let token = token(&Claims { sid: Some("s".to_owned()), ..claims(60) });
    assert_eq!(code(&grants, &token), "good");
    let mut revocations = Revocations::default();
    let session = Revoked::Session { environment: "default", id: "s" };
    revocations.revoke(session, now() + Duration::from_secs(90)).expect("room");
    grants.set_revocations(revocations);
    assert_eq!(code_at(&grants, &token, 70), "token_revoked");
    assert_eq!(
        code_at(&grants, &token, 90),
        "token_expired",
        "the revocation has ended, and so has the session"
    );
}

#[test]
fn a_bad_signature_is_paid_for_once() {
    let budget = BudgetLimits { burst: 8, per_second: 0, bad_counts: 8, ..BudgetLimits::default() };
    let grants = grants_with(&GrantLimits { budget, ..GrantLimits::default() });
    let bad = forged(0);
    assert_eq!((code(&grants, &bad), code(&grants, &bad)), ("token_signature", "token_signature"));
    assert_eq!(code_at(&grants, &bad, 9), "token_signature");
    assert_eq!(code_at(&grants, &bad, 10), "token_verification_budget", "it would have to be checked again");
    assert_eq!(code(&grants, &forged(1)), "token_verification_budget");
    let elsewhere = grants.check(&token(&claims(60)), PATH, IpAddr::from([198, 51, 100, 1]), now(), start());
    assert!(elsewhere.is_ok(), "others are not held up");
}

#[test]
fn what_is_cheaply_refused_costs_no_budget() {
    let budget = BudgetLimits { burst: 0, per_second: 0, ..BudgetLimits::default() };
    let grants = grants_with(&GrantLimits { budget, ..GrantLimits::default() });
    let unknown = sign(&claims(60), &new_key(Algorithm::HS256)).expect("a token");
    for (token, verdict) in [
        (String::new(), "token_missing"),
        ("x".repeat(5000), "token_too_long"),
        ("a.b.c".to_owned(), "token_malformed"),
        (unknown, "token_key_unknown"),
        (token(&claims(0)), "token_expired"),
        (token(&Claims { paths: vec!["/other/".to_owned()], ..claims(60) }), "token_path"),
        (token(&claims(60)), "token_verification_budget"),
    ] {
        assert_eq!(code(&grants, &token), verdict);
    }
}

#[test]
fn a_flood_of_garbage_takes_no_room_and_drives_nothing_out() {
    let limits = GrantLimits {
        budget: BudgetLimits { burst: u32::MAX, burst_overall: u32::MAX, ..BudgetLimits::default() },
        ..GrantLimits::default()
    };
    let grants = grants_with(&limits);
    let good = token(&claims(60));
    assert_eq!(code(&grants, &good), "good");
    let size = grants.verified.size();
    // Signatures that do not fit are what costs most; one in eight is of that kind, from a different network each.
    let template = forged(0);
    let (message, signature) = template.rsplit_once('.').expect("a signature");
    for number in 0..200_000_u32 {
        let garbage = match number % 8 {
            0 => format!("{message}.{:08x}{}", number, signature.get(8..).expect("a long signature")),
            1 => format!("{number}"),
            2 => format!("{number:x}.{number:x}.{number:x}"),
            3 => format!("{message}x{number}.{signature}"),
            4 => format!("\u{1F9E8}{number}"),
            5 => "a.".repeat(number as usize % 4000),
            6 => format!("{message}.{signature}.{number}"),
            _ => format!("eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.{number:08}.AAAA"),
        };
        let client = Ipv6Addr::from_bits((0x2001_0db8 << 96) | u128::from(number) << 64).into();
        assert!(grants.check(&garbage, PATH, client, now(), start()).is_err());
    }
    assert_eq!(grants.verified.size(), size);
    assert_eq!(grants.bad.lock().len(), limits.bad_entries);
    assert_eq!(grants.budget.neighbourhoods(), 25_001, "and that of the good token");
    assert_eq!(grants.sessions.len(), 0);
    assert_eq!(code(&grants, &good), "good");
}

#[test]
fn good_tokens_and_sessions_have_limits_too() {
    let limits = GrantLimits {
        entries: 100,
        sessions: SessionLimits { entries: 50, ..SessionLimits::default() },
        budget: BudgetLimits { burst: 1000, ..BudgetLimits::default() },
        ..GrantLimits::default()
    };
    let grants = grants_with(&limits);
    let tokens: Vec<_> =
        (0..300).map(|id| token(&Claims { sid: Some(id.to_string()), ..claims(60) })).collect();
    assert!(tokens.iter().all(|token| code(&grants, token) == "good"));
    assert_eq!((grants.verified.size().0, grants.sessions.len()), (100, 50));
    let few_bytes = grants_with(&GrantLimits { bytes: 10_000, ..limits });
    assert!(tokens.iter().all(|token| code(&few_bytes, token) == "good"));
    let (entries, bytes) = few_bytes.verified.size();
    assert!((5..100).contains(&entries) && (5_000..=10_000).contains(&bytes), "{entries} of {bytes} bytes");
}

#[test]
fn nothing_is_shown_of_what_is_inside() {
    let grants = grants();
    let token = token(&Claims { sid: Some("s".to_owned()), ..claims(60) });
    let grant = grants.check(&token, PATH, ip(), now(), start()).expect("a good token");
    let shown = format!("{grants:?} {grant:?}");
    assert!(!token.split('.').any(|part| shown.contains(part)), "{shown}");
}

/// Nanoseconds that this thread has run: on a machine with other work the clock on the wall tells little.
fn time_on_processor() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts them");
    text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number")
}

/// What a hit costs. Run with `cargo test --release -p rillcast-token --lib -- --ignored --nocapture cost_of_a_hit`.
#[test]
#[ignore = "it measures; it judges nothing"]
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "it measures")]
fn cost_of_a_hit() {
    let signer = new_key(Algorithm::EdDSA);
    let limits = GrantLimits {
        budget: BudgetLimits { burst: u32::MAX, burst_overall: u32::MAX, ..BudgetLimits::default() },
        ..GrantLimits::default()
    };
    let grants = Grants::new(&limits, HashKey::random(), keys(&[&signer]));
    for count in [1, 100, 10_000, 90_000] {
        let claims = |id: usize| Claims {
            sid: Some(format!("session-{id:08}")),
            sub: Some("viewer".to_owned()),
            ..claims(3600)
        };
        let tokens: Vec<_> = (0..count).map(|id| sign(&claims(id), &signer).expect("a token")).collect();
        let pass = || {
            tokens.iter().for_each(|token| {
                let verdict =
                    grants.check(token, "/vod/film.mp4/video/1080p/segment-00042.m4s", ip(), now(), start());
                assert!(verdict.is_ok());
            })
        };
        let first = Instant::now();
        pass();
        let first = first.elapsed() / u32::try_from(count).expect("few");
        let rounds = 2_000_000 / count;
        let begin = time_on_processor();
        (0..rounds).for_each(|_| pass());
        let hit = (time_on_processor() - begin) / (rounds * count) as u64;
        let bytes = tokens.first().map_or(0, String::len);
        eprintln!("{count} tokens of {bytes} bytes: {hit} ns a hit, {first:?} the first time");
    }
}
