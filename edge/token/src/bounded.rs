//! A table that never grows past its limits: when it is full, one that was not used lately makes room (CLOCK).

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
};

use foldhash::fast::RandomState;

/// A table of at most so many entries and so many bytes.
///
/// A hand goes round the slots when room is needed: what was used since it last came by is spared once, what is dead is
/// taken at once. The index is small, so that it stays in near memory: it knows keys by 64 bits of a hash with a random
/// seed, and of two keys that agree in these the later one takes the place of the earlier. All operations take constant time on average; an entry that is heavier than the whole limit is not kept.
pub(crate) struct Bounded<K, V> {
    seed: RandomState,
    index: HashMap<u64, u32, RandomState>,
    slots: Vec<Slot<K, V>>,
    hand: usize,
    entries_max: usize,
    bytes: usize,
    bytes_max: usize,
}

struct Slot<K, V> {
    key: K,
    value: V,
    bytes: u32,
    is_used: bool,
}

impl<K: Copy + Eq + Hash, V> Bounded<K, V> {
    /// An empty table; memory is taken as it fills.
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let (seed, index) = (RandomState::default(), HashMap::default());
        let entries_max = entries_max.min(u32::MAX as usize);
        Self { seed, index, slots: Vec::new(), hand: 0, entries_max, bytes: 0, bytes_max }
    }

    /// The value of `key`, which counts as a use.
    #[inline]
    pub(crate) fn find(&mut self, key: &K) -> Option<&mut V> {
        let at = *self.index.get(&self.seed.hash_one(key))?;
        let slot = self.slots.get_mut(at as usize).filter(|slot| slot.key == *key)?;
        slot.is_used = true;
        Some(&mut slot.value)
    }

    /// Puts `value` in place of what `key` had. If there is no room, others go: dead ones first met, or long unused ones.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize, is_dead: impl Fn(&V) -> bool) {
        let short = self.seed.hash_one(key);
        self.remove_short(short);
        let Ok(weight) = u32::try_from(bytes) else { return };
        if bytes > self.bytes_max || self.entries_max == 0 {
            return;
        }
        while self.slots.len() >= self.entries_max || self.bytes.saturating_add(bytes) > self.bytes_max {
            self.evict_one(&is_dead);
        }
        let at = u32::try_from(self.slots.len()).expect("no more entries than the limit, which has 32 bits");
        self.index.insert(short, at);
        self.slots.push(Slot { key, value, bytes: weight, is_used: false });
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes `key` out; tells whether it was there.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let short = self.seed.hash_one(key);
        let at = self.index.get(&short).and_then(|at| self.slots.get(*at as usize));
        let is_there = at.is_some_and(|slot| slot.key == *key);
        if is_there {
            self.remove_short(short);
        }
        is_there
    }

    /// Takes out what the index has under `short`, whichever key that is.
    fn remove_short(&mut self, short: u64) {
        let Some(at) = self.index.remove(&short) else { return };
        let gone = self.slots.swap_remove(at as usize);
        self.bytes = self.bytes.saturating_sub(gone.bytes as usize);
        if let Some(moved) = self.slots.get(at as usize) {
            self.index.insert(self.seed.hash_one(moved.key), at);
        }
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of all entries.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frees one slot. Ends within two rounds, since the first one leaves nothing used behind it.
    fn evict_one(&mut self, is_dead: &impl Fn(&V) -> bool) {
        while !self.slots.is_empty() {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            if let Some(slot) = self.slots.get_mut(self.hand) {
                if is_dead(&slot.value) || !slot.is_used {
                    let key = slot.key;
                    self.remove(&key);
                    // What was last now stands here and would be next; it is the youngest, so that it is passed over.
                    self.hand = self.hand.saturating_add(1);
                    return;
                }
                slot.is_used = false;
            }
            self.hand = self.hand.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alive(_: &u32) -> bool {
        false
    }

    #[test]
    fn it_holds_the_limit_and_not_one_more() {
        let mut table = Bounded::new(3, 100);
        for key in 0..3 {
            table.insert(key, key, 1, alive);
        }
        assert!((0..3).all(|key| table.find(&key).is_some()));
        table.insert(3, 3, 1, alive);
        assert_eq!((table.len(), table.find(&3).copied()), (3, Some(3)));
    }

    #[test]
    fn bytes_are_a_limit_too() {
        let mut table = Bounded::new(100, 10);
        table.insert(1, 1, 4, alive);
        table.insert(2, 2, 6, alive);
        assert_eq!((table.len(), table.bytes()), (2, 10));
        table.insert(3, 3, 7, alive);
        assert!(table.len() == 1 && table.bytes() == 7, "both had to go");
        table.insert(4, 4, 11, alive);
        assert!(table.find(&4).is_none() && table.find(&3).is_some(), "too heavy to be kept at all");
    }

    #[test]
    fn what_is_used_stays_and_what_is_dead_goes() {
        let mut table = Bounded::new(3, 100);
        for key in 0..3_u32 {
            table.insert(key, key, 1, alive);
        }
        for newer in 10..40 {
            assert!(table.find(&0).is_some(), "used before each insertion");
            table.insert(newer, newer, 1, alive);
        }
        table.insert(50, 50, 1, |value| *value == 0);
        assert!(table.find(&0).is_none() || table.len() == 3);
    }

    #[test]
    fn one_without_room_keeps_nothing() {
        let mut table = Bounded::new(0, 0);
        table.insert(1, 1, 0, alive);
        assert_eq!(table.len(), 0);
    }

    /// A key whose hash is always the same: what two keys do that agree in all 64 bits.
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Colliding(u32);

    impl Hash for Colliding {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }

    #[test]
    fn keys_that_collide_are_never_taken_for_each_other() {
        let mut table = Bounded::new(8, 100);
        table.insert(Colliding(1), 1, 1, alive);
        assert!(table.find(&Colliding(2)).is_none() && !table.remove(&Colliding(2)));
        table.insert(Colliding(2), 2, 1, alive);
        assert_eq!((table.len(), table.bytes(), table.find(&Colliding(2)).copied()), (1, 1, Some(2)));
        assert!(table.find(&Colliding(1)).is_none());
        assert!(table.remove(&Colliding(2)) && table.len() == 0);
    }

    proptest! {
        /// In any order of operations the index and the slots tell the same story, and no limit is passed.
        #[test]
        fn it_never_passes_its_limits(steps in proptest::collection::vec((0..3_u8, 0..20_u32, 0..6_usize), 0..400)) {
            let mut table = Bounded::new(8, 20);
            for (step, key, bytes) in steps {
                match step {
                    0 => table.insert(key, key, bytes, |value| value % 5 == 0),
                    1 => drop(table.find(&key).map(|value| assert_eq!(*value, key))),
                    _ => drop(table.remove(&key)),
                }
                prop_assert!(table.slots.len() <= 8 && table.bytes <= 20);
                prop_assert_eq!(table.slots.iter().map(|slot| slot.bytes as usize).sum::<usize>(), table.bytes);
                prop_assert_eq!(table.index.len(), table.slots.len());
                for (at, slot) in table.slots.iter().enumerate() {
                    let short = table.seed.hash_one(slot.key);
                    prop_assert_eq!(table.index.get(&short), Some(&u32::try_from(at).expect("few")));
                }
            }
        }
    }
}
