//! The task of a playlist: it asks the upstream while somebody waits, and tells all who wait.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use rillcast_http::wakes::wake_together;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Failure, Refresh, Update,
    table::{Entry, News, Removal, Shared},
};
use crate::{
    cache::key::{Key, KeyRules, Named as _},
    live_hold::{Facts, Position, hint},
};

/// Pause after a failure, and the longest after an answer that brought nothing new: an upstream that does not hold
/// requests is asked as often as a player would.
const RETRY_TIME: Duration = Duration::from_millis(500);
/// The shortest pause after an answer that brought nothing new.
const MIN_PAUSE: Duration = Duration::from_millis(20);
/// What an upstream that holds a request may take longer than the hold itself.
const GRACE_TIME: Duration = Duration::from_secs(5);

/// What came of asking.
enum Step {
    Moved,
    /// The same as before.
    Stood,
    Failed,
}

/// Tends the entry of `playlist` until nobody has waited for it for a while.
pub(super) async fn tend<R: Refresh>(shared: Weak<Shared<R>>, entry: Arc<Entry<R::Answer>>, playlist: Key) {
    let removal = RemoveOnDrop { shared, entry, playlist };
    let Some(mut tender) = removal.shared.upgrade().map(|shared| Tender::new(&removal, &shared)) else {
        return;
    };
    loop {
        if removal.entry.news.receiver_count() == 0 {
            if tender.nobody_comes().await {
                return;
            }
            continue;
        }
        let step = tender.ask().await;
        let is_live = tender.facts.as_ref().is_some_and(Facts::is_live);
        match step {
            Step::Failed => sleep(RETRY_TIME).await,
            // Nobody waits for what will not change; who is here has only not looked yet.
            Step::Moved | Step::Stood if !is_live => removal.entry.news.closed().await,
            Step::Moved => {}
            Step::Stood => sleep(tender.pause()).await,
        }
    }
}

struct Tender<'a, R: Refresh> {
    removal: &'a RemoveOnDrop<R>,
    refresh: Arc<R>,
    rules: KeyRules,
    hold_time: Duration,
    first_answer_time: Duration,
    /// What was learned last; `None` after a failure, for the upstream may have begun anew.
    facts: Option<Facts>,
}

impl<'a, R: Refresh> Tender<'a, R> {
    fn new(removal: &'a RemoveOnDrop<R>, shared: &Shared<R>) -> Self {
        let limits = shared.limits();
        Self {
            removal,
            refresh: Arc::clone(&shared.refresh),
            rules: shared.rules.clone(),
            hold_time: limits.hold_time,
            first_answer_time: limits.first_answer_time,
            facts: None,
        }
    }

    /// Asks once, and publishes what came of it.
    async fn ask(&mut self) -> Step {
        let (entry, playlist) = (&self.removal.entry, &self.removal.playlist);
        let position = self.facts.as_ref().filter(|facts| facts.is_live()).map(Facts::next);
        let patience = match &self.facts {
            Some(facts) => facts.hold_time().min(self.hold_time).saturating_add(GRACE_TIME),
            None => self.first_answer_time,
        };
        let asking = Asking::new(entry, position);
        let outcome = timeout(patience, self.refresh.refresh(playlist, position)).await;
        drop(asking);
        match outcome.unwrap_or(Err(Failure::TooSlow)) {
            Ok((facts, answer)) => self.publish(facts, position, answer),
            Err(failure) => {
                self.facts = None;
                self.announce(None);
                let tell = |news: &mut News<R::Answer>| {
                    // The upstream may have begun anew: what was known is known no longer.
                    news.update = None;
                    news.failures = news.failures.wrapping_add(1);
                    news.failure = Some(failure);
                };
                wake_together(|| entry.news.send_modify(tell));
                Step::Failed
            }
        }
    }

    fn publish(&mut self, facts: Facts, asked: Option<Position>, answer: R::Answer) -> Step {
        let step = if self.facts.as_ref() == Some(&facts) { Step::Stood } else { Step::Moved };
        let hint = facts.hint.as_deref().filter(|_| facts.is_live());
        let hinted = hint.and_then(|uri| self.hinted_key(uri));
        self.announce(hinted.as_ref());
        self.facts = Some(facts.clone());
        let update = Arc::new(Update { facts, asked, answer, hinted });
        let tell = |news: &mut News<R::Answer>| {
            news.update = Some(update);
            news.at = Some(Instant::now());
        };
        wake_together(|| self.removal.entry.news.send_modify(tell));
        step
    }

    /// Lets `hinted` be found, and not what was announced before.
    fn announce(&self, hinted: Option<&Key>) {
        let RemoveOnDrop { shared, entry, playlist } = self.removal;
        let old = entry.news.borrow().update.as_ref().and_then(|update| update.hinted.clone());
        if let Some(shared) = shared.upgrade() {
            shared.move_hint(playlist, old.as_ref(), hinted);
        }
    }

    fn hinted_key(&self, uri: &str) -> Option<Key> {
        let playlist = &self.removal.playlist;
        let target = hint::resolve(playlist.path(), uri)?;
        let (path, query) =
            target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
        Key::of(&self.rules, playlist.environment(), path, query).ok()
    }

    /// Waits until somebody comes, or the entry may go; returns whether it is gone.
    async fn nobody_comes(&self) -> bool {
        let linger = self.facts.as_ref().map_or(Duration::ZERO, Facts::hold_time).min(self.hold_time);
        if timeout(linger, self.removal.entry.arrival.notified()).await.is_ok() {
            return false;
        }
        let RemoveOnDrop { shared, entry, playlist } = self.removal;
        shared.upgrade().is_none_or(|shared| shared.remove(playlist, entry, Removal::IfEmpty))
    }

    /// How long to leave alone an upstream that answered with what we knew.
    fn pause(&self) -> Duration {
        let step = self.facts.as_ref().and_then(|facts| facts.part_target);
        (step.unwrap_or(RETRY_TIME) / 2).clamp(MIN_PAUSE, RETRY_TIME)
    }
}

/// Marks an entry whose next position is being asked for. Only if what is known had just been learned: then it stays
/// true for as long as the upstream holds the request.
struct Asking<'a, A>(&'a Entry<A>);

impl<'a, A> Asking<'a, A> {
    fn new(entry: &'a Entry<A>, position: Option<Position>) -> Self {
        entry.is_asking.store(position.is_some() && entry.is_recent(), Ordering::Release);
        Self(entry)
    }
}

impl<A> Drop for Asking<'_, A> {
    fn drop(&mut self) {
        self.0.is_asking.store(false, Ordering::Release);
    }
}

/// Takes the entry out of the table when the task ends, also when it is aborted or panics: nobody must sit down at an
/// entry without a task, and who sits there is told by the end of the watch.
struct RemoveOnDrop<R: Refresh> {
    shared: Weak<Shared<R>>,
    entry: Arc<Entry<R::Answer>>,
    playlist: Key,
}

impl<R: Refresh> Drop for RemoveOnDrop<R> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.remove(&self.playlist, &self.entry, Removal::Always);
        }
    }
}
