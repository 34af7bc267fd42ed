//! What of a track is shown, and when, in the output less its fixed offset: the first video frame is
//! at zero.

use rillcast_media::movie::{Track, TrackKind};
use rillcast_media::timeline::{Clip, ClipTrack, Timeline};

/// Rows looked at for the first and the last presentation time: more than any codec reorders.
const REORDER_WINDOW: usize = 64;

/// What of a track is shown, in its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inspect) struct Shown {
    /// When the first sample that is to be shown is: pre-roll and priming lie before it.
    pub(in crate::inspect) start: i64,
    /// When the last sample ends.
    pub(in crate::inspect) end: i64,
    /// Presentation kept before `start` because decoding needs it; reordering aside.
    pub(in crate::inspect) preroll: i64,
    /// Samples before the first and after the last that are served.
    pub(in crate::inspect) dropped: (u64, u64),
    /// Frames of silence in front of the first sample, between pieces, and behind the last sample.
    pub(in crate::inspect) silence: (u64, u64, u64),
    /// Samples that are not decoded or presented when the source has them: pre-roll and a held picture.
    pub(in crate::inspect) moved: u64,
    /// How much earlier than in the source the first picture is shown, to be held until then.
    pub(in crate::inspect) held: i64,
}

/// What `timeline` shows of the track at `index`; `None` if nothing.
pub(in crate::inspect) fn shown(timeline: &Timeline, index: usize) -> Option<Shown> {
    let parts = || timeline.clips().iter().filter_map(|clip: &Clip| clip.track(index));
    let mut served = parts().filter(|(_, part)| !part.samples.is_empty());
    let (track, first) = served.next()?;
    let (_, last) = served.next_back().unwrap_or((track, first));
    let head = first.samples.start..first.samples.end.min(first.samples.start.saturating_add(REORDER_WINDOW));
    let first_pts = track.samples.rows(head).map(|row| row.pts()).min()?;
    let asked = track.edits.iter().find_map(|edit| edit.media_time).unwrap_or(0);
    let place =
        |pts: i64, part: &ClipTrack| pts.saturating_add(part.shift).saturating_sub(track.timescale.offset());
    let held = held(track, first);
    let made = |part: &ClipTrack| (part.silence.before + part.silence.after) as u64;
    let (before, after) = (first.silence.before as u64, last.silence.after as u64);
    let between = parts().map(|(_, part)| made(part)).sum::<u64>().saturating_sub(before + after);
    Some(Shown {
        start: place(asked.max(first_pts), first).saturating_sub(held),
        end: place(end_pts(track, last)?, last),
        preroll: asked.saturating_sub(first_pts).max(0),
        dropped: (first.samples.start as u64, track.samples.len().saturating_sub(last.samples.end) as u64),
        silence: (before, between, after),
        moved: parts().map(|(_, part)| part.preroll.len() as u64).sum(),
        held,
    })
}

/// Pre-roll is shown later than in the source, a held picture earlier.
fn held(track: &Track, part: &ClipTrack) -> i64 {
    let moved = part.samples.start..part.samples.start.saturating_add(part.preroll.len());
    let earlier = track.samples.rows(moved).map(|row| row.pts() + part.shift - part.place(&row).1);
    earlier.max().unwrap_or(0).max(0)
}

fn end_pts(track: &Track, part: &ClipTrack) -> Option<i64> {
    let window = if track.kind() == TrackKind::Video { REORDER_WINDOW } else { 1 };
    let tail = part.samples.end.saturating_sub(window).max(part.samples.start)..part.samples.end;
    track.samples.rows(tail).map(|row| row.pts().saturating_add(i64::from(row.duration))).max()
}
