//! How the file would be cut, and what playlists would say of it.

use rillcast_media::layout::Contiguity;
use rillcast_media::movie::TrackKind;
use rillcast_media::plan::SegmentPlan;
use rillcast_media::presentation::{Bandwidth, Presentation, Rendition};
use rillcast_media::timeline::Timeline;
use serde::Serialize;

use crate::inspect::facts::{interleave, rounded, seconds};

/// The segment plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::inspect) struct Segments {
    /// Segments.
    pub(in crate::inspect) count: usize,
    /// `EXT-X-TARGETDURATION`.
    pub(in crate::inspect) target_duration_s: u32,
    /// Name of the track whose sync samples decide the cuts.
    pub(in crate::inspect) cut_by_track: String,
    /// Shortest segment, the last one included.
    pub(in crate::inspect) min_s: f64,
    /// Average of all.
    pub(in crate::inspect) average_s: f64,
    /// Longest segment.
    pub(in crate::inspect) max_s: f64,
    /// Number of the longest segment, from zero.
    pub(in crate::inspect) longest_number: usize,
    /// When the longest segment starts; before zero if it holds pre-roll.
    pub(in crate::inspect) longest_start_s: f64,
    /// Whether each starts with a sync sample in every video track.
    pub(in crate::inspect) independent: bool,
    /// Segments in which a track of the playlist has nothing.
    pub(in crate::inspect) gap_count: usize,
    /// Discontinuities between them: pieces of an edit list.
    pub(in crate::inspect) discontinuity_count: usize,
    /// Widest gap in the file between two tracks' bytes of one segment.
    pub(in crate::inspect) interleave_gap_bytes: u64,
    /// Whether each segment of a track is one piece of the file.
    pub(in crate::inspect) contiguous: bool,
    /// Pieces of the file that a segment of a track is, on average.
    pub(in crate::inspect) extents_average: f64,
    /// What playlists would state for each variant.
    pub(in crate::inspect) playlist_rates: Vec<PlaylistRate>,
    /// Duration of each.
    pub(in crate::inspect) durations_s: Vec<f64>,
    /// Bytes of each, all tracks together, headers included.
    pub(in crate::inspect) sizes_bytes: Vec<u64>,
}

/// `BANDWIDTH` and `AVERAGE-BANDWIDTH` of a video track with the most expensive sound, or of an
/// audio track alone when there is no video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::inspect) struct PlaylistRate {
    /// Name of the track.
    pub(in crate::inspect) track: String,
    /// `BANDWIDTH`.
    pub(in crate::inspect) peak_bits_per_s: u64,
    /// `AVERAGE-BANDWIDTH`.
    pub(in crate::inspect) average_bits_per_s: u64,
}

/// The report on `plan`.
pub(super) fn report(timeline: &Timeline, plan: &SegmentPlan, presentation: &Presentation) -> Segments {
    let renditions = &presentation.renditions;
    let reference = renditions.iter().find(|rendition| rendition.track == timeline.reference());
    let cuts = reference.map(|rendition| rendition.segments.as_slice()).unwrap_or_default();
    let durations_s: Vec<f64> = reference.map_or_else(Vec::new, |rendition| {
        rendition.segments.iter().map(|segment| seconds(segment.duration, rendition.timescale)).collect()
    });
    let longest = durations_s.iter().enumerate().rev().max_by(|(_, one), (_, other)| one.total_cmp(other));
    let (longest_number, max_s) = longest.map_or((0, 0.0), |(number, duration)| (number, *duration));
    let total: f64 = durations_s.iter().sum();
    let contiguity = Contiguity::of(timeline, plan);
    let count = u32::try_from(durations_s.len()).unwrap_or(u32::MAX).max(1);
    Segments {
        count: plan.len(),
        target_duration_s: presentation.target_duration_s,
        cut_by_track: reference.map_or_else(String::new, |rendition| rendition.name.to_string()),
        min_s: durations_s.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0),
        average_s: rounded(total / f64::from(count), 1e6),
        max_s,
        longest_number,
        longest_start_s: start_s(timeline, plan, longest_number),
        independent: presentation.independent_segments,
        gap_count: renditions.iter().flat_map(|of| &of.segments).filter(|segment| segment.gap).count(),
        discontinuity_count: cuts.iter().filter(|segment| segment.discontinuity).count(),
        interleave_gap_bytes: interleave::widest_gap_bytes(timeline, plan),
        contiguous: contiguity.is_contiguous(),
        extents_average: rounded(contiguity.average(), 1e3),
        playlist_rates: playlist_rates(presentation),
        sizes_bytes: sizes(renditions, plan.len()),
        durations_s,
    }
}

/// When segment `number` of the reference track starts.
fn start_s(timeline: &Timeline, plan: &SegmentPlan, number: usize) -> f64 {
    let reference = timeline.reference();
    let track = timeline.clips().first().and_then(|clip| clip.track(reference));
    let (Some((track, _)), Ok(span)) = (track, plan.span(reference, number)) else { return 0.0 };
    seconds(span.start.saturating_sub(track.timescale.offset()), track.timescale)
}

fn playlist_rates(presentation: &Presentation) -> Vec<PlaylistRate> {
    let audio = || presentation.of_kind(TrackKind::Audio);
    let has_video = presentation.of_kind(TrackKind::Video).next().is_some();
    let kind = if has_video { TrackKind::Video } else { TrackKind::Audio };
    let rate = |rendition: &Rendition| {
        let target = presentation.target_duration_s;
        let rate = if has_video {
            Bandwidth::of_variant(rendition, audio(), target)
        } else {
            Bandwidth::of_variant(rendition, std::iter::empty(), target)
        };
        let track = rendition.name.to_string();
        PlaylistRate { track, peak_bits_per_s: rate.peak, average_bits_per_s: rate.average }
    };
    presentation.of_kind(kind).map(rate).collect()
}

/// Bytes of each segment over all tracks.
fn sizes(renditions: &[Rendition], count: usize) -> Vec<u64> {
    let mut sizes = vec![0u64; count];
    for rendition in renditions {
        for (size, segment) in sizes.iter_mut().zip(&rendition.segments) {
            *size = size.saturating_add(segment.bytes);
        }
    }
    sizes
}
