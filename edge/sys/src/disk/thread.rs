//! The disk thread: takes requests while the disk may be asked more, and answers them as they end.

use std::{
    fs::File,
    io::{self, Write as _},
    num::NonZeroUsize,
    sync::{Arc, mpsc},
    thread,
};

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::{
    DiskConfig, DiskWay, StartError,
    engine::{Engine, Ring, Way, uring_advice},
    file::DiskFile,
    monotonic,
    queue::{InFlight, Next, Queue, QueueGuard},
    request::{Done, Job, Priority, ReadError, Request},
    transfer,
};
use crate::buffers::{BufferLimits, BufferPool, Exhausted};

/// Bytes that are read into the page cache at a time: 128 KiB at a time took a third more CPU.
const WARM_BYTES: NonZeroUsize = NonZeroUsize::new(256 * 1024).expect("not zero");

/// Reads into the page cache at a time; more wait for scratch.
const WARMS: NonZeroUsize = NonZeroUsize::new(8).expect("not zero");

/// What the thread says once it reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    pub(super) is_uring: bool,
    pub(super) is_registered: bool,
}

/// Starts the thread, and waits until it reads or cannot.
pub(super) fn start(
    config: &DiskConfig,
    pool: &BufferPool,
    queue: &Arc<Queue>,
) -> Result<Started, StartError> {
    let limits = config.limits;
    let at_a_time = limits.depth.saturating_add(limits.background_depth.get());
    let scratch = BufferLimits { buffer_bytes: WARM_BYTES, buffers: WARMS, waiting: at_a_time.get() };
    let scratch = BufferPool::new(scratch).map_err(StartError::Thread)?;
    let work = Work { queue: Arc::clone(queue), scratch, config: config.clone(), pool: pool.clone() };
    let (say, said) = mpsc::sync_channel(1);
    let run = move || {
        // Whatever ends the thread, a panic too, ends those who wait for it.
        let _guard = QueueGuard(Arc::clone(&work.queue));
        work.run(at_a_time, &say);
    };
    // Nobody joins it: a disk that hangs must not hang the end of the process.
    thread::Builder::new().name("disk".to_owned()).spawn(run).map_err(StartError::Thread)?;
    let died = || StartError::Thread(io::Error::other("the disk thread died at its start"));
    let started = said.recv().map_err(|_| died())??;
    let Started { is_uring, is_registered } = started;
    tracing::info!(is_uring, is_registered, depth = limits.depth, "cold reads are ready");
    Ok(started)
}

/// What the thread has.
struct Work {
    queue: Arc<Queue>,
    scratch: BufferPool,
    pool: BufferPool,
    config: DiskConfig,
}

type Say = mpsc::SyncSender<Result<Started, StartError>>;

impl Work {
    fn run(self, at_a_time: NonZeroUsize, say: &Say) {
        if self.config.way != DiskWay::Threads {
            let refused = self.config.faults.as_ref().and_then(|faults| faults.refuse_uring());
            match refused.map_or_else(|| uring_runtime(at_a_time), Err) {
                Ok(runtime) => return runtime.block_on(self.run_ring(say)),
                Err(source) if self.config.way == DiskWay::Uring => {
                    let error = StartError::Uring { advice: uring_advice(&source), source };
                    return tell(say, Err(error));
                }
                Err(error) => {
                    let advice = uring_advice(&error);
                    tracing::warn!(%error, advice, "the system refuses io_uring: threads read the disk, at more cost");
                }
            }
        }
        match threads_runtime(at_a_time) {
            Ok(runtime) => {
                tell(say, Ok(Started { is_uring: false, is_registered: false }));
                runtime.block_on(self.serve(Way::Threads));
                runtime.shutdown_background();
            }
            Err(error) => tell(say, Err(StartError::Thread(error))),
        }
    }

    async fn run_ring(self, say: &Say) {
        let ring = Ring::register(&self.pool, self.config.faults.as_deref());
        tell(say, Ok(Started { is_uring: true, is_registered: ring.is_registered() }));
        self.serve(Way::Uring(ring)).await;
    }

