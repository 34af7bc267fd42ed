//! What is timed, and how: peer, ours, peer, ours, … on the same core, one ratio a pair, and the
//! median of the pairs. Neighbours in time share the machine's mood, so a ratio is steadier than a figure.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::load::{self, LONG_TURN_BYTES, Load, Outcome, Request, Span, Tls};
use crate::measure::{self, Cores};
use crate::measured::{Measured, Other, Pair, Paired};
use crate::process::Running;
use crate::progress::Progress;
use crate::truth::Piece;

/// Start of the shuffle: any number, the same every time.
const SHUFFLE_SEED: u64 = 0x9e37_79b9_7f4a_7c15;

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
        Self { connections: 64, warm_up: Duration::from_secs(1), duration: Duration::from_secs(5), pairs: 3 };
    /// Shows that all works and roughly how fast; figures jump.
    pub(crate) const QUICK: Self = Self {
        connections: 64,
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(800),
        pairs: 3,
    };

    /// Time that one scenario takes.
    pub(crate) fn scenario_time(&self) -> Duration {
        self.run_time() * u32::try_from(2 * self.pairs).unwrap_or(u32::MAX)
    }

    /// Time that one run takes.
    pub(crate) fn run_time(&self) -> Duration {
        self.warm_up + self.duration
    }

    /// The span of one run.
    pub(crate) fn span(&self) -> Span {
        Span::For { warm_up: self.warm_up, duration: self.duration }
    }
}

/// A server in a scenario, and what it is asked.
#[derive(Debug)]
pub(crate) struct Side<'a> {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Its process.
    pub(crate) process: &'a Running,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Round and round in this order.
    pub(crate) requests: Vec<Request>,
    /// Over TLS, if so.
    pub(crate) tls: Option<Tls<'a>>,
}

/// The same job for us and for a peer.
#[derive(Debug)]
pub(crate) struct Scenario<'a> {
    /// [`Paired::key`].
    pub(crate) key: &'static str,
    /// [`Paired::title`].
    pub(crate) title: &'static str,
    /// The yardstick.
    pub(crate) peer: Side<'a>,
    /// Us.
    pub(crate) ours: Side<'a>,
    /// Further servers at the same job, such as nginx-vod-module, which makes other bytes of the same media.
    pub(crate) others: Vec<Side<'a>>,
}

/// Requests for `pieces`, shuffled the same way each time.
pub(crate) fn requests(pieces: &[Piece]) -> Vec<Request> {
    let request = |piece: &Piece| Request::get(&piece.path, piece.gzip, piece.bytes);
    shuffled(pieces.iter().map(request).collect())
}

/// The same for servers over TLS, whose answers have the `lengths` that [`crate::truth::check`] found.
pub(crate) fn sized(pieces: &[Piece], lengths: &HashMap<(String, bool), u64>) -> Vec<Request> {
    let request = |piece: &Piece| {
        let length = lengths.get(&(piece.path.clone(), piece.gzip)).copied();
        let answer_bytes = length.unwrap_or(piece.bytes);
        Request { answer_bytes, ..Request::get(&piece.path, piece.gzip, piece.bytes) }
    };
    shuffled(pieces.iter().map(request).collect())
}

/// `items` in the order of every run.
pub(crate) fn shuffled<T>(mut items: Vec<T>) -> Vec<T> {
    shuffle(&mut items, SHUFFLE_SEED);
    items
}

impl Side<'_> {
    /// One run.
    ///
    /// # Errors
    /// When the server takes no connections.
    pub(crate) fn run(&self, connections: usize, span: Span, cores: Cores) -> io::Result<Outcome> {
        let Side { process, address, requests, tls, .. } = self;
        let (address, tls, turn_bytes) = (*address, tls.as_ref(), LONG_TURN_BYTES);
        let load = Load { address, pid: process.pid(), requests, connections, span, turn_bytes, tls };
        let outcome = measure::on_core(cores.client, || load::run(&load))??;
        if outcome.errors == 0 {
            process.clear_log();
        }
        Ok(outcome)
    }

    fn body_bytes_mean(&self) -> u64 {
        let total: u64 = self.requests.iter().map(|request| request.body_bytes).sum();
        total / (self.requests.len().max(1) as u64)
    }
}

impl Scenario<'_> {
    /// Times the scenario on all servers in turn.
    ///
    /// # Errors
    /// When ours or the yardstick takes no connections; another that does not has a run less.
    pub(crate) fn measure(&self, cores: Cores, pace: Pace, progress: &mut Progress) -> io::Result<Paired> {
        let mut pairs = Vec::with_capacity(pace.pairs);
        let named = |side: &Side<'_>| Other { server: side.name.to_owned(), runs: Vec::new() };
        let mut others: Vec<Other> = self.others.iter().map(named).collect();
        for number in 1..=pace.pairs {
            let run = |side: &Side<'_>, progress: &mut Progress| {
                progress.tell(&format!("{}: {}, run {number} of {}", self.key, side.name, pace.pairs));
                let outcome = side.run(pace.connections, pace.span(), cores)?;
                progress.spent(pace.run_time());
                io::Result::Ok(Measured::of(&outcome))
            };
            let (peer, ours) = (run(&self.peer, progress)?, run(&self.ours, progress)?);
            pairs.push(Pair::new(peer, ours));
            for (side, other) in self.others.iter().zip(&mut others) {
                match run(side, progress) {
                    Ok(measured) => other.runs.push(measured),
                    Err(error) => progress.tell(&format!("{}: {} failed: {error}", self.key, side.name)),
                }
            }
        }
        let mut paired = Paired {
            key: self.key.to_owned(),
            title: self.title.to_owned(),
            peer: self.peer.name.to_owned(),
            urls: self.ours.requests.len(),
            body_bytes_mean: self.ours.body_bytes_mean(),
            connections: pace.connections,
            pairs,
            others,
        };
        for fault in paired.drop_bad_others() {
            progress.tell(&fault);
        }
        Ok(paired)
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
}
