//! The result of a run: `report.json` to compute with, `report.html` to look at, text for a terminal, and
//! the same as Markdown for `BASELINE.md`.

mod figures;
mod page;
mod svg;
mod text;

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::fairness::Spread;
use crate::figure::Figure;
use crate::measured::Paired;
use crate::profile::Profile;
use crate::slow_readers::SlowReaders;
use crate::targets::{Judged, Verdict};

/// Everything of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The command that made it.
    pub(crate) command: String,
    /// Whether the small corpus and short runs were used: such figures jump.
    pub(crate) quick: bool,
    /// Machine and tools.
    pub(crate) environment: Environment,
    /// Scenarios with a peer.
    pub(crate) paired: Vec<Paired>,
    /// Other figures.
    pub(crate) figures: Vec<Figure>,
    /// How evenly connections were served.
    pub(crate) spreads: Vec<Spread>,
    /// What slow readers cost the others.
    pub(crate) slow_readers: Vec<SlowReaders>,
    /// Targets, judged.
    pub(crate) targets: Vec<Judged>,
    /// What makes the run fail.
    pub(crate) failures: Vec<String>,
    /// Where the time goes, when asked.
    pub(crate) profile: Option<Profile>,
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

    /// The figures as tables for a terminal.
    pub(crate) fn text(&self) -> String {
        text::terminal(self)
    }

    /// The same as Markdown, with how they came to be.
    pub(crate) fn markdown(&self) -> String {
        text::markdown(self)
    }

    /// The lines of the target table that this rig is meant to measure.
    fn judged(&self) -> impl Iterator<Item = &Judged> {
        self.targets.iter().filter(|line| line.verdict != Verdict::NotYetMeasurable)
    }

    /// What targets that wait wait for: `O3 (MPEG-TS packager)`.
    fn waiting(&self) -> Vec<String> {
        let waiting = self.targets.iter().filter(|line| line.verdict == Verdict::NotYetMeasurable);
        let what = |line: &Judged| line.about.trim_start_matches("needs: ").to_owned();
        waiting.map(|line| format!("{} ({})", line.id, what(line))).collect()
    }
}

#[cfg(test)]
mod tests;
