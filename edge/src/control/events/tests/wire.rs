//! Batches, segments, tallies and what was seen.

use super::*;
use crate::control::events::event::{BATCH_BYTES_MAX, Batch, BatchError, BatchId, EVENT_BYTES_MAX};
use crate::control::events::intake::{Seen, Taken};
use crate::control::events::segment::{Head, Segment, SegmentError, line};
use crate::control::events::sender::Verdict;
use crate::control::events::tally::{ASSETS_MAX, Exchange, Tally};
use crate::control::orders::order::NAME_BYTES_MAX;

fn head() -> Head {
    Head::new(BatchId(0xabc), name("edge-1"), UnixMicros(9))
}

fn segment(events: &[Event]) -> Vec<u8> {
    let mut text = head().to_line();
    for event in events {
        text.push_str(&line(&event.to_json().expect("a known event")));
    }
    text.into_bytes()
}

#[test]
fn what_is_written_is_what_is_sent_and_read() {
    let events = vec![beat(1), started("c"), beat(2)];
    let bytes = segment(&events);
    let read = Segment::read(&bytes).expect("a segment");
    assert_eq!(read.len, bytes.len());
    let batch = Batch::parse(&read.to_body()).expect("a batch");
    assert_eq!(batch, Batch { id: BatchId(0xabc), node: name("edge-1"), made_at: UnixMicros(9), events });
    let empty = segment(&[]);
    assert_eq!(Batch::parse(&Segment::read(&empty).expect("a head").to_body()).expect("a batch").events, []);
}

#[test]
fn the_text_of_a_batch_is_as_documented() {
    let body = Segment::read(&segment(&[started("c")])).expect("a segment").to_body();
    let expected = concat!(
        r#"{"v":1,"id":"00000000000000000000000000000abc","node":"edge-1","made_at_us":9,"events":["#,
        r#"{"event":"channel_started","channel":"c","session":"p1","at_us":5}]}"#
    );
    assert_eq!(String::from_utf8(body).expect("text"), expected);
    let Event::SessionBeat(written) = beat(3) else { unreachable!("a beat") };
    let json: serde_json::Value = serde_json::to_value(&written).expect("JSON");
    assert_eq!((&json["requests"], &json["asset"]), (&3.into(), &"/vod/a".into()), "sums lie flat");
}

#[test]
fn a_segment_cut_or_flipped_anywhere_gives_only_whole_events_from_the_front() {
    let events = [beat(1), beat(2), beat(3)];
    let bytes = segment(&events);
    let all: Vec<String> = events.iter().filter_map(Event::to_json).collect();
    let head_len = head().to_line().len();
    for len in 0..bytes.len() {
        match Segment::read(&bytes[..len]) {
            Ok(read) => {
                assert!(read.len <= len && len >= head_len);
                assert_eq!(read.events, all[..read.events.len()]);
                assert!(read.events.len() < 3, "cut at {len}");
            }
            Err(error) => assert!(error == SegmentError::Head && len < head_len, "cut at {len}"),
        }
        let mut flipped = bytes.clone();
        flipped[len] ^= 4;
        if let Ok(read) = Segment::read(&flipped) {
            assert_eq!(read.events, all[..read.events.len()], "flipped at {len}");
            assert!(read.events.len() < 3, "flipped at {len}");
        }
    }
}

