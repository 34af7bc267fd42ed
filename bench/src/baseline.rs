//! The costs of the best runs so far, and whether a run has become dearer than them.
//!
//! A cost is a ratio, so that machines and moods cancel: CPU by the peer's in the same run; what has no
//! peer, by the time nginx takes for a small file in the same run. Of three measurements the best counts, ours
//! and the peer's, before and now: the best is what the machine disturbed least.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::rig::Findings;
use crate::run::yardstick::YARDSTICK;

/// A cost may be this many times its baseline.
const SLACK: f64 = 1.15;
/// In a quick run, whose runs of less than a second jump.
const SLACK_QUICK: f64 = 1.5;

/// The cost of each scenario and figure.
pub(crate) type Costs = BTreeMap<String, f64>;

/// The costs of the best full run and of the best quick run: another corpus has other ratios.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    full: Costs,
    quick: Costs,
}

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    /// It cannot be read or written.
    #[error("the baseline file: {0}")]
    Io(#[from] io::Error),
    /// It is not what we write.
    #[error("the baseline file: {0}")]
    Json(#[from] serde_json::Error),
}

/// What a baseline keeps of `findings`.
pub(crate) fn costs(findings: &Findings) -> Costs {
    let mut costs: Costs =
        findings.paired.iter().map(|paired| (paired.key.clone(), paired.best_ratio())).collect();
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let yardstick = findings.figures.iter().find(|figure| figure.key == YARDSTICK);
    if let Some(yardstick_us) = yardstick.map(|figure| least(&figure.ours)) {
        // Not of a file without index: most of that is memory that the kernel clears, at several times the cost where
        // a host has to find it first, and the yardstick does none of it.
        for figure in findings.figures.iter().filter(|figure| figure.key.starts_with("O6-present")) {
            costs.insert(figure.key.clone(), least(&figure.ours) * 1e3 / yardstick_us);
        }
    }
    for figure in findings.figures.iter().filter(|figure| figure.key == "O9-anonymous") {
        costs.insert(figure.key.clone(), figure.median());
    }
    for figure in findings.figures.iter().filter(|figure| figure.key == "O7-disk") {
        // Upside down: a rate is better when it is higher.
        costs.extend(figure.ratio().map(|share| (figure.key.clone(), 1.0 / share.max(1e-9))));
    }
    costs.retain(|_, cost| cost.is_finite());
    costs
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub(crate) fn read(path: &Path) -> Result<Self, BaselineError> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// Writes `fresh` into the baseline at `path`; what did not run stays as it was.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub(crate) fn write(path: &Path, quick: bool, fresh: Costs) -> Result<(), BaselineError> {
        let mut all = if path.exists() { Self::read(path)? } else { Self::default() };
        let part = if quick { &mut all.quick } else { &mut all.full };
        part.extend(fresh.into_iter().map(|(key, cost)| (key, (cost * 1000.0).round() / 1000.0)));
        Ok(fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?)
    }

    /// What costs more than the slack allows, each in words.
    pub(crate) fn regressions(&self, quick: bool, fresh: &Costs) -> Vec<String> {
        let (before, slack) = if quick { (&self.quick, SLACK_QUICK) } else { (&self.full, SLACK) };
        let both = fresh.iter().filter_map(|(key, cost)| Some((key, *cost, *before.get(key)?)));
        both.filter(|(_, cost, before)| *cost > before * slack)
            .map(|(key, cost, before)| {
                format!("{key}: {:.2} x the baseline ({cost:.3}, {before:.3})", cost / before)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figure, Unit};

    fn cost(key: &str, value: f64) -> Costs {
        Costs::from([(key.to_owned(), value)])
    }

    #[test]
    fn fifteen_percent_above_is_allowed_and_more_is_not() {
        let baseline = Baseline { full: cost("O2-segment", 1.0), quick: Costs::new() };
        assert!(baseline.regressions(false, &cost("O2-segment", 1.15)).is_empty());
        assert_eq!(baseline.regressions(false, &cost("O2-segment", 1.151)).len(), 1);
        assert!(baseline.regressions(false, &cost("new", 9.0)).is_empty());
        assert!(baseline.regressions(true, &cost("O2-segment", 9.0)).is_empty(), "another corpus");
    }

    #[test]
    fn writing_keeps_scenarios_that_did_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.json");
        Baseline::write(&path, false, cost("a", 1.0)).unwrap();
        Baseline::write(&path, false, cost("b", 2.000_44)).unwrap();
        Baseline::write(&path, true, cost("a", 3.0)).unwrap();
        let full = Costs::from([("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]);
        assert_eq!(Baseline::read(&path).unwrap(), Baseline { full, quick: cost("a", 3.0) });
        fs::write(&path, "{").unwrap();
        assert!(matches!(Baseline::read(&path), Err(BaselineError::Json(_))));
    }

    #[test]
    fn first_answers_count_by_the_yardstick_of_their_run() {
        let figures = vec![
            Figure::alone(YARDSTICK, "", Unit::Us, vec![12.0, 10.0]),
            Figure::alone("O6-absent-front", "", Unit::Ms, vec![20.0, 15.0]),
            Figure::alone("O6-present-front", "", Unit::Ms, vec![2.0, 1.5]),
            Figure::alone("O7-disk", "", Unit::MbPerS, vec![800.0]).beside("disk", vec![1000.0]),
        ];
        let costs = costs(&Findings { figures, ..Findings::default() });
        let want = [("O6-present-front".to_owned(), 150.0), ("O7-disk".to_owned(), 1.25)];
        assert_eq!(costs, Costs::from(want));
    }
}
