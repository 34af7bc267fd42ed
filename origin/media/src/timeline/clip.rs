//! A clip: a piece of one movie, and its samples placed on the output timeline.
//!
//! Samples of a clip's track are numbered by **position**: silence made in front, what the source has,
//! silence made behind.
//!
//! ```text
//!  position   0 … before │ before … before + samples.len()      │ …
//!             made       │ samples of the movie, decode order   │ made
//! ```

mod samples;

use std::ops::Range;
use std::sync::Arc;

pub use self::samples::Samples;
use super::preroll::Preroll;
use super::shown::{REORDER_SAMPLES, last_end};
use super::silence::Silence;
use crate::movie::{Movie, SampleRow, Track};
use crate::sample::{Sample, composition_offset};
use crate::slice::{Slice, SourceIndex};

/// A piece of one movie.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Which source of the asset the samples lie in.
    pub source: SourceIndex,
    /// The parsed source.
    pub movie: Arc<Movie>,
    /// One entry for each track of the movie, in its order.
    pub tracks: Vec<ClipTrack>,
}

/// The part of one track that belongs to a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipTrack {
    /// Numbers of the samples in the movie, in decode order; may be empty.
    pub samples: Range<usize>,
    /// What is added to a media time to get the output time, in ticks of the track.
    pub shift: i64,
    /// How much later than in the source samples are decoded, in ticks: their decode times grow by it,
    /// their composition offsets shrink by it (and may become negative). It is the composition offset
    /// of the first sample, so that a segment's decode time is its presentation time: players place
    /// segments by decode time, and would start with a hole as long as the reordering delay.
    pub decode_delay: i32,
    /// When the last frame ends, in output time; later frames are decoded for its sake only.
    pub end: i64,
    /// Where the samples stand that are decoded but not meant to be seen.
    pub preroll: Preroll,
    /// What is made where the sound is missing.
    pub silence: Silence,
}

impl Clip {
    /// Track `index` of the movie with its part in this clip.
    pub fn track(&self, index: usize) -> Option<(&Track, &ClipTrack)> {
        self.movie.tracks.get(index).zip(self.tracks.get(index))
    }

    /// The samples of track `index` at `positions`, placed on the output timeline; positions past the
    /// end are left out.
    ///
    /// Cost: O(log chunks + samples asked for); no allocation.
    pub fn samples(&self, index: usize, positions: Range<usize>) -> Samples<'_> {
        Samples::new(self, index, &positions)
    }

    /// The sample of track `index` at `position`.
    ///
    /// Cost: O(log chunks + samples of its chunk before it).
    pub fn sample(&self, index: usize, position: usize) -> Option<Sample<Slice>> {
        let (track, part) = self.track(index)?;
        if position >= part.len() {
            return None;
        }
        if !part.of_source().contains(&position) {
            return Some(part.made(position));
        }
        let row = track.samples.row(part.number_of(position))?;
        Some(part.sample(self.source, &row, &part.unmoved()))
    }

    /// Presentation time of the sample of track `index` at `position`: that of [`sample`](Self::sample), without a
    /// look at where its bytes are.
    ///
    /// Cost: at most 64 steps.
    pub(crate) fn pts(&self, index: usize, position: usize) -> Option<i64> {
        let (track, part) = self.track(index)?;
        if position >= part.len() {
            return None;
        }
        if !part.of_source().contains(&position) {
            return Some(part.made(position).pts());
        }
        let row = track.samples.timed(part.number_of(position))?;
        Some(part.sample(self.source, &row, &part.unmoved()).pts())
    }

    /// Bytes of the sample of track `index` at `position`, and whether decoding can start at it.
    ///
    /// Cost: O(log sync samples).
    pub(crate) fn size_and_sync(&self, index: usize, position: usize) -> Option<(u64, bool)> {
        let (track, part) = self.track(index)?;
        if part.of_source().contains(&position) {
            let number = part.number_of(position);
            return Some((track.samples.size(number)?.into(), track.samples.is_sync(number)));
        }
        self.sample(index, position).map(|sample| (sample.payload.len(), sample.sync))
    }
}

