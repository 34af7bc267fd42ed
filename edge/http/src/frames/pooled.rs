//! Extents read into pooled buffers: the way over TLS and HTTP/2, and of pieces too small to be worth more.
//!
//! One buffer gathers as many extents of one file as fit, so that a segment of hundreds of small samples is a frame
//! or two; small extents are copied out of a mapping (`mapped`). After the reads `fstat` says whether the file still is
//! what it was when it was opened: if not, the connection breaks, because a client that got wrong bytes under a right
//! length would never know.

use std::{io, sync::Arc, time::Instant};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};

use super::{FrameError, mapped::Mapped};
use crate::{
    body::Sources,
    body_source::{FileExtent, SourceFile},
    buffer_pool::PooledBuffer,
};

/// What came of trying to read without waiting.
pub(super) enum Gathered {
    /// Bytes of one or more extents.
    Frame(Bytes),
    /// The first byte, of this extent, is not in memory; the buffer is free for it.
    Cold(FileExtent, PooledBuffer),
}

/// Reads from the front of `sources`, which begins with an extent, what is in memory and fits into `buffer`.
pub(super) fn gather(
    sources: &mut Sources,
    mut buffer: PooledBuffer,
    now: Instant,
) -> Result<Gathered, FrameError> {
    let mut file: Option<Arc<SourceFile>> = None;
    let mut mapped = Mapped::default();
    let mut filled: usize = 0;
    while let Some(extent) = sources.next_extent() {
        let room = buffer.room_from(filled, extent.len());
        if room.is_empty() || file.as_ref().is_some_and(|file| !Arc::ptr_eq(file, extent.file())) {
            sources.give_back(extent);
            break;
        }
        let read = if mapped.copy(&extent, room, now) {
            Some(room.len())
        } else {
            read_cached(extent.file(), room, extent.offset()).map_err(FrameError::Read)?
        };
        match read {
            Some(0) => return Err(FrameError::truncated(&extent)),
            Some(read) => {
                filled = filled.saturating_add(read);
                file.get_or_insert_with(|| Arc::clone(extent.file()));
                sources.give_back_rest(extent, u64::try_from(read).unwrap_or(u64::MAX));
            }
            None if filled == 0 => return Ok(Gathered::Cold(extent, buffer)),
            None => {
                sources.give_back(extent);
                break;
            }
        }
    }
    let file = file.expect("the sources begin with an extent, which was read or has returned");
    let is_sound = mapped.end();
    let bytes = finish(&file, buffer, filled)?;
    // A file that was cut has changed, which was just said; what is left is the disk.
    if !is_sound {
        return Err(FrameError::Read(Errno::IO.into()));
    }
    Ok(Gathered::Frame(bytes))
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

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _};

    use super::*;
    use crate::{
        body::Body,
        buffer_pool::{BufferPool, BufferShare},
    };

    /// 200 small extents of a file of 200,000 bytes.
    fn crumbs(file: &Arc<SourceFile>) -> Sources {
        let mut body = Body::new();
        for number in 0..200 {
            body.push(FileExtent::new(Arc::clone(file), number * 1000 + 3, 300).unwrap());
        }
        body.into_sources()
    }

    fn file() -> (tempfile::NamedTempFile, Vec<u8>, Arc<SourceFile>) {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at ^ at >> 8).to_le_bytes()[0] | 1).collect();
        let mut on_disk = tempfile::NamedTempFile::new().unwrap();
        on_disk.write_all(&bytes).unwrap();
        let file = Arc::new(SourceFile::open(on_disk.path()).unwrap());
        (on_disk, bytes, file)
    }

    fn gathered(sources: &mut Sources, now: Instant) -> Result<Bytes, FrameError> {
        let share = BufferShare::new(&BufferPool::new(64 << 10, 1), 1);
        match gather(sources, share.take(), now)? {
            Gathered::Frame(bytes) => Ok(bytes),
            Gathered::Cold(..) => panic!("it was just written"),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do, and there is no other way to one")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn small_extents_are_gathered_into_one_frame() {
        let (_keep, bytes, file) = file();
        let frame = gathered(&mut crumbs(&file), now()).unwrap();
        let want: Vec<u8> = (0..200).flat_map(|number| bytes[number * 1000 + 3..][..300].to_vec()).collect();
        assert!(frame == want);
    }

    #[test]
    fn a_file_that_was_cut_behind_the_extents_that_are_read_gives_no_frame() {
        let (on_disk, _, file) = file();
        let now = now();
        gathered(&mut crumbs(&file), now).unwrap();
        File::options().write(true).open(on_disk.path()).unwrap().set_len(100_000).unwrap();
        // The first are read and found; those that are copied from behind the end are zeros.
        for _ in 0..2 {
            assert!(matches!(
                gathered(&mut crumbs(&file), now),
                Err(FrameError::Changed | FrameError::Truncated { .. })
            ));
        }
        assert!(file.window(0).is_none(), "the window saw it");
    }
}
