//! The state an edge has from its orders: applied in sequence, each once.
//!
//! ```text
//!            seq ≤ mine        seq = mine + 1        seq > mine + 1
//!  order ──▶ Duplicate         Applied(effects)      Gap: ask for a snapshot
//! ```
//!
//! Pure: no clock, no I/O. The effects are what the token crate and the cache are to do; they can be done again without
//! harm, because after a restart they are.

use std::collections::BTreeMap;

use super::order::{
    KeyChange, KeyRecord, Limits, Name, Order, OrderBody, Purge, Revocation, UnixMicros, Unknown,
};
use super::revocations::{REVOCATIONS_MAX, Revocations};
use super::snapshot::{FeedId, Snapshot};

/// Keys known at a time.
pub const KEYS_MAX: usize = 256;
/// Environments with limits of their own.
pub const LIMITS_MAX: usize = 4096;

/// What the edge is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// These are the keys, and no others.
    Keys(Vec<KeyRecord>),
    /// These are the revocations, and no others.
    Revocations(Vec<Revocation>),
    /// One revocation more.
    Revoke(Revocation),
    /// Forget something that is kept.
    Purge(Purge),
    /// Orders were missed that may have been purges, of whatever is kept: use none of it that its origin does not vouch
    /// for first.
    Doubt,
    /// These are the limits of all environments that have any.
    Limits(Vec<Limits>),
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It was the next; to be done now.
    Now(Vec<Effect>),
    /// It was the next, and is passed over.
    Ignored(Unknown),
    /// It was the next, and there is no room for what it brings.
    Full(Full),
    /// It was applied before.
    Duplicate,
    /// Orders between the last one and this are missing, or there was never a snapshot.
    Gap {
        /// The number that was due.
        expected: u64,
    },
}

/// Which limit an order met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// [`KEYS_MAX`]
    Keys,
    /// [`LIMITS_MAX`]
    Limits,
}

/// What a key is known by: its id, and its environment if it has one.
type KeyId = (Name, Option<Name>);

