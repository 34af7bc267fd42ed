//! What tests of the edge share.
//!
//! - [`origin`]: an origin that plays a script, over sockets or over pipes in memory.
//! - [`object`]: what such an origin may have: bytes with a validator, whole or in part, sent to the end or not.
//! - [`served`]: an origin that speaks TLS or HTTP/2, through hyper.

pub(crate) mod object;
pub(crate) mod origin;
pub(crate) mod served;
