//! What the control plane tells the edge: keys, revocations, purges, limits; numbered, replayable.
//!
//! ```text
//!  control plane                              edge
//!  OrderFeed ─┬─ its log, a file ───────────▶ source::file ──┐
//!   append    ├─ GET snapshot, GET tail ────▶ source::http ──┼─▶ Follower ─▶ Ledger ─▶ effects: token crate, cache
//!             └─ the same object ───────────▶ source::local ─┘       └─▶ StateFile: what was known, for the next start
//! ```
//!
//! - [`order`]: an order, and its line of JSON. [`snapshot`]: the state at a number.
//! - [`ledger`]: orders in sequence, pure. [`state_file`]: the ledger on disk.
//! - [`ordered_limits`]: the limits that are in force, for the cores.
//! - [`feed`]: the side of the control plane. [`source`]: the ways to the edge. [`follower`]: the task at the edge.
//!
//! Invariants: an order is applied once, in sequence, or the edge knows that it missed some and asks for a snapshot; what
//! cannot be read is counted and passed over, never guessed; a feed that falls silent changes nothing, it is a figure.
//! The wire formats and their versions: `decisions/0001-orders-and-events-on-the-wire.md`.

pub mod feed;
pub mod follower;
pub mod ledger;
pub mod metrics;
pub mod order;
pub mod ordered_limits;
pub mod revocations;
pub mod snapshot;
pub mod source;
pub mod state_file;

#[cfg(test)]
mod tests;
