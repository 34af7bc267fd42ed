//! Making a column, row by row or in bulk.

use bytes::Bytes;

use super::Column;
use super::block::{BLOCK, HEAD_BYTES, Head};

/// Room that data starts with, at most.
const FIRST_BYTES: usize = 64 << 10;
/// Most bytes of a block.
const WIDEST_BYTES: usize = 8 * BLOCK;
/// Rows after which what they took tells what the others will take.
const SURVEYED_ROWS: usize = 16_384;

/// An append-only column, not complete yet.
///
/// Memory that was never used before costs as much as what is written to it, so room is made for as many rows as
/// are [expected](Self::expect), not doubled until it is enough.
#[derive(Debug, Clone)]
pub struct ColumnBuilder {
    len: usize,
    /// Rows there will be, as far as anybody knows.
    expected: usize,
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
        let (heads, data) = (Vec::new(), Vec::new());
        Self { len: 0, expected: 0, packed: false, same: 0, heads, data, tail: [0; BLOCK] }
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

    /// Says that there will be `rows` rows; fewer or more are no harm.
    pub const fn expect(&mut self, rows: usize) {
        self.expected = rows;
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
        self.begin(&mut values);
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

    /// Appends `rows`.
    ///
    /// Cost: as [`extend`](Self::extend), less where they are just the next block.
    pub(crate) fn extend_rows(&mut self, rows: &[u64]) {
        if self.packed && rows.len() == BLOCK && self.len.is_multiple_of(BLOCK) {
            self.have_room();
            let head = Head::pack(rows, &mut self.data);
            self.heads.extend_from_slice(&head.bytes());
            self.len += BLOCK;
        } else {
            self.extend(rows.iter().copied());
        }
    }

    /// Appends all of `values`, numbers of 32 bits.
    ///
    /// Cost: as [`extend`](Self::extend), and half of it where whole blocks are.
    pub(crate) fn extend_words<I: ExactSizeIterator<Item = u32>>(&mut self, mut values: I) {
        self.begin(&mut values.by_ref().map(u64::from));
        let rest = (BLOCK - self.len % BLOCK) % BLOCK;
        let rest = rest.min(values.len());
        self.extend(values.by_ref().take(rest).map(u64::from));
        let mut words = [0; BLOCK];
        while values.len() >= BLOCK {
            for (word, value) in words.iter_mut().zip(&mut values) {
                *word = value;
            }
            self.have_room();
            let head = Head::pack_words(&words, &mut self.data);
            self.heads.extend_from_slice(&head.bytes());
            self.len += BLOCK;
        }
        self.extend(values.map(u64::from));
    }

    /// Takes those of `values` that are equal to all rows so far, and the first that is not.
    fn begin<I: Iterator<Item = u64>>(&mut self, values: &mut I) {
        while !self.packed {
            // Equal rows are looked at until one differs.
            let Some(value) = values.next() else { return };
            self.push(value);
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
        self.heads.reserve_exact((self.len.max(self.expected) / BLOCK + 1) * HEAD_BYTES);
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
        self.have_room();
        let values = self.tail.get(..rows).unwrap_or_default();
        let head = Head::pack(values, &mut self.data);
        self.heads.extend_from_slice(&head.bytes());
    }
    /// Makes room for a block if there is none.
    #[inline]
    fn have_room(&mut self) {
        if self.data.capacity() - self.data.len() < WIDEST_BYTES {
            self.make_room();
        }
    }

    /// Makes room for more data: for all that is expected once the rows so far tell how much that is.
    #[cold]
    fn make_room(&mut self) {
        let len = self.data.len();
        let more = if (SURVEYED_ROWS..self.expected).contains(&self.len) {
            let left = len as u128 * (self.expected - self.len) as u128 / self.len as u128;
            // A little more than the average, and enough not to be here again soon.
            usize::try_from(left + left / 32).unwrap_or(len).max(len / 4)
        } else {
            len
        };
        let first = self.expected.saturating_mul(4).min(FIRST_BYTES);
        self.data.reserve_exact(more.max(first) + WIDEST_BYTES);
    }
}
