//! The two ways to read: a closed set, so an enum.

mod threads;
mod uring;

use std::{io, sync::Arc};

pub(super) use self::uring::{Ring, advice as uring_advice};
use super::{
    fault::{Attempt, Fault, Faults},
    file::DiskFile,
};
use crate::buffers::Buffer;

/// What carries reads out.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) way: Way,
    pub(super) faults: Option<Arc<dyn Faults>>,
}

/// The ways.
#[derive(Debug)]
pub(super) enum Way {
    /// io_uring, on the runtime of tokio-uring.
    Uring(Ring),
    /// The blocking threads of a tokio runtime.
    Threads,
}

/// One call to the system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// First byte, from the start of the file.
    pub(super) offset: u64,
    /// Where in the buffer it goes.
    pub(super) at: usize,
    /// Bytes.
    pub(super) len: usize,
    /// Whether past the page cache; then all three are aligned.
    pub(super) is_direct: bool,
}

impl Engine {
    /// Reads once. The buffer is with the engine until the system is done with it, also when this future is dropped.
    ///
    /// # Errors
    /// The runtime is ending; the buffer has gone home. What the system says of the read comes beside the buffer.
    pub(super) async fn read(
        &self,
        file: &Arc<DiskFile>,
        piece: Piece,
        buffer: Buffer,
    ) -> io::Result<(Buffer, io::Result<usize>)> {
        let Piece { offset, at, len, is_direct } = piece;
        let within = at.checked_add(len).is_some_and(|end| end <= buffer.capacity());
        assert!(within, "a piece lies inside its buffer");
        let fault = self.faults.as_ref().map(|faults| faults.decide(Attempt { offset, len, is_direct }));
        let piece = match fault {
            None | Some(Fault::None) => piece,
            Some(Fault::Error(kind)) => return Ok((buffer, Err(kind.into()))),
            Some(Fault::Errno(number)) => return Ok((buffer, Err(io::Error::from_raw_os_error(number)))),
            Some(Fault::Short(most)) => Piece { len: len.min(most), ..piece },
            Some(Fault::Hold(gate)) => {
                // A gate that is dropped is open.
                let _ = gate.await;
                piece
            }
            Some(Fault::Die) => std::panic::resume_unwind(Box::new("a test lets the disk thread die")),
        };
        match &self.way {
            Way::Uring(ring) => Ok(ring.read(file, piece, buffer).await),
            Way::Threads => threads::read(file, piece, buffer).await,
        }
    }
}
