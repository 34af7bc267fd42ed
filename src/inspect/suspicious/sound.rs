//! Rules for sound: its distance from the pictures, and what the origin makes of it.

use super::Found;
use crate::inspect::report::{Content, TrackReport};

/// Start times of picture and sound that differ by less are not noticed, where nothing is made of them.
const LATE_S: f64 = 0.1;

pub(super) fn check(content: &Content, track: &TrackReport, found: &mut Found) {
    if track.kind != "audio" {
        return;
    }
    let Some(video) = content.tracks.iter().find(|track| track.kind == "video") else { return };
    let (Some(first_picture), Some(sound)) = (video.start_s, track.start_s) else { return };
    let late_s = sound - first_picture;
    let silent = track.silence_frames.before;
    found.when(silent > 0 || late_s > LATE_S, "audio-starts-late", || {
        let made = if silent > 0 {
            format!("{} made in front", frames_of_silence(silent))
        } else {
            "no silence is made in front: some players wait for it".to_owned()
        };
        format!("sound starts {late_s:.3} s after the first picture: {made}")
    });
    // When the picture is due, wherever it is held from.
    let early_s = video.first_held_s - late_s;
    let is_held = video.first_held_s > 0.0 && early_s > 0.0;
    found.when(is_held || early_s > LATE_S, "video-starts-late", || {
        let made = if is_held { "it is held from there" } else { "there is none to show until then" };
        format!("the first picture comes {early_s:.3} s after the sound starts: {made}")
    });
}

/// How many frames are silent, as the beginning of a sentence.
pub(super) fn frames_of_silence(count: u64) -> String {
    if count == 1 { "1 frame of silence is".to_owned() } else { format!("{count} frames of silence are") }
}
