//! The compact serialisation of a JWS (RFC 7515 §3.1): three parts of base64url, and the header.
//!
//! Base64 is read strictly: no padding, no stray bits at the end, so that one token has one spelling.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    error::TokenError,
    key_record::is_kid,
    limits::{HEADER_BYTES_MAX, TOKEN_BYTES_MAX},
};

/// A token in its parts; nothing of it is verified.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    /// What is signed: header, dot, payload.
    pub(crate) message: &'a str,
    /// The header, encoded.
    pub(crate) header: &'a str,
    /// The payload, encoded.
    pub(crate) payload: &'a str,
    /// The signature, encoded; empty in a token that is not signed.
    pub(crate) signature: &'a str,
}

/// What the header says of the key.
pub(crate) struct Header {
    pub(crate) algorithm: Box<str>,
    pub(crate) kid: Box<str>,
}

/// The parameters that matter. Keys and places of keys that the token itself brings (`jwk`, `jku`, `x5u`) are not among
/// them: nobody may choose the key that judges them.
#[derive(Deserialize)]
struct RawHeader<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow, default)]
    kid: Option<Cow<'a, str>>,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    b64: Present,
}

/// Whether a parameter is there, whatever it holds.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|IgnoredAny| Self(true))
    }
}

impl<'a> Compact<'a> {
    /// Splits a token.
    ///
    /// # Errors
    /// [`TokenError::Missing`] for nothing, [`TokenError::TooLong`] and [`TokenError::Malformed`].
    pub(crate) fn split(token: &'a str) -> Result<Self, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong { len: token.len() });
        }
        let shape = TokenError::Malformed { what: "it is not three parts of base64url" };
        let (message, signature) = token.rsplit_once('.').ok_or_else(|| shape.clone())?;
        let (header, payload) = message.split_once('.').ok_or_else(|| shape.clone())?;
        let is_base64url =
            |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let is_whole = !header.is_empty() && !payload.is_empty();
        if is_whole && [header, payload, signature].into_iter().all(is_base64url) {
            Ok(Self { message, header, payload, signature })
        } else {
            Err(shape)
        }
    }

    /// Reads the header.
    ///
    /// # Errors
    /// [`TokenError::Malformed`], [`TokenError::Critical`] and [`TokenError::Unsigned`].
    pub(crate) fn read_header(&self) -> Result<Header, TokenError> {
        let mut room = [0; HEADER_BYTES_MAX];
        let json = decode_header(self.header, &mut room)?;
        let raw: RawHeader<'_> =
            serde_json::from_slice(json).map_err(|_| TokenError::Malformed { what: "its header" })?;
        if raw.crit.0 || raw.b64.0 {
            return Err(TokenError::Critical);
        }
        if raw.alg.eq_ignore_ascii_case("none") {
            return Err(TokenError::Unsigned);
        }
        let kid = raw.kid.ok_or(TokenError::Malformed { what: "its header has no key id (kid)" })?;
        if !is_kid(&kid) {
            return Err(TokenError::Malformed { what: "its key id (kid)" });
        }
        if self.signature.is_empty() {
            return Err(TokenError::Malformed { what: "it has no signature" });
        }
        Ok(Header { algorithm: raw.alg.into(), kid: kid.into() })
    }

    /// The payload, decoded.
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub(crate) fn read_payload(&self) -> Result<Vec<u8>, TokenError> {
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| TokenError::Malformed { what: "its payload" })
    }

    /// Gives `use_kid` the key id that the header names, if one is there; for logs. No allocation unless the id is written
    /// with escapes.
    pub(crate) fn with_kid<T>(&self, use_kid: impl FnOnce(&str) -> T) -> Option<T> {
        let mut room = [0; HEADER_BYTES_MAX];
        let json = decode_header(self.header, &mut room).ok()?;
        let raw: RawHeader<'_> = serde_json::from_slice(json).ok()?;
        raw.kid.filter(|kid| is_kid(kid)).map(|kid| use_kid(&kid))
    }
}

fn decode_header<'r>(header: &str, room: &'r mut [u8; HEADER_BYTES_MAX]) -> Result<&'r [u8], TokenError> {
    let malformed = TokenError::Malformed { what: "its header" };
    match URL_SAFE_NO_PAD.decode_slice(header, room) {
        Ok(len) => room.get(..len).ok_or(malformed),
        Err(_) => Err(malformed),
    }
}
