//! Disks that have no room, do not answer, or answer nobody: what a connection gets, and what comes back.

use std::{future::Future, io::Write as _, task::Poll};

use parking_lot::Mutex;
use rillcast_sys::disk::fault::{Attempt, Fault};
use tokio::sync::oneshot;

use super::*;
use crate::{
    body::Body,
    body_source::{FileExtent, SourceFile},
    cold_reads::piece::Piece,
};

const LEN: usize = 3 << 20;

/// Holds the first attempt until it is released.
#[derive(Debug)]
struct HoldFirst(Mutex<Option<oneshot::Receiver<()>>>);

impl HoldFirst {
    fn new() -> (Arc<Self>, oneshot::Sender<()>) {
        let (release, gate) = oneshot::channel();
        (Arc::new(Self(Mutex::new(Some(gate)))), release)
    }

    /// Waits until the disk has the first read.
    fn wait_until_held(&self) {
        while self.0.lock().is_some() {
            std::thread::yield_now();
        }
    }
}

impl Faults for HoldFirst {
    fn decide(&self, _attempt: Attempt) -> Fault {
        self.0.lock().take().map_or(Fault::None, Fault::Hold)
    }
}

#[expect(clippy::disallowed_methods, reason = "an instant can only be made by the clock; any will do")]
fn now() -> Instant {
    Instant::now()
}

/// A disk with room for so many waiting reads, and four buffers.
fn disk(queue: usize, faults: Option<Arc<dyn Faults>>) -> Arc<ColdReads> {
    let of = |number: usize| NonZeroUsize::new(number).unwrap();
    let buffer_bytes = of(usize::try_from(BUFFER_BYTES).unwrap());
    let pool = BufferPool::new(BufferLimits { buffer_bytes, buffers: of(4), waiting: 4 }).unwrap();
    let config =
        DiskConfig { way: DiskWay::Threads, limits: DiskLimits { queue, ..DiskLimits::default() }, faults };
    Arc::new(ColdReads {
        reader: DiskReader::start(&config, &pool).unwrap(),
        pool,
        doorkeeper: Mutex::new(Doorkeeper::new(now())),
        figures: ColdFigures::new().unwrap(),
        has_stopped: AtomicBool::new(false),
    })
}

fn file() -> Arc<SourceFile> {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(&vec![7; LEN]).unwrap();
    Arc::new(SourceFile::open(on_disk.path()).unwrap())
}

/// The first piece of `file`.
fn span(file: &Arc<SourceFile>) -> Span {
    let mut body = Body::new();
    body.push(FileExtent::whole(Arc::clone(file)));
    Piece::take(&mut body.into_sources()).unwrap().span
}

fn failures(reads: &ColdReads, reason: &str) -> u64 {
    reads.figures.failures(reason)
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(test)
}

/// [`block_on`] by a clock that goes on at once when nobody has anything to do.
fn block_on_for_long<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

/// Has `fetch` ask the disk.
async fn begin(fetch: &mut Fetch) {
    let begun = std::future::poll_fn(|cx| {
        assert!(fetch.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    });
    begun.await;
}

fn wait_until_all_is_home(reads: &ColdReads) {
    while reads.buffers_in_use() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_full_queue_is_no_error_but_another_way_to_read() {
    let reads = disk(0, None);
    let (share, file) = (ColdShare::new(&reads), file());
    for is_warm_in_vain in [false, false, true] {
        let fetched = block_on(share.fetch(span(&file), is_warm_in_vain, now()));
        assert!(matches!(fetched, Ok(Fetched::Unavailable)), "{fetched:?}");
    }
    assert_eq!(failures(&reads, "busy"), 3);
    assert!(!reads.has_stopped.load(Ordering::Relaxed), "there will be room again");
    wait_until_all_is_home(&reads);
    assert_eq!(share.held.load(Ordering::Relaxed), 0);
}

#[test]
fn a_disk_that_does_not_answer_is_an_error_in_the_end_and_keeps_its_buffer_until_it_does() {
    let (faults, release) = HoldFirst::new();
    let reads = disk(16, Some(Arc::clone(&faults) as _));
    let (share, file) = (ColdShare::new(&reads), file());
    let mut fetch = share.fetch(span(&file), false, now());
    let error = block_on_for_long(async {
        begin(&mut fetch).await;
        faults.wait_until_held();
        fetch.await.unwrap_err()
    });
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!((failures(&reads, "timed_out"), reads.buffers_in_use()), (1, 1));
    assert_eq!(share.held.load(Ordering::Relaxed), 0, "the connection may ask for others");
    // Nothing wrong is remembered: it is a first touch again, and read past the page cache.
    let Ok(Fetched::Bytes(bytes)) = block_on(share.fetch(span(&file), false, now())) else {
        panic!("it is read")
    };
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 7));
    drop(bytes);
    release.send(()).unwrap();
    wait_until_all_is_home(&reads);
}

#[test]
fn a_read_that_nobody_waits_for_any_more_gives_back_all_it_had() {
    let (faults, release) = HoldFirst::new();
    let reads = disk(16, Some(Arc::clone(&faults) as _));
    let (share, file) = (ColdShare::new(&reads), file());
    let mut fetch = share.fetch(span(&file), false, now());
    block_on(begin(&mut fetch));
    faults.wait_until_held();
    assert_eq!((reads.buffers_in_use(), share.held.load(Ordering::Relaxed)), (1, 1));
    drop(fetch);
    assert_eq!(share.held.load(Ordering::Relaxed), 0);
    drop(release);
    wait_until_all_is_home(&reads);
}
