//! Collects findings while the audit runs, bounded, and turns them into a [`Report`].

use std::collections::{BTreeMap, BTreeSet};

use crate::checklist;
use crate::limits::{FINDINGS_PER_LINE_MAX, QUOTE_CHARS_MAX};
use crate::report::{Counts, Finding, NotApplicable, Place, Report, Severity};

/// Findings so far. The only writer is the machine; rules borrow it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    findings: Vec<Finding>,
    per_line: BTreeMap<u16, usize>,
    checked: BTreeSet<u16>,
    suppressed: u64,
    gaps: BTreeSet<String>,
    pub(crate) counts: Counts,
}

impl Ledger {
    /// Notes that there was something to hold against `line`.
    pub(crate) fn checked(&mut self, line: u16) {
        self.checked.insert(line);
    }

    pub(crate) fn error(&mut self, line: u16, url: &str, place: Place, message: impl Into<String>) {
        self.add(line, Severity::Error, url, place, message.into());
    }

    pub(crate) fn warning(&mut self, line: u16, url: &str, place: Place, message: impl Into<String>) {
        self.add(line, Severity::Warning, url, place, message.into());
    }

    /// Notes something that was left out of the audit.
    pub(crate) fn gap(&mut self, what: impl Into<String>) {
        if self.gaps.len() < FINDINGS_PER_LINE_MAX {
            self.gaps.insert(harmless(what.into()));
        }
    }

    fn add(&mut self, line: u16, severity: Severity, url: &str, place: Place, message: String) {
        self.checked.insert(line);
        let count = self.per_line.entry(line).or_default();
        if *count >= FINDINGS_PER_LINE_MAX {
            self.suppressed = self.suppressed.saturating_add(1);
            return;
        }
        *count += 1;
        let (url, message) = (harmless(url.to_owned()), harmless(message));
        self.findings.push(Finding { line, severity, url, place, message });
    }

    /// The report. Findings are ordered by severity, then document in the order first met, then line.
    pub(crate) fn into_report(self, entry_url: &str) -> Report {
        let mut order: BTreeMap<String, usize> = BTreeMap::new();
        for finding in &self.findings {
            let next = order.len();
            order.entry(finding.url.clone()).or_insert(next);
        }
        let mut findings = self.findings;
        findings.sort_by_key(|finding| (finding.severity, order.get(&finding.url).copied(), finding.line));
        let not_applicable = (1..=checklist::LAST_LINE)
            .filter(|line| !self.checked.contains(line))
            .map(|line| NotApplicable { line, why: checklist::why_not(line).to_owned() })
            .collect();
        Report {
            entry_url: entry_url.to_owned(),
            findings,
            findings_suppressed: self.suppressed,
            checked_lines: self.checked.into_iter().collect(),
            not_applicable,
            not_audited: self.gaps.into_iter().collect(),
            counts: self.counts,
        }
    }
}

/// `text` without control characters, which a terminal would obey: the last guard behind [`quote`].
fn harmless(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, "\u{fffd}") } else { text }
}

/// Foreign text made fit for a message: bounded, no control characters.
pub(crate) fn quote(text: &str) -> String {
    quote_up_to(text, QUOTE_CHARS_MAX)
}

/// The same with another bound, in characters.
pub(crate) fn quote_up_to(text: &str, chars_max: usize) -> String {
    let mut out: String =
        text.chars().take(chars_max).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(chars_max).is_some() {
        out.push('…');
    }
    out
}
