//! Orders and snapshots as text.

use super::*;
use crate::control::orders::order::{NAME_BYTES_MAX, ORDER_BYTES_MAX, OrderError, URL_BYTES_MAX, Unknown};
use crate::control::orders::snapshot::{FEED_VERSION, Snapshot, SnapshotError};
use crate::control::orders::source::lines::{Line, Lines};

fn body(fields: &str) -> OrderBody {
    let line = format!(r#"{{"v":1,"seq":7,"at_us":9,{fields}}}"#);
    let order = Order::parse(line.as_bytes()).expect("an order");
    assert_eq!((order.seq, order.at), (7, UnixMicros(9)));
    order.body
}

#[test]
fn each_kind_is_read_as_documented_and_written_so_again() {
    let record = KeyRecord { kid: name("k"), environment: None, state: KeyState::Next, jwk: jwk("x") };
    let session = Revoked::Session(name("s"));
    let purge_of = |what, soft| OrderBody::Purge(Purge { what, environment: None, soft });
    let table = [
        (
            r#""kind":"key","change":"upsert","kid":"k","state":"next","jwk":{"kty":"oct","k":"x"}"#,
            OrderBody::Key(KeyChange::Upsert(record.clone())),
        ),
        (
            r#""kind":"key","change":"state","kid":"k","state":"retiring""#,
            OrderBody::Key(KeyChange::State { kid: name("k"), environment: None, state: KeyState::Retiring }),
        ),
        (
            r#""kind":"key","change":"remove","kid":"k""#,
            OrderBody::Key(KeyChange::Remove { kid: name("k"), environment: None }),
        ),
        (
            r#""kind":"key","change":"upsert","kid":"k","environment":"e","state":"next","jwk":{"kty":"oct","k":"x"}"#,
            OrderBody::Key(KeyChange::Upsert(KeyRecord { environment: Some(name("e")), ..record })),
        ),
        (
            r#""kind":"key","change":"state","kid":"k","environment":"e","state":"active""#,
            OrderBody::Key(KeyChange::State {
                kid: name("k"),
                environment: Some(name("e")),
                state: KeyState::Active,
            }),
        ),
        (
            r#""kind":"key","change":"remove","kid":"k","environment":"e""#,
            OrderBody::Key(KeyChange::Remove { kid: name("k"), environment: Some(name("e")) }),
        ),
        (
            r#""kind":"revoke","what":"session","id":"s","environment":"e","until_us":5"#,
            OrderBody::Revoke(Revocation {
                what: session,
                environment: Some(name("e")),
                until_us: UnixMicros(5),
            }),
        ),
        (
            r#""kind":"purge","what":"url","url":"/a?b","soft":true"#,
            purge_of(Purged::Url { url: UrlText::new("/a?b").expect("a URL") }, true),
        ),
        (
            r#""kind":"purge","what":"prefix","prefix":"/a/""#,
            purge_of(Purged::Prefix { prefix: UrlText::new("/a/").expect("a URL") }, false),
        ),
        (
            r#""kind":"purge","what":"surrogate_key","key":"asset-1""#,
            purge_of(Purged::SurrogateKey { key: name("asset-1") }, false),
        ),
        (r#""kind":"purge","what":"all""#, purge_of(Purged::All {}, false)),
        (r#""kind":"limits","environment":"e","token":{"burst":3},"later":[1]"#, limits("e", 3)),
    ];
    for (text, expected) in table {
        assert_eq!(body(text), expected, "{text}");
        let line = Order { seq: 7, at: UnixMicros(9), body: expected.clone() }.to_line().expect("a line");
        assert_eq!(Order::parse(line.as_bytes()).expect("an order").body, expected, "{line}");
    }
}

#[test]
fn what_is_not_understood_keeps_its_number() {
    let table = [
        (r#""kind":"galaxy","x":1"#, Unknown::Kind),
        (r#""kind":"revoke","what":"planet","id":"p","until_us":5"#, Unknown::Kind),
        (r#""kind":"key","change":"split","kid":"k""#, Unknown::Kind),
        (r#""kind":"revoke","what":"session","until_us":5"#, Unknown::Malformed),
        (r#""kind":"revoke","what":"session","id":"","until_us":5"#, Unknown::Malformed),
        (r#""kind":"revoke","what":"session","id":"a\nb","until_us":5"#, Unknown::Malformed),
        (r#""kind":"purge","what":"url","url":"a""#, Unknown::Malformed),
        (r#""kind":"purge","what":"url","url":"/a b""#, Unknown::Malformed),
        (r#""kind":"purge","soft":true"#, Unknown::Malformed),
        (r#""kind":"limits","token":{"burst":-1}"#, Unknown::Malformed),
        (r#""kind":7"#, Unknown::Malformed),
        (r#""none":7"#, Unknown::Malformed),
    ];
    for (text, why) in table {
        assert_eq!(body(text), OrderBody::Unknown(why), "{text}");
    }
}

#[test]
fn an_order_of_a_newer_version_is_known_by_its_number_only() {
    let line = br#"{"v":2,"seq":7,"at":"2030-01-01","kind":"purge","what":"all"}"#;
    let order = Order::parse(line).expect("an order");
    assert_eq!((order.seq, order.body), (7, OrderBody::Unknown(Unknown::Version)));
}

#[test]
fn a_line_without_a_number_is_no_order() {
    let table: [(&str, &str); 6] = [
        ("", "JSON"),
        ("[]", "JSON"),
        (r#"{"seq":1}"#, "`v`"),
        (r#"{"v":1}"#, "`seq`"),
        (r#"{"v":1,"seq":0}"#, "`seq`"),
        (r#"{"v":1,"seq":1.5}"#, "`seq`"),
    ];
    for (line, word) in table {
        let error = Order::parse(line.as_bytes()).expect_err(line).to_string();
        assert!(error.contains(word), "{line}: {error}");
    }
}

#[test]
fn lengths_hold_at_the_limit_and_not_one_past_it() {
    assert!(Name::new(&"n".repeat(NAME_BYTES_MAX)).is_some());
    assert!(Name::new(&"n".repeat(NAME_BYTES_MAX + 1)).is_none());
    assert!(UrlText::new(&format!("/{}", "u".repeat(URL_BYTES_MAX - 1))).is_some());
    assert!(UrlText::new(&format!("/{}", "u".repeat(URL_BYTES_MAX))).is_none());
    let line = |len: usize| format!("{:<len$}", r#"{"v":1,"seq":1,"kind":"purge","what":"all"}"#);
    assert!(Order::parse(line(ORDER_BYTES_MAX).as_bytes()).is_ok());
    let error = Order::parse(line(ORDER_BYTES_MAX + 1).as_bytes()).expect_err("one too many");
    assert_eq!(error, OrderError::TooLong { bytes: ORDER_BYTES_MAX + 1 });
}

#[test]
fn neither_errors_nor_debug_show_a_key() {
    let printed = format!("{:?}", key("k", KeyState::Active));
    assert!(printed.contains("Active") && !printed.contains("hidden"), "{printed}");
    let broken = br#"{"v":1,"seq":"hidden","jwk":"hidden" "#;
    assert!(!Order::parse(broken).expect_err("broken").to_string().contains("hidden"));
    let snapshot = br#"{"v":1,"feed":"f","seq":"hidden"}"#;
    assert!(!Snapshot::parse(snapshot).expect_err("broken").to_string().contains("hidden"));
}

#[test]
fn a_snapshot_leaves_out_what_it_does_not_know_and_counts_it() {
    let text =
        br#"{"v":1,"feed":"f","seq":9,"new":{},"keys":[{"kid":"k","state":"active","jwk":{}},{"kid":"k"}],
        "revocations":[{"what":"planet","id":"p","until_us":1},{"what":"subject","id":"p","until_us":1}]}"#;
    let snapshot = Snapshot::parse(text).expect("a snapshot");
    assert_eq!(
        (snapshot.seq, snapshot.keys.len(), snapshot.revocations.len(), snapshot.ignored),
        (9, 1, 1, 2)
    );
    let again = Snapshot::parse(snapshot.to_line().as_bytes()).expect("a snapshot");
    assert_eq!(again, Snapshot { ignored: 0, ..snapshot });
}

#[test]
fn a_feed_of_a_newer_version_is_refused_whatever_else_is_in_it() {
    let newer = FEED_VERSION + 1;
    let text = format!(r#"{{"v":{newer},"stream":[1,2]}}"#);
    assert_eq!(Snapshot::parse(text.as_bytes()), Err(SnapshotError::Newer(newer)));
    for text in
        ["", "{}", r#"{"v":0,"feed":"f"}"#, r#"{"v":1}"#, r#"{"v":1,"feed":"a b"}"#, r#"{"v":1,"feed":""}"#]
    {
        assert!(matches!(Snapshot::parse(text.as_bytes()), Err(SnapshotError::Malformed(_))), "{text}");
    }
}

#[test]
fn lines_are_the_same_however_the_bytes_are_cut() {
    let bytes = b"one\ntwo\r\n\nabcd\nabcde\nabcdefghijk\nend\nrest";
    let expected =
        [("one", true), ("two", true), ("", true), ("abcd", true), ("abcde", false), ("abcde", false)];
    for step in 1..bytes.len() {
        let mut lines = Lines::new(4);
        let mut seen = Vec::new();
        for piece in bytes.chunks(step) {
            lines.push(piece);
            while let Some(line) = lines.next_line() {
                seen.push(match line {
                    Line::Whole(line) => (String::from_utf8(line).expect("text"), true),
                    Line::TooLong { head } => (String::from_utf8(head).expect("text"), false),
                });
            }
        }
        assert_eq!(lines.taken(), bytes.len() as u64 - 4, "cut every {step}");
        let last = seen.pop().expect("a last line");
        assert_eq!(last, ("end".to_owned(), true), "cut every {step}");
        let expected: Vec<_> = expected.iter().map(|(text, whole)| ((*text).to_owned(), *whole)).collect();
        assert_eq!(seen, expected, "cut every {step}");
    }
}
