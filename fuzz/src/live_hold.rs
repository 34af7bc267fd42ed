//! Blocking playlists: the directives of a request, and what is read of a playlist.

use std::time::Duration;

use rillcast_edge::live_hold::{Decision, Directives, Facts, Impossible, MAX_HINT_BYTES, Position, decide};

/// Directives: their order does not matter, a position is read back as it is written, and every playlist has an answer.
pub fn directives(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let read = Directives::parse(query);
    let reversed: Vec<_> = query.split('&').rev().collect();
    let again = Directives::parse(&reversed.join("&"));
    assert_eq!(read.is_ok(), again.is_ok());
    let Ok(read) = read else { return };
    assert_eq!(Ok(read), again);
    let Some(directives) = read else { return };
    let facts = Facts {
        target_duration: Duration::from_secs(4),
        part_target: Some(Duration::from_millis(500)),
        next_msn: 100,
        last_parts: 8,
        open_parts: 3,
        can_block: true,
        can_skip_until: None,
        has_ended: false,
        hint: None,
    };
    let Some(position) = directives.position else {
        assert_eq!(decide(&facts, &directives), Ok(Decision::Now));
        return;
    };
    let written = Directives::parse(&position.in_query(None));
    assert_eq!(written.ok().flatten().and_then(|directives| directives.position), Some(position));
    match decide(&facts, &directives) {
        Ok(Decision::Now) => assert!(position.msn <= facts.next_msn),
        Ok(Decision::Wait(awaited)) => {
            assert_eq!(awaited, position);
            assert!((100..=101).contains(&position.msn));
        }
        Err(Impossible::SegmentTooFar { asked, .. }) => assert!(asked == position.msn && asked >= 102),
        Err(error) => assert!(matches!(error, Impossible::PartTooFar { .. }) && position.msn >= 100),
    }
}

/// A playlist: what it says of its end is consistent with what the hold makes of it.
pub fn playlist_facts(data: &[u8]) {
    let Ok(facts) = Facts::read(data) else { return };
    assert!(facts.hint.as_ref().is_none_or(|hint| (1..=MAX_HINT_BYTES).contains(&hint.len())));
    let decided = |position| decide(&facts, &Directives { position: Some(position), skip: None });
    let next = facts.next();
    if facts.is_live() {
        assert_eq!(decided(next), Ok(Decision::Wait(next)), "what comes next is not there");
        let whole = Position { msn: facts.next_msn, part: None };
        assert_eq!(decided(whole), Ok(Decision::Wait(whole)));
    } else {
        assert_eq!(decided(next), Ok(Decision::Now));
    }
    if let Some(last) = facts.next_msn.checked_sub(1) {
        assert_eq!(decided(Position { msn: last, part: None }), Ok(Decision::Now));
    }
    let mut ended = data.to_vec();
    ended.extend_from_slice(b"\n#EXT-X-ENDLIST\n");
    let expected = Facts { has_ended: true, hint: None, ..facts.clone() };
    assert_eq!(Facts::read(&ended), Ok(expected));
    let mut dos = Vec::with_capacity(data.len());
    for byte in data {
        if *byte == b'\n' {
            dos.push(b'\r');
        }
        dos.push(*byte);
    }
    assert_eq!(Facts::read(&dos), Ok(facts), "line ends do not matter");
}
