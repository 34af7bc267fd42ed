//! Where a timeline is cut into segments. All cutting rules live here, for VOD and for live.
//!
//! The rule: a segment ends before the first sync sample of the reference track that is presented
//! at or after [`Policy::cut_from_ms`] from the segment's start. It looks at what has gone by only,
//! so that a live stream and its recording are cut alike. Every other track is cut at the first
//! sample presented at or after the same time; other video tracks must have a sync sample there, or
//! they are left out with the reason.
//!
//! Invariants: segments cover every sample of every clip once, in order; a segment lies in one clip;
//! boundaries of tracks differ by less than one sample.

use std::ops::Range;

use crate::movie::TrackKind;
use crate::sample::{Commons, Sample};
use crate::slice::Slice;
use crate::time::{Instant, Timescale};
use crate::timeline::{Clip, Timeline};

/// Where to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// A segment ends at the first sync sample this many milliseconds or more after its start.
    pub cut_from_ms: u32,
}

impl Policy {
    /// Video on demand: 6 s segments of 2 s, 3 s or 6 s GOPs; 5 s of those that divide 5 s.
    pub const VOD: Self = Self { cut_from_ms: 5_000 };
}

/// Segments of one asset: a named limit (24 hours of one-second segments).
pub const MAX_SEGMENTS: usize = 100_000;

/// Pictures of trick play of one track: a named limit (they are half a second apart in 13 hours); in
/// what is longer they are further apart. Each clip may add one.
pub const MAX_KEY_FRAMES: i64 = 100_000;

/// The segments of a timeline.
#[derive(Debug, Clone)]
pub struct SegmentPlan {
    /// Clip of each segment.
    clips: Vec<u32>,
    /// One for each track of the timeline, in its order.
    tracks: Vec<TrackPlan>,
}

/// How one track is cut.
#[derive(Debug, Clone)]
struct TrackPlan {
    timescale: Timescale,
    /// First sample of each segment: its position in the clip's track.
    firsts: Vec<u32>,
    /// One past the last sample of each segment.
    lasts: Vec<u32>,
    /// Presentation time of each segment's start on the output timeline, in ticks.
    starts: Vec<i64>,
    /// Presentation time of each segment's end.
    ends: Vec<i64>,
    /// What the samples of each segment have in common.
    commons: Vec<Commons>,
    /// Why the track is left out.
    excluded: Option<&'static str>,
}

/// One segment of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The clip it lies in: an index into the timeline's.
    pub clip: usize,
    /// Its samples: positions in the clip's track ([`Clip::samples`]); empty where it has nothing.
    pub samples: Range<usize>,
    /// Start of presentation on the output timeline, in ticks of the track.
    pub start: i64,
    /// Length of presentation, in ticks of the track.
    pub duration: i64,
    /// What the samples have in common, their bytes among it.
    pub commons: Commons,
    /// Whether decoding starts afresh: the segment is the first of a clip other than the first.
    pub discontinuity: bool,
}

/// Why there is no plan, or no such part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Too many segments. Our limit.
    #[error("the plan has more than {limit} segments")]
    TooMany {
        /// What we accept.
        limit: usize,
    },
    /// A segment that does not exist.
    #[error("no segment {number}, there are {len}")]
    NoSuchSegment {
        /// Number asked for, from zero.
        number: usize,
        /// Segments there are.
        len: usize,
    },
    /// A track that does not exist or is left out.
    #[error("no track {track}")]
    NoSuchTrack {
        /// Index asked for.
        track: usize,
    },
}

impl SegmentPlan {
    /// Cuts `timeline` by `policy`.
    ///
    /// Cost: O(samples), once for an asset; the plan itself is a few dozen bytes a segment and track.
    ///
    /// # Errors
    /// [`PlanError::TooMany`] past [`MAX_SEGMENTS`].
    pub fn new(timeline: &Timeline, policy: Policy) -> Result<Self, PlanError> {
        let reference = timeline.reference();
        let mut plan = Self { clips: Vec::new(), tracks: Vec::new() };
        for (index, clip) in timeline.clips().iter().enumerate() {
            let cuts = reference_cuts(clip, reference, policy);
            if plan.clips.len() + cuts.len() > MAX_SEGMENTS {
                return Err(PlanError::TooMany { limit: MAX_SEGMENTS });
            }
            for track in 0..clip.tracks.len() {
                plan.cut_track(clip, track, reference, &cuts);
            }
            let clip_number = u32::try_from(index).unwrap_or(u32::MAX);
            plan.clips.extend(std::iter::repeat_n(clip_number, cuts.len()));
        }
        Ok(plan)
    }

    /// Segments.
    pub fn len(&self) -> usize {
        self.clips.len()
    }

    /// Whether there are none; never so for a plan of a timeline.
    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// Tracks, those left out included: indexes are those of the timeline.
    pub fn tracks(&self) -> usize {
        self.tracks.len()
    }

