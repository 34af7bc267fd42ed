//! A figure that no pair of loads gives: first answers, the disk's rate, memory.

use serde::{Deserialize, Serialize};

use crate::measure::median;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Milliseconds.
    Ms,
    /// Microseconds of CPU a request.
    Us,
    /// CPU seconds per gigabyte (1e9).
    SPerGb,
    /// Megabytes (1e6) a second.
    MbPerS,
    /// Megabytes (1e6).
    Mb,
    /// A share of one.
    Share,
    /// Requests.
    Requests,
    /// Kilobytes (1e3).
    Kb,
    /// Viewers at once.
    Viewers,
}

/// One figure, measured some times.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Its name in reports, baselines and targets: `O6-front`.
    pub(crate) key: String,
    /// In words.
    pub(crate) title: String,
    /// What it counts.
    pub(crate) unit: Unit,
    /// Ours, in the order of the runs.
    pub(crate) ours: Vec<f64>,
    /// Who it is compared with, and their values in the same runs: the yardstick first.
    pub(crate) peers: Vec<(String, Vec<f64>)>,
}

impl Unit {
    /// As the report writes it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::Us => "us",
            Self::SPerGb => "s/GB",
            Self::MbPerS => "MB/s",
            Self::Mb => "MB",
            Self::Share => "of 1",
            Self::Requests => "requests",
            Self::Kb => "kB",
            Self::Viewers => "viewers",
        }
    }

    /// `value` with as many digits as mean something.
    pub(crate) fn write(self, value: f64) -> String {
        match self {
            Self::Ms | Self::Mb | Self::Requests => format!("{value:.2}"),
            Self::Us | Self::Kb => format!("{value:.1}"),
            Self::SPerGb => format!("{value:.4}"),
            Self::MbPerS | Self::Viewers => format!("{value:.0}"),
            Self::Share => format!("{value:.5}"),
        }
    }
}

impl Figure {
    /// A figure of ours alone.
    pub(crate) fn alone(key: &str, title: &str, unit: Unit, ours: Vec<f64>) -> Self {
        Self { key: key.to_owned(), title: title.to_owned(), unit, ours, peers: Vec::new() }
    }

    /// The same beside `peer`, after those that it is beside already.
    pub(crate) fn beside(mut self, peer: &str, values: Vec<f64>) -> Self {
        self.peers.push((peer.to_owned(), values));
        self
    }

    /// The median of ours.
    pub(crate) fn median(&self) -> f64 {
        median(&self.ours).unwrap_or(f64::NAN)
    }

    /// The median of the first peer's.
    pub(crate) fn peer_median(&self) -> Option<f64> {
        self.peers.first().and_then(|(_, values)| median(values))
    }

    /// The medians of the peers after the first.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&str, f64)> {
        self.peers.iter().skip(1).filter_map(|(name, values)| Some((name.as_str(), median(values)?)))
    }

    /// The median of our value by the first peer's in the same run.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peers.first()?;
        let ratios: Vec<f64> = self
            .ours
            .iter()
            .zip(peer)
            .filter(|(_, peer)| **peer > 0.0)
            .map(|(ours, peer)| ours / peer)
            .collect();
        median(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_each_run_not_of_the_medians() {
        let figure = Figure::alone("k", "t", Unit::MbPerS, vec![90.0, 10.0, 190.0]);
        assert_eq!((figure.median(), figure.ratio()), (90.0, None));
        let figure = figure.beside("disk", vec![100.0, 100.0, 200.0]);
        assert_eq!((figure.ratio(), figure.peer_median()), (Some(0.9), Some(100.0)));
        assert_eq!(Figure::alone("k", "t", Unit::Ms, vec![1.0]).beside("p", vec![0.0]).ratio(), None);
    }
}
