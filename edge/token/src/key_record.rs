//! One key: what it is called, which algorithm it is used with, and for whom it signs.

use std::{fmt, str::FromStr, time::SystemTime};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        ParsedPublicKey,
    },
};
use jsonwebtoken::{
    DecodingKey, EncodingKey,
    jwk::{AlgorithmParameters, Jwk},
};
use serde::{Deserialize, Serialize};

use crate::limits::{ENVIRONMENT_BYTES_MAX, KID_BYTES_MAX, RSA_BITS, SECRET_BYTES};

mod public_key;
pub(crate) use self::public_key::PublicKey;

/// What a signature is made with. A key has one of them and is never used with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037): the default.
    EdDSA,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    ES256,
    /// RSA PKCS #1 1.5 with SHA-256, for issuers that make nothing else.
    RS256,
    /// HMAC with SHA-256: who can check can sign, so its key is never published.
    HS256,
}

impl Algorithm {
    /// Its name in a header (RFC 7518 §3.1, RFC 8037 §3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::HS256 => "HS256",
        }
    }

    /// Whether a header or a key means it by `name`. RFC 9864 gives EdDSA on our one curve a name of its own.
    pub(crate) fn is_called(self, name: &str) -> bool {
        name == self.name() || (self == Self::EdDSA && name == "Ed25519")
    }

    /// Whether its key is a secret that both sides share.
    pub const fn is_shared_secret(self) -> bool {
        matches!(self, Self::HS256)
    }

    pub(crate) const fn foreign(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
            Self::HS256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

/// A text names none of the algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an algorithm is one of eddsa, es256, rs256, hs256")]
pub struct NoAlgorithm;

impl FromStr for Algorithm {
    type Err = NoAlgorithm;

    /// Reads the name in any case.
    fn from_str(text: &str) -> Result<Self, NoAlgorithm> {
        let all = [Self::EdDSA, Self::ES256, Self::RS256, Self::HS256];
        all.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text)).ok_or(NoAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a key is in its life. Tokens are checked with keys in any of these states; only the active one signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published ahead, so that every edge knows it before the first token comes that it signed.
    Next,
    /// Signs.
    Active,
    /// Signs no more; what it signed is still good.
    Retiring,
}

/// Why something is no key; whose fault depends on where it came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key id is empty, too long or not printable.
    #[error("a key id has 1 to {KID_BYTES_MAX} printable ASCII characters, no quotes or backslashes")]
    Kid,
    /// The environment's name.
    #[error(
        "an environment's name has 1 to {ENVIRONMENT_BYTES_MAX} letters, digits, dots, hyphens or underscores"
    )]
    Environment,
    /// The key's own bytes.
    #[error("key `{kid}`: {what}")]
    Material {
        /// The key's id.
        kid: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The system could not make a key.
    #[error("no key could be made: the cryptographic library refused")]
    Generate,
}

/// A key and what is known of it. Cheap to look at, not to make; its secrets are never printed.
#[derive(Clone)]
pub struct KeyRecord {
    kid: Box<str>,
    algorithm: Algorithm,
    state: KeyState,
    environment: Option<Box<str>>,
    created: Option<SystemTime>,
    retired: Option<SystemTime>,
    public: PublicKey,
    decoding: DecodingKey,
    secret: Option<Secret>,
    thumbprint: Thumbprint,
}

/// What tells one key from another of the same id: the front of a SHA-256 over what checks a signature.
pub(crate) type Thumbprint = [u8; 16];

/// What signs: the bytes as they are kept, and as they are used.
#[derive(Clone)]
struct Secret {
    kept: Box<[u8]>,
    encoding: EncodingKey,
}

/// What is said of a key besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) kid: String,
    pub(crate) state: KeyState,
    pub(crate) environment: Option<String>,
    pub(crate) created: Option<SystemTime>,
    pub(crate) retired: Option<SystemTime>,
}

