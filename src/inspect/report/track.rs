//! One track: what it is, how it is timed, what it needs.

use rillcast_media::codec::color::Color;
use rillcast_media::codec::{Codec, sps::SpsInfo};
use rillcast_media::movie::{Edit, SyncSamples, Track, TrackFormat, TrackKind, VideoFormat};
use rillcast_media::presentation::TrackName;
use rillcast_media::time::Timescale;
use serde::Serialize;

use super::Served;
use crate::inspect::facts::cadence::{Cadence, CadenceWalk};
use crate::inspect::facts::edits::{self, Media};
use crate::inspect::facts::gop::{GopWalk, Gops};
use crate::inspect::facts::rate::{self, PeakWalk};
use crate::inspect::facts::shown::{Shown, shown};
use crate::inspect::facts::{codec, color, rounded, seconds, transform};

/// One track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::inspect) struct TrackReport {
    /// Track id in the file.
    pub(in crate::inspect) id: u32,
    /// Its name in URLs, such as `v1`.
    pub(in crate::inspect) name: String,
    /// `video` or `audio`.
    pub(in crate::inspect) kind: &'static str,
    /// Codec family: `H.264`, `H.265`, `AAC`.
    pub(in crate::inspect) codec: &'static str,
    /// Profile in words.
    pub(in crate::inspect) profile: String,
    /// Level in words; `null` for sound.
    pub(in crate::inspect) level: Option<String>,
    /// The string for CODECS, as it would be served.
    pub(in crate::inspect) rfc6381: String,
    /// Language as the file codes it; `und` if unknown.
    pub(in crate::inspect) language: String,
    /// What its author calls it; `null` if there is no title.
    pub(in crate::inspect) title: Option<String>,
    /// Whether the file marks it as on by default.
    pub(in crate::inspect) enabled: bool,
    /// Ticks a second of its times.
    pub(in crate::inspect) timescale_ticks_per_s: u32,
    /// Samples: frames of video, access units of audio.
    pub(in crate::inspect) sample_count: u64,
    /// Bytes of all samples.
    pub(in crate::inspect) sample_bytes: u64,
    /// Sum of all sample durations, edit lists aside.
    pub(in crate::inspect) media_duration_s: f64,
    /// When it starts to be shown or heard; `null` if it is not.
    pub(in crate::inspect) start_s: Option<f64>,
    /// When it ends.
    pub(in crate::inspect) end_s: Option<f64>,
    /// Bits a second over the whole.
    pub(in crate::inspect) average_bits_per_s: u64,
    /// Bits of the second of decode time with most of them.
    pub(in crate::inspect) peak_second_bits_per_s: u64,
    /// Samples without duration, the last one aside.
    pub(in crate::inspect) zero_duration_samples: u64,
    /// Samples presented at the same time as another.
    pub(in crate::inspect) repeated_times: u64,
    /// The edit list as written.
    pub(in crate::inspect) edits: Vec<EditReport>,
    /// What the edit list hides; `null` if nothing is shown.
    pub(in crate::inspect) trim: Option<Trim>,
    /// Silence that the origin makes where sound is missing beside pictures.
    pub(in crate::inspect) silence_frames: SilenceFrames,
    /// Samples at the start that the origin does not serve at their own time: those that are there for decoding
    /// only pass in an instant before the first picture, and a first picture may be held.
    pub(in crate::inspect) preroll_samples: u64,
    /// How long the first picture is held before its own time, from where the sound begins.
    pub(in crate::inspect) first_held_s: f64,
    /// Why the origin leaves it out although it could be played.
    pub(in crate::inspect) excluded: Option<&'static str>,
    /// Of pictures.
    pub(in crate::inspect) video: Option<VideoReport>,
    /// Of sound.
    pub(in crate::inspect) audio: Option<AudioReport>,
}

/// Silent frames, as long as those of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(in crate::inspect) struct SilenceFrames {
    /// In front of the first sample.
    pub(in crate::inspect) before: u64,
    /// Between the pieces of an edit list.
    pub(in crate::inspect) between: u64,
    /// Behind the last sample.
    pub(in crate::inspect) after: u64,
}

/// An entry of the edit list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::inspect) struct EditReport {
    /// First media time shown, in ticks of the track; `null` shows nothing.
    pub(in crate::inspect) media_time_ticks: Option<i64>,
    /// How long it is shown; 0 means to the end.
    pub(in crate::inspect) duration_s: f64,
    /// Playback rate; 1 is normal.
    pub(in crate::inspect) rate: f64,
    /// What it does, in words.
    pub(in crate::inspect) meaning: String,
}

