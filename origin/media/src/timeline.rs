//! What of the sources is shown, and when: a list of clips.
//!
//! A timeline is a list of clips even when it has one: an edit list, stitching, advertisements, DVR
//! and content replacement all are lists of clips with discontinuities between them.
//!
//! ```text
//!  movie time      0 ────────▶                              (edit lists are read here and nowhere else)
//!  output time    10 s ──────▶    first presented video frame is here; audio priming starts before it
//!
//!  clip 0: movie A, samples a..b of each track, shift per track ┐
//!  clip 1: movie A or B, …                                      ┘  DISCONTINUITY between
//! ```
//!
//! **Time zero** is one rule: output has no edit lists; [`OFFSET_S`](crate::time::OFFSET_S) is added
//! in every track; the first presented frame of the reference track (the first video track, else the
//! first audio track) is exactly at the offset, and every other track keeps its distance from it, to
//! the nearest tick. Samples before an edit's start are kept back to the sync sample that decoding
//! them needs, those of audio back to the priming.
//!
//! Spec: ISO/IEC 14496-12 §8.6.5, §8.6.6.

mod edits;

use std::ops::Range;
use std::sync::Arc;

use self::edits::{MediaEdit, media_edits};
use crate::movie::{Movie, Track, TrackKind};
use crate::slice::SourceIndex;
use crate::time::Timescale;

/// Audio before an edit's start that counts as priming when it reaches back to the first sample.
const PRIMING_MAX_MS: i64 = 250;
/// Audio samples before an edit's start that decoding needs (AAC overlaps by one).
const AUDIO_PREROLL_SAMPLES: usize = 1;
/// An edit that ends this close to the end of the media runs to the end: muxers write the duration
/// of the other track there, or one rounded to a coarse movie timescale.
const END_SLACK_MS: i64 = 100;
/// Longest track, and longest edit list, in seconds: a named limit (more than a year), so that sums of
/// times never overflow.
pub const MAX_DURATION_S: i64 = 1 << 25;
/// Samples that all clips together show, at least; [`MAX_TIMES_SHOWN`] allows more in a long movie.
const MIN_SHOWN_SAMPLES: usize = 1 << 22;
/// How many times over an edit list may show the samples of a movie: a named limit. Each part goes
/// back to the sync sample it needs, so that many parts of one long GOP are many times the GOP.
const MAX_TIMES_SHOWN: usize = 16;
/// Distance in which a sample may be reordered, in samples: more than any codec's reordering.
const REORDER_SAMPLES: usize = 64;

/// What is shown, and when.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// In order of presentation; never empty.
    clips: Vec<Clip>,
}

/// A piece of one movie.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Which source of the asset the samples lie in.
    pub source: SourceIndex,
    /// The parsed source.
    pub movie: Arc<Movie>,
    /// One entry for each track of the movie, in its order.
    pub tracks: Vec<ClipTrack>,
}

/// The part of one track that belongs to a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipTrack {
    /// Numbers of the samples, in decode order; may be empty.
    pub samples: Range<usize>,
    /// What is added to a media time to get the output time, in ticks of the track.
    pub shift: i64,
    /// How much later than in the source samples are decoded, in ticks: their decode times grow by it,
    /// their composition offsets shrink by it (and may become negative). It is the composition offset
    /// of the first sample, so that a segment's decode time is its presentation time: players place
    /// segments by decode time, and would start with a hole as long as the reordering delay.
    pub decode_delay: i32,
}

/// Why a movie has no timeline we can make. The file may be correct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// An edit list of a shape that is not served.
    #[error("the edit list of track {track} {reason}, which is not supported")]
    Edits {
        /// Track id.
        track: u32,
        /// What it does.
        reason: &'static str,
    },
    /// Nothing is left of the reference track.
    #[error("no sample of track {track} is ever shown")]
    Nothing {
        /// Track id.
        track: u32,
    },
}

