//! What a run of the load client said, alone and beside a peer's run.

use serde::{Deserialize, Serialize};

use crate::load::Outcome;
use crate::measure::{median, quantile};

/// Points of a latency distribution that the report keeps.
const QUANTILES: [f64; 14] = [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999];

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
    /// The peer.
    pub(crate) peer: Measured,
    /// Us.
    pub(crate) ours: Measured,
    /// Our CPU seconds per gigabyte by the peer's.
    pub(crate) ratio: f64,
}

/// A scenario with its runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Paired {
    /// Its name in reports, baselines and targets: `O5-media-gzip`.
    pub(crate) key: String,
    /// In words.
    pub(crate) title: String,
    /// Who the peer is: `nginx static`.
    pub(crate) peer: String,
    /// Different URLs asked for.
    pub(crate) urls: usize,
    /// Mean length of a body.
    pub(crate) body_bytes_mean: u64,
    /// Connections at once.
    pub(crate) connections: usize,
    /// The runs.
    pub(crate) pairs: Vec<Pair>,
    /// Further servers at the same job, where they are: a run after each pair.
    pub(crate) others: Vec<Other>,
}

/// A further server and its runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Other {
    /// Who: `nginx-vod`.
    pub(crate) server: String,
    /// In the order of the pairs.
    pub(crate) runs: Vec<Measured>,
}

impl Paired {
    /// The median of `figure` over all pairs.
    pub(crate) fn median(&self, figure: impl Fn(&Pair) -> f64) -> f64 {
        median(&self.pairs.iter().map(figure).collect::<Vec<f64>>()).unwrap_or(f64::NAN)
    }

    /// The median of `figure` over the runs of each further server.
    pub(crate) fn other_medians(&self, figure: impl Fn(&Measured) -> f64) -> Vec<(&str, f64)> {
        let of = |other: &Other| median(&other.runs.iter().map(&figure).collect::<Vec<f64>>());
        self.others.iter().filter_map(|other| Some((other.server.as_str(), of(other)?))).collect()
    }

    /// Our best run by the peer's best: what a baseline keeps and is compared with. The best ratio of a pair would be
    /// that of the peer's worst run.
    pub(crate) fn best_ratio(&self) -> f64 {
        let best = |run: fn(&Pair) -> &Measured| {
            self.pairs.iter().map(|pair| run(pair).cpu_s_per_gb).fold(f64::INFINITY, f64::min)
        };
        ratio(best(|pair| &pair.ours), best(|pair| &pair.peer))
    }

    /// What went wrong in any run of ours or of the yardstick's, without which nothing was measured.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> + '_ {
        let runs =
            self.pairs.iter().flat_map(|pair| [(self.peer.as_str(), &pair.peer), ("rillcast", &pair.ours)]);
        runs.filter_map(|(server, run)| self.fault_of(server, run))
    }

    /// Takes out the runs of further servers in which something went wrong, and says what: they cost nobody else a row.
    pub(crate) fn drop_bad_others(&mut self) -> Vec<String> {
        let mut others = std::mem::take(&mut self.others);
        let mut faults = Vec::new();
        for Other { server, runs } in &mut others {
            faults.extend(runs.iter().filter_map(|run| self.fault_of(server, run)));
            runs.retain(|run| run.fault().is_none());
        }
        others.retain(|other| !other.runs.is_empty());
        self.others = others;
        faults
    }

    fn fault_of(&self, server: &str, run: &Measured) -> Option<String> {
        run.fault().map(|fault| format!("{}: {server}: {fault}", self.key))
    }
}

impl Pair {
    /// Two runs and their ratio.
    pub(crate) fn new(peer: Measured, ours: Measured) -> Self {
        Self { ratio: ratio(ours.cpu_s_per_gb, peer.cpu_s_per_gb), peer, ours }
    }
}

/// Our cost by the peer's. One that used no measurable time is a fault; the figure only has to be finite.
fn ratio(ours: f64, peer: f64) -> f64 {
    ours / peer.max(f64::MIN_POSITIVE.sqrt())
}

impl Measured {
    /// Milliseconds within which `share` of the answers were whole; one of the points kept.
    pub(crate) fn latency_at(&self, share: f64) -> f64 {
        let point = self.latency_ms.iter().find(|(at, _)| *at >= share);
        point.or_else(|| self.latency_ms.last()).map_or(f64::NAN, |(_, ms)| *ms)
    }

    /// Why the run measured nothing, if it did not.
    pub(crate) fn fault(&self) -> Option<String> {
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

    /// The figures of `outcome`.
    pub(crate) fn of(outcome: &Outcome) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure;

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

    #[test]
    fn an_unlucky_run_of_the_peer_makes_no_better_baseline() {
        let run = |cpu_s_per_gb| Measured { cpu_s_per_gb, ..Measured::of(&Outcome::default()) };
        let pairs = [(2.2, 1.0), (2.0, 4.0), (2.4, 1.1)];
        let pairs = pairs.map(|(ours, peer)| Pair::new(run(peer), run(ours))).to_vec();
        let (key, title, peer) = ("O1".to_owned(), String::new(), "nginx".to_owned());
        let paired = Paired {
            key,
            title,
            peer,
            urls: 1,
            body_bytes_mean: 1,
            connections: 1,
            pairs,
            others: Vec::new(),
        };
        assert!((paired.best_ratio() - 2.0).abs() < 1e-9, "not 0.5, that of the second pair");
    }

    #[test]
    fn a_further_server_that_fails_costs_its_own_runs_only() {
        let good = Measured { requests_per_s: 1.0, cpu_s_per_gb: 0.1, ..Measured::of(&Outcome::default()) };
        let bad = Measured { errors: 1, first_error: Some("status 503".into()), ..good.clone() };
        let of = |server: &str, runs: &[&Measured]| Other {
            server: server.into(),
            runs: runs.iter().map(|run| (*run).clone()).collect(),
        };
        let mut paired = Paired {
            key: "E1".into(),
            title: String::new(),
            peer: "nginx".into(),
            urls: 1,
            body_bytes_mean: 1,
            connections: 1,
            pairs: vec![Pair::new(good.clone(), good.clone())],
            others: vec![of("one", &[&good, &bad]), of("other", &[&bad])],
        };
        let faults = paired.drop_bad_others();
        let expected = |server| format!("E1: {server}: 1 errors, the first: status 503");
        assert_eq!(faults, [expected("one"), expected("other")]);
        let left: Vec<_> =
            paired.others.iter().map(|other| (other.server.as_str(), other.runs.len())).collect();
        assert_eq!(left, [("one", 1)]);
        assert_eq!(paired.faults().next(), None);
        paired.pairs.push(Pair::new(bad, good));
        assert_eq!(paired.faults().count(), 1, "without the yardstick nothing is measured");
    }
}
