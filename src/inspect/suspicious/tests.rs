use super::*;
use crate::inspect::report::samples::content;
use crate::inspect::report::{GopReport, IgnoredReport, Segments, VideoReport};

/// The slugs after `change` to a plain report, in order.
fn slugs(change: impl FnOnce(&mut Content)) -> Vec<&'static str> {
    let mut content = content();
    change(&mut content);
    suspicious(&content).iter().map(|suspicion| suspicion.slug).collect()
}

fn check(change: impl FnOnce(&mut Content), expected: &[&str]) {
    assert_eq!(slugs(change), expected);
}

fn picture(content: &mut Content) -> &mut VideoReport {
    content.tracks[0].video.as_mut().expect("the first is video")
}

fn gop(content: &mut Content) -> &mut GopReport {
    &mut picture(content).gop
}

fn segments(content: &mut Content) -> &mut Segments {
    content.segments.as_mut().expect("it is playable")
}

#[test]
fn a_plain_file_raises_nothing() {
    check(|_| {}, &[]);
}

#[test]
fn the_container_and_what_is_left_out() {
    check(|content| content.container.index_first = false, &["moov-at-end"]);
    let ignored = |handler: &str| IgnoredReport {
        id: 9,
        handler: handler.to_owned(),
        sample_entry: None,
        name: "AC-3",
        reason: "no",
        sample_count: 1,
    };
    check(|content| content.ignored_tracks.push(ignored("soun")), &["track-left-out"]);
    check(|content| content.ignored_tracks.push(ignored("tmcd")), &[]);
    check(|content| content.tracks[0].excluded = Some("no sync sample"), &["unaligned-rendition"]);
    check(|content| content.tracks[1].enabled = false, &["track-disabled"]);
    check(
        |content| {
            let mut german = content.tracks[1].clone();
            (german.language, german.enabled) = ("deu".to_owned(), false);
            content.tracks.push(german);
        },
        &[],
    );
    check(|content| content.tracks.push(content.tracks[1].clone()), &["language-unclear"]);
    let titled = |content: &mut Content, titles: &[&str]| {
        for title in titles {
            let title = Some((*title).to_owned());
            content.tracks.push(TrackReport { title, ..content.tracks[1].clone() });
        }
    };
    check(|content| titled(content, &["Commentary", "Stereo"]), &[]);
    check(|content| titled(content, &["Commentary", "Commentary"]), &["language-unclear"]);
}

#[test]
fn limits_are_met_at_the_limit_and_passed_after_it() {
    check(|content| content.tracks[1].end_s = Some(12.5), &[]);
    check(|content| content.tracks[1].end_s = Some(12.6), &["av-duration-mismatch"]);
    check(|content| content.tracks[1].start_s = Some(0.1), &[]);
    check(|content| content.tracks[1].start_s = Some(0.2), &["audio-starts-late"]);
    check(|content| content.tracks[1].start_s = Some(-0.2), &["video-starts-late"]);
    check(|content| content.tracks[1].peak_second_bits_per_s = 3 * 128_000, &[]);
    check(|content| content.tracks[1].peak_second_bits_per_s = 3 * 128_000 + 1, &["bitrate-peak"]);
    check(|content| gop(content).last_s = 10.0, &[]);
    check(|content| gop(content).last_s = 10.1, &["long-gop"]);
    check(|content| gop(content).max_s = Some(2.19), &[]);
    check(|content| gop(content).max_s = Some(2.21), &["irregular-gop"]);
    check(|content| segments(content).max_s = 10.0, &[]);
    check(|content| segments(content).max_s = 10.1, &["long-segment"]);
    check(|content| segments(content).interleave_gap_bytes = 8 << 20, &[]);
    check(|content| segments(content).interleave_gap_bytes = (8 << 20) + 1, &["interleave-wide"]);
}

#[test]
fn timing_of_pictures() {
    check(|content| picture(content).frame_rate.constant = false, &["vfr"]);
    let coarse = |content: &mut Content, ticks| {
        picture(content).frame_rate.exact = None;
        content.tracks[0].timescale_ticks_per_s = ticks;
    };
    check(|content| coarse(content, 1000), &["odd-timescale"]);
    check(|content| coarse(content, 90_000), &[]);
    check(|content| content.tracks[0].timescale_ticks_per_s = 25, &[]);
    check(|content| picture(content).frame_rate.missing_at_end = 1, &["cut-tail"]);
    check(|content| content.tracks[0].repeated_times = 1, &["repeated-times"]);
    check(|content| content.tracks[0].zero_duration_samples = 1, &["zero-duration-samples"]);
}

