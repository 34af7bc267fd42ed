//! A body that is still arriving: one writer appends, any number of readers follow, each at its own place.
//!
//! ```text
//!  upstream ─▶ GrowingWriter ──append──▶ pieces ─┬─▶ follower at byte 0      woken at each append,
//!                 (one task)                     ├─▶ follower at byte 65536  waits behind the last byte
//!                                                └─▶ cache: the whole, once it is complete
//! ```
//!
//! Where the bytes lie follows from how many there are: a few in memory in one piece, more in slabs, from which they
//! leave like a file. A body that nobody keeps has a window instead: what its one reader has taken is let go, and the
//! writer waits until there is room.
//!
//! Invariants: bytes once appended never change or move in the body; a reader never waits for a byte that is there; the
//! end of the writer, however it comes about, wakes every reader; what ended before the declared length is broken, not
//! complete. A slow reader never holds the writer up, but for the one reader of a window.

mod follower;
mod pieces;

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use bytes::{Buf as _, Bytes, BytesMut};
use parking_lot::Mutex;
use rillcast_sys::slab::{AllocateError, Appending, Slabs};

pub use self::follower::GrowingPart;
use self::pieces::Pieces;
use crate::{body::Body, body_source::BodySource, wakes::wake_together};

/// Longest body that lies in memory in one piece, in bytes; longer ones lie in slabs.
pub const MEMORY_BYTES_MAX: u64 = 64 << 10;
/// Bytes of a slab range for a body whose length is not known: the first, and those after it.
const FIRST_CHUNK_BYTES: usize = 256 << 10;
const CHUNK_BYTES: usize = 1 << 20;
/// Longest slab range of a body of known length: short enough to be found where others were.
const KNOWN_CHUNK_BYTES: usize = 4 << 20;

/// Where the bytes of a growing body are kept.
#[derive(Debug, Clone)]
pub enum Keeping {
    /// All of them: in memory, or in these slabs.
    Slabs(Slabs),
    /// All of them, in memory as they come.
    Memory,
    /// Those that its one reader has not taken: at most about so many bytes.
    Window(u64),
}

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The upstream failed in the middle, for a reason in a word.
    Upstream(&'static str),
    /// It became longer than we keep.
    TooLarge,
    /// Nobody goes on with it: the process stops, or the writer died.
    Abandoned,
}

impl Broken {
    /// A word for logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Upstream(reason) => reason,
            Self::TooLarge => "too_large",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// More is expected.
    Arriving,
    /// All is there.
    Complete,
    /// Nothing more will come, and something is missing.
    Broken(Broken),
}

/// Why bytes were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// More than the declared length: the upstream's fault.
    #[error("more than the {declared} bytes that were declared")]
    TooLong {
        /// Bytes there should be.
        declared: u64,
    },
    /// No room in the slabs; some may be made, and the rest appended again.
    #[error(transparent)]
    NoRoom(#[from] AllocateError),
}

/// What writer and readers share.
#[derive(Debug)]
struct Shared {
    /// The whole length, where it was declared.
    declared: Option<u64>,
    window: Option<u64>,
    state: Mutex<State>,
    next_follower: AtomicU64,
}

#[derive(Debug)]
struct State {
    pieces: Pieces,
    growth: Growth,
    /// Readers that wait, by number.
    waiting: HashMap<u64, Waker>,
    /// The writer, when it waits for room.
    writer: Option<Waker>,
    /// Whether all readers have gone.
    is_deserted: bool,
}

impl State {
    /// Takes out all that wait for bytes, to be woken when the lock is free.
    fn take_waiting(&mut self) -> Vec<Waker> {
        self.waiting.drain().map(|(_, waker)| waker).collect()
    }
}

/// Ends a growing body when its last reader goes.
#[derive(Debug)]
struct Readers(Arc<Shared>);

impl Drop for Readers {
    fn drop(&mut self) {
        let writer = {
            let mut state = self.0.state.lock();
            state.is_deserted = true;
            state.writer.take()
        };
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

/// A body that is arriving, or has arrived. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Growing {
    readers: Arc<Readers>,
}

impl Growing {
    /// A body of `declared` bytes, if that is known, and its writer.
    pub fn new(keeping: Keeping, declared: Option<u64>) -> (GrowingWriter, Self) {
        let window = if let Keeping::Window(bytes) = keeping { Some(bytes.max(1)) } else { None };
        let state = State {
            pieces: Pieces::default(),
            growth: Growth::Arriving,
            waiting: HashMap::new(),
            writer: None,
            is_deserted: false,
        };
        let shared =
            Arc::new(Shared { declared, window, state: Mutex::new(state), next_follower: AtomicU64::new(0) });
        let slabs = if let Keeping::Slabs(slabs) = keeping { Some(slabs) } else { None };
        let writer = GrowingWriter { shared: Arc::clone(&shared), slabs, slab: None, is_ended: false };
        (writer, Self { readers: Arc::new(Readers(shared)) })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.readers.0
    }

