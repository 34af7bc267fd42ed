//! Walking the rows of a column, a block at a time.

use super::Column;
use super::block::BLOCK;

/// The values of a column in order, from some row on.
///
/// Cost: a few instructions a row; 520 bytes, to be kept on the stack.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    column: &'a Column,
    /// The next row, and one past the last row that `values` has.
    at: usize,
    until: usize,
    /// Whether all of `values` are known to be equal.
    same: bool,
    /// The block in which `until - 1` lies; for a column of equal values that value.
    values: [u64; BLOCK],
}

impl<'a> Walk<'a> {
    pub(super) fn new(column: &'a Column, start: usize) -> Self {
        let at = start.min(column.len);
        let mut walk = Self { column, at, until: at, same: true, values: [column.constant; BLOCK] };
        if column.heads.is_empty() {
            walk.until = column.len;
        }
        walk
    }

    /// The rows up to the next block's start, at most `most`, as a slice; empty only at the end or for `most` zero.
    pub(crate) fn next_rows(&mut self, most: usize) -> &[u64] {
        self.next_alike(most).0
    }

    /// The same, and whether those rows are known to be equal.
    pub(crate) fn next_alike(&mut self, most: usize) -> (&[u64], bool) {
        if self.at >= self.until && !self.unpack_next() {
            return (&[], true);
        }
        let start = self.at % BLOCK;
        let count = most.min(self.until - self.at).min(BLOCK - start);
        self.at += count;
        (self.values.get(start..start + count).unwrap_or_default(), self.same)
    }

    /// Unpacks the block of the next row; false at the end.
    #[cold]
    #[inline(never)]
    fn unpack_next(&mut self) -> bool {
        if self.at >= self.column.len {
            return false;
        }
        let block = self.at / BLOCK;
        let head = self.column.head(block);
        head.unpack(&self.column.data, &mut self.values);
        self.same = head.width == 0;
        self.until = block * BLOCK + self.column.rows_of(block);
        true
    }
}

impl Iterator for Walk<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        if self.at >= self.until && !self.unpack_next() {
            return None;
        }
        let value = self.values.get(self.at % BLOCK).copied();
        self.at += 1;
        value
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Walk<'_> {
    fn len(&self) -> usize {
        self.column.len - self.at
    }
}
