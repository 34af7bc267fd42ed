//! The targets, as data: what is asked, and which figures say whether it is reached.

use super::{Bound, State, Target, check};

/// All targets, in the order of the report.
pub(super) const TARGETS: [Target; 19] = [
    Target {
        id: "O1",
        job: "JIT fMP4 segment, segment-contiguous asset, plaintext, hot",
        peer: "nginx static 0.081-0.091 s/GB; nginx-vod 0.31-0.38",
        asked: "<= 1.10 x nginx static",
        state: State::Checked(&[check("O1-segment", Bound::TimesPeer(1.1))]),
    },
    Target {
        id: "O2",
        job: "JIT fMP4 segment, interleaved source as ffmpeg writes it, hot",
        peer: "nginx-vod 0.31-0.38 s/GB",
        asked: "<= 1.8 x nginx static",
        state: State::Checked(&[check("O2-segment", Bound::TimesPeer(1.8))]),
    },
    Target {
        id: "O3",
        job: "JIT MPEG-TS segment, muxed A+V, hot",
        peer: "nginx-vod 0.35-0.39 s/GB",
        asked: "<= 2.8 x nginx static",
        state: State::Waits("MPEG-TS packager"),
    },
    Target {
        id: "O4",
        job: "audio-only fMP4 segment, interleaved source",
        peer: "nginx-vod 662 us/request",
        asked: "<= 60 us with the packed-audio sidecar, <= 180 us without",
        state: State::Checked(&[
            check("O4-audio", Bound::CpuUs(60.0)),
            check("O4-audio-interleaved", Bound::CpuUs(180.0)),
        ]),
    },
    Target {
        id: "O5",
        job: "media playlist 10 min / 2 h / multivariant, asset warm",
        peer: "nginx-vod 160 / 2306 / 33 us (6-12 us from its response cache)",
        asked: "identity <= 9 / 20 / 7 us; gzip <= 9 / 10 / 7 us",
        state: State::Checked(&[
            check("O5-media-plain", Bound::CpuUs(9.0)),
            check("O5-long-plain", Bound::CpuUs(20.0)),
            check("O5-master-plain", Bound::CpuUs(7.0)),
            check("O5-media-gzip", Bound::CpuUs(9.0)),
            check("O5-long-gzip", Bound::CpuUs(10.0)),
            check("O5-master-gzip", Bound::CpuUs(7.0)),
        ]),
    },
    Target {
        id: "O6",
        job: "first playlist of a never-touched 2 h file: index present / absent",
        peer: "nginx-vod 21-29 ms",
        asked: "<= 2 ms / <= 20 ms; moov at the end no slower than 1.3 x",
        state: State::Checked(&[
            check("O6-present-front", Bound::Ms(2.0)),
            check("O6-absent-front", Bound::Ms(20.0)),
            check("O6-present-end", Bound::TimesFigure("O6-present-front", 1.3)),
            check("O6-absent-end", Bound::TimesFigure("O6-absent-front", 1.3)),
        ]),
    },
    Target {
        id: "O7",
        job: "cold page cache, many files, 64 connections",
        peer: "nginx-vod, aio, directio: 57 % of the disk",
        asked: ">= 90 % of the disk's own rate; a core blocked on reads < 0.1 % of the time",
        state: State::Checked(&[
            check("O7-disk", Bound::ShareOfPeer(0.9)),
            check("O7-blocked", Bound::Most(0.001)),
        ]),
    },
    Target {
        id: "O8",
        job: "JIT fMP4 over TLS 1.3 (AES-128-GCM)",
        peer: "nginx-vod 0.74-0.81, nginx static 0.58-0.68 s/GB",
        asked: "<= 0.55 x nginx static TLS hot from RAM slabs, <= 0.70 x from the page cache",
        state: State::Checked(&[
            check("O8-hot", Bound::TimesPeer(0.55)),
            check("O8-page-cache", Bound::TimesPeer(0.7)),
        ]),
    },
    Target {
        id: "O9",
        job: "memory of the origin, 1,000 open 2-hour assets",
        peer: "nginx-vod keeps raw indexes, 8 MB each",
        asked: "<= 1 MB an asset of anonymous memory",
        state: State::Checked(&[check("O9-anonymous", Bound::Most(1.0))]),
    },
    Target {
        id: "E1",
        job: "edge hit, 1.5 MB object, plaintext",
        peer: "nginx proxy_cache 0.09-0.11 s/GB",
        asked: "<= 1.0 x nginx proxy_cache",
        state: State::Checked(&[
            check("E1-hit", Bound::TimesPeer(1.0)),
            check("E1-hit-512", Bound::TimesPeer(1.0)),
        ]),
    },
    Target {
        id: "E2",
        job: "edge hit, 10 kB object, valid token on every request",
        peer: "nginx proxy_cache 9.6-10.6 us without a token",
        asked: "<= 9.5 us with any algorithm",
        state: State::Checked(&[
            check("E2-eddsa", Bound::CpuUs(9.5)),
            check("E2-es256", Bound::CpuUs(9.5)),
            check("E2-hs256", Bound::CpuUs(9.5)),
        ]),
    },
    Target {
        id: "E3",
        job: "500 clients, one uncached 1.5 MB object, origin answers after 200 ms",
        peer: "Varnish p50 289 ms, nginx 543 ms",
        asked: "1 upstream request; first bytes within 30 ms of the origin's; p50 <= 275 ms, last <= 300 ms",
        state: State::Checked(&[
            check("E3-upstream", Bound::Most(1.0)),
            check("E3-first-byte", Bound::Ms(30.0)),
            check("E3-p50", Bound::MsAfter { origin: 200.0, most: 275.0 }),
            check("E3-last", Bound::MsAfter { origin: 200.0, most: 300.0 }),
        ]),
    },
    Target {
        id: "E4",
        job: "edge hit over TLS 1.3, 1.5 MB / 10 kB",
        peer: "nginx 0.65 s/GB / 62k req/s",
        asked: "<= 0.55 x the cost of nginx proxy_cache TLS / >= 1.7 x as many answers",
        state: State::Checked(&[
            check("E4-large", Bound::TimesPeer(0.55)),
            check("E4-small", Bound::TimesAnswers(1.7)),
        ]),
    },
    Target {
        id: "E5",
        job: "10,000 viewers of one LL-HLS stream at one edge process",
        peer: "nobody",
        asked: "1 wait at the origin a playlist; all answered within 150 ms (p99) of the part; <= 24 kB of memory a viewer",
        state: State::Checked(&[
            check("E5-waits", Bound::Most(1.0)),
            check("E5-p99", Bound::Ms(150.0)),
            check("E5-memory", Bound::Most(24.0)),
        ]),
    },
    Target {
        id: "L1",
        job: "RTMP publishers (480p, 1.1 Mb/s) packaged to LL-HLS and HLS CMAF",
        peer: "nginx-rtmp 0.093-0.12 % of a core, SRS 0.18-0.23 %",
        asked: "<= 0.09 % of a core each; live window + 150 KB of memory each",
        state: State::Waits("RTMP ingest"),
    },
    Target {
        id: "L2",
        job: "part listed after the message that closes it arrived; live edge at the player",
        peer: "nginx-rtmp, SRS: 40-45 ms after a whole 2 s segment",
        asked: "<= 10 ms median; hls.js end to end <= 1.5 s",
        state: State::Waits("live channels"),
    },
    Target {
        id: "L3",
        job: "first playable playlist after the first frame",
        peer: "2.01 s",
        asked: "<= one part after the first key frame",
        state: State::Waits("live channels"),
    },
    Target {
        id: "C1",
        job: "control plane, 100,000 videos: list, detail, search, trending",
        peer: "< 200 ms at 1,000 req/s is asked elsewhere",
        asked: "p99 < 50 ms at 3,000 req/s on SQLite and PostgreSQL",
        state: State::Waits("control plane"),
    },
    Target {
        id: "C2",
        job: "beacons",
        peer: "none measured",
        asked: "8,000 events/s with < 30 % of a core, none lost after the 202",
        state: State::Waits("analytics"),
    },
];
