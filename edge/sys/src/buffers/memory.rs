//! One anonymous mapping, faulted in, in huge pages where the system has them.

use std::{ffi::c_void, io, ptr::NonNull};

use rustix::{
    io::Errno,
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap},
};

/// Alignment at which the system can use huge pages, in bytes.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Zeroed memory at addresses that do not change until it is dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    len: usize,
    /// The whole mapping, with what was needed to align it.
    mapping: NonNull<c_void>,
    mapping_len: usize,
}

// SAFETY: the mapping belongs to this value and to no thread; who may touch which bytes is decided by the callers of
// its unsafe methods.
unsafe impl Send for Memory {}
// SAFETY: as above; shared references give addresses only, all access is through unsafe methods.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps `len` bytes, a multiple of the page size, and faults them in.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let mapping_len = len.checked_add(HUGE_PAGE_BYTES).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let mapping = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                mapping_len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let mapping = NonNull::new(mapping).ok_or(io::ErrorKind::OutOfMemory)?;
        let to_alignment = mapping.addr().get().wrapping_neg() % HUGE_PAGE_BYTES;
        // SAFETY: less than HUGE_PAGE_BYTES on, and the mapping is that much longer than `len`.
        let base = unsafe { mapping.byte_add(to_alignment) }.cast();
        let memory = Self { base, len, mapping, mapping_len };
        memory.fault_in()?;
        Ok(memory)
    }

    fn fault_in(&self) -> io::Result<()> {
        // SAFETY: the range is ours alone, and this advice does not change what is in it. Without huge pages it
        // works as well, only slower, so that a refusal is no error.
        let _ = unsafe { madvise(self.base.as_ptr().cast(), self.len, Advice::LinuxHugepage) };
        // SAFETY: as above.
        match unsafe { madvise(self.base.as_ptr().cast(), self.len, Advice::LinuxPopulateWrite) } {
            Ok(()) => Ok(()),
            // Kernels before 5.14: the first reads pay for the faults.
            Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The address of byte `offset`, which lies inside.
    pub(crate) fn address(&self, offset: usize) -> NonNull<u8> {
        assert!(offset <= self.len, "byte {offset} of {} bytes of buffers", self.len);
        // SAFETY: inside the mapping or just behind it, as was just asserted.
        unsafe { self.base.byte_add(offset) }
    }

    /// `len` bytes from byte `offset`.
    ///
    /// # Safety
    /// Nobody writes to them while the reference lives.
    pub(crate) unsafe fn slice(&self, offset: usize, len: usize) -> &[u8] {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len), "a range inside the buffers");
        // SAFETY: mapped and zeroed by the kernel, so initialised; inside, as was just asserted; not written to
        // meanwhile, as the caller says.
        unsafe { std::slice::from_raw_parts(self.address(offset).as_ptr(), len) }
    }

    /// `len` bytes from byte `offset`.
    ///
    /// # Safety
    /// Nobody else reads or writes them while the reference lives.
    #[expect(clippy::mut_from_ref, reason = "one mapping holds many buffers, each with an owner of its own")]
    pub(crate) unsafe fn slice_mut(&self, offset: usize, len: usize) -> &mut [u8] {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len), "a range inside the buffers");
        // SAFETY: as in `slice`, and the caller says that nobody else touches them.
        unsafe { std::slice::from_raw_parts_mut(self.address(offset).as_ptr(), len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that was made, whole; every reference into it borrows from this value, and a
        // ring that has it registered shares the ownership of it.
        let unmapped = unsafe { munmap(self.mapping.as_ptr(), self.mapping_len) };
        debug_assert!(unmapped.is_ok(), "a mapping of ours can be unmapped");
    }
}
