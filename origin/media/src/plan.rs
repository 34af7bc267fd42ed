//! Where a timeline is cut into segments. All cutting rules live here, for VOD and for live.
//!
//! The rule: a segment ends before the first sync sample of the reference track that is presented
//! at or after [`Policy::cut_from_ms`] from the segment's start. It looks at what has gone by only,
//! so that a live stream and its recording are cut alike. Every other track is cut at the first
//! sample presented at or after the same time; other video tracks must have a sync sample there, or
//! they are left out with the reason.
//!
//! Decode times are fitted into the segment ([`samples`]); the last picture is held while the sound goes on.
//!
//! Invariants: segments cover every sample of every clip once, in order; a segment lies in one clip;
//! boundaries of tracks differ by less than one sample; the decode time of a segment's first sample is the
//! segment's start, and the durations of its samples add up to its length.

mod cuts;
mod key_frames;
mod stored;
mod table;
mod track;
mod window;

use std::ops::Range;

pub use self::cuts::Cutter;
use self::cuts::{Cut, first_presented_from, reference_cuts, sync_sample_at};
pub use self::key_frames::{KeyFrame, MAX_KEY_FRAMES, key_frames};
use self::track::{Draft, TrackDraft, TrackPlan, fitting_decode_time, hold_last_pictures};
use self::window::Window;
use crate::movie::{Run, TrackKind};
use crate::sample::{Commons, Sample};
use crate::slice::{Slice, SourceIndex};
use crate::time::Timescale;
use crate::timeline::{self, Clip, Timeline};

const UNALIGNED: &str = "it has no sync sample where the first video track is cut";

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
/// No time on the output timeline is further from zero, in ticks: a timeline is a year at most.
pub(crate) const MAX_TIME: i64 = 1 << 60;

/// The segments of a timeline.
#[derive(Debug, Clone)]
pub struct SegmentPlan {
    /// Clip of each segment.
    clips: Vec<u32>,
    /// One for each track of the timeline, in its order.
    tracks: Vec<TrackPlan>,
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
        let mut tracks = Vec::new();
        for (index, clip) in timeline.clips().iter().enumerate() {
            let cuts = reference_cuts(clip, reference, policy);
            if plan.clips.len() + cuts.len() > MAX_SEGMENTS {
                return Err(PlanError::TooMany { limit: MAX_SEGMENTS });
            }
            cut_clip(&mut tracks, clip, reference, &cuts, index + 1 == timeline.clips().len());
            let clip_number = u32::try_from(index).unwrap_or(u32::MAX);
            plan.clips.extend(std::iter::repeat_n(clip_number, cuts.len()));
        }
        plan.tracks = tracks.into_iter().map(TrackDraft::finish).collect();
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
        let row = plan.segments.get(number).ok_or(missing)?;
        Ok(Span {
            clip: clip as usize,
            samples: row.first as usize..row.last as usize,
            start: row.start,
            duration: row.end - row.start,
            commons: row.commons,
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
}

/// Cuts all tracks of `clip` and appends them to `tracks`.
fn cut_clip(tracks: &mut Vec<TrackDraft>, clip: &Clip, reference: usize, cuts: &[Cut], is_last: bool) {
    let firsts: Vec<_> = (0..clip.tracks.len()).map(|index| firsts(clip, index, reference, cuts)).collect();
    let mut drafts: Vec<Option<Draft>> = (firsts.iter().enumerate())
        .map(|(index, firsts)| Draft::new(clip, index, firsts.as_deref()?, cuts))
        .collect();
    if is_last {
        hold_last_pictures(&mut drafts);
    }
    for (index, draft) in drafts.into_iter().enumerate() {
        let Some((track, _)) = clip.track(index) else { continue };
        if tracks.len() == index {
            tracks.push(TrackDraft::new(track.timescale));
        }
        if let Some(grown) = tracks.get_mut(index) {
            grown.append(clip, draft, UNALIGNED);
        }
    }
}

/// Where the segments of a track of `clip` start, as positions; `None` if it cannot be cut there.
fn firsts(clip: &Clip, index: usize, reference: usize, cuts: &[Cut]) -> Option<Vec<usize>> {
    let (track, _) = clip.track(index)?;
    let mut firsts: Vec<usize> = Vec::with_capacity(cuts.len());
    for (number, cut) in cuts.iter().enumerate() {
        let first = if number == 0 {
            0
        } else if index == reference {
            cut.position
        } else if track.kind() == TrackKind::Video {
            sync_sample_at(clip, index, cut.at)?
        } else {
            first_presented_from(clip, index, cut.at)
        };
        firsts.push(first.max(firsts.last().copied().unwrap_or(0)));
    }
    Some(firsts)
}

/// The samples of `span`, placed on the output timeline.
///
/// Cost: O(log chunks + samples of the span); no allocation. The iterator holds some 3 KB.
pub fn samples<'a>(timeline: &'a Timeline, track: usize, span: &Span) -> Samples<'a> {
    let clip = timeline.clips().get(span.clip);
    let of_track = clip.and_then(|clip| Some((clip, clip.track(track)?.0.timescale)));
    Samples(of_track.map(|(clip, timescale)| {
        let window = Window::new(span.start, span.start + span.duration, span.samples.len(), timescale);
        Fitted { samples: clip.samples(track, span.samples.clone()), window, number: 0 }
    }))
}

