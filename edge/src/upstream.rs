//! Where responses come from: other machines over pools of connections, each key from the one it belongs to.
//!
//! ```text
//!  Demand ─▶ candidates: by tier, by rendezvous of the key with the names, the healthy ones first
//!                │
//!                ▼          failed, and may be asked again
//!            exchange at one ───────────────────────────▶ the next one (attempts and budget are bounded)
//!                │          is silent, and another is well ▶ that as well, whoever answers first
//!            place ▶ line ▶ head
//!                │
//!                ▼          broke in the middle
//!            ResponseBody ──────────────────────────────▶ the rest, by range, of the same edition only
//! ```
//!
//! It sits below the flights: a fill fetches here, on the background runtime, and knows nothing of connections. An
//! origin in the same process is not an upstream of this kind: it is called directly.
//!
//! Invariants: only GET and HEAD are sent; what is delivered is a prefix of one edition of the object, and all of it
//! unless an error says otherwise; requests in flight, waiting, attempts, resumptions, heads and times are bounded.

pub mod cdn_loop;
pub mod config;
pub mod content_range;
pub mod dial;
pub mod error;
pub mod metrics;

mod body;
mod budget;
mod check;
mod edition;
mod exchange;
mod fleet;
mod forward;
mod health;
mod line;
mod location;
mod pool;
mod race;
mod rendezvous;
mod route;
mod trust;

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode, header::CONTENT_LENGTH, uri::PathAndQuery};
use rillcast_http::RequestId;
use tokio::time::Instant;

pub use self::{
    body::ResponseBody,
    cdn_loop::LoopName,
    config::{
        CheckConfig, PassivePolicy, RetryPolicy, Speech, Timeouts, Trust, UpstreamConfig,
        UpstreamConfigError, UpstreamName, UpstreamsConfig,
    },
    dial::{Dial, Tcp},
    error::{Fault, UpstreamError},
    exchange::ReadMethod,
    line::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX},
    metrics::UpstreamMetrics,
    trust::AUTHORITIES_BYTES_MAX,
};
use self::{
    edition::Edition,
    exchange::{Answer, Ask},
    fleet::Fleet,
    race::{Finish, Holding, Race, Times},
    route::Route,
};

/// What a flight wants.
#[derive(Debug, Clone)]
pub struct Demand {
    /// GET, or HEAD.
    pub method: ReadMethod,
    /// Path and query, canonical, without a token.
    pub target: PathAndQuery,
    /// Conditions, `Accept-Encoding`, `Range`, `CDN-Loop` and whatever else the caller chose; what concerns a connection
    /// only is left out of the request, and what names us is added.
    pub headers: HeaderMap,
    /// A hash of the key: equal keys go to the same upstream.
    pub affinity: u64,
    /// Under what name it stands in the logs of both sides.
    pub request_id: RequestId,
    /// Time to the head of the response, all attempts together. Then only this bounds the wait for a head: an upstream
    /// may hold the request so long. Without it the upstream's own limit holds for each attempt.
    pub deadline: Option<Duration>,
}

/// The head of a response, and its body as it comes.
pub struct Response {
    /// Its status; redirects are not followed.
    pub status: StatusCode,
    /// Without what concerns the connection only.
    pub headers: HeaderMap,
    /// The body.
    pub body: ResponseBody,
    /// Who answered, for logs.
    pub upstream: UpstreamName,
    /// When the request went out: `request_time` of RFC 9111 §4.2.3.
    pub requested: SystemTime,
    /// When the head had come: `response_time`.
    pub received: SystemTime,
    /// How many upstreams were asked, this one among them.
    pub attempts: u32,
}

/// All upstreams of an edge. Cloning shares them; connections end with the last clone and the last body.
#[derive(Clone)]
pub struct Upstreams {
    fleet: Arc<Fleet>,
}

impl Upstreams {
    /// Sets them up; nothing is connected yet. `clock` gives the times of [`Response`].
    ///
    /// # Errors
    /// When the configuration cannot be.
    pub fn new(
        config: &UpstreamsConfig,
        metrics: &UpstreamMetrics,
        clock: fn() -> SystemTime,
    ) -> Result<Self, UpstreamConfigError> {
        Self::with_dial(config, metrics, clock, &(Arc::new(Tcp) as Arc<dyn Dial>))
    }

    /// As [`Self::new`], over connections that `dial` makes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_dial(
        config: &UpstreamsConfig,
        metrics: &UpstreamMetrics,
        clock: fn() -> SystemTime,
        dial: &Arc<dyn Dial>,
    ) -> Result<Self, UpstreamConfigError> {
        Ok(Self { fleet: Arc::new(Fleet::new(config, metrics, clock, dial)?) })
    }

    /// This node's name in `CDN-Loop`: ask it whether a request has been here before.
    pub fn loop_name(&self) -> &LoopName {
        &self.fleet.node
    }

    /// Fetches something. To be called on a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// When no upstream gave a head that is HTTP. Whatever has a status is a response, errors included.
    pub async fn fetch(&self, demand: Demand) -> Result<Response, UpstreamError> {
        let fleet = &self.fleet;
        let ask = Ask {
            method: demand.method,
            target: demand.target,
            headers: forward::outgoing(demand.headers, &demand.request_id, &fleet.node),
        };
        let until = demand.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let mut route = Route::new(fleet, demand.affinity);
        let mut race = Race::new(fleet, &ask, until);
        let mut poor = None;
        fleet.earn();
        loop {
            if race.is_idle() {
                let Some(member) = route.next(fleet, race.attempts, &poor) else { break };
                let holding = if matches!(poor, Some(Ok(_))) { Holding::Response } else { Holding::Nothing };
                race.start(member, holding);
            }
            let Finish { answered, times, .. } = race.finish(&mut route).await;
            match answered.map(|answer| self.respond(answer, times, &ask, demand.affinity, race.attempts)) {
                Ok(response) if !fleet.retry.statuses.contains(&response.status) => {
                    race.end();
                    return Ok(response);
                }
                // A response that says it cannot is worth more than an error that comes after it.
                Err(_) if matches!(poor, Some(Ok(_))) => {}
                outcome => poor = Some(outcome),
            }
        }
        poor.expect("there is at least one upstream, and as a last resort it is asked")
    }

    /// Asks upstreams for their health, as configured, and ends connections that nobody uses. Never returns: whoever
    /// owns it drops it.
    pub async fn run(&self) -> Infallible {
        check::run(&self.fleet).await
    }

    fn respond(&self, answer: Answer, times: Times, ask: &Ask, affinity: u64, attempts: u32) -> Response {
        let expected = body_len(ask.method, answer.status, &answer.headers);
        let edition = match ask.method {
            ReadMethod::Get => Edition::of(answer.status, &answer.headers),
            ReadMethod::Head => None,
        };
        let edition = edition.map(|edition| (ask.clone(), edition));
        Response {
            upstream: answer.stream.upstream().clone(),
            body: ResponseBody::new(answer.stream, expected, &self.fleet, affinity, edition),
            status: answer.status,
            headers: answer.headers,
            requested: times.requested,
            received: times.received,
            attempts,
        }
    }
}

/// Length of a body, as far as the head says it (RFC 9112 §6.3).
fn body_len(method: ReadMethod, status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let has_none = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_none || method == ReadMethod::Head {
        return Some(0);
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
