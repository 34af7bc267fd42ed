//! A run of samples as a packager writes it: columns a block at a time, and one extent a chunk.

use std::ops::Range;

use super::{COMPOSITION_BIAS, SampleTable, SyncSamples, first_at, number};

/// Some samples of a table that follow each other.
#[derive(Debug, Clone)]
pub(crate) struct Run<'a> {
    table: &'a SampleTable,
    numbers: Range<usize>,
}

/// What is written of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) sync: bool,
    /// In ticks, as the table has it.
    pub(crate) composition: i64,
}

impl<'a> Run<'a> {
    /// Samples `numbers` of `table`; those past its end are left out.
    pub(crate) fn new(table: &'a SampleTable, numbers: Range<usize>) -> Self {
        Self { table, numbers: numbers.start..numbers.end.min(table.len()) }
    }

    /// Tells `each` every sample, in order.
    ///
    /// Cost: some 20 instructions a sample.
    pub(crate) fn each_entry(&self, mut each: impl FnMut(Entry)) {
        let table = self.table;
        let Range { start, end } = self.numbers;
        let mut sizes = table.sizes.iter_from(start);
        let mut durations = table.durations.iter_from(start);
        let mut composition = table.composition.iter_from(start);
        let mut place = match &table.sync {
            SyncSamples::All => 0,
            SyncSamples::Listed(list) => first_at(list, start),
        };
        let all = matches!(table.sync, SyncSamples::All);
        let mut next_sync = table.listed_sync(place);
        let narrow = |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX);
        let mut index = start;
        while index < end {
            let most = end - index;
            let sizes = sizes.next_rows(most);
            let columns = sizes.iter().zip(durations.next_rows(most)).zip(composition.next_rows(most));
            for (((size, duration), composition), at) in columns.zip(index..) {
                let listed = at == next_sync;
                if listed {
                    place += 1;
                    next_sync = table.listed_sync(place);
                }
                each(Entry {
                    duration: narrow(*duration),
                    size: narrow(*size),
                    sync: all || listed,
                    composition: composition.cast_signed().wrapping_sub(COMPOSITION_BIAS.cast_signed()),
                });
            }
            index += sizes.len().max(1);
        }
    }

    /// Tells `each` where the samples lie: first byte and bytes of what is in one chunk.
    ///
    /// Cost: O(log chunks + samples + those of the first one's chunk before it).
    pub(crate) fn each_extent(&self, mut each: impl FnMut(u64, u64)) {
        let table = self.table;
        let Range { start, end } = self.numbers;
        let (chunk, before) = table.chunk_of(start);
        let mut offsets = table.chunk_offsets.iter_from(chunk);
        let mut next_firsts = table.chunk_firsts.iter_from(chunk.saturating_add(1));
        let mut sizes = table.sizes.iter_from(start);
        let mut index = start;
        let mut skip = before;
        while index < end {
            let Some(offset) = offsets.next() else { return };
            let next_first = next_firsts.next().map_or(end, number).min(end);
            let mut len = 0u64;
            for _ in index..next_first {
                len = len.saturating_add(sizes.next().unwrap_or(0));
            }
            each(offset.saturating_add(skip), len);
            index = index.max(next_first);
            skip = 0;
        }
    }
}
