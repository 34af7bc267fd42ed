//! A stored response as time passes.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::Variation;

/// How far the clock may run back before what was stored in its future is distrusted: more than clocks are slewed by
/// between two looks, less than a playlist lives.
pub const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// The largest `Age` that is sent (RFC 9111 §1.2.2).
const MAX_AGE_SECONDS: u64 = 1 << 31;

/// How long a stored response may be used, and how old it was when it came.
///
/// ```text
///  made      received                                     expires
///   ├─ initial age ─┤
///   ├──────── fresh ───────────┼─ stale while revalidate ─┤
///                              ├─ stale if error ────────────────┤
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Age up to which it is fresh.
    pub fresh: Duration,
    /// Time after that in which it may be used while a new one is fetched (RFC 5861 §3).
    pub stale_while_revalidate: Duration,
    /// Time after `fresh` in which it may be used if no new one can be had (RFC 5861 §4).
    pub stale_if_error: Duration,
    /// It must not be used stale (RFC 9111 §5.2.2.2, §5.2.2.8); both times above are zero then.
    pub must_revalidate: bool,
    /// It does not change while it is fresh (RFC 8246): nobody needs to ask about it.
    pub immutable: bool,
    /// A 4xx or 5xx.
    pub negative: bool,
    /// Which of its variants it is.
    pub variation: Variation,
    pub(super) initial_age: Duration,
    pub(super) received: SystemTime,
}

/// What may be done with a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Use it.
    Fresh,
    /// Use it, and fetch a new one besides.
    StaleWhileRevalidate,
    /// Fetch a new one; use this if that fails.
    StaleIfError,
    /// Fetch a new one. This may be asked about with its validators, and not be used otherwise.
    Expired,
}

impl Lifetime {
    /// That of a response which nobody may be answered from but those who wait for it when it comes.
    pub fn spent(received: SystemTime) -> Self {
        Self {
            fresh: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            must_revalidate: true,
            immutable: false,
            negative: false,
            variation: Variation::None,
            initial_age: Duration::ZERO,
            received,
        }
    }

    /// What may be done with it at `now`.
    ///
    /// A clock that has been set back tells nothing about its age: it is expired then, and not eternal.
    pub fn state(&self, now: SystemTime) -> State {
        let latest = now.checked_add(CLOCK_SLACK).unwrap_or(now);
        if self.received > latest {
            return State::Expired;
        }
        let age = self.age(now);
        if age < self.fresh {
            return State::Fresh;
        }
        let stale = age.saturating_sub(self.fresh);
        match () {
            () if stale < self.stale_while_revalidate => State::StaleWhileRevalidate,
            () if stale < self.stale_if_error => State::StaleIfError,
            () => State::Expired,
        }
    }

    /// The current age (RFC 9111 §4.2.3); never less than when it came.
    pub fn age(&self, now: SystemTime) -> Duration {
        self.initial_age.saturating_add(now.duration_since(self.received).unwrap_or(Duration::ZERO))
    }

    /// The `Age` field to send: whole seconds, rounded down.
    pub fn age_value(&self, now: SystemTime) -> HeaderValue {
        HeaderValue::from(self.age(now).as_secs().min(MAX_AGE_SECONDS))
    }

    /// Whole seconds that it stays fresh; negative when it is stale. What `ttl` of `Cache-Status` says (RFC 9211 §2.4).
    pub fn ttl_seconds(&self, now: SystemTime) -> i64 {
        let age = self.age(now);
        let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        if age <= self.fresh {
            whole(self.fresh.saturating_sub(age))
        } else {
            // Rounded away from zero: what is stale by a moment is not fresh for zero seconds.
            let stale = age.saturating_sub(self.fresh);
            whole(stale).saturating_add(i64::from(stale.subsec_nanos() > 0)).saturating_neg()
        }
    }

    /// Time from its arrival in which it may be used without asking anybody, in error at the most: what a store keeps
    /// an object for that has no validators.
    pub fn usable_for(&self) -> Duration {
        let stale = self.stale_while_revalidate.max(self.stale_if_error);
        self.fresh.saturating_add(stale).saturating_sub(self.initial_age)
    }

    /// Time of day when it came.
    pub fn received(&self) -> SystemTime {
        self.received
    }
}
