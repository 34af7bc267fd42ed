//! Bytes from the page cache into a socket, without passing through this process.
//!
//! ```text
//!  [head, moof, token, …] ─┬─ memory ──────────────────────── sendmsg(MSG_MORE while something follows)
//!                          └─ token ─ its run ─┬─ one piece ── sendfile, 512 KiB a call
//!                                              └─ many ─────── splice each into a pipe, the pipe into the socket
//! ```
//!
//! One `sendfile` a piece would make a small packet of each; a cork around them measured a third slower than the
//! pipe, which hands the socket many pieces at once and says that more follows until nothing does. The pipe belongs
//! to the core and is empty between two calls: what a full socket leaves in it is thrown away and spliced again, and
//! a pipe that cannot be shown to be empty is closed. How much is put in at a time follows what the socket took.
//!
//! Invariants: what is reported as sent is exactly what the kernel took; before a file's bytes leave, the file is
//! asked whether it is unchanged; an end of file before the end of a piece is an error, never a short success.
//!
//! SIGPIPE must be ignored by the process, as Rust's runtime does: `splice` and `sendfile` have no flag against it.

mod part;
mod pipe;

use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    sync::Arc,
};

use bytes::Bytes;
use rustix::{
    io::{Errno, retry_on_intr},
    net::{SendAncillaryBuffer, SendFlags},
};

use self::{
    part::Part,
    pipe::{FILL_BYTES_MAX, FILL_BYTES_MIN, Pipe},
};
use crate::token::{Meaning, Rest, Run, Source, TokenTable};

/// Most bytes of one `sendfile` call: keeps connections fair at no cost.
const SENDFILE_BYTES_MAX: usize = 512 << 10;
/// Most slices of one `sendmsg`; the kernel takes up to 1024.
const SLICES_MAX: usize = 64;

/// Why file bytes could not be sent; the connection must end, because its client waits for bytes that will not come.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A file was changed in place: the operator's fault.
    #[error("the source file was changed in place")]
    Changed,
    /// A file ends before the extent does: the operator's fault.
    #[error("the source file ends at byte {offset}, {missing} bytes early")]
    Truncated {
        /// Where the end was found.
        offset: u64,
        /// Bytes of the extent that do not exist.
        missing: u64,
    },
    /// An address of ours that stands for nothing: our bug.
    #[error("a frame lies in the reserved addresses and belongs to no token")]
    NoToken,
    /// The socket broke, or the disk, or the system.
    #[error("sending failed")]
    Io(#[from] io::Error),
}

impl From<Errno> for SendError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// What one call sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes the kernel took, from the front of the slices.
    pub bytes: usize,
    /// Of those, bytes of tokens.
    pub of_tokens: usize,
    /// Whether the socket would take no more.
    pub is_blocked: bool,
}

/// How fast one connection takes bytes, as far as the pipe must know.
#[derive(Debug)]
pub struct Pace {
    fill_bytes: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { fill_bytes: FILL_BYTES_MIN }
    }
}

impl Pace {
    /// The socket took `taken` of the `offered` bytes.
    fn learn(&mut self, offered: usize, taken: usize) {
        let next = if taken < offered { taken } else { self.fill_bytes.saturating_mul(2) };
        self.fill_bytes = next.clamp(FILL_BYTES_MIN, FILL_BYTES_MAX);
    }
}

/// Sends slices and tokens; one a core.
#[derive(Debug)]
pub struct Courier<F> {
    table: Arc<TokenTable<F>>,
    pipe: Pipe,
}

impl<F: Source> Courier<F> {
    /// A courier for the tokens of `table`.
    pub fn new(table: Arc<TokenTable<F>>) -> Self {
        Self { table, pipe: Pipe::default() }
    }

    /// Bytes that stand for `run` and that only [`Self::send`] may be given; `None` when it is empty or too many
    /// tokens are alive.
    pub fn issue(&self, run: Run<F>) -> Option<Bytes> {
        self.table.issue(run)
    }

