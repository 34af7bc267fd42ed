//! Figures of cold reads.

use std::sync::{Arc, OnceLock, Weak};

use prometheus::{
    Counter, IntCounter, IntCounterVec, IntGauge, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use rillcast_sys::disk::{Done, How, ReadError};

use super::ColdReads;

/// Figures of the disk thread, as those who ask it see them. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct ColdFigures {
    reads: IntCounterVec,
    bytes: IntCounterVec,
    failures: IntCounterVec,
    waited_s: Counter,
    took_s: Counter,
    pub(super) no_buffer: IntCounter,
    pub(super) levels: Levels,
}

impl ColdFigures {
    /// Makes the figures.
    ///
    /// # Errors
    /// Never with these names.
    pub(crate) fn new() -> prometheus::Result<Self> {
        Ok(Self {
            reads: IntCounterVec::new(
                Opts::new("rillcast_disk_reads_total", "Reads of bytes that were not in memory, by way"),
                &["way"],
            )?,
            bytes: IntCounterVec::new(
                Opts::new("rillcast_disk_read_bytes_total", "Bytes of such reads, by way"),
                &["way"],
            )?,
            failures: IntCounterVec::new(
                Opts::new("rillcast_disk_failures_total", "Such reads that gave nothing, by reason"),
                &["reason"],
            )?,
            waited_s: Counter::new(
                "rillcast_disk_wait_seconds_total",
                "Time such reads waited for the disk's turn, added up",
            )?,
            took_s: Counter::new(
                "rillcast_disk_read_seconds_total",
                "Time such reads were with the disk, added up",
            )?,
            no_buffer: IntCounter::new(
                "rillcast_disk_no_buffer_total",
                "Reads that went through the page cache because no buffer came free",
            )?,
            levels: Levels::new()?,
        })
    }

    pub(crate) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.reads.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.failures.clone()),
            Box::new(self.waited_s.clone()),
            Box::new(self.took_s.clone()),
            Box::new(self.no_buffer.clone()),
            Box::new(self.levels.clone()),
        ]
    }

    /// Reads that gave nothing, for this reason.
    #[cfg(test)]
    pub(super) fn failures(&self, reason: &str) -> u64 {
        self.failures.with_label_values(&[reason]).get()
    }

    pub(super) fn done(&self, done: &Done) {
        let way = match done.how {
            How::Direct => "direct",
            How::Buffered => "buffered",
            How::Warmed => "warmed",
        };
        self.reads.with_label_values(&[way]).inc();
        self.bytes.with_label_values(&[way]).inc_by(u64::try_from(done.len).unwrap_or(u64::MAX));
        self.waited_s.inc_by(done.waited.as_secs_f64());
        self.took_s.inc_by(done.took.as_secs_f64());
    }

    pub(super) fn failed(&self, error: &ReadError) {
        let reason = match error {
            ReadError::Failed(error) if error.kind() == std::io::ErrorKind::TimedOut => "timed_out",
            ReadError::Failed(_) => "failed",
            ReadError::Busy { .. } => "busy",
            ReadError::TooLong { .. } => "too_long",
            ReadError::Stopped => "stopped",
        };
        self.failures.with_label_values(&[reason]).inc();
    }
}

/// What goes up and down, looked at when it is asked for: a figure that is only set when something happens would say for
/// ever what was when the last thing did.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    queued: IntGauge,
    buffers_in_use: IntGauge,
    reads: Arc<OnceLock<Weak<ColdReads>>>,
}

impl Levels {
    fn new() -> prometheus::Result<Self> {
        Ok(Self {
            queued: IntGauge::new("rillcast_disk_queue", "Reads that wait for the disk's turn")?,
            buffers_in_use: IntGauge::new("rillcast_disk_buffers_in_use", "Buffers being read into or sent")?,
            reads: Arc::default(),
        })
    }

    /// Tells of `reads` from now on; of two servers with the same figures, of the first.
    pub(super) fn watch(&self, reads: &Arc<ColdReads>) {
        self.reads.get_or_init(|| Arc::downgrade(reads));
    }
}

impl Collector for Levels {
    fn desc(&self) -> Vec<&Desc> {
        [&self.queued, &self.buffers_in_use].into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let level = |of: fn(&ColdReads) -> usize| {
            let reads = self.reads.get().and_then(Weak::upgrade);
            reads.map_or(0, |reads| i64::try_from(of(&reads)).unwrap_or(i64::MAX))
        };
        self.queued.set(level(ColdReads::queued));
        self.buffers_in_use.set(level(ColdReads::buffers_in_use));
        [&self.queued, &self.buffers_in_use].into_iter().flat_map(Collector::collect).collect()
    }
}
