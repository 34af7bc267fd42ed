use rillcast_edge::cache::key::Named as _;
use rillcast_edge::control::orders::order::{Order, OrderBody};

use super::*;

/// The body of an order with these fields.
fn body(fields: &str) -> OrderBody {
    Order::parse(format!(r#"{{"v":1,"seq":1,{fields}}}"#).as_bytes()).expect("an order").body
}

fn purged(fields: &str) -> anyhow::Result<(Meant, Hardness)> {
    match body(&format!(r#""kind":"purge",{fields}"#)) {
        OrderBody::Purge(order) => purge(&order, &KeyRules::default()),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_purge_means_its_environment_or_all_and_the_default_one_is_what_is_public() {
    let (meant, hardness) =
        purged(r#""what":"url","url":"/vod/a?b=%7e","environment":"acme""#).expect("good");
    assert!(matches!(&meant, Meant::Key(key) if key.environment() == "acme" && key.target() == "/vod/a?b=~"));
    assert_eq!(hardness, Hardness::Hard);
    let (meant, _) = purged(r#""what":"url","url":"/vod/a","environment":"default""#).expect("good");
    assert!(matches!(&meant, Meant::Key(key) if key.environment().is_empty()));
    let (meant, hardness) = purged(r#""what":"url","url":"/vod/a","soft":true"#).expect("good");
    assert!(matches!(&meant, Meant::Target(key) if key.target() == "/vod/a"));
    assert_eq!(hardness, Hardness::Soft);
    let prefix = |environment, path| Meant::Prefix(Prefix::of(environment, path).expect("a prefix"));
    for (fields, expected) in [
        (
            r#""what":"prefix","prefix":"/vod/""#,
            Meant::Prefix(Prefix::everywhere("/vod/").expect("a prefix")),
        ),
        (r#""what":"prefix","prefix":"/vod/","environment":"acme""#, prefix("acme", "/vod/")),
        (
            r#""what":"surrogate_key","key":"film","environment":"acme""#,
            Meant::surrogate_within("acme", "film"),
        ),
        (
            r#""what":"surrogate_key","key":"film","environment":"default""#,
            Meant::surrogate_within("", "film"),
        ),
        (r#""what":"surrogate_key","key":"film""#, Meant::surrogate("film")),
        (r#""what":"all","environment":"acme""#, prefix("acme", "/")),
        (r#""what":"all","environment":"default""#, prefix("", "/")),
        (r#""what":"all""#, Meant::All),
    ] {
        assert_eq!(purged(fields).expect("good").0, expected, "{fields}");
    }
    for wrong in [
        r#""what":"url","url":"/vod/../a""#,
        r#""what":"prefix","prefix":"/a%2""#,
        r#""what":"all","environment":"a/b""#,
    ] {
        assert!(purged(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_revocation_is_of_its_environment_or_of_all_and_a_hash_of_one_token() {
    let hash = "00".repeat(32);
    let all = ALL_ENVIRONMENTS;
    let expected = |word: &str, environment| match word {
        "session" => Revoked::Session { environment, id: "x" },
        "token" => Revoked::Token { environment, id: "x" },
        "subject" => Revoked::Subject { environment, id: "x" },
        "key" => Revoked::Key { environment, kid: "x" },
        _ => unreachable!("{word}"),
    };
    let revoked = |fields: &str| {
        let fields = format!(r#""kind":"revoke",{fields},"until_us":1"#);
        let OrderBody::Revoke(order) = body(&fields) else { unreachable!("{fields}") };
        let mut revocations = Revocations::default();
        revoke(&order, &mut revocations).expect("room");
        revocations
    };
    for word in ["session", "token", "subject", "key"] {
        let mut within = revoked(&format!(r#""what":"{word}","id":"x","environment":"acme""#));
        assert!(!within.restore(expected(word, all)) && !within.restore(expected(word, "other")), "{word}");
        assert!(within.restore(expected(word, "acme")) && within.is_empty(), "{word}");
        let mut everywhere = revoked(&format!(r#""what":"{word}","id":"x""#));
        assert!(!everywhere.restore(expected(word, "acme")) && everywhere.restore(expected(word, all)));
    }
    for more in ["", r#","environment":"acme""#] {
        let mut one = revoked(&format!(r#""what":"token_hash","id":"{hash}"{more}"#));
        assert!(one.restore(Revoked::Hash { sha256: &hash }) && one.is_empty());
    }
}

fn ordered_key(jwk: &str) -> anyhow::Result<KeySet> {
    ordered_key_of("", jwk)
}

/// The same with `more` fields.
fn ordered_key_of(more: &str, jwk: &str) -> anyhow::Result<KeySet> {
    let fields = format!(r#""kind":"key","change":"upsert",{more}"kid":"k","state":"active","jwk":{jwk}"#);
    match body(&fields) {
        OrderBody::Key(order::KeyChange::Upsert(record)) => key(&record),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_key_that_is_ordered_checks_tokens_by_the_id_of_the_order() {
    let public =
        r#"{"kty":"OKP","crv":"Ed25519","kid":"other","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let secret = format!(r#"{{"kty":"oct","k":"{}"}}"#, "A".repeat(43));
    for jwk in [public, &secret] {
        let keys = ordered_key(jwk).expect("a key");
        assert!(keys.len() == 1 && keys.knows("k"), "{keys:?}");
    }
    let short = r#"{"kty":"oct","k":"c2hvcnQtYW5kLXNlY3JldA"}"#;
    for wrong in [short, r#"{"kty":"oct"}"#, r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#, "{}"] {
        let error = format!("{:#}", ordered_key(wrong).expect_err(wrong));
        assert!(!error.contains("c2hvcnQ") && !error.contains("short-and-secret"), "{error}");
    }
}

#[test]
fn a_key_that_is_ordered_for_an_environment_signs_for_no_other() {
    let public = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let secret = format!(r#"{{"kty":"oct","k":"{}"}}"#, "A".repeat(43));
    for jwk in [public, &secret] {
        let keys = ordered_key_of(r#""environment":"acme","#, jwk).expect("a key");
        assert!(keys.find("k", "acme").is_some() && keys.find("k", "other").is_none(), "{keys:?}");
        assert!(ordered_key(jwk).expect("a key").find("k", "other").is_some());
        assert!(ordered_key_of(r#""environment":"no such name","#, jwk).is_err());
    }
}

#[test]
fn a_moment_that_no_clock_tells_is_far_off() {
    assert_eq!(time(UnixMicros(1_500_000)), UNIX_EPOCH + Duration::from_millis(1500));
    assert!(time(UnixMicros(u64::MAX)) > UNIX_EPOCH + Duration::from_secs(1 << 35));
}
