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

    /// The next step begins, and from here on all takes about `left`.
    pub(crate) fn next_section(&mut self, left: Duration) {
        self.step += 1;
        self.left = left;
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
        let (minutes, seconds) = (self.left.as_secs() / 60, self.left.as_secs() % 60);
        format!("[{}/{}] {what} (about {minutes}:{seconds:02} left)", self.step, self.steps)
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
        progress.next_section(Duration::from_secs(10));
        progress.spent(Duration::from_secs(4));
        assert_eq!(progress.line("O2"), "[1/3] O2 (about 0:06 left)");
        progress.next_section(Duration::from_secs(130));
        assert_eq!(progress.line("O4"), "[2/3] O4 (about 2:10 left)");
        progress.spent(Duration::from_secs(400));
        assert_eq!(progress.line("O4"), "[2/3] O4 (about 0:00 left)");
    }
}
