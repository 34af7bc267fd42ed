//! Address tokens: `Bytes` that stand for bytes of files, or of slabs, which nobody has read.
//!
//! ```text
//!  Run [(file, offset, len) …] ─issue─▶ Bytes in slot n ─ hyper's queue ─▶ find ─▶ (Run, offset in it) ─▶ splice
//!        addresses:  │ slot 0 │ slot 1 │ … │ slot n: run │ … │       2 MiB each
//! ```
//!
//! A token stands for a run of extents, so that a segment of many small ones is one frame and few system calls. Its
//! address tells the slot, the distance from the slot's start tells the byte of the run.
//!
//! Invariants: every token alive has a slot of its own, so that an address means one run as long as any slice of the
//! token exists; a slot is used again only after the last slice was dropped, and the one longest free first. At most
//! as many tokens are alive as the table has slots; the next is refused, and its caller reads instead.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{address_space::AddressRange, slab::SlabRange};

/// Addresses of one slot: the longest run.
pub const RUN_BYTES_MAX: usize = 2 << 20;
/// Most pieces of one run.
pub const RUN_PIECES_MAX: usize = 4096;

/// An open file whose bytes a token may stand for.
pub trait Source: AsFd + Send + Sync + 'static {
    /// Whether the file still holds what it held when it was opened.
    ///
    /// # Errors
    /// The system's error.
    fn is_unchanged(&self) -> io::Result<bool>;
}

/// Byte ranges of files and slabs, one after the other.
#[derive(Debug)]
pub struct Run<F> {
    pieces: Vec<Piece<F>>,
}

/// What holds the bytes of a piece.
#[derive(Debug)]
pub(crate) enum Held<F> {
    /// A file that may change under us.
    File(Arc<F>),
    /// Memory that nobody writes any more.
    Slab(SlabRange),
}

impl<F: AsFd> Held<F> {
    /// What to send from.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::File(file) => file.as_fd(),
            Self::Slab(range) => range.file(),
        }
    }
}

/// One byte range of a file, and where it ends in its run.
#[derive(Debug)]
struct Piece<F> {
    held: Held<F>,
    /// In bytes of the file, or of the file that the slab lies in.
    offset: u64,
    /// Bytes of the run up to the end of this piece.
    end: usize,
}

/// What is left of one piece.
#[derive(Debug)]
pub(crate) struct Rest<'a, F> {
    pub(crate) held: &'a Held<F>,
    /// Where it begins, in bytes of the file.
    pub(crate) offset: u64,
    /// Its length; not 0.
    pub(crate) len: usize,
}

impl<F> Default for Run<F> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<F> Run<F> {
    /// Appends as much of the `len` bytes of `file` from `offset` as a run can hold; returns how much that was.
    ///
    /// The caller vouches that `offset + len` does not pass 2^63, as no file reaches beyond.
    pub fn push(&mut self, file: &Arc<F>, offset: u64, len: u64) -> usize {
        self.push_held(offset, usize::try_from(len).unwrap_or(usize::MAX), || Held::File(Arc::clone(file)))
    }

    /// Appends as much of `range` as a run can hold; returns how much that was.
    pub fn push_slab(&mut self, range: &SlabRange) -> usize {
        self.push_held(range.file_offset(), range.len(), || Held::Slab(range.clone()))
    }

    fn push_held(&mut self, offset: u64, len: usize, held: impl FnOnce() -> Held<F>) -> usize {
        let start = self.len();
        let room = if self.pieces.len() < RUN_PIECES_MAX { RUN_BYTES_MAX.saturating_sub(start) } else { 0 };
        let taken = len.min(room);
        if taken > 0 {
            let end = start.saturating_add(taken);
            self.pieces.push(Piece { held: held(), offset, end });
        }
        taken
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Number of pieces.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The file of each piece that has a byte in `from..to` and is one of a file, in order.
    pub(crate) fn files(&self, from: usize, to: usize) -> impl Iterator<Item = &Arc<F>> {
        let first = self.pieces.partition_point(|piece| piece.end <= from);
        let last = self.pieces.partition_point(|piece| piece.end < to);
        self.pieces
            .get(first..=last.min(self.pieces.len().saturating_sub(1)))
            .unwrap_or_default()
            .iter()
            .filter_map(|piece| match &piece.held {
                Held::File(file) => Some(file),
                Held::Slab(_) => None,
            })
    }

    /// The piece that byte `at` of the run lies in, from there to its end.
    pub(crate) fn rest(&self, at: usize) -> Option<Rest<'_, F>> {
        let index = self.pieces.partition_point(|piece| piece.end <= at);
        let piece = self.pieces.get(index)?;
        let start =
            index.checked_sub(1).and_then(|before| self.pieces.get(before)).map_or(0, |before| before.end);
        let into = u64::try_from(at.checked_sub(start)?).ok()?;
        let offset = piece.offset.checked_add(into)?;
        Some(Rest { held: &piece.held, offset, len: piece.end.checked_sub(at)? })
    }
}

