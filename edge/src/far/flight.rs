//! Fetches under way: one for each key, however many wait for it.
//!
//! ```text
//!  join ─┬─ first: starts the fill, a task of its own ─┐
//!        └─ follower ───────────────────────────────────┴─▶ landing: object | pass | failed
//! ```
//!
//! A flight is open from the first miss until its object is stored, or its fill has failed. It lands with the head: from
//! then on all who wait, and all who come, read the growing object. A fill belongs to no viewer: it goes on when the
//! first, or all, have left.
//!
//! Invariants: at most one open flight a key; a flight always lands, also when its fill dies; no more than
//! [`Flights::new`] allows are open.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use rillcast_http::{Growing, wakes::wake_together};
use tokio::sync::watch;

use crate::{
    cache::{
        freshness::Reason,
        key::{Asked, CarriedHash, Key, Named},
        object::Object,
        purge::{Epoch, Purges, Standing},
    },
    upstream::UpstreamError,
};

/// How a fetch came out.
#[derive(Debug, Clone)]
pub(crate) enum Landing {
    /// A response for all who wait; it may still be arriving.
    Object(Arc<Object>),
    /// A response for one of those who wait.
    Pass(Arc<Passing>),
    /// No response.
    Failed(Arc<Failure>),
}

/// A response that only one may have.
#[derive(Debug)]
pub(crate) struct Passing {
    /// Why it is not shared.
    pub(crate) reason: PassReason,
    pub(crate) response: Mutex<Option<PassedResponse>>,
}

/// Why a response is not shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PassReason {
    /// It says so, or is of a kind that is not stored.
    Rule(Reason),
    /// Longer than an object may be.
    TooLarge,
    /// Fills take all the memory that they may.
    NoRoom,
    /// More surrogate keys than are heeded.
    TooManySurrogates,
}

impl PassReason {
    /// A word for logs, metrics and `Cache-Status`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rule(reason) => reason.as_str(),
            Self::TooLarge => "too_large",
            Self::NoRoom => "no_room",
            Self::TooManySurrogates => "surrogate_keys",
        }
    }
}

/// The head and the body of a response that is not shared.
#[derive(Debug)]
pub(crate) struct PassedResponse {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Growing,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The upstreams gave none.
    Upstream(UpstreamError),
    /// The fill ended without a word: a bug of ours, or the end of the process.
    Abandoned,
}

/// One fetch.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) key: Key,
    /// When its fill began.
    pub(crate) born: Epoch,
    landing: watch::Sender<Option<Landing>>,
    is_closed: AtomicBool,
}

impl Flight {
    /// Tells all who wait. The first landing counts.
    pub(crate) fn land(&self, landing: Landing) {
        wake_together(|| {
            self.landing.send_if_modified(|current| {
                let is_first = current.is_none();
                if is_first {
                    *current = Some(landing);
                }
                is_first
            })
        });
    }

    /// Waits for the landing.
    pub(crate) async fn landing(&self) -> Landing {
        let mut receiver = self.landing.subscribe();
        let landed = receiver.wait_for(Option::is_some).await.ok().and_then(|landing| landing.clone());
        landed.unwrap_or_else(|| Landing::Failed(Arc::new(Failure::Abandoned)))
    }
}

/// What a request has to do with a flight.
#[derive(Debug)]
pub(crate) enum Joined {
    /// It is the first: start a fill.
    First(Arc<Flight>),
    /// Somebody else did.
    Follower(Arc<Flight>),
    /// As many flights are open as may be.
    Full,
}

/// The open flights.
#[derive(Debug)]
pub(crate) struct Flights {
    open: Mutex<HashMap<Key, Arc<Flight>, CarriedHash>>,
    /// Those that nobody joins among them.
    count: AtomicUsize,
    count_max: usize,
}

/// Whether others may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Shared,
    /// The response is known to be for one.
    Alone,
}

impl Flights {
    /// None yet, `count_max` at most.
    pub(crate) fn new(count_max: usize) -> Self {
        let open = Mutex::new(HashMap::with_hasher(CarriedHash));
        Self { open, count: AtomicUsize::new(0), count_max }
    }

    /// Joins the flight for `asked`, or opens one. One whose object was purged is no longer joined.
    pub(crate) fn join(&self, asked: &Asked<'_>, purges: &Purges, sharing: Sharing) -> Joined {
        let mut open = self.open.lock();
        if sharing == Sharing::Shared
            && let Some(flight) = open.get(asked as &dyn Named)
            && flight.is_joinable(purges)
        {
            return Joined::Follower(Arc::clone(flight));
        }
        if self.count.load(Ordering::Relaxed) >= self.count_max {
            return Joined::Full;
        }
        // Only here, under the lock, does it grow.
        self.count.fetch_add(1, Ordering::Relaxed);
        let (landing, is_closed) = (watch::Sender::new(None), AtomicBool::new(false));
        let flight = Arc::new(Flight { key: asked.to_key(), born: purges.now(), landing, is_closed });
        if sharing == Sharing::Shared {
            open.insert(flight.key.clone(), Arc::clone(&flight));
        }
        Joined::First(flight)
    }

    /// Nobody joins `flight` any more.
    pub(crate) fn close(&self, flight: &Arc<Flight>) {
        if flight.is_closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut open = self.open.lock();
        self.count.fetch_sub(1, Ordering::Relaxed);
        if open.get(&flight.key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            open.remove(&flight.key);
        }
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// When the oldest began.
    pub(crate) fn oldest(&self) -> Option<Epoch> {
        self.open.lock().values().map(|flight| flight.born).min()
    }
}

impl Flight {
    fn is_joinable(&self, purges: &Purges) -> bool {
        match &*self.landing.borrow() {
            Some(Landing::Object(object)) => purges.standing(object) == Standing::Valid,
            Some(Landing::Pass(_) | Landing::Failed(_)) => false,
            // What is purged before the head has come is asked for anew: the answer may be from before.
            None => self.born == purges.now() || !purges.means_key(&self.key, self.born),
        }
    }
}
