//! A reservation of addresses that nothing backs: what address tokens point into.
//!
//! A token must be a slice that can be passed about like any other, and nobody must ever need its bytes. So the
//! addresses are taken from the kernel and never written: in production they read as zeros, which makes the slices
//! sound Rust; tests may ask for [`Access::Fault`], where a stray read ends the process, which proves that there is
//! none. Reserving costs address space and no memory.

use std::{ffi::c_void, io, ptr::NonNull, slice, sync::Arc};

use rustix::mm::{Advice, MapFlags, ProtFlags};

/// What a read of a reserved address does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It gives zeros.
    Zeros,
    /// It ends the process: for tests, which show so that nobody reads.
    Fault,
}

/// A reservation; given back when dropped.
#[derive(Debug)]
pub struct AddressSpace {
    base: NonNull<c_void>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and nothing ever writes to it, so that any thread may hold it.
unsafe impl Send for AddressSpace {}
// SAFETY: as above; shared access is reading an address range that never changes.
unsafe impl Sync for AddressSpace {}

impl AddressSpace {
    /// Reserves `len` bytes of addresses, rounded up to whole pages.
    ///
    /// # Errors
    /// The system's: most often that the process may have no more addresses (`ulimit -v`).
    pub fn reserve(len: usize, access: Access) -> io::Result<Self> {
        let len = crate::page::round_up(len.max(1))
            .filter(|len| isize::try_from(*len).is_ok())
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let protection = match access {
            Access::Zeros => ProtFlags::READ,
            Access::Fault => ProtFlags::empty(),
        };
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, protection, flags) }?;
        let base = NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?;
        let space = Self { base, len };
        // SAFETY: the range is the mapping just made; the advice concerns core dumps only.
        unsafe { rustix::mm::madvise(base.as_ptr(), len, Advice::LinuxDontDump) }?;
        Ok(space)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a reservation has at least one page.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and every slice into it borrows from this value or from an `Arc` of it.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr(), self.len) };
        debug_assert!(unmapped.is_ok(), "a mapping of ours can be given back");
    }
}

/// A part of a shared reservation.
#[derive(Debug, Clone)]
pub struct AddressRange {
    space: Arc<AddressSpace>,
    start: usize,
    len: usize,
}

impl AddressRange {
    /// The `len` bytes of `space` from byte `start`; `None` when they do not lie inside it.
    pub fn of(space: &Arc<AddressSpace>, start: usize, len: usize) -> Option<Self> {
        (start.checked_add(len)? <= space.len).then(|| Self { space: Arc::clone(space), start, len })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no address.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `len` addresses from byte `at` of this range, as a slice nobody is to read; `None` when they do not lie
    /// inside it.
    pub(crate) fn slice(&self, at: usize, len: usize) -> Option<&[u8]> {
        if at.checked_add(len)? > self.len {
            return None;
        }
        let offset = self.start.checked_add(at)?;
        // SAFETY: a range ends inside its reservation, so the pointer stays inside one mapping.
        let first = unsafe { self.space.base.cast::<u8>().as_ptr().add(offset) };
        // SAFETY: the mapping is at least that long, lives as long as `self`, is never written, and reads as zeros
        // (with `Access::Fault` the tests that chose it wait for the fault).
        Some(unsafe { slice::from_raw_parts(first, len) })
    }

    /// Where in this range `bytes` begins; `None` when it begins elsewhere. Reads nothing.
    pub(crate) fn position_of(&self, bytes: &[u8]) -> Option<usize> {
        let base = self.space.base.as_ptr().addr().wrapping_add(self.start);
        let at = bytes.as_ptr().addr().wrapping_sub(base);
        (at < self.len).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Arc<AddressSpace> {
        Arc::new(AddressSpace::reserve(1 << 40, Access::Zeros).unwrap())
    }

    #[test]
    fn a_tebibyte_of_addresses_reads_as_zeros_and_knows_its_own() {
        let space = space();
        let range = AddressRange::of(&space, 4096, (1 << 40) - 4096).unwrap();
        for at in [0, 1, 12_345_678_901, range.len() - 10] {
            let slice = range.slice(at, 10).unwrap();
            assert_eq!(slice, [0; 10]);
            assert_eq!(range.position_of(slice), Some(at));
        }
        assert_eq!(range.position_of(b"elsewhere"), None);
        let before = AddressRange::of(&space, 0, 4096).unwrap();
        assert_eq!(range.position_of(before.slice(4095, 1).unwrap()), None);
    }

    #[test]
    fn nothing_reaches_past_the_end() {
        let space = space();
        assert!(AddressRange::of(&space, 1 << 40, 1).is_none());
        assert!(AddressRange::of(&space, usize::MAX, 2).is_none());
        let range = AddressRange::of(&space, 0, 100).unwrap();
        assert!(range.slice(90, 10).is_some());
        assert!(range.slice(90, 11).is_none());
        assert!(range.slice(usize::MAX, 2).is_none());
    }

    #[test]
    fn more_addresses_than_there_are_is_an_error() {
        assert!(AddressSpace::reserve(1 << 60, Access::Zeros).is_err());
        assert!(AddressSpace::reserve(usize::MAX, Access::Zeros).is_err());
    }
}
