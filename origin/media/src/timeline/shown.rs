//! Which samples of a track an edit needs, and which of them is seen first.

use std::ops::Range;

use super::edits::MediaEdit;
use crate::movie::{SampleRow, Track, TrackKind};
use crate::time::Timescale;

/// Audio before an edit's start that counts as priming when it reaches back to the first sample.
const PRIMING_MAX_MS: i64 = 250;
/// Audio samples before an edit's start that decoding needs (AAC overlaps by one).
const AUDIO_PREROLL_SAMPLES: usize = 1;
/// An edit that ends this close to the end of the media runs to the end: muxers write the duration
/// of the other track there, or one rounded to a coarse movie timescale.
const END_SLACK_MS: i64 = 100;
/// Distance in which a sample may be reordered, in samples: more than any codec's reordering.
pub(super) const REORDER_SAMPLES: usize = 64;

/// Media time of the first frame of `track` that `edit` shows: the one on screen at its start, else
/// the first after it.
pub(super) fn first_presented(track: &Track, edit: &MediaEdit) -> Option<i64> {
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
pub(super) fn shown(track: &Track, edit: &MediaEdit) -> Range<usize> {
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
    last_end(track, from..usize::MAX)
}

/// When the last frame presented of `samples` ends: durations are those of decoding, so that another's may
/// reach further without being shown as long.
pub(super) fn last_end(track: &Track, samples: Range<usize>) -> i64 {
    let last = track.samples.rows(samples).max_by_key(SampleRow::pts);
    last.map_or(0, |row| row.pts() + i64::from(row.duration))
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
    let priming = track.timescale.rescale(edit.media_time, Timescale::MS);
    if priming <= PRIMING_MAX_MS {
        return 0;
    }
    let covering = track.samples.first_at_or_after(edit.media_time.saturating_add(1)).saturating_sub(1);
    covering.saturating_sub(AUDIO_PREROLL_SAMPLES)
}

/// The media time at which `edit` ends before the media does.
pub(super) fn early_end(track: &Track, edit: &MediaEdit) -> Option<i64> {
    let slack = Timescale::MS.rescale(END_SLACK_MS, track.timescale);
    edit.media_end.filter(|end| end.saturating_add(slack) < track.samples.total_duration())
}

/// One past the last sample presented before the edit's end.
fn last_sample(track: &Track, edit: &MediaEdit) -> usize {
    let samples = &track.samples;
    let Some(end) = early_end(track, edit) else { return samples.len() };
    let near = samples.first_at_or_after(end);
    let from = near.saturating_sub(REORDER_SAMPLES);
    let rows = samples.rows(from..near.saturating_add(REORDER_SAMPLES));
    rows.filter(|row| row.pts() < end).last().map_or(near, |row| row.index + 1)
}
