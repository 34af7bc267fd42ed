//! The rules that compare documents. Each module says which checklist lines it holds.
//!
//! Rules see only facts (`Presentation`); they run once, after everything has been read.

mod alignment;
mod iframe;
mod ladder;
mod low_latency;
mod media;
mod rate;
mod renditions;
mod timeline;

pub(crate) mod http;

use crate::ledger::Ledger;
use crate::presentation::Presentation;

/// Runs every rule.
pub(crate) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    if presentation.multivariant.is_none() && presentation.playlists().next().is_none() {
        return;
    }
    media::check(presentation, ledger);
    ladder::check(presentation, ledger);
    renditions::check(presentation, ledger);
    alignment::check(presentation, ledger);
    timeline::check(presentation, ledger);
    rate::check(presentation, ledger);
    iframe::check(presentation, ledger);
    low_latency::check(presentation, ledger);
}
