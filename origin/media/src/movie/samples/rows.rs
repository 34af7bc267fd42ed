//! Walking the rows of a sample table.

use super::{SampleRow, SampleTable, SyncSamples, first_at, number, unbiased};
use crate::column::{BLOCK, Walk};

/// Iterator of [`SampleTable::rows`].
///
/// It holds a block of each column unpacked: some 3 KB, to be kept on the stack.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    table: &'a SampleTable,
    index: usize,
    end: usize,
    dts: i64,
    /// First byte of the next sample.
    offset: u64,
    /// First sample of the next chunk.
    next_first: usize,
    next_firsts: Walk<'a>,
    next_offsets: Walk<'a>,
    /// One past the last sample of the block that is unpacked.
    until: usize,
    sizes: [u64; BLOCK],
    durations: [u64; BLOCK],
    composition: [u64; BLOCK],
    /// The next sync sample, and where it stands in the list of them; without a list, every sample is one.
    next_sync: Option<(usize, usize)>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(table: &'a SampleTable, start: usize, end: usize) -> Self {
        let (chunk, before) = table.chunk_of(start);
        let mut rows = Self {
            table,
            index: start,
            end,
            dts: table.dts(start),
            offset: table.chunk_offsets.get(chunk).unwrap_or(0).saturating_add(before),
            next_first: 0,
            next_firsts: table.chunk_firsts.iter_from(chunk.saturating_add(1)),
            next_offsets: table.chunk_offsets.iter_from(chunk.saturating_add(1)),
            until: start,
            sizes: [0; BLOCK],
            durations: [0; BLOCK],
            composition: [0; BLOCK],
            next_sync: None,
        };
        rows.next_first = rows.next_firsts.next().map_or(usize::MAX, number);
        if let SyncSamples::Listed(list) = &table.sync {
            let at = first_at(list, start);
            rows.next_sync = Some((table.listed_sync(at), at));
        }
        rows
    }

    /// Unpacks the block of the next sample.
    #[cold]
    #[inline(never)]
    fn unpack_next(&mut self) {
        let block = self.index / BLOCK;
        self.table.sizes.unpack_block(block, &mut self.sizes);
        self.table.durations.unpack_block(block, &mut self.durations);
        self.table.composition.unpack_block(block, &mut self.composition);
        self.until = (block + 1) * BLOCK;
    }

    /// Whether the next sample is a sync sample; it is passed over.
    #[inline]
    fn pass_sync(&mut self) -> bool {
        match self.next_sync {
            None => true,
            Some((sync, at)) if sync == self.index => {
                self.next_sync = Some((self.table.listed_sync(at + 1), at + 1));
                true
            }
            Some(_) => false,
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = SampleRow;

    #[inline(always)]
    fn next(&mut self) -> Option<SampleRow> {
        if self.index >= self.end {
            return None;
        }
        if self.index >= self.until {
            self.unpack_next();
        }
        while self.index >= self.next_first {
            self.offset = self.next_offsets.next()?;
            self.next_first = self.next_firsts.next().map_or(usize::MAX, number);
        }
        let at = self.index % BLOCK;
        let size = u32::try_from(*self.sizes.get(at)?).ok()?;
        let duration = u32::try_from(*self.durations.get(at)?).ok()?;
        let row = SampleRow {
            index: self.index,
            dts: self.dts,
            duration,
            composition_offset: unbiased(*self.composition.get(at)?)?,
            sync: self.pass_sync(),
            offset: self.offset,
            size,
        };
        self.index += 1;
        self.dts = self.dts.saturating_add(duration.into());
        self.offset = self.offset.saturating_add(size.into());
        Some(row)
    }

    /// The same rows, with all that changes from one to the next at hand: half the work.
    fn fold<B, F: FnMut(B, SampleRow) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = init;
        let (mut index, mut dts, mut offset) = (self.index, self.dts, self.offset);
        while index < self.end {
            self.index = index;
            self.unpack_next();
            let until = self.until.min(self.end);
            let skip = index % BLOCK;
            let columns = self.sizes.iter().zip(&self.durations).zip(&self.composition).skip(skip);
            let mut next_first = self.next_first;
            for (((size, duration), composition), at) in columns.zip(index..until) {
                while at >= next_first {
                    let Some(next) = self.next_offsets.next() else { return folded };
                    offset = next;
                    next_first = self.next_firsts.next().map_or(usize::MAX, number);
                }
                let narrow = |wide: u64| u32::try_from(wide).ok();
                let (Some(size), Some(duration), Some(composition_offset)) =
                    (narrow(*size), narrow(*duration), unbiased(*composition))
                else {
                    return folded;
                };
                let sync = match &mut self.next_sync {
                    None => true,
                    Some((sync, place)) => {
                        let is_sync = *sync == at;
                        if is_sync {
                            *place += 1;
                            *sync = self.table.listed_sync(*place);
                        }
                        is_sync
                    }
                };
                folded =
                    f(folded, SampleRow { index: at, dts, duration, composition_offset, sync, offset, size });
                dts = dts.saturating_add(duration.into());
                offset = offset.saturating_add(size.into());
            }
            self.next_first = next_first;
            index = until;
        }
        folded
    }
}
