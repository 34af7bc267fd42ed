//! Files mapped to be read: the pages stay the page cache's, so that a thousand open indexes take no memory of ours.
//!
//! ```text
//!  File ─Map::of─▶ mmap (private, read-only, populated) ─▶ &[u8] ─▶ is_damaged? ─▶ use it
//!                                      │ a page that is not to be had (file cut short, disk error): SIGBUS
//!                                      └─ fault: a page of zeros in its place, and the map says so
//! ```
//!
//! A mapped file that is cut short under us, or whose disk fails, ends a process by SIGBUS. Not this one: the
//! handler in `fault` puts zeros where the page was and marks the map as damaged. So whoever reads a map asks
//! [`Map::is_damaged`] **after** reading, and throws away what was made of it if the answer is yes.
//!
//! [`windows`] maps parts of files that are sent: there pages come in as they are read.
//!
//! Invariants: a map is never written through; a fault outside our maps ends the process as it would have without us.

mod fault;
pub mod windows;

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use self::fault::Region;

/// A file, or the start of one, mapped to be read.
#[derive(Debug)]
pub struct Map {
    start: NonNull<u8>,
    len: usize,
    region: &'static Region,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only ever read.
unsafe impl Send for Map {}
// SAFETY: as above; its only change, the damage mark, is atomic.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the first `len` bytes of `file`, which must not be empty, and brings its pages in.
    ///
    /// The file should be one that is replaced by rename and never written in place: bytes that another
    /// process changes may be seen changed. Blocks on a disk that is cold.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when `len` is zero or more than the file has; else the system's error.
    pub fn of(file: &File, len: usize) -> io::Result<Self> {
        Self::part(file, 0, len, MapFlags::POPULATE)
    }

    /// Maps `len` bytes of `file` from byte `offset`, a multiple of a page, and brings in what `bring_in` says.
    fn part(file: &File, offset: u64, len: usize, bring_in: MapFlags) -> io::Result<Self> {
        fault::install()?;
        // Pages behind the end of a file are no pages: a map must lie inside.
        let end = offset.checked_add(len as u64).filter(|end| len > 0 && *end <= i64::MAX.unsigned_abs());
        let Some(end) = end else { return Err(io::ErrorKind::InvalidInput.into()) };
        if file.metadata()?.len() < end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = MapFlags::PRIVATE | bring_in;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that anything else owns;
        // it is read-only, and it is unmapped by `drop` only, when no borrow of it is left.
        let start = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, flags, file, offset) }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { region: fault::register(start.addr().get(), len), start, len })
    }

    /// Copies the bytes from `at` on into `room`; `false`, and nothing is copied, when the map does not hold them
    /// all. Makes no reference to them: another process may be writing there, and then any bytes come.
    fn copy_to(&self, at: usize, room: &mut [u8]) -> bool {
        if at.checked_add(room.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        // SAFETY: `at` is no more than `len`, so the place lies in the mapping or just behind it.
        let from = unsafe { self.start.add(at) };
        // SAFETY: as many bytes as `room` holds are mapped readable from there for as long as `self` lives, a page that
        // the file cannot give being replaced (`fault`); and no room that may be written lies in a read-only mapping.
        unsafe { from.copy_to_nonoverlapping(NonNull::from(&mut *room).cast::<u8>(), room.len()) };
        true
    }

    /// Whether a page was not to be had when it was read, so that zeros were read instead. To be asked after
    /// reading. It never becomes false again.
    pub fn is_damaged(&self) -> bool {
        // What was read before stays before.
        fence(Ordering::SeqCst);
        self.region.is_damaged()
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` are mapped readable for as long as `self` lives; a page that the
        // file cannot give is replaced by a page of zeros before the read goes on (`fault`). Nothing of ours
        // writes there, and the bytes are plain numbers: a change by another process makes wrong numbers, which
        // every reader of foreign bytes has to expect, and nothing worse.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // First off the list: once unmapped, the address may be anybody's.
        fault::release(self.region);
        // SAFETY: the range is exactly what `of` mapped; `drop` runs once, and no borrow of it outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "a mapping of ours can be unmapped");
    }
}

#[cfg(test)]
mod tests;
