//! Why a token does not open the door.

use std::time::Duration;

use crate::limits::TOKEN_BYTES_MAX;

/// When to try again with a token whose issuer's keys are awaited.
const KEYS_RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a request is refused. The client's or its token issuer's fault, except [`Budget`](Self::Budget), which is our limit,
/// and [`KeysAwaited`](Self::KeysAwaited), which is nobody's.
///
/// No message holds the token or anything that was read from it and might be secret; key ids are printable and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("a token is needed here")]
    Missing,
    /// More bytes than are looked at.
    #[error("the token has {len} bytes, limit {limit}", limit = TOKEN_BYTES_MAX)]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// It is no JWS, or a part of it is not what it must be.
    #[error("the token is malformed: {what}")]
    Malformed {
        /// Which part.
        what: &'static str,
    },
    /// A header parameter that must be understood is not (RFC 7515 §4.1.11).
    #[error("the token's header has critical parameters, and none is understood here")]
    Critical,
    /// `alg` is `none`.
    #[error("the token is not signed")]
    Unsigned,
    /// The token wants a public key to be used as a shared secret.
    #[error("the token names a shared-secret algorithm, but its key is a public key")]
    Confusion,
    /// The key is used with another algorithm, or nobody uses this one here.
    #[error("the token's algorithm is not that of its key")]
    Algorithm,
    /// No key has this id.
    #[error("no key with the token's key id is known")]
    KeyUnknown,
    /// No key has this id so far, and the key set of an issuer has not come yet: it may have one.
    #[error("the keys of the token's issuer are not known yet; try again shortly")]
    KeysAwaited,
    /// The key may not sign for this environment.
    #[error("the token's key does not sign for the token's environment")]
    Environment,
    /// The signature does not fit.
    #[error("the token's signature does not fit")]
    Signature,
    /// `exp` is past, and no session goes on.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token, its session, its subject or its key was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// No prefix covers the path, or the path has tricks in it.
    #[error("the token does not cover this path")]
    Path,
    /// The client's address is in none of the networks.
    #[error("the token is not for this address")]
    Address,
    /// The client's country is not among those allowed, or not known.
    #[error("the token is not for this country")]
    Country,
    /// The page that refers is not among those allowed, or not told.
    #[error("the token is not for this page")]
    Referrer,
    /// Too many signatures were checked for this client's neighbourhood, or for all together.
    #[error("too many new tokens from this address; try again later")]
    Budget {
        /// When one more will be checked.
        retry_after: Duration,
    },
}

impl TokenError {
    /// The error in one word for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::TooLong { .. } => "token_too_long",
            Self::Malformed { .. } => "token_malformed",
            Self::Critical => "token_critical",
            Self::Unsigned => "token_unsigned",
            Self::Confusion => "token_algorithm_confusion",
            Self::Algorithm => "token_algorithm",
            Self::KeyUnknown => "token_key_unknown",
            Self::KeysAwaited => "token_keys_awaited",
            Self::Environment => "token_environment",
            Self::Signature => "token_signature",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Revoked => "token_revoked",
            Self::Path => "token_path",
            Self::Address => "token_address",
            Self::Country => "token_country",
            Self::Referrer => "token_referrer",
            Self::Budget { .. } => "token_verification_budget",
        }
    }

    /// Whether the token may be good and only does not allow this (403); another request with it may succeed.
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Path | Self::Address | Self::Country | Self::Referrer | Self::Environment)
    }

    /// The status code to answer with: 401, 403, 429 or 503.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Budget { .. } => 429,
            Self::KeysAwaited => 503,
            _ if self.is_forbidden() => 403,
            _ => 401,
        }
    }

    /// When to try again, if waiting helps.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Budget { retry_after } => Some(*retry_after),
            Self::KeysAwaited => Some(KEYS_RETRY_AFTER),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [TokenError; 19] = [
        TokenError::Missing,
        TokenError::TooLong { len: 5000 },
        TokenError::Malformed { what: "header" },
        TokenError::Critical,
        TokenError::Unsigned,
        TokenError::Confusion,
        TokenError::Algorithm,
        TokenError::KeyUnknown,
        TokenError::KeysAwaited,
        TokenError::Environment,
        TokenError::Signature,
        TokenError::Expired,
        TokenError::NotYetValid,
        TokenError::Revoked,
        TokenError::Path,
        TokenError::Address,
        TokenError::Country,
        TokenError::Referrer,
        TokenError::Budget { retry_after: Duration::from_secs(1) },
    ];

    #[test]
    fn codes_are_distinct_words() {
        let codes: std::collections::BTreeSet<_> = ALL.iter().map(TokenError::code).collect();
        assert_eq!(codes.len(), ALL.len());
        assert!(codes.iter().all(|code| code.starts_with("token_")
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }

    #[test]
    fn a_status_is_401_or_403_and_429_or_503_where_waiting_helps() {
        for error in ALL {
            let expected = match error.code() {
                "token_path" | "token_address" | "token_country" | "token_referrer" | "token_environment" => {
                    403
                }
                "token_verification_budget" => 429,
                "token_keys_awaited" => 503,
                _ => 401,
            };
            assert_eq!(
                (error.status(), error.retry_after().is_some()),
                (expected, matches!(expected, 429 | 503)),
                "{error}"
            );
        }
    }
}
