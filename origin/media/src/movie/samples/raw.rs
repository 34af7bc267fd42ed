//! What a container says of a track's samples, checked before it becomes columns
//! (ISO/IEC 14496-12 §8.6, §8.7).

use super::{MARK, SyncSamples};
use crate::column::Column;

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

/// Expands runs to one value a sample. A table that says too little is an error if `exact`, else
/// the rest is zero; one that says too much always is.
pub(super) fn expand(
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

pub(super) fn checked_sync(sync: Option<Vec<u32>>, samples: usize) -> Result<SyncSamples, TableError> {
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
pub(super) fn chunk_firsts(raw: &RawTables, samples: usize) -> Result<Column, TableError> {
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
pub(super) fn marks(durations: &Column) -> Result<(Column, u64), TableError> {
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
