//! A column of whole numbers in little memory, with random access.
//!
//! Sample tables have millions of rows whose neighbours are alike. A [`Column`] keeps blocks of 64
//! rows, each as a minimum and the differences from it in as few whole bytes as the block needs;
//! a block of equal values needs none, and a column of equal values has no blocks. A ten-hour film
//! takes about 6 bytes a sample in all columns together.
//!
//! ```text
//!  heads   │ minimum, 8 bytes │ where its differences start, 4 │ bytes of each, 1 │ 0 0 0 │ next block …
//!  data    │ differences of block 0 │ of block 1 │ …                     all little-endian, nothing aligned
//! ```
//!
//! Both are [`Bytes`] and the same in memory and in a file ([`encode`](Column::encode)), so a column
//! is read from a mapped file as it lies there. A column is made by a [`ColumnBuilder`], whole blocks
//! at a time, and walked by a [`Walk`], which unpacks a block and hands out its rows.
//!
//! Invariants of what a builder made: blocks are full but for the last; a minimum is the smallest value
//! of its block; the same values are the same bytes. Of what was read from a file none is relied on:
//! wrong bytes give wrong numbers, never a panic or a read outside them.
//!
//! Cost: `get` O(1); building and walking a few instructions a row.

mod block;
mod builder;
mod walk;

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

pub(crate) use self::block::BLOCK;
use self::block::{HEAD_BYTES, Head};
pub use self::builder::ColumnBuilder;
pub use self::walk::Walk;

/// Rows of a column that is read from bytes: a named limit.
pub const MAX_ROWS: u64 = 1 << 32;
/// Bytes before the heads in the encoded form: rows, the constant, bytes of heads, bytes of data.
const PREFIX_BYTES: usize = 24;

/// A column of `u64`, complete.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Column {
    len: usize,
    /// The value of every row when there are no blocks; else 0.
    constant: u64,
    /// One [`Head`] a block.
    heads: Bytes,
    /// The differences of all blocks.
    data: Bytes,
}

/// Why bytes are no column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// They end too early.
    #[error("a column of {need} bytes in {left}")]
    Short {
        /// Bytes it says it has.
        need: u64,
        /// Bytes there are.
        left: u64,
    },
    /// More rows than we accept.
    #[error("a column of {rows} rows, limit {MAX_ROWS}")]
    TooLong {
        /// Rows it says it has.
        rows: u64,
    },
    /// The blocks are not those of so many rows.
    #[error("a column of {rows} rows with {bytes} bytes of heads")]
    Blocks {
        /// Rows it says it has.
        rows: u64,
        /// Bytes of heads it says it has.
        bytes: u64,
    },
    /// A block has its differences outside the column.
    #[error("block {block} of a column reaches outside it")]
    Outside {
        /// Number of the block.
        block: usize,
    },
}

impl Column {
    /// A column without rows.
    pub const fn new() -> Self {
        Self::constant(0, 0)
    }

    /// A column of `len` equal values; costs no memory.
    pub const fn constant(value: u64, len: usize) -> Self {
        let constant = if len == 0 { 0 } else { value };
        Self { len, constant, heads: Bytes::new(), data: Bytes::new() }
    }

    /// Rows.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes behind the column, in memory or in a mapped file, for budgets and reports.
    pub const fn memory_bytes(&self) -> usize {
        self.heads.len() + self.data.len()
    }

    /// The value of every row, if all are equal and the column knows it; of no rows, nothing.
    pub fn as_constant(&self) -> Option<u64> {
        (self.heads.is_empty() && self.len > 0).then_some(self.constant)
    }

    /// The value of row `index`, or `None` past the end.
    pub fn get(&self, index: usize) -> Option<u64> {
        if index >= self.len {
            return None;
        }
        if self.heads.is_empty() {
            return Some(self.constant);
        }
        Some(self.head(index / BLOCK).row(&self.data, index % BLOCK))
    }

