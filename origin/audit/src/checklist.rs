//! The conformance checklist as this crate knows it: which lines cannot be judged from one look, and why.

/// Number of the checklist's last line.
pub(crate) const LAST_LINE: u16 = 100;

/// Why `line` was not checked, given that no rule found anything to hold against it.
pub(crate) fn why_not(line: u16) -> &'static str {
    match line {
        3 | 7 | 13 | 15 | 54 | 55 | 65 | 74 => "needs more than one look at a live playlist",
        14 => "live window depth is a matter of time, not of one look",
        8..=10 => "no discontinuity and no change of init segment",
        12 => "no EXT-X-KEY with METHOD=AES-128",
        16 => "nothing listed was fetched",
        17 => "encoder gaps show only over time",
        20 => "no live playlist and no EXT-X-PROGRAM-DATE-TIME",
        21 | 66 => "no EXT-X-DATERANGE",
        22 => "no byte ranges",
        31 => "no HEVC",
        39 => "no two audio renditions of one codec",
        23 | 36..=38 | 40 => "no fMP4 segment was read",
        25..=30 | 34 => "no multivariant playlist",
        32 => "no I-frame playlist",
        33 => "no subtitles",
        41 | 42 => "MPEG-TS segments are not read by this audit",
        43..=47 => "HTTP was not audited",
        48..=53 | 67 => "no low-latency media playlist (EXT-X-PART-INF)",
        56 => "no EXT-X-SERVER-CONTROL",
        57..=63 | 68 | 70..=72 | 75 => "needs timed or concurrent requests",
        64 => "no live playlist with CAN-SKIP-UNTIL",
        69 => "no low-latency presentation with two playlists",
        73 => "cache lifetimes are audited at the edge, not from outside",
        76..=78 => "is a matter of players over time",
        79..=88 => "not a DASH presentation",
        89..=94 => "edge internals, not visible in a presentation",
        95..=99 => "players' behaviour, not visible in a presentation",
        100 => "our own choice where the draft is silent; covered by 48 to 69",
        _ => "no rule had anything to look at",
    }
}
