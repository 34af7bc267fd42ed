//! Rules for the file as a whole.

use std::cmp::Ordering;

use super::Found;
use super::sound::frames_of_silence;
use crate::inspect::report::{Content, Segments};

/// Ends of picture and sound may differ by this much: a long audio frame, a rounded edit.
const MISMATCH_MAX_S: f64 = 0.5;
/// A seek between two reads of one segment that costs on slow disks and object stores.
const INTERLEAVE_MAX_BYTES: u64 = 8 << 20;
/// What players hold comfortably; longer segments make seeks and switches slow.
const SEGMENT_MAX_S: f64 = 10.0;

pub(super) fn check(content: &Content, found: &mut Found) {
    found.when(!content.container.index_first, "moov-at-end", || {
        "the index follows the media: fine here, but players that load the file itself wait for all of it"
            .to_owned()
    });
    check_lengths(content, found);
    for track in &content.ignored_tracks {
        let served_kind = matches!(track.handler.as_str(), "vide" | "soun");
        let text = matches!(track.handler.as_str(), "text" | "sbtl" | "subt" | "clcp");
        found.when(served_kind || text, "track-left-out", || {
            format!("track {} ({}) is not served: {}", track.id, track.name, track.reason)
        });
    }
    check_languages(content, found);
    if let Some(segments) = &content.segments {
        check_segments(segments, found);
    }
}

fn check_lengths(content: &Content, found: &mut Found) {
    let of = |kind| content.tracks.iter().filter(move |track| track.kind == kind);
    let Some(video) = of("video").filter_map(|track| track.end_s).reduce(f64::max) else { return };
    // The sound that is furthest off; of two alike, the one that silence is made for.
    let ends = of("audio").filter_map(|track| Some((track.end_s?, track.silence_frames.after)));
    let off = |(end, silent): &(f64, u64)| ((video - end).abs(), *silent);
    let Some((audio, silent)) =
        ends.max_by(|one, other| off(one).partial_cmp(&off(other)).unwrap_or(Ordering::Equal))
    else {
        return;
    };
    found.when(silent > 0 || (video - audio).abs() > MISMATCH_MAX_S, "av-duration-mismatch", || {
        let made =
            if silent > 0 { format!(": {} made behind", frames_of_silence(silent)) } else { String::new() };
        format!("video ends at {video:.3} s, audio at {audio:.3} s{made}")
    });
}

fn check_languages(content: &Content, found: &mut Found) {
    let sounds = content.tracks.iter().filter(|track| track.kind == "audio");
    let mut names: Vec<_> = sounds.map(|track| (&track.language, &track.title)).collect();
    names.sort_unstable();
    let same = names.iter().zip(names.iter().skip(1)).any(|(one, two)| one == two);
    found.when(same, "language-unclear", || {
        "audio tracks share a language or have none, and have no title of their own: viewers cannot tell them apart".to_owned()
    });
}

fn check_segments(segments: &Segments, found: &mut Found) {
    found.when(segments.count == 1, "single-segment", || {
        format!(
            "all of it ({:.3} s) is one segment: players cannot switch or resume within it",
            segments.max_s
        )
    });
    found.when(segments.max_s > SEGMENT_MAX_S, "long-segment", || {
        let (number, start, length) = (segments.longest_number, segments.longest_start_s, segments.max_s);
        format!("segment {number} at {start:.3} s is {length:.3} s long: seeking and switching wait for it")
    });
    found.when(!segments.independent, "dependent-segments", || {
        "a segment does not start with a sync sample: players cannot start there".to_owned()
    });
    found.when(segments.gap_count > 0, "gap-segments", || {
        format!("{} segments have nothing of a track that others have", segments.gap_count)
    });
    found.when(segments.discontinuity_count > 0, "several-pieces", || {
        format!("the edit list has {} cuts: players reset their decoders there", segments.discontinuity_count)
    });
    found.when(segments.interleave_gap_bytes > INTERLEAVE_MAX_BYTES, "interleave-wide", || {
        let mebibytes = segments.interleave_gap_bytes >> 20;
        format!(
            "tracks of one segment lie up to {mebibytes} MiB apart: each segment is read in several places"
        )
    });
}
