//! Disks that fail, stall, give little, or refuse.

use super::*;

const ONE: usize = 4096;
const EIO: i32 = 5;
const EINVAL: i32 = 22;

/// Makes the fault that is listed for an offset, once; direct attempts may be refused altogether.
#[derive(Debug, Default)]
struct Listed {
    once: Mutex<HashMap<u64, Fault>>,
    refuses_direct: bool,
    short: Option<usize>,
    refuses_uring: Option<i32>,
    refuses_registration: Option<i32>,
    attempts: Mutex<Vec<Attempt>>,
}

impl Listed {
    fn at(offset: u64, fault: Fault) -> Self {
        Self { once: Mutex::new(HashMap::from([(offset, fault)])), ..Self::default() }
    }
}

impl Faults for Listed {
    fn refuse_uring(&self) -> Option<io::Error> {
        self.refuses_uring.map(io::Error::from_raw_os_error)
    }

    fn refuse_registration(&self) -> Option<io::Error> {
        self.refuses_registration.map(io::Error::from_raw_os_error)
    }

    fn decide(&self, attempt: Attempt) -> Fault {
        self.attempts.lock().push(attempt);
        if self.refuses_direct && attempt.is_direct {
            return Fault::Errno(EINVAL);
        }
        let listed = self.once.lock().remove(&attempt.offset);
        listed.or_else(|| self.short.map(Fault::Short)).unwrap_or(Fault::None)
    }
}

fn read(reader: &DiskReader, pool: &BufferPool, file: &Arc<DiskFile>, offset: usize, len: usize) -> Reading {
    reader.read(file, offset as u64, len, pool.try_take(0).unwrap(), Priority::Viewer)
}

#[test]
fn an_error_of_the_disk_belongs_to_one_read() {
    let bytes = content(4 * ONE);
    let file = file_of(&bytes);
    with_each_way(|way| {
        let pool = pool();
        let faults = Arc::new(Listed::at(ONE as u64, Fault::Errno(EIO)));
        let reader = reader(way, &pool, Some(faults)).unwrap();
        let [before, failing, after] = [0, ONE, 2 * ONE].map(|at| read(&reader, &pool, &file, at, ONE));
        block_on(async {
            assert_eq!(before.await.unwrap().bytes, bytes[..ONE]);
            let Err(ReadError::Failed(error)) = failing.await else { panic!("the read failed") };
            assert_eq!(error.raw_os_error(), Some(EIO));
            assert_eq!(after.await.unwrap().bytes, bytes[2 * ONE..3 * ONE]);
            // And the next read of the same range works.
            assert_eq!(read(&reader, &pool, &file, ONE, ONE).await.unwrap().bytes, bytes[ONE..2 * ONE]);
        });
        assert_eq!(pool.idle(), BUFFERS);
    });
}

#[test]
fn short_reads_are_continued_until_all_is_there() {
    let bytes = content(BUFFER_BYTES + 100);
    let file = file_of(&bytes);
    with_each_way(|way| {
        // Whole blocks go on past the page cache; odd lengths go on through it.
        for short in [ONE, 3 * ONE, 777, 1] {
            let pool = pool();
            let faults = Arc::new(Listed { short: Some(short), ..Listed::default() });
            let reader = reader(way, &pool, Some(faults)).unwrap();
            let done = block_on(read(&reader, &pool, &file, 100, 3 * ONE)).unwrap();
            assert_eq!(done.bytes, bytes[100..100 + 3 * ONE]);
            let tail = block_on(read(&reader, &pool, &file, BUFFER_BYTES + 50, 2 * ONE)).unwrap();
            assert_eq!(tail.bytes, bytes[BUFFER_BYTES + 50..]);
        }
    });
}

#[test]
fn interrupted_reads_are_made_again_and_not_for_ever() {
    #[derive(Debug)]
    struct AlwaysPutOff;
    impl Faults for AlwaysPutOff {
        fn decide(&self, _attempt: Attempt) -> Fault {
            Fault::Error(io::ErrorKind::WouldBlock)
        }
    }
    let bytes = content(ONE);
    let file = file_of(&bytes);
    let pool = pool();
    let once = Arc::new(Listed::at(0, Fault::Error(io::ErrorKind::Interrupted)));
    let patient = reader(DiskWay::Threads, &pool, Some(once)).unwrap();
    assert_eq!(block_on(read(&patient, &pool, &file, 0, ONE)).unwrap().bytes, bytes);
    let never = reader(DiskWay::Threads, &pool, Some(Arc::new(AlwaysPutOff))).unwrap();
    assert!(matches!(block_on(read(&never, &pool, &file, 0, ONE)), Err(ReadError::Failed(_))));
}