/// What the edit list hides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::inspect) struct Trim {
    /// Samples before the first that is served.
    pub(in crate::inspect) dropped_start_samples: u64,
    /// Samples after the last that is served.
    pub(in crate::inspect) dropped_end_samples: u64,
    /// Media before the start that is served because decoding needs it (priming, frames after the
    /// last sync sample).
    pub(in crate::inspect) preroll_s: f64,
}

/// What is particular to pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::inspect) struct VideoReport {
    /// Coded width.
    pub(in crate::inspect) width_px: u16,
    /// Coded height.
    pub(in crate::inspect) height_px: u16,
    /// Width as displayed, pixel shape and rotation applied.
    pub(in crate::inspect) display_width_px: u32,
    /// Height as displayed.
    pub(in crate::inspect) display_height_px: u32,
    /// Width the codec's parameter set says, after cropping.
    pub(in crate::inspect) stream_width_px: Option<u16>,
    /// Height the codec's parameter set says.
    pub(in crate::inspect) stream_height_px: Option<u16>,
    /// Shape of a pixel, width to height, such as `1:1`.
    pub(in crate::inspect) pixel_aspect: String,
    /// Clockwise rotation for display: 0, 90, 180 or 270.
    pub(in crate::inspect) rotation_degrees: u16,
    /// What else the track's matrix asks for, in words; `null` for nothing.
    pub(in crate::inspect) odd_transform: Option<String>,
    /// How frames follow each other.
    pub(in crate::inspect) frame_rate: FrameRate,
    /// Sampling of colour and depth; `null` where the parameter set is missing.
    pub(in crate::inspect) chroma: Option<Chroma>,
    /// Colour, if stated.
    pub(in crate::inspect) color: Option<ColorReport>,
    /// `SDR`, `HLG` or `PQ`.
    pub(in crate::inspect) dynamic_range: &'static str,
    /// Whether mastering display or light level metadata are there.
    pub(in crate::inspect) hdr_metadata: bool,
    /// Whether pictures may be coded as fields.
    pub(in crate::inspect) interlaced: bool,
    /// Whether the descriptive part of the parameter set is damaged.
    pub(in crate::inspect) damaged_vui: bool,
    /// Groups of pictures.
    pub(in crate::inspect) gop: GopReport,
}

/// How frames follow each other in presentation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::inspect) struct FrameRate {
    /// Whether distances differ by no more than a tick or a millisecond.
    pub(in crate::inspect) constant: bool,
    /// The exact rate as a fraction, such as `30000/1001`; `null` unless all distances are equal.
    pub(in crate::inspect) exact: Option<String>,
    /// Frames over duration.
    pub(in crate::inspect) average_fps: f64,
    /// Pictures that lack among the last, because the file was cut in decoding order. They count for none of
    /// the rates.
    pub(in crate::inspect) missing_at_end: u64,
    /// By the largest distance of two frames; `null` below two frames.
    pub(in crate::inspect) min_fps: Option<f64>,
    /// By the smallest distance of two frames.
    pub(in crate::inspect) max_fps: Option<f64>,
}

/// Sampling of colour and depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(in crate::inspect) struct Chroma {
    /// `4:2:0` and so on.
    pub(in crate::inspect) format: &'static str,
    /// Bits a luma sample.
    pub(in crate::inspect) bit_depth: u8,
}

/// Colour in words (H.273).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::inspect) struct ColorReport {
    /// Colour primaries.
    pub(in crate::inspect) primaries: String,
    /// Transfer characteristics.
    pub(in crate::inspect) transfer: String,
    /// Matrix coefficients.
    pub(in crate::inspect) matrix: String,
    /// Whether the full range of values is used.
    pub(in crate::inspect) full_range: bool,
}

/// Groups of pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::inspect) struct GopReport {
    /// Samples that decoding can start at.
    pub(in crate::inspect) sync_sample_count: u64,
    /// Whether the file lists them; else every sample claims to be one.
    pub(in crate::inspect) sync_samples_listed: bool,
    /// Whether sizes or reordering say that not all can be (only if they are not listed).
    pub(in crate::inspect) looks_inter_coded: bool,
    /// Whether the first sample is one.
    pub(in crate::inspect) starts_with_sync_sample: bool,
    /// Shortest from one to the next; `null` if there is only one.
    pub(in crate::inspect) min_s: Option<f64>,
    /// Average of these.
    pub(in crate::inspect) average_s: Option<f64>,
    /// Longest of these.
    pub(in crate::inspect) max_s: Option<f64>,
    /// From the last sync sample to the end.
    pub(in crate::inspect) last_s: f64,
    /// Whether frames are presented in another order than they are decoded in.
    pub(in crate::inspect) b_frames: bool,
    /// Most frames that precede one in decoding and follow it in presentation, as found.
    pub(in crate::inspect) reorder_frames: usize,
    /// The same as the codec's parameter set states it; `null` if it does not.
    pub(in crate::inspect) stated_reorder_frames: Option<u8>,
}

