//! The result of a run: `report.json` to compute with, `report.html` to look at.

mod page;
mod svg;

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cold::Cold;
use crate::environment::Environment;
use crate::scenario::Paired;
use crate::targets::Judged;

/// Everything of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The command that made it.
    pub(crate) command: String,
    /// Whether the small corpus and short runs were used: such figures jump.
    pub(crate) quick: bool,
    /// Machine and tools.
    pub(crate) environment: Environment,
    /// Scenarios with a yardstick.
    pub(crate) paired: Vec<Paired>,
    /// First answers.
    pub(crate) cold: Vec<Cold>,
    /// Targets, judged.
    pub(crate) targets: Vec<Judged>,
    /// What makes the run fail.
    pub(crate) failures: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// It cannot be read or written.
    #[error("the report: {0}")]
    Io(#[from] io::Error),
    /// It is not ours.
    #[error("the report: {0}")]
    Json(#[from] serde_json::Error),
}

impl Report {
    /// Writes `report.json` and `report.html` into `folder`.
    ///
    /// # Errors
    /// [`ReportError`].
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ReportError> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        Ok(fs::write(folder.join("report.html"), page::html(self))?)
    }

    /// Reads the `report.json` of `folder`.
    ///
    /// # Errors
    /// [`ReportError`].
    pub(crate) fn read(folder: &Path) -> Result<Self, ReportError> {
        Ok(serde_json::from_slice(&fs::read(folder.join("report.json"))?)?)
    }

    /// The figures as a table for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!(
            "{:<17} {:>9} {:>9} {:>7} {:>9} {:>9} {:>8} {:>8} {:>7}",
            "scenario", "nginx", "ours", "ratio", "us/req", "MB/s", "p50 ms", "p99 ms", "RSS MB"
        )];
        lines.extend(self.paired.iter().map(|paired| {
            format!(
                "{:<17} {:>9.4} {:>9.4} {:>7.2} {:>9.1} {:>9.0} {:>8.2} {:>8.2} {:>7.0}",
                paired.key,
                paired.median(|pair| pair.nginx.cpu_s_per_gb),
                paired.median(|pair| pair.ours.cpu_s_per_gb),
                paired.median(|pair| pair.ratio),
                paired.median(|pair| pair.ours.cpu_us_per_request),
                paired.median(|pair| pair.ours.mb_per_s),
                paired.median(|pair| pair.ours.latency_at(0.5)),
                paired.median(|pair| pair.ours.latency_at(0.99)),
                paired.median(|pair| pair.ours.resident_mb),
            )
        }));
        lines.extend(self.cold.iter().map(|cold| format!("{:<17} {:.2} ms", cold.key, cold.median_ms())));
        lines.push("(nginx, ours: server CPU seconds per GB; medians of the pairs)".to_owned());
        lines.push(String::new());
        lines.extend(self.targets.iter().map(|line| {
            let words = line.verdict.words();
            format!("{:<3} {:<19} {:<28} {}", line.id, words, line.about, line.measured).trim_end().to_owned()
        }));
        lines.extend(self.failures.iter().map(|failure| format!("FAILED: {failure}")));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;
