//! The edge role: a request in, an answer from memory or from an origin out.
//!
//! It knows HTTP and tokens; it does not know media, with one exception: it understands the directives of a blocking
//! playlist.

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

pub mod authorize;
pub mod backoff;
pub mod cache;
pub mod cache_key;
pub mod cache_status;
pub mod cmcd;
pub mod control_link;
mod deliver;
pub mod edge;
pub mod events;
pub mod far;
mod fill;
mod flight;
pub mod freshness;
pub mod geo;
pub mod live_hold;
pub mod metrics;
mod object;
pub mod orders;
pub mod private_paths;
pub mod protect;
pub mod purge;
mod quoting;
pub mod recent;
pub mod upstream;
