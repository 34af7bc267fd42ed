//! How long and how many: the limits of one token and of one key set.

use std::time::Duration;

/// Bytes of a token, as sent.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Bytes of a token's header, decoded.
pub const HEADER_BYTES_MAX: usize = 1024;
/// Bytes of a key id.
pub const KID_BYTES_MAX: usize = 128;
/// Bytes of a session id, subject, token id or policy name.
pub const ID_BYTES_MAX: usize = 128;
/// Bytes of an environment's name.
pub const ENVIRONMENT_BYTES_MAX: usize = 64;
/// Path prefixes of one token.
pub const PREFIXES_MAX: usize = 16;
/// Bytes of one path prefix, as written.
pub const PREFIX_BYTES_MAX: usize = 1024;
/// IP networks of one token.
pub const NETWORKS_MAX: usize = 16;
/// Countries of one token; there are fewer in the world.
pub const COUNTRIES_MAX: usize = 256;
/// Referring hosts of one token.
pub const REFERRERS_MAX: usize = 32;
/// Bytes of a host name (RFC 1035 §2.3.4).
pub const HOST_BYTES_MAX: usize = 253;
/// Bytes of a key set, as JSON.
pub const KEY_SET_BYTES_MAX: usize = 256 << 10;
/// Keys of one key set.
pub const KEYS_MAX: usize = 256;
/// Bits of an RSA modulus, at least and at most: shorter ones are weak, longer ones are a way to burn our processor.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Bytes of a shared secret, at least (RFC 7518 §3.2) and at most.
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=512;
/// Revocations that are in force at the same time; as many as an edge remembers of its orders.
pub const REVOCATIONS_MAX: usize = 200_000;

/// How much before `nbf` a token is taken: two machines that keep time differ by less, and a viewer who was just given a
/// token must not be told to wait.
pub const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(5);
/// How much after `exp` a token is taken: not at all, so that the word of the issuer is the end. A clock of ours that runs
/// late errs by as much as it is late.
pub const EXPIRY_LEEWAY: Duration = Duration::ZERO;
