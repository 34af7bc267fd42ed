//! Handles of ranges: [`Filling`] and [`Appending`] have one owner, who writes; [`SlabRange`] has many, who read.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    ptr::NonNull,
    sync::Arc,
};

use super::{Place, Shared, memory::SlabFile};
use crate::page;

/// Pages of a slab that belong to nobody else. Dropping it releases them.
#[derive(Debug)]
pub(super) struct Region {
    shared: Arc<Shared>,
    file: Arc<SlabFile>,
    place: Place,
}

impl Region {
    /// `place` of `file`, which the caller has just taken out of the free space.
    pub(super) fn new(shared: Arc<Shared>, place: Place, file: Arc<SlabFile>) -> Self {
        Self { shared, file, place }
    }

    pub(super) fn fault_in(&self) -> io::Result<()> {
        self.file.fault_in(self.place.span)
    }

    fn address(&self) -> NonNull<u8> {
        self.file.address(self.place.span)
    }

    fn room(&self) -> usize {
        self.place.span.pages.saturating_mul(page::page_bytes())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.shared.release(self.place);
    }
}

/// A range that is being written. It becomes readable by others through [`Self::share`], and can then be written no
/// more.
#[derive(Debug)]
pub struct Filling {
    region: Region,
    len: usize,
}

impl Filling {
    pub(super) fn new(region: Region, len: usize) -> Self {
        assert!(len <= region.room(), "a range lies inside its pages");
        Self { region, len }
    }

    /// The bytes to fill; zero at first.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the address is valid for `len` bytes (`new`) of a mapping that lives as long as `region` holds its
        // file. They are initialised: pages of a file read as zero or as what was written. Nobody else has access:
        // the free space gave these pages to this region alone, no `SlabRange` of it exists before `share`, and the
        // borrow of `self` excludes another slice. Nothing outside this process knows the file.
        unsafe { std::slice::from_raw_parts_mut(self.region.address().as_ptr(), self.len) }
    }

    /// Ends the writing. Cloning the result shares the bytes.
    pub fn share(self) -> SlabRange {
        SlabRange { region: Arc::new(self.region), at: 0, len: self.len }
    }

    /// To be written from its front on, and read meanwhile as far as that has come.
    pub fn append_only(self) -> Appending {
        Appending { region: Arc::new(self.region), len: self.len, filled: 0 }
    }
}

/// A range that is written from its front on. What is written can be shared at once, and is never written again.
#[derive(Debug)]
pub struct Appending {
    region: Arc<Region>,
    len: usize,
    /// Bytes written; at most `len`.
    filled: usize,
}

impl Appending {
    /// Bytes written.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Bytes that can still be written.
    pub fn room(&self) -> usize {
        self.len.saturating_sub(self.filled)
    }

    /// Appends what fits of `bytes`; returns how much that was.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        // SAFETY: `filled` lies inside the region, whose mapping holds at least `len` bytes.
        let end = unsafe { self.region.address().add(self.filled) };
        // SAFETY: the source is valid for `taken` bytes of it, the target for `taken` bytes from `filled`, which is at
        // most `len`. They do not overlap: `bytes` is borrowed, and every slice of this region that exists lies in
        // front of `filled` (`written`). Nobody else writes: this is the region's only writer, borrowed for writing.
        // Nobody reads there: `SlabRange`s of the region end at or before `filled`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), end.as_ptr(), taken) };
        self.filled = self.filled.saturating_add(taken);
        taken
    }

    /// What is written so far. Cloning the result shares the bytes.
    pub fn written(&self) -> SlabRange {
        SlabRange { region: Arc::clone(&self.region), at: 0, len: self.filled }
    }
}

/// Bytes of a slab that nobody changes any more, or a part of them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SlabRange {
    region: Arc<Region>,
    /// Start of this part in the region, in bytes.
    at: usize,
    len: usize,
}

impl SlabRange {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The `len` bytes from `start`, sharing the same memory; `None` where they do not lie inside this range.
    #[must_use]
    pub fn part(&self, start: usize, len: usize) -> Option<Self> {
        start.checked_add(len).filter(|end| *end <= self.len)?;
        let at = self.at.checked_add(start)?;
        Some(Self { region: Arc::clone(&self.region), at, len })
    }

    /// The file the bytes lie in. Not public: it can be written, and then `as_ref` would be unsound.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.region.file.as_fd()
    }

    /// Where the bytes begin in [`Self::file`].
    pub(crate) fn file_offset(&self) -> u64 {
        let first = self.region.place.span.first.saturating_mul(page::page_bytes());
        u64::try_from(first.saturating_add(self.at)).expect("an offset in memory fits 64 bits")
    }
}

impl AsRef<[u8]> for SlabRange {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `at` lies inside the region (`share` and `part` see to it), so the result points into its mapping.
        let start = unsafe { self.region.address().add(self.at) };
        // SAFETY: valid for `len` bytes of a mapping that lives as long as the region, initialised as in
        // `as_mut_slice`. Nobody writes there: `share` took the only writer, and the pages are given to another
        // region, and punched, only after the last handle of this one is gone, while the slice borrows a handle.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.len) }
    }
}
