//! Reading files without stopping anyone: a thread of its own asks the disk, cores wait for futures.
//!
//! ```text
//!  core ─ read(file, range, Buffer) ─▶ Queue (bounded; viewers first) ─▶ disk thread ─▶ io_uring | threads
//!    ▲                                                                        │
//!    └──────────── Done { bytes in the same Buffer, how, how long } ◀─────────┘
//! ```
//!
//! A cold range is read past the page cache (`O_DIRECT`) into a [`Buffer`], rounded to the
//! alignment the file system wants and trimmed again; where a file system refuses, buffered. [`DiskReader::warm`]
//! fills the page cache instead. The thread drives io_uring through tokio-uring (decision 0002) or, where the system
//! refuses that, a pool of threads with `pread(2)`.
//!
//! Invariants:
//! - A buffer belongs to the disk thread from the request to its end. Dropping the future of a read forgets the
//!   result, never the buffer: it comes home when the kernel is done with it.
//! - An error belongs to one request. When the disk thread dies, requests end with [`ReadError::Stopped`].
//! - At most [`DiskLimits::depth`] reads of viewers are with the disk, and [`DiskLimits::background_depth`] others,
//!   which begin only while no viewer waits; at most [`DiskLimits::queue`] requests wait.

mod engine;
pub mod fault;
mod file;
mod queue;
mod request;
mod span;
mod thread;
mod transfer;

use std::{io, num::NonZeroUsize, sync::Arc, time::Instant};

use self::{
    fault::Faults,
    queue::{Queue, QueueGuard},
    request::{Job, Request},
};
pub use self::{
    file::DiskFile,
    request::{Done, How, Priority, ReadError, Reading},
};
use crate::buffers::{Buffer, BufferPool};

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiskWay {
    /// io_uring, or threads where the system refuses it.
    #[default]
    Auto,
    /// io_uring, or an error.
    Uring,
    /// Threads with `pread(2)`.
    Threads,
}

/// How much the disk is asked at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskLimits {
    /// Reads of viewers that are with the disk at the same time.
    pub depth: NonZeroUsize,
    /// Other reads that are with the disk at the same time, beside those of viewers.
    pub background_depth: NonZeroUsize,
    /// Requests that wait, of each priority; one more is refused.
    pub queue: usize,
}

impl Default for DiskLimits {
    fn default() -> Self {
        let of = |number| NonZeroUsize::new(number).expect("written here, and not zero");
        Self { depth: of(32), background_depth: of(4), queue: 4096 }
    }
}

/// What a reader is told when it starts.
#[derive(Debug, Clone, Default)]
pub struct DiskConfig {
    /// Which way to read.
    pub way: DiskWay,
    /// How much at a time.
    pub limits: DiskLimits,
    /// Faults that tests make; `None` outside them.
    pub faults: Option<Arc<dyn Faults>>,
}

/// Why there is no reader; the machine's fault.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The thread, its runtime or its scratch memory cannot be made.
    #[error("cannot start the disk thread")]
    Thread(#[source] io::Error),
    /// io_uring was asked for by name and is refused.
    #[error("the system refuses io_uring ({advice})")]
    Uring {
        /// What to set.
        advice: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// A handle on the disk thread. Cloning shares it; the thread ends with the last handle.
#[derive(Debug, Clone)]
pub struct DiskReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: QueueGuard,
    way: DiskWay,
    is_registered: bool,
}

impl DiskReader {
    /// Starts the disk thread and finds out which way works. Reads go into buffers of `pool`, which a ring registers
    /// where the limit on locked memory allows.
    ///
    /// Says in the log what was chosen, and what to set where the better way is refused.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: &DiskConfig, pool: &BufferPool) -> Result<Self, StartError> {
        let queue = Arc::new(Queue::new(config.limits));
        let started = thread::start(config, pool, &queue)?;
        let shared = Shared {
            queue: QueueGuard(queue),
            way: if started.is_uring { DiskWay::Uring } else { DiskWay::Threads },
            is_registered: started.is_registered,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The way it reads: never [`DiskWay::Auto`].
    pub fn way(&self) -> DiskWay {
        self.shared.way
    }

    /// Whether the buffers are registered with the ring.
    pub fn is_registered(&self) -> bool {
        self.shared.is_registered
    }

    /// Requests that wait to begin.
    pub fn queued(&self) -> usize {
        self.shared.queue.0.len()
    }

    /// Reads `len` bytes of `file` from byte `offset` into `buffer`, past the page cache where that is possible.
    ///
    /// A range between two multiples of the buffer's size always fits; another does when it fits after rounding out
    /// to the file system's alignment. Fewer bytes than asked for mean that the file ends there. Dropping the future
    /// forgets the read; the buffer comes home when the kernel is done with it.
    pub fn read(
        &self,
        file: &Arc<DiskFile>,
        offset: u64,
        len: usize,
        buffer: Buffer,
        priority: Priority,
    ) -> Reading {
        self.ask(file, offset, len, Job::Fill(buffer), priority)
    }

    /// Reads `len` bytes of `file` from byte `offset` into the page cache and nowhere else.
    pub fn warm(&self, file: &Arc<DiskFile>, offset: u64, len: usize, priority: Priority) -> Reading {
        self.ask(file, offset, len, Job::Warm, priority)
    }

    fn ask(&self, file: &Arc<DiskFile>, offset: u64, len: usize, job: Job, priority: Priority) -> Reading {
        let (request, reading) = Request::new(Arc::clone(file), offset, len, job, monotonic());
        match self.shared.queue.0.push(request, priority) {
            Ok(()) => reading,
            Err(error) => Reading::refused(error),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the disk reader is a driver: it says how long reads took")]
fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
