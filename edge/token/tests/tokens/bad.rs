//! The table of bad tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, crypto};
use rillcast_token::{Algorithm, KeyFile, KeyRecord, KeySet, KeyState, TokenError, limits, sign, verify};

use crate::forge::{at, claims, join, key, now, sealed, set, shared};

const HEADER: &str = r#"{"alg":"HS256","kid":"shared"}"#;

fn code(token: &str, keys: &KeySet) -> &'static str {
    verify(token, keys, now()).map_or_else(|error| error.code(), |_| "good")
}

/// The verdict on a payload whose signature fits.
fn payload(payload: &str) -> &'static str {
    code(&sealed(HEADER, payload), &shared().0)
}

/// The verdict on good claims with one more member.
fn with(member: &str) -> &'static str {
    payload(&format!(r#"{{"paths":["/vod/"],"exp":4102444800{member}}}"#))
}

fn header(header: &str) -> &'static str {
    code(&sealed(header, r#"{"paths":["/vod/"],"exp":4102444800}"#), &shared().0)
}

#[test]
fn a_token_is_good_from_nbf_to_exp() {
    let key = key(Algorithm::EdDSA);
    let verdict = |from: i64, until: i64| {
        let mut claims = claims("/vod/");
        (claims.nbf, claims.exp) = (Some(at(from)), at(until));
        code(&sign(&claims, &key).expect("a token"), &set(&key))
    };
    assert_eq!(verdict(0, 1), "good");
    assert_eq!(verdict(5, 60), "good", "the leeway for clocks");
    assert_eq!(verdict(6, 60), "token_not_yet_valid");
    assert_eq!(verdict(-60, 0), "token_expired");
    assert_eq!(verdict(-60, -1), "token_expired");
}

#[test]
fn the_key_must_be_the_right_one() {
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::HS256] {
        let (ours, theirs) = (key(algorithm), key(algorithm));
        let token = sign(&claims("/vod/"), &ours).expect("a token");
        assert_eq!(code(&token, &set(&ours)), "good", "{algorithm}");
        assert_eq!(code(&token, &set(&theirs)), "token_key_unknown", "{algorithm}");
        assert_eq!(code(&token, &KeySet::default()), "token_key_unknown");
        // The same id over another key.
        let json =
            KeyFile::of([theirs.clone()]).expect("one key").to_json().replace(theirs.kid(), ours.kid());
        let impostor =
            KeyFile::from_json(json.as_bytes()).and_then(|file| Ok(file.key_set()?)).expect("one key");
        assert_eq!(code(&token, &impostor), "token_signature", "{algorithm}");
    }
}

#[test]
fn a_key_signs_for_its_environment_only() {
    let tenant =
        KeyRecord::generate(Algorithm::EdDSA, KeyState::Active, Some("tenant-1"), now()).expect("a key");
    let any = key(Algorithm::EdDSA);
    let token = |record: &KeyRecord, environment: Option<&str>| {
        let mut claims = claims("/vod/");
        claims.env = environment.map(str::to_owned);
        sign(&claims, record)
    };
    assert_eq!(code(&token(&tenant, Some("tenant-1")).expect("its own"), &set(&tenant)), "good");
    assert!(
        token(&tenant, Some("tenant-2")).is_err() && token(&tenant, None).is_err(),
        "it does not even sign"
    );
    for environment in [Some("tenant-1"), Some("tenant-2"), None] {
        assert_eq!(code(&token(&any, environment).expect("a token"), &set(&any)), "good");
    }
    // A tenant that forges the claim with its own key.
    let jwks = KeyFile::of([any.clone()]).expect("one key").public_jwks();
    let bound = KeySet::from_jwks(jwks.as_bytes(), Some("tenant-1")).expect("a key set");
    assert_eq!(code(&token(&any, Some("tenant-1")).expect("a token"), &bound), "good");
    assert_eq!(code(&token(&any, Some("tenant-2")).expect("a token"), &bound), "token_environment");
    assert_eq!(code(&token(&any, None).expect("a token"), &bound), "token_environment");
}

#[test]
fn the_key_says_which_algorithm() {
    let rsa = key(Algorithm::RS256);
    let payload = r#"{"paths":["/vod/"],"exp":4102444800}"#;
    let with = |alg: &str, signature: &[u8]| {
        let header = format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, rsa.kid());
        code(&join(&header, payload, signature), &set(&rsa))
    };
    for none in ["none", "None", "NONE", "nOnE"] {
        assert_eq!((with(none, b""), with(none, b"x")), ("token_unsigned", "token_unsigned"));
    }
    for other in ["ES256", "EdDSA", "RS384", "RS512", "PS256", "rs256", "", "x"] {
        assert_eq!(with(other, b"x"), "token_algorithm", "{other}");
    }
    // RFC 9864 has another name for the same, and no name that is written otherwise.
    let ed = key(Algorithm::EdDSA);
    for (alg, expected) in [
        ("EdDSA", "token_signature"),
        ("Ed25519", "token_signature"),
        ("Ed448", "token_algorithm"),
        ("ED25519", "token_algorithm"),
    ] {
        let header = format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, ed.kid());
        assert_eq!(code(&join(&header, payload, &[0; 64]), &set(&ed)), expected, "{alg}");
    }
    // The old trick: the public key, which everybody has, as the secret of an HMAC.
    let jwks = KeyFile::of([rsa.clone()]).expect("one key").public_jwks();
    for secret in [jwks.as_str(), jwks.trim()] {
        let header = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, rsa.kid());
        let message = [header.as_str(), payload].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let secret = EncodingKey::from_secret(secret.as_bytes());
        let signature =
            crypto::sign(message.as_bytes(), &secret, jsonwebtoken::Algorithm::HS256).expect("made");
        assert_eq!(code(&format!("{message}.{signature}"), &set(&rsa)), "token_algorithm_confusion");
    }
    assert_eq!(with("HS512", b"x"), "token_algorithm_confusion");
    assert_eq!(header(r#"{"alg":"RS256","kid":"shared"}"#), "token_algorithm");
}

#[test]
fn what_is_critical_is_not_understood() {
    assert_eq!(header(HEADER), "good");
    for critical in [
        r#"{"alg":"HS256","kid":"shared","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","kid":"shared","b64":false}"#,
        r#"{"alg":"HS256","kid":"shared","b64":true}"#,
        r#"{"alg":"HS256","kid":"shared","crit":["exp"]}"#,
        r#"{"alg":"HS256","kid":"shared","crit":[]}"#,
        r#"{"alg":"HS256","kid":"shared","crit":null}"#,
        r#"{"crit":"x","alg":"none","kid":"shared"}"#,
    ] {
        assert_eq!(header(critical), "token_critical", "{critical}");
    }
}

#[test]
fn keys_that_a_token_brings_along_are_not_used() {
    let jwk = r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let extra =
        format!(r#"{{"alg":"HS256","kid":"shared","typ":"JWT","jku":"https://evil.example/","jwk":{jwk}}}"#);
    assert_eq!(header(&extra), "good", "they are ignored, not obeyed");
    let token = join(&extra, r#"{"paths":["/vod/"],"exp":4102444800}"#, &[0; 32]);
    assert_eq!(code(&token, &shared().0), "token_signature");
}

#[test]
fn headers_that_are_none_are_malformed() {
    for bad in [
        "",
        "{}",
        "null",
        "[]",
        "\"x\"",
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":null}"#,
        r#"{"alg":"HS256","kid":7}"#,
        r#"{"alg":"HS256","kid":""}"#,
        r#"{"alg":"HS256","kid":"a b"}"#,
        r#"{"alg":"HS256","kid":"a\nb"}"#,
        r#"{"alg":"HS256","kid":"\u00fc"}"#,
        r#"{"alg":"HS256","kid":"shared","kid":"shared"}"#,
        r#"{"alg":"none","alg":"HS256","kid":"shared"}"#,
        r#"{"kid":"shared"}"#,
        r#"{"alg":["HS256"],"kid":"shared"}"#,
        r#"{"alg":"HS256","kid":"shared"}x"#,
        r#"{"alg":"HS256","kid":"shared""#,
    ] {
        assert_eq!(header(bad), "token_malformed", "{bad}");
    }
    let kid = |len: usize| header(&format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(len)));
    assert_eq!(
        (kid(limits::KID_BYTES_MAX), kid(limits::KID_BYTES_MAX + 1)),
        ("token_key_unknown", "token_malformed")
    );
    let padded = |len: usize| {
        header(&format!(r#"{{"alg":"HS256","kid":"shared"{}}}"#, " ".repeat(len - HEADER.len())))
    };
    let limit = limits::HEADER_BYTES_MAX;
    assert_eq!((padded(limit), padded(limit + 1)), ("good", "token_malformed"));
}

#[test]
fn payloads_that_are_none_are_malformed() {
    for bad in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"paths":["/vod/"]}"#,
        r#"{"exp":4102444800}"#,
        r#"{"paths":[],"exp":4102444800}"#,
        r#"{"paths":"/vod/","exp":4102444800}"#,
        r#"{"paths":["vod/"],"exp":4102444800}"#,
        r#"{"paths":["/vod/",7],"exp":4102444800}"#,
        r#"{"paths":["/vod/",""],"exp":4102444800}"#,
        r#"{"paths":["/vod/../"],"exp":4102444800}"#,
        r#"{"paths":["/vod/?a"],"exp":4102444800}"#,
        r#"{"paths":["/vod/"],"paths":["/"],"exp":4102444800}"#,
        r#"{"paths":["/vod/"],"exp":1,"exp":4102444800}"#,
        r#"{"paths":["/vod/"],"exp":18446744073709551615}"#,
        r#"{"paths":["/vod/"],"exp":340282366920938463463374607431768211456}"#,
        r#"{"paths":["/vod/"],"exp":1e999}"#,
        r#"{"paths":["/vod/"],"exp":-1}"#,
        r#"{"paths":["/vod/"],"exp":"4102444800"}"#,
        "{\"paths\":[\"/vod/\u{0}\"],\"exp\":4102444800}",
    ] {
        assert_eq!(payload(bad), "token_malformed", "{bad}");
    }
    let mut deep = r#"{"paths":["/vod/"],"exp":4102444800,"x":"#.to_owned();
    deep.push_str(&"[".repeat(1000));
    assert_eq!(payload(&deep), "token_malformed", "nesting has a limit");
}

#[test]
fn claims_that_restrict_are_read_or_refused() {
    assert_eq!(with(""), "good");
    assert_eq!(
        with(r#","iss":"a","x":{"y":[1,2,{"z":null}]},"iss":"b""#),
        "good",
        "others' claims are theirs"
    );
    for good in [
        r#","ip":["192.0.2.0/24","2001:db8::/32","192.0.2.1"]"#,
        r#","countries":["de","AT"]"#,
        r#","referrers":["","example.org","*.example.org"]"#,
        r#","max_height":720,"max_session_s":18446744073709551615"#,
        r#","nbf":0,"iat":1.5,"policy":"p","sub":"a","sid":"b","jti":"c""#,
        r#","env":"tenant-1""#,
        r#","sid":null"#,
    ] {
        assert_eq!(with(good), "good", "{good}");
    }
    for bad in [
        r#","ip":[]"#,
        r#","ip":"192.0.2.1""#,
        r#","ip":["192.0.2.0/33"]"#,
        r#","ip":["192.0.2.1","x"]"#,
        r#","countries":[]"#,
        r#","countries":["DEU"]"#,
        r#","referrers":[]"#,
        r#","referrers":["https://example.org/"]"#,
        r#","max_height":-1"#,
        r#","max_height":4294967296"#,
        r#","max_session_s":1.5"#,
        r#","max_session_s":"1""#,
        r#","nbf":"0""#,
        r#","nbf":-1"#,
        r#","env":"""#,
        r#","env":"a b""#,
        r#","sid":"""#,
        r#","sid":7"#,
        r#","sub":{}"#,
        r#","sid":"a","sid":"b""#,
    ] {
        assert_eq!(with(bad), "token_malformed", "{bad}");
    }
}

#[test]
fn every_list_and_text_has_its_limit() {
    let list = |name: &str, entry: &str, len: usize| {
        with(&format!(r#","{name}":[{}]"#, vec![format!("\"{entry}\""); len].join(",")))
    };
    for (name, entry, limit) in [
        ("ip", "::/0", limits::NETWORKS_MAX),
        ("countries", "DE", limits::COUNTRIES_MAX),
        ("referrers", "a.b", limits::REFERRERS_MAX),
    ] {
        assert_eq!(
            (list(name, entry, limit), list(name, entry, limit + 1)),
            ("good", "token_malformed"),
            "{name}"
        );
    }
    for (name, limit) in [
        ("sid", limits::ID_BYTES_MAX),
        ("sub", limits::ID_BYTES_MAX),
        ("jti", limits::ID_BYTES_MAX),
        ("policy", limits::ID_BYTES_MAX),
        ("env", limits::ENVIRONMENT_BYTES_MAX),
    ] {
        let text = |len: usize| with(&format!(r#","{name}":"{}""#, "x".repeat(len)));
        assert_eq!((text(limit), text(limit + 1)), ("good", "token_malformed"), "{name}");
    }
    let paths =
        |len: usize| payload(&format!(r#"{{"paths":[{}],"exp":4102444800}}"#, vec!["\"/a\""; len].join(",")));
    assert_eq!((paths(limits::PREFIXES_MAX), paths(limits::PREFIXES_MAX + 1)), ("good", "token_malformed"));
}

#[test]
fn a_token_has_4096_bytes_at_most() {
    let verdict = |len: usize| {
        let token = format!("{}.e30.AAAA", "A".repeat(len - 9));
        assert_eq!(token.len(), len);
        verify(&token, &KeySet::default(), now()).expect_err("no token at all")
    };
    assert_eq!(verdict(limits::TOKEN_BYTES_MAX).code(), "token_malformed");
    assert_eq!(verdict(limits::TOKEN_BYTES_MAX + 1), TokenError::TooLong { len: 4097 });
    let mut claims = claims("/vod/");
    claims.paths = vec![format!("/{}", "a".repeat(1000)); 4];
    let refused = sign(&claims, &key(Algorithm::EdDSA)).expect_err("no edge would take it");
    assert!(refused.to_string().contains("limit 4096"), "{refused}");
}

#[test]
fn garbage_is_malformed() {
    let good = sign(&claims("/vod/"), &key(Algorithm::EdDSA)).expect("a token");
    let [header, payload, signature] =
        <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).expect("three");
    for garbage in [
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a".to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{}", signature.replace(['-', '_'], "+")) + "+",
        format!("{header}%2e{payload}.{signature}"),
        "ümlaut.ümlaut.ümlaut".to_owned(),
        "\u{0}.\u{0}.\u{0}".to_owned(),
        "////.////.////".to_owned(),
        // One stray bit in the last digit of a part.
        format!("e31.{payload}.{signature}"),
    ] {
        assert_eq!(code(&garbage, &KeySet::default()), "token_malformed", "{garbage}");
    }
    assert_eq!(code("", &KeySet::default()), "token_missing");
}

#[test]
fn no_message_quotes_the_token() {
    let secret = "c2VjcmV0LXNlc3Npb24";
    for token in [
        sealed(HEADER, &format!(r#"{{"paths":"{secret}"}}"#)),
        sealed(HEADER, &format!(r#"{{"paths":["{secret}"],"exp":1}}"#)),
        format!("{secret}.{secret}.{secret}"),
        sealed(&format!(r#"{{"alg":"{secret}","kid":"shared"}}"#), "{}"),
        sealed(&format!(r#"{{"alg":"HS256","kid":"{secret}"}}"#), "{}"),
    ] {
        let error = verify(&token, &shared().0, now()).expect_err("bad");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(secret) && !shown.contains("secret"), "{shown}");
    }
}
