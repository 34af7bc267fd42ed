//! An edge whose origins are other machines: looks a name up, fetches what is missing once for all who ask, delivers.
//!
//! ```text
//!  key ─ look up ─┬─ fresh ─────────────────────────────▶ deliver
//!                 ├─ stale, may be used ── refresh ─────▶ deliver the stale one
//!                 ├─ missing ── join a flight ─ landing ─▶ deliver, or say why not
//!                 └─ known to be for one only ─ fetch ───▶ pass
//! ```

mod deliver;
mod fill;
pub(crate) mod flight;
mod live;
pub mod recent;
mod stock;

use std::{sync::Arc, time::SystemTime};

use http::StatusCode;
use parking_lot::Mutex;
use rillcast_http::{Problem, Reply, Request};
use tokio::runtime::Handle;

pub(crate) use self::stock::{Because, Stock};
use self::{live::Live, stock::Found};
use crate::{
    cache::{
        freshness::{self, Policy, Reason},
        key::{Asked, KeyError, KeyRules},
        memory::{CacheLimits, MemoryCache},
        object::Object,
        purge::{Hardness, Meant, Purges},
    },
    edge::notes,
    far::{
        flight::{Failure, Flights, Joined, Landing, PassReason, PassedResponse},
        recent::Recent,
    },
    live_hold::{HoldLimits, Holds},
    observe::{
        cache_status::{CacheStatus, Outcome},
        metrics::EdgeMetrics,
    },
    upstream::Upstreams,
};

/// Times a request joins another flight after the one it waited for was no use to it.
const JOINS_MAX: usize = 3;

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
    /// Requests that may wait for live playlists.
    pub holds: HoldLimits,
}

/// A cache in front of [`Upstreams`].
pub struct FarEdge {
    stock: Arc<Stock>,
    holds: Holds<Live>,
}

impl Drop for FarEdge {
    fn drop(&mut self) {
        self.stock.fills.lock().abort_all();
    }
}

impl FarEdge {
    /// An empty cache in front of `upstreams`, which are asked on `background`; `clock` tells the time of day.
    ///
    /// # Errors
    /// The system's error where it gives no memory for a cache.
    pub fn new(
        config: FarConfig,
        upstreams: Upstreams,
        metrics: EdgeMetrics,
        clock: fn() -> SystemTime,
        background: Handle,
    ) -> std::io::Result<Self> {
        let FarConfig { cache, policy, rules, flights_max, holds } = config;
        let stock = Arc::new(Stock {
            upstreams,
            cache: MemoryCache::new(&cache, &metrics)?,
            flights: Flights::new(flights_max),
            purges: Purges::default(),
            policy,
            rules: rules.clone(),
            metrics,
            clock,
            fills: Mutex::default(),
            background: background.clone(),
        });
        let live = Live::new(&stock, holds.hold_time);
        Ok(Self { stock, holds: Holds::new(live, rules, holds, background) })
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
        let asked = match Asked::of(&self.stock.rules, environment, path, query) {
            Ok(asked) => asked,
            Err(error) => return self.refuse(request, no_key(error)),
        };
        if let Some(reply) = recent.reply(&asked, &self.stock.purges, now) {
            self.count(request, &CacheStatus::new(Outcome::Hit));
            return reply;
        }
        // Before anybody is asked: a loop of edges ends where it is closed. What is fresh here ends it as well.
        if self.stock.upstreams.loop_name().is_looping(&request.headers) {
            return self.refuse(request, looping());
        }
        // Boxed, so that what is found at once does not carry the room for what is not.
        let (reply, status) = Box::pin(self.hold(recent, request, &asked, now)).await;
        self.count(request, &status);
        reply
    }

    /// Waits first, if `asked` is something of a live stream that is to come.
    async fn hold(
        &self,
        recent: &Recent,
        request: &Request,
        asked: &Asked<'_>,
        now: SystemTime,
    ) -> (Reply, CacheStatus) {
        // Taken out of what was waited for: matched as it is, a refusal would keep its room in all that follows.
        let waited_for = match live::hold(&self.holds, &self.stock, asked).await {
            Ok(object) => object,
            Err(problem) => return local(problem),
        };
        let Some(object) = waited_for else {
            // It may have waited for long.
            return self.find(recent, request, asked, now.max((self.stock.clock)())).await;
        };
        let status = CacheStatus::new(Outcome::Collapsed);
        let reply = match recent.reply_from(&object, status, now) {
            Some(reply) => reply,
            None => deliver::object(&object, status, now).await,
        };
        (reply, status)
    }

