//! How evenly the connections of one core are served: the spread of what each received in the same time.

use serde::{Deserialize, Serialize};

use crate::load::Outcome;

/// Shares of the connections whose throughput is kept: the least, the most, and between.
pub(crate) const POINTS: [f64; 5] = [0.0, 0.05, 0.5, 0.95, 1.0];

/// The spread of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// Who was measured.
    pub(crate) server: String,
    /// How many connections.
    pub(crate) connections: usize,
    /// All of them together.
    pub(crate) mb_per_s: f64,
    /// Throughput of a connection at each of [`POINTS`], in MB/s.
    pub(crate) connection_mb_per_s: [f64; POINTS.len()],
    /// Jain's index: 1 when all get the same, 1/n when one gets all.
    pub(crate) jain: f64,
}

impl Spread {
    /// The spread of `outcome`.
    pub(crate) fn of(server: &str, outcome: &Outcome) -> Self {
        let seconds = outcome.seconds.max(1e-9);
        let mb_per_s: Vec<f64> =
            outcome.connection_bytes.iter().map(|bytes| *bytes as f64 / 1e6 / seconds).collect();
        let last = mb_per_s.len().saturating_sub(1);
        let at = |share: f64| mb_per_s.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0);
        Self {
            server: server.to_owned(),
            connections: mb_per_s.len(),
            mb_per_s: mb_per_s.iter().sum(),
            connection_mb_per_s: POINTS.map(at),
            jain: jain(&mb_per_s),
        }
    }
}

/// Jain, Chiu, Hawe 1984: the square of the sum by n times the sum of the squares.
fn jain(values: &[f64]) -> f64 {
    let (sum, squares) = values.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    if squares > 0.0 { sum * sum / (values.len() as f64 * squares) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_for_equals_and_one_by_n_when_one_has_all() {
        assert!((jain(&[3.0; 8]) - 1.0).abs() < 1e-12);
        assert!((jain(&[0.0, 0.0, 0.0, 5.0]) - 0.25).abs() < 1e-12);
        assert_eq!((jain(&[]), jain(&[0.0])), (0.0, 0.0));
    }

    #[test]
    fn a_spread_runs_from_the_least_to_the_most() {
        let connection_bytes = (0..=100).map(|number| number * 2_000_000).collect();
        let outcome = Outcome { connection_bytes, seconds: 2.0, ..Outcome::default() };
        let spread = Spread::of("x", &outcome);
        assert_eq!(spread.connection_mb_per_s, [0.0, 5.0, 50.0, 95.0, 100.0]);
        assert_eq!((spread.connections, spread.mb_per_s), (101, 5050.0));
    }
}
