//! Buffers for disks: aligned, faulted in before use, bounded in number, and always on their way home.
//!
//! ```text
//!  BufferPool ─take─▶ Buffer ─(the disk writes)─▶ freeze ─▶ Bytes ─(the socket takes them)─▶ dropped ─▶ BufferPool
//!       ▲                                                                                          │
//!       └────────── the first who waits gets it, in the order in which they began to wait ◀────────┘
//! ```
//!
//! All buffers of a pool lie in one mapping, each aligned to its own page, so that O_DIRECT and registration with
//! io_uring work, and no read ever pays for a page fault. The number of buffers is the limit of bytes in flight.
//!
//! Invariants: a buffer has one owner; whoever drops it, or the last `Bytes` made of it, sends it home; a buffer
//! whose owner is the kernel is not dropped before the kernel is done (see [`disk`](crate::disk)).

mod memory;

use std::{collections::VecDeque, io, num::NonZeroUsize, ops::Range, ptr::NonNull, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub(crate) use self::memory::Memory;

/// What a pool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferLimits {
    /// Bytes of one buffer; rounded up to whole pages.
    pub buffer_bytes: NonZeroUsize,
    /// Buffers; also the most there are at any time.
    pub buffers: NonZeroUsize,
    /// Callers that may wait for a buffer; one more is refused.
    pub waiting: usize,
}

/// No buffer is idle, and as many wait for one as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all buffers are in use and {waiting} wait for one")]
pub struct Exhausted {
    /// How many wait.
    pub waiting: usize,
}

/// A pool of buffers of one size. Cloning shares it.
#[derive(Debug, Clone)]
pub struct BufferPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    memory: Arc<Memory>,
    buffer_bytes: usize,
    buffers: usize,
    waiting_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Numbers of the buffers nobody has; the last used is the first taken again, while it is in a core's cache.
    idle: Vec<usize>,
    waiting: VecDeque<oneshot::Sender<Buffer>>,
}

impl BufferPool {
    /// Maps the memory and faults it in: about a millisecond for 8 MiB with huge pages, ten without.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::OutOfMemory`] when the sizes do not fit an address space.
    pub fn new(limits: BufferLimits) -> io::Result<Self> {
        let buffers = limits.buffers.get();
        let buffer_bytes = crate::page::round_up(limits.buffer_bytes.get());
        let buffer_bytes = buffer_bytes.ok_or(io::ErrorKind::OutOfMemory)?;
        let len = buffer_bytes.checked_mul(buffers).ok_or(io::ErrorKind::OutOfMemory)?;
        let state = State { idle: (0..buffers).rev().collect(), waiting: VecDeque::new() };
        Ok(Self {
            shared: Arc::new(Shared {
                memory: Arc::new(Memory::new(len)?),
                buffer_bytes,
                buffers,
                waiting_max: limits.waiting,
                state: Mutex::new(state),
            }),
        })
    }

    /// Bytes of one buffer.
    pub fn buffer_bytes(&self) -> usize {
        self.shared.buffer_bytes
    }

    /// Buffers there are.
    pub fn buffers(&self) -> usize {
        self.shared.buffers
    }

    /// Buffers nobody has.
    pub fn idle(&self) -> usize {
        self.shared.state.lock().idle.len()
    }

    /// Callers that wait for a buffer, also such that have given up since.
    pub fn waiting(&self) -> usize {
        self.shared.state.lock().waiting.len()
    }

    /// A buffer, when more than `reserve` are idle.
    pub fn try_take(&self, reserve: usize) -> Option<Buffer> {
        let mut state = self.shared.state.lock();
        if state.idle.len() <= reserve {
            return None;
        }
        let slot = state.idle.pop()?;
        Some(Buffer { home: Some(Arc::clone(&self.shared)), slot })
    }

    /// A buffer, now or when one comes home; who waited longest is served first. Dropping the future gives up.
    ///
    /// # Errors
    /// [`Exhausted`] when too many wait already.
    pub async fn take(&self) -> Result<Buffer, Exhausted> {
        let coming = {
            let mut state = self.shared.state.lock();
            if let Some(slot) = state.idle.pop() {
                return Ok(Buffer { home: Some(Arc::clone(&self.shared)), slot });
            }
            // Those who gave up leave their place to us.
            state.waiting.retain(|waiter| !waiter.is_closed());
            let waiting = state.waiting.len();
            if waiting >= self.shared.waiting_max {
                return Err(Exhausted { waiting });
            }
            let (give, coming) = oneshot::channel();
            state.waiting.push_back(give);
            coming
        };
        Ok(coming.await.expect("the pool, which this future holds, keeps the sender until it gives a buffer"))
    }

    /// The memory of all buffers, to register with a ring.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.shared.memory
    }
}

impl Shared {
    /// Gives `slot` to who waits longest, or keeps it.
    fn come_home(self: &Arc<Self>, slot: usize) {
        loop {
            let waiter = {
                let mut state = self.state.lock();
                match state.waiting.pop_front() {
                    Some(waiter) => waiter,
                    None => {
                        state.idle.push(slot);
                        return;
                    }
                }
            };
            let buffer = Buffer { home: Some(Arc::clone(self)), slot };
            match waiter.send(buffer) {
                Ok(()) => return,
                // It gave up. The next, without coming home once more through `Drop`.
                Err(mut refused) => refused.home = None,
            }
        }
    }
}

/// A buffer with one owner. Dropping it sends it home.
#[derive(Debug)]
pub struct Buffer {
    /// `None` only while it is being passed on.
    home: Option<Arc<Shared>>,
    slot: usize,
}

impl Buffer {
    fn shared(&self) -> &Arc<Shared> {
        self.home.as_ref().expect("only a buffer that is about to be forgotten has no home")
    }

    /// Bytes it has room for.
    pub fn capacity(&self) -> usize {
        self.shared().buffer_bytes
    }

    /// Where it begins in the memory of the pool.
    fn offset(&self) -> usize {
        self.slot.checked_mul(self.capacity()).expect("the whole mapping has a length that fits")
    }

    /// The memory of the pool it belongs to.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.shared().memory
    }

    /// Its byte `at`. Whoever writes through it must be this buffer's owner, or the kernel on its behalf.
    pub(crate) fn address(&self, at: usize) -> NonNull<u8> {
        assert!(at <= self.capacity(), "byte {at} of a buffer of {}", self.capacity());
        self.memory().address(self.offset().saturating_add(at))
    }

    /// All its bytes: zeros at first, later what was there before.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let (offset, len) = (self.offset(), self.capacity());
        // SAFETY: buffers are disjoint ranges of the mapping, and this one has one owner, whom we borrow mutably.
        unsafe { self.shared().memory.slice_mut(offset, len) }
    }

    /// The bytes of `range`, cut to the capacity, without a copy. The buffer comes home with the last of them.
    pub fn freeze(self, range: Range<usize>) -> Bytes {
        let end = range.end.min(self.capacity());
        Bytes::from_owner(Frozen { start: range.start.min(end), end, buffer: self })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.come_home(self.slot);
        }
    }
}

/// A buffer that is only read any more.
#[derive(Debug)]
struct Frozen {
    buffer: Buffer,
    start: usize,
    end: usize,
}

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        let offset = self.buffer.offset().saturating_add(self.start);
        // SAFETY: the range lies inside our buffer (`freeze` cut it), all of which is initialised memory that only
        // its owner writes to; the owner is this value, which gives out shared references only.
        unsafe { self.buffer.memory().slice(offset, self.end.saturating_sub(self.start)) }
    }
}

#[cfg(test)]
mod tests;
