//! A body on its way out: one frame after the other, each read only when the transport asks for it.
//!
//! Bytes in memory go as they are. A file extent is read into a pooled buffer: inline when the page cache has it
//! (`preadv2` with `RWF_NOWAIT`), else on a blocking thread, so that no disk ever stops a core. After each read,
//! `fstat` says whether the file still is what it was when it was opened: if not, the connection breaks, because a
//! client that got wrong bytes under a right length would never know.
//!
//! Invariant: the frames add up to the length that was promised, or the stream ends with an error.

use std::{
    io,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

use crate::{
    access_log::Exchange,
    body::{Body, IntoSources},
    body_source::{BodySource, FileExtent, SourceFile},
    buffer_pool::{BufferShare, PooledBuffer},
};

/// Longest frame cut from bytes in memory on HTTP/2, in bytes. There the flow of one stream is only seen between
/// frames; on HTTP/1 one frame of any length leaves fastest.
const HTTP2_MEMORY_FRAME_BYTES: u64 = 64 * 1024;

/// Why a body ended early; the connection (HTTP/1) or the stream (HTTP/2) breaks.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The file changed under us: the operator's fault.
    #[error("the source file was changed in place")]
    Changed,
    /// The file ends before the extent does: the operator's fault.
    #[error("the source file ends at byte {offset}, {missing} bytes early")]
    Truncated {
        /// Where the read found the end.
        offset: u64,
        /// Bytes of the extent that do not exist.
        missing: u64,
    },
    /// The disk or the system.
    #[error("reading the source file failed")]
    Read(#[source] io::Error),
}

impl FrameError {
    /// A word for metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Changed => "source_changed",
            Self::Truncated { .. } => "source_truncated",
            Self::Read(_) => "source_unreadable",
        }
    }
}

/// The body of a response, being sent. Belongs to one connection on one core.
pub(crate) struct Frames {
    sources: IntoSources,
    /// What is left of the source being sent; never empty.
    current: Option<BodySource>,
    /// Bytes left, of all sources.
    left: u64,
    buffers: BufferShare,
    memory_frame_bytes: u64,
    /// A read on a blocking thread, when the page cache did not have the bytes.
    disk: Option<JoinHandle<(PooledBuffer, io::Result<usize>)>>,
    exchange: Exchange,
}

impl Frames {
    /// `body` as frames; `exchange` is told of each and ends with the last.
    pub(crate) fn new(body: Body, is_http2: bool, buffers: BufferShare, exchange: Exchange) -> Self {
        exchange.begin_body(body.len());
        Self {
            left: body.len(),
            sources: body.into_sources(),
            current: None,
            buffers,
            memory_frame_bytes: if is_http2 { HTTP2_MEMORY_FRAME_BYTES } else { u64::MAX },
            disk: None,
            exchange,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, FrameError>>> {
        if self.current.is_none() {
            self.current = self.sources.next().map(into_memory);
        }
        match &self.current {
            None => Poll::Ready(None),
            Some(BodySource::Mem(_) | BodySource::Slab(_)) => Poll::Ready(self.next_of_memory().map(Ok)),
            Some(BodySource::File(extent)) => {
                let extent = extent.clone();
                self.poll_file(&extent, cx).map(Some)
            }
        }
    }

    /// Takes one frame from the bytes in memory that are the current source.
    fn next_of_memory(&mut self) -> Option<Bytes> {
        let source = self.current.take()?;
        let len = source.len();
        let cut = len.min(self.memory_frame_bytes);
        if cut < len {
            self.current = Some(source.cut(cut, len));
        }
        match source.cut(0, cut) {
            BodySource::Mem(bytes) => Some(bytes),
            BodySource::File(_) | BodySource::Slab(_) => None,
        }
    }

    fn poll_file(&mut self, extent: &FileExtent, cx: &mut Context<'_>) -> Poll<Result<Bytes, FrameError>> {
        let mut read = match self.disk.take() {
            Some(read) => read,
            None => {
                let mut buffer = self.buffers.take();
                match read_cached(extent.file(), buffer.room(extent.len()), extent.offset()) {
                    Ok(Some(read)) => return Poll::Ready(self.finish_read(extent, buffer, Ok(read))),
                    Err(error) => return Poll::Ready(self.finish_read(extent, buffer, Err(error))),
                    Ok(None) => self.ask_disk(extent, buffer),
                }
            }
        };
        let Poll::Ready(joined) = Pin::new(&mut read).poll(cx) else {
            self.disk = Some(read);
            return Poll::Pending;
        };
        let (buffer, result) = joined.map_err(|error| FrameError::Read(io::Error::other(error)))?;
        Poll::Ready(self.finish_read(extent, buffer, result))
    }

    /// Reads on a blocking thread.
    fn ask_disk(
        &self,
        extent: &FileExtent,
        mut buffer: PooledBuffer,
    ) -> JoinHandle<(PooledBuffer, io::Result<usize>)> {
        self.exchange.spilled_to_disk();
        let (file, offset, len) = (Arc::clone(extent.file()), extent.offset(), extent.len());
        tokio::task::spawn_blocking(move || {
            let result = read_blocking(&file, buffer.room(len), offset);
            (buffer, result)
        })
    }

    /// Checks what was read and moves past it.
    fn finish_read(
        &mut self,
        extent: &FileExtent,
        buffer: PooledBuffer,
        result: io::Result<usize>,
    ) -> Result<Bytes, FrameError> {
        let read = result.map_err(FrameError::Read)?;
        if read == 0 {
            return Err(FrameError::Truncated { offset: extent.offset(), missing: extent.len() });
        }
        if !extent.file().is_unchanged().map_err(FrameError::Read)? {
            return Err(FrameError::Changed);
        }
        let frame = buffer.freeze(read);
        let taken = u64::try_from(frame.len()).unwrap_or(u64::MAX).min(extent.len());
        let rest = BodySource::File(extent.clone()).cut(taken, extent.len());
        self.current = (!rest.is_empty()).then_some(rest);
        Ok(frame)
    }
}

/// A slab as the bytes it is.
fn into_memory(source: BodySource) -> BodySource {
    match source {
        BodySource::Slab(range) => BodySource::Mem(Bytes::from_owner(range)),
        source => source,
    }
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

fn read_blocking(file: &SourceFile, room: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.file().read_at(room, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = FrameError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FrameError>>> {
        let next = ready!(self.poll_next(cx));
        Poll::Ready(match next {
            Some(Ok(bytes)) => {
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.left = self.left.saturating_sub(len);
                self.exchange.sent(len);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                self.exchange.fail(error.reason(), &error);
                Some(Err(error))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
