//! The chunks of a track: which samples they have, and where they lie (ISO/IEC 14496-12 §8.7.4, §8.7.5).
//!
//! One walk over the runs of `stsc`, the chunk offsets and the sizes.

use super::{TableError, number};
use crate::column::{Column, ColumnBuilder, Walk};

/// What the walk found.
pub(super) struct Chunks {
    /// Number of the first sample of each chunk.
    pub(super) firsts: Column,
    /// Bytes of all samples; or why they do not lie in the source, which counts less than other faults.
    pub(super) extents: Result<u64, TableError>,
    /// Whether each chunk lies behind the one before.
    pub(super) in_order: bool,
}

impl Chunks {
    /// Walks `runs`, first chunks (from one) and samples of each, over chunks at `offsets`.
    ///
    /// Cost: O(chunks + samples).
    ///
    /// # Errors
    /// [`TableError::ChunkRun`], and [`TableError::Count`] if the chunks do not have as many samples as there are sizes.
    pub(super) fn read(
        (first_chunks, samples_per_chunk): (&Column, &Column),
        offsets: &Column,
        sizes: &Column,
        source_len: u64,
    ) -> Result<Self, TableError> {
        let (chunks, samples) = (offsets.len() as u64, sizes.len() as u64);
        let mut check = ExtentCheck::new(sizes, source_len);
        let mut wrong = None;
        let mut offsets = offsets.iter_from(0);
        let mut firsts = ColumnBuilder::new();
        let mut next = 0u64;
        let mut first_chunks = first_chunks.iter_from(0);
        let mut first = first_chunks.next().unwrap_or(1);
        for (run, per_chunk) in (0..).zip(samples_per_chunk.iter_from(0)) {
            let end = first_chunks.next().unwrap_or(chunks + 1);
            if (run == 0 && first != 1) || end <= first || end > chunks + 1 || per_chunk == 0 {
                return Err(wrong_run(run, (first, end), chunks));
            }
            for _ in first..end {
                firsts.push(next);
                let offset = offsets.next().unwrap_or(0);
                if wrong.is_none() {
                    wrong = check.chunk(offset, next, per_chunk).err();
                }
                next = next.saturating_add(per_chunk);
            }
            first = end;
        }
        if next != samples {
            return Err(TableError::Count { table: "stsc", count: next, samples });
        }
        let extents = wrong.map_or(Ok(check.total), Err);
        Ok(Self { firsts: firsts.finish(), extents, in_order: check.in_order })
    }
}

/// What is wrong with `run`, which is of the chunks from `first` to before `end`.
#[cold]
const fn wrong_run(run: u64, (first, end): (u64, u64), chunks: u64) -> TableError {
    let reason = if run == 0 && first != 1 {
        "the first run does not start at chunk 1"
    } else if end <= first || end > chunks + 1 {
        "runs do not rise, or pass the last chunk"
    } else {
        "chunks without samples"
    };
    TableError::ChunkRun { run, reason }
}

/// Checks that samples have bytes, and lie in the source.
struct ExtentCheck<'a> {
    sizes: &'a Column,
    next_sizes: Walk<'a>,
    source_len: u64,
    last_end: u64,
    in_order: bool,
    total: u64,
}

impl<'a> ExtentCheck<'a> {
    fn new(sizes: &'a Column, source_len: u64) -> Self {
        let next_sizes = sizes.iter_from(0);
        Self { sizes, next_sizes, source_len, last_end: 0, in_order: true, total: 0 }
    }

    /// Checks the next chunk, of `samples` samples from number `first` on, at `offset`.
    #[inline]
    fn chunk(&mut self, offset: u64, first: u64, samples: u64) -> Result<(), TableError> {
        let mut len = 0u64;
        for _ in 0..samples {
            let size = self.next_sizes.next().unwrap_or(0);
            if size == 0 {
                return Err(self.wrong(offset, first));
            }
            len = len.saturating_add(size);
        }
        let end = offset.saturating_add(len);
        if end > self.source_len {
            return Err(self.wrong(offset, first));
        }
        self.in_order &= offset >= self.last_end;
        self.last_end = end;
        self.total = self.total.saturating_add(len);
        if self.total > self.source_len {
            return Err(TableError::Overlap { offset });
        }
        Ok(())
    }

    /// Names the sample that is wrong of the chunk at `offset`, whose samples begin with number `first`.
    #[cold]
    fn wrong(&self, offset: u64, first: u64) -> TableError {
        let mut end = offset;
        for (sample, size) in (first..).zip(self.sizes.iter_from(number(first))) {
            if size == 0 {
                return TableError::Empty { sample };
            }
            end = end.saturating_add(size);
            if end > self.source_len {
                return TableError::Outside { sample, end, source_len: self.source_len };
            }
        }
        TableError::Empty { sample: self.sizes.len() as u64 }
    }
}
