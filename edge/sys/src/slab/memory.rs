//! One slab: a sealed memfd and its mapping.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr::{self, NonNull},
};

use rustix::{
    fs::{FallocateFlags, MemfdFlags, SealFlags},
    io::Errno,
    mm::{Advice, MapFlags, ProtFlags},
};

use super::space::Span;
use crate::page;

/// A memfd of a fixed length, mapped for reading and writing.
#[derive(Debug)]
pub(super) struct SlabFile {
    fd: OwnedFd,
    /// Start of `len` mapped bytes; unmapped when this is dropped.
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: `base` is an address of memory that belongs to this value alone and not to a thread. All access to what it
// points to goes through `Region`, which says who may do what.
unsafe impl Send for SlabFile {}
// SAFETY: a shared `SlabFile` gives away addresses and makes system calls that may run at the same time; it reads
// and writes none of its bytes itself.
unsafe impl Sync for SlabFile {}

impl SlabFile {
    /// Makes one of `pages` pages, none of which takes memory yet.
    pub(super) fn new(pages: usize) -> io::Result<Self> {
        let too_long = || io::Error::from(io::ErrorKind::OutOfMemory);
        let len = pages.checked_mul(page::page_bytes()).ok_or_else(too_long)?;
        let fd = create()?;
        rustix::fs::ftruncate(&fd, u64::try_from(len).map_err(|_| too_long())?)?;
        // It can never become shorter, so no mapped address can ever lie behind its end, where a read would end in a
        // signal. Writing stays allowed: the mapping is how it is filled.
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let (protection, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::NORESERVE);
        // SAFETY: the kernel chooses an address where nothing is mapped (null, no MAP_FIXED), so no memory that
        // anyone uses is touched.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, protection, flags, &fd, 0)? };
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(too_long)?;
        let made = Self { fd, base, len };
        // Media has no place in a core dump. Only a wish: a kernel that cannot leaves it in.
        // SAFETY: the range is the mapping just made; this advice changes no byte of it.
        let _kept = unsafe { rustix::mm::madvise(base.as_ptr().cast(), len, Advice::LinuxDontDump) };
        Ok(made)
    }

    /// The address of the bytes of `span`. Whoever reads or writes there answers for it.
    pub(super) fn address(&self, span: Span) -> NonNull<u8> {
        let (start, len) = bytes_of(span);
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len), "a span lies inside its slab");
        // SAFETY: `start` is at most `len`, as just asserted, so the result points into the mapping or one past it;
        // the mapping is one allocation no longer than `isize::MAX`, as every mapping is.
        unsafe { self.base.add(start) }
    }

    /// Gets memory for all pages of `span` and maps them, so that touching them later faults nowhere.
    pub(super) fn fault_in(&self, span: Span) -> io::Result<()> {
        let (start, len) = bytes_of(span);
        let address = self.address(span);
        // Where there is no memory this is an error; a touch would be a signal.
        let (offset, bytes) = (file_offset(start), file_offset(len));
        rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), offset, bytes)
        })?;
        let populate = || {
            // SAFETY: the range lies inside the mapping, by `address`; populating reads and writes no byte that is
            // there, it only makes the pages present.
            unsafe { rustix::mm::madvise(address.as_ptr().cast(), len, Advice::LinuxPopulateWrite) }
        };
        match rustix::io::retry_on_intr(populate) {
            // A kernel before 5.14: the pages have memory, and are mapped as they are written.
            Err(Errno::INVAL) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Takes the pages of `span` out of the file. Sockets that hold some of them keep them as they are.
    pub(super) fn punch(&self, span: Span) -> io::Result<()> {
        let (start, len) = bytes_of(span);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let punch = || rustix::fs::fallocate(&self.fd, flags, file_offset(start), file_offset(len));
        Ok(rustix::io::retry_on_intr(punch)?)
    }
}

impl AsFd for SlabFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for SlabFile {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this address and length and is unmapped only here. Nobody uses
        // it any more: every slice of it borrows from a `Region`, which holds an `Arc` of this value.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be unmapped");
    }
}

/// A memfd that can be sealed and never be executed. The flag for the latter is of Linux 6.3.
fn create() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(c"rillcast-slab", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => Ok(rustix::fs::memfd_create(c"rillcast-slab", flags)?),
        result => Ok(result?),
    }
}

/// Start and length of `span` in bytes.
fn bytes_of(span: Span) -> (usize, usize) {
    let page = page::page_bytes();
    // What does not fit is caught by `address`: no slab is that long.
    (span.first.saturating_mul(page), span.pages.saturating_mul(page))
}

fn file_offset(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length in memory fits 64 bits")
}
