//! Figures of the orders at an edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts};

use super::order::{Kind, Unknown};

/// Figures of one feed; cloning shares them.
#[derive(Debug, Clone)]
pub struct OrderMetrics {
    applied: IntCounterVec,
    ignored: IntCounterVec,
    pub(super) unreadable: IntCounter,
    pub(super) full: IntCounter,
    pub(super) snapshots: IntCounter,
    pub(super) gaps: IntCounter,
    pub(super) failures: IntCounter,
    pub(super) not_saved: IntCounter,
    pub(super) seq: IntGauge,
    pub(super) revocations: IntGauge,
    pub(super) given_up: IntGauge,
    age: FeedAge,
}

impl OrderMetrics {
    /// Makes the figures; the feed's age counts from `now` until it says something.
    ///
    /// # Errors
    /// Never with these names.
    pub fn new(now: Instant) -> prometheus::Result<Self> {
        let counter = |name, help| IntCounter::new(format!("rillcast_orders_{name}"), help);
        let gauge = |name, help| IntGauge::new(format!("rillcast_orders_{name}"), help);
        let applied = Opts::new("rillcast_orders_applied_total", "Orders applied, by kind");
        let applied = IntCounterVec::new(applied, &["kind"])?;
        let ignored =
            Opts::new("rillcast_orders_ignored_total", "Orders not understood and passed over, by reason");
        let ignored = IntCounterVec::new(ignored, &["reason"])?;
        for kind in Kind::ALL {
            applied.with_label_values(&[kind.word()]);
        }
        for why in Unknown::ALL {
            ignored.with_label_values(&[why.word()]);
        }
        Ok(Self {
            applied,
            ignored,
            unreadable: counter("unreadable_total", "Lines of the feed that were no order")?,
            full: counter("full_total", "Orders that met a limit of this edge and were not applied")?,
            snapshots: counter("snapshots_total", "Snapshots loaded")?,
            gaps: counter("gaps_total", "Orders that did not follow the last one")?,
            failures: counter("failures_total", "Failed attempts to hear the feed")?,
            not_saved: counter("not_saved_total", "Failed attempts to keep the state on disk")?,
            seq: gauge("seq", "Number of the last order applied")?,
            revocations: gauge("revocations", "Revocations in force")?,
            given_up: gauge(
                "revocations_given_up",
                "Revocations given up before their end, for want of room",
            )?,
            age: FeedAge::new(now)?,
        })
    }

    /// What is to be registered.
    #[must_use]
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let counters =
            [&self.unreadable, &self.full, &self.snapshots, &self.gaps, &self.failures, &self.not_saved];
        let gauges = [&self.seq, &self.revocations, &self.given_up];
        let mut all: Vec<Box<dyn Collector>> =
            vec![Box::new(self.applied.clone()), Box::new(self.ignored.clone()), Box::new(self.age.clone())];
        all.extend(counters.into_iter().map(|one| Box::new(one.clone()) as Box<dyn Collector>));
        all.extend(gauges.into_iter().map(|one| Box::new(one.clone()) as Box<dyn Collector>));
        all
    }

    /// Orders of `kind` applied.
    #[must_use]
    pub fn applied(&self, kind: Kind) -> u64 {
        self.applied.with_label_values(&[kind.word()]).get()
    }

    /// Orders passed over because of `why`.
    #[must_use]
    pub fn ignored(&self, why: Unknown) -> u64 {
        self.ignored.with_label_values(&[why.word()]).get()
    }

    /// How long the feed has been silent. It changes nothing by itself.
    #[must_use]
    pub fn stale_for(&self, now: Instant) -> Duration {
        self.age.at(now)
    }

    /// Snapshots loaded.
    #[must_use]
    pub fn snapshots(&self) -> u64 {
        self.snapshots.get()
    }

    pub(super) fn count_applied(&self, kind: Kind) {
        self.applied.with_label_values(&[kind.word()]).inc();
    }

    pub(super) fn count_ignored(&self, why: Unknown) {
        self.ignored.with_label_values(&[why.word()]).inc();
    }

    pub(super) fn heard(&self, now: Instant) {
        self.age.heard(now);
    }
}

/// The age of a feed, looked at when it is asked for.
#[derive(Debug, Clone)]
struct FeedAge {
    gauge: Gauge,
    start: Instant,
    /// Microseconds from `start` to when the feed was last heard.
    heard_us: Arc<AtomicU64>,
}

impl FeedAge {
    fn new(start: Instant) -> prometheus::Result<Self> {
        let help = "Time since the feed of orders said anything; heartbeats count";
        Ok(Self { gauge: Gauge::new("rillcast_orders_age_seconds", help)?, start, heard_us: Arc::default() })
    }

    fn heard(&self, now: Instant) {
        let since = now.saturating_duration_since(self.start).as_micros();
        self.heard_us.fetch_max(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn at(&self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.start);
        since.saturating_sub(Duration::from_micros(self.heard_us.load(Ordering::Relaxed)))
    }
}

impl Collector for FeedAge {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        #[expect(clippy::disallowed_methods, reason = "an age is one at the time it is asked for")]
        let now = Instant::now();
        self.gauge.set(self.at(now).as_secs_f64());
        self.gauge.collect()
    }
}
