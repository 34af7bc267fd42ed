//! Who waits for which playlist.
//!
//! Everybody joins under the lock of the table, and entries leave it under the same lock while nobody sits there: so an
//! entry that somebody waits for always has a task.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
    time::Instant,
};

use super::{Failure, HoldError, HoldLimits, Receiver, Refresh, Update, tender};
use crate::cache::key::{CarriedHash, Key, KeyRules, Named};

/// What is known of a playlist; viewers look at it whenever it changes.
#[derive(Debug)]
pub(super) struct News<A> {
    pub(super) update: Option<Arc<Update<A>>>,
    /// When `update` came.
    pub(super) at: Option<Instant>,
    /// How many waits have failed; who sees it grow has waited for one of them.
    pub(super) failures: u64,
    pub(super) failure: Option<Failure>,
}

impl<A> Clone for News<A> {
    fn clone(&self) -> Self {
        Self { update: self.update.clone(), at: self.at, failures: self.failures, failure: self.failure }
    }
}

/// A playlist that somebody waits for, or did a moment ago.
pub(super) struct Entry<A> {
    pub(super) news: watch::Sender<News<A>>,
    /// Somebody has come.
    pub(super) arrival: Notify,
    /// The upstream holds a request of ours: what we know is what there is.
    pub(super) is_asking: AtomicBool,
}

/// A viewer's place at an entry.
pub(super) struct Seat<A> {
    pub(super) news: Receiver<A>,
    /// What is known was true when the viewer came.
    pub(super) is_current: bool,
    _counted: Counted,
}

/// One of the waiters, for as long as it exists.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What all clones of the registry share.
pub(super) struct Shared<R: Refresh> {
    pub(super) refresh: Arc<R>,
    pub(super) rules: KeyRules,
    limits: HoldLimits,
    runtime: Handle,
    table: Mutex<Table<R::Answer>>,
    /// Parts in `table.hints`, so that those who look for none need no lock.
    hint_count: AtomicUsize,
    waiter_count: Arc<AtomicUsize>,
}

struct Table<A> {
    playlists: HashMap<Key, Place<A>, CarriedHash>,
    /// Announced part → playlist.
    hints: HashMap<Key, Key, CarriedHash>,
}

struct Place<A> {
    entry: Arc<Entry<A>>,
    task: AbortHandle,
}

impl<R: Refresh> Shared<R> {
    pub(super) fn new(refresh: R, rules: KeyRules, limits: HoldLimits, runtime: Handle) -> Self {
        let table =
            Table { playlists: HashMap::with_hasher(CarriedHash), hints: HashMap::with_hasher(CarriedHash) };
        Self {
            refresh: Arc::new(refresh),
            rules,
            limits,
            runtime,
            table: Mutex::new(table),
            hint_count: AtomicUsize::new(0),
            waiter_count: Arc::new(AtomicUsize::new(0)),
        }
    }

    pub(super) fn limits(&self) -> &HoldLimits {
        &self.limits
    }

    pub(super) fn playlists(&self) -> usize {
        self.table.lock().playlists.len()
    }

    pub(super) fn waiters(&self) -> usize {
        self.waiter_count.load(Ordering::Relaxed)
    }

    /// A seat at the entry of `playlist`, which is made if there is none.
    pub(super) fn join(this: &Arc<Self>, playlist: &Key) -> Result<Seat<R::Answer>, HoldError> {
        let counted = this.count_one()?;
        let mut table = this.table.lock();
        if let Some(place) = table.playlists.get(playlist) {
            return Ok(place.entry.seat(counted));
        }
        let limit = this.limits.playlists;
        if table.playlists.len() >= limit {
            return Err(HoldError::TooManyPlaylists { limit });
        }
        let entry = Arc::new(Entry::new());
        let seat = entry.seat(counted);
        // Its owner is the table: it is aborted when the table goes, and takes its entry along when it ends.
        let task =
            this.runtime.spawn(tender::tend(Arc::downgrade(this), Arc::clone(&entry), playlist.clone()));
        table.playlists.insert(playlist.clone(), Place { entry, task: task.abort_handle() });
        Ok(seat)
    }

    /// A seat at the entry of the playlist that announces `part`.
    pub(super) fn join_hint(this: &Arc<Self>, part: &dyn Named) -> Option<(Key, Seat<R::Answer>)> {
        if this.hint_count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let table = this.table.lock();
        let (part, playlist) = table.hints.get_key_value(part)?;
        let place = table.playlists.get(playlist)?;
        Some((part.clone(), place.entry.seat(this.count_one().ok()?)))
    }

    fn count_one(&self) -> Result<Counted, HoldError> {
        let limit = self.limits.waiters;
        let counted = Counted(Arc::clone(&self.waiter_count));
        if self.waiter_count.fetch_add(1, Ordering::Relaxed) >= limit {
            return Err(HoldError::TooManyWaiters { limit });
        }
        Ok(counted)
    }

    /// Says that `playlist` announces `new` now, and `old` no longer.
    pub(super) fn move_hint(&self, playlist: &Key, old: Option<&Key>, new: Option<&Key>) {
        if old == new {
            return;
        }
        let mut table = self.table.lock();
        if let Some(old) = old.filter(|old| table.hints.get(*old) == Some(playlist)) {
            table.hints.remove(old);
        }
        if let Some(new) = new {
            table.hints.insert(new.clone(), playlist.clone());
        }
        self.hint_count.store(table.hints.len(), Ordering::Relaxed);
    }

    /// Removes the entry of `playlist`, unless it is another one, or somebody has come and is not to be let down.
    pub(super) fn remove(&self, playlist: &Key, entry: &Arc<Entry<R::Answer>>, is: Removal) -> bool {
        let mut table = self.table.lock();
        let is_ours = |place: &Place<R::Answer>| Arc::ptr_eq(&place.entry, entry);
        let is_taken = is == Removal::IfEmpty && entry.news.receiver_count() > 0;
        if is_taken || !table.playlists.get(playlist).is_some_and(is_ours) {
            return false;
        }
        table.playlists.remove(playlist);
        let hinted = entry.news.borrow().update.as_ref().and_then(|update| update.hinted.clone());
        if let Some(hinted) = hinted.filter(|hinted| table.hints.get(hinted) == Some(playlist)) {
            table.hints.remove(&hinted);
        }
        self.hint_count.store(table.hints.len(), Ordering::Relaxed);
        true
    }
}

/// When to remove an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    IfEmpty,
    Always,
}

impl<R: Refresh> Drop for Shared<R> {
    fn drop(&mut self) {
        for place in self.table.get_mut().playlists.values() {
            place.task.abort();
        }
    }
}

impl<A> Entry<A> {
    fn new() -> Self {
        let news = News { update: None, at: None, failures: 0, failure: None };
        Self { news: watch::Sender::new(news), arrival: Notify::new(), is_asking: AtomicBool::new(false) }
    }

    fn seat(&self, counted: Counted) -> Seat<A> {
        let news = self.news.subscribe();
        let is_current = self.is_asking.load(Ordering::Acquire) || self.is_recent();
        self.arrival.notify_one();
        Seat { news, is_current, _counted: counted }
    }

    /// Whether what is known is younger than what could have changed since.
    pub(super) fn is_recent(&self) -> bool {
        let news = self.news.borrow();
        let Some((update, at)) = news.update.as_ref().zip(news.at) else { return false };
        let step = update.facts.part_target.unwrap_or(update.facts.target_duration);
        at.elapsed() < step
    }
}
