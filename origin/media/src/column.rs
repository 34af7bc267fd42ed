//! A column of whole numbers in little memory, with random access.
//!
//! Sample tables have millions of rows whose neighbours are alike. A [`Column`] keeps blocks of 64
//! rows, each as a minimum and the differences from it in as few whole bytes as the block needs;
//! a block of equal values needs none. A ten-hour film takes about 6 bytes a sample in all columns
//! together, a constant column takes nothing.
//!
//! Cost: `get` O(1), `push` amortised O(1).

/// Rows of one block.
const BLOCK: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Block {
    /// Smallest value of the block.
    min: u64,
    /// First byte of the differences in `bytes`.
    start: u32,
    /// Bytes a difference takes: 0 to 8.
    width: u8,
}

/// An append-only column of `u64`.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// The value of every row, as long as all rows are equal.
    constant: Option<u64>,
    len: usize,
    blocks: Vec<Block>,
    bytes: Vec<u8>,
    /// Rows of the block that is not full yet.
    tail: Vec<u64>,
}

impl Column {
    /// A column without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// A column of `len` equal values; costs no memory.
    pub fn constant(value: u64, len: usize) -> Self {
        Self { constant: Some(value), len, ..Self::default() }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory behind the column, for budgets and reports.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.bytes.capacity() + self.tail.capacity() * 8
    }

    /// Appends `value`.
    pub fn push(&mut self, value: u64) {
        if self.len == 0 {
            self.constant = Some(value);
        }
        match self.constant {
            Some(same) if same == value => {}
            Some(same) => self.leave_constant(same, value),
            None => self.push_packed(value),
        }
        self.len += 1;
    }

    /// Appends `value` `count` times.
    pub fn push_run(&mut self, value: u64, count: usize) {
        if count > 0 && (self.len == 0 || self.constant == Some(value)) {
            self.constant = Some(value);
            self.len += count;
            return;
        }
        for _ in 0..count {
            self.push(value);
        }
    }

    /// The value of row `index`, or `None` past the end.
    pub fn get(&self, index: usize) -> Option<u64> {
        if index >= self.len {
            return None;
        }
        if let Some(value) = self.constant {
            return Some(value);
        }
        let (block, row) = (index / BLOCK, index % BLOCK);
        let Some(block) = self.blocks.get(block) else { return self.tail.get(row).copied() };
        let width = usize::from(block.width);
        let at = block.start as usize + row * width;
        let packed = self.bytes.get(at..at + width)?;
        let difference = packed.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        Some(block.min + difference)
    }

    /// The values from row `start` on.
    pub fn iter_from(&self, start: usize) -> impl Iterator<Item = u64> + '_ {
        (start..self.len).map_while(|index| self.get(index))
    }

    /// The last value.
    pub fn last(&self) -> Option<u64> {
        self.len.checked_sub(1).and_then(|index| self.get(index))
    }

    /// The number of leading rows with a value of at most `limit`, in a column that never falls.
    pub fn count_at_most(&self, limit: u64) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(|value| value <= limit) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Gives memory that growing reserved back.
    pub fn shrink(&mut self) {
        self.blocks.shrink_to_fit();
        self.bytes.shrink_to_fit();
        self.tail.shrink_to_fit();
    }

    fn leave_constant(&mut self, same: u64, value: u64) {
        self.constant = None;
        for _ in 0..self.len {
            self.push_packed(same);
        }
        self.push_packed(value);
    }

    fn push_packed(&mut self, value: u64) {
        self.tail.push(value);
        if self.tail.len() == BLOCK {
            self.pack_tail();
        }
    }

    fn pack_tail(&mut self) {
        let min = self.tail.iter().copied().min().unwrap_or(0);
        let max = self.tail.iter().copied().max().unwrap_or(0);
        let width = (u64::BITS - (max - min).leading_zeros()).div_ceil(8);
        let start = u32::try_from(self.bytes.len()).expect("limits on samples keep a column below 4 GiB");
        for value in self.tail.drain(..) {
            let difference = (value - min).to_le_bytes();
            self.bytes.extend(difference.iter().take(width as usize));
        }
        self.blocks.push(Block { min, start, width: u8::try_from(width).expect("at most 8") });
    }
}

impl FromIterator<u64> for Column {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut column = Self::new();
        for value in values {
            column.push(value);
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_values_cost_nothing() {
        let mut column = Column::constant(7, 4_000_000_000);
        assert_eq!(column.get(3_999_999_999), Some(7));
        assert_eq!(column.get(4_000_000_000), None);
        assert_eq!(column.memory_bytes(), 0);
        column = Column::new();
        column.push_run(1, 1000);
        assert_eq!((column.memory_bytes(), column.len()), (0, 1000));
    }

    proptest! {
        #[test]
        fn a_column_is_the_values_pushed(values in proptest::collection::vec(
            prop_oneof![Just(5u64), 0..300u64, any::<u64>()], 0..400)) {
            let column: Column = values.iter().copied().collect();
            prop_assert_eq!(&column.iter_from(0).collect::<Vec<_>>(), &values);
            prop_assert_eq!(column.last(), values.last().copied());
        }

        #[test]
        fn count_at_most_splits_a_rising_column(mut values in proptest::collection::vec(0..1000u64, 0..300), limit in 0..1000u64) {
            values.sort_unstable();
            let column: Column = values.iter().copied().collect();
            prop_assert_eq!(column.count_at_most(limit), values.iter().filter(|value| **value <= limit).count());
        }
    }
}
