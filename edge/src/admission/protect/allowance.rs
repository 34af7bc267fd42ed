//! What one party may ask, and whether it may ask once more.
//!
//! governor decides (the generic cell rate algorithm): of a party it needs to know one number, how far it is ahead of its
//! time. A limiter of governor's keeps a clock and such numbers; here the number is in our table, the time comes with the
//! request, and a limiter is made for each decision out of both. That costs a few divisions by constants and no memory.

use std::{cell::Cell, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};

use crate::control::orders::order::Rates;

/// Longest burst: with one request a second it lasts eleven days.
pub const BURST_MAX: u32 = 1_000_000;

/// What one party may ask. 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a second, in the long run.
    pub requests_per_s: u32,
    /// Requests at a stretch by one that has not asked for a while; 1 to [`BURST_MAX`], what is outside counts as that.
    pub burst: u32,
    /// Requests that are being answered at the same time.
    pub at_once: u32,
}

impl Allowance {
    /// No limit at all.
    pub const UNLIMITED: Self = Self { requests_per_s: 0, burst: 1, at_once: 0 };

    /// Whether anything is limited.
    pub(crate) const fn is_limit(self) -> bool {
        self.requests_per_s != 0 || self.at_once != 0
    }

    /// The same where `rates` do not say otherwise.
    pub(crate) fn but(self, rates: Rates) -> Self {
        Self {
            requests_per_s: rates.requests_per_s.unwrap_or(self.requests_per_s),
            burst: rates.burst.unwrap_or(self.burst),
            at_once: rates.concurrent.unwrap_or(self.at_once),
        }
    }

    /// Takes one request from a party that is `ahead` of its time, in nanoseconds, and says how far it is then.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn take(self, ahead_ns: u64) -> Result<u64, Duration> {
        let Some(rate) = NonZeroU32::new(self.requests_per_s) else { return Ok(ahead_ns) };
        let burst = NonZeroU32::new(self.burst.min(BURST_MAX)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate).allow_burst(burst);
        // A limit that was lowered must not cost a wait of more than it takes to fill up under the new one.
        let full = quota.burst_size_replenished_in();
        let ahead_ns = ahead_ns.min(u64::try_from(full.as_nanos()).unwrap_or(u64::MAX));
        let limiter =
            RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(quota, Ahead(Cell::new(ahead_ns)), Now);
        match limiter.check() {
            Ok(()) => Ok(limiter.into_state_store().0.get()),
            Err(until) => Err(until.wait_time_from(Nanos::default())),
        }
    }
}

/// The time of the request that is decided about, which all others are counted from.
#[derive(Clone)]
struct Now;

impl Clock for Now {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::default()
    }
}

/// How far one party is ahead of [`Now`], in nanoseconds.
struct Ahead(Cell<u64>);

impl StateStore for Ahead {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (decision, ahead) = decide(Some(self.0.get().into()))?;
        self.0.set(ahead.into());
        Ok(decision)
    }
}
