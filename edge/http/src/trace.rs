//! What a handler notes about a request for its end: words for the access log, and what it wants to know again itself.
//!
//! ```text
//!  Handler::trace ─▶ Trace ─┬─ Request ─ the handler notes ─┐
//!                           └─ Exchange ─ the last byte ────┴─▶ cache= detail= in the line; Handler::ended
//! ```
//!
//! One allocation a request; notes are written into it and cost a store. Words come from closed sets, so that no part of
//! a request can get into a log this way.

use std::{
    any::Any,
    cell::Cell,
    fmt,
    rc::Rc,
    time::{Duration, SystemTime},
};

use http::StatusCode;

use crate::handler::RouteClass;

/// Notes about one request. Cloning shares them.
#[derive(Clone)]
pub struct Trace(Rc<Notes<dyn Any>>);

struct Notes<T: ?Sized> {
    cache: Cell<Option<&'static str>>,
    detail: Cell<Option<&'static str>>,
    own: T,
}

impl Trace {
    /// Empty notes, with a place for the handler's own.
    pub fn with<T: 'static>(own: T) -> Self {
        Self(Rc::new(Notes { cache: Cell::new(None), detail: Cell::new(None), own }))
    }

    /// The handler's own notes, if they are a `T`.
    pub fn own<T: 'static>(&self) -> Option<&T> {
        self.0.own.downcast_ref()
    }

    /// Notes what a cache did, in a word. The last one counts.
    pub fn note_cache(&self, word: &'static str) {
        self.0.cache.set(Some(word));
    }

    /// Notes why, in a word; or that there is nothing more to say. The last one counts.
    pub fn note_detail(&self, word: Option<&'static str>) {
        self.0.detail.set(word);
    }

    /// What a cache did.
    pub fn cache(&self) -> Option<&'static str> {
        self.0.cache.get()
    }

    /// Why.
    pub fn detail(&self) -> Option<&'static str> {
        self.0.detail.get()
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::with(())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The handler's own notes may hold what is no log's business.
        f.debug_struct("Trace")
            .field("cache", &self.cache())
            .field("detail", &self.detail())
            .finish_non_exhaustive()
    }
}

/// A request that a handler was given and that has ended: after the last byte, or when the client went away.
#[derive(Debug)]
pub struct Ended<'a> {
    /// Its class of routes.
    pub route: RouteClass,
    /// What was answered; `None` when the client went away before.
    pub status: Option<StatusCode>,
    /// Bytes of the body that were sent.
    pub body_bytes: u64,
    /// From its head to now.
    pub duration: Duration,
    /// Time of day when its head had arrived.
    pub received: SystemTime,
    /// What was noted.
    pub trace: &'a Trace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_sees_what_is_noted_and_the_last_word_counts() {
        let trace = Trace::with(Cell::new(1));
        let copy = trace.clone();
        assert_eq!((copy.cache(), copy.detail()), (None, None));
        trace.note_cache("miss");
        trace.note_cache("hit");
        trace.note_detail(Some("no_store"));
        trace.own::<Cell<i32>>().unwrap().set(2);
        assert_eq!((copy.cache(), copy.detail()), (Some("hit"), Some("no_store")));
        assert_eq!(copy.own::<Cell<i32>>().unwrap().get(), 2);
        trace.note_detail(None);
        assert_eq!(copy.detail(), None);
    }

    #[test]
    fn own_notes_are_found_by_their_kind_and_never_printed() {
        let trace = Trace::with("a secret");
        assert_eq!(trace.own::<&str>(), Some(&"a secret"));
        assert!(trace.own::<String>().is_none() && Trace::default().own::<&str>().is_none());
        assert!(!format!("{trace:?}").contains("secret"));
    }
}
