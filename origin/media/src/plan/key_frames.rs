//! Which pictures trick play shows.

use super::SegmentPlan;
use super::cuts::sync_samples;
use crate::timeline::Timeline;

/// Pictures of trick play of one track: a named limit (they are half a second apart in 13 hours); in
/// what is longer they are further apart. Each clip may add one.
pub const MAX_KEY_FRAMES: i64 = 100_000;

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
