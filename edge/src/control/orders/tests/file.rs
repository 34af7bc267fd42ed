//! Orders out of a file that changes.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::control::orders::ledger::{Applied, Ledger};
use crate::control::orders::source::Heard;
use crate::control::orders::source::file::{FileError, FileSource};

const AT: UnixMicros = UnixMicros(1_000_000);

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders");
    Place { _folder: folder, path }
}

fn add(path: &Path, text: &str) {
    let mut file = File::options().append(true).create(true).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("written");
}

fn line(seq: u64) -> String {
    let order = Order { seq, at: AT, body: purge(&format!("/{seq}")) };
    format!("{}\n", order.to_line().expect("a line"))
}

/// The numbers of what was heard; 0 for a beginning.
fn numbers(heard: &[Heard]) -> Vec<u64> {
    let number = |one: &Heard| match one {
        Heard::Beginning(_) | Heard::Snapshot(_) => Some(0),
        Heard::Order(order) => Some(order.seq),
        Heard::Unreadable(_) | Heard::Alive => None,
    };
    heard.iter().filter_map(number).collect()
}

#[test]
fn lines_are_heard_when_they_are_whole() {
    let place = place();
    let mut source = FileSource::new(&place.path);
    let missing = source.poll().expect_err("no file yet").to_string();
    assert!(missing.contains("orders"), "{missing}");
    add(&place.path, "{\"v\":1,\"feed\":\"by-hand\"}\n");
    assert_eq!(numbers(&source.poll().expect("readable")), [0]);
    let first = line(1);
    let (front, back) = first.split_at(20);
    add(&place.path, front);
    assert_eq!(source.poll().expect("readable"), []);
    add(&place.path, back);
    add(&place.path, &line(2));
    assert_eq!(numbers(&source.poll().expect("readable")), [1, 2]);
    assert_eq!(source.poll().expect("readable"), []);
}

#[test]
fn a_line_that_cannot_be_read_does_not_stop_the_next() {
    let place = place();
    add(&place.path, "{\"v\":1,\"feed\":\"by-hand\"}\r\n");
    add(&place.path, &format!("{}nonsense\n\n{}{}", line(1), "x".repeat(100_000), "\n"));
    add(&place.path, &line(4));
    let heard = FileSource::new(&place.path).poll().expect("readable");
    assert_eq!(numbers(&heard), [0, 1, 4]);
    assert_eq!(heard.iter().filter(|one| matches!(one, Heard::Unreadable(_))).count(), 2);
    let mut ledger = Ledger::new();
    for one in heard {
        match one {
            Heard::Beginning(snapshot) => drop(ledger.begin(snapshot, AT)),
            Heard::Order(order) => {
                ledger.skip_to(order.seq);
                assert!(matches!(ledger.apply(order, AT), Applied::Now(_)));
            }
            _ => {}
        }
    }
    assert_eq!(ledger.position().map(|(_, seq)| seq), Some(4));
}

#[test]
fn a_first_line_that_names_no_feed_is_refused_with_an_example() {
    let place = place();
    let mut source = FileSource::new(&place.path);
    add(&place.path, &line(1));
    let error = source.poll().expect_err("no head");
    assert!(matches!(error, FileError::Head { .. }), "{error}");
    assert!(error.to_string().contains(r#"{"v":1,"feed":"by-hand"}"#), "{error}");
    fs::write(&place.path, "{\"v\":1,\"feed\":\"by-hand\"}\n").expect("mended");
    assert_eq!(numbers(&source.poll().expect("readable")), [0]);
}

#[test]
fn what_was_written_before_a_file_was_renamed_over_is_heard_first() {
    let place = place();
    let mut source = FileSource::new(&place.path);
    add(&place.path, "{\"v\":1,\"feed\":\"f\"}\n");
    assert_eq!(numbers(&source.poll().expect("readable")), [0]);
    add(&place.path, &line(1));
    let next = place.path.with_extension("next");
    add(&next, "{\"v\":1,\"feed\":\"f\",\"seq\":1}\n");
    add(&next, &line(2));
    fs::rename(&next, &place.path).expect("renamed");
    assert_eq!(numbers(&source.poll().expect("readable")), [1], "out of the old file");
    assert_eq!(numbers(&source.poll().expect("readable")), [0, 2], "out of the new one");
    fs::remove_file(&place.path).expect("removed");
    assert_eq!(source.poll().expect("the file that is open"), []);
}

#[test]
fn a_file_that_was_emptied_or_begins_differently_is_read_anew() {
    let place = place();
    let mut source = FileSource::new(&place.path);
    add(&place.path, &format!("{{\"v\":1,\"feed\":\"f\"}}\n{}{}", line(1), line(2)));
    assert_eq!(numbers(&source.poll().expect("readable")), [0, 1, 2]);
    let file = File::options().write(true).open(&place.path).expect("a file");
    file.set_len(0).expect("emptied");
    assert_eq!(source.poll().expect("readable"), []);
    add(&place.path, &format!("{{\"v\":1,\"feed\":\"g\"}}\n{}{}", line(1), line(2)));
    assert_eq!(numbers(&source.poll().expect("readable")), [0, 1, 2]);
    // In place, not shorter, with another first line.
    fs::write(&place.path, format!("{{\"v\":1,\"feed\":\"h\"}}\n{}{}{}", line(1), line(2), line(3)))
        .expect("written");
    File::options()
        .write(true)
        .open(&place.path)
        .and_then(|file| file.set_modified(std::time::UNIX_EPOCH))
        .expect("a time of its own");
    assert_eq!(numbers(&source.poll().expect("readable")), [0, 1, 2, 3]);
}

#[test]
fn the_log_of_a_feed_is_followed_through_its_rewriting() {
    let place = place();
    let feed = OrderFeed::open_bounded(&place.path, feed_id("f"), 4096).expect("a feed");
    let mut source = FileSource::new(&place.path);
    let mut ledger = Ledger::new();
    let mut purges = 0;
    let mut follow = |ledger: &mut Ledger| {
        for one in source.poll().expect("readable") {
            let effects = match one {
                Heard::Beginning(snapshot) => ledger.begin(snapshot, AT),
                Heard::Order(order) => match ledger.apply(order, AT) {
                    Applied::Now(effects) => effects,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            };
            purges += effects.iter().filter(|effect| follower::is_blanket(effect)).count();
        }
    };
    // Longer than the log may be, some times over; one key, so that the state stays small.
    let mut files = std::collections::BTreeSet::new();
    for _ in 0..200 {
        feed.append(key("k", KeyState::Active), AT).expect("given");
        files.insert(fs::metadata(&place.path).expect("a file").ino());
        if feed.snapshot().seq.is_multiple_of(3) {
            follow(&mut ledger);
            follow(&mut ledger);
        }
    }
    assert!(files.len() > 1, "it was never written anew");
    follow(&mut ledger);
    follow(&mut ledger);
    assert!(fs::metadata(&place.path).expect("a file").len() < 2 * 4096);
    assert_eq!(ledger.snapshot(), Some(feed.snapshot()));
    assert_eq!(purges, 0, "no order was missed");
}
