mod model;

use super::*;

fn position(msn: u64, part: Option<u64>) -> Position {
    Position { msn, part }
}

fn asked(query: &str) -> Directives {
    Directives::parse(query).unwrap().unwrap()
}

#[test]
fn directives_are_read_from_a_query() {
    for (query, expected) in [
        ("", None),
        ("a=1&hls_msn=2", None),
        ("_HLS_push=1&_HLS_skip=no", None),
        ("_HLS_msn=7", Some((Some(position(7, None)), None))),
        ("_HLS_msn=007&a=1", Some((Some(position(7, None)), None))),
        ("_HLS_msn=0&_HLS_part=0", Some((Some(position(0, Some(0))), None))),
        ("_HLS_part=3&_HLS_skip=YES&_HLS_msn=7", Some((Some(position(7, Some(3))), Some(Skip::Segments)))),
        ("_HLS_skip=v2", Some((None, Some(Skip::DateRanges)))),
        ("_HLS_msn=18446744073709551615", Some((Some(position(u64::MAX, None)), None))),
    ] {
        let expected = expected.map(|(position, skip)| Directives { position, skip });
        assert_eq!(Directives::parse(query), Ok(expected), "{query}");
    }
}

#[test]
fn directives_that_no_playlist_could_answer_are_impossible() {
    use Impossible::{Number, PartAlone, Twice};
    for (query, error) in [
        ("_HLS_part=1", PartAlone),
        ("_HLS_skip=YES&_HLS_part=1", PartAlone),
        ("_HLS_msn=", Number("_HLS_msn")),
        ("_HLS_msn", Number("_HLS_msn")),
        ("_HLS_msn=x", Number("_HLS_msn")),
        ("_HLS_msn=-1", Number("_HLS_msn")),
        ("_HLS_msn=+1", Number("_HLS_msn")),
        ("_HLS_msn=1.0", Number("_HLS_msn")),
        ("_HLS_msn=1%20", Number("_HLS_msn")),
        ("_HLS_msn=18446744073709551616", Number("_HLS_msn")),
        ("_HLS_msn=1&_HLS_part=x", Number("_HLS_part")),
        ("_HLS_msn=1&_HLS_msn=1", Twice("_HLS_msn")),
        ("_HLS_msn=1&_HLS_part=1&_HLS_part=2", Twice("_HLS_part")),
        ("_HLS_skip=YES&_HLS_skip=YES", Twice("_HLS_skip")),
    ] {
        assert_eq!(Directives::parse(query), Err(error), "{query}");
    }
}

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:10\n#EXT-X-TARGETDURATION:4\n\
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.002,CAN-SKIP-UNTIL=24.0\n\
    #EXT-X-PART-INF:PART-TARGET=0.334\n#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-MAP:URI=\"init.mp4\"\n\
    #EXTINF:4,\n100.m4s\n\
    #EXT-X-PART:DURATION=0.334,URI=\"101.0.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.334,URI=\"101.1.m4s\"\n\
    #EXTINF:4,\n101.m4s\n\
    #EXT-X-PART:DURATION=0.334,URI=\"102.0.m4s\"\n\
    #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"102.1.m4s\"\n\
    #EXT-X-RENDITION-REPORT:URI=\"../b/p.m3u8\",LAST-MSN=102,LAST-PART=0\n";

fn facts() -> Facts {
    Facts::read(PLAYLIST.as_bytes()).unwrap()
}

#[test]
fn a_playlist_is_read_for_what_the_hold_needs() {
    let expected = Facts {
        target_duration: Duration::from_secs(4),
        part_target: Some(Duration::from_millis(334)),
        next_msn: 102,
        last_parts: 2,
        open_parts: 1,
        can_block: true,
        can_skip_until: Some(Duration::from_secs(24)),
        has_ended: false,
        hint: Some("102.1.m4s".into()),
    };
    assert_eq!(facts(), expected);
    assert_eq!(Facts::read(PLAYLIST.replace('\n', "\r\n").as_bytes()), Ok(expected.clone()));
    assert_eq!(Facts::read(PLAYLIST.trim_end().as_bytes()), Ok(expected));
    assert_eq!(facts().next(), position(102, Some(1)));
    assert_eq!(facts().hold_time(), Duration::from_secs(12));
}