    /// Serves requests until the queue is closed and all that began has ended.
    async fn serve(self, way: Way) {
        let engine = Engine { way, faults: self.config.faults.clone() };
        let mut in_flight = InFlight::default();
        let mut running = FuturesUnordered::new();
        let mut is_ending = false;
        loop {
            while !is_ending {
                match self.queue.next(in_flight) {
                    Next::Begin(request, priority) => {
                        *in_flight.of(priority) = in_flight.of(priority).saturating_add(1);
                        running.push(self.carry_out(&engine, *request, priority));
                    }
                    Next::Wait => break,
                    Next::End => is_ending = true,
                }
            }
            if is_ending && running.is_empty() {
                return;
            }
            tokio::select! {
                Some(ended) = running.next() => {
                    let count = in_flight.of(ended);
                    *count = count.saturating_sub(1);
                }
                () = self.queue.changed(), if !is_ending => {}
            }
        }
    }

    /// Carries one request out and answers it.
    async fn carry_out(&self, engine: &Engine, request: Request, priority: Priority) -> Priority {
        let Request { file, offset, len, job, asked, answer } = request;
        let began = monotonic();
        let result = match job {
            Job::Fill(buffer) => transfer::fill(engine, &file, (offset, len), buffer).await,
            Job::Warm => match self.scratch.take().await {
                Ok(scratch) => transfer::warm(engine, &file, (offset, len), scratch).await,
                Err(Exhausted { waiting }) => Err(ReadError::Busy { waiting }),
            },
        };
        let done = result.map(|(bytes, len, how)| Done {
            bytes,
            len,
            how,
            waited: began.saturating_duration_since(asked),
            took: monotonic().saturating_duration_since(began),
        });
        // Nobody may wait any more; the buffer then goes home from here.
        drop(answer.send(done));
        priority
    }
}

impl InFlight {
    fn of(&mut self, priority: Priority) -> &mut usize {
        match priority {
            Priority::Viewer => &mut self.viewers,
            Priority::Background => &mut self.background,
        }
    }
}

fn tell(say: &Say, what: Result<Started, StartError>) {
    // Who starts a reader waits for this; if it is gone, so is the reader, and the queue is closed.
    let _ = say.send(what);
}

/// A runtime with a ring that has been seen to read.
fn uring_runtime(at_a_time: NonZeroUsize) -> io::Result<tokio_uring::Runtime> {
    let entries = at_a_time.get().checked_next_power_of_two().and_then(|entries| u32::try_from(entries).ok());
    let mut builder = tokio_uring::builder();
    builder.entries(entries.unwrap_or(u32::MAX).clamp(8, 4096));
    let runtime = tokio_uring::Runtime::new(&builder)?;
    runtime.block_on(probe())?;
    Ok(runtime)
}

/// Reads a few bytes through the ring: before Linux 5.6 there are rings that cannot.
async fn probe() -> io::Result<()> {
    const BYTES: &[u8] = b"read through the ring";
    let mut file = File::from(rustix::fs::memfd_create("probe", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(BYTES)?;
    let limits = BufferLimits { buffer_bytes: WARM_BYTES, buffers: NonZeroUsize::MIN, waiting: 0 };
    let pool = BufferPool::new(limits)?;
    let buffer = pool.try_take(0).ok_or(io::ErrorKind::OutOfMemory)?;
    let engine = Engine { way: Way::Uring(Ring::unregistered()), faults: None };
    let file = Arc::new(DiskFile::new(file));
    let read = transfer::fill(&engine, &file, (0, BYTES.len()), buffer).await;
    match read {
        Ok((bytes, ..)) if bytes == BYTES => Ok(()),
        Ok(_) => Err(io::Error::other("the ring read something else")),
        Err(ReadError::Failed(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn threads_runtime(at_a_time: NonZeroUsize) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(at_a_time.get())
        .thread_name("disk-read")
        .build()
}
