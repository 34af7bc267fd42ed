//! The samples of a track as columns.
//!
//! Built once from what the container says, and checked: every sample lies in the source, none is
//! empty, none overlap, and every count agrees. After that, look-ups cannot fail but by asking for
//! a row past the end.

mod chunks;
mod measure;
mod raw;
mod rows;
mod run;
mod stored;

use std::ops::Range;

use self::chunks::Chunks;
pub(crate) use self::measure::{Measurer, Measures};
pub(crate) use self::raw::RawTables;
pub use self::raw::TableError;
use self::raw::{COMPOSITION_BIAS, checked_sync, marks};
pub use self::rows::Rows;
pub(crate) use self::run::Run;
pub use self::stored::StoredTableError;
use crate::column::{BLOCK, Column};

/// Samples of one track; a named limit on what a file may claim (10 hours at 60 fps are 2.2 million).
pub const MAX_SAMPLES: u64 = 1 << 26;

/// Decode times are kept for every so many samples, those of a block; those between are sums.
const MARK: usize = BLOCK;

/// Which samples decoding can start at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncSamples {
    /// Every one.
    All,
    /// These indexes, rising.
    Listed(Column),
}

/// The samples of a track, in decode order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleTable {
    sizes: Column,
    durations: Column,
    /// Composition offsets, biased by 2^31 so that they are never negative.
    composition: Column,
    sync: SyncSamples,
    chunk_offsets: Column,
    /// Number of the first sample of each chunk.
    chunk_firsts: Column,
    /// Decode time of every [`MARK`]th sample.
    marks: Column,
    total_duration: u64,
    total_bytes: u64,
}

/// One row of a [`SampleTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleRow {
    /// Number of the sample, from zero.
    pub index: usize,
    /// Decode time in ticks from the track's start.
    pub dts: i64,
    /// Ticks to the next decode time.
    pub duration: u32,
    /// Presentation less decode time, in ticks.
    pub composition_offset: i32,
    /// Whether decoding can start here.
    pub sync: bool,
    /// First byte in the source.
    pub offset: u64,
    /// Bytes.
    pub size: u32,
}

impl SampleRow {
    /// Presentation time in ticks of the media, before any edit.
    pub const fn pts(&self) -> i64 {
        self.dts.saturating_add(self.composition_offset as i64)
    }
}

impl SampleTable {
    /// Checks `raw` against a source of `source_len` bytes and builds the columns.
    ///
    /// Cost: O(samples + chunks); memory for the result and one raw track.
    pub(crate) fn build(raw: RawTables, source_len: u64) -> Result<Self, TableError> {
        let sizes = raw.sizes.finish();
        let samples = sizes.len();
        // No sample is empty and none overlap, so a count past this is a lie, found before it costs anything.
        if samples as u64 > source_len {
            return Err(TableError::Outside { sample: source_len, end: source_len + 1, source_len });
        }
        let durations = raw.durations.finish("stts", samples, None)?;
        let composition = raw.compositions.finish("ctts", samples, Some(COMPOSITION_BIAS))?;
        let sync = checked_sync(raw.sync, samples)?;
        let chunk_offsets = raw.chunk_offsets.finish();
        let runs = (&raw.run_first_chunks.finish(), &raw.run_samples.finish());
        let chunks = Chunks::read(runs, &chunk_offsets, &sizes, source_len)?;
        let (marks, total_duration) = marks(&durations)?;
        let total_bytes = chunks.extents?;
        let table = Self {
            sizes,
            durations,
            composition,
            sync,
            chunk_offsets,
            chunk_firsts: chunks.firsts,
            marks,
            total_duration,
            total_bytes,
        };
        if !chunks.in_order {
            table.check_overlap()?;
        }
        Ok(table)
    }

    /// Samples.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Sum of all durations, in ticks.
    pub fn total_duration(&self) -> i64 {
        i64::try_from(self.total_duration).unwrap_or(i64::MAX)
    }

