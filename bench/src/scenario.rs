//! What is timed, and how: nginx, ours, nginx, ours, … on the same core, one ratio a pair, and the
//! median of the pairs. Neighbours in time share the machine's mood, so a ratio is steadier than a figure.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::{self, Load, Outcome, Request};
use crate::measure::{self, Cores, median, quantile};
use crate::peer::Nginx;
use crate::progress::Progress;
use crate::server::Ours;
use crate::truth::{Asset, Piece, Text};

/// Points of a latency distribution that the report keeps.
const QUANTILES: [f64; 14] = [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999];
/// Start of the shuffle: any number, the same every time.
const SHUFFLE_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bodies from here on go to the nginx port made for large ones.
const LARGE_BYTES: u64 = 512 * 1024;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Connections at once.
    pub(crate) connections: usize,
    /// Before each run, not counted.
    pub(crate) warm_up: Duration,
    /// Each run.
    pub(crate) duration: Duration,
    /// Pairs of runs.
    pub(crate) pairs: usize,
}

impl Pace {
    /// The shipped bench.
    pub(crate) const FULL: Self =
        Self { connections: 64, warm_up: Duration::from_secs(2), duration: Duration::from_secs(5), pairs: 3 };
    /// Shows that all works and roughly how fast; figures jump.
    pub(crate) const QUICK: Self = Self {
        connections: 64,
        warm_up: Duration::from_millis(300),
        duration: Duration::from_millis(1000),
        pairs: 3,
    };

    /// Time that one scenario takes.
    pub(crate) fn scenario_time(&self) -> Duration {
        (self.warm_up + self.duration) * u32::try_from(2 * self.pairs).unwrap_or(u32::MAX)
    }
}

/// A list of requests that both servers answer with the same bytes.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Its name in reports, baselines and targets: `O5-media-gzip`.
    pub(crate) key: &'static str,
    /// In words.
    pub(crate) title: &'static str,
    requests: Vec<Request>,
}

/// The scenarios that these assets allow. An empty one (no audio, no gzip) is left out.
pub(crate) fn all(assets: &[Asset], long: Option<&Asset>) -> Vec<Scenario> {
    let each = |pick: fn(&Asset) -> &Text| assets.iter().map(pick).collect::<Vec<&Text>>();
    let (media, master) = (each(|asset| &asset.media), each(|asset| &asset.master));
    let long: Vec<&Text> = long.iter().map(|asset| &asset.media).collect();
    let plain = |texts: &[&Text]| texts.iter().map(|text| text.plain.clone()).collect::<Vec<Piece>>();
    let gzip = |texts: &[&Text]| texts.iter().filter_map(|text| text.gzip.clone()).collect::<Vec<Piece>>();
    let video = assets.iter().flat_map(|asset| asset.video.clone()).collect();
    let audio = assets.iter().flat_map(|asset| asset.audio.clone()).collect();
    let list = [
        ("O2-segment", "video segments of interleaved sources", video),
        ("O4-audio", "audio segments of interleaved sources", audio),
        ("O5-media-plain", "media playlists", plain(&media)),
        ("O5-media-gzip", "media playlists, gzip", gzip(&media)),
        ("O5-long-plain", "media playlist of 2 h", plain(&long)),
        ("O5-long-gzip", "media playlist of 2 h, gzip", gzip(&long)),
        ("O5-master-plain", "multivariant playlists", plain(&master)),
        ("O5-master-gzip", "multivariant playlists, gzip", gzip(&master)),
    ];
    let filled = list.into_iter().filter(|(_, _, pieces): &(_, _, Vec<Piece>)| !pieces.is_empty());
    filled.map(|(key, title, pieces)| Scenario::new(key, title, pieces)).collect()
}

/// What a run measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Answers a second.
    pub(crate) requests_per_s: f64,
    /// Body megabytes (1e6) a second.
    pub(crate) mb_per_s: f64,
    /// Server CPU seconds per gigabyte (1e9) of bodies: the figure to compare.
    pub(crate) cpu_s_per_gb: f64,
    /// Server CPU microseconds per answer.
    pub(crate) cpu_us_per_request: f64,
    /// Share of its core that the server used.
    pub(crate) server_busy: f64,
    /// Share of its core that the client used; near 1 the client is what limits.
    pub(crate) client_busy: f64,
    /// Resident memory of the server at the end, in megabytes.
    pub(crate) resident_mb: f64,
    /// Time to the last byte: share of answers and milliseconds.
    pub(crate) latency_ms: Vec<(f64, f64)>,
    /// Median time to the first byte.
    pub(crate) first_byte_p50_ms: f64,
    /// 99th percentile of the time to the first byte.
    pub(crate) first_byte_p99_ms: f64,
    /// Wrong answers and broken connections.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) first_error: Option<String>,
}

