//! What one core answered of late: what is asked for a thousand times a second is found without a lock.
//!
//! Only short objects are remembered, which lie in memory in one piece. Invariants: an entry is used only while its
//! object is stored, valid and fresh, and no longer than a second without a look at the cache, which so learns how often it
//! is asked for; what was prepared once serves on after that look. There are at most `ENTRIES_MAX`, and none keeps the
//! memory of an object for longer than `KEPT` past its last use. Belongs to one core.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use rillcast_http::{
    Fields, Prepared, Reply, Representation,
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
/// How long one waits for the next look.
const KEPT: Duration = Duration::from_secs(10);

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
    /// When the cache was last asked.
    since: Cell<SystemTime>,
    /// What hits say.
    hits: LastSaid,
    /// What those say who have waited for it together.
    waited: LastSaid,
}

/// The fields that answers about one object had last: the same ones for a whole second of its age.
#[derive(Debug, Default)]
struct LastSaid(RefCell<Option<(CacheStatus, u64, Fields)>>);

impl LastSaid {
    /// What an answer with `status` says at `now`.
    fn fields(&self, object: &Object, status: CacheStatus, now: SystemTime) -> Fields {
        let (age_s, mut last) = (object.age_s(now), self.0.borrow_mut());
        match &*last {
            Some((of, at_s, fields)) if *of == status && *at_s == age_s => Fields::clone(fields),
            _ => {
                let fields = deliver::added(status, object, now);
                *last = Some((status, age_s, Fields::clone(&fields)));
                fields
            }
        }
    }
}

impl Entry {
    fn reply(&self, said: &LastSaid, status: CacheStatus, now: SystemTime) -> Reply {
        let (prepared, added) = (Rc::clone(&self.prepared), said.fields(&self.object, status, now));
        Reply::Entity(Representation { prepared, added, cache_control: None })
    }

    fn is_within(&self, life: Duration, now: SystemTime) -> bool {
        now.duration_since(self.since.get()).is_ok_and(|age| age < life)
    }

    fn is_worth_its_place(&self, now: SystemTime) -> bool {
        self.is_within(KEPT, now) && !self.object.marks.is_gone()
    }
}

impl Recent {
    /// The answer for `asked`, if it may be given again.
    pub(crate) fn reply(&self, asked: &Asked<'_>, purges: &Purges, now: SystemTime) -> Option<Reply> {
        let entries = self.entries.borrow();
        let entry = entries.get(asked as &dyn Named)?;
        let object = &entry.object;
        let is_good = entry.is_within(LIFE, now)
            && !object.marks.is_gone()
            && object.lifetime.state(now) == State::Fresh
            && purges.standing(object) == Standing::Valid;
        is_good.then(|| entry.reply(&entry.hits, HIT, now))
    }

    /// The answer from `object` for one of many who have waited for it: it is prepared once for all of them. `None` where
    /// it is too long, still arriving, or not a 200.
    pub(crate) fn reply_from(
        &self,
        object: &Arc<Object>,
        status: CacheStatus,
        now: SystemTime,
    ) -> Option<Reply> {
        self.common(object, status, now).or_else(|| {
            self.remember(object, now);
            self.common(object, status, now)
        })
    }

    /// What is remembered of just this object.
    fn common(&self, object: &Arc<Object>, status: CacheStatus, now: SystemTime) -> Option<Reply> {
        let entries = self.entries.borrow();
        let entry = entries.get(&object.key).filter(|entry| Arc::ptr_eq(&entry.object, object))?;
        Some(entry.reply(&entry.waited, status, now))
    }

