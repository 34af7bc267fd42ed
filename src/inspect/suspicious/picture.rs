//! Rules for pictures.

use super::Found;
use crate::inspect::report::{GopReport, TrackReport, VideoReport};

/// The longest wait for a picture to start from.
const LONG_GOP_S: f64 = 10.0;
/// Lengths of GOPs that differ by more of their average are irregular.
const IRREGULAR_SHARE: f64 = 0.1;
/// Timescales this coarse cannot express usual frame rates exactly.
const COARSE_TICKS_PER_S: u32 = 1000;

pub(super) fn check(track: &TrackReport, found: &mut Found) {
    let Some(video) = &track.video else { return };
    check_timing(track, video, found);
    check_gop(&video.gop, track.sample_count, found);
    check_look(video, found);
}

fn check_timing(track: &TrackReport, video: &VideoReport, found: &mut Found) {
    let rate = &video.frame_rate;
    let (min, max) = (rate.min_fps.unwrap_or(0.0), rate.max_fps.unwrap_or(0.0));
    found.when(!rate.constant, "vfr", || {
        format!("the frame rate varies from {min:.2} to {max:.2}, {:.2} on average", rate.average_fps)
    });
    let missing = rate.missing_at_end;
    found.when(missing > 0, "cut-tail", || {
        let pictures = if missing == 1 { "picture is" } else { "pictures are" };
        format!(
            "{missing} {pictures} missing among the last: the file was cut in decoding order, and what is shown \
             before them is held instead"
        )
    });
    let ticks = track.timescale_ticks_per_s;
    let several = track.sample_count > 1;
    let coarse = ticks <= COARSE_TICKS_PER_S && rate.constant && rate.exact.is_none() && several;
    found.when(coarse, "odd-timescale", || {
        format!("{ticks} ticks a second cannot express {:.3} frames: times are rounded", rate.average_fps)
    });
    found.when(track.repeated_times > 0, "repeated-times", || {
        format!("{} frames are presented at the same time as another", track.repeated_times)
    });
}

fn check_gop(gop: &GopReport, samples: u64, found: &mut Found) {
    found.when(!gop.starts_with_sync_sample, "first-sample-not-sync", || {
        "the first frame is no sync sample: frames before the first one cannot be decoded".to_owned()
    });
    found.when(!gop.sync_samples_listed && samples > 1, "no-sync-table", || {
        let verdict = if gop.looks_inter_coded {
            "but their sizes or order say that some are predicted: segments may not decode"
        } else {
            "which is right for intra-only video alone"
        };
        format!("every frame claims to be a sync sample, {verdict}")
    });
    let longest = gop.max_s.unwrap_or(0.0).max(gop.last_s);
    found.when(longest > LONG_GOP_S, "long-gop", || {
        format!("{longest:.3} s from one sync sample to the next: no segment can be shorter there")
    });
    let (Some(min), Some(average), Some(max)) = (gop.min_s, gop.average_s, gop.max_s) else { return };
    found.when(max - min > average * IRREGULAR_SHARE, "irregular-gop", || {
        format!("GOPs of {min:.3} to {max:.3} s: segments vary, and renditions made apart will not align")
    });
}

fn check_look(video: &VideoReport, found: &mut Found) {
    found.when(video.rotation_degrees != 0, "rotation", || {
        format!("rotated by {} degrees for display: some players ignore it", video.rotation_degrees)
    });
    if let Some(transform) = &video.odd_transform {
        found.when(true, "rotation-odd", || {
            let (width, height) = (video.display_width_px, video.display_height_px);
            format!(
                "the matrix {transform}: browsers obey quarter turns and mirroring only, and it is announced as \
                 {width} x {height}, as coded"
            )
        });
    }
    found.when(is_not_square(video), "non-square-pixels", || {
        let (width, height) = (video.display_width_px, video.display_height_px);
        format!("pixels are {}, shown at {width} x {height}: some players ignore it", video.pixel_aspect)
    });
    found.when(video.interlaced, "interlaced", || {
        "pictures may be coded as fields: browsers do not deinterlace".to_owned()
    });
    let stream = video.stream_width_px.zip(video.stream_height_px);
    let stated = (video.width_px, video.height_px);
    if let Some((width, height)) = stream.filter(|stream| *stream != stated) {
        found.when(true, "size-disagrees", || {
            format!("the container says {} x {}, the stream {width} x {height}", stated.0, stated.1)
        });
    }
    found.when(video.dynamic_range == "PQ" && !video.hdr_metadata, "hdr-without-metadata", || {
        "PQ without mastering display or light level metadata: tone mapping has to guess".to_owned()
    });
    found.when(video.damaged_vui, "damaged-vui", || {
        "the parameter set ends early: colour, timing or reordering in it are not known".to_owned()
    });
}

/// Whether pixels are visibly not square: scalers leave ratios like 19024:19043.
fn is_not_square(video: &VideoReport) -> bool {
    const VISIBLE_SHARE: f64 = 0.005;
    let (h, v) = video.pixel_aspect.split_once(':').unwrap_or_default();
    match (h.parse::<f64>(), v.parse::<f64>()) {
        (Ok(h), Ok(v)) => (h - v).abs() > v * VISIBLE_SHARE,
        _ => false,
    }
}
