//! The samples of a track as columns.
//!
//! Built once from what the container says, and checked: every sample lies in the source, none is
//! empty, none overlap, and every count agrees. After that, look-ups cannot fail but by asking for
//! a row past the end.

mod raw;
mod rows;

use std::ops::Range;

pub(crate) use self::raw::RawTables;
pub use self::raw::TableError;
use self::raw::{checked_sync, chunk_firsts, expand, marks};
pub use self::rows::Rows;
use crate::column::Column;

/// Samples of one track; a named limit on what a file may claim (10 hours at 60 fps are 2.2 million).
pub const MAX_SAMPLES: u64 = 1 << 26;

/// Decode times are kept for every so many samples; those between are sums.
const MARK: usize = 64;

/// Which samples decoding can start at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncSamples {
    /// Every one.
    All,
    /// These, rising.
    Listed(Vec<u32>),
}

/// The samples of a track, in decode order.
#[derive(Debug, Clone)]
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
    pub(crate) fn build(mut raw: RawTables, source_len: u64) -> Result<Self, TableError> {
        let samples = raw.sizes.len();
        // No sample is empty and none overlap, so a count past this is a lie, found before it costs anything.
        if samples as u64 > source_len {
            return Err(TableError::Outside { sample: source_len, end: source_len + 1, source_len });
        }
        let durations = expand("stts", &raw.duration_counts, &raw.durations, samples, true)?;
        let composition = expand("ctts", &raw.composition_counts, &raw.compositions, samples, false)?;
        let sync = checked_sync(raw.sync.take(), samples)?;
        let chunk_firsts = chunk_firsts(&raw, samples)?;
        let (marks, total_duration) = marks(&durations)?;
        let mut table = Self {
            sizes: raw.sizes,
            durations,
            composition,
            sync,
            chunk_offsets: raw.chunk_offsets,
            chunk_firsts,
            marks,
            total_duration,
            total_bytes: 0,
        };
        table.total_bytes = table.check_extents(source_len)?;
        for column in [&mut table.sizes, &mut table.durations, &mut table.composition] {
            column.shrink();
        }
        for column in [&mut table.chunk_offsets, &mut table.chunk_firsts, &mut table.marks] {
            column.shrink();
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

    /// Numbers of the sync samples, rising.
    pub fn sync_indexes(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match &self.sync {
            SyncSamples::All => Box::new(0..self.len()),
            SyncSamples::Listed(list) => Box::new(list.iter().map(|index| *index as usize)),
        }
    }

    /// Whether decoding can start at sample `index`.
    pub fn is_sync(&self, index: usize) -> bool {
        match &self.sync {
            SyncSamples::All => true,
            SyncSamples::Listed(list) => {
                u32::try_from(index).is_ok_and(|index| list.binary_search(&index).is_ok())
            }
        }
    }

    /// The last sync sample at or before `index`; the first sample when there is none.
    pub fn sync_at_or_before(&self, index: usize) -> usize {
        match &self.sync {
            SyncSamples::All => index,
            SyncSamples::Listed(list) => {
                let after = list.partition_point(|sync| *sync as usize <= index);
                after.checked_sub(1).and_then(|at| list.get(at)).map_or(0, |sync| *sync as usize)
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
        let since: u64 = self.durations.iter_from(index - index % MARK).take(index % MARK).sum();
        i64::try_from(mark + since).unwrap_or(i64::MAX)
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
            at += duration;
            index += 1;
        }
        index
    }

    /// The row of sample `index`.
    pub fn row(&self, index: usize) -> Option<SampleRow> {
        self.rows(index..index.saturating_add(1)).next()
    }

    /// The rows of `range`, in order; rows past the end are left out.
    ///
    /// Cost: O(log chunks + samples of the range and of the first one's chunk before it).
    pub fn rows(&self, range: Range<usize>) -> Rows<'_> {
        let start = range.start.min(self.len());
        let end = range.end.min(self.len());
        let chunk = self.chunk_firsts.count_at_most(start as u64).saturating_sub(1);
        let first =
            self.chunk_firsts.get(chunk).map_or(0, |first| usize::try_from(first).unwrap_or(usize::MAX));
        let before: u64 = self.sizes.iter_from(first).take(start.saturating_sub(first)).sum();
        let sync_at = match &self.sync {
            SyncSamples::All => 0,
            SyncSamples::Listed(list) => list.partition_point(|sync| (*sync as usize) < start),
        };
        Rows {
            table: self,
            index: start,
            end,
            dts: self.dts(start),
            chunk,
            next_first: self.next_first(chunk),
            offset: self.chunk_offsets.get(chunk).unwrap_or(0) + before,
            sync_at,
        }
    }

    /// How many samples last from `durations.start` to below `durations.end` ticks, and how long together.
    ///
    /// Cost: O(samples).
    pub fn lasting(&self, durations: &Range<u64>) -> (u64, u64) {
        let lasting = self.durations.iter_from(0).filter(|duration| durations.contains(duration));
        lasting.fold((0, 0), |(count, ticks), duration| (count + 1, ticks + duration))
    }

    /// The columns that decide what is served: sizes, durations, composition offsets.
    pub(crate) fn content_columns(&self) -> [&Column; 3] {
        [&self.sizes, &self.durations, &self.composition]
    }

    /// Bytes of memory behind the columns.
    pub fn memory_bytes(&self) -> usize {
        let listed = match &self.sync {
            SyncSamples::All => 0,
            SyncSamples::Listed(list) => list.capacity() * 4,
        };
        let columns = [
            &self.sizes,
            &self.durations,
            &self.composition,
            &self.chunk_offsets,
            &self.chunk_firsts,
            &self.marks,
        ];
        listed + columns.iter().map(|column| column.memory_bytes()).sum::<usize>()
    }

    /// Number of the first sample after `chunk`.
    fn next_first(&self, chunk: usize) -> usize {
        self.chunk_firsts
            .get(chunk + 1)
            .map_or_else(|| self.len(), |first| usize::try_from(first).unwrap_or(usize::MAX))
    }

    /// Checks that every chunk lies in the source and none overlap; returns the bytes of all samples.
    fn check_extents(&self, source_len: u64) -> Result<u64, TableError> {
        let mut total = 0u64;
        let mut index = 0;
        let mut last_end = 0;
        let mut in_order = true;
        let mut sizes = self.sizes.iter_from(0);
        for (chunk, offset) in self.chunk_offsets.iter_from(0).enumerate() {
            let mut end = offset;
            while index < self.next_first(chunk) {
                let size = sizes.next().unwrap_or(0);
                if size == 0 {
                    return Err(TableError::Empty { sample: index as u64 });
                }
                end = end.saturating_add(size);
                if end > source_len {
                    return Err(TableError::Outside { sample: index as u64, end, source_len });
                }
                index += 1;
            }
            in_order &= offset >= last_end;
            last_end = end;
            total = total.saturating_add(end - offset);
            if total > source_len {
                return Err(TableError::Overlap { offset });
            }
        }
        if !in_order {
            self.check_overlap()?;
        }
        Ok(total)
    }

    /// The same for chunks that are out of order: sorts them first.
    fn check_overlap(&self) -> Result<(), TableError> {
        let mut sizes = self.sizes.iter_from(0);
        let mut index = 0;
        let mut extents: Vec<(u64, u64)> = Vec::with_capacity(self.chunks());
        for (chunk, offset) in self.chunk_offsets.iter_from(0).enumerate() {
            let count = self.next_first(chunk) - index;
            index += count;
            let len: u64 = sizes.by_ref().take(count).sum();
            if len > 0 {
                extents.push((offset, offset.saturating_add(len)));
            }
        }
        extents.sort_unstable();
        let shared = extents.iter().zip(extents.iter().skip(1)).find(|((_, end), (next, _))| next < end);
        shared.map_or(Ok(()), |(_, (offset, _))| Err(TableError::Overlap { offset: *offset }))
    }
}

#[cfg(test)]
mod tests;
