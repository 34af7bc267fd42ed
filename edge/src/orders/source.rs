//! The ways in which orders reach an edge.

pub mod file;
pub mod lines;

use super::order::Order;
use super::snapshot::Snapshot;

/// What a source says.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The state to go on from, whatever there was before.
    Snapshot(Snapshot),
    /// The beginning of a file: all orders after it follow.
    Beginning(Snapshot),
    /// An order.
    Order(Order),
    /// A line that is no order; the source goes on behind it. In words.
    Unreadable(String),
    /// It is there and has nothing to say.
    Alive,
}
