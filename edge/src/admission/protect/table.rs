//! What parties have used, in memory that does not grow.
//!
//! ```text
//!  name ─ its low bits ─▶ one of many sets, each with a lock of its own ─▶ one of WAYS places in it
//! ```
//!
//! As in a processor's cache a party can only be in one set. When that is full, the party that is least ahead of its time
//! goes, which has the least to gain: one that has not asked for a while would be made the same again. Who is past its
//! limit is the furthest ahead and stays longest. A party that is being answered does not go, so that what it holds is
//! always given back to it; where all of a set are, one more is not counted.
//!
//! A lock is shared by `WAYS` parties of 65,536, so that cores hardly ever meet at one.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::allowance::Allowance;

/// Parties of one set: they and the lock are five lines of memory.
const WAYS: usize = 8;

/// Who has used what.
pub(super) struct Table {
    /// As many as a power of two.
    sets: Box<[Mutex<Set>]>,
    start: Instant,
}

type Set = [Party; WAYS];

/// One place. What nobody has is the same as what a party has that never asked.
#[derive(Debug, Clone, Copy, Default)]
struct Party {
    name: u128,
    /// Until when its requests would have lasted at its rate, in nanoseconds since the table's start.
    ahead_until_ns: u64,
    in_flight: u32,
}

/// What became of a request that may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It counts until it is released.
    Held,
    /// Nothing is to be given back.
    Passed,
    /// There is no room to count it.
    Unknown,
}

/// Why a request may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many of late.
    Rate {
        /// Until there is room for one.
        wait: Duration,
    },
    /// Too many at the same time.
    AtOnce,
}

impl Table {
    /// Room for `parties`, rounded up to what sets of [`WAYS`] and powers of two give.
    pub(super) fn new(parties: usize, start: Instant) -> Self {
        let sets = parties.div_ceil(WAYS).next_power_of_two();
        Self { sets: (0..sets).map(|_| Mutex::default()).collect(), start }
    }

    /// Has the party called `name` pay for a request at `now`.
    ///
    /// # Errors
    /// [`Refused`]: it has paid nothing.
    pub(super) fn charge(&self, name: u128, allowance: Allowance, now: Instant) -> Result<Place, Refused> {
        let now = now.saturating_duration_since(self.start);
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut set = self.set(name).lock();
        let Some(party) = place(&mut set, name) else { return Ok(Place::Unknown) };
        if allowance.at_once != 0 && party.in_flight >= allowance.at_once {
            return Err(Refused::AtOnce);
        }
        let ahead_ns = allowance.take(party.ahead_until_ns.saturating_sub(now_ns));
        let ahead_ns = ahead_ns.map_err(|wait| Refused::Rate { wait })?;
        party.ahead_until_ns = now_ns.saturating_add(ahead_ns);
        if allowance.at_once == 0 {
            return Ok(Place::Passed);
        }
        party.in_flight = party.in_flight.saturating_add(1);
        Ok(Place::Held)
    }

    /// Ends a request that was [`Place::Held`].
    pub(super) fn release(&self, name: u128) {
        let mut set = self.set(name).lock();
        if let Some(party) = set.iter_mut().find(|party| party.name == name) {
            party.in_flight = party.in_flight.saturating_sub(1);
        }
    }

    fn set(&self, name: u128) -> &Mutex<Set> {
        let at = name & (self.sets.len() as u128).saturating_sub(1);
        let at = usize::try_from(at).expect("less than the number of sets");
        self.sets.get(at).expect("the number of sets is a power of two, and `at` is masked by it")
    }

    /// Places that somebody has.
    #[cfg(test)]
    pub(super) fn parties(&self) -> usize {
        self.sets.iter().map(|set| set.lock().iter().filter(|party| party.name != 0).count()).sum()
    }

    /// Bytes of memory.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.sets)
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("sets", &self.sets.len()).finish_non_exhaustive()
    }
}

/// The place of the party called `name`: its own, or that of the one who can best be missed.
fn place(set: &mut Set, name: u128) -> Option<&mut Party> {
    let known = set.iter().position(|party| party.name == name);
    let at = match known {
        Some(at) => at,
        None => {
            let idle = set.iter().enumerate().filter(|(_, party)| party.in_flight == 0);
            let (at, _) = idle.min_by_key(|(_, party)| party.ahead_until_ns)?;
            at
        }
    };
    let party = set.get_mut(at)?;
    if known.is_none() {
        *party = Party { name, ..Party::default() };
    }
    Some(party)
}
