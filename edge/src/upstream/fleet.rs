//! The upstreams together: which ones a key may be asked of, in which order, and what is thought of each.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::time::Instant;

use super::{
    budget::Budget,
    cdn_loop::LoopName,
    config::{Address, RetryPolicy, UpstreamConfig, UpstreamConfigError, UpstreamName, UpstreamsConfig},
    dial::Dial,
    error::{Stage, UpstreamError},
    exchange::{Answer, Ask, Patient, exchange},
    health::{Health, Outcome, Standing},
    line::{Maker, Tasks},
    metrics::{UpstreamMetrics, class_of},
    pool::{Patience, Pool, PoolLimits},
    rendezvous::Ticket,
    trust::Roots,
};

/// All upstreams, and what they share.
pub(super) struct Fleet {
    pub(super) members: Vec<Member>,
    pub(super) retry: RetryPolicy,
    pub(super) node: LoopName,
    pub(super) metrics: UpstreamMetrics,
    pub(super) clock: fn() -> SystemTime,
    budget: Mutex<Budget>,
}

/// One upstream.
pub(super) struct Member {
    pub(super) config: UpstreamConfig,
    pub(super) pool: Arc<Pool>,
    ticket: Ticket,
    health: Mutex<Health>,
    up: IntGauge,
}

impl Fleet {
    pub(super) fn new(
        config: &UpstreamsConfig,
        metrics: &UpstreamMetrics,
        clock: fn() -> SystemTime,
        dial: &Arc<dyn Dial>,
    ) -> Result<Self, UpstreamConfigError> {
        config.check()?;
        let roots = Roots::read(&config.trust)?;
        let now = Instant::now();
        let member = |upstream: &UpstreamConfig| Member::new(upstream, &roots, metrics, dial, now);
        Ok(Self {
            members: config.upstreams.iter().map(member).collect::<Result<_, _>>()?,
            budget: Mutex::new(Budget::new(&config.retry, now)),
            retry: config.retry.clone(),
            node: LoopName::new(&config.node)
                .ok_or_else(|| UpstreamConfigError::Name { name: config.node.clone() })?,
            metrics: metrics.clone(),
            clock,
        })
    }

    /// All upstreams, the one that `affinity` belongs to first, whatever is thought of them.
    pub(super) fn candidates(&self, affinity: u64) -> Vec<&Member> {
        let drawn = self.members.iter().map(|member| (member, member.ticket.draw(affinity)));
        let mut drawn: Vec<_> = drawn.collect();
        drawn.sort_by(|(one, high), (other, low)| {
            one.config.tier.cmp(&other.config.tier).then(low.total_cmp(high))
        });
        drawn.into_iter().map(|(member, _)| member).collect()
    }

    /// A first attempt is made.
    pub(super) fn earn(&self) {
        self.budget.lock().earn();
    }

    /// Whether the budget has a retry; it is then spent.
    pub(super) fn spend(&self) -> bool {
        let may = self.budget.lock().spend(Instant::now());
        if !may {
            self.metrics.retries_refused.inc();
        }
        may
    }

    /// Asks one upstream, and learns from what becomes of it.
    pub(super) async fn ask(
        &self,
        member: &Member,
        ask: &Ask,
        patient: Patient,
    ) -> Result<Answer, UpstreamError> {
        let answered = exchange(&member.pool, ask, patient).await;
        let (label, outcome) = match &answered {
            Ok(answer) => (class_of(answer.status), self.judge(answer.status, &answer.headers)),
            Err(error) => (error.reason(), blame(error, patient.is_held)),
        };
        self.metrics.attempted(&member.pool.name, label);
        if let Some(outcome) = outcome {
            member.tell(outcome);
        }
        answered
    }

    /// What a status says of who sent it. Whoever says when to come back is at work.
    fn judge(&self, status: StatusCode, headers: &HeaderMap) -> Option<Outcome> {
        let is_failure = self.retry.statuses.contains(&status) && !headers.contains_key(RETRY_AFTER);
        Some(if is_failure { Outcome::Failed } else { Outcome::Well })
    }
}

/// What an error says of the upstream: nothing, when it is a limit of ours.
fn blame(error: &UpstreamError, is_held: bool) -> Option<Outcome> {
    match error {
        UpstreamError::TooManyWaiting { .. } | UpstreamError::Timeout { stage: Stage::Place, .. } => None,
        // It was asked to wait, and it did.
        UpstreamError::Timeout { stage: Stage::Head, .. } if is_held => None,
        _ => Some(Outcome::Failed),
    }
}

impl Member {
    fn new(
        config: &UpstreamConfig,
        roots: &Roots,
        metrics: &UpstreamMetrics,
        dial: &Arc<dyn Dial>,
        now: Instant,
    ) -> Result<Self, UpstreamConfigError> {
        let address = Address::read(config)?;
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
        let thresholds = config.check.as_ref().map(|check| (check.rise, check.fall));
        let up = metrics.up(&name);
        up.set(1);
        let pool_metrics = metrics.of_pool(&name);
        Ok(Self {
            config: config.clone(),
            ticket: Ticket::new(&config.name, config.weight),
            pool: Arc::new(Pool::new(name, maker, limits, pool_metrics)),
            health: Mutex::new(Health::new(config.passive, thresholds, now)),
            up,
        })
    }

    pub(super) fn name(&self) -> &UpstreamName {
        &self.pool.name
    }

    /// Whether it may be asked.
    pub(super) fn standing(&self) -> Standing {
        self.health.lock().standing(Instant::now())
    }

    /// Whether it may be asked now; if it is on trial, this is the trial.
    pub(super) fn admit(&self) -> bool {
        self.health.lock().admit(Instant::now())
    }

    /// What became of a request.
    pub(super) fn tell(&self, outcome: Outcome) {
        self.learn(|health, now| health.told(outcome, now));
    }

    /// What a check found.
    pub(super) fn tell_check(&self, outcome: Outcome) {
        self.learn(|health, now| health.checked(outcome, now));
    }

    fn learn(&self, lesson: impl FnOnce(&mut Health, Instant)) {
        let now = Instant::now();
        let (before, after) = {
            let mut health = self.health.lock();
            let before = health.standing(now);
            lesson(&mut health, now);
            (before, health.standing(now))
        };
        if (before == Standing::In) == (after == Standing::In) {
            return;
        }
        self.up.set(i64::from(after == Standing::In));
        if after == Standing::In {
            tracing::info!(upstream = %self.name(), "an upstream is well again");
        } else {
            tracing::warn!(upstream = %self.name(), "an upstream fails and is left alone for a while");
        }
    }

    /// How long to wait for what. `is_holding` says whether the caller has a place at another upstream.
    pub(super) fn patient(&self, deadline: Option<Instant>, is_holding: bool) -> Patient {
        let timeouts = &self.config.timeouts;
        let now = Instant::now();
        // An hour at most for each: the sum is a time that can be represented.
        let own = now + timeouts.connect + timeouts.connect + timeouts.head;
        let until = deadline.unwrap_or(own);
        let place = if is_holding {
            // Two could wait for each other's place.
            Patience::None
        } else {
            Patience::Until(until.min(now + timeouts.connect))
        };
        let is_held = deadline.is_some();
        let head: Duration = if is_held { until.saturating_duration_since(now) } else { timeouts.head };
        Patient { place, until, head, idle: timeouts.idle, is_held }
    }
}