impl Timeline {
    /// The timeline of a movie alone: what its edit lists say.
    ///
    /// # Errors
    /// [`TimelineError`] for edit lists that stretch, repeat out of step, or leave nothing.
    pub fn of_movie(movie: &Arc<Movie>) -> Result<Self, TimelineError> {
        let reference = reference_track(movie).ok_or(TimelineError::Nothing { track: 0 })?;
        let edits = movie
            .tracks
            .iter()
            .map(|track| media_edits(track, movie.timescale))
            .collect::<Result<Vec<_>, _>>()?;
        let count = edits::common_count(movie, &edits)?;
        let mut clips = Vec::with_capacity(count);
        // Output time at which the next clip starts, in movie ticks after the offset.
        let mut start = 0;
        let samples: usize = movie.tracks.iter().map(|track| track.samples.len()).sum();
        let most = samples.saturating_mul(MAX_TIMES_SHOWN).max(MIN_SHOWN_SAMPLES);
        let mut shown = 0usize;
        for index in 0..count {
            let of_clip: Vec<&MediaEdit> = edits.iter().filter_map(|track| track.get(index)).collect();
            let clip = clip(movie, reference, &of_clip, start)?;
            start += of_clip.get(reference).map_or(0, |edit| edit.duration);
            shown += clip.tracks.iter().map(|part| part.samples.len()).sum::<usize>();
            if shown > most {
                let track = movie.tracks.get(reference).map_or(0, |track| track.id);
                return Err(TimelineError::Edits { track, reason: "shows the same samples too often" });
            }
            clips.push(clip);
        }
        Ok(Self { clips })
    }

    /// The clips, in order; never empty.
    pub fn clips(&self) -> &[Clip] {
        &self.clips
    }

    /// The track whose samples decide where segments are cut: an index into the tracks of every clip.
    pub fn reference(&self) -> usize {
        self.clips.first().and_then(|clip| reference_track(&clip.movie)).unwrap_or(0)
    }
}

impl Clip {
    /// Track `index` of the movie with its part in this clip.
    pub fn track(&self, index: usize) -> Option<(&Track, &ClipTrack)> {
        self.movie.tracks.get(index).zip(self.tracks.get(index))
    }
}

/// The first video track, else the first audio track.
fn reference_track(movie: &Movie) -> Option<usize> {
    let of_kind =
        |kind| movie.tracks.iter().position(|track| track.kind() == kind && !track.samples.is_empty());
    of_kind(TrackKind::Video).or_else(|| of_kind(TrackKind::Audio))
}

/// The clip that shows `edits` (one a track), starting at `start` movie ticks after the offset.
fn clip(
    movie: &Arc<Movie>,
    reference: usize,
    edits: &[&MediaEdit],
    start: i64,
) -> Result<Clip, TimelineError> {
    let nothing = |track: Option<&Track>| TimelineError::Nothing { track: track.map_or(0, |track| track.id) };
    let track = movie.tracks.get(reference);
    let (Some(track), Some(edit)) = (track, edits.get(reference)) else { return Err(nothing(track)) };
    let first = first_presented(track, edit).ok_or_else(|| nothing(Some(track)))?;
    // When the reference is first seen, in movie time: its lead, and how far its first frame is from the edit.
    let lead = movie.timescale.rescale(edit.lead, track.timescale);
    let zero = Zero { at: lead + (first - edit.media_time), timescale: track.timescale };
    let tracks = movie.tracks.iter().zip(edits).map(|(track, edit)| ClipTrack {
        decode_delay: decode_delay(track, &shown(track, edit)),
        samples: shown(track, edit),
        shift: shift(track, edit, zero, start, movie.timescale),
    });
    let tracks: Vec<_> = tracks.collect();
    let early = movie.tracks.iter().zip(&tracks).find(|(track, part)| begins_too_early(track, part));
    if let Some((track, _)) = early {
        let reason = "has it begin more than 10 s before the first frame that is shown";
        return Err(TimelineError::Edits { track: track.id, reason });
    }
    if tracks.get(reference).is_none_or(|track| track.samples.is_empty()) {
        return Err(nothing(Some(track)));
    }
    Ok(Clip { source: SourceIndex::default(), movie: Arc::clone(movie), tracks })
}

/// Whether a decode time would be negative, which no container can write.
fn begins_too_early(track: &Track, part: &ClipTrack) -> bool {
    let first = track.samples.dts(part.samples.start) + part.shift + i64::from(part.decode_delay);
    !part.samples.is_empty() && first < 0
}