    /// The whole length in bytes: as declared, or as it came to be.
    pub fn len(&self) -> Option<u64> {
        self.shared().declared.or_else(|| {
            let state = self.shared().state.lock();
            (state.growth == Growth::Complete).then(|| state.pieces.end())
        })
    }

    /// Whether its length is known to be nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Whether both are the same body.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.shared(), other.shared())
    }

    /// Bytes that have arrived.
    pub fn arrived(&self) -> u64 {
        self.shared().state.lock().pieces.end()
    }

    /// How far it has come.
    pub fn growth(&self) -> Growth {
        self.shared().state.lock().growth
    }

    /// All of it as a body: what has arrived and what will. Its length is known where [`Self::len`] is; else it is open
    /// ([`Body::is_open`]).
    pub fn body(&self) -> Body {
        let state = self.shared().state.lock();
        if state.growth == Growth::Complete && self.shared().window.is_none() {
            return state.pieces.to_body();
        }
        drop(state);
        Body::from(GrowingPart::whole(self.clone()))
    }

    /// As [`Self::body`], for one of many who have waited for it: each of them has the head before anybody gets the bytes.
    /// Short ones leave as they are: with them, the head is most of it.
    pub fn body_for_many(&self) -> Body {
        let is_short = self.len().is_some_and(|len| len <= MEMORY_BYTES_MAX);
        if is_short { self.body() } else { Body::from(GrowingPart::whole(self.clone())) }
    }

    /// Waits for all of it, in one piece of memory: for what is read here, such as playlists.
    ///
    /// # Errors
    /// How far it came: [`Growth::Broken`] when it broke off, [`Growth::Arriving`] when it is longer than `bytes_max`.
    pub async fn text(&self, bytes_max: usize) -> Result<Bytes, Growth> {
        let mut part = GrowingPart::whole(self.clone());
        let mut all = BytesMut::new();
        loop {
            let next = match poll_fn(|cx| part.poll_next(cx)).await {
                None => return Ok(all.freeze()),
                Some(Err(why)) => return Err(Growth::Broken(why)),
                Some(Ok(source)) => source,
            };
            if all.len().saturating_add(usize::try_from(next.len()).unwrap_or(usize::MAX)) > bytes_max {
                return Err(Growth::Arriving);
            }
            match next {
                BodySource::Mem(bytes) => all.extend_from_slice(&bytes),
                BodySource::Slab(range) => all.extend_from_slice(range.as_ref()),
                BodySource::File(_) | BodySource::Growing(_) => {}
            }
        }
    }

    /// Waits until nothing more will come.
    pub async fn ended(&self) -> Growth {
        let mut part = GrowingPart::whole(self.clone());
        poll_fn(|cx| part.poll_ended(cx)).await
    }
}

/// The one that appends. Dropped before [`Self::finish`] or [`Self::break_off`], the body is broken off as abandoned.
#[derive(Debug)]
pub struct GrowingWriter {
    shared: Arc<Shared>,
    slabs: Option<Slabs>,
    /// The slab range being filled: the last piece.
    slab: Option<Appending>,
    is_ended: bool,
}

impl GrowingWriter {
    /// Takes the first memory of a body that is declared to be long, so that a lack of it shows before anybody is told
    /// that the body comes. May wait for memory to be faulted in.
    ///
    /// # Errors
    /// [`AllocateError`]; it may be tried again.
    pub fn prepare(&mut self) -> Result<(), AllocateError> {
        let is_long = self.shared.declared.is_some_and(|declared| declared > MEMORY_BYTES_MAX);
        if let Some(slabs) = &self.slabs
            && self.slab.is_none()
            && is_long
        {
            self.slab = Some(slabs.allocate(self.chunk_bytes(0))?.append_only());
        }
        Ok(())
    }

