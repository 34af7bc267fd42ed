//! A progress line for large indexes on slow disks: on a terminal only, and not in the first second.

use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::inspect::text::printable;

/// Below this nobody wonders.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// How far the walk through a file is. Erases itself.
pub(super) struct Progress {
    bar: ProgressBar,
    /// Whether there is nothing left to decide: it is shown, or never will be.
    settled: bool,
}

impl Progress {
    pub(super) fn new(path: &Path, len: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("  {msg}: at {bytes} of {total_bytes}, {elapsed}")
            .expect("the template is a constant");
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self { bar: bar.with_style(style).with_message(printable(&name)), settled: !stderr().is_terminal() }
    }

    /// The walk has reached byte `at`.
    pub(super) fn at(&mut self, at: u64) {
        if !self.settled && self.bar.elapsed() >= SHOWN_AFTER {
            self.settled = true;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(at);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
