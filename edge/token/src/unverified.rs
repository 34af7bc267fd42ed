//! Looking into a token without believing it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{compact::Compact, error::TokenError, revocations::TokenId};

/// What a token says of itself. Nobody vouches for it: it is for people who look for a mistake, never for a decision.
pub struct Unverified {
    /// The header.
    pub header: Value,
    /// The payload.
    pub payload: Value,
    /// What the token is called in logs, after its key's id.
    pub id: TokenId,
}

impl Unverified {
    /// Reads the parts of `token`; they may say anything.
    ///
    /// # Errors
    /// [`TokenError::Missing`], [`TokenError::TooLong`] and [`TokenError::Malformed`].
    pub fn read(token: &str) -> Result<Self, TokenError> {
        let compact = Compact::split(token)?;
        let json = |part: &str, what| {
            let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed { what })?;
            serde_json::from_slice::<Value>(&bytes).map_err(|_| TokenError::Malformed { what })
        };
        let header = json(compact.header, "its header is no JSON in base64url")?;
        let payload = json(compact.payload, "its payload is no JSON in base64url")?;
        Ok(Self { header, payload, id: TokenId::of(token) })
    }
}
