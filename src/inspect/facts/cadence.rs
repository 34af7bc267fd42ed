//! How samples follow each other in presentation: distances, reordering, repeats.

use std::collections::VecDeque;

use rillcast_media::movie::SampleRow;

/// Samples held back to put them into order of presentation: more than any codec reorders.
const REORDER_WINDOW: usize = 64;

/// The rhythm of a track, in its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::inspect) struct Cadence {
    /// Samples.
    pub(in crate::inspect) samples: u64,
    /// Smallest and largest distance of neighbours in presentation that are not at the same time, holes of
    /// [`Cadence::missing_at_end`] aside; `None` below two samples. The last sample's duration is no distance,
    /// and often odd.
    pub(in crate::inspect) distance: Option<(i64, i64)>,
    /// Samples that lack among the last, because a steady track was cut in decoding order: what would be
    /// decoded behind the cut is missing in front of what was decoded before it.
    pub(in crate::inspect) missing_at_end: u64,
    /// Samples presented at the same time as the one before.
    pub(in crate::inspect) repeated_times: u64,
    /// Samples with a duration of zero, the last one aside.
    pub(in crate::inspect) zero_durations: u64,
    /// Most samples that precede one in decoding and follow it in presentation: 0 without B-frames.
    pub(in crate::inspect) reorder_depth: usize,
    /// First presentation time of the media.
    pub(in crate::inspect) first_pts: i64,
    /// Last presentation time plus its sample's duration.
    pub(in crate::inspect) end_pts: i64,
}

impl Cadence {
    /// Whether distances differ by no more than `slack` ticks.
    pub(in crate::inspect) fn is_constant(&self, slack: i64) -> bool {
        self.distance.is_none_or(|(least, most)| most.saturating_sub(least) <= slack)
    }
}

/// Gathers a [`Cadence`] from rows in decode order.
#[derive(Debug)]
pub(in crate::inspect) struct CadenceWalk {
    found: Cadence,
    /// Ticks by which the distances of a steady track differ.
    slack: i64,
    /// Smallest composition offset.
    least_offset: i64,
    last_dts: i64,
    /// Presentation times held back, rising.
    pending: VecDeque<i64>,
    last_pts: Option<i64>,
    last_was_zero: bool,
}

impl CadenceWalk {
    /// A walk that takes distances for the same that differ by up to `slack` ticks.
    pub(in crate::inspect) fn new(slack: i64) -> Self {
        Self {
            found: Cadence::default(),
            slack,
            least_offset: i64::MAX,
            last_dts: 0,
            pending: VecDeque::new(),
            last_pts: None,
            last_was_zero: false,
        }
    }

    pub(in crate::inspect) fn push(&mut self, row: &SampleRow) {
        let pts = row.pts();
        let end = pts.saturating_add(i64::from(row.duration));
        self.found.zero_durations += u64::from(self.last_was_zero);
        self.last_was_zero = row.duration == 0;
        self.least_offset = self.least_offset.min(i64::from(row.composition_offset));
        self.last_dts = row.dts;
        self.found.end_pts = if self.found.samples == 0 { end } else { self.found.end_pts.max(end) };
        self.found.samples += 1;
        let place = self.pending.partition_point(|earlier| *earlier <= pts);
        self.found.reorder_depth = self.found.reorder_depth.max(self.pending.len() - place);
        self.pending.insert(place, pts);
        if self.pending.len() > REORDER_WINDOW {
            self.present_next();
        }
    }

    pub(in crate::inspect) fn finish(mut self) -> Cadence {
        // A sample that was cut off is decoded later than the last one, so none is missing before this time.
        let whole_to = self.last_dts.saturating_add(self.least_offset);
        while self.pending.front().is_some_and(|pts| *pts <= whole_to) {
            self.present_next();
        }
        let mut tail = Vec::new();
        while let Some(pts) = self.pending.pop_front() {
            tail.extend(self.present(pts));
        }
        match self.missing_in(&tail) {
            0 => tail.iter().for_each(|distance| self.found.note(*distance)),
            missing => self.found.missing_at_end = missing,
        }
        self.found
    }

    fn present_next(&mut self) {
        let Some(pts) = self.pending.pop_front() else { return };
        if let Some(distance) = self.present(pts) {
            self.found.note(distance);
        }
    }

    /// The distance of the sample at `pts` from the one before it; `None` for the first, and for repeats.
    fn present(&mut self, pts: i64) -> Option<i64> {
        match self.last_pts.replace(pts) {
            None => self.found.first_pts = pts,
            Some(before) if before == pts => self.found.repeated_times += 1,
            Some(before) => return Some(pts.saturating_sub(before).saturating_abs()),
        }
        None
    }

    /// How many samples fit into `tail`, the distances of the last samples, so that they follow each other as
    /// all before; 0 where the track is not steady or the distances are no multiples of its own.
    fn missing_in(&self, tail: &[i64]) -> u64 {
        let Some((least, most)) = self.found.distance.filter(|_| self.found.is_constant(self.slack)) else {
            return 0;
        };
        let mut missing = 0u64;
        for distance in tail {
            let times = (distance.saturating_add(most / 2) / most).max(1);
            let exact = least.saturating_mul(times).saturating_sub(self.slack)
                ..=most.saturating_mul(times).saturating_add(self.slack);
            if !exact.contains(distance) {
                return 0;
            }
            missing = missing.saturating_add(u64::try_from(times - 1).unwrap_or(0));
        }
        missing
    }
}

