//! What a playlist needs to know of an asset, and nothing else.
//!
//! VOD builds it from a plan, live from a window; `manifest` only writes it. Times are on the output
//! timeline; names are those of URLs.

mod bandwidth;
pub(crate) mod language;
mod track_name;

pub use self::bandwidth::Bandwidth;
pub use self::track_name::{TrackName, TrackNameError};
use crate::codec::color::VideoRange;
use crate::movie::{Track, TrackFormat, TrackKind};
use crate::package::cmaf;
use crate::plan::{KeyFrame, SegmentPlan, key_frames};
use crate::sample::Commons;
use crate::time::Timescale;
use crate::timeline::Timeline;

/// An asset as players see it.
#[derive(Debug, Clone)]
pub struct Presentation {
    /// `EXT-X-TARGETDURATION` of every playlist, in seconds.
    pub target_duration_s: u32,
    /// Whether every segment of every video rendition starts with a sync sample.
    pub independent_segments: bool,
    /// Renditions in file order; at least one.
    pub renditions: Vec<Rendition>,
    /// Tracks that could be played but are left out, with the reason.
    pub excluded: Vec<(TrackName, &'static str)>,
}

/// One track as players see it.
#[derive(Debug, Clone)]
pub struct Rendition {
    /// Its name in URLs.
    pub name: TrackName,
    /// Index of the track in the timeline.
    pub track: usize,
    /// RFC 6381 codec string.
    pub codec: String,
    /// BCP 47 language tag; `und` if unknown.
    pub language: String,
    /// What the author calls it, as in the source.
    pub title: Option<String>,
    /// Whether the source marks it as on by default.
    pub enabled: bool,
    /// Ticks a second of the durations below.
    pub timescale: Timescale,
    /// Picture or sound.
    pub look: Look,
    /// Segments in order, without empty ones at the end.
    pub segments: Vec<Segment>,
    /// What trick play shows; empty for audio.
    pub key_frames: Vec<KeyFrameEntry>,
}

/// What a rendition looks or sounds like.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Pictures.
    Video {
        /// Width in pixels as displayed.
        width: u32,
        /// Height in pixels as displayed.
        height: u32,
        /// Average pictures a second, in thousandths.
        frame_rate_milli: u64,
        /// Dynamic range.
        range: VideoRange,
    },
    /// Sound.
    Audio {
        /// Channels.
        channels: u16,
    },
}

/// One segment of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Ticks of presentation.
    pub duration: i64,
    /// Bytes of the whole segment, header included.
    pub bytes: u64,
    /// Whether the clip changes before it.
    pub discontinuity: bool,
    /// Whether the track has nothing there.
    pub gap: bool,
}

/// One picture of trick play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFrameEntry {
    /// The frame.
    pub frame: KeyFrame,
    /// Bytes of its segment, header included.
    pub bytes: u64,
    /// Whether the clip changes before it.
    pub discontinuity: bool,
}

impl Presentation {
    /// The presentation of `timeline` as cut by `plan`.
    ///
    /// Cost: O(segments + sync samples).
    pub fn of_plan(timeline: &Timeline, plan: &SegmentPlan) -> Self {
        let mut presentation = Self {
            target_duration_s: plan.target_duration_s(),
            independent_segments: true,
            renditions: Vec::new(),
            excluded: Vec::new(),
        };
        let Some(first) = timeline.clips().first() else { return presentation };
        for (index, track) in first.movie.tracks.iter().enumerate() {
            let name = TrackName { kind: track.kind(), id: track.id };
            if let Some(reason) = plan.excluded(index) {
                presentation.excluded.push((name, reason));
                continue;
            }
            let rendition = rendition(timeline, plan, index, track, name);
            if rendition.segments.is_empty() {
                presentation.excluded.push((name, "nothing of it is shown"));
                continue;
            }
            presentation.independent_segments &= starts_with_sync_samples(timeline, plan, index);
            presentation.renditions.push(rendition);
        }
        presentation
    }

