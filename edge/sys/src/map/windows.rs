//! Parts of a file that is sent, mapped: many small ranges of it are copied for less than a read of each costs.
//!
//! ```text
//!  offset ─▶ number of the window ─▶ slot ─┬─ that window ──────────────▶ copy, then is_damaged?
//!                                          └─ another, none ─▶ map it ──▶ likewise
//! ```
//!
//! A read of 340 bytes from the page cache takes 0.7 microseconds, nearly all of them spent on finding the page again.
//! A copy out of a mapping takes a tenth. A page that was not touched through this window before costs a fault, once
//! for the sixteen around it; and if it is not in the page cache the thread waits for a disk. So who copies asks
//! [`crate::residency`] before, and [`Window::is_damaged`] and the file's own times after.
//!
//! Invariants: a file has at most [`WINDOWS_PER_FILE`] windows and a process [`WINDOWS_MAX`], so that page tables stay
//! within 16 MiB; unmapping one takes at most a tenth of a millisecond; a damaged window is not given out again.

use std::{
    fs::File,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use rustix::{io::Errno, mm::MapFlags};

use super::Map;

/// Bytes of a window: two segments of usual bit rates; a multiple of any page.
pub const WINDOW_BYTES: u64 = 8 << 20;

/// Windows one file may have: a gibibyte of it. Of two whose numbers have the same rest, the one that was not used
/// since the other was last asked for makes room: where many take turns, mapping costs more than reading.
pub const WINDOWS_PER_FILE: usize = 128;

/// Windows of all files together: 8 GiB of addresses, of 128 TiB.
pub const WINDOWS_MAX: usize = 1024;

/// Windows there are. The addresses are the process's, so the count is.
static WINDOWS: AtomicUsize = AtomicUsize::new(0);

/// The windows of one file.
#[derive(Debug, Default)]
pub struct Windows {
    slots: OnceLock<Box<[Slot]>>,
    /// Set when the file system does not map files.
    is_refused: AtomicBool,
}

type Slot = Mutex<Option<Kept>>;

/// A window that is kept for who comes next.
#[derive(Debug)]
struct Kept {
    window: Arc<Window>,
    /// Whether it was asked for since another wanted its place.
    is_used: bool,
}

/// A part of a file, mapped.
#[derive(Debug)]
pub struct Window {
    map: Map,
    /// First byte, from the start of the file.
    start: u64,
    _place: Place,
}

impl Windows {
    /// The window that holds byte `offset` of `file`, which is always the same file and had `file_len` bytes when it
    /// was opened. `None` where it cannot be mapped, too many are, or another of its slot is in use.
    ///
    /// Cost: a lock nobody holds for long, or some microseconds for a new one. Waits for no disk.
    pub fn at(&self, file: &File, file_len: u64, offset: u64) -> Option<Arc<Window>> {
        if offset >= file_len || self.is_refused.load(Ordering::Relaxed) {
            return None;
        }
        let number = offset / WINDOW_BYTES;
        let start = number.saturating_mul(WINDOW_BYTES);
        let slots = self.slots.get_or_init(|| (0..slots_for(file_len)).map(|_| Slot::default()).collect());
        let slot = slots.get(usize::try_from(number).ok()?.checked_rem(slots.len())?)?;
        let of_before = {
            let mut slot = slot.lock();
            if let Some(kept) = slot.as_mut().filter(|kept| !kept.window.is_damaged()) {
                if kept.window.start == start {
                    kept.is_used = true;
                    return Some(Arc::clone(&kept.window));
                }
                if std::mem::take(&mut kept.is_used) {
                    return None;
                }
            }
            slot.take()
        };
        // Unmapped here, where nobody waits for the lock.
        drop(of_before);
        match Window::new(file, start, file_len.saturating_sub(start).min(WINDOW_BYTES)) {
            Ok(window) => {
                let window = Arc::new(window);
                let kept = Kept { window: Arc::clone(&window), is_used: true };
                let _of_another = slot.lock().replace(kept);
                Some(window)
            }
            Err(error) => {
                let is_for_good = matches!(Errno::from_io_error(&error), Some(Errno::NODEV | Errno::ACCESS));
                self.is_refused.fetch_or(is_for_good, Ordering::Relaxed);
                None
            }
        }
    }
}

/// A slot for each window of a file of `file_len` bytes, as far as one file may have them.
fn slots_for(file_len: u64) -> usize {
    usize::try_from(file_len.div_ceil(WINDOW_BYTES)).unwrap_or(WINDOWS_PER_FILE).clamp(1, WINDOWS_PER_FILE)
}

impl Window {
    fn new(file: &File, start: u64, len: u64) -> io::Result<Self> {
        let place = Place::take(&WINDOWS).ok_or(io::ErrorKind::OutOfMemory)?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        Ok(Self { map: Map::part(file, start, len, MapFlags::empty())?, start, _place: place })
    }

    /// Copies the bytes of the file from `offset` on into `room`; `false`, and nothing is copied, when they do not
    /// all lie in this window.
    pub fn copy_to(&self, offset: u64, room: &mut [u8]) -> bool {
        let at = offset.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        at.is_some_and(|at| self.map.copy_to(at, room))
    }

    /// Whether a page was not to be had when it was copied, so that zeros were. To be asked after copying.
    pub fn is_damaged(&self) -> bool {
        self.map.is_damaged()
    }
}

/// One of the windows there may be.
#[derive(Debug)]
struct Place(&'static AtomicUsize);

impl Place {
    fn take(taken: &'static AtomicUsize) -> Option<Self> {
        let more = |taken: usize| (taken < WINDOWS_MAX).then(|| taken.saturating_add(1));
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(taken))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
