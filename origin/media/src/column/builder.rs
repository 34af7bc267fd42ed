//! Making a column, row by row or in bulk.

use bytes::Bytes;

use super::Column;
use super::block::{BLOCK, HEAD_BYTES, Head};

/// An append-only column, not complete yet.
#[derive(Debug, Clone)]
pub struct ColumnBuilder {
    len: usize,
    /// Whether rows differ; until then there are no blocks, and each is `same`.
    packed: bool,
    same: u64,
    heads: Vec<u8>,
    data: Vec<u8>,
    /// Rows of the block that is not full yet: `len % BLOCK` of them, unless all rows are equal.
    tail: [u64; BLOCK],
}

impl Default for ColumnBuilder {
    fn default() -> Self {
        Self { len: 0, packed: false, same: 0, heads: Vec::new(), data: Vec::new(), tail: [0; BLOCK] }
    }
}

impl ColumnBuilder {
    /// A column without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows so far.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `value`.
    #[inline]
    pub fn push(&mut self, value: u64) {
        if self.packed {
            self.push_packed(value);
        } else {
            self.push_run_unpacked(value, 1);
        }
    }

    /// Appends `value` `count` times.
    ///
    /// Cost: O(1) as long as all rows are equal, else O(count / 64) and 16 bytes for as many.
    #[inline]
    pub fn push_run(&mut self, value: u64, count: usize) {
        if self.packed && count == 1 {
            self.push_packed(value);
        } else if self.packed {
            self.push_run_packed(value, count);
        } else {
            self.push_run_unpacked(value, count);
        }
    }

    /// Appends all of `values`.
    ///
    /// Cost: a few instructions a row: blocks are filled and packed without a look at each row.
    pub fn extend<I: ExactSizeIterator<Item = u64>>(&mut self, mut values: I) {
        while !self.packed {
            // Equal rows are looked at until one differs.
            let Some(value) = values.next() else { return };
            self.push(value);
        }
        while values.len() > 0 {
            let at = self.len % BLOCK;
            let now = values.len().min(BLOCK - at);
            let places = self.tail.get_mut(at..at + now).unwrap_or_default();
            for (place, value) in places.iter_mut().zip(&mut values) {
                *place = value;
            }
            self.len += now;
            self.pack_full_tail();
        }
    }

    /// The column, complete.
    pub fn finish(mut self) -> Column {
        if !self.packed {
            return Column::constant(self.same, self.len);
        }
        let rest = self.len % BLOCK;
        if rest > 0 {
            self.pack(rest);
        }
        let packed = |bytes: Vec<u8>| Bytes::from(bytes.into_boxed_slice());
        Column { len: self.len, constant: 0, heads: packed(self.heads), data: packed(self.data) }
    }

    fn push_run_unpacked(&mut self, value: u64, count: usize) {
        if self.len == 0 {
            self.same = value;
        }
        if self.same == value || count == 0 {
            self.len += count;
            return;
        }
        self.pack_equal_rows();
        self.push_run_packed(value, count);
    }

    fn push_run_packed(&mut self, value: u64, count: usize) {
        let mut left = count;
        while left > 0 {
            let at = self.len % BLOCK;
            let now = left.min(BLOCK - at);
            if let Some(places) = self.tail.get_mut(at..at + now) {
                places.fill(value);
            }
            self.len += now;
            left -= now;
            self.pack_full_tail();
        }
    }

    /// Makes blocks of the rows that are all equal, because the next one is not.
    fn pack_equal_rows(&mut self) {
        let head = Head { min: self.same, ..Head::ZEROS }.bytes();
        self.heads.reserve((self.len / BLOCK + 1) * HEAD_BYTES);
        for _ in 0..self.len / BLOCK {
            self.heads.extend_from_slice(&head);
        }
        self.tail.fill(self.same);
        self.packed = true;
    }

    #[inline]
    fn push_packed(&mut self, value: u64) {
        if let Some(place) = self.tail.get_mut(self.len % BLOCK) {
            *place = value;
        }
        self.len += 1;
        self.pack_full_tail();
    }

    /// Packs the tail if it is full.
    #[inline]
    fn pack_full_tail(&mut self) {
        if self.len.is_multiple_of(BLOCK) {
            self.pack(BLOCK);
        }
    }

    fn pack(&mut self, rows: usize) {
        let values = self.tail.get(..rows).unwrap_or_default();
        let head = Head::pack(values, &mut self.data);
        self.heads.extend_from_slice(&head.bytes());
    }
}
