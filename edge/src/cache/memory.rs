//! The memory tier: complete objects, found by key. moka decides who stays; the bytes lie in slabs.
//!
//! ```text
//!  fill ─ room: permits of the bytes that fills may take ─▶ slabs
//!     └─ complete ─▶ moka: admitted by how often it was asked for and how much it takes ─▶ entry
//! ```
//!
//! A film that is watched once does not drive out what many watch: moka weighs what comes in against what would have to
//! go, by the bytes and by how often each was asked for (TinyLFU).
//!
//! Invariants: entries and fills together stay within the memory given, pages rounded up; an entry that goes is marked,
//! so that whoever remembers it asks again; what slow clients still read of evicted objects is theirs until they have it.

use std::{sync::Arc, time::Duration};

use moka::{notification::RemovalCause, sync::Cache};
use rillcast_http::{SlabLimits, SlabUsage, Slabs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    cache::{
        key::{Asked, CarriedHash, Key, Named},
        object::Object,
    },
    far::flight::PassReason,
    observe::metrics::EdgeMetrics,
};

/// An object may take so much of the memory: one divided by this.
const SHARE_OF_AN_OBJECT: u64 = 8;
/// Fills may take so much of the memory beside what is stored: one divided by this.
const SHARE_OF_FILLS: u64 = 4;
/// Bytes of one permit of fills.
const PERMIT_BYTES: u64 = 64 << 10;
/// Keys whose responses are known not to be shared.
const PASSES_MAX: u64 = 65_536;
/// How long that is remembered.
const PASS_LIFE: Duration = Duration::from_secs(10);

/// What the cache may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bytes of memory for objects and fills.
    pub memory_bytes: u64,
    /// Longest object, in bytes; an eighth of the memory at most.
    pub object_bytes_max: u64,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, object_bytes_max: 64 << 20 }
    }
}

impl CacheLimits {
    /// The longest object in fact.
    fn longest(&self) -> u64 {
        self.object_bytes_max.min(self.memory_bytes / SHARE_OF_AN_OBJECT)
    }

    fn of_fills(&self) -> u64 {
        self.memory_bytes / SHARE_OF_FILLS
    }
}

/// Complete objects.
#[derive(Debug)]
pub(crate) struct MemoryCache {
    entries: Cache<Key, Arc<Object>, CarriedHash>,
    passes: Cache<Key, PassReason, CarriedHash>,
    slabs: Slabs,
    fills: Arc<Semaphore>,
    longest: u64,
}

/// Room for the body of one fill; given back when dropped.
#[derive(Debug)]
pub(crate) struct FillRoom {
    fills: Arc<Semaphore>,
    permits: OwnedSemaphorePermit,
}

impl FillRoom {
    /// Room for a body that has come to `bytes`; false when there is none.
    pub(crate) fn reach(&mut self, bytes: u64) -> bool {
        let wanted = permits(bytes);
        let have = self.permits.num_permits();
        let Some(more) = wanted.checked_sub(have).filter(|more| *more > 0) else { return true };
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        match Arc::clone(&self.fills).try_acquire_many_owned(more) {
            Ok(more) => {
                self.permits.merge(more);
                true
            }
            Err(_) => false,
        }
    }
}

fn permits(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(usize::MAX)
}

impl MemoryCache {
    /// An empty cache.
    ///
    /// # Errors
    /// The system's error: no memfd, no mapping.
    pub(crate) fn new(limits: &CacheLimits, metrics: &EdgeMetrics) -> std::io::Result<Self> {
        let memory_bytes = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        let slabs = Slabs::new(SlabLimits::new(memory_bytes))?;
        let evicted = metrics.evictions.clone();
        let entries = Cache::builder()
            .max_capacity(limits.memory_bytes.saturating_sub(limits.of_fills()) >> 10)
            // In KiB, so that a weight of 32 bits is no limit.
            .weigher(|_, object: &Arc<Object>| {
                u32::try_from(object.weight_bytes().div_ceil(1024)).unwrap_or(u32::MAX)
            })
            .eviction_listener(move |_, object: Arc<Object>, cause| {
                object.marks.set_gone();
                if cause == RemovalCause::Size {
                    evicted.inc();
                }
            })
            .build_with_hasher(CarriedHash);
        let passes =
            Cache::builder().max_capacity(PASSES_MAX).time_to_live(PASS_LIFE).build_with_hasher(CarriedHash);
        Ok(Self {
            entries,
            passes,
            slabs,
            fills: Arc::new(Semaphore::new(permits(limits.of_fills()))),
            longest: limits.longest(),
        })
    }

    /// The object of this name, whatever its freshness.
    pub(crate) fn get(&self, name: &Asked<'_>) -> Option<Arc<Object>> {
        self.entries.get(name as &dyn Named)
    }

    /// Stores a complete object, if moka thinks it worth the place.
    pub(crate) fn insert(&self, object: Arc<Object>) {
        self.entries.insert(object.key.clone(), object);
    }

    /// Takes `object` out, if it is still the one that is stored.
    pub(crate) fn remove(&self, object: &Arc<Object>) {
        object.marks.set_gone();
        if let Some(stored) = self.entries.get(&object.key)
            && Arc::ptr_eq(&stored, object)
        {
            self.entries.invalidate(&object.key);
        }
    }

    /// Takes out all that `is_meant`; says how many that were. Cost: a look at each entry; not for a data-plane core.
    pub(crate) fn sweep(&self, is_meant: impl Fn(&Object) -> bool) -> u64 {
        let mut swept: u64 = 0;
        for (key, object) in &self.entries {
            if is_meant(&object) {
                object.marks.set_gone();
                self.entries.invalidate(&*key);
                swept = swept.saturating_add(1);
            }
        }
        self.entries.run_pending_tasks();
        swept
    }

    /// Room for the body of a fill, of which `declared` bytes are expected.
    ///
    /// # Errors
    /// Why the body cannot be kept.
    pub(crate) fn room(&self, declared: Option<u64>) -> Result<FillRoom, PassReason> {
        let bytes = declared.unwrap_or(PERMIT_BYTES);
        if bytes > self.longest {
            return Err(PassReason::TooLarge);
        }
        let count = u32::try_from(permits(bytes)).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.fills).try_acquire_many_owned(count);
        let permits = permits.map_err(|_| PassReason::NoRoom)?;
        Ok(FillRoom { fills: Arc::clone(&self.fills), permits })
    }

    /// Where bodies of fills go.
    pub(crate) fn slabs(&self) -> &Slabs {
        &self.slabs
    }

    /// Longest object, in bytes.
    pub(crate) fn longest(&self) -> u64 {
        self.longest
    }

    /// Makes what was decided to go, go; and gives its memory back.
    pub(crate) fn settle(&self) {
        self.entries.run_pending_tasks();
        self.slabs.reclaim();
    }

    /// Remembers that responses under `key` are not shared.
    pub(crate) fn remember_pass(&self, key: &Key, reason: PassReason) {
        self.passes.insert(key.clone(), reason);
    }

    /// Why responses under this name are not shared, if that is known.
    pub(crate) fn pass(&self, name: &dyn Named) -> Option<PassReason> {
        self.passes.get(name)
    }

    /// Entries, and what is in use of the slabs.
    pub(crate) fn usage(&self) -> (u64, SlabUsage) {
        (self.entries.entry_count(), self.slabs.usage())
    }
}
