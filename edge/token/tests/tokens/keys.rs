//! Key files and key sets: what is made, kept, published and retired.

use std::time::Duration;

use rillcast_token::{
    Algorithm, KeyFile, KeySet, KeyState,
    key_file::{KEEP_RETIRED, KeyFileError},
    key_set::KeySetError,
    limits, sign, verify,
};

use crate::forge::{claims, key, now};

const ALL: [Algorithm; 4] = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::HS256];

fn file(algorithm: Algorithm) -> KeyFile {
    let mut file = KeyFile::default();
    file.add(algorithm, None, now()).expect("keys");
    file
}

#[test]
fn a_file_is_read_back_as_written() {
    for algorithm in ALL {
        let file = file(algorithm);
        let json = file.to_json();
        let again = KeyFile::from_json(json.as_bytes()).expect("what was written");
        assert_eq!(again.to_json(), json);
        let keys = again.key_set().expect("two keys");
        let signer = file.key_set().expect("two keys");
        let token =
            sign(&claims("/vod/"), signer.signer("default").expect("an active key")).expect("a token");
        assert!(verify(&token, &keys, now()).is_ok(), "{algorithm}");
    }
}

#[test]
fn the_public_set_checks_and_holds_no_secret() {
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256] {
        let file = file(algorithm);
        let jwks = file.public_jwks();
        for member in ["\"d\"", "\"p\"", "\"q\"", "\"k\"", "secret", "private", "pkcs8"] {
            assert!(!jwks.contains(member), "{member} in {jwks}");
        }
        let public = KeySet::from_jwks(jwks.as_bytes(), None).expect("a key set");
        assert_eq!(public.len(), 2, "the next key is published ahead");
        let keys = file.key_set().expect("two keys");
        let token = sign(&claims("/vod/"), keys.signer("default").expect("an active key")).expect("a token");
        assert!(verify(&token, &public, now()).is_ok(), "{algorithm}");
        assert!(public.signer("default").is_none());
        let record = public.records().next().expect("a key");
        assert!(sign(&claims("/vod/"), record).is_err(), "it can only check");
    }
}

#[test]
fn a_shared_secret_is_never_published_nor_taken_from_a_public_set() {
    let file = file(Algorithm::HS256);
    let jwks: serde_json::Value = serde_json::from_str(&file.public_jwks()).expect("JSON");
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(0));
    let leaked = r#"{"keys":[{"kty":"oct","kid":"a","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    let error = KeySet::from_jwks(leaked.as_bytes(), None).expect_err("no secret any more");
    assert_eq!(error, KeySetError::PublicSecret { kid: "a".to_owned() });
}

#[test]
fn a_key_goes_from_next_to_active_to_retiring_and_away() {
    let mut file = file(Algorithm::EdDSA);
    let states = |file: &KeyFile| {
        file.records().iter().map(|record| (record.kid().to_owned(), record.state())).collect::<Vec<_>>()
    };
    let [(first, KeyState::Active), (second, KeyState::Next)] = &states(&file)[..] else {
        panic!("an active, a next")
    };
    let token = |file: &KeyFile| {
        let keys = file.key_set().expect("keys");
        sign(&claims("/vod/"), keys.signer("default").expect("an active key")).expect("a token")
    };
    let holds = |file: &KeyFile, token: &str| verify(token, &file.key_set().expect("keys"), now()).is_ok();
    let edges_know_so_far = KeySet::from_jwks(file.public_jwks().as_bytes(), None).expect("a key set");
    let old = token(&file);

    file.rotate(None, KEEP_RETIRED, now()).expect("rotated");
    let rotated = states(&file);
    assert_eq!(rotated[..2], [(first.clone(), KeyState::Retiring), (second.clone(), KeyState::Active)]);
    assert_eq!((rotated.len(), rotated[2].1), (3, KeyState::Next));
    let new = token(&file);
    assert!(holds(&file, &old) && holds(&file, &new));
    assert!(verify(&new, &edges_know_so_far, now()).is_ok(), "nobody had to fetch the key set in between");
    let retired = file.records()[0].clone();
    assert!(sign(&claims("/vod/"), &retired).is_err(), "a retiring key signs no more");
    assert!(sign(&claims("/vod/"), &file.records()[2]).is_err(), "the next one not yet");
    assert_eq!(
        KeyFile::from_json(file.to_json().as_bytes()).expect("again").records()[0].retired(),
        Some(now())
    );

    file.rotate(None, KEEP_RETIRED, now() + KEEP_RETIRED).expect("rotated");
    assert!(holds(&file, &old), "kept until the time is over");
    file.rotate(None, KEEP_RETIRED, now() + KEEP_RETIRED + Duration::from_secs(1)).expect("rotated");
    assert!(!holds(&file, &old) && holds(&file, &new));
}

