//! What the edge tells the control plane: batches, queued on disk, each with a name of its own.
//!
//! ```text
//!  cores: Tally ─ beats every few seconds ─▶ Sink ─▶ Sender ─▶ Queue: one segment being written, closed ones behind it
//!  origin: channel started, ended ─────────▶  (bounded)   └─ oldest closed segment ─▶ POST ─▶ Intake at the control plane
//! ```
//!
//! - [`event`]: what happened, and a batch of it. [`segment`]: a batch on disk. [`queue`]: the segments in a folder.
//! - [`tally`]: finished exchanges into beats. [`sender`]: the task. [`intake`]: the side of the control plane.
//!
//! The cores of an edge give their beats to the [`Sink`](sender::Sink) that its owner has put there with
//! [`Edge::with_beats`](crate::edge::Edge::with_beats); others in the process are given a clone of it.
//!
//! Invariants: a segment is one batch, whose id is made with it, so that a batch sent twice is the same batch; an event that
//! was synced arrives at least once unless a named limit dropped it, which is counted; a viewer never waits for any of it.
//! The wire formats and their versions: `decisions/0001-orders-and-events-on-the-wire.md`.

pub mod event;
pub mod intake;
pub mod metrics;
pub mod queue;
pub mod segment;
pub mod sender;
pub mod tally;

#[cfg(test)]
mod tests;
