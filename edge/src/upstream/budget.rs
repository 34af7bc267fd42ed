//! The retry budget: requests earn retries, so that an upstream that fails does not double the load of the others.
//!
//! A count of hundredths of a retry: each request adds the policy's percentage, time adds a little, a retry takes
//! a hundred.

use tokio::time::Instant;

use super::config::RetryPolicy;

/// Hundredths of a retry that make a whole one.
const WHOLE: u64 = 100;

/// What has been earned and not been spent.
#[derive(Debug)]
pub(super) struct Budget {
    saved: u64,
    saved_max: u64,
    per_request: u64,
    per_second: u64,
    /// Until when time has been paid for.
    paid: Instant,
}

impl Budget {
    /// Full: a start is when connections fail most.
    pub(super) fn new(policy: &RetryPolicy, now: Instant) -> Self {
        let saved_max = u64::from(policy.budget_saved_max).saturating_mul(WHOLE);
        Self {
            saved: saved_max,
            saved_max,
            per_request: policy.budget_percent.into(),
            per_second: u64::from(policy.budget_per_second).saturating_mul(WHOLE),
            paid: now,
        }
    }

    /// A request, the first attempt of it.
    pub(super) fn earn(&mut self) {
        self.save(self.per_request);
    }

    /// Whether there may be a retry; it is then taken to have been made.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        self.pay_for_time(now);
        let left = self.saved.checked_sub(WHOLE);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }

    fn pay_for_time(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.paid).as_millis();
        let earned = u64::try_from(millis).unwrap_or(u64::MAX).saturating_mul(self.per_second) / 1000;
        // Too little time for a hundredth stays unpaid, so that many short times add up.
        if earned > 0 {
            self.paid = now;
            self.save(earned);
        }
    }

    fn save(&mut self, hundredths: u64) {
        self.saved = self.saved.saturating_add(hundredths).min(self.saved_max);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn budget(percent: u32, per_second: u32, saved_max: u32, now: Instant) -> Budget {
        let policy = RetryPolicy {
            budget_percent: percent,
            budget_per_second: per_second,
            budget_saved_max: saved_max,
            ..RetryPolicy::default()
        };
        Budget::new(&policy, now)
    }

    fn spend_all(budget: &mut Budget, now: Instant) -> u32 {
        (0..).find(|_| !budget.spend(now)).unwrap()
    }

    #[test]
    fn requests_earn_their_share_of_retries() {
        let now = Instant::now();
        let mut budget = budget(20, 0, 100, now);
        assert_eq!(spend_all(&mut budget, now), 100);
        for _ in 0..50 {
            budget.earn();
        }
        assert_eq!(spend_all(&mut budget, now), 10);
    }

    #[test]
    fn time_earns_retries_in_however_small_steps() {
        let start = Instant::now();
        for steps in [1, 7, 100, 1000] {
            let mut budget = budget(0, 10, 100, start);
            spend_all(&mut budget, start);
            let mut spent = 0;
            for step in 1..=steps {
                spent += spend_all(&mut budget, start + Duration::from_secs(1) * step / steps);
            }
            assert!((9..=10).contains(&spent), "{spent} in {steps} steps");
        }
    }

    #[test]
    fn no_more_is_saved_than_the_limit() {
        let start = Instant::now();
        let mut budget = budget(100, 10, 3, start);
        for _ in 0..10 {
            budget.earn();
        }
        assert_eq!(spend_all(&mut budget, start + Duration::from_secs(3600)), 3);
    }

    #[test]
    fn a_clock_that_stands_still_earns_nothing() {
        let now = Instant::now();
        let mut budget = budget(0, 1000, 1, now);
        assert_eq!((spend_all(&mut budget, now), spend_all(&mut budget, now)), (1, 0));
    }
}
