//! Segment-contiguous layout: the same movie as a file in which every segment is one piece.
//!
//! Writers interleave tracks frame by frame, so that a segment of one track is hundreds of small
//! byte ranges. Laid out anew, it is one: what is sent is a header and one `sendfile`.
//!
//! ```text
//!  source   ftyp free mdat[ v0 a0 v1 a1 v2 t0 a2 v3 … ] moov
//!                 │
//!  Survey ─▶ Frame│ + Timeline + SegmentPlan ─▶ Rewrite (head in memory, extents of the source in their new order)
//!                 ▼
//!  rewrite  ftyp moov mdat[ v0 v1 v2 … │ a0 a1 … │ t0 │ v90 v91 … │ a140 a141 … │ … ]
//!                          └ segment 0, track by track ┘    └ segment 1 …
//! ```
//!
//! Nothing is decoded, and no sample changes. The order of samples in a track stays, so `stsz`, `stts`,
//! `ctts`, `stss`, edit lists and all else of the index stay byte for byte; only `stsc` and
//! `stco`/`co64` are new. What no segment shows (tracks that are left out, samples outside the edits)
//! is kept too: left-out tracks chunk by chunk where they were among the segments, samples that are
//! not shown before the next segment of their track. Padding (`free`, `skip`, `wide`) is dropped, and
//! so are bytes of `mdat` that no track refers to. Boxes that would be wrong afterwards are
//! refused, see [`LayoutError`].
//!
//! Invariants: the revision is that of the source; each (segment, track) is one extent, and tracks of
//! a segment are neighbours; a rewrite of a rewrite changes nothing. [`Rewrite::confirm`] holds a
//! written file to that.
//!
//! Spec: ISO/IEC 14496-12 §8.7.4 (`stsc`), §8.7.5 (`stco`, `co64`).

mod boxes;
mod chunks;
mod confirm;
mod contiguity;
mod error;
mod head;
mod index;
mod order;
mod places;
mod survey;

use std::ops::Range;

use bytes::Bytes;

pub use self::confirm::Difference;
pub use self::contiguity::Contiguity;
pub use self::error::LayoutError;
use self::places::{Place, Places};
pub use self::survey::{Frame, MAX_KEPT_BYTES, Survey, Surveying, survey_all};
use crate::plan::SegmentPlan;
use crate::slice::Extent;
use crate::timeline::Timeline;

/// How much larger than the source the media may become where tracks share bytes: a named limit.
pub const MAX_GROWTH: u64 = 2;
/// Samples of a chunk that no segment shows.
const REST_CHUNK_SAMPLES: usize = 256;

/// A file in segment-contiguous layout, described: its head in memory, its media as extents of the source.
#[derive(Debug)]
pub struct Rewrite {
    head: Bytes,
    len: u64,
    pieces: Vec<Piece>,
    places: Places,
    apart: usize,
}

/// What lies together in the new file: samples of one track, or chunks of one that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Pieces with one number come from about one place of the source: a segment, and what is before it.
    pub batch: usize,
    /// First byte in the new file.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// Which of the index's tracks it is of.
    trak: usize,
    kind: Kind,
    /// Numbers of its samples, or of its chunks where the track is left out.
    range: Range<usize>,
}

/// What a piece is; the order is that of pieces in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Chunks of a track that is left out.
    LeftOut,
    /// Samples that no segment shows.
    Rest,
    /// Samples of a group of segments.
    Shown,
}

impl Rewrite {
    /// The new file for the source around `frame`, of which `timeline` shows all there is to show, cut by `plan`.
    ///
    /// Cost: a few passes over the samples; memory for the new index and some 70 bytes a segment and track.
    ///
    /// # Errors
    /// [`LayoutError`].
    ///
    /// # Panics
    /// For a timeline of several sources.
    pub fn new(frame: &Frame, timeline: &Timeline, plan: &SegmentPlan) -> Result<Self, LayoutError> {
        let places = Places::new(frame, timeline, plan)?;
        let mut pieces = pieces(timeline, plan, &places);
        let mut media = 0u64;
        for piece in &mut pieces {
            piece.len = places.extents(piece).map(|extent| extent.len).fold(0, u64::saturating_add);
            piece.start = media;
            media = media.saturating_add(piece.len);
        }
        let limit = places.movie().source_len.saturating_mul(MAX_GROWTH);
        if media > limit {
            return Err(LayoutError::Shared { bytes: media, limit });
        }
        let head = head::write(frame, &places, &pieces, media)?;
        for piece in &mut pieces {
            piece.start = piece.start.saturating_add(head.len() as u64);
        }
        let len = media.saturating_add(head.len() as u64);
        let apart = apart(&places, &pieces);
        Ok(Self { head, len, pieces, places, apart })
    }

