//! Tokens from strangers: in a path, in a query, by themselves. Nothing is let in that was not signed, nothing is shown
//! that could be used, and splitting loses nothing.
//!
//! Input: a text. It is read as a path with a token in front, and as a token whose first parts may be good.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use rillcast_token::{
    Claims, GrantLimits, Grants, HashKey, KeyFile, KeySet, NumericDate, RedactedPath, TokenPath, Unverified,
    sign, verify,
};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const PATH: &str = "/vod/film.mp4/main.m3u8";
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One shared secret, so that an input means the same in every run.
const KEY_FILE: &[u8] = br#"{"version":1,"keys":[{"kid":"k","algorithm":"HS256","state":"active",
    "secret":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}"#;

/// What all inputs meet: one key, one good token of it, and a cache that lives as long as the process.
struct Door {
    keys: KeySet,
    grants: Grants,
    good: String,
    opened: Instant,
}

fn door() -> &'static Door {
    static DOOR: OnceLock<Door> = OnceLock::new();
    DOOR.get_or_init(|| {
        let keys = KeyFile::from_json(KEY_FILE).expect("a key file").key_set().expect("one key");
        let key = keys.signer("default").expect("an active key");
        let exp = NumericDate::of(NOW + Duration::from_secs(60));
        let claims = Claims { paths: vec!["/vod/film.mp4/".to_owned()], exp, ..Claims::default() };
        let good = sign(&claims, key).expect("a token");
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let opened = Instant::now();
        let limits = GrantLimits { entries: 64, bad_entries: 64, ..GrantLimits::default() };
        let grants = Grants::new(&limits, HashKey::random(), keys.clone());
        // Known from the start, it is let in when the budget is gone, too.
        grants.check(&good, PATH, CLIENT, NOW, opened).expect("a good token");
        Door { keys, grants, good, opened }
    })
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    shows_no_token(text);
    splits_whole(text);
    lets_nobody_in(text);
    // The same text where a token's parts stand, so that what is behind the first check is reached too.
    let door = door();
    let [header, payload, signature] = parts(&door.good);
    for token in [
        format!("{text}.{payload}.{signature}"),
        format!("{header}.{text}.{signature}"),
        format!("{header}.{payload}.{text}"),
    ] {
        lets_nobody_in(&token);
    }
    covers_what_it_says(text);
}

fn parts(token: &str) -> [&str; 3] {
    let mut parts = token.split('.');
    [(); 3].map(|()| parts.next().expect("a token has three parts"))
}

/// Only the good token is good.
fn lets_nobody_in(token: &str) {
    let door = door();
    let (verified, checked) =
        (verify(token, &door.keys, NOW), door.grants.check(token, PATH, CLIENT, NOW, door.opened));
    assert_eq!((verified.is_ok(), checked.is_ok()), (token == door.good, token == door.good), "{token}");
    for error in [verified.err(), checked.err()].into_iter().flatten() {
        assert!(matches!(error.status(), 401 | 403 | 429) && error.code().starts_with("token_"));
    }
    if let Ok(shown) = Unverified::read(token) {
        assert!(shown.id.to_string().len() == 8);
    }
}

/// A good token in front of the text, or in its query, is not in what is shown.
fn shows_no_token(text: &str) {
    let good = &door().good;
    let [_, payload, signature] = parts(good);
    for path in [
        format!("/t/{good}/{text}"),
        format!("/t/{good}?{text}"),
        format!("/vod?token={good}&{text}"),
        format!("/vod/{good}/{text}"),
    ] {
        let shown = RedactedPath::new(&path).to_string();
        assert_eq!(shown, format!("{:?}", RedactedPath::new(&path)));
        // What the text itself brings along is not the token's fault.
        if !text.contains(payload) && !text.contains(signature) {
            assert!(!shown.contains(payload) && !shown.contains(signature), "{shown}");
        }
    }
    let shown = RedactedPath::new(text).to_string();
    assert!(!shown.contains("eyJ"), "{shown}");
}

fn splits_whole(text: &str) {
    if let Some(path) = TokenPath::split(text) {
        assert_eq!(format!("/t/{}{}", path.token(), path.rest()), text);
        assert!(!path.token().is_empty() && !path.token().contains('/') && path.rest().starts_with('/'));
        let shown = RedactedPath::new(text).to_string();
        assert!(shown.starts_with("/t/") && !shown.starts_with(&format!("/t/{}/", path.token())), "{shown}");
    }
}

/// Nothing but the prefix and what is below it is covered, whatever the tricks.
fn covers_what_it_says(text: &str) {
    let door = door();
    let grant = verify(&door.good, &door.keys, NOW).expect("the good token");
    if grant.covers(text) {
        let decoded: Vec<u8> = decode(text.as_bytes());
        assert!(decoded.starts_with(b"/vod/film.mp4/"), "{text}");
        let segments = decoded.split(|byte| *byte == b'/');
        assert!(segments.clone().all(|segment| segment != b".." && segment != b"."), "{text}");
        assert_eq!(segments.count(), text.split('/').count(), "no separator was encoded: {text}");
        let twice = decode(&decoded);
        assert!(!twice.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| segment == b".."), "{text}");
    }
}

/// Percent-decoding, written a second time.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.first_chunk::<2>().and_then(|pair| std::str::from_utf8(pair).ok());
        let byte =
            pair.filter(|pair| !pair.starts_with('+')).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                decoded.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    decoded
}
