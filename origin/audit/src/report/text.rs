//! The report as people read it: one block a document, errors first, a summary line last.

use std::fmt;

use super::{Finding, Place, Report, Severity};

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Line(number) => write!(f, "line {number}: "),
            Self::Byte { offset, fourcc } => write!(f, "`{fourcc}` at byte {offset}: "),
            Self::Header(name) => write!(f, "{name}: "),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<7} [{}] {}{}", self.severity, self.line, self.place, self.message)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut documents: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if !documents.contains(&finding.url.as_str()) {
                documents.push(&finding.url);
            }
        }
        for url in documents {
            writeln!(f, "{url}")?;
            for finding in self.findings.iter().filter(|finding| finding.url == url) {
                writeln!(f, "  {finding}")?;
            }
        }
        if self.findings_suppressed > 0 {
            writeln!(f, "{} more findings of the same lines are not shown", self.findings_suppressed)?;
        }
        for gap in &self.not_audited {
            writeln!(f, "not audited: {gap}")?;
        }
        writeln!(
            f,
            "{} errors, {} warnings; {} of 100 lines checked; {} playlists, {} init segments, \
             {} segments, {} bytes in {} requests",
            self.count(Severity::Error),
            self.count(Severity::Warning),
            self.checked_lines.len(),
            self.counts.playlists,
            self.counts.init_segments,
            self.counts.segments,
            self.counts.bytes,
            self.counts.requests,
        )
    }
}
