//! What an edge has in stock, and how it is filled up: the cache, the flights, the purges, and whom to ask.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, header};
use parking_lot::Mutex;
use rillcast_http::{Request, RequestId};
use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    cache::{
        freshness::{Policy, State},
        key::{Asked, KeyRules},
        memory::MemoryCache,
        object::Object,
        purge::{Hardness, Meant, Purges, Standing},
    },
    far::{
        fill::Fill,
        flight::{Flights, Joined, Sharing},
    },
    observe::metrics::EdgeMetrics,
    upstream::Upstreams,
};

/// What the requests and the fills of an edge share.
pub(crate) struct Stock {
    pub(crate) upstreams: Upstreams,
    pub(crate) cache: MemoryCache,
    pub(crate) flights: Flights,
    pub(crate) purges: Purges,
    pub(crate) policy: Policy,
    pub(crate) rules: KeyRules,
    pub(crate) metrics: EdgeMetrics,
    /// Time of day, for requests that have waited.
    pub(super) clock: fn() -> SystemTime,
    /// The fills under way; whoever owns the stock ends them.
    pub(super) fills: Mutex<JoinSet<()>>,
    pub(super) background: Handle,
}

/// What was found under a name.
pub(super) enum Found {
    Fresh(Arc<Object>),
    /// May be given while a new one is fetched.
    Refreshing(Arc<Object>),
    /// May be asked about, and given if `on_error`.
    Stale {
        object: Arc<Object>,
        on_error: bool,
    },
    Nothing,
}

impl Stock {
    /// What there is under this name, complete or arriving, and what may be done with it.
    pub(super) fn look_up(&self, asked: &Asked<'_>, now: SystemTime) -> Found {
        let Some(object) = self.cache.get(asked) else { return Found::Nothing };
        let standing = self.purges.standing(&object);
        if standing == Standing::Gone {
            self.cache.remove(&object);
            return Found::Nothing;
        }
        match (object.lifetime.state(now), standing) {
            (State::Fresh, Standing::Valid) => Found::Fresh(object),
            (State::StaleWhileRevalidate, Standing::Valid) => Found::Refreshing(object),
            (State::Fresh | State::StaleWhileRevalidate, _) => {
                let on_error = !object.lifetime.must_revalidate && standing != Standing::Doubtful;
                Found::Stale { object, on_error }
            }
            (State::StaleIfError, _) => Found::Stale { object, on_error: standing != Standing::Doubtful },
            (State::Expired, _) => Found::Stale { object, on_error: false },
        }
    }

    /// Makes sure that a flight for `asked` is under way; to begin with, it asks whether `stored` is still good.
    pub(super) fn start(
        self: &Arc<Self>,
        asked: &Asked<'_>,
        stored: Option<Arc<Object>>,
        because: Because,
    ) -> Joined {
        let sharing = if self.cache.pass(asked).is_some() { Sharing::Alone } else { Sharing::Shared };
        let joined = self.flights.join(asked, &self.purges, sharing);
        if let Joined::First(flight) = &joined {
            let fill = Fill { stock: Arc::clone(self), flight: Arc::clone(flight), stored, because };
            let mut fills = self.fills.lock();
            while fills.try_join_next().is_some() {}
            fills.spawn_on(fill.run(), &self.background);
        }
        joined
    }

    /// From now on nobody is answered from what is `meant`. Blocks for the sweep: not for a data-plane core.
    pub(super) fn purge(&self, meant: Meant, hardness: Hardness) {
        let what = match &meant {
            Meant::Key(_) | Meant::Target(_) => "url",
            Meant::Prefix(_) => "prefix",
            Meant::Surrogate(_) => "surrogate_key",
            Meant::All => "all",
        };
        self.metrics.purges.with_label_values(&[what]).inc();
        let is_swept = !matches!(meant, Meant::Surrogate(_));
        self.purges.purge(meant, hardness);
        if is_swept {
            let oldest = self.flights.oldest().unwrap_or_else(|| self.purges.now());
            self.cache.sweep(|object| self.purges.standing(object) == Standing::Gone);
            self.purges.forget_before(oldest);
        }
    }

    /// Gives evicted memory back and brings figures up to date; to be called now and then, off the cores.
    pub(super) fn settle(&self) {
        self.cache.settle();
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let (entries, usage) = self.cache.usage();
        self.metrics.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.metrics.memory_bytes.set(gauge(usage.used_bytes));
        self.metrics.flights.set(gauge(self.flights.open()));
    }
}

/// What a fetch is for.
#[derive(Debug, Clone)]
pub(crate) struct Because {
    /// The request that it began with, for logs of both sides.
    pub(crate) request_id: RequestId,
    /// Time to the head, where the upstream is asked to wait for something.
    pub(crate) deadline: Option<std::time::Duration>,
    /// `Range` and `If-Range` of the viewer, for what is too large to be fetched whole; it goes to that viewer alone.
    pub(crate) range: HeaderMap,
}

impl Because {
    /// As `request` asks; with its range if `asked` is known to be too large to be kept.
    pub(super) fn of(request: &Request, is_too_large: bool) -> Self {
        let mut range = HeaderMap::new();
        if is_too_large && request.headers.contains_key(header::RANGE) {
            for name in [header::RANGE, header::IF_RANGE] {
                if let Some(value) = request.headers.get(&name) {
                    range.insert(name, value.clone());
                }
            }
        }
        Self { request_id: request.id.clone(), deadline: None, range }
    }
}
