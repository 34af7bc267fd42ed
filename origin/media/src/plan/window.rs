//! Decode times of a segment's samples, fitted into the time in which the segment is presented.
//!
//! A segment is presented from its earliest picture to the earliest of the next one. Players place it by
//! its decode times: the first is its start, their durations its length. With a constant reordering delay
//! (which the timeline takes off) both agree. Where they do not, because pictures come at odd times or
//! are missing, decode times move; presentation times never do:
//!
//! ```text
//!  start                                                     end
//!    │ dts of the first sample                                 │ end of the last one
//!    ├─ · ─ · ─ no earlier than start + n steps                │
//!    │                 no later than end − n steps ─ · ─ · ────┤
//! ```

use crate::sample::{Sample, composition_offset};
use crate::time::Timescale;

/// A step is at least a tick, and as long as what MSE counts in, a microsecond: decode times that are moved
/// differ by it, and those that are further apart in the source stay.
const STEPS_PER_S: u32 = 1_000_000;

/// The time of a segment of `count` samples, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    start: i64,
    end: i64,
    count: i64,
    step: i64,
}

impl Window {
    /// That from `start` to `end`, in ticks of `timescale`.
    pub(super) fn new(start: i64, end: i64, count: usize, timescale: Timescale) -> Self {
        let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
        let step = i64::from((timescale.ticks_per_s() / STEPS_PER_S).max(1));
        Self { start, end, count, step: step.min(end.saturating_sub(start) / count) }
    }

    /// Whether all of `natural`, decode times of samples in order and the end of the last, may stay.
    pub(super) fn holds(&self, first: i64, end: i64, shortest: u32) -> bool {
        self.is_backward() || (first == self.start && end == self.end && i64::from(shortest) >= self.step)
    }

    /// `sample`, which is number `index` of the segment.
    #[inline(always)]
    pub(super) fn fit<D>(&self, index: usize, sample: Sample<D>) -> Sample<D> {
        if self.is_backward() {
            return sample;
        }
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let next = sample.dts.saturating_add(i64::from(sample.duration));
        let (dts, next) = (self.place(index, sample.dts), self.place(index.saturating_add(1), next));
        let pts = sample.pts();
        Sample {
            dts,
            duration: u32::try_from(next - dts).unwrap_or(u32::MAX),
            composition_offset: composition_offset(dts, pts),
            ..sample
        }
    }

    /// Times that go backward are the source's fault; they stay as they are.
    const fn is_backward(&self) -> bool {
        self.end <= self.start
    }

    #[inline(always)]
    fn place(&self, index: i64, dts: i64) -> i64 {
        if index <= 0 {
            return self.start;
        }
        if index >= self.count {
            return self.end;
        }
        dts.clamp(self.start + index * self.step, self.end - (self.count - index) * self.step)
    }
}
