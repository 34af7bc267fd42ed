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
//! them needs and moved close to the offset ([`Preroll`]), those of audio are kept back to the priming.
//! Where sound is missing beside pictures, silence is made ([`Silence`]); where pictures are missing in
//! front of the sound, the first one is held from where the sound begins.
//!
//! Spec: ISO/IEC 14496-12 §8.6.5, §8.6.6.

mod clip;
mod edits;
mod preroll;
mod shown;
mod silence;

use std::ops::Range;
use std::sync::Arc;

pub use self::clip::{Clip, ClipTrack, Samples};
use self::edits::{MediaEdit, media_edits};
pub use self::preroll::Preroll;
use self::shown::{early_end, first_presented, shown};
pub(crate) use self::silence::BRIDGED_MS;
pub use self::silence::Silence;
use crate::movie::{Movie, Track, TrackKind};
use crate::slice::SourceIndex;
use crate::time::{Instant, Timescale};

/// Longest track, and longest edit list, in seconds: a named limit (more than a year), so that sums of
/// times never overflow.
pub const MAX_DURATION_S: i64 = 1 << 25;
/// Samples that all clips together show, at least; [`MAX_TIMES_SHOWN`] allows more in a long movie.
const MIN_SHOWN_SAMPLES: usize = 1 << 22;
/// How many times over an edit list may show the samples of a movie: a named limit. Each part goes
/// back to the sync sample it needs, so that many parts of one long GOP are many times the GOP.
const MAX_TIMES_SHOWN: usize = 16;
/// Longest time for which the first picture is held, because sound begins before it: a named limit. All of
/// it lies in one segment.
const MAX_HOLD_MS: i64 = 60_000;

