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
    /// Smallest and largest distance of neighbours in presentation that are not at the same time;
    /// `None` below two samples. The last sample's duration is no distance, and often odd.
    pub(in crate::inspect) distance: Option<(i64, i64)>,
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

/// Gathers a [`Cadence`] from rows in decode order.
#[derive(Debug, Default)]
pub(in crate::inspect) struct CadenceWalk {
    found: Cadence,
    /// Presentation times held back, rising.
    pending: VecDeque<i64>,
    last_pts: Option<i64>,
    last_was_zero: bool,
}

impl CadenceWalk {
    pub(in crate::inspect) fn push(&mut self, row: &SampleRow) {
        let pts = row.pts();
        let end = pts.saturating_add(i64::from(row.duration));
        self.found.zero_durations += u64::from(self.last_was_zero);
        self.last_was_zero = row.duration == 0;
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
        while !self.pending.is_empty() {
            self.present_next();
        }
        self.found
    }

    fn present_next(&mut self) {
        let Some(pts) = self.pending.pop_front() else { return };
        match self.last_pts.replace(pts) {
            None => self.found.first_pts = pts,
            Some(before) if before == pts => self.found.repeated_times += 1,
            Some(before) => {
                let distance = pts.saturating_sub(before).saturating_abs();
                let (least, most) = self.found.distance.unwrap_or((distance, distance));
                self.found.distance = Some((least.min(distance), most.max(distance)));
            }
        }
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
        let mut walk = CadenceWalk::default();
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
}
