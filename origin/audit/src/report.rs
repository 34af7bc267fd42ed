//! What an audit found: findings by checklist line, what was looked at, and what was not and why.

mod text;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The packager or server breaks the line.
    Error,
    /// A fact of the source, or a choice that cannot be judged from outside.
    Warning,
}

/// Where in the document a finding sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The document as a whole.
    Whole,
    /// Line of a playlist, counted from 1.
    Line(u32),
    /// Byte of an MP4 file, with the box it belongs to.
    Byte {
        /// Offset in the fetched body.
        offset: u64,
        /// Four-character code of the box.
        fourcc: String,
    },
    /// A response header field.
    Header(String),
}

/// One departure from one line of the conformance checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Number of the line in the conformance checklist, 1 to 100.
    pub line: u16,
    /// How bad.
    pub severity: Severity,
    /// The document.
    pub url: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong, with the values that disagree.
    pub message: String,
}

/// A checklist line that said nothing about this presentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotApplicable {
    /// Number of the line.
    pub line: u16,
    /// Why it was not checked.
    pub why: String,
}

/// How much was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Playlists parsed.
    pub playlists: u64,
    /// Init segments parsed.
    pub init_segments: u64,
    /// Media segments, parts and I-frame ranges parsed.
    pub segments: u64,
    /// Body bytes received.
    pub bytes: u64,
    /// Requests answered or failed.
    pub requests: u64,
}

/// The result of an audit. `Display` writes it for people, serde for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The URL audited.
    pub entry_url: String,
    /// Errors first, then by document and line.
    pub findings: Vec<Finding>,
    /// Findings past the per-line bound, counted only.
    pub findings_suppressed: u64,
    /// Checklist lines for which there was something to look at, ascending.
    pub checked_lines: Vec<u16>,
    /// All other lines, each with the reason.
    pub not_applicable: Vec<NotApplicable>,
    /// Parts of the presentation that were left out: a limit, sampling, a format that is not read.
    pub not_audited: Vec<String>,
    /// How much was read.
    pub counts: Counts,
}

impl Report {
    /// The one finding of an audit that had nothing to look at: the URL cannot be loaded, or is no playlist.
    pub fn nothing_audited(&self) -> Option<&Finding> {
        self.findings.first().filter(|_| self.counts.playlists == 0)
    }

    /// Number of findings of `severity`.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
