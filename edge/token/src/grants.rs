//! The verified-token cache: what was believed is believed again at the price of a look.
//!
//! ```text
//!  check ─ fingerprint ─ shard ─ hit, same epoch ──────────────────────────▶ times, path, address ─▶ Arc<Grant>
//!                          │       └─ other epoch: key still there? not revoked? ─▶ as above, or refused
//!                          └─ miss: length, shape, kid, algorithm, times, path, revoked? ─ seen bad? ─ budget
//!                                    └─ signature ─ fits: remembered, session noted ─▶ Arc<Grant>
//!                                                 └─ not: remembered as bad for a while
//! ```
//!
//! Invariants: what is in the table was verified with a key of the set; an entry answers only after it was checked against
//! the keys and revocations of the present epoch. Everything is bounded, see [`GrantLimits`], and only good tokens get into
//! the table, so that garbage drives out nothing.
//!
//! Keys and revocations are swapped whole (arc-swap); a reader never waits for a writer.

#[cfg(test)]
mod tests;
mod verified;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use self::verified::Verified;
use crate::{
    bounded::Bounded,
    budget::{Budget, BudgetLimits},
    candidate::Candidate,
    error::TokenError,
    fingerprint::{Fingerprint, HashKey},
    grant::Grant,
    key_set::KeySet,
    limits::TOKEN_BYTES_MAX,
    revocations::Revocations,
    sessions::{SessionLimits, Sessions},
};

/// How long a token with a bad signature is known as such: long enough for a flood of one token to cost nothing, short
/// enough not to matter when it turns good by a new key.
const BAD_FOR: Duration = Duration::from_secs(10);

/// What the cache may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantLimits {
    /// Verified tokens that are remembered.
    pub entries: usize,
    /// Bytes that what they allow may take, tables not counted.
    pub bytes: usize,
    /// Tokens with a bad signature that are remembered for ten seconds.
    pub bad_entries: usize,
    /// Sessions.
    pub sessions: SessionLimits,
    /// Signatures.
    pub budget: BudgetLimits,
}

impl Default for GrantLimits {
    fn default() -> Self {
        Self {
            entries: 100_000,
            bytes: 64 << 20,
            bad_entries: 1 << 14,
            sessions: SessionLimits::default(),
            budget: BudgetLimits::default(),
        }
    }
}

/// What tokens are judged by, as one snapshot.
struct Trust {
    keys: Arc<KeySet>,
    revocations: Arc<Revocations>,
    /// Grows with each change of either.
    epoch: u64,
}

/// The one that checks tokens; shared by all cores.
pub struct Grants {
    hash_key: HashKey,
    trust: ArcSwap<Trust>,
    verified: Verified,
    /// Tokens with a bad signature, and the epoch and end of that judgement.
    bad: Mutex<Bounded<Fingerprint, (u64, Instant)>>,
    sessions: Sessions,
    budget: Budget,
    /// Tokens whose key id no key has.
    strangers: AtomicU64,
}

impl Grants {
    /// One that trusts `keys`, with nothing revoked.
    pub fn new(limits: &GrantLimits, hash_key: HashKey, keys: KeySet) -> Self {
        let trust = Trust { keys: Arc::new(keys), revocations: Arc::default(), epoch: 0 };
        Self {
            hash_key,
            trust: ArcSwap::from_pointee(trust),
            verified: Verified::new(limits.entries, limits.bytes),
            bad: Mutex::new(Bounded::new(limits.bad_entries, usize::MAX)),
            sessions: Sessions::new(&limits.sessions),
            budget: Budget::new(limits.budget.clone()),
            strangers: AtomicU64::new(0),
        }
    }

    /// Trusts `keys` from now on; tokens of keys that are gone are refused at their next request.
    pub fn set_keys(&self, keys: KeySet) {
        let keys = Arc::new(keys);
        self.trust.rcu(|old| Trust {
            keys: Arc::clone(&keys),
            revocations: Arc::clone(&old.revocations),
            epoch: old.epoch.wrapping_add(1),
        });
    }

    /// Takes `revocations` as all there are; they are effective at the next request. Sessions that are revoked end for good.
    pub fn set_revocations(&self, revocations: Revocations) {
        let revocations = Arc::new(revocations);
        self.trust.rcu(|old| Trust {
            keys: Arc::clone(&old.keys),
            revocations: Arc::clone(&revocations),
            epoch: old.epoch.wrapping_add(1),
        });
        for mark in revocations.marks() {
            self.sessions.end(mark);
        }
    }

