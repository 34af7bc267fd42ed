//! Rules for sound: its distance from the pictures.

use super::Found;
use crate::inspect::report::{Content, TrackReport};

/// Start times of picture and sound that differ by less are not noticed.
const LATE_S: f64 = 0.1;

pub(super) fn check(content: &Content, track: &TrackReport, found: &mut Found) {
    if track.kind != "audio" {
        return;
    }
    let video = content.tracks.iter().find(|track| track.kind == "video").and_then(|track| track.start_s);
    let (Some(video), Some(audio)) = (video, track.start_s) else { return };
    let late_s = audio - video;
    found.when(late_s > LATE_S, "audio-starts-late", || {
        format!("sound starts {late_s:.3} s after the first picture")
    });
    found.when(late_s < -LATE_S, "video-starts-late", || {
        format!("the first picture comes {:.3} s after the sound starts", -late_s)
    });
}
