//! Bytes that are not in memory: read past the page cache, or into it, by the disk thread.
//!
//! ```text
//!  first touch of a piece ──▶ O_DIRECT into a buffer ──▶ sent from there; the page cache is left alone
//!  touched again in a while ─▶ into the page cache ─────▶ sent as what is in memory is sent: by sendfile where possible
//!  no buffer free in time ──▶ likewise, so that slow clients cannot keep all others from the disk
//! ```
//!
//! Invariants: a connection holds at most its share of buffers, all of them together the pool. A read that is not
//! wanted any more costs its place in the queue and nothing else. What failed is not remembered as touched.

mod doorkeeper;
mod figures;
pub(crate) mod piece;

use std::{
    future::Future,
    io,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use rillcast_sys::{
    buffers::{BufferLimits, BufferPool},
    disk::{self, DiskConfig, DiskLimits, DiskReader, Priority, ReadError, Reading, fault::Faults},
};

pub(crate) use self::figures::ColdFigures;
use self::{
    doorkeeper::{Doorkeeper, Touch},
    piece::Span,
};

pub use rillcast_sys::disk::DiskWay;

/// Most bytes of a piece: long enough that the disk's own latency counts little, short enough for many viewers.
const PIECE_BYTES: u64 = 512 << 10;

/// Bytes of a buffer: a piece ends at a multiple of its size, and one that would begin just before it goes on.
const BUFFER_BYTES: u64 = PIECE_BYTES + PIECE_BYTES / 4;

/// Buffers one connection may hold: what is being sent, what the socket has not let go, what is read ahead, and one.
const BUFFERS_PER_CONNECTION: usize = 4;

/// How long a viewer waits for a buffer before the bytes go through the page cache instead.
const BUFFER_WAIT: Duration = Duration::from_millis(50);

/// After how long a read counts as failed. The disk is left to finish it.
const READ_TIME: Duration = Duration::from_secs(30);

/// How bytes that are not in memory are read.
#[derive(Debug, Clone)]
pub struct ColdReadSettings {
    /// Which way the disk is read.
    pub disk: DiskWay,
    /// Reads that are with the disk at the same time.
    pub depth: NonZeroUsize,
    /// Bytes of buffers, of all connections together. Less than a few pieces: no disk thread, every core reads on
    /// threads of its own.
    pub buffer_bytes: u64,
    /// Faults that tests make.
    pub faults: Option<Arc<dyn Faults>>,
}

impl Default for ColdReadSettings {
    fn default() -> Self {
        let of = DiskLimits::default();
        Self { disk: DiskWay::Auto, depth: of.depth, buffer_bytes: 64 << 20, faults: None }
    }
}

/// The disk, as all connections of a server share it.
#[derive(Debug)]
pub(crate) struct ColdReads {
    reader: DiskReader,
    pool: BufferPool,
    doorkeeper: Mutex<Doorkeeper>,
    figures: ColdFigures,
    has_stopped: AtomicBool,
}

impl ColdReads {
    /// Starts the disk thread; `None` where there are no buffers for it.
    ///
    /// # Errors
    /// See [`disk::StartError`].
    pub(crate) fn start(
        settings: ColdReadSettings,
        figures: ColdFigures,
        now: Instant,
    ) -> Result<Option<Arc<Self>>, disk::StartError> {
        let buffers = usize::try_from(settings.buffer_bytes / BUFFER_BYTES).unwrap_or(usize::MAX);
        let Some(buffers) = NonZeroUsize::new(buffers) else { return Ok(None) };
        let buffer_bytes = usize::try_from(BUFFER_BYTES).ok().and_then(NonZeroUsize::new);
        let buffer_bytes = buffer_bytes.expect("half a mebibyte fits");
        let waiting = buffers.get().saturating_mul(4);
        let pool = BufferPool::new(BufferLimits { buffer_bytes, buffers, waiting })
            .map_err(disk::StartError::Thread)?;
        let limits = DiskLimits { depth: settings.depth, ..DiskLimits::default() };
        let config = DiskConfig { way: settings.disk, limits, faults: settings.faults };
        let reader = DiskReader::start(&config, &pool)?;
        let doorkeeper = Mutex::new(Doorkeeper::new(now));
        let reads = Self { reader, pool, doorkeeper, figures, has_stopped: AtomicBool::new(false) };
        let reads = Arc::new(reads);
        reads.figures.levels.watch(&reads);
        Ok(Some(reads))
    }

    /// Reads that wait to begin.
    pub(crate) fn queued(&self) -> usize {
        self.reader.queued()
    }

    /// Buffers in use.
    pub(crate) fn buffers_in_use(&self) -> usize {
        self.pool.buffers().saturating_sub(self.pool.idle())
    }
}

/// What one connection may have of the disk. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct ColdShare {
    reads: Arc<ColdReads>,
    held: Arc<AtomicUsize>,
}

