//! One question to the disk, and its answer.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::file::DiskFile;
use crate::buffers::Buffer;

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A viewer, now or in a moment.
    Viewer,
    /// Nobody yet. Begins only while no viewer's read waits.
    Background,
}

/// How bytes were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Past the page cache.
    Direct,
    /// Through the page cache into a buffer.
    Buffered,
    /// Into the page cache only.
    Warmed,
}

/// What came of a read.
#[derive(Debug)]
pub struct Done {
    /// What was read, in the buffer that was given. Fewer bytes than were asked for: the file ends there. Empty
    /// after [`DiskReader::warm`](super::DiskReader::warm).
    pub bytes: Bytes,
    /// Bytes read, of those asked for.
    pub len: usize,
    /// How.
    pub how: How,
    /// From asking to the disk's turn.
    pub waited: Duration,
    /// From then to the end.
    pub took: Duration,
}

/// Why a read gave nothing. The bytes of other reads are not touched by it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk or the system.
    #[error("reading failed")]
    Failed(#[from] io::Error),
    /// Our limit: as many requests wait as may.
    #[error("{waiting} reads wait for the disk already")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// The range does not fit the buffer: the caller's fault.
    #[error("{len} bytes from byte {offset} do not fit a buffer of {capacity} when aligned")]
    TooLong {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: usize,
        /// Bytes of the buffer.
        capacity: usize,
    },
    /// The disk thread has ended.
    #[error("the disk thread has ended")]
    Stopped,
}

/// What to do with the bytes.
#[derive(Debug)]
pub(super) enum Job {
    /// Read them into this buffer.
    Fill(Buffer),
    /// Have them in the page cache.
    Warm,
}

/// A question that waits.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) file: Arc<DiskFile>,
    pub(super) offset: u64,
    pub(super) len: usize,
    pub(super) job: Job,
    pub(super) asked: Instant,
    pub(super) answer: oneshot::Sender<Result<Done, ReadError>>,
}

impl Request {
    pub(super) fn new(
        file: Arc<DiskFile>,
        offset: u64,
        len: usize,
        job: Job,
        asked: Instant,
    ) -> (Self, Reading) {
        let (answer, coming) = oneshot::channel();
        (Self { file, offset, len, job, asked, answer }, Reading(State::Coming(coming)))
    }
}

/// A read under way: a future. Dropping it forgets the read.
#[derive(Debug)]
pub struct Reading(State);

#[derive(Debug)]
enum State {
    Coming(oneshot::Receiver<Result<Done, ReadError>>),
    Refused(Option<ReadError>),
}

impl Reading {
    /// One that has failed already.
    pub(super) fn refused(error: ReadError) -> Self {
        Self(State::Refused(Some(error)))
    }
}

impl Future for Reading {
    type Output = Result<Done, ReadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Coming(coming) => {
                Pin::new(coming).poll(cx).map(|answer| answer.unwrap_or(Err(ReadError::Stopped)))
            }
            State::Refused(error) => Poll::Ready(Err(error.take().unwrap_or(ReadError::Stopped))),
        }
    }
}
