use std::{
    fs::File,
    io::Write as _,
    sync::{Barrier, mpsc::Receiver},
};

use bytes::Bytes;

use super::{fill::FillError, *};
use crate::body_source::{FileExtent, SourceFile};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A hot set without threads: what they would read waits until a test says [`Self::fill`].
struct Rig {
    hot_set: HotSet,
    queue: Receiver<Job>,
    start: Instant,
}

impl Rig {
    #[expect(clippy::disallowed_methods, reason = "an instant can only be made by the clock; any will do")]
    fn new(limits: HotSetLimits) -> Self {
        let start = Instant::now();
        let slabs = Slabs::new(SlabLimits::new(usize::try_from(limits.memory_bytes).unwrap())).unwrap();
        let shelf = Arc::new(Shelf::new(slabs, &limits, HotSetMetrics::new().unwrap()));
        let (jobs, queue) = mpsc::sync_channel(limits.queue);
        let doorkeeper = Doorkeeper::new(DOORKEEPER_SLOTS, limits.touched_within, start);
        let running = Some(Arc::new(Running { shelf, jobs, doorkeeper, limits }));
        Self { hot_set: HotSet { running }, queue, start }
    }

    fn with_memory(memory_bytes: u64) -> Self {
        Self::new(HotSetLimits { memory_bytes, ..HotSetLimits::default() })
    }

    fn shelf(&self) -> &Shelf {
        &self.hot_set.running.as_ref().unwrap().shelf
    }

    fn ask(&self, number: u64, body: &Body) -> Option<Body> {
        self.hot_set.warm(content(number), body, self.start)
    }

    /// Reads all that waits; how many bodies that were.
    fn fill(&self) -> usize {
        self.queue.try_iter().map(|job| self.shelf().fill(&job)).count()
    }

    /// Has `body` asked for until it is kept.
    fn keep(&self, number: u64, body: &Body) {
        assert!(self.ask(number, body).is_none() && self.ask(number, body).is_none());
        assert_eq!(self.fill(), 1);
    }
}

fn content(number: u64) -> ContentId {
    let mut piece = [0; 16];
    piece[..8].copy_from_slice(&number.to_le_bytes());
    ContentId::new([7; 32], piece)
}

fn bytes(len: u64) -> Vec<u8> {
    (0..len).map(|at| (at / 3 % 251) as u8).collect()
}

/// A file of `len` bytes, and it opened.
fn file(len: u64) -> (tempfile::NamedTempFile, Arc<SourceFile>) {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(&bytes(len)).unwrap();
    let source = Arc::new(SourceFile::open(on_disk.path()).unwrap());
    (on_disk, source)
}

/// A header in memory, then two extents that do not touch.
fn segment(file: &Arc<SourceFile>) -> Body {
    let mut body = Body::from(Bytes::from_static(b"moof"));
    body.push(FileExtent::new(Arc::clone(file), 10, 8000).unwrap());
    body.push(FileExtent::new(Arc::clone(file), 20_000, 9000).unwrap());
    body
}

#[test]
fn what_is_asked_for_twice_is_kept_and_parts_of_it_are_its_bytes() {
    let rig = Rig::with_memory(16 * MIB);
    let (_on_disk, file) = file(64 * KIB);
    let body = segment(&file);
    assert!(rig.ask(1, &body).is_none());
    assert_eq!(rig.fill(), 0, "once is not often");
    assert!(rig.ask(1, &body).is_none());
    assert_eq!(rig.fill(), 1);
    let hot = rig.ask(1, &body).unwrap();
    assert!(!hot.has_file() && hot.sources().len() == 1);
    let all = body.read_blocking(1 << 20).unwrap();
    assert_eq!(hot.read_blocking(1 << 20).unwrap(), all);
    assert_eq!(hot.range(3..12_000).read_blocking(1 << 20).unwrap(), all[3..12_000]);
    assert!(rig.ask(2, &body).is_none(), "another content is another, whatever its length");
    assert_eq!((rig.shelf().metrics.hits.get(), rig.shelf().metrics.misses.get()), (1, 3));
}

