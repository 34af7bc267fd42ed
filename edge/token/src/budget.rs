//! How many signatures are checked, for a neighbourhood of clients and for all.
//!
//! Checking one costs up to sixty microseconds, and anybody can ask for it with bytes that cost nothing. Each neighbourhood
//! (an IPv4 address, an IPv6 /64) has a bucket that fills with time; one for all holds what the machine may spend. A token
//! that turns out bad costs its neighbourhood more than a good one, so that an office of honest viewers behind one address
//! starts quickly, and one that guesses is soon out.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{bounded::Bounded, network::number};

/// What a neighbourhood and all clients together may have checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Checks at once from one neighbourhood.
    pub burst: u32,
    /// Checks a second from one neighbourhood, in the long run.
    pub per_second: u32,
    /// How many checks a bad token counts as, in its neighbourhood.
    pub bad_counts: u32,
    /// Checks at once from all.
    pub burst_overall: u32,
    /// Checks a second from all: at fifty microseconds each, 4,000 take a fifth of a core.
    pub per_second_overall: u32,
    /// Neighbourhoods that are remembered; one that is forgotten starts afresh.
    pub neighbourhoods: usize,
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self {
            burst: 256,
            per_second: 64,
            bad_counts: 8,
            burst_overall: 4000,
            per_second_overall: 4000,
            neighbourhoods: 1 << 16,
        }
    }
}

/// The buckets.
pub(crate) struct Budget {
    limits: BudgetLimits,
    state: Mutex<State>,
}

struct State {
    overall: Option<Bucket>,
    neighbourhoods: Bounded<u128, Bucket>,
}

/// Credit in millionths of a check, and when it was counted.
#[derive(Clone, Copy)]
struct Bucket {
    credit: u64,
    at: Instant,
}

/// Millionths of a check in one: with them, a rate a second is an amount a microsecond.
const CHECK: u64 = 1_000_000;

impl Budget {
    pub(crate) fn new(limits: BudgetLimits) -> Self {
        let neighbourhoods = Bounded::new(limits.neighbourhoods, usize::MAX);
        Self { limits, state: Mutex::new(State { overall: None, neighbourhoods }) }
    }

    /// Takes one check for `client`.
    ///
    /// # Errors
    /// How long to wait until there is one.
    pub(crate) fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let BudgetLimits { burst, per_second, burst_overall, per_second_overall, .. } = self.limits;
        let mut state = self.state.lock();
        let mut bucket = state.bucket(neighbourhood(client), now, &self.limits);
        let mut overall = state.overall.unwrap_or_else(|| Bucket::full(burst_overall, now));
        overall.fill(now, burst_overall, per_second_overall);
        // Neither pays when the other cannot.
        bucket.has_one(per_second)?;
        overall.has_one(per_second_overall)?;
        bucket.credit = bucket.credit.saturating_sub(CHECK);
        overall.credit = overall.credit.saturating_sub(CHECK);
        state.overall = Some(overall);
        state.put(neighbourhood(client), bucket, now, (burst, per_second));
        Ok(())
    }

    /// Counts the check just taken as that of a bad token.
    pub(crate) fn was_bad(&self, client: IpAddr, now: Instant) {
        let BudgetLimits { burst, per_second, bad_counts, .. } = self.limits;
        let mut state = self.state.lock();
        let mut bucket = state.bucket(neighbourhood(client), now, &self.limits);
        let rest = u64::from(bad_counts).saturating_sub(1).saturating_mul(CHECK);
        bucket.credit = bucket.credit.saturating_sub(rest);
        state.put(neighbourhood(client), bucket, now, (burst, per_second));
    }

    #[cfg(test)]
    pub(crate) fn neighbourhoods(&self) -> usize {
        self.state.lock().neighbourhoods.len()
    }
}

impl State {
    /// The bucket of a neighbourhood as it is now; a full one if none is known.
    fn bucket(&mut self, key: u128, now: Instant, limits: &BudgetLimits) -> Bucket {
        let mut bucket =
            self.neighbourhoods.find(&key).copied().unwrap_or_else(|| Bucket::full(limits.burst, now));
        bucket.fill(now, limits.burst, limits.per_second);
        bucket
    }