impl Cadence {
    fn note(&mut self, distance: i64) {
        let (least, most) = self.distance.unwrap_or((distance, distance));
        self.distance = Some((least.min(distance), most.max(distance)));
    }
}

#[cfg(test)]
pub(in crate::inspect) mod tests {
    use super::*;

    /// Rows of (duration, composition offset, sync, size), one after the other.
    pub(in crate::inspect) fn rows(of: &[(u32, i32, bool, u32)]) -> Vec<SampleRow> {
        let (mut dts, mut offset) = (0, 0);
        let row = |(index, (duration, composition_offset, sync, size)): (usize, &(u32, i32, bool, u32))| {
            let row = SampleRow {
                index,
                dts,
                duration: *duration,
                composition_offset: *composition_offset,
                sync: *sync,
                offset,
                size: *size,
            };
            dts += i64::from(*duration);
            offset += u64::from(*size);
            row
        };
        of.iter().enumerate().map(row).collect()
    }

    fn cadence(of: &[(u32, i32)]) -> Cadence {
        let of: Vec<_> = of.iter().map(|(duration, offset)| (*duration, *offset, false, 1)).collect();
        let mut walk = CadenceWalk::new(1);
        rows(&of).iter().for_each(|row| walk.push(row));
        walk.finish()
    }

    #[test]
    fn reordered_frames_of_one_distance_are_even() {
        // Decoded I P B B, presented I B B P; twice.
        let group = [(10, 10), (10, 30), (10, 0), (10, 0)];
        let found = cadence(&[group, group].concat());
        assert_eq!((found.distance, found.reorder_depth), (Some((10, 10)), 1));
        assert_eq!((found.first_pts, found.end_pts), (10, 90));
    }

    #[test]
    fn depth_counts_all_frames_a_picture_waits_for() {
        // A pyramid: I P B b, where b is shown before B and B before P.
        let found = cadence(&[(10, 20), (10, 40), (10, 10), (10, -10)]);
        assert_eq!(found.reorder_depth, 2);
        assert_eq!(cadence(&[(10, 0); 200]).reorder_depth, 0);
    }

    #[test]
    fn the_last_duration_does_not_count() {
        let found = cadence(&[(10, 0), (10, 0), (10, 0), (700, 0)]);
        assert_eq!((found.distance, found.end_pts), (Some((10, 10)), 730));
        assert_eq!(cadence(&[(10, 0)]).distance, None);
    }

    #[test]
    fn zero_durations_and_repeats_are_counted() {
        let found = cadence(&[(10, 0), (0, 0), (0, 0), (10, 0), (0, 0)]);
        assert_eq!((found.zero_durations, found.repeated_times, found.distance), (2, 2, Some((10, 10))));
    }

    #[test]
    fn an_uneven_track_has_two_distances() {
        assert_eq!(cadence(&[(10, 0), (40, 0), (10, 0), (1, 0)]).distance, Some((10, 40)));
    }

    /// A group that is decoded as I P B B and presented as I B B P, some times over, without its last `cut`.
    fn cut(groups: usize, cut: usize) -> Cadence {
        let mut of = [(10, 10), (10, 30), (10, 0), (10, 0)].repeat(groups);
        of.truncate(of.len() - cut);
        cadence(&of)
    }

    #[test]
    fn a_hole_at_the_end_is_missing_samples_and_not_another_distance() {
        for (lost, missing) in [(0, 0), (1, 1), (2, 2), (3, 0)] {
            let found = cut(3, lost);
            assert_eq!((found.distance, found.missing_at_end), (Some((10, 10)), missing), "{lost} cut off");
        }
        // The same where reordering is done with negative offsets.
        let found = cadence(&[(10, 0), (10, 20), (10, -10), (10, -10), (10, 0), (10, 20), (10, -10)]);
        assert_eq!((found.distance, found.missing_at_end), (Some((10, 10)), 1));
    }

    #[test]
    fn other_holes_are_another_distance() {
        // In the middle; at the end of a track without reordering; no multiple; in a track that is not steady.
        let middle = [(10, 10), (10, 30), (20, 0), (10, 10), (10, 30), (10, 0), (10, 0)];
        assert_eq!(cadence(&middle).missing_at_end, 0);
        let plain = cadence(&[(10, 0), (10, 0), (30, 0), (10, 0)]);
        assert_eq!((plain.distance, plain.missing_at_end), (Some((10, 30)), 0));
        let odd = cadence(&[(10, 10), (10, 10), (10, 10), (10, 25)]);
        assert_eq!((odd.distance, odd.missing_at_end), (Some((10, 25)), 0));
        let unsteady = cadence(&[(10, 10), (40, 10), (10, 30), (10, 0)]);
        assert_eq!(unsteady.missing_at_end, 0);
    }
}
