//! What one core answered of late: what is asked for a thousand times a second is found without a lock.
//!
//! Only short objects are remembered, which lie in memory in one piece. Invariants: an entry is used only while its
//! object is stored, valid and fresh, and no longer than a second, so that the cache learns how often it is asked for;
//! there are at most `ENTRIES_MAX`. Belongs to one core.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderName, HeaderValue, StatusCode};
use rillcast_http::{
    Prepared, Reply, Representation,
    growing::{Growth, MEMORY_BYTES_MAX},
};

use crate::{
    cache::{
        freshness::State,
        key::{Asked, CarriedHash, Key, Named},
        object::Object,
        purge::{Purges, Standing},
    },
    far::deliver,
    observe::cache_status::{CacheStatus, Outcome},
};

/// Answers that are remembered. More than that in one life, and all begin anew.
const ENTRIES_MAX: usize = 4096;
/// How long one is used without a look at the cache.
const LIFE: Duration = Duration::from_secs(1);

/// What the cache did for all of these.
const HIT: CacheStatus = CacheStatus::new(Outcome::Hit);

/// What one core answered of late.
#[derive(Debug, Default)]
pub struct Recent {
    entries: RefCell<HashMap<Key, Entry, CarriedHash>>,
    /// When the old ones were last thrown out.
    swept: Cell<Option<SystemTime>>,
}

#[derive(Debug)]
struct Entry {
    object: Arc<Object>,
    prepared: Rc<Prepared>,
    since: SystemTime,
    /// The whole second of its age for which `added` holds.
    age_s: Cell<u64>,
    added: RefCell<Vec<(HeaderName, HeaderValue)>>,
}

impl Entry {
    fn is_recent(&self, now: SystemTime) -> bool {
        now.duration_since(self.since).is_ok_and(|age| age < LIFE)
    }
}

impl Recent {
    /// The answer for `asked`, if it may be given again.
    pub(crate) fn reply(&self, asked: &Asked<'_>, purges: &Purges, now: SystemTime) -> Option<Reply> {
        let entries = self.entries.borrow();
        let entry = entries.get(asked as &dyn Named)?;
        let object = &entry.object;
        let is_good = entry.is_recent(now)
            && !object.marks.is_gone()
            && object.lifetime.state(now) == State::Fresh
            && purges.standing(object) == Standing::Valid;
        if !is_good {
            return None;
        }
        let age_s = object.age_s(now);
        if entry.age_s.replace(age_s) != age_s {
            *entry.added.borrow_mut() = deliver::added(HIT, object, now);
        }
        let added = entry.added.borrow().clone();
        Some(Reply::Entity(Representation { prepared: Rc::clone(&entry.prepared), added }))
    }

    /// Remembers `object`, which is stored and fresh.
    pub(crate) fn remember(&self, object: &Arc<Object>, now: SystemTime) {
        let is_short = object.body.len().is_some_and(|len| len <= MEMORY_BYTES_MAX);
        if object.status != StatusCode::OK || !is_short || object.body.growth() != Growth::Complete {
            return;
        }
        let mut entries = self.entries.borrow_mut();
        let swept = self.swept.get().unwrap_or(UNIX_EPOCH);
        if !now.duration_since(swept).is_ok_and(|since| since < LIFE) {
            entries.retain(|_, entry| entry.is_recent(now));
            self.swept.set(Some(now));
        }
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        let added = RefCell::new(deliver::added(HIT, object, now));
        let entry = Entry {
            prepared: Rc::new(deliver::prepare(object)),
            object: Arc::clone(object),
            since: now,
            age_s: Cell::new(object.age_s(now)),
            added,
        };
        entries.insert(object.key.clone(), entry);
    }
}
