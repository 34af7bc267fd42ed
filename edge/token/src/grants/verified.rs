//! The table of verified tokens, in shards, so that two cores seldom meet at a lock.

use std::{sync::Arc, time::SystemTime};

use parking_lot::Mutex;

use super::{Bounded, Fingerprint, Grant};

/// Shards of a large table.
const SHARDS: usize = 64;
/// A table of fewer entries is one shard: its limit holds to the entry.
const ENTRIES_SHARDED_MIN: usize = 4096;
/// Bytes that a table needs for an entry besides what it allows, about.
const ENTRY_BYTES: usize = 160;

type Shard = Mutex<Bounded<Fingerprint, Entry>>;

/// The shards, each with an equal part of the limits.
pub(super) struct Verified(Box<[Shard]>);

struct Entry {
    grant: Arc<Grant>,
    /// The epoch whose keys and revocations let it pass.
    epoch: u64,
}

impl Verified {
    pub(super) fn new(entries: usize, bytes: usize) -> Self {
        let count = if entries < ENTRIES_SHARDED_MIN { 1 } else { SHARDS };
        Self((0..count).map(|_| Mutex::new(Bounded::new(entries / count, bytes / count))).collect())
    }

    /// What a token allows, and the epoch in which that was last checked.
    #[inline]
    pub(super) fn find(&self, print: &Fingerprint) -> Option<(Arc<Grant>, u64)> {
        let mut shard = self.shard(print)?.lock();
        shard.find(print).map(|entry| (Arc::clone(&entry.grant), entry.epoch))
    }

    /// Remembers a token; expired ones make room first.
    pub(super) fn remember(&self, print: Fingerprint, grant: &Arc<Grant>, epoch: u64, now: SystemTime) {
        let bytes = grant.size_bytes().saturating_add(ENTRY_BYTES);
        if let Some(shard) = self.shard(&print) {
            let entry = Entry { grant: Arc::clone(grant), epoch };
            shard.lock().insert(print, entry, bytes, |entry| entry.grant.until() <= now);
        }
    }

    /// Notes that a token passed in `epoch`.
    pub(super) fn confirm(&self, print: &Fingerprint, epoch: u64) {
        if let Some(shard) = self.shard(print)
            && let Some(entry) = shard.lock().find(print)
        {
            entry.epoch = epoch;
        }
    }

    pub(super) fn forget(&self, print: &Fingerprint) {
        if let Some(shard) = self.shard(print) {
            shard.lock().remove(print);
        }
    }

    /// Entries and bytes of all shards.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        self.0
            .iter()
            .map(|shard| shard.lock())
            .fold((0, 0), |(entries, bytes), shard| (entries + shard.len(), bytes + shard.bytes()))
    }

    fn shard(&self, print: &Fingerprint) -> Option<&Shard> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits choose a shard")]
        let number = print.number() as usize;
        self.0.get(number.checked_rem(self.0.len())?)
    }
}