/// The state.
#[derive(Debug, Clone)]
pub struct Ledger {
    feed: Option<FeedId>,
    seq: u64,
    keys: BTreeMap<KeyId, KeyRecord>,
    revocations: Revocations,
    limits: BTreeMap<Option<Name>, Limits>,
    given_up: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// A ledger that knows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self::bounded(REVOCATIONS_MAX)
    }

    /// The same with room for `revocations`.
    #[must_use]
    pub const fn bounded(revocations: usize) -> Self {
        Self {
            feed: None,
            seq: 0,
            keys: BTreeMap::new(),
            revocations: Revocations::new(revocations),
            limits: BTreeMap::new(),
            given_up: 0,
        }
    }

    /// Takes on the state of `snapshot`. What was kept under another state is doubted where orders between were not seen,
    /// for they may have been purges; a ledger that knew nothing had nothing to purge by.
    pub fn load(&mut self, snapshot: Snapshot, now: UnixMicros) -> Vec<Effect> {
        let follows_on = self.feed.as_ref() == Some(&snapshot.feed) && self.seq == snapshot.seq;
        let missed = self.feed.is_some() && !follows_on;
        self.feed = Some(snapshot.feed);
        self.seq = snapshot.seq;
        let keys = snapshot.keys.into_iter().take(KEYS_MAX);
        self.keys = keys.map(|record| (id_of(&record), record)).collect();
        let limits = snapshot.limits.into_iter().take(LIMITS_MAX);
        self.limits = limits.map(|limits| (limits.environment.clone(), limits)).collect();
        self.revocations.clear();
        for revocation in snapshot.revocations {
            self.revoke(revocation);
        }
        self.revocations.expire(now);
        let mut effects = self.effects();
        if missed {
            effects.push(Effect::Doubt);
        }
        effects
    }

    /// Applies `order` of the feed it follows.
    pub fn apply(&mut self, order: Order, now: UnixMicros) -> Applied {
        if self.feed.is_none() {
            return Applied::Gap { expected: 0 };
        }
        if order.seq <= self.seq {
            return Applied::Duplicate;
        }
        let expected = self.seq.saturating_add(1);
        if order.seq != expected {
            return Applied::Gap { expected };
        }
        self.seq = order.seq;
        self.revocations.expire(now);
        if let Err(full) = self.room(&order.body) {
            return Applied::Full(full);
        }
        match order.body {
            OrderBody::Key(change) => self.change_key(change),
            OrderBody::Revoke(revocation) => {
                self.revoke(revocation.clone());
                Applied::Now(vec![Effect::Revoke(revocation)])
            }
            OrderBody::Purge(purge) => Applied::Now(vec![Effect::Purge(purge)]),
            OrderBody::Limits(limits) => {
                self.limits.insert(limits.environment.clone(), limits);
                Applied::Now(vec![Effect::Limits(self.limits.values().cloned().collect())])
            }
            OrderBody::Unknown(why) => Applied::Ignored(why),
        }
    }

    /// Takes `snapshot` as the first line of a source that holds all that comes after it: loaded only where the ledger is
    /// not there yet, so that nothing is purged for a file that is read again.
    pub fn begin(&mut self, snapshot: Snapshot, now: UnixMicros) -> Vec<Effect> {
        match self.position() {
            Some((feed, seq)) if *feed == snapshot.feed && snapshot.seq <= seq => Vec::new(),
            _ => self.load(snapshot, now),
        }
    }

    /// Whether there is room for what `body` brings.
    ///
    /// # Errors
    /// The limit that it meets.
    pub fn room(&self, body: &OrderBody) -> Result<(), Full> {
        let full = match body {
            OrderBody::Key(KeyChange::Upsert(record)) => {
                let known = self.keys.contains_key(&id_of(record));
                (!known && self.keys.len() >= KEYS_MAX).then_some(Full::Keys)
            }
            OrderBody::Limits(limits) => {
                let known = self.limits.contains_key(&limits.environment);
                (!known && self.limits.len() >= LIMITS_MAX).then_some(Full::Limits)
            }
            _ => None,
        };
        full.map_or(Ok(()), Err)
    }

    /// Goes on to just before `seq`: for a source that is whole in itself, where a number that is missing is missing for
    /// good. Never back.
    pub fn skip_to(&mut self, seq: u64) {
        self.seq = self.seq.max(seq.saturating_sub(1));
    }

    /// The feed it follows, and the last order of it.
    #[must_use]
    pub fn position(&self) -> Option<(&FeedId, u64)> {
        self.feed.as_ref().map(|feed| (feed, self.seq))
    }

    /// The whole state; none as long as there is no feed.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot {
            feed: self.feed.clone()?,
            seq: self.seq,
            keys: self.keys.values().cloned().collect(),
            revocations: self.revocations.iter().collect(),
            limits: self.limits.values().cloned().collect(),
            ignored: 0,
        })
    }

    /// Revocations kept.
    #[must_use]
    pub fn revocations(&self) -> usize {
        self.revocations.len()
    }

    /// Revocations that were given up before their end because there was no room; since the start.
    #[must_use]
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// The whole state as effects: what a process that starts has to do.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        vec![
            Effect::Keys(self.keys.values().cloned().collect()),
            Effect::Revocations(self.revocations.iter().collect()),
            Effect::Limits(self.limits.values().cloned().collect()),
        ]
    }

    fn revoke(&mut self, revocation: Revocation) {
        if self.revocations.insert(revocation) {
            self.given_up = self.given_up.saturating_add(1);
        }
    }

    fn change_key(&mut self, change: KeyChange) -> Applied {
        match change {
            KeyChange::Upsert(record) => {
                self.keys.insert(id_of(&record), record);
            }
            KeyChange::State { kid, environment, state } => {
                let meant =
                    self.keys.values_mut().filter(|record| is_meant(record, &kid, environment.as_ref()));
                meant.for_each(|record| record.state = state);
            }
            KeyChange::Remove { kid, environment } => {
                self.keys.retain(|_, record| !is_meant(record, &kid, environment.as_ref()));
            }
        }
        Applied::Now(vec![Effect::Keys(self.keys.values().cloned().collect())])
    }
}

fn id_of(record: &KeyRecord) -> KeyId {
    (record.kid.clone(), record.environment.clone())
}

/// Whether `record` is the key `kid` of `environment`, or any of that id where none is named.
fn is_meant(record: &KeyRecord, kid: &Name, environment: Option<&Name>) -> bool {
    record.kid == *kid && environment.is_none_or(|named| record.environment.as_ref() == Some(named))
}
