//! Whether an upstream is given requests: what became of them, and what it says when asked.
//!
//! ```text
//!            too many failures                   time is over: one request goes
//!   ┌─▶ In ───────────────────▶ Out until … ───────────────────────────▶ On trial ─┐
//!   │    ▲                            ▲  twice as long                              │
//!   │    │                            └──────────────────── it failed ──────────────┤
//!   └────┴───────────────────────────────────────────────── it succeeded ───────────┘
//! ```
//!
//! Beside that, checks take it down after `fall` bad answers and up after `rise` good ones. It is given requests when
//! neither speaks against it. A machine without a clock: times are passed in.

use std::time::Duration;

use tokio::time::Instant;

use super::config::PassivePolicy;

/// A request on trial whose outcome nobody tells is forgotten after this time, and another may go.
const TRIAL_PATIENCE: Duration = Duration::from_secs(30);

/// What has been seen of one upstream.
#[derive(Debug)]
pub(super) struct Health {
    policy: PassivePolicy,
    state: State,
    failures_in_a_row: u32,
    window: Window,
    /// How often it was taken out since it last stayed in for long.
    times_out: u32,
    /// Since when it has been in.
    in_since: Instant,
    checked: Option<Checked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    In,
    Out { until: Instant },
    OnTrial { since: Instant },
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    requests: u32,
    failures: u32,
}

/// What checks say.
#[derive(Debug, Clone, Copy)]
struct Checked {
    rise: u32,
    fall: u32,
    is_up: bool,
    /// Answers in a row that speak against `is_up`.
    against: u32,
}

/// Whether a request may go to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Yes.
    In,
    /// Only one, to see whether it is well again.
    Trial,
    /// No, unless there is no other.
    Out,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Well,
    Failed,
}

impl Health {
    /// In, until something speaks against it. `thresholds` are `rise` and `fall` of checks, where there are any.
    pub(super) fn new(policy: PassivePolicy, thresholds: Option<(u32, u32)>, now: Instant) -> Self {
        let checked = thresholds.map(|(rise, fall)| Checked { rise, fall, is_up: true, against: 0 });
        Self {
            policy,
            state: State::In,
            failures_in_a_row: 0,
            window: Window { since: now, requests: 0, failures: 0 },
            times_out: 0,
            in_since: now,
            checked,
        }
    }

    /// Whether a request may go there.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        if self.checked.is_some_and(|checked| !checked.is_up) {
            return Standing::Out;
        }
        match self.state {
            State::In => Standing::In,
            State::Out { until } if now >= until => Standing::Trial,
            State::OnTrial { since } if now.saturating_duration_since(since) >= TRIAL_PATIENCE => {
                Standing::Trial
            }
            State::Out { .. } | State::OnTrial { .. } => Standing::Out,
        }
    }

    /// A request goes there. Of several that saw [`Standing::Trial`] the first one only is let through.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        match self.standing(now) {
            Standing::In => true,
            Standing::Trial => {
                self.state = State::OnTrial { since: now };
                true
            }
            Standing::Out => false,
        }
    }

    /// What became of a request, on trial or not.
    pub(super) fn told(&mut self, outcome: Outcome, now: Instant) {
        if now.saturating_duration_since(self.window.since) >= self.policy.window {
            self.window = Window { since: now, requests: 0, failures: 0 };
        }
        self.window.requests = self.window.requests.saturating_add(1);
        match outcome {
            Outcome::Well => self.went_well(now),
            Outcome::Failed => self.failed(now),
        }
    }

    fn went_well(&mut self, now: Instant) {
        self.failures_in_a_row = 0;
        match self.state {
            // Whoever is asked while it is out, because all are, finds out as well as one on trial.
            State::Out { .. } | State::OnTrial { .. } => self.take_in(now),
            State::In => {
                if now.saturating_duration_since(self.in_since) >= self.policy.out_max {
                    self.times_out = 0;
                }
            }
        }
    }

    fn failed(&mut self, now: Instant) {
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.window.failures = self.window.failures.saturating_add(1);
        let is_over = match self.state {
            State::In => self.is_too_bad(),
            State::OnTrial { .. } => true,
            // Those that were on their way before it was taken out tell nothing new.
            State::Out { .. } => false,
        };
        if is_over {
            self.take_out(now);
        }
    }

    fn is_too_bad(&self) -> bool {
        let Window { requests, failures, .. } = self.window;
        let percent = u64::from(failures).saturating_mul(100);
        let allowed = u64::from(requests).saturating_mul(self.policy.failures_percent.into());
        self.failures_in_a_row >= self.policy.failures_in_a_row
            || (requests >= self.policy.requests_min && percent >= allowed)
    }

    fn take_out(&mut self, now: Instant) {
        let doubled = 1u32.checked_shl(self.times_out).unwrap_or(u32::MAX);
        let long = self.policy.out_first.saturating_mul(doubled).min(self.policy.out_max);
        self.times_out = self.times_out.saturating_add(1);
        self.state = State::Out { until: now.checked_add(long).unwrap_or(now) };
    }

    fn take_in(&mut self, now: Instant) {
        self.state = State::In;
        self.in_since = now;
        self.failures_in_a_row = 0;
        self.window = Window { since: now, requests: 0, failures: 0 };
    }

    /// What a check found.
    pub(super) fn checked(&mut self, outcome: Outcome, now: Instant) {
        let Some(checked) = &mut self.checked else { return };
        if checked.is_up == (outcome == Outcome::Well) {
            checked.against = 0;
            return;
        }
        checked.against = checked.against.saturating_add(1);
        let needed = if checked.is_up { checked.fall } else { checked.rise };
        if checked.against >= needed {
            checked.is_up = !checked.is_up;
            checked.against = 0;
            if checked.is_up {
                // It is another process by now: what requests found before says nothing of it.
                self.take_in(now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