/// What is particular to sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::inspect) struct AudioReport {
    /// Channels after decoding.
    pub(in crate::inspect) channels: u16,
    /// Samples a second after decoding.
    pub(in crate::inspect) sample_rate_hz: u32,
    /// Samples of one access unit at the core's rate.
    pub(in crate::inspect) samples_per_frame: Option<u16>,
}

impl TrackReport {
    /// How long it is seen or heard; else how much media there is.
    pub(in crate::inspect) fn length_s(&self) -> f64 {
        match (self.start_s, self.end_s) {
            (Some(start), Some(end)) => rounded(end - start.min(0.0), 1e6),
            _ => self.media_duration_s,
        }
    }
}

/// What is found by walking the samples once.
struct Walked {
    cadence: Cadence,
    gops: Gops,
    average: u64,
    peak: u64,
}

fn walk(track: &Track) -> Walked {
    let mut cadence = CadenceWalk::new(slack(track.timescale));
    let mut gops = GopWalk::default();
    let mut peak = PeakWalk::new(track.timescale);
    for row in track.samples.rows(0..track.samples.len()) {
        cadence.push(&row);
        gops.push(&row);
        peak.push(&row);
    }
    let cadence = cadence.finish();
    let ticks = track.samples.total_duration();
    let average = rate::average(track.samples.total_bytes(), ticks, track.timescale);
    Walked { gops: gops.finish(cadence.end_pts), cadence, average, peak: peak.finish(average, ticks) }
}

/// By how many ticks the distances of a constant frame rate differ: one, or a millisecond.
fn slack(timescale: Timescale) -> i64 {
    (i64::from(timescale.ticks_per_s()) / 1000).max(1)
}

/// The report on `track`, which is at `index` in its movie.
pub(super) fn report(
    track: &Track,
    index: usize,
    movie_timescale: Timescale,
    served: Option<&Served>,
) -> TrackReport {
    let walked = walk(track);
    let words = codec::words(&track.codec);
    let name = TrackName { kind: track.kind(), id: track.id };
    let place = served.and_then(|served| shown(&served.timeline, index));
    let excluded = served.and_then(|served| {
        served.presentation.excluded.iter().find(|(excluded, _)| *excluded == name).map(|(_, reason)| *reason)
    });
    let (video, audio) = match &track.format {
        TrackFormat::Video(format) => (Some(video(track, format, &walked)), None),
        TrackFormat::Audio(format) => {
            let samples_per_frame = match &track.codec {
                Codec::Aac(config) => Some(config.samples_per_frame()),
                Codec::Avc(_) | Codec::Hevc(_) => None,
            };
            let (channels, sample_rate_hz) = (format.channels, format.sample_rate);
            (None, Some(AudioReport { channels, sample_rate_hz, samples_per_frame }))
        }
    };
    TrackReport {
        id: track.id,
        name: name.to_string(),
        kind: if track.kind() == TrackKind::Video { "video" } else { "audio" },
        codec: words.family,
        profile: words.profile,
        level: words.level,
        rfc6381: track.codec.rfc6381(),
        language: track.language.clone(),
        title: track.title.clone(),
        enabled: track.enabled,
        timescale_ticks_per_s: track.timescale.ticks_per_s(),
        sample_count: track.samples.len() as u64,
        sample_bytes: track.samples.total_bytes(),
        media_duration_s: seconds(track.samples.total_duration(), track.timescale),
        start_s: place.map(|place| seconds(place.start, track.timescale)),
        end_s: place.map(|place| seconds(place.end, track.timescale)),
        average_bits_per_s: walked.average,
        peak_second_bits_per_s: walked.peak,
        zero_duration_samples: walked.cadence.zero_durations,
        repeated_times: walked.cadence.repeated_times,
        edits: edit_reports(track, movie_timescale, &walked.cadence),
        trim: place.map(|place| trim(&place, track.timescale)),
        silence_frames: place.map_or_else(SilenceFrames::default, |place| {
            let (before, between, after) = place.silence;
            SilenceFrames { before, between, after }
        }),
        preroll_samples: place.map_or(0, |place| place.moved),
        first_held_s: place.map_or(0.0, |place| seconds(place.held, track.timescale)),
        excluded,
        video,
        audio,
    }
}

