//! The edge role: a request in, an answer from memory or from an origin out.
//!
//! It knows HTTP and tokens; it does not know media, with one exception: it understands the directives of a blocking
//! playlist.
//!
//! ```text
//!                  ┌ control ┐ keys, revocations, purges, limits in; beats out
//!                  ▼         ▲
//!  request ─ edge ─ admission ─┬─ an origin in this process
//!                              └─ far ─ cache ─ live_hold ─ upstream ─▶ other machines
//!                  observe: what all of them count and say
//! ```

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

pub mod admission;
pub mod cache;
pub mod control;
pub mod edge;
pub mod far;
pub mod live_hold;
pub mod observe;
mod quoting;
pub mod reasons;
pub mod upstream;