#[test]
fn environments_rotate_by_themselves() {
    let mut file = file(Algorithm::ES256);
    file.add(Algorithm::EdDSA, Some("a"), now()).expect("keys of a tenant");
    let exists = KeyFileError::Exists { environment: "environment `a`".to_owned() };
    assert_eq!(file.add(Algorithm::EdDSA, Some("a"), now()), Err(exists));
    assert!(matches!(file.rotate(Some("b"), KEEP_RETIRED, now()), Err(KeyFileError::NothingActive { .. })));
    let before: Vec<_> =
        file.records()[..2].iter().map(|record| (record.kid().to_owned(), record.state())).collect();
    file.rotate(Some("a"), KEEP_RETIRED, now()).expect("rotated");
    let after: Vec<_> =
        file.records()[..2].iter().map(|record| (record.kid().to_owned(), record.state())).collect();
    assert_eq!(before, after);
    assert_eq!(file.environments(), [None, Some("a".to_owned())]);
    let keys = file.key_set().expect("keys");
    assert_eq!(keys.signer("a").map(|record| record.algorithm()), Some(Algorithm::EdDSA));
    assert_eq!(keys.signer("other").map(|record| record.algorithm()), Some(Algorithm::ES256));
}

#[test]
fn foreign_key_sets_are_read_leniently_where_it_does_no_harm() {
    let ours: serde_json::Value = serde_json::from_str(&file(Algorithm::EdDSA).public_jwks()).expect("JSON");
    let with = |entry: &str| {
        let mut set = ours.clone();
        set["keys"].as_array_mut().expect("keys").push(serde_json::from_str(entry).expect("JSON"));
        KeySet::from_jwks(set.to_string().as_bytes(), None).map(|set| set.len())
    };
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    for (entry, count) in [
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{x}","extra":[1]}}"#), 3),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{x}","alg":"Ed25519"}}"#), 3),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{x}","alg":"ES256"}}"#), 2),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{x}","use":"enc"}}"#), 2),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#), 2),
        (format!(r#"{{"kty":"OKP","crv":"X25519","kid":"a","x":"{x}"}}"#), 2),
        (r#"{"kty":"AKP","kid":"a","alg":"ML-DSA-44","pub":"x"}"#.to_owned(), 2),
        (r#"{"kty":7,"kid":"a"}"#.to_owned(), 2),
        ("null".to_owned(), 2),
    ] {
        assert_eq!(with(&entry), Ok(count), "{entry}");
    }
    for broken in [
        r#"{"kty":"OKP","crv":"Ed25519","kid":"a"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AAAA"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"=+/"}"#.to_owned(),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a b","x":"{x}"}}"#),
        format!(r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{x}","y":"{x}"}}"#),
        r#"{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}"#.to_owned(),
    ] {
        assert!(matches!(with(&broken), Err(KeySetError::Key(_))), "{broken}");
    }
}

#[test]
fn what_is_no_key_set_is_refused_without_quoting_it() {
    for text in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":["#, "secret"] {
        let error = KeySet::from_jwks(text.as_bytes(), None).expect_err("no key set");
        assert!(
            matches!(error, KeySetError::Syntax { .. }) && !error.to_string().contains("secret"),
            "{text}"
        );
    }
    let file =
        |json: &str| KeyFile::from_json(json.as_bytes()).map(|_| ()).map_err(|error| error.to_string());
    let later = file(r#"{"version":2,"keys":[]}"#).expect_err("a later version");
    assert!(later.contains("version 2"), "{later}");
    let key = |secret: &str, algorithm: &str| {
        file(&format!(
            r#"{{"version":1,"keys":[{{"kid":"a","algorithm":"{algorithm}","state":"active","secret":"{secret}"}}]}}"#
        ))
    };
    for (secret, algorithm) in [
        ("c2VjcmV0", "EdDSA"),
        ("c2VjcmV0", "ES256"),
        ("c2VjcmV0", "RS256"),
        ("c2VjcmV0", "HS256"),
        ("?", "HS256"),
        ("c2VjcmV0", "none"),
    ] {
        let error = key(secret, algorithm).expect_err("no key");
        assert!(!error.contains("c2VjcmV0") && !error.contains("secret-"), "{error}");
    }
}

#[test]
fn sets_and_secrets_have_limits() {
    let mut longest = br#"{"keys":[]}"#.to_vec();
    longest.resize(limits::KEY_SET_BYTES_MAX, b' ');
    assert!(KeySet::from_jwks(&longest, None).is_ok());
    longest.push(b' ');
    let too_long = KeySetError::TooLong { len: limits::KEY_SET_BYTES_MAX + 1 };
    assert_eq!(KeySet::from_jwks(&longest, None).map(|_| ()), Err(too_long));
    let records: Vec<_> = (0..=limits::KEYS_MAX).map(|_| key(Algorithm::HS256)).collect();
    assert_eq!(KeySet::new(records[1..].to_vec()).map(|set| set.len()), Ok(limits::KEYS_MAX));
    assert_eq!(KeySet::new(records).map(|set| set.len()), Err(KeySetError::TooMany));
    let secret = |len: usize| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let secret = URL_SAFE_NO_PAD.encode(vec![1; len]);
        let json = format!(
            r#"{{"version":1,"keys":[{{"kid":"a","algorithm":"HS256","state":"active","secret":"{secret}"}}]}}"#
        );
        KeyFile::from_json(json.as_bytes()).is_ok()
    };
    assert_eq!([31, 32, 512, 513].map(secret), [false, true, true, false]);
}

#[test]
fn sets_are_merged_unless_they_disagree() {
    let (one, two) = (file(Algorithm::EdDSA), file(Algorithm::ES256));
    let (a, b) = (one.key_set().expect("keys"), two.key_set().expect("keys"));
    assert_eq!(a.merged(&b).map(|set| set.len()), Ok(4));
    assert_eq!(a.merged(&a).map(|set| set.len()), Ok(2));
    let kid = one.records()[0].kid();
    let liar = two.public_jwks().replace(two.records()[0].kid(), kid);
    let liar = KeySet::from_jwks(liar.as_bytes(), None).expect("a key set");
    assert_eq!(a.merged(&liar).map(|_| ()), Err(KeySetError::Duplicate { kid: kid.to_owned() }));
    // Another tenant may call its key the same.
    let tenant =
        KeySet::from_jwks(two.public_jwks().replace(two.records()[0].kid(), kid).as_bytes(), Some("t"));
    let both = a.merged(&tenant.expect("a key set")).expect("both");
    assert_eq!(both.find(kid, "t").map(|record| record.algorithm()), Some(Algorithm::ES256));
    assert_eq!(both.find(kid, "u").map(|record| record.algorithm()), Some(Algorithm::EdDSA));
}

#[test]
fn no_debug_shows_a_secret() {
    for algorithm in ALL {
        let file = file(algorithm);
        let shown = format!("{file:?} {:?}", file.key_set().expect("keys"));
        let json: serde_json::Value = serde_json::from_str(&file.to_json()).expect("JSON");
        let secret = json["keys"][0]["secret"].as_str().expect("a secret");
        assert!(!shown.contains(secret) && !shown.to_lowercase().contains("secret"), "{shown}");
    }
}
