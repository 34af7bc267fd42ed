//! An edge whose origins are other machines: looks a name up, fetches what is missing once for all who ask, delivers.
//!
//! ```text
//!  key ─ look up ─┬─ fresh ─────────────────────────────▶ deliver
//!                 ├─ stale, may be used ── refresh ─────▶ deliver the stale one
//!                 ├─ missing ── join a flight ─ landing ─▶ deliver, or say why not
//!                 └─ known to be for one only ─ fetch ───▶ pass
//! ```

use std::{sync::Arc, time::SystemTime};

use http::StatusCode;
use parking_lot::Mutex;
use rillcast_http::{Problem, Reply, Request};
use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    cache::{CacheLimits, MemoryCache},
    cache_key::{Asked, KeyError, KeyRules},
    cache_status::{CacheStatus, Outcome},
    deliver,
    fill::Fill,
    flight::{Failure, Flights, Joined, Landing, PassedResponse, Sharing},
    freshness::{self, Policy, State},
    metrics::EdgeMetrics,
    object::Object,
    purge::{Hardness, Meant, Purges, Standing},
    recent::Recent,
    upstream::Upstreams,
};

/// Times a request joins another flight after the one it waited for was no use to it.
const JOINS_MAX: usize = 3;

/// What the requests and the fills of an edge share.
pub(crate) struct Far {
    pub(crate) upstreams: Upstreams,
    pub(crate) cache: MemoryCache,
    pub(crate) flights: Flights,
    pub(crate) purges: Purges,
    pub(crate) policy: Policy,
    pub(crate) rules: KeyRules,
    pub(crate) metrics: EdgeMetrics,
}

/// What was found under a name.
enum Found {
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

/// What came of asking an upstream.
enum Fetched {
    Object(Arc<Object>, CacheStatus),
    Passed(PassedResponse, CacheStatus),
    Failed(Problem),
}

/// What an edge is told when it starts.
#[derive(Debug, Clone)]
pub struct FarConfig {
    /// What stored responses may take.
    pub cache: CacheLimits,
    /// What is made of what origins say.
    pub policy: Policy,
    /// Which queries do not matter.
    pub rules: KeyRules,
    /// Fetches under way at the same time; one more is answered 503.
    pub flights_max: usize,
}

/// A cache in front of [`Upstreams`].
pub struct FarEdge {
    far: Arc<Far>,
    /// The fills under way; they end with the edge.
    fills: Mutex<JoinSet<()>>,
    background: Handle,
}

impl FarEdge {
    /// An empty cache in front of `upstreams`, which are asked on `background`.
    ///
    /// # Errors
    /// The system's error where it gives no memory for a cache.
    pub fn new(
        config: FarConfig,
        upstreams: Upstreams,
        metrics: EdgeMetrics,
        background: Handle,
    ) -> std::io::Result<Self> {
        let FarConfig { cache, policy, rules, flights_max } = config;
        let far = Far {
            upstreams,
            cache: MemoryCache::new(&cache, &metrics)?,
            flights: Flights::new(flights_max),
            purges: Purges::default(),
            policy,
            rules,
            metrics,
        };
        Ok(Self { far: Arc::new(far), fills: Mutex::default(), background })
    }

    /// Answers `request` for `path` and `query` of `environment`, all that a token may have said taken out.
    pub async fn serve(
        &self,
        recent: &Recent,
        request: &Request,
        environment: &str,
        path: &str,
        query: Option<&str>,
    ) -> Reply {
        let now = request.received;
        let asked = match Asked::of(&self.far.rules, environment, path, query) {
            Ok(asked) => asked,
            Err(error) => return no_key(error).into(),
        };
        if let Some(reply) = recent.reply(&asked, &self.far.purges, now) {
            self.count(Outcome::Hit);
            return reply;
        }
        // Boxed, so that what is found at once does not carry the room for what is not.
        let (reply, outcome) = Box::pin(self.find(recent, request, &asked, now)).await;
        self.count(outcome);
        reply
    }

    fn count(&self, outcome: Outcome) {
        self.far.metrics.requests.with_label_values(&[outcome.as_str()]).inc();
    }

    async fn find(
        &self,
        recent: &Recent,
        request: &Request,
        asked: &Asked<'_>,
        now: SystemTime,
    ) -> (Reply, Outcome) {
        let give = async |object: &Object, status: CacheStatus| {
            (deliver::object(object, status, now).await, status.outcome)
        };
        let (stored, on_error) = match self.look_up(asked, now) {
            Found::Fresh(object) => {
                recent.remember(&object, now);
                return give(&object, CacheStatus::new(Outcome::Hit)).await;
            }
            Found::Refreshing(object) => {
                self.start(asked, Some(Arc::clone(&object)), request);
                return give(&object, CacheStatus::new(Outcome::Stale)).await;
            }
            Found::Stale { object, on_error } => (Some(Arc::clone(&object)), on_error.then_some(object)),
            Found::Nothing => (None, None),
        };
        if freshness::only_if_cached(&request.headers) {
            return (not_cached().into(), Outcome::Local);
        }
        let fetched = self.fetch(asked, stored, request).await;
        match (fetched, on_error) {
            (Fetched::Object(object, status), Some(_)) if !is_failure(object.status) => {
                give(&object, status).await
            }
            (Fetched::Object(object, status), None) => give(&object, status).await,
            (Fetched::Passed(response, status), _) => (deliver::passed(response, status), status.outcome),
            (_, Some(stale)) => give(&stale, CacheStatus::new(Outcome::StaleIfError)).await,
            (Fetched::Failed(problem), None) => (problem.into(), Outcome::Local),
        }
    }