#[test]
fn one_fill_a_content_at_a_time() {
    let rig = Rig::with_memory(16 * MIB);
    let (_on_disk, file) = file(64 * KIB);
    for _ in 0..10 {
        assert!(rig.ask(1, &segment(&file)).is_none());
    }
    assert_eq!(rig.fill(), 1);
}

#[test]
fn a_full_queue_keeps_nothing_and_the_next_touch_may_try_again() {
    let rig = Rig::new(HotSetLimits { memory_bytes: 16 * MIB, queue: 2, ..HotSetLimits::default() });
    let (_on_disk, file) = file(64 * KIB);
    for number in 1..=3 {
        assert!(rig.ask(number, &segment(&file)).is_none() && rig.ask(number, &segment(&file)).is_none());
    }
    assert_eq!(rig.fill(), 2);
    assert!(rig.shelf().in_flight.lock().is_empty());
    assert!(rig.ask(1, &segment(&file)).is_some() && rig.ask(3, &segment(&file)).is_none());
    assert_eq!(rig.fill(), 1);
    assert!(rig.ask(3, &segment(&file)).is_some());
}

#[test]
fn a_body_is_kept_to_the_limits_and_not_one_byte_past_them() {
    let rig = Rig::with_memory(16 * MIB);
    let (_on_disk, file) = file(MIB + 1);
    for (number, len, is_kept) in
        [(1, 4 * KIB - 1, false), (2, 4 * KIB, true), (3, MIB, true), (4, MIB + 1, false)]
    {
        let body = Body::from(FileExtent::new(Arc::clone(&file), 0, len).unwrap());
        assert!(rig.ask(number, &body).is_none() && rig.ask(number, &body).is_none());
        rig.fill();
        assert_eq!(rig.ask(number, &body).is_some(), is_kept, "{len} bytes");
    }
}

#[test]
fn bytes_that_lie_in_memory_need_no_copy() {
    let rig = Rig::with_memory(16 * MIB);
    let body = Body::from(Bytes::from(vec![1; 8192]));
    assert!(rig.ask(1, &body).is_none() && rig.ask(1, &body).is_none());
    assert_eq!(rig.fill(), 0);
}

