//! io_uring through tokio-uring: reads into registered buffers where the limit on locked memory allows them.
//!
//! tokio-uring's own `File` closes its descriptor and takes buffers from a registry that is not `Send`. We give it
//! finished entries instead ([`UnsubmittedOneshot`]), and it keeps what they point to until the kernel is done, also
//! when the future is dropped or the runtime ends.

use std::{io, os::fd::AsRawFd as _, ptr::NonNull, sync::Arc};

use io_uring::{cqueue, opcode, types::Fd};
use tokio_uring::{
    OneshotOutputTransform, UnsubmittedOneshot,
    buf::{IoBuf, IoBufMut, fixed::FixedBufRegistry},
};

use super::{
    super::{fault::Faults, file::DiskFile},
    Piece,
};
use crate::buffers::{Buffer, BufferPool, Memory};

/// Most bytes the kernel registers as one buffer.
const REGISTERED_BYTES_MAX: usize = 1 << 30;

/// The ring of the runtime we are in.
#[derive(Debug)]
pub(in super::super) struct Ring {
    /// The memory that is registered, as buffer 0.
    registered: Option<Arc<Memory>>,
}

impl Ring {
    /// Registers the buffers of `pool` with the ring of the runtime we are in; must be called inside it.
    ///
    /// Says in the log what to set where the limit on locked memory does not allow it: reads work then as well, at
    /// some more cost.
    pub(in super::super) fn register(pool: &BufferPool, faults: Option<&dyn Faults>) -> Self {
        let memory = pool.memory();
        if memory.len() > REGISTERED_BYTES_MAX {
            let bytes = memory.len();
            tracing::info!(bytes, most = REGISTERED_BYTES_MAX, "too many read buffers to register");
            return Self::unregistered();
        }
        let registry = FixedBufRegistry::new([Whole(Arc::clone(memory))]);
        let refused = faults.and_then(Faults::refuse_registration);
        match refused.map_or_else(|| registry.register(), Err) {
            Ok(()) => Self { registered: Some(Arc::clone(memory)) },
            Err(error) => {
                tracing::info!(
                    %error,
                    bytes = memory.len(),
                    "the read buffers cannot be registered with io_uring: raise the limit on locked memory \
                     (LimitMEMLOCK= in systemd, ulimit -l) above their size, or lower delivery.disk_buffer_mib"
                );
                Self::unregistered()
            }
        }
    }

    /// The ring as it is.
    pub(in super::super) fn unregistered() -> Self {
        Self { registered: None }
    }

    /// Whether reads go into registered buffers.
    pub(in super::super) fn is_registered(&self) -> bool {
        self.registered.is_some()
    }

    /// Reads once.
    pub(super) async fn read(
        &self,
        file: &Arc<DiskFile>,
        piece: Piece,
        buffer: Buffer,
    ) -> (Buffer, io::Result<usize>) {
        let descriptor = Fd(file.descriptor(piece.is_direct).as_raw_fd());
        let len = u32::try_from(piece.len).unwrap_or(u32::MAX);
        let address = buffer.address(piece.at).as_ptr();
        let is_registered =
            self.registered.as_ref().is_some_and(|memory| Arc::ptr_eq(memory, buffer.memory()));
        let entry = if is_registered {
            opcode::ReadFixed::new(descriptor, address, len, 0).offset(piece.offset).build()
        } else {
            opcode::Read::new(descriptor, address, len).offset(piece.offset).build()
        };
        let held = Held { _file: Arc::clone(file), buffer };
        UnsubmittedOneshot::new(held, GiveBack, entry).submit().await
    }
}

/// What the kernel works with while a read is under way.
struct Held {
    /// Keeps the descriptor open.
    _file: Arc<DiskFile>,
    /// Keeps the memory ours.
    buffer: Buffer,
}

/// Turns a completion into a result and gives the buffer back.
struct GiveBack;

impl OneshotOutputTransform for GiveBack {
    type Output = (Buffer, io::Result<usize>);
    type StoredData = Held;

    fn transform_oneshot_output(self, held: Held, entry: cqueue::Entry) -> Self::Output {
        let result = entry.result();
        let read = usize::try_from(result);
        let read = read.map_err(|_| io::Error::from_raw_os_error(result.checked_neg().unwrap_or(i32::MAX)));
        (held.buffer, read)
    }
}

/// All buffers of a pool as the one that is registered. Never checked out: entries name ranges of it themselves.
struct Whole(Arc<Memory>);

// SAFETY: the mapping does not move and lives as long as this value; all of it is initialised.
unsafe impl IoBuf for Whole {
    fn stable_ptr(&self) -> *const u8 {
        self.0.address(0).as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }

    fn bytes_total(&self) -> usize {
        self.0.len()
    }
}

// SAFETY: as above; the kernel writes only where entries say, and each entry holds the buffer it names.
unsafe impl IoBufMut for Whole {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        let base: NonNull<u8> = self.0.address(0);
        base.as_ptr()
    }

    unsafe fn set_init(&mut self, _len: usize) {}
}

/// What to set where the system refuses io_uring with `error`.
pub(in super::super) fn advice(error: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::NOSYS) => {
            "the kernel has none, or a container's seccomp profile hides it: Linux 5.6 or newer"
        }
        Some(Errno::PERM | Errno::ACCESS) => {
            "set the sysctl kernel.io_uring_disabled to 0, or allow io_uring_setup, io_uring_enter and \
             io_uring_register in the container's seccomp profile"
        }
        Some(Errno::NOMEM) => "raise the limit on locked memory (LimitMEMLOCK= in systemd, ulimit -l)",
        _ => "Linux 5.6 or newer, and a seccomp profile that allows io_uring",
    }
}
