//! The side of the control plane: its tail and its log.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::control::orders::feed::{AppendError, LogError, TAIL_BYTES_MAX, TAIL_ORDERS_MAX};
use crate::control::orders::order::{ORDER_BYTES_MAX, Unknown};
use crate::control::orders::state_file::{StateError, StateFile};

const AT: UnixMicros = UnixMicros(1_000_000);

#[test]
fn the_tail_goes_back_as_far_as_its_limit_and_not_one_further() {
    let feed = OrderFeed::in_memory(feed_id("f"));
    for _ in 0..=TAIL_ORDERS_MAX {
        feed.append(purge("/a"), AT).expect("given");
    }
    let last = TAIL_ORDERS_MAX as u64 + 1;
    assert_eq!(tail(&feed, last), Some(Vec::new()));
    assert_eq!(tail(&feed, 1).map(|orders| orders.len()), Some(TAIL_ORDERS_MAX));
    assert_eq!(tail(&feed, 0), None, "the first was given up");
    assert_eq!(tail(&feed, last + 1), None, "of the future");
    assert_eq!(feed.after(&feed_id("g"), last, 1), Tail::Gone);
    let Tail::Orders(some) = feed.after(feed.id(), 7, 2) else { panic!("known") };
    assert_eq!(some.iter().map(|order| order.seq).collect::<Vec<_>>(), [8, 9]);
}

#[test]
fn the_tail_is_bounded_in_bytes() {
    let feed = OrderFeed::in_memory(feed_id("f"));
    let long = purge(&format!("/{}", "u".repeat(8000)));
    let bytes = 8000;
    for _ in 0..=TAIL_BYTES_MAX / bytes {
        feed.append(long.clone(), AT).expect("given");
    }
    assert_eq!(tail(&feed, 0), None);
}

#[test]
fn an_order_that_edges_would_not_read_is_not_given() {
    let feed = OrderFeed::in_memory(feed_id("f"));
    let mut record = KeyRecord { kid: name("k"), environment: None, state: KeyState::Next, jwk: jwk("") };
    record.jwk.insert("x5c".to_owned(), Value::String("a".repeat(ORDER_BYTES_MAX)));
    let too_long = feed.append(OrderBody::Key(KeyChange::Upsert(record)), AT);
    assert!(matches!(too_long, Err(AppendError::TooLong { .. })), "{too_long:?}");
    let unknown = feed.append(OrderBody::Unknown(Unknown::Kind), AT);
    assert!(matches!(unknown, Err(AppendError::Unknown)), "{unknown:?}");
    assert_eq!(feed.append(purge("/a"), AT).expect("given"), 1, "the number was not used");
}

#[test]
fn readers_wake_with_each_order() {
    let feed = OrderFeed::in_memory(feed_id("f"));
    let mut latest = feed.latest();
    assert_eq!(*latest.borrow_and_update(), 0);
    feed.append(purge("/a"), AT).expect("given");
    assert!(latest.has_changed().expect("the feed is there"));
    assert_eq!(*latest.borrow_and_update(), 1);
}

#[test]
fn a_log_cut_anywhere_gives_all_whole_orders_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders");
    let feed = OrderFeed::open(&path, feed_id("first")).expect("a new feed");
    let bodies = [key("k", KeyState::Active), revoke("s", u64::MAX), purge("/a"), limits("e", 1)];
    for body in bodies.clone() {
        feed.append(body, AT).expect("given");
    }
    drop(feed);
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    let whole = fs::read(&path).expect("a file");
    let head = whole.iter().position(|byte| *byte == b'\n').expect("a first line") + 1;
    for len in head..=whole.len() {
        fs::write(&path, &whole[..len]).expect("written");
        let feed = OrderFeed::open(&path, feed_id("second")).expect("repaired");
        let lines = whole[head..len].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(feed.id(), &feed_id("first"), "cut at {len}");
        let orders = tail(&feed, 0).expect("known");
        assert_eq!(
            orders.into_iter().map(|order| order.body).collect::<Vec<_>>(),
            bodies[..lines],
            "cut at {len}"
        );
        assert_eq!(feed.append(purge("/b"), AT).expect("given"), lines as u64 + 1);
        drop(feed);
        let feed = OrderFeed::open(&path, feed_id("third")).expect("whole");
        assert_eq!(tail(&feed, 0).expect("known").len(), lines + 1, "cut at {len}");
    }
}

#[test]
fn a_log_that_is_damaged_within_is_refused_and_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders");
    let feed = OrderFeed::open(&path, feed_id("f")).expect("a new feed");
    for _ in 0..3 {
        feed.append(purge("/a"), AT).expect("given");
    }
    let text = fs::read_to_string(&path).expect("a file");
    let table = [
        (text.replace(r#""seq":2"#, r#""seq""#), "line 3"),
        (text.replace(r#""seq":2"#, r#""seq":4"#), "line 3"),
        (text.replacen(r#""v":1"#, r#""v":2"#, 1), "version 2"),
        (String::new(), "first line"),
        ("not a log\n".to_owned(), "no log"),
    ];
    for (text, word) in table {
        fs::write(&path, text).expect("written");
        let error = OrderFeed::open(&path, feed_id("f")).expect_err(word).to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_log_of_a_later_program_keeps_the_orders_that_only_others_understand() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders");
    drop(OrderFeed::open(&path, feed_id("f")).expect("a new feed"));
    let line = r#"{"v":2,"seq":1,"kind":"teleport"}"#;
    let mut file = fs::File::options().append(true).open(&path).expect("a file");
    writeln!(file, "{line}").expect("written");
    let feed = OrderFeed::open(&path, feed_id("f")).expect("the same feed");
    let Tail::Orders(orders) = feed.after(feed.id(), 0, 9) else { panic!("known") };
    assert_eq!(&*orders[0].line, line);
    assert_eq!(feed.append(purge("/a"), AT).expect("given"), 2);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = OrderFeed::open("/nowhere/at/all/orders".as_ref(), feed_id("f")).expect_err("no folder");
    assert!(matches!(error, LogError::Io { .. }) && error.to_string().contains("/nowhere/at/all"), "{error}");
}

#[test]
fn the_state_on_disk_is_whole_or_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = StateFile::new(folder.path().join("state"));
    assert!(file.load().expect("readable").is_none(), "never saved");
    let feed = OrderFeed::in_memory(feed_id("f"));
    feed.append(key("k", KeyState::Active), AT).expect("given");
    file.save(&feed.snapshot()).expect("saved");
    feed.append(revoke("s", 9), AT).expect("given");
    file.save(&feed.snapshot()).expect("saved over the first");
    assert_eq!(file.load().expect("readable"), Some(feed.snapshot()));
    assert_eq!(fs::metadata(file.path()).expect("a file").permissions().mode() & 0o777, 0o600);
    let whole = fs::read(file.path()).expect("a file");
    for len in 0..whole.len() {
        fs::write(file.path(), &whole[..len]).expect("written");
        assert!(matches!(file.load(), Err(StateError::Damaged { .. })), "cut at {len}");
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(file.path(), &flipped).expect("written");
        assert!(file.load().is_err(), "flipped at {at}");
    }
    let newer = String::from_utf8(whole).expect("text").replacen(" 1 ", " 2 ", 1);
    fs::write(file.path(), newer).expect("written");
    assert!(matches!(file.load(), Err(StateError::Version { version: 2, .. })));
}