#[test]
fn the_ends_of_playlists_are_read() {
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n";
    let read = |rest: &str| Facts::read(format!("{head}{rest}").as_bytes()).unwrap();
    let empty = read("");
    assert_eq!((empty.next_msn, empty.part_target, empty.can_block), (0, None, false));
    assert_eq!(empty.next(), position(0, None));
    let ended = read("#EXTINF:6,\na\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"b\"\n#EXT-X-ENDLIST\n");
    assert!(ended.has_ended);
    assert_eq!((ended.next_msn, ended.hint), (1, None), "nothing comes after the end");
    let delta = read("#EXT-X-MEDIA-SEQUENCE:50\n#EXT-X-SKIP:SKIPPED-SEGMENTS=30\n#EXTINF:6,\na\n");
    assert_eq!(delta.next_msn, 81);
    // A comment, a blank line or a line without a duration completes nothing.
    assert_eq!(read("#EXTINF:6,\n\n# a comment\nfile\nstray\n").next_msn, 1);
    let ranges = read("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a\",BYTERANGE-START=100\n");
    assert_eq!(ranges.hint, None);
    let map = read("#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"a\"\n");
    assert_eq!(map.hint, None);
    let quoted = read("#EXT-X-PRELOAD-HINT: X=\"a,TYPE=MAP,URI=b\" , URI=\"c,d=e\",TYPE=PART\n");
    assert_eq!(quoted.hint.as_deref(), Some("c,d=e"));
}

#[test]
fn what_is_no_media_playlist_is_told_apart() {
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n";
    for (text, error) in [
        ("", NotMedia::NotAPlaylist),
        ("#EXTM3U8\n", NotMedia::NotAPlaylist),
        ("<html>", NotMedia::NotAPlaylist),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n", NotMedia::Multivariant),
        ("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO\n", NotMedia::Multivariant),
        ("#EXTM3U\n#EXTINF:6,\na\n", NotMedia::NoTargetDuration),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:0\n", NotMedia::NoTargetDuration),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1000000001\n", NotMedia::NoTargetDuration),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:4.5\n", NotMedia::NoTargetDuration),
    ] {
        assert_eq!(Facts::read(text.as_bytes()), Err(error), "{text:?}");
    }
    for (rest, what) in [
        ("#EXT-X-MEDIA-SEQUENCE:-1\n", "media sequence number"),
        ("#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:6,\na\n", "media sequence number"),
        ("#EXT-X-SKIP:SKIPPED-SEGMENTS=x\n", "number of skipped segments"),
        ("#EXT-X-PART-INF:PART-TARGET=0.0\n", "part target"),
        ("#EXT-X-PART-INF:\n", "part target"),
        ("#EXT-X-PART-INF:PART-TARGET=1e3\n", "part target"),
        ("#EXT-X-PRELOAD-HINT:TYPE=PART\n", "preload hint"),
        ("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"\"\n", "preload hint"),
    ] {
        assert_eq!(
            Facts::read(format!("{head}{rest}").as_bytes()),
            Err(NotMedia::Malformed(what)),
            "{rest:?}"
        );
    }
    assert_eq!(Facts::read(b"#EXTM3U\n#EXT-X-TARGETDURATION:1000000000").unwrap().next_msn, 0);
}

#[test]
fn lengths_are_limited_at_the_limit_and_one_past_it() {
    let padded = |len: usize| {
        let mut text = PLAYLIST.as_bytes().to_vec();
        text.resize(len, b'\n');
        Facts::read(&text)
    };
    assert_eq!(padded(MAX_PLAYLIST_BYTES), Ok(facts()));
    assert_eq!(padded(MAX_PLAYLIST_BYTES + 1), Err(NotMedia::TooLong));
    let hinted = |len: usize| {
        let uri = "u".repeat(len);
        Facts::read(
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\"\n")
                .as_bytes(),
        )
    };
    assert_eq!(hinted(MAX_HINT_BYTES).unwrap().hint.unwrap().len(), MAX_HINT_BYTES);
    assert_eq!(hinted(MAX_HINT_BYTES + 1), Err(NotMedia::Malformed("preload hint")));
}

fn check(facts: &Facts, query: &str, expected: Result<Decision, Impossible>) {
    assert_eq!(decide(facts, &asked(query)), expected, "{query}");
}

#[test]
fn conformance_57_a_segment_alone_waits_until_it_is_complete() {
    let wait = |msn| Ok(Decision::Wait(position(msn, None)));
    check(&facts(), "_HLS_msn=101", Ok(Decision::Now));
    check(&facts(), "_HLS_msn=102", wait(102));
    check(&facts(), "_HLS_msn=103", wait(103));
}

