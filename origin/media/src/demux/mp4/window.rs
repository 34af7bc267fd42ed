//! The bytes of the source that are at hand: one contiguous run.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{Stop, Wanting};
use crate::demux::MAX_NEED_BYTES;

/// So few bytes at hand are asked for again, with what follows them: to put a megabyte behind them would be to
/// copy it.
const AGAIN_BYTES: u64 = 64;

/// One contiguous run of source bytes.
#[derive(Debug, Default)]
pub(super) struct Window {
    offset: u64,
    bytes: Bytes,
    /// First byte that is still of use; what is before it is dropped when more arrives.
    wanted: std::cell::Cell<u64>,
    /// Bytes were supplied of which none was new: nothing is asked for again, so that little by little is enough.
    in_vain: bool,
}

impl Window {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    /// The `len` bytes at `offset`, or the demand to read from there up to `ahead`.
    pub(super) fn bytes(&self, offset: u64, len: u64, ahead: u64) -> Wanting<Bytes> {
        self.wanted.set(offset);
        if offset >= self.offset && offset.saturating_add(len) <= self.end() {
            let start = index(offset - self.offset);
            return Ok(self.bytes.slice(start..start + index(len)));
        }
        Err(Stop::Need(offset..offset.saturating_add(len).max(ahead)))
    }

    /// As many whole entries of `size` bytes from `offset` on as there are, at most up to `end`.
    /// Demands bytes when there is not a single one. `end - offset` is a multiple of `size`.
    pub(super) fn entries(&self, offset: u64, end: u64, size: u64) -> Wanting<Bytes> {
        // Reads end between entries, so that none is left over to be copied in front of the next read.
        let ahead = end.min(offset.saturating_add(MAX_NEED_BYTES - MAX_NEED_BYTES % size));
        let first = self.bytes(offset, size.min(end - offset), ahead)?;
        if first.is_empty() {
            return Ok(first);
        }
        let at_hand = self.end().min(end) - offset;
        self.bytes(offset, at_hand - at_hand % size, ahead)
    }

    /// What of `range` has to be read: all of it, or what follows the bytes at hand, if those are not few.
    pub(super) fn missing(&self, range: Range<u64>) -> Range<u64> {
        let at_hand = (self.offset..self.end()).contains(&range.start);
        let again = !self.in_vain && self.end().saturating_sub(range.start) <= AGAIN_BYTES;
        let start = if at_hand && !again { self.end() } else { range.start };
        start..range.end.min(start.saturating_add(MAX_NEED_BYTES))
    }

    /// Takes bytes at `offset`: put in the place of those at hand when they hold what is wanted next and more,
    /// appended when they reach on from what is wanted, else left aside: they would cost what is at hand.
    pub(super) fn supply(&mut self, offset: u64, bytes: Bytes) {
        let wanted = self.wanted.get();
        let new_end = offset.saturating_add(bytes.len() as u64);
        let useful = (self.offset..self.end()).contains(&wanted);
        if useful && new_end <= self.end() {
            self.in_vain = true;
        } else if useful && (wanted + 1..=self.end()).contains(&offset) {
            self.append(wanted, &bytes.slice(index(self.end() - offset)..));
        } else if (offset..new_end).contains(&wanted) {
            self.offset = offset;
            self.bytes = bytes;
        }
    }

    /// Appends bytes, and drops what is before `wanted`.
    fn append(&mut self, wanted: u64, bytes: &Bytes) {
        let kept = self.bytes.slice(index(wanted - self.offset)..);
        let mut joined = BytesMut::with_capacity(kept.len() + bytes.len());
        joined.extend_from_slice(&kept);
        joined.extend_from_slice(bytes);
        self.offset = wanted;
        self.bytes = joined.freeze();
    }
}

/// A distance inside the window, which is memory and so fits.
fn index(distance: u64) -> usize {
    usize::try_from(distance).expect("inside a window in memory")
}
