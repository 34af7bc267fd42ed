//! The pipe that turns many pieces of files into few writes.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::{
    fs::{Mode, OFlags},
    io::{Errno, retry_on_intr},
    pipe::{PipeFlags, SpliceFlags},
};

use super::{Pace, SendError, Taken, part::Part};
use crate::token::Source;

/// Bytes the pipe is made for: a page each for 128 pieces of pages.
const CAPACITY_BYTES: usize = 512 << 10;
/// Fewest and most bytes put in at a time.
pub(super) const FILL_BYTES_MIN: usize = 64 << 10;
pub(super) const FILL_BYTES_MAX: usize = CAPACITY_BYTES;

/// A pipe that is empty between two calls, or not there.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    ends: Option<Ends>,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
    /// Takes what a socket did not.
    void: OwnedFd,
}

impl Ends {
    fn open() -> Result<Self, Errno> {
        let void = rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user over the system's soft limit keeps the small pipe: more calls, the same bytes.
        match rustix::pipe::fcntl_setpipe_size(&write, CAPACITY_BYTES) {
            Ok(_) | Err(Errno::PERM | Errno::BUSY) => Ok(Self { read, write, void }),
            Err(error) => Err(error),
        }
    }
}

impl Pipe {
    /// Whether there is a pipe; tries to make one. Without (no descriptors left, say) pieces are sent one by one.
    pub(super) fn is_open(&mut self) -> bool {
        if self.ends.is_none() {
            self.ends = Ends::open().ok();
        }
        self.ends.is_some()
    }

    /// Puts the front of `part` into the pipe and the pipe into `socket`: how much was put in, and what was sent.
    pub(super) fn carry<F: Source>(
        &mut self,
        socket: BorrowedFd<'_>,
        part: &Part<'_, F>,
        pace: &mut Pace,
    ) -> Result<(usize, Taken), SendError> {
        // Not there while it is not empty: whatever goes wrong below, nobody finds another's bytes in it.
        let Some(ends) = self.ends.take() else { return Ok((1, Taken { bytes: 0, is_blocked: false })) };
        let filled = ends.fill(part, pace.fill_bytes)?;
        let mut taken = Taken { bytes: 0, is_blocked: false };
        while taken.bytes < filled && !taken.is_blocked {
            let left = filled.saturating_sub(taken.bytes);
            let step = ends.empty_into(socket, left, part.has_more_behind(filled))?;
            taken = Taken { bytes: taken.bytes.saturating_add(step.bytes), is_blocked: step.is_blocked };
        }
        pace.learn(filled, taken.bytes);
        if ends.discard(filled.saturating_sub(taken.bytes)) {
            self.ends = Some(ends);
        }
        Ok((filled, taken))
    }
}

impl Ends {
    /// Splices pieces from the front of `part` until the pipe is full or holds `fill_bytes`; returns how much it
    /// holds then, which is more than nothing.
    fn fill<F: Source>(&self, part: &Part<'_, F>, fill_bytes: usize) -> Result<usize, SendError> {
        let mut filled: usize = 0;
        while let Some(piece) = part.piece_behind(filled) {
            let room = fill_bytes.saturating_sub(filled);
            if room == 0 {
                break;
            }
            let spliced = retry_on_intr(|| {
                let mut offset = piece.offset;
                let (file, len) = (piece.held.as_fd(), piece.len.min(room));
                rustix::pipe::splice(file, Some(&mut offset), &self.write, None, len, SpliceFlags::NONBLOCK)
            });
            match spliced {
                Ok(0) => return Err(piece.truncated()),
                Ok(spliced) => filled = filled.saturating_add(spliced),
                Err(Errno::AGAIN) if filled > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    /// One splice of up to `len` bytes into `socket`.
    fn empty_into(&self, socket: BorrowedFd<'_>, len: usize, has_more: bool) -> Result<Taken, SendError> {
        let mut flags = SpliceFlags::NONBLOCK;
        flags.set(SpliceFlags::MORE, has_more);
        let taken =
            Taken::of(retry_on_intr(|| rustix::pipe::splice(&self.read, None, socket, None, len, flags)))?;
        if taken.bytes == 0 && !taken.is_blocked {
            return Err(Errno::PIPE.into());
        }
        Ok(taken)
    }

    /// Throws away the `left` bytes in the pipe; whether it is empty now.
    fn discard(&self, left: usize) -> bool {
        let mut left = left;
        while left > 0 {
            let flags = SpliceFlags::NONBLOCK;
            match rustix::pipe::splice(&self.read, None, &self.void, None, left, flags) {
                Ok(gone @ 1..) => left = left.saturating_sub(gone),
                Err(Errno::INTR) => {}
                _ => return false,
            }
        }
        true
    }
}
