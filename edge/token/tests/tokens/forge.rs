//! Keys, claims and tokens to test with, among them tokens that `sign` would not make.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, crypto};
use rillcast_token::{Algorithm, Claims, KeyFile, KeyRecord, KeySet, KeyState, NumericDate};

/// The time of all tests: 2026-01-01T00:00:00Z.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// `seconds` from now, before it if negative.
pub(crate) fn at(seconds: i64) -> NumericDate {
    let now = NumericDate::of(now()).seconds();
    NumericDate::new(now.checked_add_signed(seconds).expect("near now")).expect("near now")
}

/// Claims for `path`, good for an hour.
pub(crate) fn claims(path: &str) -> Claims {
    Claims { paths: vec![path.to_owned()], exp: at(3600), ..Claims::default() }
}

/// A new active key of `algorithm`, for all environments.
pub(crate) fn key(algorithm: Algorithm) -> KeyRecord {
    KeyRecord::generate(algorithm, KeyState::Active, None, now()).expect("a key")
}

pub(crate) fn set(record: &KeyRecord) -> KeySet {
    KeySet::new([record.clone()]).expect("one key")
}

/// Joins a token of parts given as JSON, with any signature.
pub(crate) fn join(header: &str, payload: &str, signature: &[u8]) -> String {
    [header.as_bytes(), payload.as_bytes(), signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// A shared-secret key whose secret the tests know, and a set of it.
pub(crate) fn shared() -> &'static (KeySet, EncodingKey) {
    static SHARED: OnceLock<(KeySet, EncodingKey)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let secret = [7; 32];
        let json = format!(
            r#"{{"version":1,"keys":[{{"kid":"shared","algorithm":"HS256","state":"active","secret":"{}"}}]}}"#,
            URL_SAFE_NO_PAD.encode(secret)
        );
        let file = KeyFile::from_json(json.as_bytes()).expect("a key file");
        (file.key_set().expect("one key"), EncodingKey::from_secret(&secret))
    })
}

/// A token of any header and payload whose signature fits, under the shared secret.
pub(crate) fn sealed(header: &str, payload: &str) -> String {
    let message = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature =
        crypto::sign(message.as_bytes(), &shared().1, jsonwebtoken::Algorithm::HS256).expect("a signature");
    format!("{message}.{signature}")
}
