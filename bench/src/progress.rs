//! What the rig is doing, on standard error: the step, and the time left.

use std::io::Write;
use std::time::Duration;

/// Says what goes on while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    steps: usize,
    step: usize,
    left: Duration,
}

impl Progress {
    /// A run of `steps` steps that will take about `left`.
    pub(crate) fn plan(&mut self, steps: usize, left: Duration) {
        *self = Self { steps, step: 0, left };
    }

    /// The next step begins.
    pub(crate) fn next_step(&mut self) {
        self.step += 1;
    }

    /// So much of the planned time has gone.
    pub(crate) fn spent(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// Says `what` is done now.
    pub(crate) fn tell(&self, what: &str) {
        // A closed standard error is no reason to stop measuring.
        let _ = writeln!(std::io::stderr(), "{}", self.line(what));
    }

    fn line(&self, what: &str) -> String {
        if self.steps == 0 {
            return what.to_owned();
        }
        format!("[{}/{}] {what} (about {} s left)", self.step, self.steps, self.left.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_step_and_time_left_once_planned() {
        let mut progress = Progress::default();
        assert_eq!(progress.line("making"), "making");
        progress.plan(3, Duration::from_secs(10));
        progress.next_step();
        progress.spent(Duration::from_secs(4));
        assert_eq!(progress.line("O2"), "[1/3] O2 (about 6 s left)");
        progress.spent(Duration::from_secs(40));
        assert_eq!(progress.line("O2"), "[1/3] O2 (about 0 s left)");
    }
}