    /// The values from row `start` on.
    pub fn iter_from(&self, start: usize) -> Walk<'_> {
        Walk::new(self, start)
    }

    /// Tells `each` every run of equal values, in order: the value and how many there are of it.
    ///
    /// Cost: O(rows), but O(1) for 64 equal ones.
    pub(crate) fn each_run(&self, mut each: impl FnMut(u64, u64)) {
        if self.heads.is_empty() {
            if self.len > 0 {
                each(self.constant, self.len as u64);
            }
            return;
        }
        let (mut same, mut count) = (0, 0u64);
        let mut values = [0; BLOCK];
        for block in 0..self.blocks() {
            let (head, rows) = (self.head(block), self.rows_of(block));
            if head.width == 0 && head.min == same {
                count = count.saturating_add(rows as u64);
                continue;
            }
            head.unpack(&self.data, &mut values);
            for value in values.iter().take(rows) {
                if *value != same {
                    if count > 0 {
                        each(same, count);
                    }
                    (same, count) = (*value, 0);
                }
                count = count.saturating_add(1);
            }
        }
        each(same, count);
    }

    /// The sum of `rows`, those past the end left out; saturates.
    ///
    /// Cost: O(rows), but O(1) where all are equal.
    pub(crate) fn sum(&self, rows: Range<usize>) -> u64 {
        let (start, end) = (rows.start.min(self.len), rows.end.min(self.len));
        let mut left = end.saturating_sub(start);
        if self.heads.is_empty() {
            return self.constant.saturating_mul(left as u64);
        }
        let (mut sum, mut walk) = (0u64, self.iter_from(start));
        while left > 0 {
            let rows = walk.next_rows(left);
            left -= rows.len();
            sum = rows.iter().fold(sum, |sum, value| sum.saturating_add(*value));
        }
        sum
    }

    /// The last value.
    pub fn last(&self) -> Option<u64> {
        self.len.checked_sub(1).and_then(|index| self.get(index))
    }

    /// The number of leading rows with a value of at most `limit`, in a column that never falls.
    ///
    /// Cost: O(log rows).
    pub fn count_at_most(&self, limit: u64) -> usize {
        if self.heads.is_empty() {
            return if self.constant <= limit { self.len } else { 0 };
        }
        // The minimum of a block is its first value.
        let (heads, _) = self.heads.as_chunks();
        let blocks = heads.partition_point(|head| Head::read(head).min <= limit);
        let Some(block) = blocks.checked_sub(1) else { return 0 };
        let head = self.head(block);
        let (mut low, mut high) = (0, self.rows_of(block));
        while low < high {
            let middle = low.midpoint(high);
            if head.row(&self.data, middle) <= limit {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        block * BLOCK + low
    }

    /// The constant, heads and data: of what a builder made, the same for the same values, and for no others.
    pub(crate) const fn packed(&self) -> (u64, &Bytes, &Bytes) {
        (self.constant, &self.heads, &self.data)
    }

    /// Appends the column's bytes, as [`decode`](Self::decode) reads them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let size = |bytes: &Bytes| u32::try_from(bytes.len()).expect("a builder keeps both below 4 GiB");
        out.reserve(PREFIX_BYTES + self.memory_bytes());
        out.extend_from_slice(&(self.len as u64).to_le_bytes());
        out.extend_from_slice(&self.constant.to_le_bytes());
        out.extend_from_slice(&size(&self.heads).to_le_bytes());
        out.extend_from_slice(&size(&self.data).to_le_bytes());
        out.extend_from_slice(&self.heads);
        out.extend_from_slice(&self.data);
    }

    /// Takes a column from the front of `bytes`, which it goes on sharing.
    ///
    /// Cost: O(blocks); no row is read.
    ///
    /// # Errors
    /// [`ColumnError`]; `bytes` is then of no more use.
    pub fn decode(bytes: &mut Bytes) -> Result<Self, ColumnError> {
        let short = |need: u64, bytes: &Bytes| ColumnError::Short { need, left: bytes.len() as u64 };
        let prefix = *bytes.first_chunk::<PREFIX_BYTES>().ok_or_else(|| short(PREFIX_BYTES as u64, bytes))?;
        let (words, _) = prefix.as_chunks::<4>();
        let [low, high, constant_low, constant_high, heads, data] = words else {
            unreachable!("a prefix of six words")
        };
        let wide = |low: &[u8; 4], high: &[u8; 4]| {
            u64::from(u32::from_le_bytes(*low)) | (u64::from(u32::from_le_bytes(*high)) << 32)
        };
        let rows = wide(low, high);
        let (heads, data) = (u32::from_le_bytes(*heads), u32::from_le_bytes(*data));
        let len = usize::try_from(rows).ok().filter(|_| rows <= MAX_ROWS);
        let len = len.ok_or(ColumnError::TooLong { rows })?;
        let of_blocks = len.div_ceil(BLOCK) as u64 * HEAD_BYTES as u64;
        if heads != 0 && u64::from(heads) != of_blocks || heads == 0 && data != 0 {
            return Err(ColumnError::Blocks { rows, bytes: heads.into() });
        }
        let need = PREFIX_BYTES as u64 + u64::from(heads) + u64::from(data);
        if need > bytes.len() as u64 {
            return Err(short(need, bytes));
        }
        let inside = |size: u32| usize::try_from(size).expect("less than the bytes at hand");
        drop(bytes.split_to(PREFIX_BYTES));
        let column = Self {
            len,
            constant: wide(constant_low, constant_high),
            heads: bytes.split_to(inside(heads)),
            data: bytes.split_to(inside(data)),
        };
        match (0..column.blocks())
            .find(|block| !column.head(*block).fits(&column.data, column.rows_of(*block)))
        {
            Some(block) => Err(ColumnError::Outside { block }),
            None => Ok(column),
        }
    }

    /// Unpacks the rows of `block` into `values`; those past the block's rows are of no meaning.
    pub(crate) fn unpack_block(&self, block: usize, values: &mut [u64; BLOCK]) {
        if self.heads.is_empty() {
            values.fill(self.constant);
        } else {
            self.head(block).unpack(&self.data, values);
        }
    }

    /// Blocks there are; none in a column of equal values.
    const fn blocks(&self) -> usize {
        self.heads.len() / HEAD_BYTES
    }

    /// The head of `block`; that of a block of zeros past the last one.
    fn head(&self, block: usize) -> Head {
        let (heads, _) = self.heads.as_chunks();
        heads.get(block).map_or(Head::ZEROS, Head::read)
    }

    /// Rows of `block`.
    fn rows_of(&self, block: usize) -> usize {
        self.len.saturating_sub(block.saturating_mul(BLOCK)).min(BLOCK)
    }
}

impl FromIterator<u64> for Column {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut column = ColumnBuilder::new();
        for value in values {
            column.push(value);
        }
        column.finish()
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({} rows in {} bytes)", self.len, self.memory_bytes())
    }
}

#[cfg(test)]
mod tests;
