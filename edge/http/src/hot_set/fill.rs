//! Reads bodies into slabs, on threads of its own: away from the cores, and from the threads that viewers wait for.

use std::{
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rillcast_sys::slab::{AllocateError, SlabRange};

use super::{ContentId, Shelf};
use crate::{
    body::Body,
    body_source::{BodySource, FileExtent},
};

/// How often evicted memory is given back and figures are brought up to date while nothing is read.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// A body to read.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) content: ContentId,
    /// The whole body.
    pub(super) body: Body,
}

/// Why a body was not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum FillError {
    /// A source changed before the end of the read, or could not be asked: the operator's doing.
    #[error("a source file changed while it was read")]
    Changed,
    /// A source ended early or failed.
    #[error("a source file cannot be read")]
    Read(#[source] io::Error),
    /// No memory for it: our limit, or the system's.
    #[error(transparent)]
    NoRoom(#[from] AllocateError),
    /// Others are asked for more often.
    #[error("there is no room beside what is asked for more often")]
    Rejected,
}

impl FillError {
    /// A word for metrics.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Changed => "source_changed",
            Self::Read(_) => "source_unreadable",
            Self::NoRoom(_) => "no_room",
            Self::Rejected => "rejected",
        }
    }
}

/// One thread that reads.
pub(super) struct Filler {
    shelf: Arc<Shelf>,
    jobs: Arc<Mutex<Receiver<Job>>>,
}

impl Filler {
    /// Starts `threads` of them. They end once nobody can send jobs any more; a dead disk may keep one until the
    /// process ends, so nobody waits for them.
    pub(super) fn start(threads: usize, shelf: &Arc<Shelf>, jobs: Receiver<Job>) -> io::Result<()> {
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let filler = Self { shelf: Arc::clone(shelf), jobs: Arc::clone(&jobs) };
            thread::Builder::new().name(format!("hot-fill-{number}")).spawn(move || filler.run())?;
        }
        Ok(())
    }

    fn run(self) {
        loop {
            // The one that waits holds the lock; the others wait for it and do no less.
            let received = self.jobs.lock().recv_timeout(SWEEP_EVERY);
            match received {
                Ok(job) => self.shelf.fill(&job),
                Err(RecvTimeoutError::Timeout) => self.shelf.sweep(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl Shelf {
    /// Reads and keeps one body; says how it went.
    pub(super) fn fill(&self, job: &Job) {
        let outcome = match self.read_and_keep(job) {
            Ok(len) => {
                self.metrics.filled_bytes.inc_by(len);
                "kept"
            }
            Err(error) => {
                let outcome = error.outcome();
                if matches!(error, FillError::NoRoom(AllocateError::System(_))) {
                    self.give_up(&error);
                } else {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a body was not kept");
                }
                outcome
            }
        };
        self.in_flight.lock().remove(&job.content);
        self.metrics.filled(outcome);
        self.sweep();
    }

    fn read_and_keep(&self, job: &Job) -> Result<u64, FillError> {
        let range = self.read(&job.body)?;
        self.entries.insert(job.content, range);
        // Who stays is decided now.
        self.entries.run_pending_tasks();
        if self.entries.contains_key(&job.content) { Ok(job.body.len()) } else { Err(FillError::Rejected) }
    }

    /// The bytes of `body` in one piece of memory. Never those of a file that changed: files are looked at after
    /// the last read, and what was read before a change is given up with the rest.
    fn read(&self, body: &Body) -> Result<SlabRange, FillError> {
        let len = usize::try_from(body.len())
            .map_err(|_| AllocateError::TooLong { len: usize::MAX, slab_bytes: 0 })?;
        let mut filling = self.slabs.allocate(len)?;
        let mut room = filling.as_mut_slice();
        for source in body.sources() {
            let len = usize::try_from(source.len()).expect("a part of what fits memory fits it");
            let (now, later) =
                room.split_at_mut_checked(len).expect("the parts of a body add up to its length");
            match source {
                BodySource::Mem(bytes) => now.copy_from_slice(bytes),
                BodySource::Slab(range) => now.copy_from_slice(range.as_ref()),
                BodySource::File(extent) => read_extent(extent, now).map_err(FillError::Read)?,
                BodySource::Growing(_) => return Err(FillError::Read(io::ErrorKind::Unsupported.into())),
            }
            room = later;
        }
        if !body.is_unchanged().map_err(FillError::Read)? {
            return Err(FillError::Changed);
        }
        Ok(filling.share())
    }

    /// No more memory from the system: all that is kept goes back to it.
    pub(super) fn give_up(&self, error: &FillError) {
        let error = error as &dyn std::error::Error;
        if !self.is_exhausted.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                error,
                "the hot set is off: TLS reads files each time; lower delivery.hot_set_mib"
            );
        }
        self.entries.invalidate_all();
    }

    /// Gives back what was evicted, and says what is kept.
    pub(super) fn sweep(&self) {
        self.entries.run_pending_tasks();
        self.slabs.reclaim();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.entries.set(gauge(self.entries.entry_count()));
        self.metrics
            .memory_bytes
            .set(gauge(u64::try_from(self.slabs.usage().used_bytes).unwrap_or(u64::MAX)));
    }
}

fn read_extent(extent: &FileExtent, room: &mut [u8]) -> io::Result<()> {
    extent.file().file().read_exact_at(room, extent.offset())
}