    /// Remembers `object`, which is stored and fresh, or just came.
    pub(crate) fn remember(&self, object: &Arc<Object>, now: SystemTime) {
        let is_short = object.body.len().is_some_and(|len| len <= MEMORY_BYTES_MAX);
        if object.status != StatusCode::OK || !is_short || object.body.growth() != Growth::Complete {
            return;
        }
        let mut entries = self.entries.borrow_mut();
        if let Some(entry) = entries.get(&object.key).filter(|entry| Arc::ptr_eq(&entry.object, object)) {
            entry.since.set(now);
            return;
        }
        let swept = self.swept.get().unwrap_or(UNIX_EPOCH);
        if !now.duration_since(swept).is_ok_and(|since| since < LIFE) {
            entries.retain(|_, entry| entry.is_worth_its_place(now));
            self.swept.set(Some(now));
        }
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        let entry = Entry {
            prepared: Rc::new(deliver::prepare(object, object.body.body())),
            object: Arc::clone(object),
            since: Cell::new(now),
            hits: LastSaid::default(),
            waited: LastSaid::default(),
        };
        entries.insert(object.key.clone(), entry);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use rillcast_http::{Growing, growing::Keeping};

    use super::*;
    use crate::cache::{
        freshness::Lifetime,
        key::{KeyRules, TRACKING},
        object::Marks,
    };

    fn playlist(rules: &KeyRules) -> Arc<Object> {
        let (mut writer, body) = Growing::new(Keeping::Memory, None);
        writer.append(&mut "#EXTM3U\n".into()).unwrap();
        writer.finish();
        Arc::new(Object {
            key: Asked::of(rules, "", "/live.m3u8", Some("_HLS_msn=1")).unwrap().to_key(),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body,
            lifetime: Lifetime::spent(UNIX_EPOCH),
            unstored: None,
            marks: Marks::new(Purges::default().now()),
            surrogates: Box::default(),
        })
    }

    fn prepared(recent: &Recent, object: &Arc<Object>) -> Rc<Prepared> {
        let reply = recent.reply_from(object, CacheStatus::new(Outcome::Collapsed), UNIX_EPOCH);
        let Some(Reply::Entity(Representation { prepared, .. })) = reply else { panic!("no entity") };
        prepared
    }

    #[test]
    fn those_who_waited_for_one_object_share_its_preparation_and_others_do_not() {
        let (recent, rules) = (Recent::default(), KeyRules::new(TRACKING).unwrap());
        let (first, second) = (playlist(&rules), playlist(&rules));
        let of_first = prepared(&recent, &first);
        assert!(Rc::ptr_eq(&of_first, &prepared(&recent, &first)));
        assert!(!Rc::ptr_eq(&of_first, &prepared(&recent, &second)), "the same name, another object");
        let asked = Asked::of(&rules, "", "/live.m3u8", Some("_HLS_msn=1")).unwrap();
        assert!(recent.reply(&asked, &Purges::default(), UNIX_EPOCH).is_none(), "fresh for nobody else");
    }

    #[test]
    fn what_was_prepared_serves_on_after_a_look_at_the_cache_and_goes_with_its_object() {
        let (recent, rules) = (Recent::default(), KeyRules::new(TRACKING).unwrap());
        let object = playlist(&rules);
        let first = prepared(&recent, &object);
        let later = UNIX_EPOCH + LIFE;
        recent.remember(&object, later);
        assert!(Rc::ptr_eq(&first, &prepared(&recent, &object)));
        let entries = |recent: &Recent, now| {
            let mut other = playlist(&rules);
            Arc::get_mut(&mut other).unwrap().key = Asked::of(&rules, "", "/other", None).unwrap().to_key();
            recent.remember(&other, now);
            recent.entries.borrow().len()
        };
        assert_eq!(entries(&recent, later + LIFE), 2);
        object.marks.set_gone();
        assert_eq!(entries(&recent, later + 2 * LIFE), 1, "the cache has let go of it");
        recent.remember(&playlist(&rules), later + 2 * LIFE);
        assert_eq!(entries(&recent, later + 2 * LIFE + KEPT), 1, "nobody has asked for a long time");
    }

    #[test]
    fn what_is_still_arriving_is_not_prepared_for_all() {
        let (recent, rules) = (Recent::default(), KeyRules::new(TRACKING).unwrap());
        let (_writer, body) = Growing::new(Keeping::Memory, None);
        let mut object = playlist(&rules);
        Arc::get_mut(&mut object).unwrap().body = body;
        assert!(recent.reply_from(&object, CacheStatus::new(Outcome::Collapsed), UNIX_EPOCH).is_none());
    }
}