/// The composition offset of the first of `samples`.
fn decode_delay(track: &Track, samples: &Range<usize>) -> i32 {
    let first = track.samples.row(samples.start).filter(|_| !samples.is_empty());
    first.map_or(0, |row| row.composition_offset)
}

/// The movie time that is at the offset.
#[derive(Clone, Copy)]
struct Zero {
    at: i64,
    timescale: Timescale,
}

/// What to add to media times of `track` so that movie time `zero` is at the offset plus `start`.
fn shift(track: &Track, edit: &MediaEdit, zero: Zero, start: i64, movie: Timescale) -> i64 {
    let lead = movie.rescale(edit.lead, track.timescale);
    let zero = zero.timescale.rescale(zero.at, track.timescale);
    track.timescale.offset() + movie.rescale(start, track.timescale) + lead - edit.media_time - zero
}

/// Media time of the first frame of `track` that `edit` shows: the one on screen at its start, else
/// the first after it.
fn first_presented(track: &Track, edit: &MediaEdit) -> Option<i64> {
    let range = shown(track, edit);
    let mut before: Option<i64> = None;
    let mut after: Option<i64> = None;
    for row in track.samples.rows(range) {
        let pts = row.pts();
        if pts <= edit.media_time {
            before = Some(before.map_or(pts, |seen| seen.max(pts)));
        } else {
            after = Some(after.map_or(pts, |seen| seen.min(pts)));
            let settled = row.dts > edit.media_time && after.is_some_and(|after| row.dts > after);
            if settled {
                break;
            }
        }
    }
    before.or(after)
}

/// The samples of `track` that `edit` needs, in decode order.
fn shown(track: &Track, edit: &MediaEdit) -> Range<usize> {
    if edit.media_time >= presentation_end(track) {
        return track.samples.len()..track.samples.len();
    }
    let start = match track.kind() {
        TrackKind::Video => first_video_sample(track, edit),
        TrackKind::Audio => first_audio_sample(track, edit),
    };
    start..last_sample(track, edit).max(start)
}

/// When the last frame of the media ends, in ticks of the track.
fn presentation_end(track: &Track) -> i64 {
    let from = track.samples.len().saturating_sub(REORDER_SAMPLES);
    let ends = track.samples.rows(from..usize::MAX).map(|row| row.pts() + i64::from(row.duration));
    ends.max().unwrap_or(0)
}

/// The last sync sample presented at or before the edit's start.
fn first_video_sample(track: &Track, edit: &MediaEdit) -> usize {
    let samples = &track.samples;
    // A sample presented at the start is decoded at most a reordering distance away from it.
    let near = samples.first_at_or_after(edit.media_time.saturating_add(1)).saturating_add(REORDER_SAMPLES);
    let mut at = samples.sync_at_or_before(near.min(samples.len().saturating_sub(1)));
    while at > 0 && samples.row(at).is_some_and(|row| row.pts() > edit.media_time) {
        at = samples.sync_at_or_before(at - 1);
    }
    at
}

/// The sample at the edit's start less the pre-roll; the very first when only priming lies before.
fn first_audio_sample(track: &Track, edit: &MediaEdit) -> usize {
    let priming = track.timescale.rescale(edit.media_time, Timescale::new(1000).expect("not zero"));
    if priming <= PRIMING_MAX_MS {
        return 0;
    }
    let covering = track.samples.first_at_or_after(edit.media_time.saturating_add(1)).saturating_sub(1);
    covering.saturating_sub(AUDIO_PREROLL_SAMPLES)
}

/// One past the last sample presented before the edit's end.
fn last_sample(track: &Track, edit: &MediaEdit) -> usize {
    let samples = &track.samples;
    let Some(end) = edit.media_end else { return samples.len() };
    let slack = Timescale::new(1000).expect("not zero").rescale(END_SLACK_MS, track.timescale);
    if end.saturating_add(slack) >= samples.total_duration() {
        return samples.len();
    }
    let near = samples.first_at_or_after(end);
    let from = near.saturating_sub(REORDER_SAMPLES);
    let rows = samples.rows(from..near.saturating_add(REORDER_SAMPLES));
    rows.filter(|row| row.pts() < end).last().map_or(near, |row| row.index + 1)
}

#[cfg(test)]
mod tests;
