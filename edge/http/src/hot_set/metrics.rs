//! The hot set's figures.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, core::Collector};

/// Figures of one hot set; cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct HotSetMetrics {
    requests: IntCounterVec,
    pub(super) hits: IntCounter,
    pub(super) misses: IntCounter,
    pub(super) stale: IntCounter,
    fills: IntCounterVec,
    pub(super) filled_bytes: IntCounter,
    pub(super) evictions: IntCounter,
    pub(super) entries: IntGauge,
    pub(super) memory_bytes: IntGauge,
}

impl HotSetMetrics {
    /// Makes the figures; whoever made them registers [`Self::collectors`].
    pub(crate) fn new() -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                "rillcast_http_hot_set_requests_total",
                "Requests that the hot set could serve, by result",
            ),
            &["result"],
        )?;
        let of = |result| requests.with_label_values(&[result]);
        Ok(Self {
            hits: of("hit"),
            misses: of("miss"),
            stale: of("stale"),
            requests,
            fills: IntCounterVec::new(
                Opts::new("rillcast_http_hot_set_fills_total", "Bodies read into the hot set, by outcome"),
                &["outcome"],
            )?,
            filled_bytes: IntCounter::new(
                "rillcast_http_hot_set_filled_bytes_total",
                "Bytes of bodies kept",
            )?,
            evictions: IntCounter::new(
                "rillcast_http_hot_set_evictions_total",
                "Bodies given up for others or because nobody asked for them",
            )?,
            entries: IntGauge::new("rillcast_http_hot_set_bodies", "Bodies kept")?,
            memory_bytes: IntGauge::new(
                "rillcast_http_hot_set_memory_bytes",
                "Memory of bodies kept, being read, or still being sent",
            )?,
        })
    }

    pub(crate) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.requests.clone()),
            Box::new(self.fills.clone()),
            Box::new(self.filled_bytes.clone()),
            Box::new(self.evictions.clone()),
            Box::new(self.entries.clone()),
            Box::new(self.memory_bytes.clone()),
        ]
    }

    /// Counts one fill; `outcome` is a word of ours.
    pub(super) fn filled(&self, outcome: &'static str) {
        self.fills.with_label_values(&[outcome]).inc();
    }
}
