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
        let samples = sizes.len() as u64;
        let mut gathered = Gathered::new(offsets, sizes, source_len);
        each_run((first_chunks, samples_per_chunk), offsets.len() as u64, |chunks, samples| {
            gathered.push_run(chunks, samples);
        })?;
        gathered.flush();
        let Gathered { firsts, next, check, wrong, .. } = gathered;
        if next != samples {
            return Err(TableError::Count { table: "stsc", count: next, samples });
        }
        let extents = wrong.map_or(Ok(check.total), Err);
        Ok(Self { firsts: firsts.finish(), extents, in_order: check.in_order })
    }
}

/// Tells `each` every run of `stsc`: how many of `chunks` chunks it is of, and the samples of each.
fn each_run(
    (first_chunks, samples_per_chunk): (&Column, &Column),
    chunks: u64,
    mut each: impl FnMut(u64, u64),
) -> Result<(), TableError> {
    let (mut firsts, mut samples) = (first_chunks.iter_from(0), samples_per_chunk.iter_from(0));
    let past = chunks.saturating_add(1);
    // The run that ends where the next one begins, and its number.
    let (mut run, mut begin, mut of_each) = (0u64, firsts.next(), samples.next());
    if begin.is_some_and(|begin| begin != 1) {
        return Err(wrong_run(run, (begin.unwrap_or(0), firsts.next().unwrap_or(past)), chunks));
    }
    loop {
        let (firsts, samples) = (firsts.next_rows(BLOCK), samples.next_rows(BLOCK));
        if firsts.is_empty() {
            break;
        }
        let (Some(mut first), Some(mut per_chunk)) = (begin, of_each) else { break };
        for (next, of_next) in firsts.iter().zip(samples) {
            if *next <= first || *next > past || per_chunk == 0 {
                return Err(wrong_run(run, (first, *next), chunks));
            }
            each(next.wrapping_sub(first), per_chunk);
            run = run.wrapping_add(1);
            (first, per_chunk) = (*next, *of_next);
        }
        (begin, of_each) = (Some(first), Some(per_chunk));
    }
    let Some((first, per_chunk)) = begin.zip(of_each) else { return Ok(()) };
    if past <= first || per_chunk == 0 {
        return Err(wrong_run(run, (first, past), chunks));
    }
    each(past.wrapping_sub(first), per_chunk);
    Ok(())
}

/// Chunks as their runs come, looked at as many at once as a block has: so there is little to keep in mind for each.
struct Gathered<'a> {
    /// Samples of each of those that were not looked at yet.
    counts: [u64; BLOCK],
    filled: usize,
    offsets: Walk<'a>,
    firsts: ColumnBuilder,
    /// Number of the next sample.
    next: u64,
    check: ExtentCheck<'a>,
    wrong: Option<TableError>,
}

impl<'a> Gathered<'a> {
    fn new(offsets: &'a Column, sizes: &'a Column, source_len: u64) -> Self {
        let mut firsts = ColumnBuilder::new();
        firsts.expect(offsets.len());
        let (offsets, check) = (offsets.iter_from(0), ExtentCheck::new(sizes, source_len));
        Self { counts: [0; BLOCK], filled: 0, offsets, firsts, next: 0, check, wrong: None }
    }

    /// Appends `chunks` chunks of `samples` samples.
    #[inline]
    fn push_run(&mut self, chunks: u64, samples: u64) {
        let mut left = number(chunks);
        // Where sound lies between pictures, nearly every run is of one chunk.
        if left == 1
            && let Some(count) = self.counts.get_mut(self.filled)
        {
            *count = samples;
            (self.filled, left) = (self.filled + 1, 0);
            if self.filled == BLOCK {
                self.flush();
            }
        }
        while left > 0 {
            let now = left.min(BLOCK - self.filled);
            let end = self.filled + now;
            self.counts.get_mut(self.filled..end).unwrap_or_default().fill(samples);
            (self.filled, left) = (end, left - now);
            if self.filled == BLOCK {
                self.flush();
            }
        }
    }

    /// Looks at those there are.
    fn flush(&mut self) {
        let counts = self.counts.get(..self.filled).unwrap_or_default();
        let offsets = self.offsets.next_rows(counts.len());
        if self.wrong.is_none() {
            self.wrong = self.check.chunks(offsets, self.next, counts).err();
        }
        let (mut firsts, mut next) = ([0; BLOCK], self.next);
        for (first, count) in firsts.iter_mut().zip(counts) {
            *first = next;
            // Both were read as numbers of 32 bits: their product is far from the end of 64.
            next = next.wrapping_add(*count);
        }
        self.next = next;
        self.firsts.extend_rows(firsts.get(..self.filled).unwrap_or_default());
        self.filled = 0;
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
        let mut furthest = 0;
        for (offset, len) in offsets.iter().zip(&lengths.each) {
            let end = offset.saturating_add(*len);
            in_order &= *offset >= last_end;
            last_end = end;
            furthest = furthest.max(end);
        }
        let total = lengths.each.iter().fold(self.total, |total, len| total.saturating_add(*len));
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
        lengths.has_empty = few.get(..number(samples)).unwrap_or_default().contains(&0);
        if samples == counts.len() as u64 {
            lengths.each.iter_mut().zip(&few).for_each(|(len, size)| *len = *size);
            return lengths;
        }
        let mut sizes = few.iter();
        for (len, count) in lengths.each.iter_mut().zip(counts) {
            let mut sum = 0u64;
            for _ in 0..*count {
                // They are so few numbers of 32 bits.
                sum = sum.wrapping_add(*sizes.next().unwrap_or(&0));
            }
            *len = sum;
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
