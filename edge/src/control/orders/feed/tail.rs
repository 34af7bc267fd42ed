//! The last orders of a feed, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

/// Orders kept for edges that fell behind; one that fell behind further takes a snapshot.
pub const TAIL_ORDERS_MAX: usize = 4096;
/// Bytes of them.
pub const TAIL_BYTES_MAX: usize = 8 << 20;

/// What comes after a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// These, in sequence; empty when there is nothing new.
    Orders(Vec<TailOrder>),
    /// That is not known any more, never was, or is of another feed: take a snapshot.
    Gone,
}

/// One order as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailOrder {
    /// Its number.
    pub seq: u64,
    /// Its line, without a line end.
    pub line: Arc<str>,
}

/// Orders with numbers one after the other; the oldest go first.
#[derive(Debug)]
pub(super) struct Ring {
    orders: VecDeque<TailOrder>,
    bytes: usize,
    last: u64,
}

impl Ring {
    /// An empty one; the first order will be `seq` plus 1.
    pub(super) const fn after(seq: u64) -> Self {
        Self { orders: VecDeque::new(), bytes: 0, last: seq }
    }

    /// The last number given.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn push(&mut self, seq: u64, line: Arc<str>) {
        debug_assert_eq!(seq, self.last.saturating_add(1), "numbers follow one another");
        self.last = seq;
        self.bytes = self.bytes.saturating_add(line.len());
        self.orders.push_back(TailOrder { seq, line });
        while self.orders.len() > TAIL_ORDERS_MAX || self.bytes > TAIL_BYTES_MAX {
            let Some(first) = self.orders.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(first.line.len());
        }
    }

    pub(super) fn after_seq(&self, seq: u64, max: usize) -> Tail {
        let Some(behind) = self.last.checked_sub(seq) else { return Tail::Gone };
        let kept = self.orders.len();
        let Some(skip) = usize::try_from(behind).ok().and_then(|behind| kept.checked_sub(behind)) else {
            return Tail::Gone;
        };
        Tail::Orders(self.orders.iter().skip(skip).take(max).cloned().collect())
    }
}
