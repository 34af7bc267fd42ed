//! What is allowed, but worth a look before publishing. Each has a stable slug; none refuses a file.
//!
//! Every rule is a function of the report alone, so that whoever reads the JSON can check it.

mod picture;
mod sound;
mod whole;

use serde::Serialize;

use super::report::{Content, TrackReport};

/// A fact worth a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Suspicion {
    /// Stable name of the rule.
    pub(super) slug: &'static str,
    /// Name of the track, if it is about one.
    pub(super) track: Option<String>,
    /// What was found and what it leads to.
    pub(super) message: String,
}

/// All that is suspicious about `content`: of the file, then of its tracks in their order.
pub(super) fn suspicious(content: &Content) -> Vec<Suspicion> {
    let mut found = Found::default();
    whole::check(content, &mut found);
    for track in &content.tracks {
        found.track = Some(track.name.clone());
        check_track(content, track, &mut found);
        picture::check(track, &mut found);
        sound::check(content, track, &mut found);
    }
    found.list
}

/// What was found so far, and the track that is looked at.
#[derive(Debug, Default)]
struct Found {
    list: Vec<Suspicion>,
    track: Option<String>,
}

impl Found {
    fn when(&mut self, condition: bool, slug: &'static str, message: impl FnOnce() -> String) {
        if condition {
            self.list.push(Suspicion { slug, track: self.track.clone(), message: message() });
        }
    }
}

/// The peak second is this many times the average.
const PEAK_TIMES: u64 = 3;

/// Rules for pictures and sound alike.
fn check_track(content: &Content, track: &TrackReport, found: &mut Found) {
    if let Some(reason) = track.excluded {
        found.when(true, "unaligned-rendition", || {
            format!("left out: {reason}; encode all renditions with the same closed GOP")
        });
    }
    let alike = || content.tracks.iter().filter(|other| other.kind == track.kind);
    let none_is_on = alike().all(|other| !other.enabled);
    found.when(none_is_on, "track-disabled", || {
        format!("the file marks it as off by default, and there is no other {} that is on", track.kind)
    });
    found.when(track.zero_duration_samples > 0, "zero-duration-samples", || {
        format!(
            "{} samples have no duration: players show or skip them as they like",
            track.zero_duration_samples
        )
    });
    let (peak, average) = (track.peak_second_bits_per_s, track.average_bits_per_s);
    found.when(peak > average.saturating_mul(PEAK_TIMES), "bitrate-peak", || {
        let times = peak.checked_div(average).unwrap_or(0);
        format!("one second needs {times} times the average bit rate: small buffers run dry there")
    });
    check_trim(track, found);
}

/// Media that an edit list hides, beyond priming.
fn check_trim(track: &TrackReport, found: &mut Found) {
    const PRIMING_MAX_S: f64 = 0.25;
    let Some(trim) = track.trim else { return };
    let dropped = trim.dropped_start_samples.saturating_add(trim.dropped_end_samples);
    found.when(dropped > 0, "edit-trims", || {
        let (start, end) = (trim.dropped_start_samples, trim.dropped_end_samples);
        format!("the edit list hides {start} samples at the start and {end} at the end: they are not served")
    });
    let extra_s = if track.kind == "audio" { trim.preroll_s - PRIMING_MAX_S } else { trim.preroll_s };
    found.when(extra_s > 0.0, "edit-preroll", || {
        let (preroll_s, moved) = (trim.preroll_s, track.preroll_samples);
        let shown = if moved > 0 {
            "they pass in an instant before the first picture"
        } else {
            "players may show them"
        };
        format!("{preroll_s:.3} s before the edit's start have to be served for decoding: {shown}")
    });
}

#[cfg(test)]
mod tests;
