//! Reads that wait for a disk, away from the core.

use std::{
    io,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{FrameError, pooled};
use crate::{
    body::Sources,
    body_source::{FileExtent, SourceFile},
    buffer_pool::PooledBuffer,
};

/// A read of the front of one extent, on a blocking thread.
pub(super) struct ColdRead {
    extent: FileExtent,
    reading: JoinHandle<(PooledBuffer, io::Result<usize>)>,
}

impl ColdRead {
    /// Begins to read as much of `extent` as fits into `buffer`. Must run inside a tokio runtime.
    pub(super) fn begin(extent: FileExtent, mut buffer: PooledBuffer) -> Self {
        let (file, offset, len) = (Arc::clone(extent.file()), extent.offset(), extent.len());
        let reading = tokio::task::spawn_blocking(move || {
            let result = read_blocking(&file, buffer.room_from(0, len), offset);
            (buffer, result)
        });
        Self { extent, reading }
    }

    /// Waits for the bytes and gives what was not read back to `sources`.
    pub(super) fn poll(
        &mut self,
        sources: &mut Sources,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, FrameError>> {
        let joined = ready!(Pin::new(&mut self.reading).poll(cx));
        let (buffer, result) = joined.map_err(|error| FrameError::Read(io::Error::other(error)))?;
        let read = result.map_err(FrameError::Read)?;
        if read == 0 {
            return Poll::Ready(Err(FrameError::truncated(&self.extent)));
        }
        sources.give_back_rest(self.extent.clone(), u64::try_from(read).unwrap_or(u64::MAX));
        Poll::Ready(pooled::finish(self.extent.file(), buffer, read))
    }
}

fn read_blocking(file: &SourceFile, room: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.file().read_at(room, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
