//! How far apart in the file the tracks of a segment lie.

use rillcast_media::plan::{SegmentPlan, samples};
use rillcast_media::slice::Slice;
use rillcast_media::timeline::Timeline;

/// The widest gap in bytes between two tracks' samples of one segment: what a read that wants both
/// has to skip. 0 where the tracks are interleaved at least once a segment.
///
/// Cost: O(samples of all served tracks).
pub(in crate::inspect) fn widest_gap_bytes(timeline: &Timeline, plan: &SegmentPlan) -> u64 {
    (0..plan.len()).map(|number| gap(&extents(timeline, plan, number))).max().unwrap_or(0)
}

/// First and last byte of each track's samples in segment `number`.
fn extents(timeline: &Timeline, plan: &SegmentPlan, number: usize) -> Vec<(u64, u64)> {
    let of_track = |index: usize| {
        let span = plan.span(index, number).ok()?;
        samples(timeline, index, &span)
            .filter_map(|sample| match sample.payload {
                Slice::Extent(extent) => Some((extent.offset, extent.offset.saturating_add(extent.len))),
                Slice::Mem(_) => None,
            })
            .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    };
    (0..plan.tracks()).filter_map(of_track).collect()
}

/// The largest piece of the file between the extents that none of them covers.
fn gap(extents: &[(u64, u64)]) -> u64 {
    let mut sorted = extents.to_vec();
    sorted.sort_unstable();
    let mut reach: Option<u64> = None;
    let mut widest = 0;
    for (start, end) in sorted {
        widest = widest.max(reach.map_or(0, |reach| start.saturating_sub(reach)));
        reach = reach.max(Some(end));
    }
    widest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_between_what_is_covered() {
        for (extents, expected) in [
            (vec![], 0),
            (vec![(5, 9)], 0),
            (vec![(0, 10), (5, 20)], 0),
            (vec![(100, 110), (0, 10)], 90),
            (vec![(0, 50), (10, 20), (60, 70)], 10),
        ] {
            assert_eq!(gap(&extents), expected, "{extents:?}");
        }
    }
}
