//! Waiting for playlists: one upstream wait each, however many viewers wait for it.
//!
//! ```text
//!  viewers ──wait──▶ Entry of the playlist ◀── one task: refresh(next) ─▶ upstream
//!     ▲                │ watch                    │
//!     └── all of them ─┴────── the playlist moved ┘
//! ```
//!
//! How to call it, for a request that carries [`Directives`]: make the key of the playlist without directives
//! ([`KeyRules::without_directives`]), [`Holds::wait`] on it, and then ask for the request's own URL as for any other:
//! what was waited for is there now, so the upstream answers at once, and playlists with and without `_HLS_skip` are
//! ordinary shared objects. [`Update::answer`] holds what the upstream wait itself has brought, for those who asked for
//! just that. On [`Failure::NotMedia`] the URL is none of ours: ask for it as it is.
//!
//! For a request without directives that is not in the cache, [`Holds::hinted`] tells whether some playlist has
//! announced it; then wait, and ask for it as for any other: it is there whole by then, or it was announced wrongly and
//! the upstream says 404.
//!
//! Each entry has one task, which lives as long as the entry; it asks only while somebody waits, and a viewer who goes
//! away changes nothing for it or the others. Entries that nobody has waited for during three target durations go.

mod table;
mod tender;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Decision, Directives, Facts, Impossible, NotMedia, Position, decide};
use crate::cache::key::{Key, KeyRules, Named};
use table::{News, Seat, Shared};

/// Time in which facts that may be old must be confirmed before a request is refused because of them.
const CONFIRM_TIME: Duration = Duration::from_secs(1);

/// How playlists are fetched: the edge's flights, or a script in tests.
pub trait Refresh: Send + Sync + 'static {
    /// What it keeps of the response besides the facts; cloned for every viewer who waits for it.
    type Answer: Clone + Send + Sync + 'static;

    /// Asks the upstream for the playlist `playlist` as soon as `position` is listed, or as it is now without one.
    ///
    /// It is called for one position of a playlist at a time, and never again before it has ended; it is dropped with
    /// the registry, and when it takes longer than a request may be held.
    fn refresh(
        &self,
        playlist: &Key,
        position: Option<Position>,
    ) -> impl Future<Output = Result<(Facts, Self::Answer), Failure>> + Send;
}

/// A playlist as it was when it moved.
#[derive(Debug)]
pub struct Update<A> {
    /// What it says of its end.
    pub facts: Facts,
    /// What the upstream had been asked for.
    pub asked: Option<Position>,
    /// What [`Refresh`] has kept of the response.
    pub answer: A,
    /// The key of the part that the playlist announces.
    pub hinted: Option<Key>,
}

/// Why the upstream brought no playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It could not be reached, or broke off.
    #[error("the upstream cannot be reached")]
    Unreachable,
    /// It did not answer in time.
    #[error("the upstream did not answer in time")]
    TooSlow,
    /// It answered with an error.
    #[error("the upstream answered with {0}")]
    Status(StatusCode),
    /// It answered with something that cannot be held.
    #[error("the upstream answered with {0}")]
    NotMedia(#[from] NotMedia),
    /// The task that asks ended before its time: our fault, or we are shutting down.
    #[error("the wait was abandoned")]
    Abandoned,
}

impl Failure {
    /// What to answer all viewers who waited.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unreachable | Self::NotMedia(_) => StatusCode::BAD_GATEWAY,
            Self::TooSlow => StatusCode::GATEWAY_TIMEOUT,
            Self::Status(status) if status.is_client_error() || status.is_server_error() => status,
            Self::Status(_) => StatusCode::BAD_GATEWAY,
            Self::Abandoned => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why a request is not answered with a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Nothing could answer it: 400.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// What it waits for did not come within three target durations: 503.
    #[error("nothing new was listed within {held_for:?}")]
    TooLate {
        /// How long it was held.
        held_for: Duration,
    },
    /// The upstream failed; see [`Failure::status`].
    #[error(transparent)]
    Failed(#[from] Failure),
    /// More playlists are waited for than our limit: 503.
    #[error("more than {limit} playlists are waited for")]
    TooManyPlaylists {
        /// [`HoldLimits::playlists`].
        limit: usize,
    },
    /// More viewers wait than our limit: 503.
    #[error("more than {limit} requests are held")]
    TooManyWaiters {
        /// [`HoldLimits::waiters`].
        limit: usize,
    },
}

/// How much may wait, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLimits {
    /// Playlists that are waited for at the same time; each has a task.
    pub playlists: usize,
    /// Requests that wait at the same time.
    pub waiters: usize,
    /// No request is held for longer, whatever the playlist's target duration is.
    pub hold_time: Duration,
    /// Time for the first look at a playlist.
    pub first_answer_time: Duration,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self {
            playlists: 4096,
            waiters: 200_000,
            hold_time: Duration::from_secs(60),
            first_answer_time: Duration::from_secs(10),
        }
    }
}

