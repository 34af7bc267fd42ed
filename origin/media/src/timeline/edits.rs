//! Edit lists as a list of media edits, one a clip.

use super::{MAX_DURATION_S, TimelineError};
use crate::movie::{Movie, Track};
use crate::time::Timescale;

/// Rate 1.0 as 16.16 fixed point.
const NORMAL_RATE: i32 = 0x1_0000;
const TOO_LONG: &str = "covers more than a year";
/// Two tracks' edits belong to one clip when their durations differ by no more.
const STEP_SLACK_MS: i64 = 100;

/// One edit that shows media, with the empty time before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MediaEdit {
    /// Empty time before it, in movie ticks.
    pub(super) lead: i64,
    /// Media time shown first, in ticks of the track.
    pub(super) media_time: i64,
    /// Media time it ends at; `None` is the end of the media.
    pub(super) media_end: Option<i64>,
    /// How long it is shown, in movie ticks.
    pub(super) duration: i64,
}

/// The edits of `track`; one that shows everything when there is no list.
pub(super) fn media_edits(track: &Track, movie: Timescale) -> Result<Vec<MediaEdit>, TimelineError> {
    let unsupported = |reason| TimelineError::Edits { track: track.id, reason };
    let longest = |timescale: Timescale| MAX_DURATION_S * i64::from(timescale.ticks_per_s());
    let media_longest = longest(track.timescale);
    if track.samples.total_duration() > media_longest {
        return Err(unsupported(TOO_LONG));
    }
    let whole = track.timescale.rescale(track.samples.total_duration(), movie);
    let mut edits: Vec<MediaEdit> = Vec::new();
    let (mut lead, mut sum) = (0i64, 0i64);
    for edit in &track.edits {
        // A duration may be «all there is»; what counts then is the end of the media.
        let duration = i64::try_from(edit.duration).unwrap_or(i64::MAX).min(longest(movie));
        // A duration of zero means «all of it» (§8.6.6.1 for fragments; written by some for whole files).
        let span = if duration == 0 && edit.media_time.is_some() { whole } else { duration };
        sum += span;
        if sum > longest(movie) {
            return Err(unsupported(TOO_LONG));
        }
        let Some(media_time) = edit.media_time else {
            lead += span;
            continue;
        };
        let media_time = media_time.clamp(-media_longest, media_longest);
        if edit.rate != NORMAL_RATE {
            return Err(unsupported("changes the speed or holds a frame"));
        }
        if lead > 0 && !edits.is_empty() {
            return Err(unsupported("has a pause in the middle"));
        }
        let length = movie.rescale(span, track.timescale);
        let media_end = (duration != 0).then(|| media_time.saturating_add(length));
        match edits.last_mut() {
            Some(last) if last.media_end.is_some_and(|end| end.abs_diff(media_time) <= 1) => {
                last.media_end = media_end;
                last.duration += span;
            }
            _ => edits.push(MediaEdit { lead, media_time, media_end, duration: span }),
        }
        lead = 0;
    }
    if edits.is_empty() {
        edits.push(MediaEdit { lead: 0, media_time: 0, media_end: None, duration: whole });
    }
    Ok(edits)
}

/// How many clips the lists make: all tracks must step together.
pub(super) fn common_count(movie: &Movie, edits: &[Vec<MediaEdit>]) -> Result<usize, TimelineError> {
    let count = edits.iter().map(Vec::len).max().unwrap_or(0);
    if count <= 1 {
        return Ok(count);
    }
    let slack = Timescale::MS.rescale(STEP_SLACK_MS, movie.timescale).max(1).unsigned_abs();
    let Some(model) = edits.first() else { return Ok(0) };
    for (track, of_track) in movie.tracks.iter().zip(edits) {
        let in_step = of_track.len() == model.len()
            && of_track.iter().zip(model).all(|(one, other)| {
                one.duration.abs_diff(other.duration) <= slack && one.lead.abs_diff(other.lead) <= slack
            });
        if !in_step {
            let reason = "has several parts that differ from the other tracks'";
            return Err(TimelineError::Edits { track: track.id, reason });
        }
    }
    Ok(count)
}