impl ClipTrack {
    /// Samples, those made included: positions are below it.
    pub fn len(&self) -> usize {
        self.silence.before + self.samples.len() + self.silence.after
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of sample `number` of the movie, which is one of this part's.
    pub const fn position_of(&self, number: usize) -> usize {
        self.silence.before + number.saturating_sub(self.samples.start)
    }

    /// The positions of what the source has.
    pub fn of_source(&self) -> Range<usize> {
        self.silence.before..self.silence.before + self.samples.len()
    }

    /// The numbers in the movie of what stands at `positions`; what is made has none.
    pub(crate) fn numbers_of(&self, positions: &Range<usize>) -> Range<usize> {
        self.number_of(positions.start)..self.number_of(positions.end)
    }

    /// The number in the movie of what stands at `position`, the nearest for what is made.
    fn number_of(&self, position: usize) -> usize {
        let number = self.samples.start + position.saturating_sub(self.silence.before);
        number.min(self.samples.end)
    }

    /// The last samples in decode order: the last ones presented are among them.
    pub(super) fn tail(&self) -> Range<usize> {
        self.samples.end.saturating_sub(REORDER_SAMPLES).max(self.samples.start)..self.samples.end
    }

    /// When the last frame ends in output time if no edit ends before it; `track` is this part's.
    pub(crate) fn end_in_the_source(&self, track: &Track) -> i64 {
        last_end(track, self.tail()) + self.shift
    }

    /// Decode and presentation time of `row` on the output timeline.
    pub fn place(&self, row: &SampleRow) -> (i64, i64) {
        let number = row.index.saturating_sub(self.samples.start);
        let (dts, pts) = self.preroll.get(number).unwrap_or_else(|| self.in_the_source(row));
        (dts, self.preroll.behind(number).unwrap_or(pts))
    }

    /// Presentation time on the output timeline of the movie's sample `number`, which has `pts` in the media.
    pub(crate) fn place_pts(&self, number: usize, pts: i64) -> i64 {
        let number = number.saturating_sub(self.samples.start);
        let moved = || self.preroll.get(number).map(|(_, pts)| pts);
        self.preroll.behind(number).or_else(moved).unwrap_or(pts + self.shift)
    }

    /// The same, wherever the pre-roll was put.
    pub(super) fn in_the_source(&self, row: &SampleRow) -> (i64, i64) {
        (row.dts + self.shift + i64::from(self.decode_delay), row.pts() + self.shift)
    }

    /// Numbers in the movie of samples that stand where the source has them; there may be more.
    fn unmoved(&self) -> Range<usize> {
        let unmoved = self.preroll.unmoved();
        let number = |of_clip: usize| self.samples.start.saturating_add(of_clip);
        number(unmoved.start)..number(unmoved.end)
    }

    /// Numbers in the movie of the samples at `positions`, if all stand where the source has them.
    pub(crate) fn unmoved_numbers(&self, positions: &Range<usize>) -> Option<Range<usize>> {
        let (of_source, unmoved) = (self.of_source(), self.unmoved());
        if positions.start < of_source.start || positions.end > of_source.end {
            return None;
        }
        let number = |position: usize| self.samples.start + (position - of_source.start);
        let numbers = number(positions.start)..number(positions.end);
        (unmoved.start <= numbers.start && numbers.end <= unmoved.end).then_some(numbers)
    }

    /// Decode time, duration and composition offset of `row`, wherever it was put.
    #[cold]
    fn times_of_moved(&self, row: &SampleRow) -> (i64, u32, i32) {
        let (dts, pts) = self.place(row);
        let number = row.index.saturating_sub(self.samples.start);
        let mut duration = row.duration;
        if number < self.preroll.len() {
            let (dts_in_source, _) = self.in_the_source(row);
            let next = dts_in_source + i64::from(row.duration);
            let next = self.preroll.get(number + 1).map_or(next, |(dts, _)| dts);
            duration = u32::try_from(next - dts).unwrap_or(0);
        }
        (dts, duration, composition_offset(dts, pts))
    }
}