/// Two runs, one after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pair {
    /// The yardstick.
    pub(crate) nginx: Measured,
    /// Us.
    pub(crate) ours: Measured,
    /// Our CPU seconds per gigabyte by nginx's.
    pub(crate) ratio: f64,
}

/// A scenario with its runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Paired {
    /// [`Scenario::key`].
    pub(crate) key: String,
    /// [`Scenario::title`].
    pub(crate) title: String,
    /// Different URLs asked for.
    pub(crate) urls: usize,
    /// Mean length of a body.
    pub(crate) body_bytes_mean: u64,
    /// Connections at once.
    pub(crate) connections: usize,
    /// The runs.
    pub(crate) pairs: Vec<Pair>,
}

impl Paired {
    /// The median of `figure` over all pairs.
    pub(crate) fn median(&self, figure: impl Fn(&Pair) -> f64) -> f64 {
        median(&self.pairs.iter().map(figure).collect::<Vec<f64>>()).unwrap_or(f64::NAN)
    }

    /// What went wrong in any run.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> + '_ {
        let runs = self.pairs.iter().flat_map(|pair| [("nginx", &pair.nginx), ("rillcast", &pair.ours)]);
        runs.filter_map(|(server, run)| run.fault().map(|fault| format!("{}: {server}: {fault}", self.key)))
    }
}

impl Measured {
    /// Milliseconds within which `share` of the answers were whole; one of the points kept.
    pub(crate) fn latency_at(&self, share: f64) -> f64 {
        let point = self.latency_ms.iter().find(|(at, _)| *at >= share);
        point.or_else(|| self.latency_ms.last()).map_or(f64::NAN, |(_, ms)| *ms)
    }

    /// Why the run measured nothing, if it did not.
    fn fault(&self) -> Option<String> {
        if let Some(first) = &self.first_error {
            return Some(format!("{} errors, the first: {first}", self.errors));
        }
        if self.requests_per_s <= 0.0 {
            return Some("no answer at all".to_owned());
        }
        let no_time = self.cpu_s_per_gb <= 0.0;
        no_time.then(|| {
            "no CPU time that the kernel could count: too short a run, or the server died".to_owned()
        })
    }

    fn of(outcome: &Outcome) -> Self {
        let ms = |micros: u32| f64::from(micros) / 1e3;
        let (seconds, bytes) = (outcome.seconds.max(1e-9), outcome.body_bytes as f64);
        let cpu_s = outcome.server.cpu_s;
        Self {
            requests_per_s: outcome.requests as f64 / seconds,
            mb_per_s: bytes / 1e6 / seconds,
            cpu_s_per_gb: cpu_s * 1e9 / bytes.max(1.0),
            cpu_us_per_request: cpu_s * 1e6 / (outcome.requests.max(1)) as f64,
            server_busy: cpu_s / seconds,
            client_busy: outcome.client_cpu_s / seconds,
            resident_mb: outcome.server.resident_bytes as f64 / 1e6,
            latency_ms: QUANTILES.iter().map(|at| (*at, ms(quantile(&outcome.latency_us, *at)))).collect(),
            first_byte_p50_ms: ms(quantile(&outcome.first_byte_us, 0.5)),
            first_byte_p99_ms: ms(quantile(&outcome.first_byte_us, 0.99)),
            errors: outcome.errors,
            first_error: outcome.first_error.clone(),
        }
    }
}

impl Scenario {
    fn new(key: &'static str, title: &'static str, pieces: Vec<Piece>) -> Self {
        let request = |piece: Piece| Request::get(&piece.path, piece.gzip, piece.bytes);
        let mut requests: Vec<Request> = pieces.into_iter().map(request).collect();
        shuffle(&mut requests, SHUFFLE_SEED);
        Self { key, title, requests }
    }

