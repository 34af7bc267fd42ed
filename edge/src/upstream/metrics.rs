//! Figures of upstreams. Labels are the names of configured upstreams and words of ours.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::config::UpstreamName;

/// Figures of all upstreams; cloning shares them.
#[derive(Debug, Clone)]
pub struct UpstreamMetrics {
    requests: IntCounterVec,
    connections: IntCounterVec,
    in_flight: IntGaugeVec,
    waiting: IntGaugeVec,
    up: IntGaugeVec,
    resumes: IntCounterVec,
    pub(super) retries_refused: IntCounter,
}

impl UpstreamMetrics {
    /// Makes the figures and registers them.
    ///
    /// # Errors
    /// When `registry` already has figures of these names.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(format!("rillcast_upstream_{name}"), help), labels)
        };
        let gauges = |name: &str, help: &str| {
            IntGaugeVec::new(Opts::new(format!("rillcast_upstream_{name}"), help), &["upstream"])
        };
        let made = Self {
            requests: counters(
                "requests_total",
                "Attempts to fetch something, by upstream and what became of them",
                &["upstream", "outcome"],
            )?,
            connections: counters(
                "connections_total",
                "Connections to upstreams, by whether they came about",
                &["upstream", "outcome"],
            )?,
            in_flight: gauges("requests_in_flight", "Requests at an upstream whose bodies are not over")?,
            waiting: gauges("requests_waiting", "Requests that wait for a place at an upstream")?,
            up: gauges("up", "Whether an upstream is given requests")?,
            resumes: counters(
                "resumes_total",
                "Attempts to get the rest of a broken body, by upstream and what became of them",
                &["upstream", "outcome"],
            )?,
            retries_refused: IntCounter::new(
                "rillcast_upstream_retries_refused_total",
                "Failed requests that were not asked again because too many were",
            )?,
        };
        made.register_all(registry)?;
        Ok(made)
    }

    fn register_all(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.connections.clone()))?;
        registry.register(Box::new(self.in_flight.clone()))?;
        registry.register(Box::new(self.waiting.clone()))?;
        registry.register(Box::new(self.up.clone()))?;
        registry.register(Box::new(self.resumes.clone()))?;
        registry.register(Box::new(self.retries_refused.clone()))
    }

    /// An attempt is over: a class of statuses, or the reason of an error.
    pub(super) fn attempted(&self, upstream: &UpstreamName, outcome: &str) {
        self.requests.with_label_values(&[upstream.as_str(), outcome]).inc();
    }

    /// An attempt to get the rest of a broken body is over.
    pub(super) fn resumed(&self, upstream: &UpstreamName, outcome: &str) {
        self.resumes.with_label_values(&[upstream.as_str(), outcome]).inc();
    }

    /// Whether an upstream is given requests.
    pub(super) fn up(&self, upstream: &UpstreamName) -> IntGauge {
        self.up.with_label_values(&[upstream.as_str()])
    }

    pub(super) fn of_pool(&self, upstream: &UpstreamName) -> PoolMetrics {
        let labels = &[upstream.as_str()];
        PoolMetrics {
            in_flight: self.in_flight.with_label_values(labels),
            waiting: self.waiting.with_label_values(labels),
            opened: self.connections.with_label_values(&[upstream.as_str(), "opened"]),
            failed: self.connections.with_label_values(&[upstream.as_str(), "failed"]),
        }
    }
}

/// Figures of one pool.
#[derive(Debug, Clone)]
pub(super) struct PoolMetrics {
    pub(super) in_flight: IntGauge,
    pub(super) waiting: IntGauge,
    opened: IntCounter,
    failed: IntCounter,
}

impl PoolMetrics {
    pub(super) fn opened(&self, is_opened: bool) {
        if is_opened { self.opened.inc() } else { self.failed.inc() }
    }
}

/// The class of a status, as a label.
pub(super) fn class_of(status: http::StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    }
}
