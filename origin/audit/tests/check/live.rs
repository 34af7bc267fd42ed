//! The low-latency lines on one look at a live playlist.

use rillcast_audit::Options;

use crate::driver::audit;
use crate::fixture::{Plan, Site};
use crate::mutations::Change::Site as S;
use crate::mutations::{Row, check};

const HIGH: &str = "v1/list.m3u8";
const DELTA: &str = "v1/list.m3u8?_HLS_skip=YES";

fn plan() -> Plan {
    Plan { low_latency: true, segments: 10, ..Plan::default() }
}

#[test]
fn the_good_live_presentation_has_no_finding() {
    let report = audit(&Site::new(&plan()), Options::default());
    assert!(report.findings.is_empty(), "{report}");
    for line in [20, 48, 49, 50, 51, 53, 54, 56, 64, 67, 69] {
        assert!(report.checked_lines.contains(&line), "line {line} was not checked");
    }
}

const ROWS: &[Row] = &[
    (
        "type on a live playlist",
        18,
        S(|s| s.text(HIGH, "#EXT-X-MAP", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP")),
    ),
    (
        "ENDLIST in one",
        19,
        S(|s| {
            s.text(HIGH, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part10.1.m4s\"\n", "");
            s.text(HIGH, "#EXT-X-RENDITION", "#EXT-X-ENDLIST\n#EXT-X-RENDITION");
        }),
    ),
    ("no date", 20, S(|s| s.text(HIGH, "#EXT-X-PROGRAM-DATE-TIME:2024-05-06T07:08:09.000Z\n", ""))),
    ("no PART-HOLD-BACK", 48, S(|s| s.everywhere(",PART-HOLD-BACK=3.0", ""))),
    ("PART-HOLD-BACK too small", 48, S(|s| s.everywhere("PART-HOLD-BACK=3.0", "PART-HOLD-BACK=2.9"))),
    ("part longer than the target", 49, S(|s| s.everywhere("PART-TARGET=1.0", "PART-TARGET=0.99999"))),
    (
        "part too short",
        50,
        S(|s| {
            s.text(HIGH, "#EXT-X-PART:DURATION=1.00000,INDEPENDENT=YES,URI=\"part10.0.m4s\"\n", "#EXT-X-PART:DURATION=1.00000,INDEPENDENT=YES,URI=\"part10.0.m4s\"\n#EXT-X-PART:DURATION=0.80000,URI=\"part9.1.m4s\"\n");
        }),
    ),
    ("independence not said", 51, S(|s| s.text(HIGH, ",INDEPENDENT=YES", ""))),
    ("independence claimed", 51, S(|s| s.text(HIGH, "URI=\"part9.1", "INDEPENDENT=YES,URI=\"part9.1"))),
    (
        "part after EXTINF",
        52,
        S(|s| {
            s.text(
                HIGH,
                "#EXT-X-PART:DURATION=1.00000,URI=\"part9.1.m4s\"\n#EXTINF:2.00000,\n",
                "#EXTINF:2.00000,\n#EXT-X-PART:DURATION=1.00000,URI=\"part9.1.m4s\"\n",
            );
        }),
    ),
    (
        "parts do not add up",
        53,
        S(|s| s.text(HIGH, "#EXT-X-PART:DURATION=1.00000,URI=\"part9.1.m4s\"\n", "")),
    ),
    (
        "part is not of its parent",
        53,
        S(|s| {
            let other = crate::mp4::fragment(
                &crate::mp4::TrackSpec {
                    timescale: 30_000,
                    sample_ticks: 1000,
                    video: Some((1280, 720, 0x64, 0x1f)),
                    shift: 0,
                },
                0,
                29,
                4000,
                false,
            );
            s.documents.insert("v1/part9.1.m4s".to_owned(), other);
        }),
    ),
    (
        "part of two moofs",
        40,
        S(|s| {
            let part = s.documents["v1/part10.0.m4s"].clone();
            let mut next = part.clone();
            let at = next.windows(4).position(|word| word == b"tfdt").expect("parts have a tfdt") + 8;
            next[at..at + 8].copy_from_slice(&630_000_u64.to_be_bytes());
            s.documents.insert("v1/part10.0.m4s".to_owned(), [part, next].concat());
        }),
    ),
    (
        "old parts listed",
        54,
        S(|s| {
            s.text(HIGH, "#EXTINF:2.00000,\nseg2", "#EXT-X-PART:DURATION=1.00000,INDEPENDENT=YES,URI=\"part2.0.m4s\"\n#EXT-X-PART:DURATION=1.00000,URI=\"part2.1.m4s\"\n#EXTINF:2.00000,\nseg2");
        }),
    ),
    ("server control differs", 56, S(|s| s.text(HIGH, "HOLD-BACK=6.0", "HOLD-BACK=6.5"))),
    ("CAN-SKIP-UNTIL too small", 56, S(|s| s.everywhere("CAN-SKIP-UNTIL=12.0", "CAN-SKIP-UNTIL=11.0"))),
    ("skip counts wrong", 64, S(|s| s.text(DELTA, "SEGMENTS=4", "SEGMENTS=5"))),
    ("delta without MAP", 64, S(|s| s.text(DELTA, "#EXT-X-MAP:URI=\"init.mp4\"\n", ""))),
    ("no delta", 64, S(|s| drop(s.documents.remove(DELTA)))),
    ("no hint", 67, S(|s| s.text(HIGH, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part10.1.m4s\"\n", ""))),
    ("hint of a listed part", 67, S(|s| s.text(HIGH, "PART,URI=\"part10.1", "PART,URI=\"part10.0"))),
    (
        "no report",
        69,
        S(|s| s.text(HIGH, "#EXT-X-RENDITION-REPORT:URI=\"../v0/list.m3u8\",LAST-MSN=17,LAST-PART=0\n", "")),
    ),
    ("old report", 69, S(|s| s.text(HIGH, "LAST-MSN=17", "LAST-MSN=12"))),
];

#[test]
fn a_broken_live_playlist_is_blamed_on_its_line() {
    check(&plan(), ROWS);
}
