//! What we must reach, as data, and whether a run reached it.
//!
//! A ratio is against nginx static in the same run; the other figures are absolute and were set on a
//! two-core guest with a server core of its own, so they mean little on another machine.

use serde::{Deserialize, Serialize};

use crate::cold::Cold;
use crate::scenario::Paired;

/// A target: one job of the server.
#[derive(Debug)]
pub(crate) struct Target {
    /// Its name: `O2`.
    pub(crate) id: &'static str,
    /// The job.
    job: &'static str,
    /// What the best peer needs for it.
    peer: &'static str,
    /// What is asked of us.
    asked: &'static str,
    /// How that is checked.
    state: State,
}

/// Whether this rig can check a target.
#[derive(Debug)]
enum State {
    /// By these figures; all must hold.
    Checked(&'static [Check]),
    /// Not before this exists.
    Waits(&'static str),
}

/// One figure and its bound.
#[derive(Debug)]
struct Check {
    /// A scenario's or cold measurement's key.
    key: &'static str,
    bound: Bound,
}

/// The most that a figure may be.
#[derive(Debug, Clone, Copy)]
enum Bound {
    /// CPU seconds per gigabyte, as a multiple of nginx static's.
    TimesNginx(f64),
    /// Server CPU microseconds a request.
    CpuUs(f64),
    /// Milliseconds to the last byte.
    LastByteMs(f64),
    /// Milliseconds to the last byte, as a multiple of another measurement's.
    TimesCold(&'static str, f64),
}

const fn check(key: &'static str, bound: Bound) -> Check {
    Check { key, bound }
}

/// All targets, in the order of the report.
pub(crate) const TARGETS: [Target; 19] = [
    Target {
        id: "O1",
        job: "JIT fMP4 segment, segment-contiguous asset, plaintext, hot",
        peer: "nginx static 0.081-0.091 s/GB; nginx-vod 0.31-0.38",
        asked: "<= 1.10 x nginx static",
        state: State::Waits("publish layout"),
    },
    Target {
        id: "O2",
        job: "JIT fMP4 segment, interleaved source as ffmpeg writes it, hot",
        peer: "nginx-vod 0.31-0.38 s/GB",
        asked: "<= 1.8 x nginx static",
        state: State::Checked(&[check("O2-segment", Bound::TimesNginx(1.8))]),
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
        asked: "<= 180 us (<= 60 us with the packed-audio sidecar)",
        state: State::Checked(&[check("O4-audio", Bound::CpuUs(180.0))]),
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
        asked: "<= 2 ms / <= 20 ms; index at the end no slower than 1.3 x",
        state: State::Checked(&[
            check("O6-again-front", Bound::LastByteMs(2.0)),
            check("O6-front", Bound::LastByteMs(20.0)),
            check("O6-end", Bound::TimesCold("O6-front", 1.3)),
        ]),
    },
    Target {
        id: "O7",
        job: "cold page cache, many files, 64 connections",
        peer: "nginx-vod, aio, directio: 57 % of the disk",
        asked: ">= 90 % of the disk's own rate; a core blocked on reads < 0.1 % of the time",
        state: State::Waits("disk reader"),
    },
    Target {
        id: "O8",
        job: "JIT fMP4 over TLS 1.3 (AES-128-GCM)",
        peer: "nginx-vod 0.74-0.81, nginx static 0.58-0.68 s/GB",
        asked: "<= 0.55 x nginx static TLS hot from RAM slabs, <= 0.70 x from the page cache",
        state: State::Waits("slabs and a TLS load client"),
    },
    Target {
        id: "O9",
        job: "memory of the origin, 1,000 open 2-hour assets",
        peer: "nginx-vod keeps raw indexes, 8 MB each",
        asked: "<= 1 MB an asset of anonymous memory",
        state: State::Waits("stored index"),
    },
    Target {
        id: "E1",
        job: "edge hit, 1.5 MB object, plaintext",
        peer: "nginx proxy_cache 0.09-0.11 s/GB",
        asked: "<= 1.0 x nginx proxy_cache",
        state: State::Waits("edge cache"),
    },
    Target {
        id: "E2",
        job: "edge hit, 10 kB object, valid token on every request",
        peer: "nginx proxy_cache 9.6-10.6 us without a token",
        asked: "<= 9.5 us with any algorithm",
        state: State::Waits("edge cache and tokens"),
    },
    Target {
        id: "E3",
        job: "500 clients, one uncached 1.5 MB object, origin answers after 200 ms",
        peer: "Varnish p50 289 ms, nginx 543 ms",
        asked: "1 upstream request; p50 <= 275 ms, last <= 300 ms",
        state: State::Waits("edge flights"),
    },
    Target {
        id: "E4",
        job: "edge hit over TLS 1.3, 1.5 MB / 10 kB",
        peer: "nginx 0.65 s/GB / 62k req/s",
        asked: "<= 0.55 x / >= 1.7 x",
        state: State::Waits("edge cache and a TLS load client"),
    },
    Target {
        id: "E5",
        job: "10,000 viewers of one LL-HLS stream at one edge process",
        peer: "nobody",
        asked: "all answered within 150 ms (p99) of the part; <= 24 KB of memory a viewer",
        state: State::Waits("live playlists held at the edge"),
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

/// Whether a target was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Yes.
    Met,
    /// No.
    NotMet,
    /// This rig cannot say yet.
    NotYetMeasurable,
    /// This run did not look.
    NotRun,
}

impl Verdict {
    /// As the report says it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::NotYetMeasurable => "not yet measurable",
            Self::NotRun => "not run",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// Target: `O5`.
    pub(crate) id: String,
    /// The job.
    pub(crate) job: String,
    /// The best peer's figure, as measured once.
    pub(crate) peer: String,
    /// The target in words.
    pub(crate) asked: String,
    /// The figure this line is about, or what it waits for.
    pub(crate) about: String,
    /// What was measured, in words; empty when nothing was.
    pub(crate) measured: String,
    /// What came of it.
    pub(crate) verdict: Verdict,
}

/// Judges every target by what was measured: a line a figure.
pub(crate) fn judge(paired: &[Paired], cold: &[Cold]) -> Vec<Judged> {
    let mut lines = Vec::new();
    for target in &TARGETS {
        match target.state {
            State::Waits(what) => {
                lines.push(target.line(format!("needs: {what}"), String::new(), Verdict::NotYetMeasurable));
            }
            State::Checked(checks) => {
                lines.extend(checks.iter().map(|check| {
                    let (measured, verdict) = check.judge(paired, cold);
                    target.line(check.key.to_owned(), measured, verdict)
                }));
            }
        }
    }
    lines
}

impl Target {
    fn line(&self, about: String, measured: String, verdict: Verdict) -> Judged {
        let [id, job, peer, asked] = [self.id, self.job, self.peer, self.asked].map(str::to_owned);
        Judged { id, job, peer, asked, about, measured, verdict }
    }
}

impl Check {
    fn judge(&self, paired: &[Paired], cold: &[Cold]) -> (String, Verdict) {
        let scenario = || paired.iter().find(|paired| paired.key == self.key);
        let first = |key: &str| cold.iter().find(|cold| cold.key == key).map(Cold::median_ms);
        let found = match self.bound {
            Bound::TimesNginx(most) => scenario()
                .map(|paired| paired.median(|pair| pair.ratio))
                .map(|ratio| (ratio, most, format!("{ratio:.2} x nginx static (most {most})"))),
            Bound::CpuUs(most) => scenario().map(|paired| {
                let (us, ratio) =
                    (paired.median(|pair| pair.ours.cpu_us_per_request), paired.median(|pair| pair.ratio));
                (us, most, format!("{us:.1} us (most {most}), {ratio:.2} x nginx static"))
            }),
            Bound::LastByteMs(most) => {
                first(self.key).map(|ms| (ms, most, format!("{ms:.2} ms (most {most})")))
            }
            Bound::TimesCold(other, most) => first(self.key).zip(first(other)).map(|(ms, other_ms)| {
                let times = ms / other_ms;
                (times, most, format!("{ms:.2} ms, {times:.2} x {other} (most {most})"))
            }),
        };
        match found {
            None => (String::new(), Verdict::NotRun),
            Some((figure, most, words)) => {
                (words, if figure <= most { Verdict::Met } else { Verdict::NotMet })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cold(key: &str, ms: f64) -> Cold {
        Cold { key: key.to_owned(), title: String::new(), last_byte_ms: vec![ms] }
    }

    fn verdicts(lines: &[Judged], id: &str) -> Vec<Verdict> {
        lines.iter().filter(|line| line.id == id).map(|line| line.verdict).collect()
    }

    #[test]
    fn a_bound_holds_up_to_its_value_and_not_past_it() {
        let at = judge(&[], &[cold("O6-front", 20.0), cold("O6-end", 26.0)]);
        assert_eq!(verdicts(&at, "O6"), [Verdict::NotRun, Verdict::Met, Verdict::Met]);
        let past = judge(&[], &[cold("O6-front", 20.01), cold("O6-end", 26.1)]);
        assert_eq!(verdicts(&past, "O6"), [Verdict::NotRun, Verdict::NotMet, Verdict::NotMet]);
    }

    #[test]
    fn what_cannot_be_measured_is_listed_and_never_met() {
        let lines = judge(&[], &[]);
        assert_eq!(verdicts(&lines, "O1"), [Verdict::NotYetMeasurable]);
        assert_eq!(verdicts(&lines, "O2"), [Verdict::NotRun]);
        assert!(TARGETS.iter().all(|target| lines.iter().any(|line| line.id == target.id)));
        assert!(lines.iter().all(|line| line.verdict != Verdict::Met));
    }
}
