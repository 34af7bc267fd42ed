//! Orders: a line, a snapshot, and a stream of them cut anywhere.
//!
//! Input of `orders`: a first byte that says where the stream is cut, then the stream; the same bytes are read as a line and as a snapshot.

use rillcast_edge::control::events::event::Batch;
use rillcast_edge::control::events::segment::{Segment, line};
use rillcast_edge::control::orders::ledger::Ledger;
use rillcast_edge::control::orders::order::{Order, OrderBody, UnixMicros};
use rillcast_edge::control::orders::snapshot::{FeedId, Snapshot};
use rillcast_edge::control::orders::source::sse::{Said, SseReader};

/// What is read is written again and means the same; a ledger takes it in any order.
pub fn orders(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    one_line(stream);
    if let Ok(snapshot) = Snapshot::parse(stream) {
        let again = Snapshot::parse(snapshot.to_line().as_bytes()).expect("what we write");
        assert_eq!(again, Snapshot { ignored: 0, ..snapshot });
    }
    let whole = said(stream, stream.len().max(1));
    assert_eq!(whole, said(stream, usize::from(*cut).max(1)), "a cut changes nothing");
    let mut ledger = Ledger::bounded(4);
    ledger.load(Snapshot::empty(FeedId::of_random(1)), UnixMicros(0));
    for said in whole {
        if let Said::Order(bytes) = said
            && let Some(order) = one_line(&bytes)
        {
            ledger.skip_to(order.seq);
            let at = order.at;
            ledger.apply(order, at);
        }
    }
    assert!(ledger.revocations() <= 4);
    let state = ledger.snapshot().expect("it has a feed");
    let mut other = Ledger::bounded(4);
    other.load(state.clone(), UnixMicros(0));
    assert_eq!(other.snapshot(), Some(state), "a state is taken over whole");
}

/// What is on disk is whole from the front, and what is sent of it can be read.
pub fn event_segment(data: &[u8]) {
    check_segment(data);
    // Lines with checksums that are right: a fuzzer does not find them.
    let mut sealed = String::new();
    for json in String::from_utf8_lossy(data).lines() {
        sealed.push_str(&line(json));
    }
    check_segment(sealed.as_bytes());
    drop(Batch::parse(data));
}

fn check_segment(bytes: &[u8]) {
    let Ok(segment) = Segment::read(bytes) else { return };
    let whole = bytes.get(..segment.len).expect("no more than there is");
    assert_eq!(Segment::read(whole), Ok(segment.clone()));
    let body = segment.to_body();
    if let Ok(batch) = Batch::parse(&body) {
        assert_eq!((batch.id, batch.made_at), (segment.head.id, segment.head.made_at_us));
    }
}

fn one_line(bytes: &[u8]) -> Option<Order> {
    let order = Order::parse(bytes).ok()?;
    assert!(order.seq > 0);
    match order.to_line() {
        // Written shorter or longer than it came: escapes, blanks.
        Some(line) => {
            if let Ok(again) = Order::parse(line.as_bytes()) {
                assert_eq!(again, order);
            }
        }
        None => assert!(matches!(order.body, OrderBody::Unknown(_))),
    }
    Some(order)
}

fn said(stream: &[u8], step: usize) -> Vec<Said> {
    let mut reader = SseReader::default();
    let mut all = Vec::new();
    for piece in stream.chunks(step) {
        reader.push(piece);
        while let Some(said) = reader.said() {
            all.push(said);
        }
    }
    all
}
