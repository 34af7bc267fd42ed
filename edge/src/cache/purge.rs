//! Purges: what may not be used any more, or only after its origin was asked.
//!
//! ```text
//!  purge ─▶ next epoch ─┬─ surrogate key: the key's generation is the epoch
//!                       └─ URL, prefix, all: a rule, and a sweep through the cache
//!  object { born } ─▶ standing: was a purge that means it later than its birth? ─▶ valid | stale | doubtful | gone
//! ```
//!
//! An object is born when its fill begins, so that a purge during the fill means its result too: it is delivered to
//! those who wait for it, and not kept. An object that was found valid remembers the epoch, so that between two purges
//! the question costs one comparison.
//!
//! Invariants: once a purge has returned, nobody is answered from what it means; rules and generations are
//! bounded, and where there are too many, all that is older goes instead.

use std::{
    collections::HashMap,
    hash::BuildHasher as _,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use foldhash::quality::RandomState;
use parking_lot::RwLock;

use crate::cache::{
    key::{Key, Named, Prefix},
    object::Object,
};

/// Generations that are told apart: surrogate keys that were purged.
const GENERATIONS_MAX: usize = 65_536;
/// Rules that are kept for fills that began before them.
const RULES_MAX: usize = 256;

/// A moment between purges. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// A surrogate key, hashed with a secret of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SurrogateId(u128);

/// The hashes of surrogate keys: two, so that equal ones are equal keys.
static SECRETS: LazyLock<[RandomState; 2]> =
    LazyLock::new(|| [RandomState::default(), RandomState::default()]);

impl SurrogateId {
    /// The id of a key.
    pub(crate) fn of(key: &[u8]) -> Self {
        let [high, low] = SECRETS.each_ref().map(|secret| u128::from(secret.hash_one(key)));
        Self(high << 64 | low)
    }

    /// The id of the same key in one environment only.
    fn within(self, environment: &str) -> Self {
        let [high, low] = SECRETS.each_ref().map(|secret| u128::from(secret.hash_one((self.0, environment))));
        Self(high << 64 | low)
    }
}

/// What a purge means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// One object.
    Key(Key),
    /// One path and query in all environments; that of the key does not matter.
    Target(Key),
    /// All whose path and query begin alike.
    Prefix(Prefix),
    /// All that carry this surrogate key.
    Surrogate(SurrogateId),
    /// Everything.
    All,
}

impl Meant {
    /// All that carry the surrogate key `key`, in whichever environment.
    pub fn surrogate(key: &str) -> Self {
        Self::Surrogate(SurrogateId::of(key.as_bytes()))
    }

    /// All of `environment` that carry the surrogate key `key`.
    pub fn surrogate_within(environment: &str, key: &str) -> Self {
        Self::Surrogate(SurrogateId::of(key.as_bytes()).within(environment))
    }
}

/// What becomes of what a purge means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardness {
    /// It is gone.
    Hard,
    /// It is stale: its origin is asked, and it is used where the origin cannot answer and it says so.
    Soft,
    /// Perhaps it is gone, and nobody here knows: its origin is asked, and it is not used where the origin cannot answer.
    Doubt,
}

/// How purges leave an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Valid,
    Stale,
    Doubtful,
    Gone,
}

/// When something was purged last, by hardness.
#[derive(Debug, Clone, Copy, Default)]
struct Purged {
    hard: u64,
    soft: u64,
    doubt: u64,
}

impl Purged {
    fn note(&mut self, hardness: Hardness, epoch: u64) {
        match hardness {
            Hardness::Hard => self.hard = epoch,
            Hardness::Soft => self.soft = epoch,
            Hardness::Doubt => self.doubt = epoch,
        }
    }
}

#[derive(Debug)]
struct Rule {
    meant: Meant,
    hardness: Hardness,
    epoch: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Everything born before is gone, or stale.
    all: Purged,
    generations: HashMap<SurrogateId, Purged>,
    rules: Vec<Rule>,
}

/// The purges there have been.
#[derive(Debug, Default)]
pub(crate) struct Purges {
    epoch: AtomicU64,
    state: RwLock<State>,
}

impl Purges {
    /// The moment after all purges so far.
    pub(crate) fn now(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// From now on what is `meant`, and was born before now, is not used.
    pub(crate) fn purge(&self, meant: Meant, hardness: Hardness) {
        let mut state = self.state.write();
        let epoch = self.epoch.load(Ordering::Acquire).saturating_add(1);
        match meant {
            Meant::All => state.all.note(hardness, epoch),
            Meant::Surrogate(id) => {
                if state.generations.len() >= GENERATIONS_MAX && !state.generations.contains_key(&id) {
                    state.generations.clear();
                    state.all.note(Hardness::Hard, epoch);
                }
                state.generations.entry(id).or_default().note(hardness, epoch);
            }
            Meant::Key(_) | Meant::Target(_) | Meant::Prefix(_) => {
                if state.rules.len() >= RULES_MAX {
                    state.rules.clear();
                    state.all.note(Hardness::Hard, epoch);
                }
                state.rules.push(Rule { meant, hardness, epoch });
            }
        }
        // Whoever sees the new epoch asks, and waits for this lock.
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Forgets the rules whose work is done: nothing that was born before them is stored, which a sweep has seen to, and
    /// `oldest` is the birth of the oldest fill that was under way before it.
    pub(crate) fn forget_before(&self, oldest: Epoch) {
        self.state.write().rules.retain(|rule| rule.epoch > oldest.number());
    }

    /// Whether a purge since `born` means whatever has this key: a fetch whose surrogate keys are not known yet.
    pub(crate) fn means_key(&self, key: &Key, born: Epoch) -> bool {
        let state = self.state.read();
        let is_later = |epoch: u64| epoch > born.number();
        is_later(state.all.hard)
            || state.generations.values().any(|purged| is_later(purged.hard))
            || state.rules.iter().any(|rule| is_later(rule.epoch) && rule.means(key))
    }

    /// How the purges so far leave `object`. Cost: a comparison, if nothing was purged since it was last asked for.
    pub(crate) fn standing(&self, object: &Object) -> Standing {
        let now = self.now();
        if object.marks.checked() >= now.number() {
            return object.marks.standing();
        }
        let purged = self.state.read().purged(object);
        let born = object.marks.born.number();
        if purged.hard > born {
            return Standing::Gone;
        }
        if purged.soft > born {
            object.marks.set_stale();
        }
        if purged.doubt > born {
            object.marks.set_doubtful();
        }
        object.marks.set_checked(now);
        object.marks.standing()
    }
}

impl State {
    fn purged(&self, object: &Object) -> Purged {
        let environment = object.key.environment();
        let ids = object.surrogates.iter().flat_map(|id| [*id, id.within(environment)]);
        let of_surrogates = ids.filter_map(|id| self.generations.get(&id)).copied();
        let of_rules = self.rules.iter().filter(|rule| rule.means(&object.key)).map(|rule| {
            let mut purged = Purged::default();
            purged.note(rule.hardness, rule.epoch);
            purged
        });
        of_surrogates.chain(of_rules).fold(self.all, |purged, other| Purged {
            hard: purged.hard.max(other.hard),
            soft: purged.soft.max(other.soft),
            doubt: purged.doubt.max(other.doubt),
        })
    }
}

impl Rule {
    fn means(&self, asked: &Key) -> bool {
        match &self.meant {
            Meant::Key(key) => key == asked,
            Meant::Target(key) => key.target() == asked.target(),
            Meant::Prefix(prefix) => prefix.covers(asked as &dyn Named),
            Meant::Surrogate(_) | Meant::All => false,
        }
    }
}