    /// Bytes of the new file.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Never: it has a head.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Everything in front of the media.
    pub const fn head(&self) -> &Bytes {
        &self.head
    }

    /// The media, in the order of the new file: each piece starts where the one before ends.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Where `piece` lies in the source: extents in order, touching ones as one.
    ///
    /// Cost: O(samples of the piece); no allocation but for left-out tracks.
    pub fn extents(&self, piece: &Piece) -> impl Iterator<Item = Extent> + '_ {
        self.places.extents(piece)
    }

    /// The new file, made of a source in memory; for tests, tools and fuzzing.
    pub fn bytes(&self, source: &[u8]) -> Vec<u8> {
        let mut bytes = self.head.to_vec();
        for extent in self.pieces.iter().flat_map(|piece| self.extents(piece)) {
            let at = |offset: u64| usize::try_from(offset).map_or(source.len(), |at| at.min(source.len()));
            let range = at(extent.offset)..at(extent.offset.saturating_add(extent.len));
            bytes.extend_from_slice(source.get(range).unwrap_or_default());
        }
        bytes
    }

    /// Whether the source is laid out so already: its index comes first, and the tracks of each
    /// segment are one piece of it, in order.
    pub fn is_in_place(&self) -> bool {
        self.apart == 0 && self.places.movie().layout.index_first
    }
}

/// The new order of everything; places and lengths are not set.
fn pieces(timeline: &Timeline, plan: &SegmentPlan, places: &Places) -> Vec<Piece> {
    let intervals = order::intervals(timeline, plan);
    let groups = intervals.last().map_or(0, |last| last.group.saturating_add(1));
    let mut pieces = Vec::with_capacity(intervals.len());
    let mut starts = vec![u64::MAX; groups];
    for interval in intervals {
        let Some(trak) = places.trak_of(interval.track) else { continue };
        let piece = Piece::new(interval.group, trak, Kind::Shown, interval.samples);
        if let Some(start) = starts.get_mut(interval.group) {
            *start = places.extents(&piece).map(|extent| extent.offset).fold(*start, u64::min);
        }
        pieces.push(piece);
    }
    let shown = pieces.clone();
    for (trak, place) in places.iter().enumerate() {
        match place {
            Place::Samples(track) => {
                let mut own: Vec<&Piece> = shown.iter().filter(|piece| piece.trak == trak).collect();
                own.sort_unstable_by_key(|piece| piece.range.start);
                let covered: Vec<Range<usize>> = own.iter().map(|piece| piece.range.clone()).collect();
                let len = places.movie().tracks.get(*track).map_or(0, |track| track.samples.len());
                for (before, rest) in order::rests(&covered, len) {
                    let batch = own.get(before).map_or(groups, |next| next.batch);
                    pieces.push(Piece::new(batch, trak, Kind::Rest, rest));
                }
            }
            Place::Chunks(chunks) => {
                let among = among(&starts, chunks.offsets.iter_from(0));
                pieces.extend(among.map(|(batch, range)| Piece::new(batch, trak, Kind::LeftOut, range)));
            }
        }
    }
    pieces.sort_by_key(|piece| (piece.batch, piece.kind, piece.trak, piece.range.start));
    pieces
}

/// Runs of chunks, each with the group of segments that it goes before: the first that begins behind it in the source.
/// Chunks keep their order, whatever their offsets.
fn among(starts: &[u64], offsets: impl Iterator<Item = u64>) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut rising = starts.to_vec();
    let mut reach = 0;
    for start in &mut rising {
        reach = reach.max(*start);
        *start = reach;
    }
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    for (chunk, offset) in offsets.enumerate() {
        let group = rising.partition_point(|start| *start <= offset);
        match runs.last_mut() {
            Some((last, run)) if group <= *last => run.end = chunk.saturating_add(1),
            _ => runs.push((group, chunk..chunk.saturating_add(1))),
        }
    }
    runs.into_iter()
}

/// Groups of segments that are more than one piece of the source.
fn apart(places: &Places, pieces: &[Piece]) -> usize {
    let of_batch = |batch: &[Piece]| {
        let shown = batch.iter().filter(|piece| piece.kind == Kind::Shown);
        places::coalesced(shown.flat_map(|piece| places.extents(piece))).count()
    };
    pieces.chunk_by(|one, other| one.batch == other.batch).filter(|batch| of_batch(batch) > 1).count()
}

impl Piece {
    const fn new(batch: usize, trak: usize, kind: Kind, range: Range<usize>) -> Self {
        Self { batch, start: 0, len: 0, trak, kind, range }
    }

    /// First byte after it in the new file.
    pub const fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

#[cfg(test)]
mod tests;
