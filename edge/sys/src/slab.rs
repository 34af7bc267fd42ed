//! Memory that sockets may hold on to: ranges of a few large memfds, each written once, shared, and punched out
//! before its place is used again.
//!
//! ```text
//!  Slabs::allocate ─▶ Filling (one owner writes) ─share─▶ SlabRange (many read, none writes)
//!        ▲              └─▶ Appending (writes on) ──written──▶  │ last one dropped
//!        └── punched hole: fresh pages ◀── reclaim ◀── released ┘
//! ```
//!
//! Pages that `sendfile` puts into a socket are referenced, not copied: a page written again while a slow client has
//! not taken it would reach that client changed. So no byte is written after it was shared, and the place of a range is
//! given to nobody before `fallocate` has punched it out: the file then has fresh pages there, and the old ones live
//! until the last socket lets go of them.
//!
//! Invariants: ranges given out never overlap; the memory of all of them, and of those released and not yet punched,
//! stays within [`SlabLimits::memory_bytes`]; dropping a handle only notes it, so that it costs a data-plane core
//! nothing. Addresses are twice the memory, so that holes between ranges do not keep the memory from being used.

mod memory;
mod range;
mod space;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::{
    memory::SlabFile,
    range::Region,
    space::{Space, Span},
};
use crate::page;

pub use range::{Appending, Filling, SlabRange};

/// Addresses for each byte of memory.
const ADDRESSES_A_BYTE: usize = 2;

/// How much memory slabs may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlabLimits {
    /// Bytes of memory in all ranges together, each rounded up to whole pages.
    pub memory_bytes: usize,
    /// Bytes of one slab, rounded up to whole pages: also the longest range.
    pub slab_bytes: usize,
}

impl SlabLimits {
    /// Slabs of 64 to 256 MiB that hold `memory_bytes` together.
    pub fn new(memory_bytes: usize) -> Self {
        const MIB: usize = 1 << 20;
        Self { memory_bytes, slab_bytes: (memory_bytes / 4).clamp(64 * MIB, 256 * MIB) }
    }
}

/// Why a range cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AllocateError {
    /// A range has at least one byte; the caller's fault.
    #[error("a range of no bytes")]
    Empty,
    /// Longer than a slab; the caller's fault.
    #[error("{len} bytes do not fit into a slab of {slab_bytes}")]
    TooLong {
        /// Bytes asked for.
        len: usize,
        /// Bytes of a slab.
        slab_bytes: usize,
    },
    /// All memory, or all addresses that lie together, are in use: our limit.
    #[error("no room for {len} bytes: {used_bytes} of {memory_bytes} are in use")]
    Full {
        /// Bytes asked for.
        len: usize,
        /// Bytes in use.
        used_bytes: usize,
        /// Bytes there may be.
        memory_bytes: usize,
    },
    /// The system has no memory for it, or does not know memfds.
    #[error("the system gives no memory")]
    System(#[from] io::Error),
}

/// What is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlabUsage {
    /// Bytes of memory in ranges, released ones that were not yet punched among them.
    pub used_bytes: usize,
    /// Slabs mapped.
    pub slabs: usize,
    /// Bytes that could not be punched and are lost until the end.
    pub lost_bytes: usize,
}

/// Large memfds and the ranges in them. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Slabs {
    shared: Arc<Shared>,
}

/// What the handles of ranges keep alive.
#[derive(Debug)]
struct Shared {
    memory_pages: usize,
    slab_pages: usize,
    slabs_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slabs: Vec<Slab>,
    /// Pages in ranges, in released ones too.
    used_pages: usize,
    lost_pages: usize,
    /// Places nobody has a handle of any more, not yet punched. No more than ranges that were given out.
    released: Vec<Place>,
}

#[derive(Debug)]
struct Slab {
    file: Arc<SlabFile>,
    free: Space,
}

/// Pages of one slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    slab: usize,
    span: Span,
}

