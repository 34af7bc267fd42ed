//! Who is read for first, and who is refused.

use super::*;

const ONE: u64 = 4096;

/// Holds the read of byte 0 until released, and writes down in which order reads began.
#[derive(Debug)]
struct Watched {
    gate: Mutex<Option<oneshot::Receiver<()>>>,
    began: Mutex<Vec<u64>>,
}

impl Faults for Watched {
    fn decide(&self, attempt: Attempt) -> Fault {
        self.began.lock().push(attempt.offset);
        let gate = if attempt.offset == 0 { self.gate.lock().take() } else { None };
        gate.map_or(Fault::None, Fault::Hold)
    }
}

/// A reader that does one thing at a time, and whose read of byte 0 is held until released.
fn held(limits: DiskLimits, pool: &BufferPool) -> (DiskReader, Arc<Watched>, oneshot::Sender<()>) {
    let (release, gate) = oneshot::channel();
    let watched = Arc::new(Watched { gate: Mutex::new(Some(gate)), began: Mutex::default() });
    let config = DiskConfig { way: DiskWay::Threads, limits, faults: Some(Arc::clone(&watched) as _) };
    (DiskReader::start(&config, pool).unwrap(), watched, release)
}

/// Lets the held read begin: the disk thread takes it before anything that is asked later.
fn begun(watched: &Watched) {
    while watched.began.lock().is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn viewers_are_read_for_before_the_background_whoever_came_first() {
    let file = file_of(&content(64 * 1024));
    let pool = pool();
    let limits = DiskLimits { depth: nonzero(1), background_depth: nonzero(1), queue: 16 };
    let (reader, watched, release) = held(limits, &pool);
    let ask = |at: u64, priority| reader.read(&file, at * ONE, 4096, pool.try_take(0).unwrap(), priority);
    let first = ask(0, Priority::Viewer);
    begun(&watched);
    let viewer = ask(5, Priority::Viewer);
    let background = [1, 2].map(|at| reader.warm(&file, at * ONE, 4096, Priority::Background));
    let later_viewer = ask(6, Priority::Viewer);
    release.send(()).unwrap();
    block_on(async {
        for reading in [first, viewer, later_viewer].into_iter().chain(background) {
            reading.await.unwrap();
        }
    });
    assert_eq!(*watched.began.lock(), [0, 5, 6, 1, 2].map(|at| at * ONE));
}

#[test]
fn background_reads_do_not_take_the_places_of_viewers() {
    let file = file_of(&content(64 * 1024));
    let pool = pool();
    let limits = DiskLimits { depth: nonzero(1), background_depth: nonzero(1), queue: 16 };
    let (reader, watched, release) = held(limits, &pool);
    let slow = reader.warm(&file, 0, 4096, Priority::Background);
    begun(&watched);
    // The background read is stuck, and a viewer is served.
    let buffer = pool.try_take(0).unwrap();
    assert!(block_on(reader.read(&file, ONE, 4096, buffer, Priority::Viewer)).is_ok());
    release.send(()).unwrap();
    assert!(block_on(slow).is_ok());
}

#[test]
fn as_many_wait_as_may_and_one_more_is_refused() {
    let file = file_of(&content(64 * 1024));
    let pool = pool();
    let limits = DiskLimits { depth: nonzero(1), background_depth: nonzero(1), queue: 2 };
    let (reader, watched, release) = held(limits, &pool);
    let ask = |at: u64| reader.read(&file, at * ONE, 4096, pool.try_take(0).unwrap(), Priority::Viewer);
    let first = ask(0);
    begun(&watched);
    let (second, third) = (ask(1), ask(2));
    assert_eq!(reader.queued(), 2);
    assert!(matches!(block_on(ask(3)), Err(ReadError::Busy { waiting: 2 })));
    // Who gives up makes room, and is not read for.
    drop(second);
    let fourth = ask(4);
    release.send(()).unwrap();
    block_on(async {
        for reading in [first, third, fourth] {
            reading.await.unwrap();
        }
    });
    assert_eq!(*watched.began.lock(), [0, 2, 4].map(|at| at * ONE));
    assert_eq!(pool.idle(), BUFFERS);
}
