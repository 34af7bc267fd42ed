//! Remembers what was asked for lately, in a fixed table: what comes once, as in a scan, leaves no more than a trace.
//!
//! Each slot holds the last content that fell on it. Two contents on one slot forget each other, so a second touch
//! may be missed; a wrong one needs 32 equal bits of a keyed hash, and costs one needless read.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::ContentId;

/// In a slot: the content has had its turn, further touches do not count for a while.
const RESTING: u64 = 1 << 31;

/// Tells second touches from first ones.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    /// Upper 32 bits: of the content's hash. Then [`RESTING`]. Then when it was, in seconds from `epoch`.
    slots: Box<[AtomicU64]>,
    keys: RandomState,
    epoch: Instant,
    within_s: u64,
}

impl Doorkeeper {
    /// `slots` contents at most; a touch counts for `within`, in whole seconds, at least one.
    pub(super) fn new(slots: usize, within: Duration, epoch: Instant) -> Self {
        let slots = (0..slots.max(1)).map(|_| AtomicU64::new(0)).collect();
        Self { slots, keys: RandomState::new(), epoch, within_s: within.as_secs().max(1) }
    }

    /// Whether `content` was asked for before, within the time; from now on it was.
    pub(super) fn is_second_touch(&self, content: ContentId, now: Instant) -> bool {
        let (slot, name) = self.slot(content);
        let second = self.second(now);
        let found = slot.load(Ordering::Relaxed);
        let is_recent = second.saturating_sub(found & (RESTING - 1)) < self.within_s;
        let is_known = found != 0 && found >> 32 == name && is_recent;
        if is_known && found & RESTING != 0 {
            return false;
        }
        // Two cores may both see a first touch here; then the third counts.
        slot.store((name << 32) | second, Ordering::Relaxed);
        is_known
    }

    /// Lets touches of `content` not count for the time.
    pub(super) fn rest(&self, content: ContentId, now: Instant) {
        let (slot, name) = self.slot(content);
        slot.store((name << 32) | RESTING | self.second(now), Ordering::Relaxed);
    }

    fn slot(&self, content: ContentId) -> (&AtomicU64, u64) {
        let hash = self.keys.hash_one(content);
        let slots = u64::try_from(self.slots.len()).expect("a length in memory fits 64 bits");
        let index = usize::try_from((hash & u64::from(u32::MAX)) % slots).expect("below a length in memory");
        (self.slots.get(index).expect("a remainder of the length"), hash >> 32)
    }

    /// From 1 on, so that no slot in use is zero; stays within 31 bits for 68 years.
    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_secs().saturating_add(1) & (RESTING - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(number: u8) -> ContentId {
        ContentId::new([number; 32], [0; 16])
    }

    #[expect(clippy::disallowed_methods, reason = "an instant can only be made by the clock; any will do")]
    fn start() -> (Doorkeeper, impl Fn(u64) -> Instant) {
        let epoch = Instant::now();
        let at = move |second| epoch + Duration::from_secs(second);
        (Doorkeeper::new(1 << 16, Duration::from_secs(120), epoch), at)
    }

    #[test]
    fn a_second_touch_counts_within_the_time_and_not_after_it() {
        let (doorkeeper, at) = start();
        assert!(!doorkeeper.is_second_touch(content(1), at(0)));
        assert!(!doorkeeper.is_second_touch(content(2), at(0)), "another content is another");
        assert!(doorkeeper.is_second_touch(content(1), at(119)));
        assert!(!doorkeeper.is_second_touch(content(2), at(120)));
        assert!(doorkeeper.is_second_touch(content(2), at(121)), "a late touch is a first one");
    }

    #[test]
    fn what_had_its_turn_rests_for_the_time() {
        let (doorkeeper, at) = start();
        doorkeeper.rest(content(1), at(10));
        assert!(!doorkeeper.is_second_touch(content(1), at(11)));
        assert!(!doorkeeper.is_second_touch(content(1), at(129)));
        assert!(!doorkeeper.is_second_touch(content(1), at(130)), "a first touch again");
        assert!(doorkeeper.is_second_touch(content(1), at(131)));
    }

    #[test]
    fn a_scan_longer_than_the_table_touches_nothing_twice() {
        let (doorkeeper, at) = start();
        for number in 0..200_000_u32 {
            let mut piece = [0; 16];
            piece[..4].copy_from_slice(&number.to_le_bytes());
            assert!(!doorkeeper.is_second_touch(ContentId::new([9; 32], piece), at(1)));
        }
    }
}