#[test]
fn conformance_58_a_part_waits_until_it_is_listed_and_past_the_last_is_the_next_segment() {
    let wait = |msn, part| Ok(Decision::Wait(position(msn, Some(part))));
    check(&facts(), "_HLS_msn=102&_HLS_part=0", Ok(Decision::Now));
    check(&facts(), "_HLS_msn=102&_HLS_part=1", wait(102, 1));
    check(&facts(), "_HLS_msn=103&_HLS_part=0", wait(103, 0));
    // 101 has two parts; part 2 is part 0 of 102, which is there.
    check(&facts(), "_HLS_msn=101&_HLS_part=1", Ok(Decision::Now));
    check(&facts(), "_HLS_msn=101&_HLS_part=2", Ok(Decision::Now));
    let before = Facts { open_parts: 0, ..facts() };
    check(&before, "_HLS_msn=101&_HLS_part=1", Ok(Decision::Now));
    check(&before, "_HLS_msn=101&_HLS_part=2", wait(102, 0));
    check(&before, "_HLS_msn=101&_HLS_part=9", wait(102, 0));
    let unlisted = Facts { open_parts: 0, last_parts: 0, ..facts() };
    check(&unlisted, "_HLS_msn=101&_HLS_part=2", Ok(Decision::Now));
    // Without parts, a part of a segment is the segment.
    let whole = Facts { part_target: None, open_parts: 0, last_parts: 0, ..facts() };
    check(&whole, "_HLS_msn=102&_HLS_part=99", Ok(Decision::Wait(position(102, None))));
}

#[test]
fn conformance_60_what_is_too_far_ahead_is_refused() {
    let too_far = |asked| Err(Impossible::SegmentTooFar { asked, last: 101 });
    check(&facts(), "_HLS_msn=103", Ok(Decision::Wait(position(103, None))));
    check(&facts(), "_HLS_msn=104", too_far(104));
    check(&facts(), "_HLS_msn=104&_HLS_part=0", too_far(104));
    check(&facts(), "_HLS_msn=18446744073709551615", too_far(u64::MAX));
    // 3 / 0.334 is 9 parts, rounded up.
    let wait = |msn, part| Ok(Decision::Wait(position(msn, Some(part))));
    let part_too_far = |asked, limit| Err(Impossible::PartTooFar { asked, limit });
    check(&facts(), "_HLS_msn=102&_HLS_part=9", wait(102, 9));
    check(&facts(), "_HLS_msn=102&_HLS_part=10", part_too_far(10, 9));
    check(&facts(), "_HLS_msn=103&_HLS_part=8", wait(103, 8));
    check(&facts(), "_HLS_msn=103&_HLS_part=9", part_too_far(9, 9));
    for (target_ms, limit) in [(1000, 3), (2000, 3), (999, 4), (500, 6), (1, 3000)] {
        let facts = Facts { part_target: Some(Duration::from_millis(target_ms)), open_parts: 0, ..facts() };
        check(&facts, &format!("_HLS_msn=102&_HLS_part={}", limit - 1), wait(102, limit - 1));
        check(&facts, &format!("_HLS_msn=102&_HLS_part={limit}"), part_too_far(limit, limit));
    }
}

#[test]
fn conformance_61_and_63_old_ended_and_unblocking_playlists_answer_at_once() {
    for query in ["_HLS_msn=0", "_HLS_msn=100&_HLS_part=77", "_HLS_skip=YES"] {
        check(&facts(), query, Ok(Decision::Now));
    }
    for facts in [Facts { has_ended: true, ..facts() }, Facts { can_block: false, ..facts() }] {
        for query in ["_HLS_msn=102&_HLS_part=1", "_HLS_msn=103", "_HLS_msn=9999"] {
            check(&facts, query, Ok(Decision::Now));
        }
    }
}

#[test]
fn a_position_is_asked_for_behind_the_other_parameters() {
    let of = |part, query| position(7, part).in_query(query);
    assert_eq!(of(None, None), "_HLS_msn=7");
    assert_eq!(of(Some(2), Some("")), "_HLS_msn=7&_HLS_part=2");
    assert_eq!(of(Some(2), Some("a=1&b")), "a=1&b&_HLS_msn=7&_HLS_part=2");
    assert_eq!(asked(&of(Some(2), Some("a=1"))).position, Some(position(7, Some(2))));
}