    fn body_bytes_mean(&self) -> u64 {
        let total: u64 = self.requests.iter().map(|request| request.body_bytes).sum();
        total / (self.requests.len().max(1) as u64)
    }

    /// Times the scenario on both servers in turn.
    ///
    /// # Errors
    /// When a server takes no connections.
    pub(crate) fn measure(
        &self,
        nginx: &Nginx,
        ours: &Ours,
        cores: Cores,
        pace: Pace,
        progress: &mut Progress,
    ) -> io::Result<Paired> {
        let yardstick = if self.body_bytes_mean() >= LARGE_BYTES { nginx.large } else { nginx.small };
        let mut pairs = Vec::with_capacity(pace.pairs);
        for number in 1..=pace.pairs {
            let step = |server| format!("{}: {server}, run {number} of {}", self.key, pace.pairs);
            progress.tell(&step("nginx"));
            let nginx = self.run(yardstick, nginx.process.pid(), cores, pace)?;
            progress.spent(pace.warm_up + pace.duration);
            progress.tell(&step("rillcast"));
            let process = &ours.process;
            let ours = self.run(ours.address, process.pid(), cores, pace)?;
            if ours.errors == 0 {
                process.clear_log();
            }
            progress.spent(pace.warm_up + pace.duration);
            // A yardstick that used no measurable time is a fault; the figure only has to be finite.
            let ratio = ours.cpu_s_per_gb / nginx.cpu_s_per_gb.max(f64::MIN_POSITIVE.sqrt());
            pairs.push(Pair { nginx, ours, ratio });
        }
        Ok(Paired {
            key: self.key.to_owned(),
            title: self.title.to_owned(),
            urls: self.requests.len(),
            body_bytes_mean: self.body_bytes_mean(),
            connections: pace.connections,
            pairs,
        })
    }

    fn run(&self, address: SocketAddr, pid: u32, cores: Cores, pace: Pace) -> io::Result<Measured> {
        let Pace { connections, warm_up, duration, .. } = pace;
        let load = Load { address, pid, requests: &self.requests, connections, warm_up, duration };
        let outcome = measure::on_core(cores.client, || load::run(&load))??;
        Ok(Measured::of(&outcome))
    }
}

/// Fisher and Yates, with xorshift64 from `seed`.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for end in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(end, (state % (end as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_every_item_and_is_the_same_each_time() {
        let mut first: Vec<u32> = (0..600).collect();
        let mut second = first.clone();
        shuffle(&mut first, SHUFFLE_SEED);
        shuffle(&mut second, SHUFFLE_SEED);
        assert_eq!(first, second);
        assert!(!first.is_sorted());
        first.sort_unstable();
        assert_eq!(first, (0..600).collect::<Vec<u32>>());
    }

    #[test]
    fn figures_come_from_counted_bytes_and_cpu() {
        let outcome = Outcome {
            requests: 1000,
            body_bytes: 2_000_000_000,
            seconds: 2.0,
            latency_us: (1..=1000).collect(),
            first_byte_us: vec![100; 1000],
            server: measure::Usage { cpu_s: 0.2, resident_bytes: 5_000_000 },
            client_cpu_s: 1.0,
            ..Outcome::default()
        };
        let measured = Measured::of(&outcome);
        assert!((measured.cpu_s_per_gb - 0.1).abs() < 1e-9);
        assert!((measured.cpu_us_per_request - 200.0).abs() < 1e-9);
        assert!((measured.mb_per_s - 1000.0).abs() < 1e-9);
        assert!((measured.latency_at(0.5) - 0.5).abs() < 0.01, "{}", measured.latency_at(0.5));
        assert!((measured.latency_at(0.99) - 0.99).abs() < 0.01);
    }

    #[test]
    fn a_run_with_errors_or_without_answers_or_cpu_time_is_a_fault() {
        let mut run = Measured::of(&Outcome::default());
        assert!(run.fault().unwrap().contains("no answer"));
        run.requests_per_s = 1.0;
        assert!(run.fault().unwrap().contains("CPU time"));
        run.cpu_s_per_gb = 0.1;
        assert_eq!(run.fault(), None);
        (run.errors, run.first_error) = (1, Some("status 500".into()));
        assert_eq!(run.fault().unwrap(), "1 errors, the first: status 500");
    }
}
