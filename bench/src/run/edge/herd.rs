//! E3: many ask at once for what nobody has yet. The origin takes its time; what matters is that it is asked once,
//! and that everybody gets the bytes as they come.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::{Caches, Fronted, OURS, ensure_yardstick};
use crate::fetch::Client;
use crate::figure::{Figure, Unit};
use crate::load::{self, Load, Outcome, Request, SHORT_TURN_BYTES, Span};
use crate::measure::{self, quantile};
use crate::objects::HERD;
use crate::progress::Progress;
use crate::rig::{Findings, Rig};
use crate::truth;

/// Clients that ask at once.
const CLIENTS: usize = 500;
/// A cache that needs longer has failed.
const LIMIT: Duration = Duration::from_secs(30);
/// The figures of a herd, in the order of [`Herd::figures`].
const FIGURES: [(&str, &str, Unit); 5] = [
    ("E3-upstream", "requests of a cache that 500 clients ask for one object", Unit::Requests),
    ("E3-first-byte", "from the origin's first byte to that of the last of 500 clients", Unit::Ms),
    ("E3-p50", "500 clients at once, the whole object, median", Unit::Ms),
    ("E3-last", "500 clients at once, the whole object, the last", Unit::Ms),
    ("E3-client", "share of its core that the client used in a herd", Unit::Share),
];

/// What one herd found.
#[derive(Debug, Clone, Copy)]
struct Herd {
    upstream: u64,
    first_byte_ms: f64,
    p50_ms: f64,
    last_ms: f64,
    client_busy: f64,
}

/// E3.
pub(in crate::run) fn measure(
    caches: &Caches<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    ensure_yardstick(caches.rig, progress, findings)?;
    let (ours, rounds) = (&caches.ours, caches.rig.pace.pairs);
    let targets = std::iter::once((OURS, ours.cache.address, ours.cache.process.pid(), &ours.origin));
    let peers = caches
        .peers()
        .map(|Fronted { cache, origin }| (cache.name, cache.large, cache.process.pid(), origin));
    let mut herds: Vec<(&str, Vec<Herd>)> = Vec::new();
    for (name, address, pid, origin) in targets.chain(peers) {
        let first = caches.objects.piece(HERD, 0);
        truth::check(name, &mut Client::new(address), std::iter::once(&first))?;
        let mut found = Vec::new();
        for round in 1..=rounds {
            progress.tell(&format!("E3: {name}, herd {round} of {rounds}"));
            let piece = caches.objects.piece(HERD, round);
            let before = origin.requests();
            origin.take_answered();
            let requests = vec![Request::get(&piece.path, false, piece.bytes); CLIENTS];
            let outcome = run(caches.rig, address, pid, &requests)?;
            let upstream = origin.requests() - before;
            found.push(Herd::of(&outcome, upstream, origin.take_answered()).with_context(|| name)?);
            progress.spent(herd_time());
        }
        herds.push((name, found));
    }
    findings.figures.extend(figures(&herds));
    Ok(())
}

/// About how long all herds take.
pub(in crate::run) fn time(rounds: usize) -> Duration {
    herd_time() * u32::try_from(4 * rounds).unwrap_or(u32::MAX)
}

fn herd_time() -> Duration {
    Duration::from_secs(1)
}

fn run(rig: &Rig, address: std::net::SocketAddr, pid: u32, requests: &[Request]) -> anyhow::Result<Outcome> {
    // Short turns: a first byte must not wait until others have read all of theirs.
    let (span, turn_bytes) = (Span::Once { limit: LIMIT }, SHORT_TURN_BYTES);
    let load = Load { address, pid, requests, connections: CLIENTS, span, turn_bytes, tls: None };
    Ok(measure::on_core(rig.cores.client, || load::run(&load))??)
}

impl Herd {
    fn of(outcome: &Outcome, upstream: u64, answered: Option<Instant>) -> anyhow::Result<Self> {
        if let Some(error) = &outcome.first_error {
            bail!("{} errors, the first: {error}", outcome.errors);
        }
        let answered = answered.context("the origin was not asked")?;
        let last = outcome.last_first_byte.context("no answer at all")?;
        let ms = |share| f64::from(quantile(&outcome.latency_us, share)) / 1e3;
        let client_busy = outcome.client_cpu_s / outcome.seconds.max(1e-9);
        let first_byte_ms = last.saturating_duration_since(answered).as_secs_f64() * 1e3;
        Ok(Self { upstream, first_byte_ms, p50_ms: ms(0.5), last_ms: ms(1.0), client_busy })
    }

    fn figures(self) -> [f64; 5] {
        [self.upstream as f64, self.first_byte_ms, self.p50_ms, self.last_ms, self.client_busy]
    }
}

/// The figures of ours, the first of `herds`, beside those of the others.
fn figures(herds: &[(&str, Vec<Herd>)]) -> Vec<Figure> {
    let Some(((_, ours), peers)) = herds.split_first() else { return Vec::new() };
    let columns = |herds: &[Herd]| {
        let rows: Vec<[f64; 5]> = herds.iter().map(|herd| herd.figures()).collect();
        [0, 1, 2, 3, 4]
            .map(|at: usize| rows.iter().filter_map(|row| row.get(at).copied()).collect::<Vec<f64>>())
    };
    let mut figures: Vec<Figure> = FIGURES
        .iter()
        .zip(columns(ours))
        .map(|((key, title, unit), values)| Figure::alone(key, title, *unit, values))
        .collect();
    for (name, herds) in peers {
        for (figure, values) in figures.iter_mut().zip(columns(herds)) {
            figure.peers.push(((*name).to_owned(), values));
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_those_of_the_same_herd() {
        let herd =
            |upstream, p50_ms| Herd { upstream, first_byte_ms: 1.0, p50_ms, last_ms: 3.0, client_busy: 0.5 };
        let herds = [("us", vec![herd(1, 2.0), herd(1, 4.0)]), ("nginx", vec![herd(1, 8.0), herd(2, 8.0)])];
        let figures = figures(&herds);
        assert_eq!(
            figures.iter().map(|figure| figure.key.as_str()).collect::<Vec<_>>(),
            FIGURES.map(|f| f.0)
        );
        let p50 = &figures[2];
        assert_eq!((p50.median(), p50.ratio()), (3.0, Some(0.375)));
        assert_eq!(figures[0].peer_median(), Some(1.5));
    }

    #[test]
    fn a_herd_with_an_error_or_without_an_answer_measured_nothing() {
        let mut outcome = Outcome { latency_us: vec![1000, 2000, 3000], seconds: 1.0, ..Outcome::default() };
        let now = measure::now();
        assert!(Herd::of(&outcome, 1, Some(now)).is_err(), "nobody got a byte");
        outcome.last_first_byte = Some(now);
        assert!(Herd::of(&outcome, 0, None).is_err(), "the object was in the cache");
        let herd = Herd::of(&outcome, 1, Some(now)).unwrap();
        assert_eq!(herd.figures(), [1.0, 0.0, 2.0, 3.0, 0.0]);
        outcome.first_error = Some("status 503".into());
        assert!(Herd::of(&outcome, 1, Some(now)).is_err());
    }
}
