//! The lines on one track.

use super::lines::Lines;
use super::rounded;
use super::units::{bytes, printable, seconds};
use crate::inspect::report::{AudioReport, FrameRate, GopReport, TrackReport, VideoReport};

pub(super) fn write(track: &TrackReport, lines: &mut Lines) {
    lines.gap();
    let TrackReport { name, kind, codec, profile, rfc6381, id, .. } = track;
    let level = track.level.as_ref().map_or_else(String::new, |level| format!(" level {level}"));
    lines.row(&format!("{name} {kind}"), &format!("{codec} {profile}{level} ({rfc6381})"));
    let on = if track.enabled { "on" } else { "off by default" };
    lines.row("track", &format!("id {id}, {on}, language {}", printable(&track.language)));
    if let Some(title) = &track.title {
        lines.row("title", &printable(title));
    }
    if let Some(video) = &track.video {
        write_video(video, lines);
    }
    if let Some(audio) = &track.audio {
        write_audio(audio, lines);
    }
    let (average, peak) = (rounded(track.average_bits_per_s), rounded(track.peak_second_bits_per_s));
    let size = bytes(track.sample_bytes);
    lines.row("bit rate", &format!("{average} average, {peak} in the peak second; {size}"));
    write_time(track, lines);
    for (number, edit) in track.edits.iter().enumerate() {
        lines.row(if number == 0 { "edit list" } else { "" }, &edit.meaning);
    }
    if let Some(reason) = track.excluded {
        lines.row("left out", reason);
    }
}

fn write_time(track: &TrackReport, lines: &mut Lines) {
    let what = if track.kind == "video" { "frames" } else { "samples" };
    let place = match (track.start_s, track.end_s) {
        (Some(start), Some(end)) => format!(", shown from {start:.3} s to {}", seconds(end)),
        _ => String::new(),
    };
    let TrackReport { sample_count, timescale_ticks_per_s, media_duration_s, .. } = track;
    let length = seconds(*media_duration_s);
    lines.row("time", &format!("{length}, {sample_count} {what}, {timescale_ticks_per_s} ticks/s{place}"));
}

fn write_video(video: &VideoReport, lines: &mut Lines) {
    let mut picture = format!("{} x {}", video.width_px, video.height_px);
    let displayed = (video.display_width_px, video.display_height_px);
    if displayed != (u32::from(video.width_px), u32::from(video.height_px)) {
        picture.push_str(&format!(" shown at {} x {}", displayed.0, displayed.1));
    }
    picture.push_str(&format!(", pixels {}", video.pixel_aspect));
    if video.rotation_degrees != 0 {
        picture.push_str(&format!(", rotated {} degrees", video.rotation_degrees));
    }
    if let Some(chroma) = video.chroma {
        picture.push_str(&format!(", {} bit {}", chroma.bit_depth, chroma.format));
    }
    picture.push_str(if video.interlaced { ", interlaced" } else { ", progressive" });
    lines.row("picture", &picture);
    lines.row("colour", &color(video));
    lines.row("frame rate", &frame_rate(&video.frame_rate));
    lines.row("GOP", &gop(&video.gop));
    lines.row("order", &order(&video.gop));
}

fn color(video: &VideoReport) -> String {
    let metadata = if video.hdr_metadata { ", with HDR metadata" } else { "" };
    let range = video.dynamic_range;
    let Some(color) = &video.color else { return format!("{range}, code points not stated{metadata}") };
    let span = if color.full_range { "full range" } else { "limited range" };
    let points = if color.primaries == color.transfer && color.transfer == color.matrix {
        color.primaries.clone()
    } else {
        format!("primaries {}, transfer {}, matrix {}", color.primaries, color.transfer, color.matrix)
    };
    format!("{range}, {points}, {span}{metadata}")
}

fn frame_rate(rate: &FrameRate) -> String {
    let average = rate.average_fps;
    match (&rate.exact, rate.min_fps, rate.max_fps) {
        (Some(exact), Some(nominal), _) => format!("{nominal} constant ({exact})"),
        (None, Some(min), Some(max)) if rate.constant => {
            format!("{average} constant up to rounding ({min} to {max})")
        }
        (_, Some(min), Some(max)) => format!("variable: {min} min, {average} avg, {max} max"),
        _ => format!("{average} (a single frame)"),
    }
}

fn gop(gop: &GopReport) -> String {
    let count = gop.sync_sample_count;
    let unlisted = if gop.sync_samples_listed { "" } else { " (all: there is no table of them)" };
    match (gop.min_s, gop.average_s, gop.max_s) {
        (Some(min), Some(average), Some(max)) => {
            let last = gop.last_s;
            format!(
                "{count} sync samples{unlisted}; {min:.3} min, {average:.3} avg, {max:.3} s max, last {last:.3} s"
            )
        }
        _ => format!("{count} sync sample{unlisted}, {:.3} s to the end", gop.last_s),
    }
}

fn order(gop: &GopReport) -> String {
    let stated =
        gop.stated_reorder_frames.map_or_else(String::new, |frames| format!(" (the stream states {frames})"));
    if gop.b_frames {
        let frames = gop.reorder_frames;
        let plural = if frames == 1 { "frame" } else { "frames" };
        format!("B-frames, reordering over {frames} {plural}{stated}")
    } else {
        format!("no B-frames{stated}")
    }
}

fn write_audio(audio: &AudioReport, lines: &mut Lines) {
    let channels = match audio.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        6 => "6 channels (5.1)".to_owned(),
        8 => "8 channels (7.1)".to_owned(),
        other => format!("{other} channels"),
    };
    let frame =
        audio.samples_per_frame.map_or_else(String::new, |samples| format!(", {samples} samples a frame"));
    lines.row("sound", &format!("{channels}, {} Hz{frame}", audio.sample_rate_hz));
}
