//! A progress bar on a terminal: bytes copied, then bytes compared. Erases itself.

use std::io::{IsTerminal, stderr};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rillcast_origin::publish::{Progress, Stage};

use crate::inspect::printable;

/// How far a file is.
pub(super) struct Bar {
    bar: ProgressBar,
    name: String,
}

impl Bar {
    pub(super) fn new(path: &Path) -> Self {
        let target =
            if stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let template = "{msg} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template is a constant");
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let bar = ProgressBar::with_draw_target(Some(1), target).with_style(style);
        Self { bar, name: printable(&name) }
    }

    /// It has come so far.
    pub(super) fn at(&self, progress: Progress) {
        let stage = match progress.stage {
            Stage::Copying => "copying",
            Stage::Verifying => "comparing",
        };
        self.bar.set_message(format!("{}: {stage}", self.name));
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
