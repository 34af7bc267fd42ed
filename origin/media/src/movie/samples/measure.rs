//! What a run of samples comes to, measured a block at a time: where a plan spends its time.

use std::ops::Range;

use super::{COMPOSITION_BIAS, SampleTable, SyncSamples, first_at};
use crate::column::Walk;

/// A run of samples, measured. Times are those of the media, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measures {
    pub(crate) bytes: u64,
    /// The shortest and the longest duration.
    pub(crate) durations: (u64, u64),
    /// The smallest and the largest composition offset.
    pub(crate) compositions: (i64, i64),
    /// Decode time of the first sample, and the end of the last.
    pub(crate) decoded: (i64, i64),
    /// The earliest presentation time.
    pub(crate) first_pts: i64,
    /// When the sample that is presented last ends.
    pub(crate) presented_end: i64,
    /// Sync samples among all but the first.
    pub(crate) later_syncs: usize,
    /// Whether the first is a sync sample.
    pub(crate) first_sync: bool,
}

/// Measures runs of samples that follow each other.
#[derive(Debug, Clone)]
pub(crate) struct Measurer<'a> {
    table: &'a SampleTable,
    index: usize,
    dts: i64,
    sizes: Walk<'a>,
    durations: Walk<'a>,
    composition: Walk<'a>,
}

impl<'a> Measurer<'a> {
    /// Starts at sample `index` of `table`.
    pub(crate) fn new(table: &'a SampleTable, index: usize) -> Self {
        Self {
            table,
            index,
            dts: table.dts(index),
            sizes: table.sizes.iter_from(index),
            durations: table.durations.iter_from(index),
            composition: table.composition.iter_from(index),
        }
    }

    /// The next sample.
    pub(crate) const fn index(&self) -> usize {
        self.index
    }

    /// Measures the next `count` samples, or those there are; of none, nothing.
    ///
    /// Cost: some 20 instructions a sample.
    pub(crate) fn next(&mut self, count: usize) -> Option<Measures> {
        let first = self.index;
        let end = first.saturating_add(count).min(self.table.len());
        if end <= first {
            return None;
        }
        let start = self.dts;
        let mut bytes = 0u64;
        let mut times = Times { dts: start, ..Times::NONE };
        while self.index < end {
            let most = end - self.index;
            let sizes = self.sizes.next_rows(most);
            bytes = sizes.iter().fold(bytes, |bytes, size| bytes.wrapping_add(*size));
            times.take(self.durations.next_alike(most), self.composition.next_alike(most));
            self.index += sizes.len().max(1);
        }
        self.dts = times.dts;
        let unbiased = |biased: i64| biased.wrapping_sub(COMPOSITION_BIAS.cast_signed());
        Some(Measures {
            bytes,
            durations: (times.shortest, times.longest),
            compositions: (unbiased(times.compositions.0), unbiased(times.compositions.1)),
            decoded: (start, times.dts),
            first_pts: unbiased(times.first_pts),
            presented_end: unbiased(times.presented_end),
            later_syncs: self.table.count_syncs(first + 1..end),
            first_sync: self.table.is_sync(first),
        })
    }
}

/// The times of a run; those of presentation are biased as the column is.
///
/// Sums wrap: a table that was checked has none that large, one of foreign bytes means nothing.
struct Times {
    dts: i64,
    shortest: u64,
    longest: u64,
    compositions: (i64, i64),
    first_pts: i64,
    last_pts: i64,
    presented_end: i64,
}

impl Times {
    const NONE: Self = Self {
        dts: 0,
        shortest: u64::MAX,
        longest: 0,
        compositions: (i64::MAX, i64::MIN),
        first_pts: i64::MAX,
        last_pts: i64::MIN,
        presented_end: i64::MIN,
    };

    /// Takes the next samples: their durations and composition offsets, and whether each are all equal.
    fn take(&mut self, (durations, same): (&[u64], bool), (compositions, alike): (&[u64], bool)) {
        match (durations, compositions) {
            // No table that was checked has longer ones; of those, presentation times would not rise.
            ([duration, ..], [composition, ..]) if same && alike && *duration <= u64::from(u32::MAX) => {
                self.take_equal(*duration, *composition, durations.len());
            }
            _ => self.take_each(durations, compositions),
        }
    }

    /// What [`take_each`](Self::take_each) makes of `count` samples that are alike.
    fn take_equal(&mut self, duration: u64, composition: u64, count: usize) {
        let (ticks, composition) = (duration.cast_signed(), composition.cast_signed());
        let pts = self.dts.wrapping_add(composition);
        let between = ticks.wrapping_mul(i64::try_from(count).unwrap_or(i64::MAX) - 1);
        self.first_pts = self.first_pts.min(pts);
        let last = pts.wrapping_add(between);
        if last >= self.last_pts {
            (self.last_pts, self.presented_end) = (last, last.wrapping_add(ticks));
        }
        self.dts = self.dts.wrapping_add(between).wrapping_add(ticks);
        self.shortest = self.shortest.min(duration);
        self.longest = self.longest.max(duration);
        self.compositions.0 = self.compositions.0.min(composition);
        self.compositions.1 = self.compositions.1.max(composition);
    }

    fn take_each(&mut self, durations: &[u64], compositions: &[u64]) {
        for (duration, composition) in durations.iter().zip(compositions) {
            let (ticks, composition) = (duration.cast_signed(), composition.cast_signed());
            let pts = self.dts.wrapping_add(composition);
            self.dts = self.dts.wrapping_add(ticks);
            self.first_pts = self.first_pts.min(pts);
            // Durations are those of decoding: only the sample presented last tells how long it is shown.
            if pts >= self.last_pts {
                (self.last_pts, self.presented_end) = (pts, pts.wrapping_add(ticks));
            }
            self.shortest = self.shortest.min(*duration);
            self.longest = self.longest.max(*duration);
            self.compositions.0 = self.compositions.0.min(composition);
            self.compositions.1 = self.compositions.1.max(composition);
        }
    }
}

impl SampleTable {
    /// How many of `range` are sync samples.
    fn count_syncs(&self, range: Range<usize>) -> usize {
        match &self.sync {
            SyncSamples::All => range.len(),
            SyncSamples::Listed(list) => {
                first_at(list, range.end).saturating_sub(first_at(list, range.start))
            }
        }
    }
}
