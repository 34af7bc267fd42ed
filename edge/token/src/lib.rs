//! What a viewer may see: signed tokens, the keys that sign them, and what was verified of them.
//!
//! ```text
//!  /t/{jwt}/vod/film.mp4/…          KeySet ◀─ key file, JWKS         Revocations ◀─ Orders
//!      │ TokenPath::split               │                                │
//!      ▼                                ▼                                ▼
//!  Grants::check(token, path, client) ─ hit: a few checks ──────────▶ Arc<Grant> ─ permits(country, referrer)
//!      └─ miss: length, shape, kid, algorithm, times, path ─ budget ─ signature ─▶ remembered
//! ```
//!
//! Pure: no files, no sockets, no clock, no tasks; times are passed in. A token is a JWS in compact form (RFC 7515) whose
//! payload is a JWT claims set (RFC 7519), checked as RFC 8725 advises: the key says which algorithm it is used with, the
//! token only has to agree.
//!
//! Invariants: no message, `Debug` or `Display` of this crate holds a token or a secret; whatever a stranger can make grow
//! has a limit in [`limits`] or in [`GrantLimits`].

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod bounded;
mod budget;
mod candidate;
pub mod claims;
mod compact;
pub mod country;
pub mod error;
mod fingerprint;
pub mod grant;
pub mod grants;
pub mod key_file;
pub mod key_record;
pub mod key_set;
pub mod limits;
mod network;
mod path_prefix;
pub mod redacted_path;
mod referrer;
pub mod refetch_gate;
pub mod revocations;
mod sessions;
pub mod sign;
pub mod token_path;
mod unverified;
mod verify;

pub use self::{
    budget::BudgetLimits,
    claims::{Claims, NumericDate},
    country::Country,
    error::TokenError,
    fingerprint::HashKey,
    grant::Grant,
    grants::{GrantLimits, Grants},
    key_file::KeyFile,
    key_record::{Algorithm, KeyRecord, KeyState},
    key_set::KeySet,
    redacted_path::RedactedPath,
    refetch_gate::RefetchGate,
    revocations::{Revocations, Revoked},
    sessions::SessionLimits,
    sign::sign,
    token_path::TokenPath,
    unverified::Unverified,
    verify::verify,
};
