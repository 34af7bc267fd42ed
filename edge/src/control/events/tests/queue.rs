//! The queue on disk: crashes, limits, and what is set aside.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::control::events::event::{Batch, BatchId};
use crate::control::events::intake::{Seen, Taken};
use crate::control::events::queue::{Lost, Queue, QueueLimits};

const NOW: UnixMicros = UnixMicros(1_000_000_000);

/// Names of batches that follow one another, from `first`.
fn names(first: u128) -> impl FnMut() -> u128 + Send + 'static {
    let mut next = first;
    move || {
        next += 1;
        next
    }
}

fn limits() -> QueueLimits {
    QueueLimits { segment_bytes: 600, ..QueueLimits::default() }
}

fn open(folder: &Path, limits: QueueLimits) -> Queue {
    Queue::open(folder, name("edge-1"), limits, names(0)).expect("a queue")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

fn numbers(body: &[u8]) -> Vec<u64> {
    Batch::parse(body).expect("a batch").events.iter().map(number_of).collect()
}

#[test]
fn what_was_told_is_sent_in_sequence_and_gone_when_it_arrived() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = open(folder.path(), limits());
    queue.append(&(1..=9).map(beat).collect::<Vec<_>>(), NOW).expect("written");
    queue.close().expect("closed");
    let mut told = Vec::new();
    while let Some(due) = queue.due().expect("readable") {
        assert_eq!(queue.due().expect("readable").as_ref(), Some(&due), "until it arrived");
        told.extend(numbers(&due.body));
        queue.delivered(due.number).expect("removed");
    }
    assert_eq!(told, (1..=9).collect::<Vec<_>>());
    assert_eq!((queue.bytes(), queue.batches(), queue.lost()), (0, 0, Lost::default()));
    assert_eq!(files(folder.path()), [] as [PathBuf; 0]);
}

#[test]
fn a_segment_closes_by_age_and_an_empty_one_is_not_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = open(folder.path(), limits());
    queue.close_if_old(NOW).expect("nothing to close");
    queue.append(&[beat(1)], NOW).expect("written");
    let age = limits().segment_age;
    queue.close_if_old(UnixMicros(NOW.plus(age).0 - 1)).expect("too young");
    assert_eq!(queue.batches(), 0);
    queue.close_if_old(NOW.plus(age)).expect("closed");
    assert_eq!(queue.batches(), 1);
    queue.append(&[beat(2)], NOW).expect("written");
    queue.close_if_old(UnixMicros(NOW.0 - 1)).expect("the clock went back");
    assert_eq!(queue.batches(), 2);
    queue.close().expect("nothing to close");
    assert_eq!(queue.batches(), 2);
}

#[test]
fn the_oldest_go_when_it_is_full_and_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = open(folder.path(), QueueLimits { batches: 2, ..limits() });
    for (number, waiting) in [(1, 1), (2, 2), (3, 2)] {
        queue.append(&[beat(number), beat(number)], NOW).expect("written");
        queue.close().expect("closed");
        let lost = if number == 3 { Lost { batches: 1, events: 2, dead: 0 } } else { Lost::default() };
        assert_eq!((queue.batches(), queue.lost()), (waiting, lost));
    }
    assert_eq!(numbers(&queue.due().expect("readable").expect("a batch").body), [2, 2]);
    let bytes = queue.bytes();
    drop(queue);
    let mut tight = open(folder.path(), QueueLimits { bytes, ..limits() });
    assert_eq!((tight.bytes(), tight.lost().batches), (bytes, 0), "at the limit");
    tight.append(&[beat(9)], NOW).expect("written");
    tight.close().expect("closed");
    assert!(tight.bytes() <= bytes && tight.lost().batches == 1);
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn what_is_refused_is_set_aside_bounded_and_never_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = QueueLimits { dead: 2, ..limits() };
    let mut queue = open(folder.path(), limits);
    for number in 1..=3 {
        queue.append(&[beat(number)], NOW).expect("written");
        queue.close().expect("closed");
        let due = queue.due().expect("readable").expect("a batch");
        queue.set_aside(due.number).expect("moved");
    }
    assert_eq!(queue.lost().dead, 3);
    assert_eq!(files(&folder.path().join("dead")).len(), 2);
    drop(queue);
    let mut queue = open(folder.path(), limits);
    assert_eq!(queue.due().expect("readable"), None);
    queue.append(&[beat(4)], NOW).expect("written");
    queue.close().expect("closed");
    let due = queue.due().expect("readable").expect("a batch");
    assert!(due.number > 3, "numbers of those set aside are not used again");
}

#[test]
fn files_that_are_no_segments_are_set_aside_and_foreign_ones_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("00000000000000000003.events"), "nonsense\n").expect("written");
    fs::write(at("00000000000000000004.events"), "torn head").expect("written");
    fs::write(at("00000000000000000005.events"), "").expect("written");
    fs::write(at("notes.txt"), "mine").expect("written");
    let queue = open(folder.path(), limits());
    assert_eq!((queue.batches(), queue.lost().dead), (0, 1));
    assert_eq!(files(folder.path()), [at("notes.txt")]);
    assert_eq!(files(&folder.path().join("dead")).len(), 1);
}