fn edit_reports(track: &Track, movie_timescale: Timescale, cadence: &Cadence) -> Vec<EditReport> {
    let media = Media {
        kind: track.kind(),
        timescale: track.timescale,
        movie_timescale,
        first_pts: cadence.first_pts,
        end_pts: cadence.end_pts,
    };
    let report = |edit: &Edit| EditReport {
        media_time_ticks: edit.media_time,
        duration_s: rounded(edits::duration_s(edit, &media), 1e6),
        rate: f64::from(edit.rate) / 65_536.0,
        meaning: edits::meaning(edit, &media),
    };
    track.edits.iter().map(report).collect()
}

fn trim(place: &Shown, timescale: Timescale) -> Trim {
    Trim {
        dropped_start_samples: place.dropped.0,
        dropped_end_samples: place.dropped.1,
        preroll_s: seconds(place.preroll, timescale),
    }
}

fn video(track: &Track, format: &VideoFormat, walked: &Walked) -> VideoReport {
    let (display_width_px, display_height_px) = format.display_size();
    let info = codec::sps(&track.codec);
    let has = |fourcc: &[u8]| format.extra.windows(4).any(|four| four == fourcc);
    VideoReport {
        width_px: format.width,
        height_px: format.height,
        display_width_px,
        display_height_px,
        stream_width_px: info.map(|info| info.width),
        stream_height_px: info.map(|info| info.height),
        pixel_aspect: format!("{}:{}", format.pixel_aspect.0, format.pixel_aspect.1),
        rotation_degrees: format.rotation,
        odd_transform: transform::odd(&format.matrix, format.rotation),
        frame_rate: frame_rate(track, &walked.cadence),
        chroma: info
            .map(|info| Chroma { format: codec::chroma(info.chroma_format), bit_depth: info.bit_depth_luma }),
        color: format.color.map(color_report),
        dynamic_range: format.color.map_or("SDR", |color| color.video_range().as_str()),
        hdr_metadata: has(b"mdcv") || has(b"clli"),
        interlaced: info.is_some_and(|info| info.interlaced),
        damaged_vui: info.is_some_and(|info| info.vui_damage.is_some()),
        gop: gop(track, walked, info),
    }
}

fn frame_rate(track: &Track, cadence: &Cadence) -> FrameRate {
    let ticks_per_s = track.timescale.ticks_per_s();
    let fps = |ticks: i64| rounded(1.0 / track.timescale.seconds(ticks.max(1)), 1e3);
    let exact = cadence.distance.filter(|(least, most)| least == most).map(|(ticks, _)| {
        let ratio = u64::try_from(ticks)
            .ok()
            .and_then(|ticks| rillcast_media::codec::sps::Ratio::reduced(u64::from(ticks_per_s), ticks));
        ratio.map_or_else(String::new, |ratio| format!("{}/{}", ratio.num, ratio.den))
    });
    let total = track.timescale.seconds(track.samples.total_duration().max(1));
    let frames = u32::try_from(track.samples.len()).unwrap_or(u32::MAX);
    FrameRate {
        constant: cadence.is_constant(slack(track.timescale)),
        exact,
        average_fps: rounded(f64::from(frames) / total, 1e3),
        missing_at_end: cadence.missing_at_end,
        min_fps: cadence.distance.map(|(_, most)| fps(most)),
        max_fps: cadence.distance.map(|(least, _)| fps(least)),
    }
}

fn gop(track: &Track, walked: &Walked, info: Option<&SpsInfo>) -> GopReport {
    let Walked { gops, cadence, .. } = walked;
    let seconds = |ticks| seconds(ticks, track.timescale);
    let listed = matches!(track.samples.sync(), SyncSamples::Listed(_));
    let between = i64::try_from(gops.sync_samples.saturating_sub(1)).unwrap_or(i64::MAX).max(1);
    GopReport {
        sync_sample_count: gops.sync_samples,
        sync_samples_listed: listed,
        looks_inter_coded: !listed
            && gops.samples > 1
            && (cadence.reorder_depth > 0 || gops.sizes_are_of_inter_coding()),
        starts_with_sync_sample: gops.first_is_sync,
        min_s: gops.whole.map(|whole| seconds(whole.least)),
        average_s: gops.whole.map(|whole| seconds(whole.sum / between)),
        max_s: gops.whole.map(|whole| seconds(whole.most)),
        last_s: seconds(gops.last),
        b_frames: cadence.reorder_depth > 0,
        reorder_frames: cadence.reorder_depth,
        stated_reorder_frames: info.and_then(|info| info.max_num_reorder),
    }
}

fn color_report(of: Color) -> ColorReport {
    ColorReport {
        primaries: color::primaries(of.primaries),
        transfer: color::transfer(of.transfer),
        matrix: color::matrix(of.matrix),
        full_range: of.full_range,
    }
}