    /// The keys that are trusted now.
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.trust.load().keys)
    }

    /// How many tokens have named a key that is not known: who has a source of keys may ask it then
    /// ([`RefetchGate`](crate::RefetchGate)).
    pub fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// How often keys or revocations have changed.
    pub fn epoch(&self) -> u64 {
        self.trust.load().epoch
    }

    /// Checks that `token` is good and covers `path`, which is the path after the token, as sent and without query, for a
    /// client at this address. Country and referrer, where the grant restricts them, are [`Grant::permits`]'s to judge.
    ///
    /// Cost: a hit takes no allocation and a fraction of a microsecond; a new good token up to sixty microseconds.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn check(
        &self,
        token: &str,
        path: &str,
        client: IpAddr,
        now: SystemTime,
        monotonic: Instant,
    ) -> Result<Arc<Grant>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong { len: token.len() });
        }
        let print = self.hash_key.fingerprint(token.as_bytes());
        let trust = self.trust.load();
        if let Some((grant, epoch)) = self.verified.find(&print)
            && (epoch == trust.epoch || self.check_again(&print, &grant, &trust, now)?)
        {
            if let Err(error) = grant.is_current(now)
                && !(error == TokenError::Expired && self.sessions.goes_on(&grant, monotonic))
            {
                return Err(error);
            }
            return allows(&grant, path, client).map(|()| grant);
        }
        self.check_new(token, print, &trust, (path, client), (now, monotonic))
    }

    /// Judges a remembered token by the present keys and revocations. `false` if its key is gone, so that it is a new token.
    fn check_again(
        &self,
        print: &Fingerprint,
        grant: &Grant,
        trust: &Trust,
        now: SystemTime,
    ) -> Result<bool, TokenError> {
        let (kid, environment, thumbprint) = grant.key();
        if !trust.keys.still_has(kid, environment, thumbprint) {
            self.verified.forget(print);
            return Ok(false);
        }
        if self.is_revoked(grant, trust, now) {
            return Err(TokenError::Revoked);
        }
        self.verified.confirm(print, trust.epoch);
        Ok(true)
    }

    fn is_revoked(&self, grant: &Grant, trust: &Trust, now: SystemTime) -> bool {
        let is_revoked = trust.revocations.hit(grant.marks(), now);
        // Without this it would go on once the revocation has ended.
        if is_revoked && let Some(session) = grant.marks().session() {
            self.sessions.end(&session);
        }
        is_revoked
    }

    /// Checks a token that is not in the table, the signature last.
    #[inline(never)]
    fn check_new(
        &self,
        token: &str,
        print: Fingerprint,
        trust: &Trust,
        (path, client): (&str, IpAddr),
        (now, monotonic): (SystemTime, Instant),
    ) -> Result<Arc<Grant>, TokenError> {
        let candidate = Candidate::read(token, &trust.keys).inspect_err(|error| {
            if *error == TokenError::KeyUnknown {
                self.strangers.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        let unverified = candidate.unverified();
        let is_current = match unverified.is_current(now) {
            Err(TokenError::Expired) if self.sessions.goes_on(unverified, monotonic) => false,
            result => result.map(|()| true)?,
        };
        allows(unverified, path, client)?;
        if self.is_revoked(unverified, trust, now) {
            return Err(TokenError::Revoked);
        }
        if self.is_known_as_bad(&print, trust, monotonic) {
            return Err(TokenError::Signature);
        }
        self.budget.take(client, monotonic).map_err(|retry_after| TokenError::Budget { retry_after })?;
        match candidate.verify() {
            Ok(grant) => {
                let grant = Arc::new(grant);
                if is_current {
                    self.sessions.admitted(&grant, now, monotonic);
                }
                self.verified.remember(print, &grant, trust.epoch, now);
                Ok(grant)
            }
            Err(error) => {
                self.budget.was_bad(client, monotonic);
                let end = monotonic + BAD_FOR;
                self.bad.lock().insert(print, (trust.epoch, end), 0, |(_, end)| *end <= monotonic);
                Err(error)
            }
        }
    }

    fn is_known_as_bad(&self, print: &Fingerprint, trust: &Trust, monotonic: Instant) -> bool {
        self.bad.lock().find(print).is_some_and(|(epoch, end)| *epoch == trust.epoch && monotonic < *end)
    }
}

/// What is asked at every request, hit or miss.
fn allows(grant: &Grant, path: &str, client: IpAddr) -> Result<(), TokenError> {
    if !grant.covers(path) {
        return Err(TokenError::Path);
    }
    grant.permits_address(client)
}

impl std::fmt::Debug for Grants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grants").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}