    /// Answers with `problem`, which lies with the request.
    fn refuse(&self, request: &Request, problem: Problem) -> Reply {
        self.stock.metrics.refuse(problem.slug);
        let (reply, status) = local(problem);
        self.count(request, &status);
        reply
    }

    fn count(&self, request: &Request, status: &CacheStatus) {
        notes::count(&self.stock.metrics, &request.trace, status);
    }

    async fn find(
        &self,
        recent: &Recent,
        request: &Request,
        asked: &Asked<'_>,
        now: SystemTime,
    ) -> (Reply, CacheStatus) {
        let give =
            async |object: &Object, status: CacheStatus| (deliver::object(object, status, now).await, status);
        let (stored, on_error) = match self.stock.look_up(asked, now) {
            Found::Fresh(object) => {
                recent.remember(&object, now);
                let status = CacheStatus::new(Outcome::Hit);
                return match recent.reply(asked, &self.stock.purges, now) {
                    Some(reply) => (reply, status),
                    None => give(&object, status).await,
                };
            }
            Found::Refreshing(object) => {
                self.stock.start(asked, Some(Arc::clone(&object)), Because::of(request, false));
                return give(&object, CacheStatus::new(Outcome::Stale)).await;
            }
            Found::Stale { object, on_error } => (Some(Arc::clone(&object)), on_error.then_some(object)),
            Found::Nothing => (None, None),
        };
        if freshness::only_if_cached(&request.headers) {
            return local(not_cached());
        }
        if let Some(part) = self.holds.hinted(asked)
            && let Err(error) = part.wait().await
        {
            return local(live::problem(&error));
        }
        let fetched = self.fetch(asked, stored, request).await;
        match (fetched, on_error) {
            (Fetched::Object(object, status), Some(_)) if !is_failure(object.status) => {
                (deliver::landed(&object, status, now).await, status)
            }
            (Fetched::Object(object, status), None) => (deliver::landed(&object, status, now).await, status),
            (Fetched::Passed(response, status), _) => (deliver::passed(response, status), status),
            (_, Some(stale)) => give(&stale, CacheStatus::new(Outcome::StaleIfError)).await,
            (Fetched::Failed(problem), None) => local(problem),
        }
    }

    /// Waits for a response from an upstream: one that is shared, or one of our own.
    async fn fetch(&self, asked: &Asked<'_>, stored: Option<Arc<Object>>, request: &Request) -> Fetched {
        for _ in 0..JOINS_MAX {
            let is_too_large = self.stock.cache.pass(asked) == Some(PassReason::TooLarge);
            let (flight, is_first) =
                match self.stock.start(asked, stored.clone(), Because::of(request, is_too_large)) {
                    Joined::First(flight) => (flight, true),
                    Joined::Follower(flight) => (flight, false),
                    Joined::Full => return Fetched::Failed(full()),
                };
            match flight.landing().await {
                Landing::Object(object) => {
                    let outcome = outcome(&object, stored.as_deref(), is_first);
                    let forward_status = is_first.then_some(object.status);
                    let (stored, detail) = (object.is_storable(), object.unstored.map(Reason::as_str));
                    let of = CacheStatus::new(outcome);
                    return Fetched::Object(object, CacheStatus { forward_status, stored, detail, ..of });
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
}

impl FarEdge {
    /// From now on nobody is answered from what is `meant`. Blocks for the sweep: not for a data-plane core.
    pub fn purge(&self, meant: Meant, hardness: Hardness) {
        self.stock.purge(meant, hardness);
    }

    /// Gives evicted memory back and brings figures up to date; to be called now and then, off the cores.
    pub fn settle(&self) {
        self.stock.settle();
    }

    /// Whom it asks; somebody must let them look after themselves ([`Upstreams::run`]).
    pub fn upstreams(&self) -> &Upstreams {
        &self.stock.upstreams
    }

    /// What names objects here.
    pub fn rules(&self) -> &KeyRules {
        &self.stock.rules
    }
}

/// What we say ourselves, and why, in a word for logs.
fn local(problem: Problem) -> (Reply, CacheStatus) {
    let detail = Some(problem.slug);
    (problem.into(), CacheStatus { detail, ..CacheStatus::new(Outcome::Local) })
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

/// The request came from here, by way of our upstreams (RFC 8586, RFC 5842 §7.2).
fn looping() -> Problem {
    let detail =
        "this edge asked for it itself, by way of its upstreams, or too many nodes have passed it on";
    Problem::new(StatusCode::LOOP_DETECTED, "loop_detected", "Loop detected", detail)
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
