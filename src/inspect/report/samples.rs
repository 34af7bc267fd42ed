//! Reports of plain, unsuspicious files, for the tests of what is built on them.

use super::segments::PlaylistRate;
use super::track::{Chroma, ColorReport, EditReport, SilenceFrames, Trim};
use super::*;

/// A report on ten seconds of picture and sound with nothing odd about it.
pub(in crate::inspect) fn plain() -> Report {
    Report {
        file: "plain.mp4".to_owned(),
        playable: true,
        unreadable: None,
        refused: None,
        content: Some(content()),
    }
}

pub(in crate::inspect) fn content() -> Content {
    Content {
        duration_s: 12.0,
        container: Container {
            format: "MP4",
            brands: vec!["isom".to_owned()],
            size_bytes: 3_000_000,
            index_offset_bytes: 32,
            index_size_bytes: 9000,
            index_first: true,
            read_bytes: 65_536,
            timescale_ticks_per_s: 1000,
        },
        tracks: vec![video(), audio()],
        ignored_tracks: Vec::new(),
        segments: Some(segments()),
        revision: Some("1.0123456789abcdef".to_owned()),
        suspicious: Vec::new(),
    }
}

fn segments() -> Segments {
    Segments {
        count: 2,
        target_duration_s: 6,
        cut_by_track: "v1".to_owned(),
        min_s: 6.0,
        average_s: 6.0,
        max_s: 6.0,
        longest_number: 0,
        longest_start_s: 0.0,
        independent: true,
        gap_count: 0,
        discontinuity_count: 0,
        interleave_gap_bytes: 0,
        contiguous: true,
        extents_average: 1.0,
        playlist_rates: vec![PlaylistRate {
            track: "v1".to_owned(),
            peak_bits_per_s: 2_200_000,
            average_bits_per_s: 2_000_000,
        }],
        durations_s: vec![6.0, 6.0],
        sizes_bytes: vec![1_000_000, 2_000_000],
    }
}

fn track(id: u32, name: &str, kind: &'static str) -> TrackReport {
    TrackReport {
        id,
        name: name.to_owned(),
        kind,
        codec: "AAC",
        profile: "LC".to_owned(),
        level: None,
        rfc6381: "mp4a.40.2".to_owned(),
        language: "eng".to_owned(),
        title: None,
        enabled: true,
        timescale_ticks_per_s: 48_000,
        sample_count: 563,
        sample_bytes: 192_000,
        media_duration_s: 12.0,
        start_s: Some(0.0),
        end_s: Some(12.0),
        average_bits_per_s: 128_000,
        peak_second_bits_per_s: 130_000,
        zero_duration_samples: 0,
        repeated_times: 0,
        edits: Vec::new(),
        trim: Some(Trim { dropped_start_samples: 0, dropped_end_samples: 0, preroll_s: 0.0 }),
        silence_frames: SilenceFrames::default(),
        preroll_samples: 0,
        first_held_s: 0.0,
        excluded: None,
        video: None,
        audio: None,
    }
}

fn audio() -> TrackReport {
    let edit = EditReport {
        media_time_ticks: Some(1024),
        duration_s: 12.0,
        rate: 1.0,
        meaning: "starts 1024 ticks (21.3 ms) in: priming".to_owned(),
    };
    let format = AudioReport { channels: 2, sample_rate_hz: 48_000, samples_per_frame: Some(1024) };
    TrackReport { edits: vec![edit], audio: Some(format), ..track(2, "a2", "audio") }
}

fn video() -> TrackReport {
    TrackReport {
        codec: "H.264",
        profile: "High".to_owned(),
        level: Some("4.0".to_owned()),
        rfc6381: "avc1.640028".to_owned(),
        timescale_ticks_per_s: 12_800,
        sample_count: 300,
        sample_bytes: 2_800_000,
        average_bits_per_s: 1_866_667,
        peak_second_bits_per_s: 2_500_000,
        video: Some(picture()),
        ..track(1, "v1", "video")
    }
}

fn picture() -> VideoReport {
    let bt709 = "BT.709".to_owned();
    VideoReport {
        width_px: 1920,
        height_px: 1080,
        display_width_px: 1920,
        display_height_px: 1080,
        stream_width_px: Some(1920),
        stream_height_px: Some(1080),
        pixel_aspect: "1:1".to_owned(),
        rotation_degrees: 0,
        odd_transform: None,
        frame_rate: FrameRate {
            constant: true,
            exact: Some("25/1".to_owned()),
            average_fps: 25.0,
            missing_at_end: 0,
            min_fps: Some(25.0),
            max_fps: Some(25.0),
        },
        chroma: Some(Chroma { format: "4:2:0", bit_depth: 8 }),
        color: Some(ColorReport {
            primaries: bt709.clone(),
            transfer: bt709.clone(),
            matrix: bt709,
            full_range: false,
        }),
        dynamic_range: "SDR",
        hdr_metadata: false,
        interlaced: false,
        damaged_vui: false,
        gop: GopReport {
            sync_sample_count: 6,
            sync_samples_listed: true,
            looks_inter_coded: false,
            starts_with_sync_sample: true,
            min_s: Some(2.0),
            average_s: Some(2.0),
            max_s: Some(2.0),
            last_s: 2.0,
            b_frames: true,
            reorder_frames: 2,
            stated_reorder_frames: Some(2),
        },
    }
}
