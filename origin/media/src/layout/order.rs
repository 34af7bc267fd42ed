//! In which order samples come to lie.
//!
//! Segments whose samples overlap in a track (edit lists that show a piece twice, or go back to a
//! sync sample) cannot each be apart: they form a **group**, and in a group each track's samples lie
//! in decode order, so that a segment is one extent all the same. Mostly a group is one segment.

use std::ops::Range;

use crate::plan::SegmentPlan;
use crate::timeline::Timeline;

/// Samples of a track that segments of one group show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interval {
    /// The group, counted in the order of its first segment.
    pub(super) group: usize,
    /// An index into the movie's tracks.
    pub(super) track: usize,
    /// Numbers of the samples in the movie.
    pub(super) samples: Range<usize>,
}

/// The groups of `plan`, each the intervals of its tracks, in the order they come to lie.
///
/// Cost: O(n log n) in segments times tracks.
pub(super) fn intervals(timeline: &Timeline, plan: &SegmentPlan) -> Vec<Interval> {
    let mut roots = Roots((0..plan.len()).collect());
    let mut found: Vec<Interval> = Vec::new();
    for track in 0..plan.tracks() {
        let mut shown = shown(timeline, plan, track);
        shown.sort_unstable_by_key(|(samples, segment)| (samples.start, samples.end, *segment));
        let before = found.len();
        for (samples, segment) in shown {
            match found.get_mut(before..).and_then(<[_]>::last_mut) {
                Some(last) if samples.start < last.samples.end => {
                    last.samples.end = last.samples.end.max(samples.end);
                    roots.join(last.group, segment);
                }
                _ => found.push(Interval { group: segment, track, samples }),
            }
        }
    }
    for interval in &mut found {
        interval.group = roots.of(interval.group);
    }
    found.sort_by_key(|interval| (interval.group, interval.track, interval.samples.start));
    number_from_zero(&mut found);
    found
}

/// The samples of the source that each segment of `track` shows; none for a track that is left out.
fn shown(timeline: &Timeline, plan: &SegmentPlan, track: usize) -> Vec<(Range<usize>, usize)> {
    let mut shown = Vec::new();
    for (segment, span) in plan.spans(track).enumerate() {
        let clip = timeline.clips().get(span.clip);
        let Some((_, part)) = clip.and_then(|clip| clip.track(track)) else { continue };
        let samples = part.numbers_of(&span.samples);
        if !samples.is_empty() {
            shown.push((samples, segment));
        }
    }
    shown
}

fn number_from_zero(intervals: &mut [Interval]) {
    let mut next = 0;
    let mut last = None;
    for interval in intervals {
        if last.replace(interval.group).is_some_and(|last| last != interval.group) {
            next += 1;
        }
        interval.group = next;
    }
}

/// Which segments belong together: each points to one before it, or to itself.
struct Roots(Vec<usize>);

impl Roots {
    /// The first segment of the group of `segment`.
    fn of(&mut self, segment: usize) -> usize {
        let mut at = segment;
        while let Some(above) = self.0.get(at).copied().filter(|above| *above != at) {
            let further = self.0.get(above).copied().unwrap_or(above);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = further;
            }
            at = further;
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        if let Some(slot) = self.0.get_mut(one.max(other)) {
            *slot = one.min(other);
        }
    }
}

/// What of `0..len` none of `covered` covers; `covered` rises and does not overlap. Each rest comes
/// with how many of `covered` are before it.
pub(super) fn rests(covered: &[Range<usize>], len: usize) -> Vec<(usize, Range<usize>)> {
    let mut rests = Vec::new();
    let mut at = 0;
    for (number, range) in covered.iter().chain([&(len..len)]).enumerate() {
        if at < range.start {
            rests.push((number, at..range.start));
        }
        at = range.end;
    }
    rests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_are_what_is_not_covered() {
        assert_eq!(rests(&[], 3), [(0, 0..3)]);
        assert_eq!(rests(&[0..2, 2..3], 3), []);
        assert_eq!(rests(&[1..2, 2..4, 6..7], 9), [(0, 0..1), (2, 4..6), (3, 7..9)]);
    }

    #[test]
    fn joined_segments_have_the_first_one_as_root() {
        let mut roots = Roots((0..6).collect());
        for (one, other) in [(5, 4), (1, 3), (4, 3)] {
            roots.join(one, other);
        }
        assert_eq!((0..6).map(|segment| roots.of(segment)).collect::<Vec<_>>(), [0, 1, 2, 1, 1, 1]);
    }
}
