//! Where the bytes of every track of an index lie.

use std::sync::Arc;

use super::chunks::Chunks;
use super::index::{Trak, traks};
use super::{Frame, Kind, LayoutError, Piece};
use crate::movie::Movie;
use crate::plan::SegmentPlan;
use crate::slice::{Extent, SourceIndex};
use crate::timeline::Timeline;

/// Where the bytes of one `trak` lie.
#[derive(Debug)]
pub(super) enum Place {
    /// Sample by sample: a track of the movie that segments show.
    Samples(usize),
    /// Chunk by chunk: one that is left out.
    Chunks(Chunks),
}

/// The same for every `trak`, in file order.
#[derive(Debug)]
pub(super) struct Places {
    movie: Arc<Movie>,
    traks: Vec<Place>,
}

impl Places {
    pub(super) fn new(frame: &Frame, timeline: &Timeline, plan: &SegmentPlan) -> Result<Self, LayoutError> {
        let mut movies = timeline.clips().iter().map(|clip| &clip.movie);
        let movie = movies.next().expect("a timeline has a clip");
        assert!(movies.all(|other| Arc::ptr_eq(movie, other)), "a source is laid out alone");
        let read = traks(&frame.index, frame.index_offset)?;
        let mut places = Self { movie: Arc::clone(movie), traks: Vec::with_capacity(read.len()) };
        for (number, trak) in read.iter().enumerate() {
            let wrong = |what| LayoutError::Track { track: trak.id, what, offset: trak.offset };
            if read.iter().take(number).any(|before| before.id == trak.id) {
                return Err(wrong("is there twice"));
            }
            places.traks.push(places.place(trak, plan)?);
        }
        for (index, track) in movie.tracks.iter().enumerate() {
            if plan.excluded(index).is_none() && places.trak_of(index).is_none() {
                let (track, what) = (track.id, "is missing");
                return Err(LayoutError::Track { track, what, offset: frame.index_offset });
            }
        }
        Ok(places)
    }

    fn place(&self, trak: &Trak<'_>, plan: &SegmentPlan) -> Result<Place, LayoutError> {
        let track = self.movie.tracks.iter().position(|track| track.id == trak.id);
        match track.filter(|track| plan.excluded(*track).is_none()) {
            Some(track) => Ok(Place::Samples(track)),
            None => Ok(Place::Chunks(Chunks::read(trak, self.movie.source_len)?)),
        }
    }

    pub(super) fn movie(&self) -> &Movie {
        &self.movie
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.traks.iter()
    }

    pub(super) fn get(&self, trak: usize) -> Option<&Place> {
        self.traks.get(trak)
    }

    /// Which `trak` is that of the movie's `track`.
    pub(super) fn trak_of(&self, track: usize) -> Option<usize> {
        self.traks.iter().position(|place| matches!(place, Place::Samples(of) if *of == track))
    }

    /// Where `piece` lies: extents in order, touching ones as one.
    pub(super) fn extents(&self, piece: &Piece) -> impl Iterator<Item = Extent> + '_ {
        let place = self.traks.get(piece.trak);
        let range = piece.range.clone();
        let of_samples = match place {
            Some(Place::Samples(track)) if piece.kind != Kind::LeftOut => self.movie.tracks.get(*track),
            _ => None,
        };
        let of_chunks = match place {
            Some(Place::Chunks(chunks)) if piece.kind == Kind::LeftOut => Some(chunks),
            _ => None,
        };
        let samples = of_samples.into_iter().flat_map({
            let range = range.clone();
            move |track| track.samples.rows(range.clone()).map(|row| (row.offset, u64::from(row.size)))
        });
        let chunks = of_chunks.into_iter().flat_map(move |chunks| {
            let (offsets, lens) = (chunks.offsets.iter_from(range.start), chunks.lens.iter_from(range.start));
            offsets.zip(lens).take(range.len())
        });
        let source = SourceIndex::default();
        coalesced(samples.chain(chunks).map(move |(offset, len)| Extent { source, offset, len }))
    }
}

/// `extents` without empty ones, and with touching ones as one.
pub(super) fn coalesced(extents: impl Iterator<Item = Extent>) -> impl Iterator<Item = Extent> {
    let mut extents = extents.filter(|extent| extent.len > 0);
    let mut held: Option<Extent> = None;
    std::iter::from_fn(move || {
        for next in extents.by_ref() {
            match &mut held {
                Some(last) if last.offset.checked_add(last.len) == Some(next.offset) => {
                    last.len = last.len.saturating_add(next.len);
                }
                _ => {
                    if let Some(done) = held.replace(next) {
                        return Some(done);
                    }
                }
            }
        }
        held.take()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_extents_are_one_and_empty_ones_none() {
        let extent = |(offset, len)| Extent { source: SourceIndex::default(), offset, len };
        let of = |list: &[(u64, u64)]| list.iter().copied().map(extent).collect::<Vec<_>>();
        let given = of(&[(0, 0), (5, 5), (10, 1), (11, 0), (11, 2), (20, 1), (13, 1)]);
        assert_eq!(coalesced(given.into_iter()).collect::<Vec<_>>(), of(&[(5, 8), (20, 1), (13, 1)]));
    }
}