    /// Appends `bytes`, which advance by what was taken, and wakes the readers. May wait for memory to be faulted in:
    /// not for a data-plane core.
    ///
    /// # Errors
    /// [`AppendError`]; what is left of `bytes` was not taken.
    pub fn append(&mut self, bytes: &mut Bytes) -> Result<(), AppendError> {
        let shared = Arc::clone(&self.shared);
        let arrived = shared.state.lock().pieces.end();
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Some(declared) = shared.declared
            && arrived.saturating_add(len) > declared
        {
            return Err(AppendError::TooLong { declared });
        }
        let appended = match self.slabs.clone() {
            Some(slabs) if self.slab.is_some() || !shared.fits_memory(arrived.saturating_add(len)) => {
                self.append_to_slabs(&slabs, bytes)
            }
            _ => {
                shared.state.lock().pieces.push_memory(std::mem::take(bytes));
                Ok(())
            }
        };
        let waiting = shared.state.lock().take_waiting();
        wake_together(|| waiting.into_iter().for_each(Waker::wake));
        appended
    }

    fn append_to_slabs(&mut self, slabs: &Slabs, bytes: &mut Bytes) -> Result<(), AppendError> {
        if self.slab.is_none() {
            // What came before, when it still looked short, goes in front.
            let early = self.shared.state.lock().pieces.gathered();
            let mut slab = slabs.allocate(self.chunk_bytes(0))?.append_only();
            slab.append(&early);
            let mut state = self.shared.state.lock();
            state.pieces.replace_all(slab.written());
            self.slab = Some(slab);
        }
        while !bytes.is_empty() {
            let slab = match &mut self.slab {
                Some(slab) if slab.room() > 0 => slab,
                _ => {
                    let arrived = self.shared.state.lock().pieces.end();
                    let chunk = slabs.allocate(self.chunk_bytes(arrived))?.append_only();
                    self.slab.insert(chunk)
                }
            };
            let is_new = slab.filled() == 0;
            let taken = slab.append(bytes);
            bytes.advance(taken);
            let written = slab.written();
            let mut state = self.shared.state.lock();
            if is_new {
                state.pieces.push_slab(written);
            } else {
                state.pieces.extend_slab(written);
            }
        }
        Ok(())
    }

    /// Bytes of the next slab range.
    fn chunk_bytes(&self, arrived: u64) -> usize {
        match self.shared.declared {
            Some(declared) => {
                let left = usize::try_from(declared.saturating_sub(arrived)).unwrap_or(usize::MAX);
                left.clamp(1, KNOWN_CHUNK_BYTES)
            }
            None if arrived == 0 => FIRST_CHUNK_BYTES,
            None => CHUNK_BYTES,
        }
    }

    /// Waits until there is room: at once unless the body has a window. Returns false when all readers have gone.
    pub async fn room(&mut self) -> bool {
        poll_fn(|cx| {
            let mut state = self.shared.state.lock();
            if state.is_deserted {
                return Poll::Ready(false);
            }
            match self.shared.window {
                Some(window) if state.pieces.held() >= window => {
                    state.writer = Some(cx.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(true),
            }
        })
        .await
    }

    /// Waits until all readers have gone.
    pub async fn deserted(&mut self) {
        poll_fn(|cx| {
            let mut state = self.shared.state.lock();
            if state.is_deserted {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Bytes appended.
    pub fn arrived(&self) -> u64 {
        self.shared.state.lock().pieces.end()
    }

    /// All is there; says how it ended: broken where the declared length was not reached.
    pub fn finish(mut self) -> Growth {
        let arrived = self.arrived();
        let is_short = self.shared.declared.is_some_and(|declared| declared != arrived);
        let growth = if is_short { Growth::Broken(Broken::Upstream("short")) } else { Growth::Complete };
        self.end(growth);
        growth
    }

    /// Nothing more will come.
    pub fn break_off(mut self, why: Broken) {
        self.end(Growth::Broken(why));
    }

    fn end(&mut self, growth: Growth) {
        self.is_ended = true;
        let waiting = {
            let mut state = self.shared.state.lock();
            state.growth = growth;
            if growth == Growth::Complete && self.shared.window.is_none() {
                state.pieces.settle();
            }
            state.take_waiting()
        };
        wake_together(|| waiting.into_iter().for_each(Waker::wake));
    }
}

impl Drop for GrowingWriter {
    fn drop(&mut self) {
        if !self.is_ended {
            self.end(Growth::Broken(Broken::Abandoned));
        }
    }
}

impl Shared {
    /// Whether a body that has come to `arrived` bytes may lie in memory.
    fn fits_memory(&self, arrived: u64) -> bool {
        self.declared.unwrap_or(arrived) <= MEMORY_BYTES_MAX
    }

    fn follower_number(&self) -> u64 {
        self.next_follower.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
