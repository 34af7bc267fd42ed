use std::{collections::HashMap, fs::File, io::Write as _, path::Path};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{fault::*, *};
use crate::buffers::BufferLimits;

mod faults;
mod order;
mod seccomp;

const BUFFER_BYTES: usize = 64 * 1024;
const BUFFERS: usize = 8;

fn nonzero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

fn pool() -> BufferPool {
    let (buffer_bytes, buffers) = (nonzero(BUFFER_BYTES), nonzero(BUFFERS));
    BufferPool::new(BufferLimits { buffer_bytes, buffers, waiting: 64 }).unwrap()
}

/// A reader of this way; `None` where the machine has no io_uring.
fn reader(way: DiskWay, pool: &BufferPool, faults: Option<Arc<dyn Faults>>) -> Option<DiskReader> {
    let config = DiskConfig { way, faults, ..DiskConfig::default() };
    match DiskReader::start(&config, pool) {
        Ok(reader) => Some(reader),
        Err(StartError::Uring { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Runs a test with each way that there is: threads always.
fn with_each_way(test: impl Fn(DiskWay)) {
    test(DiskWay::Threads);
    if reader(DiskWay::Uring, &pool(), None).is_some() {
        test(DiskWay::Uring);
    }
}

/// `len` bytes of which no two neighbourhoods are alike.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

fn file_in(directory: &Path, bytes: &[u8]) -> Arc<DiskFile> {
    let mut file = tempfile::NamedTempFile::new_in(directory).unwrap();
    file.write_all(bytes).unwrap();
    file.as_file().sync_all().unwrap();
    Arc::new(DiskFile::new(File::open(file.path()).unwrap()))
}

/// On the disk that holds this program: the directory for temporary files may lie in memory.
fn file_of(bytes: &[u8]) -> Arc<DiskFile> {
    let program = std::env::current_exe().unwrap();
    file_in(program.parent().unwrap(), bytes)
}

fn reads_as_the_file_is(way: DiskWay, file: &Arc<DiskFile>, bytes: &[u8]) {
    let pool = pool();
    let reader = reader(way, &pool, None).unwrap();
    let ranges = [
        (0, 1),
        (0, BUFFER_BYTES),
        (4095, 2),
        (4096, 4096),
        (5000, 10_000),
        (BUFFER_BYTES - 1, 1),
        (BUFFER_BYTES, BUFFER_BYTES),
        // To the end, past it, and behind it.
        (bytes.len() - 7, 7),
        (bytes.len() - 7, 100),
        (bytes.len(), 10),
        (bytes.len() + 5000, 10),
    ];
    for (offset, len) in ranges {
        let expected = &bytes[offset.min(bytes.len())..(offset + len).min(bytes.len())];
        let buffer = pool.try_take(0).unwrap();
        let done = block_on(reader.read(file, offset as u64, len, buffer, Priority::Viewer)).unwrap();
        assert!(done.bytes == expected, "{len} bytes from byte {offset}, {:?}", done.how);
        assert_eq!(done.len, expected.len());
    }
    assert_eq!(pool.idle(), BUFFERS);
}

#[test]
fn any_range_is_read_as_the_file_is() {
    let bytes = content(3 * BUFFER_BYTES + 1234);
    let file = file_of(&bytes);
    with_each_way(|way| reads_as_the_file_is(way, &file, &bytes));
}

#[test]
fn files_in_memory_are_read_too() {
    let bytes = content(2 * BUFFER_BYTES + 77);
    let memory = Path::new("/dev/shm");
    let file = file_in(if memory.is_dir() { memory } else { Path::new(".") }, &bytes);
    with_each_way(|way| reads_as_the_file_is(way, &file, &bytes));
}

#[test]
fn a_file_that_was_removed_is_read_to_its_end() {
    let bytes = content(BUFFER_BYTES);
    let directory = tempfile::tempdir().unwrap();
    let file = file_in(directory.path(), &bytes);
    drop(directory);
    with_each_way(|way| reads_as_the_file_is(way, &file, &bytes));
}

#[test]
fn a_range_that_does_not_fit_is_refused_and_the_buffer_comes_home() {
    let file = file_of(&content(3 * BUFFER_BYTES));
    with_each_way(|way| {
        let pool = pool();
        let reader = reader(way, &pool, None).unwrap();
        for (offset, len) in [(0, BUFFER_BYTES + 1), (u64::MAX - 1, 2)] {
            let buffer = pool.try_take(0).unwrap();
            let refused = block_on(reader.read(&file, offset, len, buffer, Priority::Viewer)).unwrap_err();
            assert!(matches!(refused, ReadError::TooLong { .. } | ReadError::Failed(_)), "{refused:?}");
        }
        assert_eq!(pool.idle(), BUFFERS);
    });
}

#[test]
fn a_warmed_range_is_read_whole_and_past_the_end_there_is_nothing() {
    let bytes = content(300 * 1024);
    let file = file_of(&bytes);
    with_each_way(|way| {
        let reader = reader(way, &pool(), None).unwrap();
        for (offset, len, expected) in [(0, 1 << 20, 300 * 1024), (1000, 5, 5), (1 << 20, 9, 0)] {
            let done = block_on(reader.warm(&file, offset, len, Priority::Background)).unwrap();
            assert_eq!((done.len, done.how), (expected, How::Warmed));
            assert!(done.bytes.is_empty());
        }
        let room = &mut [0; 300 * 1024];
        let room = &mut [io::IoSliceMut::new(room)];
        let cached = rustix::io::preadv2(file.file(), room, 0, rustix::io::ReadWriteFlags::NOWAIT);
        assert_eq!(cached, Ok(300 * 1024), "all of it is in the page cache now");
    });
}

#[test]
fn the_thread_ends_with_the_last_handle_and_finishes_what_waits() {
    let bytes = content(BUFFER_BYTES);
    let file = file_of(&bytes);
    with_each_way(|way| {
        let pool = pool();
        let reader = reader(way, &pool, None).unwrap();
        let copy = reader.clone();
        drop(reader);
        let buffer = pool.try_take(0).unwrap();
        let done = block_on(copy.read(&file, 0, 10, buffer, Priority::Viewer)).unwrap();
        drop(copy);
        assert_eq!(done.bytes, bytes[..10]);
    });
}
