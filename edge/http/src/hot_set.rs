//! Bodies that are sent often, kept in memory for transports that cannot send from a file: TLS and HTTP/2.
//!
//! ```text
//!  Entity{content, body of files} ─warm─▶ hit:  body from a slab, one piece, no read
//!                                    └──▶ miss: doorkeeper ─second touch─▶ queue ─▶ fill thread: read whole,
//!                                               look at the files again, share, keep
//! ```
//!
//! A body is known by its [`ContentId`], never by its address or tag: equal ids are equal bytes. What is kept was read
//! from files that were unchanged after the last read, and at each use the files of the *asked* body are looked at
//! again (one `fstat` each), so a file that changed in place is never papered over. A fill belongs to no viewer: it
//! goes on when all have left. One fill a content at a time, a few at once, a short queue; what finds no room is sent
//! as before.
//!
//! Who stays is moka's choice (TinyLFU): a film watched once, or twice, does not drive out what many watch. The bytes
//! lie in [`Slabs`]: evicted ones that a slow client still reads live until it has them.

mod content;
mod doorkeeper;
mod fill;
mod metrics;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, SyncSender},
    },
    time::{Duration, Instant},
};

use moka::sync::Cache;
use parking_lot::Mutex;
use rillcast_sys::slab::{SlabLimits, SlabRange, Slabs};

pub use self::content::ContentId;
pub(crate) use self::metrics::HotSetMetrics;
use self::{
    doorkeeper::Doorkeeper,
    fill::{Filler, Job},
};
use crate::body::Body;

/// Contents whose last touch is remembered before they are kept.
const DOORKEEPER_SLOTS: usize = 1 << 16;
/// A body may take so much of the memory: one divided by this.
const SHARE_OF_A_BODY: u64 = 16;

/// What the hot set may take. The defaults suit an edge of two cores and 16 GiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotSetLimits {
    /// Bytes of memory; 0 switches the hot set off.
    pub memory_bytes: u64,
    /// Shortest body that is kept, in bytes: below, one read costs as little.
    pub body_bytes_min: u64,
    /// Longest body that is kept, in bytes; a sixteenth of the memory at most.
    pub body_bytes_max: u64,
    /// A second touch counts within this time after the first.
    pub touched_within: Duration,
    /// A body that nobody asked for so long is given up.
    pub idle: Duration,
    /// Bodies read at the same time.
    pub fills: usize,
    /// Bodies that may wait to be read; one more is not kept this time.
    pub queue: usize,
}

impl Default for HotSetLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            body_bytes_min: 4 << 10,
            body_bytes_max: 32 << 20,
            touched_within: Duration::from_secs(120),
            idle: Duration::from_secs(600),
            fills: 2,
            queue: 64,
        }
    }
}

impl HotSetLimits {
    /// The longest body in fact.
    fn longest(&self) -> u64 {
        self.body_bytes_max.min(self.memory_bytes / SHARE_OF_A_BODY)
    }

    /// What the bodies kept may take together: the rest is for those being read.
    fn kept_bytes(&self) -> u64 {
        let fills = u64::try_from(self.fills).unwrap_or(u64::MAX);
        self.memory_bytes.saturating_sub(self.longest().saturating_mul(fills))
    }
}

/// Bodies in memory, and the threads that read them. Cloning shares it; the last clone dropped ends the threads.
#[derive(Debug, Clone)]
pub(crate) struct HotSet {
    /// `None` where it is off.
    running: Option<Arc<Running>>,
}

#[derive(Debug)]
struct Running {
    shelf: Arc<Shelf>,
    jobs: SyncSender<Job>,
    doorkeeper: Doorkeeper,
    limits: HotSetLimits,
}

/// What the cores and the fill threads share.
#[derive(Debug)]
struct Shelf {
    entries: Cache<ContentId, SlabRange>,
    slabs: Slabs,
    /// Contents being read or waiting for it; no more than `queue` and `fills`.
    in_flight: Mutex<HashSet<ContentId>>,
    /// The system gives no more memory: nothing is read any more.
    is_exhausted: AtomicBool,
    metrics: HotSetMetrics,
}