/// The tokens of one core.
#[derive(Debug)]
pub struct TokenTable<F> {
    range: AddressRange,
    slots: Mutex<Slots<F>>,
    slots_max: usize,
}

#[derive(Debug)]
struct Slots<F> {
    /// The run of each slot that was ever used; `None` while it is free.
    runs: Vec<Option<Arc<Run<F>>>>,
    free: VecDeque<usize>,
    issued: u64,
}

/// What an address means.
#[derive(Debug)]
pub(crate) enum Meaning<F> {
    /// Bytes in memory.
    Memory,
    /// Bytes of `run` from byte `at`.
    Run { run: Arc<Run<F>>, at: usize },
    /// An address of ours that no token alive has: a bug.
    Nothing,
}

impl<F: Source> TokenTable<F> {
    /// A table of `slots_max` slots in `range`, or of as many as fit there.
    pub fn new(range: AddressRange, slots_max: usize) -> Arc<Self> {
        let slots_max = slots_max.min(range.len() / RUN_BYTES_MAX);
        let slots = Slots { runs: Vec::new(), free: VecDeque::new(), issued: 0 };
        Arc::new(Self { range, slots: Mutex::new(slots), slots_max })
    }

    /// Bytes that stand for `run`; `None` when it is empty or no slot is free. Never read them.
    pub(crate) fn issue(self: &Arc<Self>, run: Run<F>) -> Option<Bytes> {
        let len = run.len();
        if len == 0 || len > RUN_BYTES_MAX {
            return None;
        }
        let slot = self.slots().take(Arc::new(run), self.slots_max)?;
        // From here on the slot is given back when the token is dropped, whatever happens.
        let token = Token { table: Arc::clone(self), slot, len };
        self.range.slice(slot.checked_mul(RUN_BYTES_MAX)?, len)?;
        Some(Bytes::from_owner(token))
    }

    /// What `bytes` means, if it lies in one piece of memory or in one token.
    pub(crate) fn find(&self, bytes: &[u8]) -> Meaning<F> {
        let Some(position) = self.range.position_of(bytes) else { return Meaning::Memory };
        let (slot, at) = (position / RUN_BYTES_MAX, position % RUN_BYTES_MAX);
        match self.slots().runs.get(slot) {
            Some(Some(run)) if at.saturating_add(bytes.len()) <= run.len() => {
                Meaning::Run { run: Arc::clone(run), at }
            }
            _ => Meaning::Nothing,
        }
    }

    /// Whether `bytes` lies outside this table.
    pub fn is_memory(&self, bytes: &[u8]) -> bool {
        self.range.position_of(bytes).is_none()
    }

    /// Tokens alive.
    pub fn alive(&self) -> usize {
        let slots = self.slots();
        slots.runs.len().saturating_sub(slots.free.len())
    }

    /// Tokens there have been.
    pub fn issued(&self) -> u64 {
        self.slots().issued
    }

    fn slots(&self) -> MutexGuard<'_, Slots<F>> {
        // Nothing panics while it holds the lock, so what it guards is whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Slots<F> {
    fn take(&mut self, run: Arc<Run<F>>, slots_max: usize) -> Option<usize> {
        let slot = if self.runs.len() < slots_max {
            self.runs.push(None);
            self.runs.len().checked_sub(1)?
        } else {
            self.free.pop_front()?
        };
        *self.runs.get_mut(slot)? = Some(run);
        self.issued = self.issued.saturating_add(1);
        Some(slot)
    }
}

/// Owner of a slot.
struct Token<F: Source> {
    table: Arc<TokenTable<F>>,
    slot: usize,
    len: usize,
}

impl<F: Source> AsRef<[u8]> for Token<F> {
    fn as_ref(&self) -> &[u8] {
        let start = self.slot.saturating_mul(RUN_BYTES_MAX);
        self.table.range.slice(start, self.len).unwrap_or_default()
    }
}

impl<F: Source> Drop for Token<F> {
    fn drop(&mut self) {
        let mut slots = self.table.slots();
        let run = slots.runs.get_mut(self.slot).and_then(Option::take);
        slots.free.push_back(self.slot);
        drop(slots);
        // It may close a file, which must not hold the others up.
        drop(run);
    }
}

#[cfg(test)]
mod tests;