    /// Sum of all sizes, in bytes.
    pub const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Chunks, as the container groups them.
    pub fn chunks(&self) -> usize {
        self.chunk_offsets.len()
    }

    /// Which samples decoding can start at.
    pub const fn sync(&self) -> &SyncSamples {
        &self.sync
    }

    /// Numbers of the sync samples in `range`, rising.
    pub fn sync_indexes(&self, range: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let end = range.end.min(self.len());
        let (every, listed) = match &self.sync {
            SyncSamples::All => (range.start..end, None),
            SyncSamples::Listed(list) => (0..0, Some(list.iter_from(first_at(list, range.start)))),
        };
        let listed = listed.into_iter().flatten().map(number).take_while(move |index| *index < end);
        every.chain(listed)
    }

    /// Number `place` of the list of sync samples; past its end, or without a list, none there is.
    fn listed_sync(&self, place: usize) -> usize {
        match &self.sync {
            SyncSamples::All => usize::MAX,
            SyncSamples::Listed(list) => list.get(place).map_or(usize::MAX, number),
        }
    }

    /// Whether decoding can start at sample `index`.
    pub fn is_sync(&self, index: usize) -> bool {
        match &self.sync {
            SyncSamples::All => true,
            SyncSamples::Listed(list) => list.get(first_at(list, index)) == Some(index as u64),
        }
    }

    /// The last sync sample at or before `index`; the first sample when there is none.
    pub fn sync_at_or_before(&self, index: usize) -> usize {
        match &self.sync {
            SyncSamples::All => index,
            SyncSamples::Listed(list) => {
                let after = list.count_at_most(index as u64);
                after.checked_sub(1).and_then(|at| list.get(at)).map_or(0, number)
            }
        }
    }

    /// Decode time of sample `index` in ticks; that of the end for any past it.
    ///
    /// Cost: at most 64 steps.
    pub fn dts(&self, index: usize) -> i64 {
        if index >= self.len() {
            return self.total_duration();
        }
        let mark = self.marks.get(index / MARK).unwrap_or(0);
        let since = self.durations.sum(index - index % MARK..index);
        i64::try_from(mark.saturating_add(since).min(self.total_duration)).unwrap_or(i64::MAX)
    }

    /// The first sample whose decode time is at or after `dts`; [`len`](Self::len) if none is.
    pub fn first_at_or_after(&self, dts: i64) -> usize {
        let Ok(wanted) = u64::try_from(dts) else { return 0 };
        if wanted >= self.total_duration {
            return self.len();
        }
        let marks_before = self.marks.count_at_most(wanted);
        let mut index = marks_before.saturating_sub(1) * MARK;
        let mut at = self.marks.get(marks_before.saturating_sub(1)).unwrap_or(0);
        for duration in self.durations.iter_from(index) {
            if at >= wanted {
                break;
            }
            at = at.saturating_add(duration);
            index += 1;
        }
        index
    }

    /// The row of sample `index`.
    ///
    /// Cost: O(log chunks + samples of its chunk before it).
    pub fn row(&self, index: usize) -> Option<SampleRow> {
        let (chunk, before) = self.chunk_of(index);
        let offset = self.chunk_offsets.get(chunk)?.saturating_add(before);
        Some(SampleRow { offset, size: self.size(index)?, ..self.timed(index)? })
    }

    /// The row of sample `index` but for what is told of its bytes: offset and size are 0.
    ///
    /// Cost: at most 64 steps.
    pub(crate) fn timed(&self, index: usize) -> Option<SampleRow> {
        Some(SampleRow {
            index,
            dts: self.dts(index),
            duration: u32::try_from(self.durations.get(index)?).ok()?,
            composition_offset: self.composition_offset(index)?,
            sync: self.is_sync(index),
            offset: 0,
            size: 0,
        })
    }

    /// Bytes of sample `index`.
    pub fn size(&self, index: usize) -> Option<u32> {
        u32::try_from(self.sizes.get(index)?).ok()
    }