    /// Why `track` is left out, if it is.
    pub fn excluded(&self, track: usize) -> Option<&'static str> {
        self.tracks.get(track).and_then(|track| track.excluded)
    }

    /// The samples of `track` that belong to segment `number`.
    ///
    /// Boundaries come from the reference track, so spans of different tracks start at the same
    /// presentation time, within one sample. The result is empty only where the track has nothing.
    ///
    /// Cost: O(1).
    ///
    /// # Errors
    /// [`PlanError::NoSuchSegment`], [`PlanError::NoSuchTrack`].
    ///
    /// RFC 8216 §6.2.4 (variants must match in time).
    pub fn span(&self, track: usize, number: usize) -> Result<Span, PlanError> {
        let plan = self.tracks.get(track).filter(|plan| plan.excluded.is_none());
        let plan = plan.ok_or(PlanError::NoSuchTrack { track })?;
        let missing = PlanError::NoSuchSegment { number, len: self.len() };
        let clip = *self.clips.get(number).ok_or(missing)?;
        let before = number.checked_sub(1).and_then(|before| self.clips.get(before));
        let column = |values: &[i64]| values.get(number).copied().ok_or(missing);
        let first = *plan.firsts.get(number).ok_or(missing)?;
        let last = *plan.lasts.get(number).ok_or(missing)?;
        let start = column(&plan.starts)?;
        Ok(Span {
            clip: clip as usize,
            samples: first as usize..last as usize,
            start,
            duration: column(&plan.ends)? - start,
            commons: *plan.commons.get(number).ok_or(missing)?,
            discontinuity: before.is_some_and(|before| *before != clip),
        })
    }

    /// All spans of `track`, in order; none when it is left out.
    pub fn spans(&self, track: usize) -> impl Iterator<Item = Span> + '_ {
        (0..self.len()).map_while(move |number| self.span(track, number).ok())
    }

    /// The largest segment duration of all tracks, rounded to whole seconds: `EXT-X-TARGETDURATION`,
    /// the same in every playlist of the asset (RFC 8216 §4.3.3.1).
    pub fn target_duration_s(&self) -> u32 {
        let of_track = |track: usize| {
            let timescale = self.tracks.get(track).map(|plan| plan.timescale);
            let longest = self.spans(track).map(|span| span.duration).max();
            timescale.zip(longest).map_or(0, |(timescale, longest)| rounded_seconds(longest, timescale))
        };
        (0..self.tracks.len()).map(of_track).max().unwrap_or(0).max(1)
    }

    /// Cuts one track of `clip` at `cuts` and appends it to the plan.
    fn cut_track(&mut self, clip: &Clip, index: usize, reference: usize, cuts: &[Cut]) {
        let Some((track, _)) = clip.track(index) else { return };
        let mut firsts: Vec<usize> = Vec::with_capacity(cuts.len());
        let mut excluded = None;
        for (number, cut) in cuts.iter().enumerate() {
            let first = if number == 0 {
                Some(0)
            } else if index == reference {
                Some(cut.position)
            } else if track.kind() == TrackKind::Video {
                sync_sample_at(clip, index, cut.at)
            } else {
                Some(first_presented_from(clip, index, cut.at))
            };
            let Some(first) = first else {
                excluded = Some("it has no sync sample where the first video track is cut");
                break;
            };
            firsts.push(first.max(firsts.last().copied().unwrap_or(0)));
        }
        let mut plan = TrackPlan::new(track.timescale);
        plan.excluded = excluded;
        if excluded.is_none() {
            plan.measure(clip, index, &firsts, cuts);
        }
        match self.tracks.get_mut(index) {
            Some(before) => before.append(plan),
            None => self.tracks.push(plan),
        }
    }
}

impl TrackPlan {
    const fn new(timescale: Timescale) -> Self {
        Self {
            timescale,
            firsts: Vec::new(),
            lasts: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
            commons: Vec::new(),
            excluded: None,
        }
    }

    fn append(&mut self, other: Self) {
        self.excluded = self.excluded.or(other.excluded);
        self.firsts.extend(other.firsts);
        self.lasts.extend(other.lasts);
        self.starts.extend(other.starts);
        self.ends.extend(other.ends);
        self.commons.extend(other.commons);
    }

    /// Walks the samples once and notes times and bytes of the segments that start at `firsts`.
    fn measure(&mut self, clip: &Clip, index: usize, firsts: &[usize], cuts: &[Cut]) {
        let Some((track, part)) = clip.track(index) else { return };
        let ends = firsts.iter().skip(1).copied().chain([part.len()]);
        for ((first, last), cut) in firsts.iter().copied().zip(ends).zip(cuts) {
            let (mut commons, mut start, mut end) = (Commons::default(), i64::MAX, i64::MIN);
            for sample in clip.samples(index, first..last) {
                commons.push(sample.duration, sample.composition_offset, sample.sync, sample.payload.len());
                start = start.min(sample.pts());
                end = end.max(sample.pts() + i64::from(sample.duration));
            }
            if first >= last {
                let at = cut.at.timescale.rescale(cut.at.ticks, track.timescale);
                (start, end) = (at, at);
            }
            // With reordering a segment ends on paper after its neighbour starts: what counts is the next
            // start. But where the track has nothing more, its end stays what it is.
            if let Some(before) = self.ends.last_mut()
                && first < part.len()
            {
                *before = start;
            }
            self.firsts.push(u32::try_from(first).unwrap_or(u32::MAX));
            self.lasts.push(u32::try_from(last).unwrap_or(u32::MAX));
            self.starts.push(start);
            self.ends.push(end);
            self.commons.push(commons);
        }
    }
}

