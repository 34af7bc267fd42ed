//! Where responses come from: other machines over pools of connections, each key from the one it belongs to.
//!
//! ```text
//!  Demand ─▶ candidates: by tier, by rendezvous of the key with the names, the healthy ones first
//!                │
//!                ▼          failed, and may be asked again
//!            exchange at one ───────────────────────────▶ the next one (attempts and budget are bounded)
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
pub mod dial;
pub mod error;
pub mod metrics;

mod body;
mod budget;
mod exchange;
mod forward;
mod line;
mod pool;
mod rendezvous;
mod trust;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode, header::CONTENT_LENGTH, uri::PathAndQuery};
use parking_lot::Mutex;
use rillcast_http::RequestId;
use tokio::time::{Instant, MissedTickBehavior, interval};

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
    budget::Budget,
    exchange::{Answer, Ask, Patient, exchange},
    line::{Maker, Tasks},
    pool::{Patience, Pool, PoolLimits},
    rendezvous::Ticket,
    trust::Roots,
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

struct Fleet {
    members: Vec<Member>,
    retry: RetryPolicy,
    budget: Mutex<Budget>,
    node: LoopName,
    metrics: UpstreamMetrics,
    clock: fn() -> SystemTime,
}

/// How often unused connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// One upstream.
struct Member {
    config: UpstreamConfig,
    ticket: Ticket,
    pool: Arc<Pool>,
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
        config.check()?;
        let roots = Roots::read(&config.trust)?;
        let member = |upstream: &UpstreamConfig| Member::new(upstream, &roots, metrics, dial);
        let fleet = Fleet {
            members: config.upstreams.iter().map(member).collect::<Result<_, _>>()?,
            budget: Mutex::new(Budget::new(&config.retry, Instant::now())),
            retry: config.retry.clone(),
            node: LoopName::new(&config.node),
            metrics: metrics.clone(),
            clock,
        };
        Ok(Self { fleet: Arc::new(fleet) })
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
        fleet.budget.lock().earn();
        let mut attempts: u32 = 0;
        // What a last resort gives: an upstream's own words that it cannot, or why there are none.
        let mut poor: Option<Result<Response, UpstreamError>> = None;
        let candidates = fleet.candidates(demand.affinity);
        let rounds = candidates.iter().map(|member| (member, Round::First));
        let rounds = rounds.chain(candidates.iter().map(|member| (member, Round::Second)));
        for (member, round) in rounds {
            if poor.as_ref().is_some_and(|poor| !fleet.may_retry(poor, round, attempts)) {
                break;
            }
            attempts = attempts.saturating_add(1);
            let requested = (fleet.clock)();
            let patient = member.patient(until, poor.as_ref());
            let outcome = exchange(&member.pool, &ask, patient).await;
            let outcome = outcome.map(|answer| fleet.respond(member, answer, requested, &ask, attempts));
            fleet.metrics.attempted(&member.pool.name, label(&outcome));
            match outcome {
                Ok(response) if !fleet.retry.statuses.contains(&response.status) => return Ok(response),
                // A response that says it cannot is worth more than an error that comes after it.
                Err(_) if matches!(poor, Some(Ok(_))) => {}
                outcome => poor = Some(outcome),
            }
        }
        poor.expect("there is at least one upstream, and it was asked")
    }

    /// Ends connections that nobody uses. It never returns: whoever owns it drops it.
    pub async fn run(&self) {
        let mut tick = interval(SWEEP_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            for member in &self.fleet.members {
                member.pool.sweep();
            }
        }
    }
}

/// How often the candidates have been gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Each upstream has not been asked yet.
    First,
    /// Each has been, and is asked again only after a reset: that passes by, as when a process is replaced.
    Second,
}

/// An outcome as a label.
fn label(outcome: &Result<Response, UpstreamError>) -> &'static str {
    match outcome {
        Ok(response) => metrics::class_of(response.status),
        Err(error) => error.reason(),
    }
}

impl Fleet {
    /// All upstreams, the one that `affinity` belongs to first.
    fn candidates(&self, affinity: u64) -> Vec<&Member> {
        let drawn = self.members.iter().map(|member| (member, member.ticket.draw(affinity)));
        let mut drawn: Vec<_> = drawn.collect();
        drawn.sort_by(|(one, high), (other, low)| {
            one.config.tier.cmp(&other.config.tier).then(low.total_cmp(high))
        });
        drawn.into_iter().map(|(member, _)| member).collect()
    }

    /// Whether an upstream of `round` may be asked after `poor`, the outcome of so many attempts.
    fn may_retry(&self, poor: &Result<Response, UpstreamError>, round: Round, attempts: u32) -> bool {
        let is_reset = matches!(poor, Err(UpstreamError::Reset { .. }));
        if attempts >= self.retry.attempts_max || (round == Round::Second && !is_reset) {
            return false;
        }
        let is_free = matches!(poor, Err(error) if error.cost_nothing());
        let may = is_free || self.budget.lock().spend(Instant::now());
        if !may {
            self.metrics.retries_refused.inc();
        }
        may
    }

    fn respond(
        &self,
        member: &Member,
        answer: Answer,
        requested: SystemTime,
        ask: &Ask,
        attempts: u32,
    ) -> Response {
        let expected = body_len(ask.method, answer.status, &answer.headers);
        Response {
            status: answer.status,
            headers: answer.headers,
            body: ResponseBody::new(answer.stream, expected),
            upstream: member.pool.name.clone(),
            requested,
            received: (self.clock)(),
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

impl Member {
    fn new(
        config: &UpstreamConfig,
        roots: &Roots,
        metrics: &UpstreamMetrics,
        dial: &Arc<dyn Dial>,
    ) -> Result<Self, UpstreamConfigError> {
        let address = config::Address::read(config)?;
        let name = UpstreamName::new(&config.name);
        let maker = Maker {
            dial: Arc::clone(dial),
            tls: address.is_tls().then(|| roots.client_config(config.speech)),
            address,
            speech: config.speech,
            tasks: Tasks::default(),
        };
        let limits = PoolLimits {
            in_flight_max: config.in_flight_max,
            waiting_max: config.waiting_max,
            connect: config.timeouts.connect,
            keep: config.timeouts.keep,
        };
        let metrics = metrics.of_pool(&name);
        Ok(Self {
            config: config.clone(),
            ticket: Ticket::new(&config.name, config.weight),
            pool: Arc::new(Pool::new(name, maker, limits, metrics)),
        })
    }

    fn patient(&self, deadline: Option<Instant>, poor: Option<&Result<Response, UpstreamError>>) -> Patient {
        let timeouts = &self.config.timeouts;
        let now = Instant::now();
        // An hour at most for each: the sum is a time that can be represented.
        let own = now + timeouts.connect + timeouts.connect + timeouts.head;
        let until = deadline.unwrap_or(own);
        // Who holds a response of one upstream must not wait for a place at another: two could wait for each other.
        let place = match poor {
            Some(Ok(_)) => Patience::None,
            _ => Patience::Until(until.min(now + timeouts.connect)),
        };
        let head = if deadline.is_some() { until.saturating_duration_since(now) } else { timeouts.head };
        Patient { place, until, head, idle: timeouts.idle }
    }
}
