//! How far the command is: a bar on a terminal, nothing elsewhere.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::inspect::printable;

/// A bar of files. Erases itself.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(files: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("  [{bar:30}] {pos} of {len}, {eta} to go: {msg}");
        let bar = bar.with_style(style.expect("the template is a constant"));
        if stderr().is_terminal() && files > 1 {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Self { bar }
    }

    /// A file is begun, and so the one before done.
    pub(super) fn begin(&mut self, name: &str) {
        self.bar.set_message(printable(name));
    }

    /// Does what writes to the terminal without the bar in its way; the file is done.
    pub(super) fn without<T>(&mut self, write: impl FnOnce() -> T) -> T {
        let done = self.bar.suspend(write);
        self.bar.inc(1);
        done
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
