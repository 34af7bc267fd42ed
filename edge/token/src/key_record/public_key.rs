//! The part of a key that checks signatures, as a JWK has it (RFC 7518 §6, RFC 8037 §2).

use super::{
    Algorithm, AlgorithmParameters, DecodingKey, ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_BITS,
    SECRET_BYTES, Thumbprint, digest,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::EllipticCurve;

/// What checks a signature; the last kind is secret, and so has no `Debug`.
#[derive(Clone)]
pub(crate) enum PublicKey {
    /// A point on Ed25519, encoded.
    Ed25519(Box<[u8]>),
    /// A point on P-256: two coordinates of 32 bytes.
    P256 { x: Box<[u8]>, y: Box<[u8]> },
    /// Modulus and exponent of an RSA key, most significant byte first.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// A shared secret.
    Secret(Box<[u8]>),
}

impl PublicKey {
    /// What a JWK of ours holds.
    pub(super) fn of(parameters: &AlgorithmParameters) -> Option<Self> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().map(Vec::into_boxed_slice);
        match parameters {
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Some(Self::Ed25519(decode(&key.x)?))
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Some(Self::P256 { x: decode(&key.x)?, y: decode(&key.y)? })
            }
            AlgorithmParameters::RSA(key) => Some(Self::Rsa { n: decode(&key.n)?, e: decode(&key.e)? }),
            _ => None,
        }
    }

    /// The key in the form that checks, if it is sound and belongs to `algorithm`.
    pub(super) fn check(&self, algorithm: Algorithm) -> Result<DecodingKey, &'static str> {
        match (self, algorithm) {
            (Self::Ed25519(x), Algorithm::EdDSA) if x.len() == 32 => Ok(DecodingKey::from_ed_der(x)),
            (Self::Ed25519(_), Algorithm::EdDSA) => Err("an Ed25519 key has 32 bytes"),
            (Self::P256 { x, y }, Algorithm::ES256) if (x.len(), y.len()) == (32, 32) => {
                // An uncompressed point (SEC 1 §2.3.3).
                let point = [&[4], &**x, &**y].concat();
                match ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point) {
                    Ok(_) => Ok(DecodingKey::from_ec_der(&point)),
                    Err(_) => Err("its point is not on the curve P-256"),
                }
            }
            (Self::P256 { .. }, Algorithm::ES256) => Err("coordinates on P-256 have 32 bytes each"),
            (Self::Rsa { n, e }, Algorithm::RS256) => {
                let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
                if !RSA_BITS.contains(&bits(n)) {
                    Err("an RSA key has 2048 to 4096 bits")
                } else if !is_odd(n) || !is_odd(e) || !(2..=33).contains(&bits(e)) {
                    Err("its RSA modulus or exponent is no such number")
                } else {
                    Ok(DecodingKey::from_rsa_raw_components(n, e))
                }
            }
            (Self::Secret(secret), Algorithm::HS256) if SECRET_BYTES.contains(&secret.len()) => {
                Ok(DecodingKey::from_secret(secret))
            }
            (Self::Secret(_), Algorithm::HS256) => Err("a shared secret has 32 to 512 bytes"),
            _ => Err("it is not a key of its algorithm"),
        }
    }

    /// The front of a SHA-256 over it.
    pub(super) fn thumbprint(&self) -> Thumbprint {
        let mut context = digest::Context::new(&digest::SHA256);
        let parts: [&[u8]; 3] = match self {
            Self::Ed25519(x) => [b"okp", x, b""],
            Self::P256 { x, y } => [b"ec", x, y],
            Self::Rsa { n, e } => [b"rsa", n, e],
            Self::Secret(secret) => [b"oct", secret, b""],
        };
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let digest = context.finish();
        digest.as_ref().first_chunk().copied().expect("a SHA-256 has 32 bytes")
    }
}

/// Bits of a number, leading zeros not counted.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = number.get(zeros..).unwrap_or_default();
    let top = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
    significant.len().saturating_mul(8).saturating_sub(top)
}