/// What can happen to a file: the same length, other bytes, at a time that any clock tells apart; and cut off.
fn changes() -> [fn(&File); 2] {
    let write = |file: &File| {
        std::os::unix::fs::FileExt::write_all_at(file, b"new", 100).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    [write, |file| file.set_len(100).unwrap()]
}

#[test]
fn a_file_that_changed_before_the_fill_is_not_kept() {
    for change in changes() {
        let rig = Rig::with_memory(16 * MIB);
        let (on_disk, file) = file(64 * KIB);
        let body = segment(&file);
        assert!(rig.ask(1, &body).is_none() && rig.ask(1, &body).is_none());
        change(on_disk.as_file());
        assert_eq!(rig.fill(), 1);
        assert_eq!(rig.shelf().entries.entry_count(), 0);
        assert_eq!(rig.shelf().slabs.usage().used_bytes, 0, "nothing is left of it");
        assert!(rig.ask(1, &body).is_none());
    }
}

#[test]
fn a_file_that_changed_after_the_fill_is_given_up_at_the_next_touch() {
    for change in changes() {
        let rig = Rig::with_memory(16 * MIB);
        let (on_disk, file) = file(64 * KIB);
        let body = segment(&file);
        rig.keep(1, &body);
        let before = rig.ask(1, &body).unwrap();
        change(on_disk.as_file());
        assert!(rig.ask(1, &body).is_none());
        assert_eq!(rig.shelf().metrics.stale.get(), 1);
        // Whoever was being served goes on with what was promised.
        let expected = [&b"moof"[..], &bytes(64 * KIB)[10..8010], &bytes(64 * KIB)[20_000..29_000]].concat();
        assert!(before.read_blocking(1 << 20).unwrap() == expected);
    }
}

#[test]
fn any_file_of_a_body_counts() {
    let rig = Rig::with_memory(16 * MIB);
    let ((_first, first), (second, other)) = (file(64 * KIB), file(64 * KIB));
    let mut body = segment(&first);
    body.push(FileExtent::whole(other));
    rig.keep(1, &body);
    assert!(rig.ask(1, &body).is_some());
    second.as_file().set_len(5).unwrap();
    assert!(rig.ask(1, &body).is_none());
}

#[test]
fn memory_stays_within_its_limit_also_while_old_bytes_are_being_sent() {
    let rig = Rig::with_memory(8 * MIB);
    let (_on_disk, file) = file(512 * KIB);
    let body = Body::from(FileExtent::whole(file));
    let mut sending = Vec::new();
    for number in 0..40 {
        rig.keep(number, &body);
        sending.extend(rig.ask(number, &body));
        assert!(rig.shelf().slabs.usage().used_bytes as u64 <= 8 * MIB);
    }
    let all = bytes(512 * KIB);
    assert!(sending.len() >= 12, "the memory is used: {}", sending.len());
    assert!(sending.iter().all(|body| body.read_blocking(1 << 20).unwrap() == all));
}

#[test]
fn without_memory_from_the_system_it_is_off() {
    let rig = Rig::with_memory(8 * MIB);
    let (_on_disk, file) = file(64 * KIB);
    let body = segment(&file);
    rig.keep(1, &body);
    rig.shelf().give_up(&FillError::NoRoom(std::io::Error::from(std::io::ErrorKind::OutOfMemory).into()));
    assert!(rig.ask(1, &body).is_none() && rig.ask(1, &body).is_none() && rig.ask(1, &body).is_none());
    assert_eq!(rig.fill(), 0);

    let off = HotSetLimits { memory_bytes: 0, ..HotSetLimits::default() };
    let off = HotSet::start(off, HotSetMetrics::new().unwrap(), rig.start);
    assert!(off.running.is_none() && off.warm(content(1), &body, rig.start).is_none());
}

/// A hundred segments that many watch, a little less than fits; then two people watch a film of 1,200 segments, the
/// second a little behind the first, so that each of its segments is asked for twice and read into memory.
#[test]
fn a_film_does_not_drive_out_what_many_watch() {
    const HOT: u64 = 100;
    let rig =
        Rig::new(HotSetLimits { memory_bytes: 8 * MIB, body_bytes_max: 64 * KIB, ..HotSetLimits::default() });
    let (_on_disk, file) = file(64 * KIB);
    let body = Body::from(FileExtent::whole(file));
    let ask = |number| {
        let is_hot = rig.ask(number, &body).is_some();
        rig.fill();
        is_hot
    };
    for _ in 0..12 {
        (0..HOT).for_each(|number| {
            ask(number);
        });
    }
    let mut hits = 0;
    for part in 0..1200 {
        ask(1000 + part);
        ask(1000 + part);
        hits += (0..5).filter(|step| ask((part * 5 + step) % HOT)).count();
    }
    // Of 6,000 requests for what is hot.
    assert!(hits >= 5700, "{hits} hits");
    assert!(rig.shelf().metrics.evictions.get() > 500, "the film was read and not kept");
}

#[test]
fn threads_fill_what_is_asked_for_and_end_with_the_hot_set() {
    let limits = HotSetLimits { memory_bytes: 16 * MIB, ..HotSetLimits::default() };
    let Rig { start, .. } = Rig::with_memory(MIB);
    let hot_set = HotSet::start(limits, HotSetMetrics::new().unwrap(), start);
    let (_on_disk, file) = file(64 * KIB);
    let body = segment(&file);
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                while hot_set.warm(content(1), &body, start).is_none() {
                    std::thread::yield_now();
                }
            });
        }
    });
    let shelf = Arc::downgrade(&hot_set.running.as_ref().unwrap().shelf);
    assert_eq!(shelf.upgrade().unwrap().metrics.filled_bytes.get(), body.len());
    drop(hot_set);
    while shelf.strong_count() > 0 {
        std::thread::yield_now();
    }
}