    /// Keeps a bucket. When there is no room, one that has filled up goes: it would be made the same again.
    fn put(&mut self, key: u128, bucket: Bucket, now: Instant, (burst, per_second): (u32, u32)) {
        match self.neighbourhoods.find(&key) {
            Some(known) => *known = bucket,
            None => self.neighbourhoods.insert(key, bucket, 0, |known| {
                let mut known = *known;
                known.fill(now, burst, per_second);
                known.credit >= u64::from(burst).saturating_mul(CHECK)
            }),
        }
    }
}

impl Bucket {
    fn full(burst: u32, at: Instant) -> Self {
        Self { credit: u64::from(burst).saturating_mul(CHECK), at }
    }

    /// Adds what has come in since.
    fn fill(&mut self, now: Instant, burst: u32, per_second: u32) {
        let micros = u64::try_from(now.saturating_duration_since(self.at).as_micros()).unwrap_or(u64::MAX);
        let income = micros.saturating_mul(u64::from(per_second));
        self.credit = self.credit.saturating_add(income).min(u64::from(burst).saturating_mul(CHECK));
        self.at = self.at.max(now);
    }

    fn has_one(&self, per_second: u32) -> Result<(), Duration> {
        match CHECK.saturating_sub(self.credit) {
            0 => Ok(()),
            // A bucket that never fills: a minute is as good an answer as any.
            missing => Err(missing
                .checked_div(u64::from(per_second))
                .map_or(Duration::from_secs(60), |micros| Duration::from_micros(micros.saturating_add(1)))),
        }
    }
}

/// What clients are counted by: an IPv4 address, or the 64 bits that a network gets of IPv6.
fn neighbourhood(client: IpAddr) -> u128 {
    let address = number(client.to_canonical());
    if client.to_canonical().is_ipv4() { address } else { address >> 64 << 64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> BudgetLimits {
        BudgetLimits {
            burst: 4,
            per_second: 2,
            bad_counts: 3,
            burst_overall: 100,
            per_second_overall: 10,
            neighbourhoods: 8,
        }
    }

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        Instant::now()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_neighbourhood_has_its_burst_and_then_its_rate() {
        let (budget, now) = (Budget::new(limits()), start());
        let a = ip("192.0.2.1");
        assert!((0..4).all(|_| budget.take(a, now).is_ok()));
        let wait = budget.take(a, now).expect_err("the burst is over");
        assert_eq!(wait, Duration::from_micros(500_001));
        assert!(budget.take(a, now + wait - Duration::from_millis(1)).is_err());
        assert_eq!(budget.take(a, now + wait), Ok(()));
        assert_eq!(budget.take(ip("192.0.2.2"), now), Ok(()), "the next address has its own");
        let mapped = budget.take(ip("::ffff:192.0.2.1"), now);
        assert!(mapped.is_err(), "the same address in another coat");
    }

    #[test]
    fn an_ipv6_network_is_one_neighbourhood() {
        let (budget, now) = (Budget::new(limits()), start());
        assert!((0..4).all(|host| budget.take(ip(&format!("2001:db8::{host}")), now).is_ok()));
        assert!(budget.take(ip("2001:db8::ffff:ffff:ffff:ffff"), now).is_err());
        assert!(budget.take(ip("2001:db8:0:1::"), now).is_ok());
    }

    #[test]
    fn a_bad_token_counts_more() {
        let (budget, now) = (Budget::new(limits()), start());
        let a = ip("192.0.2.1");
        budget.take(a, now).expect("the first");
        budget.was_bad(a, now);
        assert_eq!((budget.take(a, now).is_ok(), budget.take(a, now).is_ok()), (true, false));
    }

    #[test]
    fn all_together_have_a_limit() {
        let (budget, now) = (Budget::new(BudgetLimits { burst_overall: 6, ..limits() }), start());
        let taken =
            (0..20_u8).filter(|host| budget.take(ip(&format!("192.0.2.{host}")), now).is_ok()).count();
        assert_eq!(taken, 6);
        assert_eq!(budget.take(ip("192.0.2.1"), now + Duration::from_millis(101)), Ok(()));
    }

    #[test]
    fn the_table_stays_bounded() {
        let (budget, now) = (Budget::new(limits()), start());
        for host in 0..50_u8 {
            budget.take(ip(&format!("192.0.2.{host}")), now).expect("a full bucket");
        }
        assert_eq!(budget.neighbourhoods(), 8);
    }
}
