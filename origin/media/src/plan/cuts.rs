//! Where each track of a clip is cut.

use std::ops::Range;

use super::Policy;
use crate::time::{Instant, Timescale};
use crate::timeline::Clip;

/// A boundary: the reference sample that starts a segment, and when it is presented.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) position: usize,
    pub(super) at: Instant,
}

/// Decides the cuts, one sync sample after the other. Live and VOD share it.
#[derive(Debug, Clone)]
pub struct Cutter {
    least: i64,
    start: Option<i64>,
}

impl Cutter {
    /// A cutter for a reference track of `timescale`.
    pub fn new(policy: Policy, timescale: Timescale) -> Self {
        Self { least: Timescale::MS.rescale(i64::from(policy.cut_from_ms), timescale), start: None }
    }

    /// Whether a segment starts at the sync sample presented at `pts` ticks.
    pub const fn push(&mut self, pts: i64) -> bool {
        let cut = match self.start {
            None => true,
            Some(start) => pts - start >= self.least,
        };
        if cut {
            self.start = Some(pts);
        }
        cut
    }
}

/// The cuts of a clip; the first is its first sample.
pub(super) fn reference_cuts(clip: &Clip, reference: usize, policy: Policy) -> Vec<Cut> {
    let Some((track, _)) = clip.track(reference) else { return Vec::new() };
    let mut cutter = Cutter::new(policy, track.timescale);
    let mut cuts = Vec::new();
    let at = |pts: i64| Instant::new(pts, track.timescale);
    for (position, pts) in sync_samples(clip, reference) {
        if cutter.push(pts) {
            cuts.push(Cut { position, at: at(pts) });
        }
    }
    if cuts.first().is_none_or(|cut| cut.position != 0) {
        let pts = clip.sample(reference, 0).map_or(0, |sample| sample.pts());
        cuts.insert(0, Cut { position: 0, at: at(pts) });
    }
    cuts
}

/// The sync samples that the source has of a track in a clip: positions and presentation times.
pub(super) fn sync_samples(clip: &Clip, index: usize) -> impl Iterator<Item = (usize, i64)> + '_ {
    let of_track = clip.track(index);
    of_track.into_iter().flat_map(|(track, part)| {
        let numbers = track.samples.sync_indexes(part.samples.clone());
        let timed = numbers.filter_map(|number| Some((number, track.samples.pts(number)?)));
        timed.map(|(number, pts)| (part.position_of(number), part.place_pts(number, pts)))
    })
}

/// The sync sample of another video track presented at `at`, within half its duration.
pub(super) fn sync_sample_at(clip: &Clip, index: usize, at: Instant) -> Option<usize> {
    let (track, part) = clip.track(index)?;
    let wanted = at.timescale.rescale(at.ticks, track.timescale) - part.shift;
    let near = track.samples.first_at_or_after(wanted).min(part.samples.end);
    let from = near.saturating_sub(16).max(part.samples.start);
    let mut rows = track.samples.rows(from..near.saturating_add(17).min(part.samples.end));
    let found = rows.find(|row| row.sync && (row.pts() - wanted).abs() * 2 <= i64::from(row.duration.max(1)));
    found.map(|row| part.position_of(row.index))
}

/// The position of the first audio sample presented at or after `at`.
pub(super) fn first_presented_from(clip: &Clip, index: usize, at: Instant) -> usize {
    let Some((track, part)) = clip.track(index) else { return 0 };
    let before = |position: usize| {
        let pts = clip.pts(index, position);
        pts.is_some_and(|pts| Instant::new(pts, track.timescale) < at)
    };
    let source = part.of_source();
    let made = first_not(0..source.start, before);
    if made < source.start {
        return made;
    }
    let wanted = at.timescale.rescale(at.ticks, track.timescale) - part.shift;
    let near = track.samples.first_at_or_after(wanted).clamp(part.samples.start, part.samples.end);
    let mut position = part.position_of(near);
    while position > source.start && !before(position - 1) {
        position -= 1;
    }
    while position < source.end && before(position) {
        position += 1;
    }
    if position < source.end { position } else { first_not(source.end..part.len(), before) }
}

/// The first of `range` for which `is` does not hold; it holds for all before that one.
fn first_not(range: Range<usize>, is: impl Fn(usize) -> bool) -> usize {
    let Range { mut start, mut end } = range;
    while start < end {
        let middle = start.midpoint(end);
        if is(middle) { start = middle + 1 } else { end = middle }
    }
    start
}