    /// Waits for a response from an upstream: one that is shared, or one of our own.
    async fn fetch(&self, asked: &Asked<'_>, stored: Option<Arc<Object>>, request: &Request) -> Fetched {
        for _ in 0..JOINS_MAX {
            let (flight, is_first) = match self.start(asked, stored.clone(), request) {
                Joined::First(flight) => (flight, true),
                Joined::Follower(flight) => (flight, false),
                Joined::Full => return Fetched::Failed(full()),
            };
            match flight.landing().await {
                Landing::Object(object) => {
                    let outcome = outcome(&object, stored.as_deref(), is_first);
                    let forward_status = is_first.then_some(object.status);
                    let (stored, of) = (object.is_storable, CacheStatus::new(outcome));
                    return Fetched::Object(object, CacheStatus { forward_status, stored, ..of });
                }
                Landing::Failed(failure) => return Fetched::Failed(deliver::failed(&failure)),
                Landing::Pass(passing) => {
                    let taken = passing.response.lock().take();
                    if let Some(response) = taken {
                        let detail = Some(passing.reason.as_str());
                        return Fetched::Passed(
                            response,
                            CacheStatus { detail, ..CacheStatus::new(Outcome::Bypass) },
                        );
                    }
                    // It was another's: fetch our own.
                }
            }
        }
        Fetched::Failed(deliver::failed(&Failure::Abandoned))
    }

    /// What there is under this name, complete or arriving, and what may be done with it.
    fn look_up(&self, asked: &Asked<'_>, now: SystemTime) -> Found {
        let far = &self.far;
        let Some(object) = far.cache.get(asked) else { return Found::Nothing };
        let standing = far.purges.standing(&object);
        if standing == Standing::Gone {
            far.cache.remove(&object);
            return Found::Nothing;
        }
        match (object.lifetime.state(now), standing) {
            (State::Fresh, Standing::Valid) => Found::Fresh(object),
            (State::StaleWhileRevalidate, Standing::Valid) => Found::Refreshing(object),
            (State::Fresh | State::StaleWhileRevalidate, _) => {
                let on_error = !object.lifetime.must_revalidate;
                Found::Stale { object, on_error }
            }
            (State::StaleIfError, _) => Found::Stale { object, on_error: true },
            (State::Expired, _) => Found::Stale { object, on_error: false },
        }
    }

    /// Makes sure that a flight for `asked` is under way.
    fn start(&self, asked: &Asked<'_>, stored: Option<Arc<Object>>, request: &Request) -> Joined {
        let sharing = if self.far.cache.pass(asked).is_some() { Sharing::Alone } else { Sharing::Shared };
        let joined = self.far.flights.join(asked, &self.far.purges, sharing);
        if let Joined::First(flight) = &joined {
            let fill = Fill {
                far: Arc::clone(&self.far),
                flight: Arc::clone(flight),
                stored,
                request_id: request.id.clone(),
            };
            let mut fills = self.fills.lock();
            while fills.try_join_next().is_some() {}
            fills.spawn_on(fill.run(), &self.background);
        }
        joined
    }

    /// From now on nobody is answered from what is `meant`. Blocks for the sweep: not for a data-plane core.
    pub fn purge(&self, meant: Meant, hardness: Hardness) {
        let far = &self.far;
        let what = match &meant {
            Meant::Key(_) => "url",
            Meant::Prefix(_) => "prefix",
            Meant::Surrogate(_) => "surrogate_key",
            Meant::All => "all",
        };
        far.metrics.purges.with_label_values(&[what]).inc();
        let is_swept = !matches!(meant, Meant::Surrogate(_));
        far.purges.purge(meant, hardness, far.flights.oldest());
        if is_swept {
            far.cache.sweep(|object| far.purges.standing(object) == Standing::Gone);
        }
    }

    /// Gives evicted memory back and brings figures up to date; to be called now and then, off the cores.
    pub fn settle(&self) {
        let far = &self.far;
        far.cache.settle();
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let (entries, usage) = far.cache.usage();
        far.metrics.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        far.metrics.memory_bytes.set(gauge(usage.used_bytes));
        far.metrics.flights.set(gauge(far.flights.open()));
    }
}

/// What the cache did for a request that waited for `object`.
fn outcome(object: &Object, stored: Option<&Object>, is_first: bool) -> Outcome {
    match stored {
        _ if !is_first => Outcome::Collapsed,
        Some(stored) if stored.body.is(&object.body) => Outcome::Revalidated,
        Some(_) => Outcome::Expired,
        None => Outcome::Miss,
    }
}

/// Failures that a stale response may stand in for (RFC 5861 §4).
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// What to say about a target that names nothing.
fn no_key(error: KeyError) -> Problem {
    match error {
        KeyError::TooLong => {
            let status = StatusCode::URI_TOO_LONG;
            Problem::new(status, "target_too_long", "Target too long", error.to_string())
        }
        _ => Problem::bad_request(error.to_string()),
    }
}

/// `only-if-cached`, and it is not.
fn not_cached() -> Problem {
    let (status, detail) =
        (StatusCode::GATEWAY_TIMEOUT, "it is not in this cache, and nothing else was wanted");
    Problem::new(status, "not_cached", "Not cached", detail)
}

/// Our limit of flights.
fn full() -> Problem {
    Problem::unavailable("too many different things are being fetched", std::time::Duration::from_secs(1))
}
