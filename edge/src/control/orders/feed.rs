//! The side of the control plane: orders are given here, kept in a log, and read by edges.
//!
//! ```text
//!  append ─▶ log (written, synced) ─▶ ledger, tail ─▶ readers are woken
//! ```
//!
//! An order that `append` gave a number is on the disk; one that it refused never had a number. One process gives the
//! orders of a feed.

mod log;
pub mod service;
mod tail;

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

pub use self::log::{LOG_BYTES_MAX, LogError};
pub use self::tail::{TAIL_BYTES_MAX, TAIL_ORDERS_MAX, Tail, TailOrder};

use self::log::Log;
pub(super) use self::log::sync_folder;
use self::tail::Ring;
use super::ledger::{Applied, Full, KEYS_MAX, LIMITS_MAX, Ledger};
use super::order::{ORDER_BYTES_MAX, Order, OrderBody, UnixMicros};
use super::snapshot::{FeedId, Snapshot};

/// A feed of orders. Shared by whoever gives and reads them.
#[derive(Debug)]
pub struct OrderFeed {
    inner: Mutex<Inner>,
    latest: watch::Sender<u64>,
    feed: FeedId,
}

#[derive(Debug)]
struct Inner {
    ledger: Ledger,
    ring: Ring,
    log: Option<Log>,
}

/// An order that was not given.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It is longer than edges read.
    #[error("an order of {bytes} bytes; {ORDER_BYTES_MAX} is the limit")]
    TooLong {
        /// Its length as a line.
        bytes: usize,
    },
    /// It is of no kind that this version writes.
    #[error("only a known kind of order can be given")]
    Unknown,
    /// There are as many keys or environments as there may be.
    #[error("there is no room for it: {KEYS_MAX} keys and limits of {LIMITS_MAX} environments are the most")]
    Full(Full),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl OrderFeed {
    /// A feed that lasts as long as the process: edges notice its end by the id of the next.
    #[must_use]
    pub fn in_memory(feed: FeedId) -> Self {
        let mut ledger = Ledger::new();
        ledger.load(Snapshot::empty(feed.clone()), UnixMicros(0));
        Self::of(ledger, Ring::after(0), None, feed)
    }

    /// Opens the feed whose log is at `path`; a new one by the name of `fresh` where there is none. An order that was
    /// being written when the last process ended is cut off: nobody was told that it was given. Blocks.
    ///
    /// # Errors
    /// When the log cannot be opened, read or repaired, or is not one.
    pub fn open(path: &Path, fresh: FeedId) -> Result<Self, LogError> {
        Self::open_bounded(path, fresh, LOG_BYTES_MAX)
    }

    /// The same with another limit than [`LOG_BYTES_MAX`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_bounded(path: &Path, fresh: FeedId, log_bytes_max: u64) -> Result<Self, LogError> {
        let (log, (snapshot, orders)) = Log::open(path, fresh, log_bytes_max)?;
        let feed = snapshot.feed.clone();
        let mut ring = Ring::after(snapshot.seq);
        let mut ledger = Ledger::new();
        ledger.load(snapshot, UnixMicros(0));
        for (line, order) in orders {
            ring.push(order.seq, line.into());
            let at = order.at;
            ledger.apply(order, at);
        }
        Ok(Self::of(ledger, ring, Some(log), feed))
    }

    fn of(ledger: Ledger, ring: Ring, log: Option<Log>, feed: FeedId) -> Self {
        let seq = ledger.position().map_or(0, |(_, seq)| seq);
        Self { inner: Mutex::new(Inner { ledger, ring, log }), latest: watch::Sender::new(seq), feed }
    }

    /// Gives an order at the time `at`, and says its number. Blocks until it is on the disk.
    ///
    /// # Errors
    /// When it was not given; the next may be.
    pub fn append(&self, body: OrderBody, at: UnixMicros) -> Result<u64, AppendError> {
        let mut inner = self.inner.lock();
        let seq = inner.ring.last().saturating_add(1);
        let order = Order { seq, at, body };
        let line = order.to_line().ok_or(AppendError::Unknown)?;
        if line.len() > ORDER_BYTES_MAX {
            return Err(AppendError::TooLong { bytes: line.len() });
        }
        let room = inner.ledger.room(&order.body);
        room.map_err(AppendError::Full)?;
        if let Some(log) = &mut inner.log {
            log.append(&line)?;
        }
        let applied = inner.ledger.apply(order, at);
        debug_assert!(matches!(applied, Applied::Now(_)), "the next order, with room for it: {applied:?}");
        inner.ring.push(seq, line.into());
        let Inner { ledger, log, .. } = &mut *inner;
        if let Some(log) = log.as_mut().filter(|log| log.wants_rewriting())
            && let Some(snapshot) = ledger.snapshot()
            && let Err(error) = log.rewrite(&snapshot)
        {
            // The order is given all the same; the log goes on growing, and this is tried again with the next.
            tracing::warn!(%error, "the log of orders could not be rewritten");
        }
        self.latest.send_replace(seq);
        Ok(seq)
    }

    /// The feed's id.
    #[must_use]
    pub const fn id(&self) -> &FeedId {
        &self.feed
    }

    /// The state after the last order. O(keys + revocations).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let snapshot = self.inner.lock().ledger.snapshot();
        snapshot.unwrap_or_else(|| Snapshot::empty(self.feed.clone()))
    }

    /// Up to `max` orders after `seq` of `feed`.
    #[must_use]
    pub fn after(&self, feed: &FeedId, seq: u64, max: usize) -> Tail {
        if *feed != self.feed {
            return Tail::Gone;
        }
        self.inner.lock().ring.after_seq(seq, max)
    }

    /// The number of the last order; wakes with each.
    #[must_use]
    pub fn latest(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }
}

/// A feed that edges in this process read.
pub type SharedFeed = Arc<OrderFeed>;