    /// Whether all of `slices` are bytes in memory, which any socket can write. An empty slice of a token is: it may
    /// outlive the token.
    pub fn is_memory(&self, slices: &[IoSlice<'_>]) -> bool {
        slices.iter().all(|slice| slice.is_empty() || self.table.is_memory(slice))
    }

    /// Sends from the front of `slices` until all is sent, the socket takes no more, or about `allowance` bytes are
    /// sent. `socket` must be non-blocking.
    ///
    /// # Errors
    /// [`SendError`]; bytes may have been sent before, so that the connection cannot go on.
    pub fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        slices: &[IoSlice<'_>],
        allowance: usize,
        pace: &mut Pace,
    ) -> Result<Sent, SendError> {
        let mut sent = Sent::default();
        let mut rest = slices;
        while let Some(first) = rest.first().filter(|_| sent.bytes < allowance) {
            if first.is_empty() {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let (len, taken) = match self.table.find(first) {
                Meaning::Nothing => return Err(SendError::NoToken),
                Meaning::Memory => {
                    let count =
                        rest.iter().take(SLICES_MAX).take_while(|slice| self.table.is_memory(slice)).count();
                    let (memory, after) = rest.split_at(count);
                    rest = after;
                    let len = memory.iter().map(|slice| slice.len()).sum::<usize>();
                    (len, send_memory(socket, memory, !after.is_empty())?)
                }
                Meaning::Run { run, at } => {
                    rest = rest.get(1..).unwrap_or_default();
                    let len = first.len().min(allowance.saturating_sub(sent.bytes));
                    let part = Part::new(&run, at, len, !rest.is_empty());
                    let taken = self.send_part(socket, part, pace)?;
                    sent.of_tokens = sent.of_tokens.saturating_add(taken.bytes);
                    (len, taken)
                }
            };
            sent.bytes = sent.bytes.saturating_add(taken.bytes);
            sent.is_blocked = taken.is_blocked;
            if taken.bytes < len {
                break;
            }
        }
        Ok(sent)
    }

    /// Sends from the front of `part` until the socket takes less than it is offered.
    fn send_part(
        &mut self,
        socket: BorrowedFd<'_>,
        mut part: Part<'_, F>,
        pace: &mut Pace,
    ) -> Result<Taken, SendError> {
        part.check_files()?;
        let whole = part.len();
        while let Some(piece) = part.first() {
            let is_last = piece.len == part.len();
            let (offered, taken) = if is_last || !self.pipe.is_open() {
                send_file(socket, &piece)?
            } else {
                self.pipe.carry(socket, &part, pace)?
            };
            part.advance(taken.bytes);
            if taken.bytes < offered {
                let bytes = whole.saturating_sub(part.len());
                return Ok(Taken { bytes, ..taken });
            }
        }
        Ok(Taken { bytes: whole, is_blocked: false })
    }
}

/// What one step sent.
#[derive(Debug, Clone, Copy)]
struct Taken {
    bytes: usize,
    is_blocked: bool,
}

impl Taken {
    /// What a call that may be refused by a full socket came to.
    fn of(result: Result<usize, Errno>) -> Result<Self, SendError> {
        match result {
            Ok(bytes) => Ok(Self { bytes, is_blocked: false }),
            Err(Errno::AGAIN) => Ok(Self { bytes: 0, is_blocked: true }),
            Err(error) => Err(error.into()),
        }
    }
}

/// One `sendmsg`.
fn send_memory(socket: BorrowedFd<'_>, slices: &[IoSlice<'_>], has_more: bool) -> Result<Taken, SendError> {
    let mut flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    flags.set(SendFlags::MORE, has_more);
    Taken::of(retry_on_intr(|| {
        rustix::net::sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), flags)
    }))
}

/// One `sendfile` from the front of `piece`: how much was asked for, and what was sent.
fn send_file<F: Source>(socket: BorrowedFd<'_>, piece: &Rest<'_, F>) -> Result<(usize, Taken), SendError> {
    let asked = piece.len.min(SENDFILE_BYTES_MAX);
    let taken = Taken::of(retry_on_intr(|| {
        let mut offset = piece.offset;
        rustix::fs::sendfile(socket, piece.held.as_fd(), Some(&mut offset), asked)
    }))?;
    if taken.bytes == 0 && !taken.is_blocked {
        return Err(piece.truncated());
    }
    Ok((asked, taken))
}

#[cfg(test)]
mod tests;
