//! The ratios of the best runs so far, and whether a run has become slower than them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::scenario::Paired;

/// A ratio may be this many times its baseline.
pub(crate) const SLACK: f64 = 1.15;

/// Ratio (our CPU seconds per gigabyte by nginx's) of each scenario.
pub(crate) type Ratios = BTreeMap<String, f64>;

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    /// It cannot be read or written.
    #[error("the baseline file: {0}")]
    Io(#[from] io::Error),
    /// It is not a list of ratios.
    #[error("the baseline file: {0}")]
    Json(#[from] serde_json::Error),
}

/// The median ratio of every scenario.
pub(crate) fn ratios(paired: &[Paired]) -> Ratios {
    paired.iter().map(|paired| (paired.key.clone(), paired.median(|pair| pair.ratio))).collect()
}

/// Reads a baseline.
///
/// # Errors
/// [`BaselineError`].
pub(crate) fn read(path: &Path) -> Result<Ratios, BaselineError> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Writes the ratios of this run into the baseline, scenarios that did not run left as they are.
///
/// # Errors
/// [`BaselineError`].
pub(crate) fn write(path: &Path, fresh: &Ratios) -> Result<(), BaselineError> {
    let mut all = if path.exists() { read(path)? } else { Ratios::new() };
    all.extend(fresh.iter().map(|(key, ratio)| (key.clone(), (ratio * 1000.0).round() / 1000.0)));
    Ok(fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?)
}

/// Scenarios whose ratio is more than [`SLACK`] times the baseline's, each in words.
pub(crate) fn regressions(fresh: &Ratios, baseline: &Ratios) -> Vec<String> {
    let both = fresh.iter().filter_map(|(key, ratio)| Some((key, *ratio, *baseline.get(key)?)));
    both.filter(|(_, ratio, before)| *ratio > before * SLACK)
        .map(|(key, ratio, before)| format!("{key}: {ratio:.3} x nginx static, the baseline is {before:.3}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(key: &str, value: f64) -> Ratios {
        Ratios::from([(key.to_owned(), value)])
    }

    #[test]
    fn fifteen_percent_above_is_allowed_and_more_is_not() {
        let baseline = ratio("O2-segment", 1.0);
        assert!(regressions(&ratio("O2-segment", 1.15), &baseline).is_empty());
        assert_eq!(regressions(&ratio("O2-segment", 1.151), &baseline).len(), 1);
        assert!(regressions(&ratio("new", 9.0), &baseline).is_empty());
    }

    #[test]
    fn writing_keeps_scenarios_that_did_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.json");
        write(&path, &ratio("a", 1.0)).unwrap();
        write(&path, &ratio("b", 2.000_44)).unwrap();
        let all = read(&path).unwrap();
        assert_eq!(all, Ratios::from([("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]));
        fs::write(&path, "{").unwrap();
        assert!(matches!(read(&path), Err(BaselineError::Json(_))));
    }
}
