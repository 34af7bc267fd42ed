//! What one core answered of late: the same playlist, asked for a thousand times a second, is found by its path alone.
//!
//! ```text
//!  path ─▶ recent ─┬─ answered within `life` ─▶ the entity, prepared
//!                  └─ else ─▶ locator ─▶ assets (a look at the file) ─▶ entity ─▶ remembered here
//! ```
//!
//! Only what lies in memory is remembered, so that nothing here keeps a file open. Invariants: an entry is not used
//! once it is older than `life`, which is how long a change of a file may go unnoticed; there are at most
//! `MAX_ENTRIES` of at most `MAX_BYTES`. Belongs to one core, so nothing is locked.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rillcast_http::Prepared;

/// Answers that are remembered. More than that in one `life`, and all begin anew.
const MAX_ENTRIES: usize = 512;
/// Bytes of a body that is remembered: the playlist of a day has a few hundred thousand.
const MAX_BYTES: u64 = 512 << 10;

/// What one core answered of late.
#[derive(Debug)]
pub struct Recent {
    life: Duration,
    entries: RefCell<HashMap<Box<str>, Entry>>,
    /// When the old ones were last thrown out.
    swept: Cell<SystemTime>,
}

#[derive(Debug)]
struct Entry {
    entity: Rc<Prepared>,
    class: &'static str,
    /// When its file was looked at, or before.
    since: SystemTime,
}

impl Entry {
    /// Whether it may be given at `now`. A clock that was set back makes everything old.
    fn is_fresh(&self, now: SystemTime, life: Duration) -> bool {
        now.duration_since(self.since).is_ok_and(|age| age < life)
    }
}

impl Recent {
    /// Nothing yet; nothing ever when `life` is zero.
    pub fn new(life: Duration) -> Self {
        Self { life, entries: RefCell::default(), swept: Cell::new(UNIX_EPOCH) }
    }

    /// What was answered for `path`, when that may be answered again.
    pub(crate) fn get(&self, path: &str, now: SystemTime) -> Option<Rc<Prepared>> {
        let entries = self.entries.borrow();
        let entry = entries.get(path).filter(|entry| entry.is_fresh(now, self.life))?;
        Some(Rc::clone(&entry.entity))
    }

    /// The class of `path`, if it was answered: that does not change.
    pub(crate) fn class(&self, path: &str) -> Option<&'static str> {
        self.entries.borrow().get(path).map(|entry| entry.class)
    }

    /// Remembers that `path` is answered with `entity`, as was found at `since` or later.
    pub(crate) fn remember(&self, path: &str, class: &'static str, entity: &Rc<Prepared>, since: SystemTime) {
        let body = &entity.entity().body;
        if self.life.is_zero() || body.as_memory().is_none() || body.len() > MAX_BYTES {
            return;
        }
        let mut entries = self.entries.borrow_mut();
        if !since.duration_since(self.swept.get()).is_ok_and(|age| age < self.life) {
            entries.retain(|_, entry| entry.is_fresh(since, self.life));
            self.swept.set(since);
        }
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(path.into(), Entry { entity: Rc::clone(entity), class, since });
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rillcast_http::Entity;

    use super::*;

    const LIFE: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(millis)
    }

    fn text(body: String) -> Rc<Prepared> {
        Rc::new(Prepared::new(Entity::new(HeaderValue::from_static("text/plain"), body)))
    }

    #[test]
    fn an_answer_is_given_again_until_it_is_old() {
        let recent = Recent::new(LIFE);
        let entity = text("#EXTM3U".to_owned());
        recent.remember("/a", "playlist", &entity, at(0));
        for (now, is_given) in [(0, true), (999, true), (1000, false), (500, true)] {
            assert_eq!(recent.get("/a", at(now)).is_some(), is_given, "{now}");
        }
        assert!(recent.get("/a", at(0) - Duration::from_millis(1)).is_none(), "the clock was set back");
        assert!(recent.get("/b", at(0)).is_none());
        assert_eq!((recent.class("/a"), recent.class("/b")), (Some("playlist"), None));
    }

    #[test]
    fn nothing_is_remembered_for_no_time() {
        let recent = Recent::new(Duration::ZERO);
        recent.remember("/a", "playlist", &text(String::new()), at(0));
        assert!(recent.get("/a", at(0)).is_none());
        assert!(recent.entries.borrow().is_empty());
    }

    #[test]
    fn what_is_old_goes_with_the_next_that_comes() {
        let recent = Recent::new(LIFE);
        for number in 0..10 {
            recent.remember(&format!("/{number}"), "playlist", &text(String::new()), at(number * 200));
        }
        // From 1000 on: one sweep at 0, one at 1000; what is of 200 to 800 was young at the second.
        recent.remember("/last", "playlist", &text(String::new()), at(10_000));
        assert_eq!(recent.entries.borrow().len(), 1);
    }

    #[test]
    fn entries_are_bounded_in_number_and_in_bytes() {
        let recent = Recent::new(LIFE);
        let least = text(String::new());
        for number in 0..MAX_ENTRIES {
            recent.remember(&format!("/{number}"), "playlist", &least, at(0));
        }
        assert_eq!(recent.entries.borrow().len(), MAX_ENTRIES);
        recent.remember("/one more", "playlist", &least, at(0));
        assert_eq!(recent.entries.borrow().len(), 1);
        let limit = usize::try_from(MAX_BYTES).expect("a length in memory");
        recent.remember("/longest", "playlist", &text("x".repeat(limit)), at(0));
        recent.remember("/too long", "playlist", &text("x".repeat(limit + 1)), at(0));
        assert!(recent.get("/longest", at(0)).is_some());
        assert!(recent.get("/too long", at(0)).is_none());
    }
}