impl KeyRecord {
    /// Makes a new key with a random id. RSA takes about a second.
    ///
    /// # Errors
    /// [`KeyError::Environment`] and [`KeyError::Generate`].
    pub fn generate(
        algorithm: Algorithm,
        state: KeyState,
        environment: Option<&str>,
        created: SystemTime,
    ) -> Result<Self, KeyError> {
        let mut id = [0; 8];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| KeyError::Generate)?;
        let label = Label {
            kid: format!("{:016x}", u64::from_be_bytes(id)),
            state,
            environment: environment.map(str::to_owned),
            created: Some(created),
            retired: None,
        };
        Self::from_secret(label, algorithm, &generate_secret(algorithm)?)
    }

    /// A key that signs, from the bytes it is kept as: PKCS #8, or the shared secret itself.
    pub(crate) fn from_secret(label: Label, algorithm: Algorithm, kept: &[u8]) -> Result<Self, KeyError> {
        let material = |what| KeyError::Material { kid: label.kid.clone(), what };
        let encoding = match algorithm {
            Algorithm::EdDSA => EncodingKey::from_ed_der(kept),
            Algorithm::ES256 => EncodingKey::from_ec_der(kept),
            Algorithm::RS256 => EncodingKey::from_rsa_der(
                rsa_private_key(kept).ok_or_else(|| material("its private part is no RSA key in PKCS #8"))?,
            ),
            Algorithm::HS256 => EncodingKey::from_secret(kept),
        };
        let public = if algorithm.is_shared_secret() {
            PublicKey::Secret(kept.into())
        } else {
            let jwk = Jwk::from_encoding_key(&encoding, algorithm.foreign())
                .map_err(|_| material("its private part is not a key of its algorithm"))?;
            PublicKey::of(&jwk.algorithm)
                .ok_or_else(|| material("its private part is not a key of its algorithm"))?
        };
        let mut record = Self::new(label, algorithm, public)?;
        record.secret = Some(Secret { kept: kept.into(), encoding });
        Ok(record)
    }

    /// A key that only checks.
    pub(crate) fn new(label: Label, algorithm: Algorithm, public: PublicKey) -> Result<Self, KeyError> {
        if !is_kid(&label.kid) {
            return Err(KeyError::Kid);
        }
        if label.environment.as_deref().is_some_and(|name| !is_environment(name)) {
            return Err(KeyError::Environment);
        }
        let decoding =
            public.check(algorithm).map_err(|what| KeyError::Material { kid: label.kid.clone(), what })?;
        Ok(Self {
            kid: label.kid.into(),
            algorithm,
            state: label.state,
            environment: label.environment.map(Into::into),
            created: label.created,
            retired: label.retired,
            thumbprint: public.thumbprint(),
            public,
            decoding,
            secret: None,
        })
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm it is used with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Where it is in its life.
    pub const fn state(&self) -> KeyState {
        self.state
    }

    /// The environment whose tokens it signs; all of them without.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// When it was made, if that is known.
    pub const fn created(&self) -> Option<SystemTime> {
        self.created
    }

    /// When it was retired.
    pub const fn retired(&self) -> Option<SystemTime> {
        self.retired
    }

    /// Whether it can sign.
    pub const fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    pub(crate) const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) const fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    pub(crate) fn encoding(&self) -> Option<&EncodingKey> {
        self.secret.as_ref().map(|secret| &secret.encoding)
    }

    /// The bytes of its secret as they are kept.
    pub(crate) fn kept(&self) -> Option<&[u8]> {
        self.secret.as_ref().map(|secret| &*secret.kept)
    }

    /// The same key in its next state.
    pub(crate) fn into_state(mut self, state: KeyState, now: SystemTime) -> Self {
        self.state = state;
        self.retired = (state == KeyState::Retiring).then_some(now);
        self
    }
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRecord")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("state", &self.state)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// Whether `text` may be a key id: it is printed into logs, so nothing in it may end a field.
pub(crate) fn is_kid(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    (1..=KID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good)
}

/// Whether `text` may be an environment's name.
pub(crate) fn is_environment(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=ENVIRONMENT_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good)
}

fn generate_secret(algorithm: Algorithm) -> Result<Box<[u8]>, KeyError> {
    let random = SystemRandom::new();
    let pkcs8 = match algorithm {
        Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8v1(&random).map(|key| key.as_ref().into()),
        Algorithm::ES256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map(|key| key.as_ref().into()),
        Algorithm::RS256 => {
            use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
            aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048)
                .and_then(|key| AsDer::<Pkcs8V1Der<'static>>::as_der(&key).map(|der| der.as_ref().into()))
        }
        Algorithm::HS256 => {
            let mut secret = [0; 32];
            aws_lc_rs::rand::fill(&mut secret).map(|()| secret.as_slice().into())
        }
    };
    pkcs8.map_err(|_| KeyError::Generate)
}

/// The RSA private key (RFC 8017 A.1.2) inside of PKCS #8 (RFC 5208 §5), for keys whose lengths take two bytes, which are
/// all that we take.
fn rsa_private_key(pkcs8: &[u8]) -> Option<&[u8]> {
    /// Version 0, then the algorithm `rsaEncryption` with no parameters.
    const MIDDLE: &[u8] = b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let body = pkcs8.strip_prefix(b"\x30\x82")?.get(2..)?;
    body.strip_prefix(MIDDLE)?.strip_prefix(b"\x04\x82")?.get(2..)
}
