//! Small extents, copied out of a mapping of their file: what a segment of audio between video frames is made of.
//!
//! ```text
//!  280 extents of 340 bytes ─┬─ the first few ─── a read each (0.7 us)
//!                            └─ all others ────── a copy each (less than 0.1 us) out of a window of 8 MiB
//! ```
//!
//! A copy of a page that is not in memory would wait for a disk, so only what seems to be there is copied.
//!
//! Invariant: what was copied is sent only after [`Mapped::end`] and the file's own times have been asked.

use std::{sync::Arc, time::Instant};

use rillcast_sys::map::windows::Window;

use crate::body_source::FileExtent;

/// Longest extent that is copied, in bytes: a page. Longer ones are read: there the copy is what costs.
const EXTENT_BYTES_MAX: usize = 4 << 10;

/// Small extents that are read before one is copied: a window is not worth mapping for them.
const READ_FIRST: usize = 4;

/// What one buffer is filled from. All extents are of one file.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    window: Option<Arc<Window>>,
    small: usize,
    is_damaged: bool,
}

impl Mapped {
    /// Copies `extent` into `room` if that is worth it and seems to need no disk; whether it did.
    pub(super) fn copy(&mut self, extent: &FileExtent, room: &mut [u8], now: Instant) -> bool {
        let (offset, len) = (extent.offset(), extent.len());
        if room.len() > EXTENT_BYTES_MAX || u64::try_from(room.len()) != Ok(len) {
            return false;
        }
        self.small = self.small.saturating_add(1);
        if self.small <= READ_FIRST || extent.file().resident_len(offset, len, now) < len {
            return false;
        }
        if self.window.as_ref().is_some_and(|window| window.copy_to(offset, room)) {
            return true;
        }
        self.leave();
        self.window = extent.file().window(offset);
        self.window.as_ref().is_some_and(|window| window.copy_to(offset, room))
    }

    /// Copies no more; whether every byte that was copied was there.
    pub(super) fn end(mut self) -> bool {
        self.leave();
        !self.is_damaged
    }

    /// Lets the window go, when all was copied from it that will be.
    fn leave(&mut self) {
        self.is_damaged |= self.window.take().is_some_and(|window| window.is_damaged());
    }
}
