//! Walking the samples of a clip's track.

use std::ops::Range;

use super::{Clip, ClipTrack};
use crate::movie::{Rows, SampleRow};
use crate::sample::Sample;
use crate::slice::{Extent, Slice, SourceIndex};

/// Iterator of [`Clip::samples`].
#[derive(Debug, Clone)]
pub struct Samples<'a>(Option<Placed<'a>>);

/// The samples of a track that there is.
#[derive(Debug, Clone)]
struct Placed<'a> {
    part: &'a ClipTrack,
    source: SourceIndex,
    position: usize,
    end: usize,
    of_source: Range<usize>,
    /// Numbers in the movie of what stands where the source has it.
    unmoved: Range<usize>,
    rows: Rows<'a>,
}

impl<'a> Samples<'a> {
    pub(super) fn new(clip: &'a Clip, index: usize, positions: &Range<usize>) -> Self {
        Self(clip.track(index).map(|(track, part)| Placed {
            part,
            source: clip.source,
            position: positions.start,
            end: positions.end.min(part.len()),
            of_source: part.of_source(),
            unmoved: part.unmoved(),
            rows: track.samples.rows(part.number_of(positions.start)..part.number_of(positions.end)),
        }))
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample<Slice>;

    #[inline(always)]
    fn next(&mut self) -> Option<Sample<Slice>> {
        let placed = self.0.as_mut()?;
        let position = placed.position;
        if position >= placed.end {
            return None;
        }
        placed.position += 1;
        if placed.of_source.contains(&position) {
            let row = placed.rows.next()?;
            return Some(placed.part.sample(placed.source, &row, &placed.unmoved));
        }
        Some(placed.part.made(position))
    }

    fn fold<B, F: FnMut(B, Sample<Slice>) -> B>(self, init: B, mut f: F) -> B {
        let Some(placed) = self.0 else { return init };
        let Placed { part, source, position, end, of_source, unmoved, rows } = placed;
        let made = |range: Range<usize>| range.map(|position| part.made(position));
        let in_front = position..end.min(of_source.start);
        let behind = position.max(of_source.end)..end;
        let folded = made(in_front).fold(init, &mut f);
        let folded = rows.fold(folded, |folded, row| f(folded, part.sample(source, &row, &unmoved)));
        made(behind).fold(folded, f)
    }
}

impl ClipTrack {
    /// The sample made at `position`, where the source has none.
    #[cold]
    pub(super) fn made(&self, position: usize) -> Sample<Slice> {
        let of_source = self.of_source();
        if position < of_source.start {
            self.silence.in_front(position)
        } else {
            self.silence.behind(position - of_source.end)
        }
    }

    /// The sample of `row`; those whose number is in `unmoved` stand where the source has them.
    #[inline(always)]
    pub(super) fn sample(
        &self,
        source: SourceIndex,
        row: &SampleRow,
        unmoved: &Range<usize>,
    ) -> Sample<Slice> {
        let (dts, duration, composition_offset) = if unmoved.contains(&row.index) {
            let dts = row.dts + self.shift + i64::from(self.decode_delay);
            (dts, row.duration, row.composition_offset.saturating_sub(self.decode_delay))
        } else {
            self.times_of_moved(row)
        };
        let extent = Extent { source, offset: row.offset, len: u64::from(row.size) };
        Sample { dts, duration, composition_offset, sync: row.sync, payload: Slice::Extent(extent) }
    }
}