/// The playlists that are waited for. Cloning is a reference count; the last clone's end ends all waits.
pub struct Holds<R: Refresh> {
    shared: Arc<Shared<R>>,
}

impl<R: Refresh> Clone for Holds<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<R: Refresh> std::fmt::Debug for Holds<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Holds")
            .field("playlists", &self.playlists())
            .field("waiters", &self.waiters())
            .finish_non_exhaustive()
    }
}

impl<R: Refresh> Holds<R> {
    /// None yet. Upstream waits run on `runtime`; `rules` make the keys of announced parts.
    pub fn new(refresh: R, rules: KeyRules, limits: HoldLimits, runtime: Handle) -> Self {
        Self { shared: Arc::new(Shared::new(refresh, rules, limits, runtime)) }
    }

    /// Waits until the playlist `playlist` (whose key has no directives) can answer a request with `directives`.
    ///
    /// Dropping the future stops the waiting of this viewer only.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn wait(
        &self,
        playlist: &Key,
        directives: &Directives,
    ) -> Result<Arc<Update<R::Answer>>, HoldError> {
        let seat = Shared::join(&self.shared, playlist)?;
        let is_current = seat.is_current;
        self.sit(seat, |news, waited| match decide(&news.facts, directives) {
            Ok(Decision::Now) => Verdict::Go,
            Ok(Decision::Wait(_)) => Verdict::Wait(None),
            // Old facts make what is possible by now look impossible.
            Err(impossible) if is_current || waited => Verdict::Refuse(impossible),
            Err(impossible) => Verdict::Wait(Some(impossible)),
        })
        .await
    }

    /// Whether a playlist that somebody waits for has announced `named` as its next part. Cheap when none has
    /// announced any, else one look into a table: ask on a miss.
    pub fn hinted(&self, named: &dyn Named) -> Option<HintedPart<R>> {
        let (part, seat) = Shared::join_hint(&self.shared, named)?;
        Some(HintedPart { holds: self.clone(), part, seat })
    }

    /// Playlists that have an entry.
    pub fn playlists(&self) -> usize {
        self.shared.playlists()
    }

    /// Requests that wait.
    pub fn waiters(&self) -> usize {
        self.shared.waiters()
    }

    /// Waits for news until `judge` has come to a verdict.
    async fn sit(
        &self,
        mut seat: Seat<R::Answer>,
        judge: impl Fn(&Update<R::Answer>, bool) -> Verdict,
    ) -> Result<Arc<Update<R::Answer>>, HoldError> {
        let limits = self.shared.limits();
        let joined = Instant::now();
        let failures = seat.news.borrow().failures;
        let mut has_news = false;
        loop {
            let News { update, failures: now_failed, failure, .. } = seat.news.borrow_and_update().clone();
            if let Some(failure) = failure.filter(|_| now_failed != failures) {
                return Err(failure.into());
            }
            let (patience, doubt) = match update {
                None => (limits.first_answer_time, None),
                Some(update) => match judge(&update, has_news) {
                    Verdict::Go => return Ok(update),
                    Verdict::Refuse(impossible) => return Err(impossible.into()),
                    Verdict::Wait(Some(doubt)) => (CONFIRM_TIME, Some(doubt)),
                    Verdict::Wait(None) => (update.facts.hold_time().min(limits.hold_time), None),
                },
            };
            match timeout_at(joined + patience, seat.news.changed()).await {
                Ok(Ok(())) => has_news = true,
                Ok(Err(_closed)) => return Err(Failure::Abandoned.into()),
                Err(_elapsed) => {
                    return Err(
                        doubt.map_or(HoldError::TooLate { held_for: patience }, HoldError::Impossible)
                    );
                }
            }
        }
    }
}

/// What a viewer makes of the facts.
enum Verdict {
    Go,
    /// Wait; if there is an error, only until it is confirmed.
    Wait(Option<Impossible>),
    Refuse(Impossible),
}

/// A part that a playlist has announced, and that is not listed yet as far as we know.
pub struct HintedPart<R: Refresh> {
    holds: Holds<R>,
    part: Key,
    seat: Seat<R::Answer>,
}

impl<R: Refresh> std::fmt::Debug for HintedPart<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HintedPart").field("part", &self.part).finish_non_exhaustive()
    }
}

impl<R: Refresh> HintedPart<R> {
    /// Waits until the playlist announces another part, or none. Then ask for the part as for any URL.
    ///
    /// # Errors
    /// [`HoldError::TooLate`] and [`HoldError::Failed`].
    pub async fn wait(self) -> Result<(), HoldError> {
        let part = self.part;
        let is_still_hinted = |update: &Update<R::Answer>| update.hinted.as_ref() == Some(&part);
        let judge = |update: &Update<R::Answer>, _| match is_still_hinted(update) {
            true => Verdict::Wait(None),
            false => Verdict::Go,
        };
        self.holds.sit(self.seat, judge).await.map(drop)
    }
}

/// The end of a watch that viewers hold.
type Receiver<A> = watch::Receiver<News<A>>;