#[test]
fn sync_samples() {
    check(|content| gop(content).starts_with_sync_sample = false, &["first-sample-not-sync"]);
    check(|content| gop(content).sync_samples_listed = false, &["no-sync-table"]);
    check(
        |content| {
            gop(content).sync_samples_listed = false;
            content.tracks[0].sample_count = 1;
        },
        &[],
    );
}

#[test]
fn looks_that_players_may_ignore() {
    check(|content| picture(content).rotation_degrees = 90, &["rotation"]);
    check(|content| picture(content).odd_transform = Some("turns the picture".to_owned()), &["rotation-odd"]);
    check(|content| picture(content).pixel_aspect = "4:3".to_owned(), &["non-square-pixels"]);
    check(|content| picture(content).pixel_aspect = "19024:19043".to_owned(), &[]);
    check(|content| picture(content).interlaced = true, &["interlaced"]);
    check(|content| picture(content).stream_height_px = Some(1088), &["size-disagrees"]);
    check(|content| picture(content).stream_width_px = None, &[]);
    check(|content| picture(content).dynamic_range = "PQ", &["hdr-without-metadata"]);
    check(|content| picture(content).damaged_vui = true, &["damaged-vui"]);
}

/// The messages after `change` to a plain report.
fn messages(change: impl FnOnce(&mut Content)) -> Vec<String> {
    let mut content = content();
    change(&mut content);
    suspicious(&content).into_iter().map(|suspicion| suspicion.message).collect()
}

#[test]
fn what_the_origin_makes_of_the_ends_is_told_from_what_it_made() {
    let start = |start_s, before| {
        messages(move |content| {
            let sound = &mut content.tracks[1];
            (sound.start_s, sound.silence_frames.before) = (Some(start_s), before);
        })
    };
    let late = "sound starts 2.976 s after the first picture: ";
    assert_eq!(start(2.976, 140), [format!("{late}140 frames of silence are made in front")]);
    assert_eq!(start(2.976, 0), [format!("{late}no silence is made in front: some players wait for it")]);
    // What was made counts, not how much was missing.
    assert_eq!(start(0.05, 1).len(), 1);
    let hold = |held_s, sound_s| {
        messages(move |content| {
            content.tracks[0].first_held_s = held_s;
            content.tracks[1].start_s = Some(sound_s);
        })
    };
    let early = "the first picture comes 2.000 s after the sound starts: ";
    assert_eq!(hold(2.0, 0.0), [format!("{early}it is held from there")]);
    assert_eq!(hold(0.0, -2.0), [format!("{early}there is none to show until then")]);
    assert_eq!(hold(0.05, 0.0).len(), 1);
    let end = |ends: [(f64, u64); 2]| {
        messages(move |content| {
            content.tracks.push(TrackReport { language: "deu".to_owned(), ..content.tracks[1].clone() });
            for (track, (end_s, after)) in content.tracks.iter_mut().skip(1).zip(ends) {
                (track.end_s, track.silence_frames.after) = (Some(end_s), after);
            }
        })
    };
    assert_eq!(end([(12.0, 0), (12.0, 0)]), [""; 0]);
    assert_eq!(end([(12.0, 0), (10.0, 0)]), ["video ends at 12.000 s, audio at 10.000 s"]);
    let made = ["video ends at 12.000 s, audio at 3.000 s: 1 frame of silence is made behind"];
    assert_eq!(end([(3.0, 1), (12.0, 0)]), made);
    assert_eq!(end([(11.9, 0), (11.9, 5)]).len(), 1);
}

#[test]
fn edit_lists_that_hide_media() {
    let trim = |content: &mut Content, track: usize, start, preroll_s| {
        let trim = content.tracks[track].trim.as_mut().expect("it is shown");
        (trim.dropped_start_samples, trim.preroll_s) = (start, preroll_s);
    };
    check(|content| trim(content, 0, 7, 0.0), &["edit-trims"]);
    check(|content| trim(content, 0, 0, 0.5), &["edit-preroll"]);
    check(|content| trim(content, 1, 0, 0.2), &[]);
    check(|content| trim(content, 1, 0, 0.3), &["edit-preroll"]);
}

#[test]
fn segments_of_odd_shape() {
    check(|content| segments(content).count = 1, &["single-segment"]);
    check(|content| segments(content).independent = false, &["dependent-segments"]);
    check(|content| segments(content).gap_count = 1, &["gap-segments"]);
    check(|content| segments(content).discontinuity_count = 1, &["several-pieces"]);
}

#[test]
fn a_suspicion_names_its_track() {
    let mut content = content();
    content.container.index_first = false;
    picture(&mut content).rotation_degrees = 90;
    let found = suspicious(&content);
    let tracks: Vec<_> = found.iter().map(|suspicion| suspicion.track.as_deref()).collect();
    assert_eq!(tracks, [None, Some("v1")]);
}