#[test]
fn a_file_system_that_refuses_direct_reads_is_asked_once() {
    let bytes = content(3 * ONE);
    with_each_way(|way| {
        let file = file_of(&bytes);
        let pool = pool();
        let faults = Arc::new(Listed { refuses_direct: true, ..Listed::default() });
        let reader = reader(way, &pool, Some(Arc::clone(&faults) as _)).unwrap();
        for _ in 0..3 {
            let done = block_on(read(&reader, &pool, &file, 100, ONE)).unwrap();
            assert_eq!((done.how, &done.bytes[..]), (How::Buffered, &bytes[100..100 + ONE]));
        }
        let direct = faults.attempts.lock().iter().filter(|attempt| attempt.is_direct).count();
        assert!(direct <= 1, "{direct} direct attempts");
    });
}

#[test]
fn a_forgotten_read_keeps_its_buffer_until_the_kernel_is_done() {
    let bytes = content(2 * ONE);
    let file = file_of(&bytes);
    with_each_way(|way| {
        let pool = pool();
        let (release, gate) = oneshot::channel();
        let reader = reader(way, &pool, Some(Arc::new(Listed::at(0, Fault::Hold(gate))))).unwrap();
        let forgotten = read(&reader, &pool, &file, 0, ONE);
        // The second read comes back, so the first has begun.
        assert!(block_on(read(&reader, &pool, &file, ONE, ONE)).is_ok());
        drop(forgotten);
        let others: Vec<Buffer> = std::iter::from_fn(|| pool.try_take(0)).collect();
        assert_eq!(others.len(), BUFFERS - 1, "one is still with the disk");
        release.send(()).unwrap();
        // The last one comes home, or this waits for ever.
        let last = block_on(pool.take()).unwrap();
        drop((others, last));
        assert_eq!(pool.idle(), BUFFERS);
    });
}

#[test]
fn a_dead_disk_thread_is_an_error_for_all_and_no_hang() {
    let file = file_of(&content(4 * ONE));
    with_each_way(|way| {
        let pool = pool();
        let (_release, gate) = oneshot::channel();
        let faults = Listed::at(ONE as u64, Fault::Die);
        faults.once.lock().insert(0, Fault::Hold(gate));
        let reader = reader(way, &pool, Some(Arc::new(faults))).unwrap();
        let under_way = read(&reader, &pool, &file, 0, ONE);
        let deadly = read(&reader, &pool, &file, ONE, ONE);
        block_on(async {
            assert!(matches!(deadly.await, Err(ReadError::Stopped)));
            assert!(matches!(under_way.await, Err(ReadError::Stopped)));
            let later = read(&reader, &pool, &file, 2 * ONE, ONE).await;
            assert!(matches!(later, Err(ReadError::Stopped)));
            // All come home, or this waits for ever.
            let mut all = Vec::new();
            for _ in 0..BUFFERS {
                all.push(pool.take().await.unwrap());
            }
        });
        assert_eq!(pool.idle(), BUFFERS);
    });
}

#[test]
fn refused_io_uring_is_replaced_by_threads_or_explained() {
    let bytes = content(ONE);
    let file = file_of(&bytes);
    // EPERM, ENOSYS, ENOMEM: by sysctl or seccomp, by the kernel, by the limit on locked memory.
    for (number, word) in [(1, "seccomp"), (38, "Linux 5.6"), (12, "LimitMEMLOCK")] {
        let pool = pool();
        let faults = Arc::new(Listed { refuses_uring: Some(number), ..Listed::default() });
        let auto = reader(DiskWay::Auto, &pool, Some(Arc::clone(&faults) as _)).unwrap();
        assert_eq!(auto.way(), DiskWay::Threads);
        assert_eq!(block_on(read(&auto, &pool, &file, 0, ONE)).unwrap().bytes, bytes);
        let config = DiskConfig { way: DiskWay::Uring, faults: Some(faults), ..DiskConfig::default() };
        let refused = DiskReader::start(&config, &pool).unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
}

#[test]
fn buffers_that_cannot_be_registered_are_read_into_all_the_same() {
    let bytes = content(ONE);
    let file = file_of(&bytes);
    let pool = pool();
    let faults = Arc::new(Listed { refuses_registration: Some(12), ..Listed::default() });
    let Some(reader) = reader(DiskWay::Uring, &pool, Some(faults)) else { return };
    assert!(!reader.is_registered());
    assert_eq!(block_on(read(&reader, &pool, &file, 0, ONE)).unwrap().bytes, bytes);
}