impl Slabs {
    /// Makes the first slab, to find out whether the system gives any. No memory is taken yet.
    ///
    /// # Errors
    /// The system's error: no memfd, no mapping.
    pub fn new(limits: SlabLimits) -> io::Result<Self> {
        let page = page::page_bytes();
        let slab_pages = limits.slab_bytes.div_ceil(page).max(1);
        let memory_pages = limits.memory_bytes / page;
        let slabs_max = memory_pages.saturating_mul(ADDRESSES_A_BYTE).div_ceil(slab_pages).max(1);
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { memory_pages, slab_pages, slabs_max, state });
        let slab = Slab::make(slab_pages)?;
        shared.state().slabs.push(slab);
        Ok(Self { shared })
    }

    /// Room for `len` bytes, all zero and already in memory. Call it on a thread that may wait: it punches what was
    /// released, and faults every page in.
    ///
    /// # Errors
    /// See [`AllocateError`]; nothing is taken then.
    pub fn allocate(&self, len: usize) -> Result<Filling, AllocateError> {
        self.reclaim();
        let shared = &self.shared;
        let pages = len.div_ceil(page::page_bytes());
        if pages == 0 {
            return Err(AllocateError::Empty);
        }
        if pages > shared.slab_pages {
            return Err(AllocateError::TooLong { len, slab_bytes: shared.slab_bytes() });
        }
        let (place, file) = shared.place(pages, len)?;
        // From here on dropping the region gives the place back.
        let region = Region::new(Arc::clone(shared), place, file);
        region.fault_in()?;
        Ok(Filling::new(region, len))
    }

    /// Gives the memory of released ranges back to the system. Costs about 50 microseconds a MiB.
    pub fn reclaim(&self) {
        let released = std::mem::take(&mut self.shared.state().released);
        for place in released {
            let file = self.shared.state().slabs.get(place.slab).map(|slab| Arc::clone(&slab.file));
            let punched = file.is_some_and(|file| file.punch(place.span).is_ok());
            self.shared.state().free(place, punched);
        }
    }

    /// What is in use now.
    pub fn usage(&self) -> SlabUsage {
        let page = page::page_bytes();
        let state = self.shared.state();
        SlabUsage {
            used_bytes: state.used_pages.saturating_mul(page),
            slabs: state.slabs.len(),
            lost_bytes: state.lost_pages.saturating_mul(page),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock but an allocation that fails, which leaves whole steps behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slab_bytes(&self) -> usize {
        self.slab_pages.saturating_mul(page::page_bytes())
    }

    /// Takes `pages` pages that lie together; makes a slab where none has them.
    fn place(&self, pages: usize, len: usize) -> Result<(Place, Arc<SlabFile>), AllocateError> {
        let mut state = self.state();
        let page = page::page_bytes();
        let full = |used: usize| AllocateError::Full {
            len,
            used_bytes: used.saturating_mul(page),
            memory_bytes: self.memory_pages.saturating_mul(page),
        };
        let used_pages = state.used_pages.saturating_add(pages);
        if used_pages > self.memory_pages {
            return Err(full(state.used_pages));
        }
        let mut found = state.take(pages);
        if found.is_none() && state.slabs.len() < self.slabs_max {
            state.slabs.push(Slab::make(self.slab_pages)?);
            found = state.take(pages);
        }
        let found = found.ok_or_else(|| full(state.used_pages))?;
        state.used_pages = used_pages;
        Ok(found)
    }

    /// Notes that nobody has a handle of `place` any more.
    fn release(&self, place: Place) {
        self.state().released.push(place);
    }
}

impl State {
    fn take(&mut self, pages: usize) -> Option<(Place, Arc<SlabFile>)> {
        self.slabs.iter_mut().enumerate().find_map(|(number, slab)| {
            let span = slab.free.take(pages)?;
            Some((Place { slab: number, span }, Arc::clone(&slab.file)))
        })
    }

    /// A place that was punched may be used again; one that could not be never is.
    fn free(&mut self, place: Place, punched: bool) {
        let Some(slab) = self.slabs.get_mut(place.slab).filter(|_| punched) else {
            self.lost_pages = self.lost_pages.saturating_add(place.span.pages);
            return;
        };
        slab.free.give(place.span);
        self.used_pages = self.used_pages.saturating_sub(place.span.pages);
    }
}

impl Slab {
    fn make(pages: usize) -> io::Result<Self> {
        Ok(Self { file: Arc::new(SlabFile::new(pages)?), free: Space::new(pages) })
    }
}

#[cfg(test)]
mod tests;
