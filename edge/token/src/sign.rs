//! Making tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Header, crypto};

use crate::{
    claims::Claims,
    error::TokenError,
    grant::Grant,
    key_record::{KeyRecord, KeyState},
    limits::TOKEN_BYTES_MAX,
};

/// Why no token is made; the fault of who asks for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key has no private part.
    #[error("key `{kid}` has no private part here: it can only check")]
    PublicOnly {
        /// The key's id.
        kid: String,
    },
    /// The key's time has not come, or is over.
    #[error("key `{kid}` is not the active one")]
    NotActive {
        /// The key's id.
        kid: String,
    },
    /// The key signs for another environment.
    #[error("key `{kid}` does not sign for this environment")]
    Environment {
        /// The key's id.
        kid: String,
    },
    /// The claims are such that no edge would take the token.
    #[error("the claims are not good: {what}")]
    Claims {
        /// Which of them.
        what: &'static str,
    },
    /// The token would be too long for an edge.
    #[error("the token would have {len} bytes, limit {limit}", limit = TOKEN_BYTES_MAX)]
    TooLong {
        /// Bytes it would have.
        len: usize,
    },
    /// The cryptographic library refused.
    #[error("key `{kid}` could not sign")]
    Key {
        /// The key's id.
        kid: String,
    },
}

/// A token that says `claims`, signed with `record`. Claims that no edge would take are refused here, by the same code.
///
/// # Errors
/// See [`SignError`].
pub fn sign(claims: &Claims, record: &KeyRecord) -> Result<String, SignError> {
    let kid = || record.kid().to_owned();
    let encoding = record.encoding().ok_or_else(|| SignError::PublicOnly { kid: kid() })?;
    if record.state() != KeyState::Active {
        return Err(SignError::NotActive { kid: kid() });
    }
    let grant = Grant::read("", claims, record).map_err(|error| match error {
        TokenError::Malformed { what } => SignError::Claims { what },
        _ => SignError::Claims { what: "they" },
    })?;
    if record.environment().is_some_and(|name| name != grant.environment()) {
        return Err(SignError::Environment { kid: kid() });
    }
    let mut header = Header::new(record.algorithm().foreign());
    header.kid = Some(kid());
    let encode = |json: Result<Vec<u8>, _>| {
        URL_SAFE_NO_PAD.encode(json.expect("texts and numbers can be written as JSON"))
    };
    let mut token = format!("{}.{}", encode(serde_json::to_vec(&header)), encode(serde_json::to_vec(claims)));
    let signature = crypto::sign(token.as_bytes(), encoding, record.algorithm().foreign())
        .map_err(|_| SignError::Key { kid: kid() })?;
    token.push('.');
    token.push_str(&signature);
    if token.len() > TOKEN_BYTES_MAX {
        return Err(SignError::TooLong { len: token.len() });
    }
    Ok(token)
}
