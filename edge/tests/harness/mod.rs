//! What tests of the edge share.
//!
//! - [`origin`]: an origin that plays a script, over sockets or over pipes in memory.
//! - [`object`]: what such an origin may have: bytes with a validator, whole or in part, sent to the end or not.

pub(crate) mod object;
pub(crate) mod origin;