impl HotSet {
    /// Starts the threads. Where the system gives no memory for it, the hot set is off, and the log says so.
    pub(crate) fn start(limits: HotSetLimits, metrics: HotSetMetrics, now: Instant) -> Self {
        let off = Self { running: None };
        if limits.memory_bytes == 0 || limits.fills == 0 {
            return off;
        }
        let memory_bytes = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        let slabs = match Slabs::new(SlabLimits::new(memory_bytes)) {
            Ok(slabs) => slabs,
            Err(error) => {
                tracing::warn!(%error, "no memory files (memfd): the hot set is off, TLS reads files each time");
                return off;
            }
        };
        let shelf = Arc::new(Shelf::new(slabs, &limits, metrics));
        let (jobs, queue) = mpsc::sync_channel(limits.queue);
        if let Err(error) = Filler::start(limits.fills, &shelf, queue) {
            tracing::warn!(%error, "no thread to read with: the hot set is off, TLS reads files each time");
            return off;
        }
        let doorkeeper = Doorkeeper::new(DOORKEEPER_SLOTS, limits.touched_within, now);
        Self { running: Some(Arc::new(Running { shelf, jobs, doorkeeper, limits })) }
    }

    /// `body`, whose bytes are `content`, from memory if it is hot; else `None`, and it may become so.
    ///
    /// Cost of a hit: a lookup and an `fstat` of each file of the body.
    pub(crate) fn warm(&self, content: ContentId, body: &Body, now: Instant) -> Option<Body> {
        let running = self.running.as_ref()?;
        running.find(content, body).or_else(|| {
            running.touch(content, body, now);
            None
        })
    }
}

impl Running {
    fn find(&self, content: ContentId, body: &Body) -> Option<Body> {
        let range = self.shelf.entries.get(&content)?;
        let is_same_len = u64::try_from(range.len()).is_ok_and(|len| len == body.len());
        if !is_same_len || !body.is_unchanged().unwrap_or(false) {
            self.shelf.entries.invalidate(&content);
            self.shelf.metrics.stale.inc();
            return None;
        }
        self.shelf.metrics.hits.inc();
        Some(Body::from(range))
    }

    /// Notes that `content` was asked for, and has it read when that happens often enough.
    fn touch(&self, content: ContentId, body: &Body, now: Instant) {
        let shelf = &self.shelf;
        let is_fit = (self.limits.body_bytes_min..=self.limits.longest()).contains(&body.len());
        // Bytes that lie in memory need no copy of themselves.
        if !is_fit || !body.has_file() {
            return;
        }
        shelf.metrics.misses.inc();
        if shelf.is_exhausted.load(Ordering::Relaxed) || !self.doorkeeper.is_second_touch(content, now) {
            return;
        }
        if !shelf.in_flight.lock().insert(content) {
            return;
        }
        // Another may have had it read since we looked: a fill keeps first and leaves `in_flight` then.
        if shelf.entries.contains_key(&content) {
            shelf.in_flight.lock().remove(&content);
            return;
        }
        let job = Job { content, body: body.clone() };
        match self.jobs.try_send(job) {
            // Should it not be kept, the next try waits its time.
            Ok(()) => self.doorkeeper.rest(content, now),
            Err(_) => {
                shelf.in_flight.lock().remove(&content);
                shelf.metrics.filled("queue_full");
            }
        }
    }
}

impl Shelf {
    fn new(slabs: Slabs, limits: &HotSetLimits, metrics: HotSetMetrics) -> Self {
        let evicted = metrics.evictions.clone();
        let entries = Cache::builder()
            .max_capacity(limits.kept_bytes() >> 10)
            // In KiB, so that a weight of 32 bits is no limit; with the rest of the last page.
            .weigher(|_, range: &SlabRange| {
                u32::try_from(range.len().div_ceil(4096).saturating_mul(4)).unwrap_or(u32::MAX)
            })
            .time_to_idle(limits.idle)
            .eviction_listener(move |_, _, cause| {
                if cause.was_evicted() {
                    evicted.inc();
                }
            })
            .build();
        Self { entries, slabs, in_flight: Mutex::default(), is_exhausted: AtomicBool::new(false), metrics }
    }
}

#[cfg(test)]
mod tests;
