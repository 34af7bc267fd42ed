//! What the edge counts. Every label is from a closed set.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};

use crate::observe::{cache_status::Outcome, cmcd::CmcdMetrics};

/// Figures of the edge, shared by all cores.
#[derive(Debug, Clone)]
pub struct EdgeMetrics {
    /// Requests by what the cache did, in the order of [`Outcome::ALL`]: looked up beforehand, because each request
    /// counts here.
    requests: [IntCounter; Outcome::ALL.len()],
    /// Requests that were refused before anything was looked up, by code.
    pub(crate) refused: IntCounterVec,
    pub(crate) cmcd: CmcdMetrics,
    /// Those that were refused for asking too much, by code and who asked.
    pub(crate) limited: IntCounterVec,
    /// Requests that limits did not count, for want of room.
    pub(crate) untracked: IntCounter,
    /// Fills by how they ended.
    pub(crate) fills: IntCounterVec,
    /// Bytes that fills brought.
    pub(crate) filled_bytes: IntCounter,
    pub(crate) evictions: IntCounter,
    pub(crate) purges: IntCounterVec,
    pub(crate) flights: IntGauge,
    pub(crate) entries: IntGauge,
    pub(crate) memory_bytes: IntGauge,
}

impl EdgeMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When `registry` has figures of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let labelled = |name: &str, help: &str, label: &str| {
            let vector = IntCounterVec::new(Opts::new(name, help), &[label])?;
            added(registry, vector)
        };
        let requests = labelled("rillcast_edge_requests_total", "Requests by what the cache did", "cache")?;
        Ok(Self {
            requests: Outcome::ALL.map(|outcome| requests.with_label_values(&[outcome.as_str()])),
            refused: labelled(
                "rillcast_edge_refused_total",
                "Requests refused before anything was looked up, by code",
                "code",
            )?,
            cmcd: CmcdMetrics::register(registry)?,
            limited: added(
                registry,
                IntCounterVec::new(
                    Opts::new("rillcast_edge_limited_total", "Requests refused for asking too much"),
                    &["code", "whose"],
                )?,
            )?,
            untracked: added(
                registry,
                IntCounter::new(
                    "rillcast_edge_untracked_total",
                    "Requests that limits had no room to count",
                )?,
            )?,
            fills: labelled(
                "rillcast_edge_fills_total",
                "Fetches from upstreams, by how they ended",
                "outcome",
            )?,
            filled_bytes: added(
                registry,
                IntCounter::new("rillcast_edge_filled_bytes_total", "Body bytes fetched from upstreams")?,
            )?,
            evictions: added(
                registry,
                IntCounter::new("rillcast_edge_evictions_total", "Objects that gave way to others")?,
            )?,
            purges: labelled("rillcast_edge_purges_total", "Purges by what they name", "what")?,
            flights: added(registry, IntGauge::new("rillcast_edge_flights", "Fetches under way")?)?,
            entries: added(registry, IntGauge::new("rillcast_edge_objects", "Objects stored")?)?,
            memory_bytes: added(
                registry,
                IntGauge::new("rillcast_edge_memory_bytes", "Memory of objects and fills, in slabs")?,
            )?,
        })
    }
}

impl EdgeMetrics {
    /// Counts a request by what the cache did.
    pub(crate) fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.requests.get(outcome.index()) {
            counter.inc();
        }
    }

    /// Counts a refusal by its code.
    pub(crate) fn refuse(&self, code: &'static str) {
        self.refused.with_label_values(&[code]).inc();
    }
}

fn added<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
