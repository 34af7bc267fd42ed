//! What playlists list, in the little that a request needs of it.

use bytes::Bytes;

use super::DecodeError;
use super::wire::{Reader, Writer};
use crate::demux::mp4::MAX_TRACKS;
use crate::movie::TrackKind;
use crate::plan::{KeyFrame, MAX_TIME, SegmentPlan};
use crate::presentation::{Rendition, TrackName};
use crate::timeline::Timeline;

/// Bytes of a row: clip, position, presentation time, duration.
const ROW_BYTES: usize = 32;
/// Least bytes of a rendition.
const RENDITION_BYTES: u64 = 29;
/// Bytes of the key frames of one rendition: well above what the plan's limit and a frame a clip make.
const MAX_KEY_FRAME_BYTES: u64 = 64 << 20;

/// One rendition as a request needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRendition {
    /// Its name in URLs.
    pub name: TrackName,
    /// Index of the track in the timeline.
    pub track: usize,
    /// Segments that are listed: the plan may have more, which are empty.
    pub segments: usize,
    /// What trick play shows; empty for audio.
    pub key_frames: KeyFrameTable,
}

impl ListedRendition {
    pub(super) fn of(rendition: &Rendition) -> Self {
        Self {
            name: rendition.name,
            track: rendition.track,
            segments: rendition.segments.len(),
            key_frames: rendition.key_frames.iter().map(|entry| entry.frame).collect(),
        }
    }
}

/// Key frames in rows of one width, in memory or in a mapped file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyFrameTable {
    rows: Bytes,
}

impl KeyFrameTable {
    /// Key frames.
    pub fn len(&self) -> usize {
        self.rows.len() / ROW_BYTES
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes behind the table.
    pub fn memory_bytes(&self) -> usize {
        self.rows.len()
    }

    /// Key frame `number`, or `None` past the end. Times are at most `MAX_TIME` from zero.
    pub fn get(&self, number: usize) -> Option<KeyFrame> {
        let (rows, _) = self.rows.as_chunks::<ROW_BYTES>();
        let (words, _) = rows.get(number)?.as_chunks::<8>();
        let [clip, position, pts, duration] = words else { unreachable!("a row of four words") };
        let index = |word: &[u8; 8]| usize::try_from(u64::from_le_bytes(*word)).ok();
        let time = |word: &[u8; 8]| i64::from_le_bytes(*word).clamp(-MAX_TIME, MAX_TIME);
        Some(KeyFrame {
            clip: index(clip)?,
            position: index(position)?,
            pts: time(pts),
            duration: time(duration),
        })
    }
}

impl FromIterator<KeyFrame> for KeyFrameTable {
    fn from_iter<I: IntoIterator<Item = KeyFrame>>(frames: I) -> Self {
        let mut rows = Vec::new();
        for frame in frames {
            rows.extend_from_slice(&(frame.clip as u64).to_le_bytes());
            rows.extend_from_slice(&(frame.position as u64).to_le_bytes());
            rows.extend_from_slice(&frame.pts.to_le_bytes());
            rows.extend_from_slice(&frame.duration.to_le_bytes());
        }
        rows.shrink_to_fit();
        Self { rows: rows.into() }
    }
}

pub(super) fn write(w: &mut Writer, renditions: &[ListedRendition]) {
    w.count(renditions.len());
    for rendition in renditions {
        w.flag(rendition.name.kind == TrackKind::Video);
        w.u32(rendition.name.id);
        w.count(rendition.track);
        w.count(rendition.segments);
        w.bytes(&rendition.key_frames.rows);
    }
}

pub(super) fn read(
    r: &mut Reader,
    timeline: &Timeline,
    plan: &SegmentPlan,
) -> Result<Vec<ListedRendition>, DecodeError> {
    let count = r.count("renditions", MAX_TRACKS, RENDITION_BYTES)?;
    let mut renditions = Vec::with_capacity(count);
    for _ in 0..count {
        renditions.push(read_rendition(r, timeline, plan)?);
    }
    if renditions.is_empty() {
        return Err(r.bad("renditions"));
    }
    Ok(renditions)
}

fn read_rendition(
    r: &mut Reader,
    timeline: &Timeline,
    plan: &SegmentPlan,
) -> Result<ListedRendition, DecodeError> {
    let kind = if r.flag("kind of rendition")? { TrackKind::Video } else { TrackKind::Audio };
    let name = TrackName { kind, id: r.u32("rendition")? };
    let index = r.u64("track of the rendition")?;
    let track = usize::try_from(index).ok().filter(|track| plan.span(*track, 0).is_ok());
    let track = track.ok_or_else(|| r.bad("track of the rendition"))?;
    let of_track = timeline.clips().first().and_then(|clip| clip.movie.tracks.get(track));
    if of_track.is_none_or(|of| of.kind() != kind || of.id != name.id) {
        return Err(r.bad("name of the rendition"));
    }
    let segments = r.u64("segments of the rendition")?;
    let segments = usize::try_from(segments).ok().filter(|segments| *segments <= plan.len());
    let segments = segments.ok_or_else(|| r.bad("segments of the rendition"))?;
    let rows = r.bytes("key frames", MAX_KEY_FRAME_BYTES)?;
    if !rows.len().is_multiple_of(ROW_BYTES) {
        return Err(r.bad("key frames"));
    }
    Ok(ListedRendition { name, track, segments, key_frames: KeyFrameTable { rows } })
}
