//! The samples of a track as columns.
//!
//! Built once from what the container says, and checked: every sample lies in the source, none is
//! empty, none overlap, and every count agrees. After that, look-ups cannot fail but by asking for
//! a row past the end.

use std::ops::Range;

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

/// What is wrong with a track's sample tables. Always the source's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Two tables disagree on how many samples there are.
    #[error("{table} describes {count} samples, the sizes are of {samples}")]
    Count {
        /// The box that disagrees.
        table: &'static str,
        /// What it says.
        count: u64,
        /// What the size table says.
        samples: u64,
    },
    /// A sample lies outside the source.
    #[error("sample {sample} ends at byte {end}, the file has {source_len}")]
    Outside {
        /// Number of the sample, from zero.
        sample: u64,
        /// First byte after it.
        end: u64,
        /// Bytes of the source.
        source_len: u64,
    },
    /// A sample has no bytes.
    #[error("sample {sample} has no bytes")]
    Empty {
        /// Number of the sample, from zero.
        sample: u64,
    },
    /// Two chunks of the track share bytes.
    #[error("two chunks overlap at byte {offset}")]
    Overlap {
        /// First shared byte.
        offset: u64,
    },
    /// The chunk runs are not as §8.7.4 says.
    #[error("chunk run {run}: {reason}")]
    ChunkRun {
        /// Number of the run, from zero.
        run: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A sync sample that does not exist.
    #[error("sync sample {number} of {samples}")]
    Sync {
        /// Number as written (from one).
        number: u64,
        /// Samples of the track.
        samples: u64,
    },
    /// Durations that add up past 2^62 ticks.
    #[error("durations add up to more than 2^62 ticks")]
    Duration,
}

/// The tables of a container, before they are checked. Runs are (count, value).
#[derive(Debug, Default)]
pub(crate) struct RawTables {
    pub(crate) sizes: Column,
    pub(crate) duration_counts: Column,
    pub(crate) durations: Column,
    pub(crate) composition_counts: Column,
    /// Biased by 2^31.
    pub(crate) compositions: Column,
    /// `None` when there is no table: every sample is a sync sample.
    pub(crate) sync: Option<Vec<u32>>,
    pub(crate) chunk_offsets: Column,
    /// First chunk of each run, from one.
    pub(crate) run_first_chunks: Column,
    pub(crate) run_samples: Column,
}

/// What zero composition offset is in the biased column.
pub(crate) const COMPOSITION_BIAS: u64 = 1 << 31;

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

/// Iterator of [`SampleTable::rows`].
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    table: &'a SampleTable,
    index: usize,
    end: usize,
    dts: i64,
    chunk: usize,
    next_first: usize,
    offset: u64,
    /// Position in the list of sync samples.
    sync_at: usize,
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

/// Expands runs to one value a sample. A table that says too little is an error if `exact`, else
/// the rest is zero; one that says too much always is.
fn expand(
    table: &'static str,
    counts: &Column,
    values: &Column,
    samples: usize,
    exact: bool,
) -> Result<Column, TableError> {
    let total = counts.iter_from(0).fold(0u64, u64::saturating_add);
    if total > samples as u64 || (exact && total < samples as u64) {
        return Err(TableError::Count { table, count: total, samples: samples as u64 });
    }
    let mut column = Column::new();
    for (count, value) in counts.iter_from(0).zip(values.iter_from(0)) {
        column.push_run(value, usize::try_from(count).unwrap_or(0));
    }
    let missing = samples - column.len();
    column.push_run(COMPOSITION_BIAS, if exact { 0 } else { missing });
    Ok(column)
}

fn checked_sync(sync: Option<Vec<u32>>, samples: usize) -> Result<SyncSamples, TableError> {
    let Some(mut numbers) = sync else { return Ok(SyncSamples::All) };
    let odd = numbers.iter().find(|number| **number == 0 || **number as usize > samples);
    if let Some(number) = odd {
        return Err(TableError::Sync { number: u64::from(*number), samples: samples as u64 });
    }
    // Some writers list them out of order or twice; what they mean is clear.
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() == samples {
        return Ok(SyncSamples::All);
    }
    for number in &mut numbers {
        *number -= 1;
    }
    numbers.shrink_to_fit();
    Ok(SyncSamples::Listed(numbers))
}

/// Number of the first sample of each chunk, from the runs of `stsc` (§8.7.4).
fn chunk_firsts(raw: &RawTables, samples: usize) -> Result<Column, TableError> {
    let chunks = raw.chunk_offsets.len() as u64;
    let mut firsts = Column::new();
    let mut next = 0u64;
    let ends = raw.run_first_chunks.iter_from(1).chain(std::iter::once(chunks + 1));
    let runs = raw.run_first_chunks.iter_from(0).zip(ends).zip(raw.run_samples.iter_from(0));
    for (run, ((first, end), per_chunk)) in runs.enumerate() {
        let run = run as u64;
        if run == 0 && first != 1 {
            return Err(TableError::ChunkRun { run, reason: "the first run does not start at chunk 1" });
        }
        if end <= first || end > chunks + 1 {
            return Err(TableError::ChunkRun { run, reason: "runs do not rise, or pass the last chunk" });
        }
        if per_chunk == 0 {
            return Err(TableError::ChunkRun { run, reason: "chunks without samples" });
        }
        for _ in first..end {
            firsts.push(next);
            next = next.saturating_add(per_chunk);
        }
    }
    if next != samples as u64 {
        return Err(TableError::Count { table: "stsc", count: next, samples: samples as u64 });
    }
    Ok(firsts)
}

/// Decode time of every [`MARK`]th sample, and of the end.
fn marks(durations: &Column) -> Result<(Column, u64), TableError> {
    let mut marks = Column::new();
    let mut at = 0u64;
    for (index, duration) in durations.iter_from(0).enumerate() {
        if index % MARK == 0 {
            marks.push(at);
        }
        at = at.saturating_add(duration);
    }
    if at >= 1 << 62 {
        return Err(TableError::Duration);
    }
    Ok((marks, at))
}

#[cfg(test)]
mod tests;
