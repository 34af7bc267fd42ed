//! What is kept, under which name, and for how long it may be used.
//!
//! ```text
//!  request ─▶ key ─▶ memory: moka over slabs ─▶ object
//!                    freshness: RFC 9111's verdict · purge: what may not be used any more
//! ```

pub mod freshness;
pub mod key;
pub mod memory;
pub(crate) mod object;
pub mod purge;
