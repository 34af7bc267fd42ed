//! Sessions that were admitted, and how long they may go on.
//!
//! The expiry of a token bounds the start of a session, not its end: who began to watch a film in time may see it to its
//! end. A session goes on with a token that was still good when the session was first seen, until the maximum of the token
//! or of the edge is over, whichever comes first. Time is counted on the monotonic clock, so that a jump of the wall clock
//! neither cuts a session short nor draws it out.

use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::{bounded::Bounded, grant::Grant, revocations::Mark};

/// What sessions may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Longest time from a session's first request to its last one with an expired token; zero lets none outlast its token.
    pub allowance: Duration,
    /// Sessions that are remembered. One that is forgotten cannot outlast its token; it plays on until then.
    pub entries: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { allowance: Duration::from_secs(4 * 3600), entries: 100_000 }
    }
}

/// The table of sessions.
pub(crate) struct Sessions {
    allowance: Duration,
    seen: Mutex<Bounded<Mark, FirstSeen>>,
}

/// When a session began, on both clocks, and when it is over.
#[derive(Clone, Copy)]
struct FirstSeen {
    at: SystemTime,
    since: Instant,
    allowance: Duration,
}

impl FirstSeen {
    fn is_over(&self, monotonic: Instant) -> bool {
        monotonic.saturating_duration_since(self.since) >= self.allowance
    }
}

impl Sessions {
    pub(crate) fn new(limits: &SessionLimits) -> Self {
        let SessionLimits { allowance, entries } = *limits;
        Self { allowance, seen: Mutex::new(Bounded::new(entries, usize::MAX)) }
    }

    /// Notes that a request with a token that is good now was admitted. A session that is over begins anew.
    pub(crate) fn admitted(&self, grant: &Grant, now: SystemTime, monotonic: Instant) {
        let Some(mark) = grant.marks().session() else { return };
        let allowance = self.allowance_of(grant);
        if allowance.is_zero() {
            return;
        }
        let mut seen = self.seen.lock();
        if seen.find(&mark).is_none_or(|first| first.is_over(monotonic)) {
            let first = FirstSeen { at: now, since: monotonic, allowance };
            seen.insert(mark, first, 0, |first| first.is_over(monotonic));
        }
    }

    /// Whether the session of an expired token goes on: it was admitted while the token was good, and is not over.
    pub(crate) fn goes_on(&self, grant: &Grant, monotonic: Instant) -> bool {
        let Some(mark) = grant.marks().session() else { return false };
        let allowance = self.allowance_of(grant);
        let mut seen = self.seen.lock();
        seen.find(&mark).is_some_and(|first| {
            first.at < grant.until() && monotonic.saturating_duration_since(first.since) < allowance
        })
    }

    /// Ends a session at once.
    pub(crate) fn end(&self, mark: &Mark) {
        self.seen.lock().remove(mark);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.seen.lock().len()
    }

    /// The token's maximum or ours, whichever is shorter.
    fn allowance_of(&self, grant: &Grant) -> Duration {
        grant.max_session().map_or(self.allowance, |most| most.min(self.allowance))
    }
}