/// A boundary: the reference sample that starts a segment, and when it is presented.
#[derive(Debug, Clone, Copy)]
struct Cut {
    position: usize,
    at: Instant,
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
        let ms = Timescale::new(1000).expect("not zero");
        Self { least: ms.rescale(i64::from(policy.cut_from_ms), timescale), start: None }
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
fn reference_cuts(clip: &Clip, reference: usize, policy: Policy) -> Vec<Cut> {
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
fn sync_samples(clip: &Clip, index: usize) -> impl Iterator<Item = (usize, i64)> + '_ {
    let of_track = clip.track(index);
    of_track.into_iter().flat_map(|(track, part)| {
        let range = part.samples.clone();
        let numbers = track.samples.sync_indexes().skip_while(move |sync| *sync < range.start);
        let rows =
            numbers.take_while(|sync| *sync < part.samples.end).filter_map(|sync| track.samples.row(sync));
        rows.map(|row| (part.position_of(row.index), part.place(&row).1))
    })
}

/// The sync sample of another video track presented at `at`, within half its duration.
fn sync_sample_at(clip: &Clip, index: usize, at: Instant) -> Option<usize> {
    let (track, part) = clip.track(index)?;
    let wanted = at.timescale.rescale(at.ticks, track.timescale) - part.shift;
    let near = track.samples.first_at_or_after(wanted).min(part.samples.end);
    let from = near.saturating_sub(16).max(part.samples.start);
    let mut rows = track.samples.rows(from..near.saturating_add(17).min(part.samples.end));
    let found = rows.find(|row| row.sync && (row.pts() - wanted).abs() * 2 <= i64::from(row.duration.max(1)));
    found.map(|row| part.position_of(row.index))
}

/// The position of the first audio sample presented at or after `at`.
fn first_presented_from(clip: &Clip, index: usize, at: Instant) -> usize {
    let Some((track, part)) = clip.track(index) else { return 0 };
    let before = |position: usize| {
        let sample = clip.sample(index, position);
        sample.is_some_and(|sample| Instant::new(sample.pts(), track.timescale) < at)
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

/// The samples of `span`, placed on the output timeline.
///
/// Cost: O(log chunks + samples of the span); no allocation.
pub fn samples<'a>(
    timeline: &'a Timeline,
    track: usize,
    span: &Span,
) -> impl Iterator<Item = Sample<Slice>> + Clone + 'a {
    let range = span.samples.clone();
    timeline.clips().get(span.clip).into_iter().flat_map(move |clip| clip.samples(track, range.clone()))
}

/// Sync samples that trick play shows: at least half a second apart, so that a source of nothing but
/// sync samples does not list every frame.
pub fn key_frames(timeline: &Timeline, plan: &SegmentPlan, track: usize) -> Vec<KeyFrame> {
    let mut frames: Vec<KeyFrame> = Vec::new();
    let whole: i64 = plan.spans(track).map(|span| span.duration.max(0)).sum();
    for (number, clip) in timeline.clips().iter().enumerate() {
        let Some((of_clip, _)) = clip.track(track) else { continue };
        let apart = (i64::from(of_clip.timescale.ticks_per_s()) / 2).max(whole / MAX_KEY_FRAMES + 1);
        let first = frames.len();
        for (position, pts) in sync_samples(clip, track) {
            if frames.get(first..).and_then(<[_]>::last).is_none_or(|last| pts - last.pts >= apart) {
                frames.push(KeyFrame { clip: number, position, pts, duration: 0 });
            }
        }
        let clip_end =
            plan.spans(track).filter(|span| span.clip == number).map(|span| span.start + span.duration).max();
        let mut next = clip_end.unwrap_or(0);
        for frame in frames.iter_mut().skip(first).rev() {
            frame.duration = (next - frame.pts).max(1);
            next = frame.pts;
        }
    }
    frames
}

/// One picture of trick play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFrame {
    /// The clip it lies in.
    pub clip: usize,
    /// Position of the sample in the clip's track.
    pub position: usize,
    /// Presentation time on the output timeline, in ticks of the track.
    pub pts: i64,
    /// Time to the next one, in ticks of the track.
    pub duration: i64,
}

fn rounded_seconds(ticks: i64, timescale: Timescale) -> u32 {
    let second = Timescale::new(1).expect("not zero");
    u32::try_from(timescale.rescale(ticks, second).max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
