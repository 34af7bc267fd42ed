//! What a container says of a track's samples, checked before it becomes columns
//! (ISO/IEC 14496-12 §8.6, §8.7).

use super::{MARK, MAX_SAMPLES, SyncSamples};
use crate::column::{Column, ColumnBuilder};

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

/// The tables of a container, as they are read and before they are checked.
#[derive(Debug)]
pub(crate) struct RawTables {
    pub(crate) sizes: ColumnBuilder,
    pub(crate) durations: Runs,
    /// Biased by [`COMPOSITION_BIAS`].
    pub(crate) compositions: Runs,
    /// Numbers of samples, from one; `None` when there is no table: every sample is a sync sample.
    pub(crate) sync: Option<ColumnBuilder>,
    pub(crate) chunk_offsets: ColumnBuilder,
    /// First chunk of each run, from one.
    pub(crate) run_first_chunks: ColumnBuilder,
    pub(crate) run_samples: ColumnBuilder,
}

impl RawTables {
    /// No tables yet, of a source of `source_len` bytes.
    pub(crate) fn new(source_len: u64) -> Self {
        Self {
            sizes: ColumnBuilder::new(),
            durations: Runs::new(source_len),
            compositions: Runs::new(source_len),
            sync: None,
            chunk_offsets: ColumnBuilder::new(),
            run_first_chunks: ColumnBuilder::new(),
            run_samples: ColumnBuilder::new(),
        }
    }
}

/// A table of runs, expanded to one value a sample while it is read.
///
/// Runs that claim more samples than the source has bytes, or than we accept, are counted only: no
/// size table agrees with them.
#[derive(Debug)]
pub(crate) struct Runs {
    values: ColumnBuilder,
    /// Samples of all runs.
    total: u64,
    most: u64,
}

impl Runs {
    pub(super) fn new(source_len: u64) -> Self {
        Self { values: ColumnBuilder::new(), total: 0, most: source_len.min(MAX_SAMPLES) }
    }

    /// Says that there will be `runs` runs; fewer or more are no harm.
    pub(crate) const fn expect(&mut self, runs: usize) {
        // Where there are many runs, nearly all are of one sample.
        self.values.expect(runs);
    }

    /// Appends a run of `count` samples of `value`.
    #[inline]
    pub(crate) fn push(&mut self, count: u32, value: u64) {
        self.total = self.total.saturating_add(count.into());
        if self.total <= self.most {
            self.values.push_run(value, count as usize);
        }
    }

    /// Appends `runs`, each a count of samples and their value, most of them short.
    ///
    /// Cost: a few instructions a run.
    pub(crate) fn extend(&mut self, runs: impl Iterator<Item = [u32; 2]>) {
        // Short runs are put beside each other, so that whole blocks are packed.
        let mut beside = [0; SHORT_RUN + BESIDE];
        let mut filled = 0;
        for [count, value] in runs {
            let count_here = count as usize;
            let total = self.total.saturating_add(count.into());
            if count_here <= SHORT_RUN && total <= self.most {
                self.total = total;
                beside.iter_mut().skip(filled).take(count_here).for_each(|place| *place = value);
                filled += count_here;
                if filled >= BESIDE {
                    self.values.extend_words(beside.iter().take(BESIDE).copied());
                    beside.copy_within(BESIDE.., 0);
                    filled -= BESIDE;
                }
            } else {
                self.values.extend_words(beside.iter().take(filled).copied());
                filled = 0;
                self.push(count, value.into());
            }
        }
        self.values.extend_words(beside.iter().take(filled).copied());
    }

    /// The column of `samples` samples. A table that says too little is an error unless what is
    /// `missing` has a value; one that says too much always is.
    pub(super) fn finish(
        mut self,
        table: &'static str,
        samples: usize,
        missing: Option<u64>,
    ) -> Result<Column, TableError> {
        let lacks = (samples as u64).checked_sub(self.total).filter(|lacks| *lacks == 0 || missing.is_some());
        let lacks = lacks.and_then(|lacks| usize::try_from(lacks).ok());
        let lacks = lacks.ok_or(TableError::Count { table, count: self.total, samples: samples as u64 })?;
        self.values.push_run(missing.unwrap_or(0), lacks);
        Ok(self.values.finish())
    }
}

/// Samples of a run that is short.
const SHORT_RUN: usize = 8;
/// Samples of short runs that are packed together.
const BESIDE: usize = 4 * MARK;

/// What zero composition offset is in the biased column.
pub(crate) const COMPOSITION_BIAS: u64 = 1 << 31;

pub(super) fn checked_sync(sync: Option<ColumnBuilder>, samples: usize) -> Result<SyncSamples, TableError> {
    let Some(numbers) = sync else { return Ok(SyncSamples::All) };
    let numbers = numbers.finish();
    let odd = numbers.iter_from(0).find(|number| *number == 0 || *number > samples as u64);
    if let Some(number) = odd {
        return Err(TableError::Sync { number, samples: samples as u64 });
    }
    let mut listed = ColumnBuilder::new();
    let mut before = 0;
    for number in numbers.iter_from(0) {
        if number <= before {
            // Some writers list them out of order or twice; what they mean is clear.
            listed = sorted(&numbers);
            break;
        }
        before = number;
        listed.push(number - 1);
    }
    Ok(if listed.len() == samples { SyncSamples::All } else { SyncSamples::Listed(listed.finish()) })
}

/// Sample numbers from one, in any order, as indexes that rise.
fn sorted(numbers: &Column) -> ColumnBuilder {
    let mut numbers: Vec<u64> = numbers.iter_from(0).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut listed = ColumnBuilder::new();
    numbers.into_iter().for_each(|number| listed.push(number.saturating_sub(1)));
    listed
}

/// Decode time of every [`MARK`]th sample, and of the end.
pub(super) fn marks(durations: &Column) -> Result<(Column, u64), TableError> {
    let mut marks = ColumnBuilder::new();
    let mut at = 0u64;
    let mut durations = durations.iter_from(0);
    loop {
        let rows = durations.next_rows(MARK);
        if rows.is_empty() {
            break;
        }
        marks.push(at);
        at = rows.iter().fold(at, |at, duration| at.saturating_add(*duration));
    }
    if at >= 1 << 62 {
        return Err(TableError::Duration);
    }
    Ok((marks.finish(), at))
}
