//! Extents read into pooled buffers: the way over TLS and HTTP/2, and of pieces too small to be worth more.
//!
//! One buffer gathers as many extents of one file as fit, so that a segment of hundreds of small samples is a frame
//! or two. After the reads `fstat` says whether the file still is what it was when it was opened: if not, the
//! connection breaks, because a client that got wrong bytes under a right length would never know.

use std::{io, sync::Arc};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};

use super::{FrameError, cold::ColdRead, sources::Sources};
use crate::{
    body_source::{FileExtent, SourceFile},
    buffer_pool::PooledBuffer,
};

/// What came of trying to read without waiting.
pub(super) enum Gathered {
    /// Bytes of one or more extents.
    Frame(Bytes),
    /// The first byte is not in memory: a disk is being asked.
    Cold(ColdRead),
}

/// Reads from the front of `sources`, which begins with an extent, what is in memory and fits into `buffer`.
pub(super) fn gather(sources: &mut Sources, mut buffer: PooledBuffer) -> Result<Gathered, FrameError> {
    let mut file: Option<Arc<SourceFile>> = None;
    let mut filled: usize = 0;
    while let Some(extent) = sources.next_extent() {
        let room = buffer.room_from(filled, extent.len());
        if room.is_empty() || file.as_ref().is_some_and(|file| !Arc::ptr_eq(file, extent.file())) {
            sources.give_back(extent);
            break;
        }
        match read_cached(extent.file(), room, extent.offset()).map_err(FrameError::Read)? {
            Some(0) => return Err(FrameError::truncated(&extent)),
            Some(read) => {
                filled = filled.saturating_add(read);
                file.get_or_insert_with(|| Arc::clone(extent.file()));
                sources.give_back_rest(extent, u64::try_from(read).unwrap_or(u64::MAX));
            }
            None if filled == 0 => return Ok(Gathered::Cold(ColdRead::begin(extent, buffer))),
            None => {
                sources.give_back(extent);
                break;
            }
        }
    }
    let file = file.expect("the sources begin with an extent, which was read or has returned");
    finish(&file, buffer, filled).map(Gathered::Frame)
}

/// The first `filled` bytes of `buffer`, read from `file`, unless it has changed.
pub(super) fn finish(file: &SourceFile, buffer: PooledBuffer, filled: usize) -> Result<Bytes, FrameError> {
    if !file.is_unchanged().map_err(FrameError::Read)? {
        return Err(FrameError::Changed);
    }
    Ok(buffer.freeze(filled))
}

/// Reads without waiting for a disk; `None` when that is not possible here or now.
fn read_cached(file: &SourceFile, room: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
    let room = &mut [io::IoSliceMut::new(room)];
    loop {
        return match rustix::io::preadv2(file.file(), room, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(Some(read)),
            Err(Errno::INTR) => continue,
            // Not cached; or a file system (OPNOTSUPP, INVAL) or kernel (NOSYS) that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        };
    }
}

impl FrameError {
    /// The file of `extent` ends where `extent` begins.
    pub(super) fn truncated(extent: &FileExtent) -> Self {
        Self::Truncated { offset: extent.offset(), missing: extent.len() }
    }
}