    /// Presentation time of sample `index` in ticks of the media, before any edit.
    ///
    /// Cost: at most 64 steps.
    pub fn pts(&self, index: usize) -> Option<i64> {
        Some(self.dts(index).saturating_add(self.composition_offset(index)?.into()))
    }

    fn composition_offset(&self, index: usize) -> Option<i32> {
        unbiased(self.composition.get(index)?)
    }

    /// The rows of `range`, in order; rows past the end are left out.
    ///
    /// Cost: O(log chunks + samples of the range and of the first one's chunk before it).
    pub fn rows(&self, range: Range<usize>) -> Rows<'_> {
        Rows::new(self, range.start.min(self.len()), range.end.min(self.len()))
    }

    /// The chunk of sample `index`, and the bytes of its samples before that one.
    fn chunk_of(&self, index: usize) -> (usize, u64) {
        let chunk = self.chunk_firsts.count_at_most(index as u64).saturating_sub(1);
        let first = self.chunk_firsts.get(chunk).map_or(0, number);
        (chunk, self.sizes.sum(first.min(index)..index))
    }

    /// How many samples last from `durations.start` to below `durations.end` ticks, and how long together.
    ///
    /// Cost: O(samples).
    pub fn lasting(&self, durations: &Range<u64>) -> (u64, u64) {
        if let Some(every) = self.durations.as_constant() {
            return if durations.contains(&every) {
                (self.len() as u64, self.total_duration)
            } else {
                (0, 0)
            };
        }
        let (mut samples, mut ticks) = (0u64, 0u64);
        self.durations.each_run(|duration, count| {
            if durations.contains(&duration) {
                samples = samples.saturating_add(count);
                ticks = ticks.saturating_add(duration.saturating_mul(count));
            }
        });
        (samples, ticks)
    }

    /// The columns that decide what is served: sizes, durations, composition offsets.
    pub(crate) fn content_columns(&self) -> [&Column; 3] {
        [&self.sizes, &self.durations, &self.composition]
    }

    /// Bytes behind the columns, in memory or in a mapped file.
    pub fn memory_bytes(&self) -> usize {
        let listed = match &self.sync {
            SyncSamples::All => None,
            SyncSamples::Listed(list) => Some(list),
        };
        let columns = [
            &self.sizes,
            &self.durations,
            &self.composition,
            &self.chunk_offsets,
            &self.chunk_firsts,
            &self.marks,
        ];
        columns.into_iter().chain(listed).map(Column::memory_bytes).sum()
    }

    /// Checks that chunks which are out of order do not overlap: sorts them first.
    fn check_overlap(&self) -> Result<(), TableError> {
        let mut sizes = self.sizes.iter_from(0);
        let mut first = 0;
        let mut next_firsts = self.chunk_firsts.iter_from(1);
        let mut extents: Vec<(u64, u64)> = Vec::with_capacity(self.chunks());
        for offset in self.chunk_offsets.iter_from(0) {
            let next = next_firsts.next().map_or(self.len(), number);
            let len: u64 = sizes.by_ref().take(next - first).sum();
            first = next;
            if len > 0 {
                extents.push((offset, offset.saturating_add(len)));
            }
        }
        extents.sort_unstable();
        let shared = extents.iter().zip(extents.iter().skip(1)).find(|((_, end), (next, _))| next < end);
        shared.map_or(Ok(()), |(_, (offset, _))| Err(TableError::Overlap { offset: *offset }))
    }
}

/// The composition offset in ticks that stands in the column with a bias.
fn unbiased(biased: u64) -> Option<i32> {
    let ticks = i64::try_from(biased).ok()? - COMPOSITION_BIAS.cast_signed();
    i32::try_from(ticks).ok()
}

/// How many of the rising numbers of `list` are below `index`.
fn first_at(list: &Column, index: usize) -> usize {
    (index as u64).checked_sub(1).map_or(0, |before| list.count_at_most(before))
}

/// A number of a column as an index; it is one where memory has so many rows.
fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