/// What came of asking for a piece.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// Its bytes; fewer: the file ends there.
    Bytes(Bytes),
    /// It is in the page cache, or was.
    Cached,
    /// The disk thread cannot: read some other way.
    Unavailable,
}

/// A piece under way.
pub(crate) type Fetch = Pin<Box<dyn Future<Output = io::Result<Fetched>>>>;

impl ColdShare {
    /// A connection's share of `reads`.
    pub(crate) fn new(reads: &Arc<ColdReads>) -> Self {
        Self { reads: Arc::clone(reads), held: Arc::default() }
    }

    /// Asks for `span`, which a client waits for. Nothing happens before the future is polled.
    ///
    /// `is_warm_in_vain` says that it was read into the page cache and is not there.
    pub(crate) fn fetch(&self, span: Span, is_warm_in_vain: bool, now: Instant) -> Fetch {
        let touch = self.reads.doorkeeper.lock().touch(span.key(), now);
        let share = self.clone();
        Box::pin(async move {
            if (touch == Touch::First || is_warm_in_vain)
                && let Some(hold) = Hold::take(&share.held)
            {
                match tokio::time::timeout(BUFFER_WAIT, share.reads.pool.take()).await {
                    Ok(Ok(buffer)) => {
                        let reading = share.reads.reader.read(
                            span.file.disk_file(),
                            span.start,
                            span.len(),
                            buffer,
                            Priority::Viewer,
                        );
                        return share.finish(&span, reading, Some(hold)).await;
                    }
                    Ok(Err(_)) | Err(_) => share.reads.figures.no_buffer.inc(),
                }
            }
            if is_warm_in_vain {
                return Ok(Fetched::Unavailable);
            }
            let file = span.file.disk_file();
            let reading = share.reads.reader.warm(file, span.start, span.len(), Priority::Viewer);
            share.finish(&span, reading, None).await
        })
    }

    /// Begins to read `span`, which will soon be wanted, if that takes nothing from those who wait: no buffer of the
    /// last quarter, and not what is on its way into the page cache.
    pub(crate) fn fetch_ahead(&self, span: Span, now: Instant) -> Option<Fetch> {
        let hold = Hold::take(&self.held)?;
        let buffer = self.reads.pool.try_take(self.reads.pool.buffers() / 4)?;
        if self.reads.doorkeeper.lock().touch(span.key(), now) == Touch::Again {
            return None;
        }
        let (file, len) = (span.file.disk_file(), span.len());
        let reading = self.reads.reader.read(file, span.start, len, buffer, Priority::Viewer);
        let share = self.clone();
        Some(Box::pin(async move { share.finish(&span, reading, Some(hold)).await }))
    }

    /// Forgets that `span` was touched: what was read of it is not what was asked for.
    pub(crate) fn forget(&self, span: &Span) {
        self.reads.doorkeeper.lock().forget(span.key());
    }

    /// Waits for `reading` and counts what came of it.
    async fn finish(&self, span: &Span, reading: Reading, hold: Option<Hold>) -> io::Result<Fetched> {
        let figures = &self.reads.figures;
        let error = match tokio::time::timeout(READ_TIME, reading).await {
            Ok(Ok(done)) => {
                figures.done(&done);
                return Ok(match hold {
                    Some(hold) => Fetched::Bytes(Bytes::from_owner(Held { bytes: done.bytes, _hold: hold })),
                    None => Fetched::Cached,
                });
            }
            Ok(Err(error)) => error,
            Err(_) => ReadError::Failed(io::ErrorKind::TimedOut.into()),
        };
        figures.failed(&error);
        self.forget(span);
        match error {
            ReadError::Failed(error) => Err(error),
            ReadError::Busy { .. } => Ok(Fetched::Unavailable),
            ReadError::Stopped | ReadError::TooLong { .. } => {
                // Once is enough: every cold read from now on goes the other way.
                if !self.reads.has_stopped.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "cold reads go on without the disk thread, at more cost");
                }
                Ok(Fetched::Unavailable)
            }
        }
    }
}

/// One buffer of a connection's share.
#[derive(Debug)]
struct Hold(Arc<AtomicUsize>);

impl Hold {
    fn take(held: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |held: usize| (held < BUFFERS_PER_CONNECTION).then(|| held.saturating_add(1));
        held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(held)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes of a buffer that count against a share.
#[derive(Debug)]
struct Held {
    bytes: Bytes,
    _hold: Hold,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
