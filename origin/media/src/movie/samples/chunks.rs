//! The chunks of a track: which samples they have, and where they lie (ISO/IEC 14496-12 §8.7.4, §8.7.5).
//!
//! One walk over the runs of `stsc`, the chunk offsets and the sizes.

use super::{TableError, number};
use crate::column::{BLOCK, Column, ColumnBuilder, Walk};

/// Samples of some chunks that are few enough to be put beside each other.
const FEW: usize = 4 * BLOCK;

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
        firsts.expect(offsets.len());
        let mut runs = RunWalk::new(first_chunks, samples_per_chunk, chunks);
        let mut next = 0u64;
        let (mut counts, mut first_samples) = ([0; BLOCK], [0; BLOCK]);
        loop {
            // As many at once as a block has: so there is little to keep in mind for each.
            let counts = runs.next_chunks(&mut counts)?;
            if counts.is_empty() {
                break;
            }
            if wrong.is_none() {
                wrong = check.chunks(offsets.next_rows(counts.len()), next, counts).err();
            }
            for (first, count) in first_samples.iter_mut().zip(counts) {
                *first = next;
                next = next.saturating_add(*count);
            }
            firsts.extend(first_samples.iter().take(counts.len()).copied());
        }
        if next != samples {
            return Err(TableError::Count { table: "stsc", count: next, samples });
        }
        let extents = wrong.map_or(Ok(check.total), Err);
        Ok(Self { firsts: firsts.finish(), extents, in_order: check.in_order })
    }
}

/// The runs of `stsc`, walked chunk by chunk.
struct RunWalk<'a> {
    first_chunks: Walk<'a>,
    samples_per_chunk: Walk<'a>,
    chunks: u64,
    /// Number of the next run.
    run: u64,
    /// First chunk of the next run, from one.
    first: u64,
    /// Chunks left of the run before, and the samples of each.
    left: u64,
    per_chunk: u64,
}

impl<'a> RunWalk<'a> {
    fn new(first_chunks: &'a Column, samples_per_chunk: &'a Column, chunks: u64) -> Self {
        let mut first_chunks = first_chunks.iter_from(0);
        let samples_per_chunk = samples_per_chunk.iter_from(0);
        let first = first_chunks.next().unwrap_or(1);
        Self { first_chunks, samples_per_chunk, chunks, run: 0, first, left: 0, per_chunk: 0 }
    }

    /// The samples of each of the next chunks, as many as `counts` has room for; none at the end.
    fn next_chunks<'b>(&mut self, counts: &'b mut [u64; BLOCK]) -> Result<&'b [u64], TableError> {
        let mut filled = 0;
        while filled < counts.len() {
            if self.left == 0 && !self.next_run()? {
                break;
            }
            let now = number(self.left).min(counts.len() - filled);
            counts.iter_mut().skip(filled).take(now).for_each(|count| *count = self.per_chunk);
            filled += now;
            self.left -= now as u64;
        }
        Ok(counts.get(..filled).unwrap_or_default())
    }

    /// Goes on with the next run; false when there is none.
    #[inline]
    fn next_run(&mut self) -> Result<bool, TableError> {
        let Some(per_chunk) = self.samples_per_chunk.next() else { return Ok(false) };
        let first = self.first;
        let end = self.first_chunks.next().unwrap_or(self.chunks + 1);
        if (self.run == 0 && first != 1) || end <= first || end > self.chunks + 1 || per_chunk == 0 {
            return Err(wrong_run(self.run, (first, end), self.chunks));
        }
        (self.run, self.first) = (self.run + 1, end);
        (self.left, self.per_chunk) = (end - first, per_chunk);
        Ok(true)
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

/// The bytes of some chunks.
struct Lengths {
    each: [u64; BLOCK],
    /// Whether a sample among them has no bytes, or is none.
    has_empty: bool,
}

impl<'a> ExtentCheck<'a> {
    fn new(sizes: &'a Column, source_len: u64) -> Self {
        let next_sizes = sizes.iter_from(0);
        Self { sizes, next_sizes, source_len, last_end: 0, in_order: true, total: 0 }
    }

    /// Checks the next chunks, at `offsets`, of so many samples each as `counts` says: as many as a block has, at
    /// most. `first` is the number of the first sample.
    fn chunks(&mut self, offsets: &[u64], first: u64, counts: &[u64]) -> Result<(), TableError> {
        let lengths = self.next_lengths(counts);
        let (mut last_end, mut in_order) = (self.last_end, true);
        let (mut total, mut furthest) = (self.total, 0);
        for (offset, len) in offsets.iter().zip(lengths.each) {
            let end = offset.saturating_add(len);
            in_order &= *offset >= last_end;
            last_end = end;
            furthest = furthest.max(end);
            total = total.saturating_add(len);
        }
        if lengths.has_empty || furthest > self.source_len || total > self.source_len {
            return Err(self.wrong(offsets, first, counts));
        }
        (self.last_end, self.total) = (last_end, total);
        self.in_order &= in_order;
        Ok(())
    }

    /// The bytes of the next chunks.
    fn next_lengths(&mut self, counts: &[u64]) -> Lengths {
        let mut lengths = Lengths { each: [0; BLOCK], has_empty: false };
        let samples = counts.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
        if samples > FEW as u64 {
            self.next_long(counts, &mut lengths);
            return lengths;
        }
        let (mut few, mut filled) = ([0; FEW], 0);
        while filled < number(samples) {
            let rows = self.next_sizes.next_rows(number(samples) - filled);
            if rows.is_empty() {
                break;
            }
            few.iter_mut().skip(filled).zip(rows).for_each(|(place, size)| *place = *size);
            filled += rows.len();
        }
        // Those past the last size have no bytes.
        let mut sizes = few.get(..number(samples)).unwrap_or_default();
        lengths.has_empty = sizes.contains(&0);
        for (len, count) in lengths.each.iter_mut().zip(counts) {
            let (of_chunk, rest) = sizes.split_at(number(*count));
            *len = of_chunk.iter().fold(0, |len: u64, size| len.saturating_add(*size));
            sizes = rest;
        }
        lengths
    }

    /// The same of chunks of many samples.
    fn next_long(&mut self, counts: &[u64], lengths: &mut Lengths) {
        for (len, count) in lengths.each.iter_mut().zip(counts) {
            let mut left = *count;
            while left > 0 {
                let sizes = self.next_sizes.next_rows(number(left));
                if sizes.is_empty() {
                    lengths.has_empty = true;
                    return;
                }
                left -= sizes.len() as u64;
                lengths.has_empty |= sizes.contains(&0);
                *len = sizes.iter().fold(*len, |len, size| len.saturating_add(*size));
            }
        }
    }

    /// Names what is wrong with one of the chunks at `offsets`: the first sample or chunk that is.
    #[cold]
    fn wrong(&self, offsets: &[u64], first: u64, counts: &[u64]) -> TableError {
        let mut sizes = (first..).zip(self.sizes.iter_from(number(first)));
        let mut total = self.total;
        for (offset, count) in offsets.iter().zip(counts) {
            let mut end = *offset;
            for (sample, size) in sizes.by_ref().take(number(*count)) {
                if size == 0 {
                    return TableError::Empty { sample };
                }
                end = end.saturating_add(size);
                if end > self.source_len {
                    return TableError::Outside { sample, end, source_len: self.source_len };
                }
            }
            total = total.saturating_add(end - offset);
            if total > self.source_len {
                return TableError::Overlap { offset: *offset };
            }
        }
        TableError::Empty { sample: self.sizes.len() as u64 }
    }
}