/// What is shown, and when.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// In order of presentation; never empty.
    clips: Vec<Clip>,
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
        let mut room = Room { moved: preroll::MAX_MOVED, silent: silence::MAX_FRAMES };
        for index in 0..count {
            let of_clip: Vec<&MediaEdit> = edits.iter().filter_map(|track| track.get(index)).collect();
            let mut clip = clip(movie, reference, &of_clip, start, &mut room)?;
            fill_silence(&mut clip, reference, start, index + 1 == count, &mut room);
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

/// The first video track, else the first audio track.
fn reference_track(movie: &Movie) -> Option<usize> {
    let of_kind =
        |kind| movie.tracks.iter().position(|track| track.kind() == kind && !track.samples.is_empty());
    of_kind(TrackKind::Video).or_else(|| of_kind(TrackKind::Audio))
}

/// What is left of the limits of a timeline.
struct Room {
    moved: usize,
    silent: usize,
}

/// The clip that shows `edits` (one a track), starting at `start` movie ticks after the offset.
fn clip(
    movie: &Arc<Movie>,
    reference: usize,
    edits: &[&MediaEdit],
    start: i64,
    room: &mut Room,
) -> Result<Clip, TimelineError> {
    let nothing = |track: Option<&Track>| TimelineError::Nothing { track: track.map_or(0, |track| track.id) };
    let track = movie.tracks.get(reference);
    let (Some(track), Some(edit)) = (track, edits.get(reference)) else { return Err(nothing(track)) };
    let first = first_presented(track, edit).ok_or_else(|| nothing(Some(track)))?;
    // When the reference is first seen, in movie time: its lead, and how far its first frame is from the edit.
    let lead = movie.timescale.rescale(edit.lead, track.timescale);
    let at = lead + (first - edit.media_time);
    let hold = hold(movie, edits, track, at);
    let zero = Zero { at: at - movie.timescale.rescale(hold, track.timescale), timescale: track.timescale };
    // The picture on screen at the edit's start is shown whole, with the sound that belongs to it.
    let before = Instant::new((edit.media_time - first).max(0), track.timescale);
    let mut tracks = Vec::with_capacity(movie.tracks.len());
    for (track, edit) in movie.tracks.iter().zip(edits) {
        let mut part = part(track, edit, before);
        part.shift = shift(track, edit, zero, start, movie.timescale);
        part.end = shown_end(track, edit, &part);
        if track.kind() == TrackKind::Video {
            place_pictures(track, edit, &mut part, movie.timescale.rescale(start, track.timescale), room);
        }
        tracks.push(part);
    }
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

/// The samples of `track` that `edit` shows, not yet placed; sound begins `before` the edit's start.
fn part(track: &Track, edit: &MediaEdit, before: Instant) -> ClipTrack {
    let mut wanted = *edit;
    if track.kind() == TrackKind::Audio && edit.lead == 0 {
        wanted.media_time -= before.timescale.rescale(before.ticks, track.timescale);
        wanted.media_time = wanted.media_time.max(0);
    }
    let samples = shown(track, &wanted);
    ClipTrack {
        decode_delay: decode_delay(track, &samples),
        samples,
        shift: 0,
        end: 0,
        preroll: Preroll::default(),
        silence: Silence::none(track.timescale),
    }
}

/// When what `part` of `track` shows ends: with its last frame, or with the edit.
fn shown_end(track: &Track, edit: &MediaEdit, part: &ClipTrack) -> i64 {
    let last = part.end_in_the_source(track);
    let edit_end = early_end(track, edit).filter(|_| track.kind() == TrackKind::Video);
    edit_end.map_or(last, |end| last.min(end.saturating_add(part.shift)))
}

/// Moves the pictures of `part` that nobody should see, and holds the first that is seen when it comes
/// later than the clip, which starts `start` ticks after the offset.
fn place_pictures(track: &Track, edit: &MediaEdit, part: &mut ClipTrack, start: i64, room: &mut Room) {
    let Some(first) = first_presented(track, edit) else { return };
    let late = first + part.shift - track.timescale.offset() - start;
    let preroll = Preroll::new(track, part, first, held(late, track.timescale), room.moved);
    room.moved -= preroll.len();
    part.preroll =
        if early_end(track, edit).is_some() { preroll.with_end(track, part, part.end) } else { preroll };
}

/// Whether a decode time would be negative, which no container can write.
fn begins_too_early(track: &Track, part: &ClipTrack) -> bool {
    let first = track.samples.row(part.samples.start).filter(|_| !part.samples.is_empty());
    first.is_some_and(|row| part.place(&row).0 < 0)
}

/// Makes the sound of `clip` as long as its reference track, if that has pictures.
fn fill_silence(clip: &mut Clip, reference: usize, start: i64, last: bool, room: &mut Room) {
    let Some((track, part)) = clip.track(reference).filter(|(track, _)| track.kind() == TrackKind::Video)
    else {
        return;
    };
    let from = track.timescale.offset() + clip.movie.timescale.rescale(start, track.timescale);
    let mut to = Instant::new(part.end, track.timescale);
    if last {
        // The last picture is held while any sound goes on, and so every sound goes on.
        let ends = clip.movie.tracks.iter().zip(&clip.tracks).filter(|(_, part)| !part.samples.is_empty());
        to = ends.map(|(track, part)| Instant::new(part.end, track.timescale)).max().unwrap_or(to).max(to);
    }
    let window = (Instant::new(from, track.timescale), to);
    let movie = Arc::clone(&clip.movie);
    for (track, part) in movie.tracks.iter().zip(&mut clip.tracks) {
        part.silence = Silence::new(track, part, window, last, room.silent);
        room.silent -= part.silence.before + part.silence.after;
    }
}

/// The composition offset of the first of `samples`.
fn decode_delay(track: &Track, samples: &Range<usize>) -> i32 {
    let first = track.samples.row(samples.start).filter(|_| !samples.is_empty());
    first.map_or(0, |row| row.composition_offset)
}

/// How long the first picture of a clip is held because the sound begins before it, in movie ticks; `at`
/// is when it is seen in the source, in ticks of the reference `track`.
fn hold(movie: &Movie, edits: &[&MediaEdit], track: &Track, at: i64) -> i64 {
    let of_sound = movie
        .tracks
        .iter()
        .zip(edits)
        .filter(|(track, edit)| track.kind() == TrackKind::Audio && !shown(track, edit).is_empty());
    let Some(sound) = of_sound.map(|(_, edit)| edit.lead).min() else { return 0 };
    if track.kind() != TrackKind::Video {
        return 0;
    }
    held(track.timescale.rescale(at, movie.timescale).saturating_sub(sound), movie.timescale)
}

/// For how many ticks a picture is held that comes `late` by so many: not for what players bridge, nor without end.
fn held(late: i64, timescale: Timescale) -> i64 {
    let limit = |limit_ms| Timescale::MS.rescale(limit_ms, timescale);
    if late > limit(BRIDGED_MS) && late <= limit(MAX_HOLD_MS) { late } else { 0 }
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

#[cfg(test)]
mod tests;
