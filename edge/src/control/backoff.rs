//! How long to wait before trying again.

use std::time::Duration;

/// The first wait, at most.
pub const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Waits that double with each failure, up to [`LONGEST_WAIT`]; each is cut by up to half at random, so that those who
/// failed together do not return together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one failure more; `random` is any number.
    pub fn after_failure(&mut self, random: u64) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let half = doubled.min(LONGEST_WAIT) / 2;
        let jitter = random.checked_rem(u64::try_from(half.as_micros()).unwrap_or(u64::MAX)).unwrap_or(0);
        half.saturating_add(Duration::from_micros(jitter))
    }

    /// It went well: the next wait is the first again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_vary_by_half() {
        let waits = |random| {
            let mut backoff = Backoff::default();
            let mut waits: Vec<_> = (0..12).map(|_| backoff.after_failure(random)).collect();
            backoff.reset();
            waits.push(backoff.after_failure(random));
            waits
        };
        let (short, mixed) = (waits(0), waits(u64::MAX));
        assert_eq!(short[..3], [125, 250, 500].map(Duration::from_millis));
        assert_eq!((short[11], short[12]), (LONGEST_WAIT / 2, FIRST_WAIT / 2));
        for (short, mixed) in short.iter().zip(mixed) {
            assert!(*short <= mixed && mixed < *short * 2);
        }
    }
}
