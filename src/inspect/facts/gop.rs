//! Groups of pictures: from one sync sample to the next.

use rillcast_media::movie::SampleRow;

/// The sync samples of a track; lengths in its ticks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::inspect) struct Gops {
    /// Sync samples.
    pub(in crate::inspect) sync_samples: u64,
    /// Samples.
    pub(in crate::inspect) samples: u64,
    /// Whether the first sample is one.
    pub(in crate::inspect) first_is_sync: bool,
    /// Lengths between neighbouring sync samples, in presentation: smallest, largest, sum.
    pub(in crate::inspect) whole: Option<Lengths>,
    /// Length of the last one, which the end of the file cuts short.
    pub(in crate::inspect) last: i64,
    /// Largest sample, in bytes.
    pub(in crate::inspect) largest_bytes: u32,
    /// Sum of all sizes, in bytes.
    pub(in crate::inspect) bytes: u64,
}

/// Smallest, largest and sum of some lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inspect) struct Lengths {
    pub(in crate::inspect) least: i64,
    pub(in crate::inspect) most: i64,
    pub(in crate::inspect) sum: i64,
}

/// Gathers [`Gops`] from rows in decode order.
#[derive(Debug, Default)]
pub(in crate::inspect) struct GopWalk {
    found: Gops,
    last_sync_pts: Option<i64>,
}

impl GopWalk {
    pub(in crate::inspect) fn push(&mut self, row: &SampleRow) {
        if self.found.samples == 0 {
            self.found.first_is_sync = row.sync;
        }
        self.found.samples += 1;
        self.found.largest_bytes = self.found.largest_bytes.max(row.size);
        self.found.bytes = self.found.bytes.saturating_add(u64::from(row.size));
        if !row.sync {
            return;
        }
        self.found.sync_samples += 1;
        if let Some(before) = self.last_sync_pts.replace(row.pts()) {
            let length = row.pts().saturating_sub(before);
            let whole = self.found.whole.get_or_insert(Lengths { least: length, most: length, sum: 0 });
            whole.least = whole.least.min(length);
            whole.most = whole.most.max(length);
            whole.sum = whole.sum.saturating_add(length);
        }
    }

    /// The result for a track whose presentation ends at `end_pts`.
    pub(in crate::inspect) fn finish(mut self, end_pts: i64) -> Gops {
        self.found.last = self.last_sync_pts.map_or(0, |pts| end_pts.saturating_sub(pts));
        self.found
    }
}

impl Gops {
    /// Whether sizes say that not every sample can be a sync sample: one is over four times the
    /// average, as the pictures are that others are predicted from.
    pub(in crate::inspect) fn sizes_are_of_inter_coding(&self) -> bool {
        const TIMES: u64 = 4;
        u64::from(self.largest_bytes).saturating_mul(self.samples) > self.bytes.saturating_mul(TIMES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::facts::cadence::tests::rows;

    fn gops(of: &[(u32, i32, bool, u32)], end: i64) -> Gops {
        let mut walk = GopWalk::default();
        rows(of).iter().for_each(|row| walk.push(row));
        walk.finish(end)
    }

    #[test]
    fn lengths_are_between_sync_samples_and_the_last_is_apart() {
        let (key, other) = ((10, 0, true, 9), (10, 0, false, 1));
        let found = gops(&[key, other, other, key, other, key], 70);
        assert_eq!(found.whole, Some(Lengths { least: 20, most: 30, sum: 50 }));
        assert_eq!((found.sync_samples, found.samples, found.last), (3, 6, 20));
        assert!(found.first_is_sync);
    }

    #[test]
    fn a_single_group_is_the_last() {
        let found = gops(&[(10, 0, false, 1), (10, 5, true, 1), (10, 0, false, 1)], 30);
        assert_eq!((found.whole, found.last, found.first_is_sync), (None, 15, false));
    }

    #[test]
    fn one_large_picture_among_small_ones_betrays_prediction() {
        let mut of = vec![(10, 0, true, 100)];
        of.resize(20, (10, 0, true, 10));
        assert!(gops(&of, 200).sizes_are_of_inter_coding());
        assert!(!gops(&[(10, 0, true, 100); 20], 200).sizes_are_of_inter_coding());
    }
}
