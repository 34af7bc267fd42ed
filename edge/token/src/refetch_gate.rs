//! How often an unknown key id may make us ask for the key set again.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time between two requests for a key set.
pub const REFETCH_EVERY: Duration = Duration::from_secs(30);

/// Opens at most once in [`REFETCH_EVERY`], however many strangers invent key ids. One for each key set URL.
#[derive(Debug, Default)]
pub struct RefetchGate {
    opened: Mutex<Option<Instant>>,
}

impl RefetchGate {
    /// A gate that opens at the first ask.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the caller may fetch now, and then nobody else for a while. A fetch that fails counts like one that succeeds,
    /// so that a broken source is not asked more often than a good one.
    pub fn may_refetch(&self, now: Instant) -> bool {
        let mut opened = self.opened.lock();
        let is_open = opened.is_none_or(|last| now.saturating_duration_since(last) >= REFETCH_EVERY);
        if is_open {
            *opened = Some(now);
        }
        is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_every_thirty_seconds() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let gate = RefetchGate::new();
        let at = |ms| gate.may_refetch(start + Duration::from_millis(ms));
        assert!(at(0) && !at(0) && !at(29_999));
        assert!(at(30_000) && !at(30_001) && !at(59_999));
        assert!(at(61_000) && !at(60_000));
    }
}
