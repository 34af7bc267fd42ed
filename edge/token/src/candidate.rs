//! A token on its way to being believed: everything that costs little is looked at before the signature.

use std::sync::Arc;

use jsonwebtoken::crypto;

use crate::{
    claims::Claims,
    compact::{Compact, Header},
    error::TokenError,
    grant::{self, Grant},
    key_record::KeyRecord,
    key_set::KeySet,
};

/// A token that was read, with the key that it says signed it.
pub(crate) struct Candidate<'a> {
    compact: Compact<'a>,
    record: Arc<KeyRecord>,
    unverified: Grant,
}

impl<'a> Candidate<'a> {
    /// Reads `token` and finds its key. No signature is checked.
    ///
    /// # Errors
    /// All of [`TokenError`] that need neither time, place nor signature.
    pub(crate) fn read(token: &'a str, keys: &KeySet) -> Result<Self, TokenError> {
        let compact = Compact::split(token)?;
        let header = compact.read_header()?;
        if !keys.knows(&header.kid) {
            return Err(TokenError::KeyUnknown);
        }
        let claims = read_claims(&compact)?;
        let environment = grant::environment(&claims)?;
        let record = keys.find(&header.kid, environment).ok_or(TokenError::Environment)?;
        agree(&header, record)?;
        let unverified = Grant::read(token, &claims, record)?;
        Ok(Self { compact, record: Arc::clone(record), unverified })
    }

    /// What it would allow if its signature fits.
    pub(crate) const fn unverified(&self) -> &Grant {
        &self.unverified
    }

    /// Checks the signature. Cost: 20 to 60 microseconds.
    ///
    /// # Errors
    /// [`TokenError::Signature`].
    pub(crate) fn verify(self) -> Result<Grant, TokenError> {
        let Compact { message, signature, .. } = self.compact;
        let algorithm = self.record.algorithm().foreign();
        match crypto::verify(signature, message.as_bytes(), self.record.decoding(), algorithm) {
            Ok(true) => Ok(self.unverified),
            Ok(false) | Err(_) => Err(TokenError::Signature),
        }
    }
}

/// Reads the payload, which nobody vouches for yet. The parser's words are not passed on: they quote what they read.
pub(crate) fn read_claims(compact: &Compact<'_>) -> Result<Claims, TokenError> {
    let payload = compact.read_payload()?;
    serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed { what: "its payload" })
}

/// The key says which algorithm it is used with (RFC 8725 §3.1); the header must agree.
fn agree(header: &Header, record: &KeyRecord) -> Result<(), TokenError> {
    let expected = record.algorithm();
    if expected.is_called(&header.algorithm) {
        return Ok(());
    }
    let is_confused = header.algorithm.starts_with("HS") && !expected.is_shared_secret();
    Err(if is_confused { TokenError::Confusion } else { TokenError::Algorithm })
}