#[test]
fn an_event_that_cannot_be_written_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = open(folder.path(), limits());
    queue.append(&[Event::Unknown, beat(1)], NOW).expect("written");
    assert_eq!(queue.lost().events, 1);
    fs::remove_dir_all(folder.path()).expect("removed");
    queue.close().expect_err("no folder to sync");
    queue.append(&[beat(2), beat(3)], NOW).expect_err("no folder");
    assert_eq!(queue.lost().events, 3);
}

#[derive(Debug, Clone)]
enum Step {
    Tell(u8),
    Sync,
    Close,
    /// The oldest is sent and arrives; whether the edge hears of it.
    Send {
        heard: bool,
    },
    /// The process and what was not synced are gone: the file that was being written is cut so far into it.
    Crash {
        cut: u16,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..4_u8).prop_map(Step::Tell),
        2 => Just(Step::Sync),
        1 => Just(Step::Close),
        2 => any::<bool>().prop_map(|heard| Step::Send { heard }),
        2 => any::<u16>().prop_map(|cut| Step::Crash { cut }),
    ];
    proptest::collection::vec(step, 0..50)
}

/// An edge and a control plane.
struct Scene {
    folder: tempfile::TempDir,
    queue: Option<Queue>,
    next: u64,
    restarts: u128,
    synced: BTreeSet<u64>,
    written: BTreeSet<u64>,
    /// The file being written and its length when it was last synced.
    last_sync: Option<(PathBuf, u64)>,
    seen: Seen,
    counted: Vec<u64>,
    ids: BTreeSet<BatchId>,
}

impl Scene {
    fn queue(&mut self) -> &mut Queue {
        let (folder, restarts) = (self.folder.path(), self.restarts);
        self.queue.get_or_insert_with(|| {
            Queue::open(folder, name("n"), limits(), names(restarts << 32)).expect("a queue")
        })
    }

    fn is_synced(&mut self) {
        self.synced.append(&mut self.written);
        let last = files(self.folder.path()).pop();
        self.last_sync = last.map(|path| (path.clone(), fs::metadata(path).expect("a file").len()));
    }

    fn send(&mut self, heard: bool) -> bool {
        let Some(due) = self.queue().due().expect("readable") else { return false };
        self.ids.insert(due.id);
        if let Taken::New(batch) = self.seen.take(&due.body) {
            self.counted.extend(batch.events.iter().map(number_of));
        }
        if heard {
            self.queue().delivered(due.number).expect("removed");
            // After a restart another file may have its number.
            self.last_sync.take_if(|(path, _)| !path.exists());
        }
        true
    }

    fn crash(&mut self, cut: u16) {
        let rolled = self.queue.as_ref().map_or(0, Queue::batches);
        self.queue = None;
        self.restarts += 1;
        // Only the newest file can be torn, and only behind what was synced: closed ones were synced as they closed.
        let Some(newest) = files(self.folder.path()).pop() else { return };
        let len = fs::metadata(&newest).expect("a file").len();
        let safe = match &self.last_sync {
            Some((path, len)) if *path == newest => *len,
            _ if files(self.folder.path()).len() > rolled => 0,
            _ => len,
        };
        let file = fs::File::options().write(true).open(&newest).expect("a file");
        file.set_len(safe + u64::from(cut) % (len - safe + 1)).expect("cut");
        self.written.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_synced_is_counted_once_whatever_crashes_and_is_sent_again(steps in steps()) {
        let mut scene = Scene {
            folder: tempfile::tempdir().expect("a folder"),
            queue: None,
            next: 0,
            restarts: 0,
            synced: BTreeSet::new(),
            written: BTreeSet::new(),
            last_sync: None,
            seen: Seen::new(1000),
            counted: Vec::new(),
            ids: BTreeSet::new(),
        };
        for step in steps {
            match step {
                Step::Tell(count) => {
                    for _ in 0..count {
                        scene.next += 1;
                        let number = scene.next;
                        scene.queue().append(&[beat(number)], NOW).expect("written");
                        scene.written.insert(number);
                    }
                }
                Step::Sync => {
                    scene.queue().sync().expect("synced");
                    scene.is_synced();
                }
                Step::Close => {
                    scene.queue().close().expect("closed");
                    scene.is_synced();
                }
                Step::Send { heard } => {
                    scene.send(heard);
                }
                Step::Crash { cut } => scene.crash(cut),
            }
        }
        scene.queue().close().expect("closed");
        scene.is_synced();
        while scene.send(true) {}
        let once: BTreeSet<u64> = scene.counted.iter().copied().collect();
        prop_assert_eq!(once.len(), scene.counted.len(), "none is counted twice");
        prop_assert!(scene.synced.is_subset(&once), "all that was synced: {:?} {:?}", scene.synced, once);
        prop_assert_eq!(scene.queue().lost(), Lost::default());
        prop_assert_eq!(files(scene.folder.path()), [] as [PathBuf; 0]);
    }
}

#[test]
fn limits_by_default_fit_into_a_batch() {
    let limits = QueueLimits::default();
    assert!(limits.segment_bytes * 2 <= crate::control::events::event::BATCH_BYTES_MAX as u64);
    assert!(limits.segment_age > Duration::ZERO && limits.bytes > limits.segment_bytes);
}
