//! Figures of the events of a node.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

use super::queue::{Lost, Queue};

/// Figures of one queue; cloning shares them.
#[derive(Debug, Clone)]
pub struct EventMetrics {
    pub(super) taken: IntCounter,
    lost_events: IntCounterVec,
    lost_batches: IntCounter,
    dead: IntCounter,
    sent: IntCounterVec,
    bytes: IntGauge,
    batches: IntGauge,
}

/// What came of sending a batch, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived, now or before.
    Arrived,
    /// It is refused, and set aside.
    Refused,
    /// It did not arrive, and is sent again.
    Failed,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl EventMetrics {
    /// Makes the figures.
    ///
    /// # Errors
    /// Never with these names.
    pub fn new() -> prometheus::Result<Self> {
        let lost =
            Opts::new("rillcast_events_lost_total", "Events that will not arrive, by where they were lost");
        let sent = Opts::new("rillcast_events_batches_sent_total", "Batches sent, by outcome");
        let lost_batches = "Batches dropped because the queue was full";
        let dead = "Batches set aside because they were refused or damaged";
        Ok(Self {
            taken: IntCounter::new("rillcast_events_total", "Events taken into the queue")?,
            lost_events: IntCounterVec::new(lost, &["where"])?,
            lost_batches: IntCounter::new("rillcast_events_batches_dropped_total", lost_batches)?,
            dead: IntCounter::new("rillcast_events_batches_dead_total", dead)?,
            sent: IntCounterVec::new(sent, &["outcome"])?,
            bytes: IntGauge::new("rillcast_events_queue_bytes", "Bytes of events that wait on disk")?,
            batches: IntGauge::new("rillcast_events_queue_batches", "Closed batches that wait on disk")?,
        })
    }

    /// What is to be registered.
    #[must_use]
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.taken.clone()),
            Box::new(self.lost_events.clone()),
            Box::new(self.lost_batches.clone()),
            Box::new(self.dead.clone()),
            Box::new(self.sent.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.batches.clone()),
        ]
    }

    /// Batches sent with this outcome.
    #[must_use]
    pub fn sent(&self, outcome: Outcome) -> u64 {
        self.sent.with_label_values(&[outcome.word()]).get()
    }

    /// Events that found no room on the way to the queue.
    #[must_use]
    pub fn lost_before_queue(&self) -> u64 {
        self.lost_events.with_label_values(&["before_queue"]).get()
    }

    pub(super) fn count_sent(&self, outcome: Outcome) {
        self.sent.with_label_values(&[outcome.word()]).inc();
    }

    pub(super) fn lose_before_queue(&self) {
        self.lost_events.with_label_values(&["before_queue"]).inc();
    }

    /// Takes over the levels of `queue`, and what was lost since `before`.
    pub(super) fn measure(&self, queue: &Queue, before: Lost) {
        let lost = queue.lost();
        self.lost_events.with_label_values(&["queue"]).inc_by(lost.events.saturating_sub(before.events));
        self.lost_batches.inc_by(lost.batches.saturating_sub(before.batches));
        self.dead.inc_by(lost.dead.saturating_sub(before.dead));
        self.bytes.set(i64::try_from(queue.bytes()).unwrap_or(i64::MAX));
        self.batches.set(i64::try_from(queue.batches()).unwrap_or(i64::MAX));
    }
}
