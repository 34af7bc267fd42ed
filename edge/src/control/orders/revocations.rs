//! What is revoked, until when; bounded.
//!
//! When there is no more room, what may be forgotten first is: it is what a viewer gains the least from. That, and how
//! often it came to it, is a figure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::order::{Name, Revocation, Revoked, UnixMicros};

/// Revocations kept at a time.
pub const REVOCATIONS_MAX: usize = 200_000;
/// How long a revocation is kept beyond its end: a wall clock that jumps forward and back again must not revive what
/// was revoked.
pub const REVOCATION_GRACE: Duration = Duration::from_secs(3600);

/// What is revoked, in which environment.
type Key = (Revoked, Option<Name>);

/// What is revoked, until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocations {
    ends: BTreeMap<Arc<Key>, UnixMicros>,
    order: BTreeSet<(UnixMicros, Arc<Key>)>,
    max: usize,
}

impl Revocations {
    /// None, with room for `max`.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { ends: BTreeMap::new(), order: BTreeSet::new(), max }
    }

    /// Adds one; of two for the same, the later end holds. Says whether one had to be given up for it. O(log n).
    pub fn insert(&mut self, revocation: Revocation) -> bool {
        let key = Arc::new((revocation.what, revocation.environment));
        let end = revocation.until_us;
        if let Some(known) = self.ends.get_mut(&key) {
            if *known < end {
                self.order.remove(&(*known, Arc::clone(&key)));
                *known = end;
                self.order.insert((end, key));
            }
            return false;
        }
        self.ends.insert(Arc::clone(&key), end);
        self.order.insert((end, key));
        let full = self.ends.len() > self.max;
        if full && let Some((_, first)) = self.order.pop_first() {
            self.ends.remove(&first);
        }
        full
    }

    /// Forgets what ended more than [`REVOCATION_GRACE`] before `now`.
    pub fn expire(&mut self, now: UnixMicros) {
        while let Some((end, _)) = self.order.first()
            && end.plus(REVOCATION_GRACE) < now
            && let Some((_, key)) = self.order.pop_first()
        {
            self.ends.remove(&key);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.order.clear();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them, in an order that depends on nothing else.
    pub fn iter(&self) -> impl Iterator<Item = Revocation> {
        self.ends.iter().map(|(key, end)| Revocation {
            what: key.0.clone(),
            environment: key.1.clone(),
            until_us: *end,
        })
    }
}