#[test]
fn versions_to_come_are_refused_and_kinds_to_come_are_passed_over() {
    let newer = line(r#"{"v":2,"id":7}"#);
    assert_eq!(Segment::read(newer.as_bytes()), Err(SegmentError::Version(2)));
    assert_eq!(Batch::parse(br#"{"v":2,"what":[]}"#), Err(BatchError::Newer(2)));
    let id = BatchId(1);
    let batch = |events: &str| {
        format!(r#"{{"v":1,"id":"{id}","node":"n","made_at_us":1,"more":1,"events":[{events}]}}"#)
    };
    let mixed = batch(
        r#"{"event":"teleport","x":1},{"event":"channel_ended"},7,{"event":"channel_started","channel":"c","session":"p1","at_us":5,"new":2}"#,
    );
    let read = Batch::parse(mixed.as_bytes()).expect("a batch");
    assert_eq!(read.events, [Event::Unknown, Event::Unknown, Event::Unknown, started("c")]);
    assert_eq!(Event::Unknown.to_json(), None);
    for wrong in
        ["", "{}", r#"{"v":0}"#, r#"{"v":1}"#, r#"{"v":1,"id":"x","node":"n","made_at_us":1,"events":[]}"#]
    {
        assert!(matches!(Batch::parse(wrong.as_bytes()), Err(BatchError::Malformed(_))), "{wrong}");
    }
}

#[test]
fn lengths_hold_at_the_limit_and_not_one_past_it() {
    let id = BatchId(1);
    let text = format!(r#"{{"v":1,"id":"{id}","node":"n","made_at_us":1,"events":[]}}"#);
    let padded = |len: usize| {
        let mut bytes = text.clone().into_bytes();
        bytes.resize(len, b' ');
        bytes
    };
    assert!(Batch::parse(&padded(BATCH_BYTES_MAX)).is_ok());
    let error = Batch::parse(&padded(BATCH_BYTES_MAX + 1)).expect_err("one too many");
    assert_eq!(error, BatchError::TooLarge { bytes: BATCH_BYTES_MAX + 1 });
    let longest = || Some(name(&"\"".repeat(NAME_BYTES_MAX)));
    let (session, environment, asset) = (longest(), longest(), longest());
    let sums = Sums { bytes: u64::MAX, ..Sums::default() };
    let beat = SessionBeat { session, environment, asset, sums, ..SessionBeat::default() };
    let json = Event::SessionBeat(beat).to_json().expect("every event of ours fits");
    assert!(json.len() < EVENT_BYTES_MAX);
}

#[test]
fn ids_are_read_as_they_are_written() {
    let id = BatchId(u128::MAX - 5);
    assert_eq!(BatchId::parse(&id.to_string()), Some(id));
    for wrong in ["", "0", &"f".repeat(33), &"F".repeat(32), &format!("+{}", "0".repeat(31))] {
        assert_eq!(BatchId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_batch_is_taken_once_as_long_as_it_is_remembered() {
    let mut seen = Seen::new(2);
    let body = |id: u128| {
        let id = BatchId(id);
        format!(r#"{{"v":1,"id":"{id}","node":"n","made_at_us":1,"events":[]}}"#).into_bytes()
    };
    let taken: Vec<_> = [1, 1, 2, 1].map(|id| seen.take(&body(id)).status().as_u16()).into();
    assert_eq!(taken, [202, 409, 202, 409]);
    assert!(matches!(seen.take(&body(3)), Taken::New(_)), "and the first is forgotten");
    assert!(!seen.knows(BatchId(1)) && seen.knows(BatchId(2)));
    let statuses = [b"{".to_vec(), br#"{"v":9}"#.to_vec(), vec![b' '; BATCH_BYTES_MAX + 1]];
    assert_eq!(statuses.map(|body| seen.take(&body).status().as_u16()), [400, 415, 413]);
}

#[test]
fn what_a_status_means_for_a_batch() {
    let verdict = |status: u16| match Verdict::of_status(status.try_into().expect("a status")) {
        Verdict::Arrived => "arrived",
        Verdict::Refused(_) => "refused",
        Verdict::Later(_) => "later",
    };
    let table = [(200, "arrived"), (202, "arrived"), (204, "arrived"), (409, "arrived"), (400, "refused")];
    let more = [(413, "refused"), (415, "refused"), (401, "later"), (403, "later"), (404, "later")];
    let rest =
        [(408, "later"), (425, "later"), (429, "later"), (500, "later"), (503, "later"), (302, "later")];
    for (status, expected) in table.into_iter().chain(more).chain(rest) {
        assert_eq!(verdict(status), expected, "{status}");
    }
}

fn add(tally: &mut Tally, session: &str, asset: &str, bytes: u64) {
    let sums = Sums { requests: 1, bytes, ..Sums::default() };
    tally.add(&Exchange { session, environment: Some("e"), asset, sums });
}

/// What a tally says, by session and asset.
fn beats(tally: &mut Tally) -> Vec<(Option<String>, Option<String>, u64, u64)> {
    let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
    let read = |event: Event| {
        let Event::SessionBeat(beat) = event else { panic!("beats only") };
        (text(&beat.session), text(&beat.asset), beat.sums.requests, beat.sums.bytes)
    };
    let mut beats: Vec<_> = tally.beats(UnixMicros(1), UnixMicros(2)).into_iter().map(read).collect();
    beats.sort();
    beats
}

#[test]
fn exchanges_add_up_by_session_and_asset_and_only_until_they_are_told() {
    let mut tally = Tally::default();
    for bytes in [5, 6] {
        add(&mut tally, "s", "/a", bytes);
        add(&mut tally, "s", "/b", bytes);
        add(&mut tally, "t", "/a", bytes);
    }
    let some = |text: &str| Some(text.to_owned());
    let expected = [("s", "/a"), ("s", "/b"), ("t", "/a")].map(|(s, a)| (some(s), some(a), 2, 11));
    assert_eq!(beats(&mut tally), expected);
    assert_eq!(beats(&mut tally), []);
}

#[test]
fn sessions_and_assets_past_the_limit_are_summed_and_none_is_lost() {
    let mut tally = Tally::new(2);
    for session in ["a", "b", "c", "d", "a"] {
        add(&mut tally, session, "/x", 10);
    }
    for asset in 0..=ASSETS_MAX + 1 {
        add(&mut tally, "b", &format!("/{asset}"), 1);
    }
    let beats = beats(&mut tally);
    assert_eq!(beats[0], (None, None, 2, 20), "sessions c and d");
    let of_b: Vec<_> = beats.iter().filter(|beat| beat.0.as_deref() == Some("b")).collect();
    assert_eq!(of_b.len(), ASSETS_MAX + 1, "and one row for the rest");
    assert_eq!((of_b[0].1.as_deref(), of_b[0].2), (None, 3));
    assert_eq!(beats.iter().map(|beat| beat.3).sum::<u64>(), 50 + ASSETS_MAX as u64 + 2);
}