    /// Renditions of one kind, in file order.
    pub fn of_kind(&self, kind: TrackKind) -> impl Iterator<Item = &Rendition> {
        self.renditions.iter().filter(move |rendition| rendition.name.kind == kind)
    }

    /// The rendition called `name`.
    pub fn rendition(&self, name: TrackName) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| rendition.name == name)
    }
}

impl Rendition {
    /// Length of presentation in ticks.
    pub fn duration(&self) -> i64 {
        self.segments.iter().map(|segment| segment.duration).sum()
    }
}

fn rendition(
    timeline: &Timeline,
    plan: &SegmentPlan,
    index: usize,
    track: &Track,
    name: TrackName,
) -> Rendition {
    let mut segments: Vec<Segment> = plan
        .spans(index)
        .map(|span| Segment {
            duration: span.duration.max(0),
            bytes: cmaf::header_bytes(&span.commons) + span.commons.bytes,
            discontinuity: span.discontinuity,
            gap: span.samples.is_empty(),
        })
        .collect();
    while segments.pop_if(|last| last.gap).is_some() {}
    let look = match &track.format {
        TrackFormat::Video(video) => {
            let (width, height) = video.display_size();
            Look::Video {
                width,
                height,
                frame_rate_milli: frame_rate_milli(track),
                range: video.color.map_or(VideoRange::Sdr, |color| color.video_range()),
            }
        }
        TrackFormat::Audio(audio) => Look::Audio { channels: audio.channels },
    };
    let frames = if name.kind == TrackKind::Video { key_frames(timeline, plan, index) } else { Vec::new() };
    Rendition {
        name,
        track: index,
        codec: track.codec.rfc6381(),
        language: language::bcp47(&track.language),
        title: track.title.clone(),
        enabled: track.enabled,
        timescale: track.timescale,
        look,
        segments,
        key_frames: key_frame_entries(timeline, index, &frames),
    }
}

fn key_frame_entries(timeline: &Timeline, index: usize, frames: &[KeyFrame]) -> Vec<KeyFrameEntry> {
    let mut clip_before = None;
    let entry = |frame: &KeyFrame| {
        let (bytes, _) = timeline.clips().get(frame.clip)?.size_and_sync(index, frame.position)?;
        let mut alone = Commons::default();
        alone.push(1, 0, true, bytes);
        let discontinuity = clip_before.is_some_and(|before| before != frame.clip);
        clip_before = Some(frame.clip);
        Some(KeyFrameEntry { frame: *frame, bytes: cmaf::header_bytes(&alone) + alone.bytes, discontinuity })
    };
    frames.iter().filter_map(entry).collect()
}

/// Pictures a second, averaged over the track less its pauses, in thousandths: a picture that lasts a second
/// is a still, one that lasts less than two milliseconds is not seen. (`FRAME-RATE` is the highest rate, RFC
/// 8216 §4.3.4.2, but not what a single pair of pictures happens to have.)
fn frame_rate_milli(track: &Track) -> u64 {
    let second = u64::from(track.timescale.ticks_per_s());
    let (mut frames, mut ticks) = track.samples.lasting(&(second.div_ceil(500)..second));
    if frames == 0 {
        (frames, ticks) = track.samples.lasting(&(0..u64::MAX));
    }
    let (ticks, frames) = (u128::from(ticks.max(1)), u128::from(frames) * u128::from(second) * 1000);
    u64::try_from((frames + ticks / 2) / ticks).unwrap_or(u64::MAX)
}

/// Whether every segment of a video track starts with a sync sample; true for audio.
fn starts_with_sync_samples(timeline: &Timeline, plan: &SegmentPlan, index: usize) -> bool {
    plan.spans(index).filter(|span| !span.samples.is_empty()).all(|span| {
        let clip = timeline.clips().get(span.clip);
        clip.and_then(|clip| clip.size_and_sync(index, span.samples.start)).is_some_and(|(_, sync)| sync)
    })
}

#[cfg(test)]
mod tests;
