//! One request from its beginning to its end, whatever the engine: rounding, short reads, refusals, trimming.

use std::{io, sync::Arc};

use bytes::Bytes;
use rustix::io::Errno;

use super::{
    engine::{Engine, Piece},
    file::DiskFile,
    request::{How, ReadError},
    span::Span,
};
use crate::buffers::Buffer;

/// How often in a row a read may be interrupted or put off before it counts as failed.
const ATTEMPTS_IN_VAIN_MAX: usize = 64;

/// What was read and how.
pub(super) type Read = (Bytes, usize, How);

/// Fills `buffer` with `len` bytes from byte `offset`, or with what there is of them.
pub(super) async fn fill(
    engine: &Engine,
    file: &Arc<DiskFile>,
    (offset, len): (u64, usize),
    buffer: Buffer,
) -> Result<Read, ReadError> {
    let capacity = buffer.capacity();
    let mut alignment = file.direct_alignment();
    let span = Span::rounded(offset, len, alignment.unwrap_or(1), capacity);
    let span = span.ok_or(ReadError::TooLong { offset, len, capacity })?;
    let mut how = if alignment.is_some() { How::Direct } else { How::Buffered };
    let (mut buffer, mut read, mut in_vain) = (buffer, 0_usize, 0);
    while read < span.enough() {
        let piece = Piece {
            offset: span.start.saturating_add(wide(read)),
            at: read,
            len: span.room.saturating_sub(read),
            is_direct: alignment.is_some(),
        };
        let (returned, result) = engine.read(file, piece, buffer).await?;
        buffer = returned;
        match result {
            Ok(0) => break,
            Ok(more) => {
                in_vain = 0;
                read = read.saturating_add(more).min(span.room);
                // Past an odd end only a buffered read goes on: at the end of the file it finds nothing more.
                if alignment.is_some_and(|alignment| !read.is_multiple_of(alignment)) {
                    alignment = None;
                }
            }
            Err(error) if alignment.is_some() && refuses_direct(&error) => {
                file.refuse_direct();
                (alignment, how) = (None, How::Buffered);
            }
            Err(error) => {
                in_vain += 1;
                if !is_passing(&error) || in_vain > ATTEMPTS_IN_VAIN_MAX {
                    return Err(error.into());
                }
            }
        }
    }
    let asked = span.asked(read);
    let len = asked.len();
    Ok((buffer.freeze(asked), len, how))
}

/// Has `len` bytes from byte `offset` in the page cache, reading them through `scratch`.
pub(super) async fn warm(
    engine: &Engine,
    file: &Arc<DiskFile>,
    (offset, len): (u64, usize),
    scratch: Buffer,
) -> Result<Read, ReadError> {
    let (mut scratch, mut read, mut in_vain) = (scratch, 0_usize, 0);
    while read < len {
        let piece = Piece {
            offset: offset.saturating_add(wide(read)),
            at: 0,
            len: len.saturating_sub(read).min(scratch.capacity()),
            is_direct: false,
        };
        let (returned, result) = engine.read(file, piece, scratch).await?;
        scratch = returned;
        match result {
            Ok(0) => break,
            Ok(more) => (read, in_vain) = (read.saturating_add(more), 0),
            Err(error) => {
                in_vain += 1;
                if !is_passing(&error) || in_vain > ATTEMPTS_IN_VAIN_MAX {
                    return Err(error.into());
                }
            }
        }
    }
    Ok((Bytes::new(), read, How::Warmed))
}

/// Whether a file system says with `error` that it does not read past the page cache, or not so.
fn refuses_direct(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS))
}

/// Whether the same read may work in a moment.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).expect("a length in memory fits 64 bits")
}
