//! Walking the rows of a sample table.

use super::raw::COMPOSITION_BIAS;
use super::{SampleRow, SampleTable, SyncSamples};

/// Iterator of [`SampleTable::rows`].
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    pub(super) table: &'a SampleTable,
    pub(super) index: usize,
    pub(super) end: usize,
    pub(super) dts: i64,
    pub(super) chunk: usize,
    pub(super) next_first: usize,
    pub(super) offset: u64,
    /// Position in the list of sync samples.
    pub(super) sync_at: usize,
}

impl Iterator for Rows<'_> {
    type Item = SampleRow;

    fn next(&mut self) -> Option<SampleRow> {
        if self.index >= self.end {
            return None;
        }
        while self.index >= self.next_first {
            self.chunk += 1;
            self.offset = self.table.chunk_offsets.get(self.chunk)?;
            self.next_first = self.table.next_first(self.chunk);
        }
        let size = u32::try_from(self.table.sizes.get(self.index)?).ok()?;
        let duration = u32::try_from(self.table.durations.get(self.index)?).ok()?;
        let biased = self.table.composition.get(self.index).unwrap_or(COMPOSITION_BIAS);
        let composition = i64::try_from(biased).ok()? - (1 << 31);
        let sync = match &self.table.sync {
            SyncSamples::All => true,
            SyncSamples::Listed(list) => {
                list.get(self.sync_at).is_some_and(|sync| *sync as usize == self.index)
            }
        };
        self.sync_at += usize::from(sync);
        let row = SampleRow {
            index: self.index,
            dts: self.dts,
            duration,
            composition_offset: i32::try_from(composition).ok()?,
            sync,
            offset: self.offset,
            size,
        };
        self.index += 1;
        self.dts = self.dts.saturating_add(i64::from(duration));
        self.offset += u64::from(size);
        Some(row)
    }
}