/// The samples of `span` as the source has them, if that is as the segment has them: none is made or moved, and
/// decode times fit.
///
/// Cost: O(samples of the span): some 20 instructions each.
pub(crate) fn in_source<'a>(timeline: &'a Timeline, track: usize, span: &Span) -> Option<InSource<'a>> {
    let clip = timeline.clips().get(span.clip)?;
    let (of_clip, part) = clip.track(track)?;
    let numbers = part.unmoved_numbers(&span.samples)?;
    let window = Window::new(span.start, span.start + span.duration, numbers.len(), of_clip.timescale);
    let decode_time = fitting_decode_time(of_clip, part, &span.samples, window)?;
    let run = Run::new(&of_clip.samples, numbers);
    Some(InSource { run, source: clip.source, decode_time, decode_delay: part.decode_delay.into() })
}

/// Samples of a segment that stand where the source has them.
#[derive(Debug, Clone)]
pub(crate) struct InSource<'a> {
    pub(crate) run: Run<'a>,
    pub(crate) source: SourceIndex,
    /// Of the first one, in ticks on the output timeline.
    pub(crate) decode_time: i64,
    /// What composition offsets are less than in the source, in ticks.
    pub(crate) decode_delay: i64,
}

/// Iterator of [`samples`].
#[derive(Debug, Clone)]
pub struct Samples<'a>(Option<Fitted<'a>>);

/// Samples of a segment, each put where the segment has it.
#[derive(Debug, Clone)]
struct Fitted<'a> {
    samples: timeline::Samples<'a>,
    window: Window,
    /// The next one, from the segment's first.
    number: usize,
}

impl Iterator for Samples<'_> {
    type Item = Sample<Slice>;

    #[inline(always)]
    fn next(&mut self) -> Option<Sample<Slice>> {
        let Fitted { samples, window, number } = self.0.as_mut()?;
        let fitted = window.fit(*number, samples.next()?);
        *number += 1;
        Some(fitted)
    }

    fn fold<B, F: FnMut(B, Sample<Slice>) -> B>(self, init: B, mut f: F) -> B {
        let Some(Fitted { samples, window, mut number }) = self.0 else { return init };
        samples.fold(init, |folded, sample| {
            let fitted = window.fit(number, sample);
            number += 1;
            f(folded, fitted)
        })
    }
}

fn rounded_seconds(ticks: i64, timescale: Timescale) -> u32 {
    let second = Timescale::new(1).expect("not zero");
    u32::try_from(timescale.rescale(ticks, second).max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
