//! Who was here before: whether a piece was touched in the last while, in bounded memory.
//!
//! Most cold pieces are wanted once. They must not push out of the page cache what is wanted often; so the first touch
//! is remembered here and nowhere else. Two sets of hashes take turns: when the younger is full or old, it becomes the
//! elder, whose touches are forgotten. Two pieces with one hash make a first touch look like a second: the piece is
//! then read into the page cache, and the bytes are as right as before.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, Hash, RandomState},
    time::{Duration, Instant},
};

/// Touches that one set remembers: 32 GiB of pieces in less than a mebibyte.
const TOUCHES_MAX: usize = 65_536;

/// A touch is remembered for at least one while and at most two, unless the sets fill up before.
const A_WHILE: Duration = Duration::from_secs(300);

/// Which touch it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    /// The first for a while.
    First,
    /// Not the first.
    Again,
}

/// What is remembered.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    younger: HashSet<u64>,
    elder: HashSet<u64>,
    /// When the younger set was begun.
    since: Instant,
    hasher: RandomState,
}

impl Doorkeeper {
    /// Remembers nothing yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { younger: HashSet::new(), elder: HashSet::new(), since: now, hasher: RandomState::new() }
    }

    /// Says which touch of `piece` this is, and remembers it.
    pub(super) fn touch(&mut self, piece: impl Hash, now: Instant) -> Touch {
        let age = now.saturating_duration_since(self.since);
        if age >= A_WHILE || self.younger.len() >= TOUCHES_MAX {
            let younger = std::mem::take(&mut self.younger);
            self.elder = if age >= A_WHILE.saturating_mul(2) { HashSet::new() } else { younger };
            self.since = now;
        }
        let piece = self.hasher.hash_one(piece);
        let is_first = self.younger.insert(piece) && !self.elder.contains(&piece);
        if is_first { Touch::First } else { Touch::Again }
    }

    /// Forgets `piece`.
    pub(super) fn forget(&mut self, piece: impl Hash) {
        let piece = self.hasher.hash_one(piece);
        self.younger.remove(&piece);
        self.elder.remove(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doorkeeper() -> (Doorkeeper, Instant) {
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do, and there is no other way to one"
        )]
        let now = Instant::now();
        (Doorkeeper::new(now), now)
    }

    #[test]
    fn the_first_touch_is_first_and_the_second_is_not() {
        let (mut door, now) = doorkeeper();
        assert_eq!([door.touch(1, now), door.touch(2, now)], [Touch::First; 2]);
        assert_eq!([door.touch(1, now), door.touch(2, now)], [Touch::Again; 2]);
    }

    #[test]
    fn what_is_forgotten_is_first_again() {
        let (mut door, now) = doorkeeper();
        door.touch(1, now);
        door.touch(2, now + A_WHILE);
        door.forget(1);
        door.forget(2);
        assert_eq!([door.touch(1, now), door.touch(2, now)], [Touch::First; 2]);
    }

    #[test]
    fn a_touch_is_remembered_for_a_while_and_not_for_three() {
        let (mut door, now) = doorkeeper();
        door.touch(1, now);
        assert_eq!(door.touch(1, now + A_WHILE), Touch::Again);
        assert_eq!(door.touch(1, now + 4 * A_WHILE), Touch::First);
    }

    #[test]
    fn as_many_are_remembered_as_may_and_old_ones_make_room() {
        let (mut door, now) = doorkeeper();
        for piece in 0..TOUCHES_MAX {
            assert_eq!(door.touch(piece, now), Touch::First);
        }
        assert_eq!(door.touch(0_usize, now), Touch::Again);
        for piece in TOUCHES_MAX..3 * TOUCHES_MAX {
            door.touch(piece, now);
            assert!(door.younger.len() <= TOUCHES_MAX && door.elder.len() <= TOUCHES_MAX);
        }
        assert_eq!(door.touch(1_usize, now), Touch::First, "long ago");
    }
}
