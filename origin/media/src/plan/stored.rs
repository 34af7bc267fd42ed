//! A plan as bytes and back, for [`index`](crate::index).

use super::table::{ROW_BYTES, SegmentTable};
use super::track::TrackPlan;
use super::{MAX_SEGMENTS, SegmentPlan, UNALIGNED};
use crate::index::DecodeError;
use crate::index::wire::{Reader, Writer};
use crate::timeline::Timeline;

impl SegmentPlan {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.count(self.clips.len());
        self.clips.iter().for_each(|clip| w.u32(*clip));
        for track in &self.tracks {
            w.flag(track.excluded.is_some());
            w.bytes(track.segments.as_bytes());
        }
    }

    /// Reads a plan of `timeline`. Tables go on sharing the bytes.
    pub(crate) fn read(r: &mut Reader, timeline: &Timeline) -> Result<Self, DecodeError> {
        let count = r.count("segments", MAX_SEGMENTS as u64, 4)?;
        let mut clips = Vec::with_capacity(count);
        for _ in 0..count {
            let clip = r.u32("clip of a segment")?;
            if clip as usize >= timeline.clips().len() {
                return Err(r.bad("clip of a segment"));
            }
            clips.push(clip);
        }
        let most = (MAX_SEGMENTS as u64).saturating_mul(ROW_BYTES as u64);
        let mut tracks = Vec::new();
        for track in timeline.clips().first().iter().flat_map(|clip| &clip.movie.tracks) {
            let excluded = r.flag("excluded")?.then_some(UNALIGNED);
            let segments = SegmentTable::of_bytes(r.bytes("segments of a track", most)?);
            let whole = |table: &SegmentTable| table.len() == count || excluded.is_some();
            let segments = segments.filter(whole).ok_or_else(|| r.bad("segments of a track"))?;
            tracks.push(TrackPlan { timescale: track.timescale, segments, excluded });
        }
        Ok(Self { clips, tracks })
    }
}
