//! One block of a column: a minimum, and up to 64 differences from it.

/// Rows of a block.
pub(crate) const BLOCK: usize = 64;
/// Bytes of a head.
pub(super) const HEAD_BYTES: usize = 16;

/// What is known of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Smallest value of the block.
    pub(super) min: u64,
    /// First byte of the differences in the column's data.
    pub(super) start: u32,
    /// Bytes a difference takes: 0 to 8.
    pub(super) width: u8,
}

impl Head {
    /// That of a block of zeros.
    pub(super) const ZEROS: Self = Self { min: 0, start: 0, width: 0 };

    pub(super) fn read(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [min @ .., s0, s1, s2, s3, width, _, _, _] = *bytes;
        Self { min: u64::from_le_bytes(min), start: u32::from_le_bytes([s0, s1, s2, s3]), width }
    }

    pub(super) fn bytes(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let (min, rest) = bytes.split_at_mut(8);
        min.copy_from_slice(&self.min.to_le_bytes());
        let (start, rest) = rest.split_at_mut(4);
        start.copy_from_slice(&self.start.to_le_bytes());
        rest.fill(0);
        rest.iter_mut().take(1).for_each(|width| *width = self.width);
        bytes
    }

    /// Whether the differences of `rows` rows lie in `data`, and their width is one there is.
    pub(super) fn fits(self, data: &[u8], rows: usize) -> bool {
        let end = u64::from(self.start) + u64::from(self.width) * rows as u64;
        self.width <= 8 && end <= data.len() as u64
    }

    /// The value of `row`, which is below [`BLOCK`].
    pub(super) fn row(self, data: &[u8], row: usize) -> u64 {
        let width = usize::from(self.width);
        let at = (self.start as usize).saturating_add(row.saturating_mul(width));
        let packed = data.get(at..).unwrap_or_default();
        let difference = match packed.first_chunk::<8>() {
            // The bytes behind the difference are those of others.
            Some(wide) => u64::from_le_bytes(*wide) & low_bytes(width),
            None => packed.iter().take(width).rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)),
        };
        self.min.wrapping_add(difference)
    }

    /// Unpacks the block into `values`; those past the block's rows are of no meaning.
    pub(super) fn unpack(self, data: &[u8], values: &mut [u64; BLOCK]) {
        let packed = data.get(self.start as usize..).unwrap_or_default();
        match self.width {
            1 => unpack::<1>(self.min, packed, values),
            2 => unpack::<2>(self.min, packed, values),
            3 => unpack::<3>(self.min, packed, values),
            4 => unpack::<4>(self.min, packed, values),
            5 => unpack::<5>(self.min, packed, values),
            6 => unpack::<6>(self.min, packed, values),
            7 => unpack::<7>(self.min, packed, values),
            8 => unpack::<8>(self.min, packed, values),
            _ => values.fill(self.min),
        }
    }

    /// Packs `values`, none for nothing, behind `data`, and returns the head.
    pub(super) fn pack(values: &[u64], data: &mut Vec<u8>) -> Self {
        let mut words = [0; BLOCK];
        match <&[u64; BLOCK]>::try_from(values) {
            Ok(block) if narrow(block, &mut words) => Self::pack_words(&words, data),
            _ => Self::pack_any(values, data),
        }
    }

    /// The same of numbers of 32 bits, as nearly all are: several are compared and packed at once.
    pub(super) fn pack_words(values: &[u32; BLOCK], data: &mut Vec<u8>) -> Self {
        let (min, max) = bounds(values);
        let start = start(data);
        let width = match (max - min).leading_zeros() {
            32 => return Self { min: min.into(), ..Self::ZEROS },
            24.. => pack_words::<1>(min, values, data),
            16.. => pack_words::<2>(min, values, data),
            8.. => pack_words::<3>(min, values, data),
            _ => pack_words::<4>(min, values, data),
        };
        Self { min: min.into(), start, width }
    }

    fn pack_any(values: &[u64], data: &mut Vec<u8>) -> Self {
        let (mut min, mut max) = (u64::MAX, 0);
        for value in values {
            min = min.min(*value);
            max = max.max(*value);
        }
        if min >= max {
            return Self { min: max, ..Self::ZEROS };
        }
        let start = start(data);
        let width = match (max - min).leading_zeros() / 8 {
            7 => pack::<1>(min, values, data),
            6 => pack::<2>(min, values, data),
            5 => pack::<3>(min, values, data),
            4 => pack::<4>(min, values, data),
            3 => pack::<5>(min, values, data),
            2 => pack::<6>(min, values, data),
            1 => pack::<7>(min, values, data),
            _ => pack::<8>(min, values, data),
        };
        Self { min, start, width }
    }
}

/// The smallest and the largest of `values`, none for nothing.
///
/// Not inlined: of a length that is known the loop would be unrolled, and then compare one value at a time.
#[inline(never)]
fn bounds(values: &[u32]) -> (u32, u32) {
    let (mut min, mut max) = (u32::MAX, 0);
    for value in values {
        min = min.min(*value);
        max = max.max(*value);
    }
    (min, max)
}

/// Writes the low halves of `values` to `words`; whether the high halves are zero.
fn narrow(values: &[u64; BLOCK], words: &mut [u32; BLOCK]) -> bool {
    let mut bits = 0;
    for (word, value) in words.iter_mut().zip(values) {
        bits |= value;
        *word = u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
    }
    bits <= u64::from(u32::MAX)
}

/// Where the next differences go.
fn start(data: &[u8]) -> u32 {
    u32::try_from(data.len()).expect("limits on samples keep a column below 4 GiB")
}

/// A number whose lowest `count` bytes (at most 8) are ones.
const fn low_bytes(count: usize) -> u64 {
    match count {
        0 => 0,
        1..8 => (1 << (8 * count)) - 1,
        _ => u64::MAX,
    }
}

fn unpack<const WIDTH: usize>(min: u64, packed: &[u8], values: &mut [u64; BLOCK]) {
    let (packed, _) = packed.as_chunks::<WIDTH>();
    let unpacked = |packed: &[u8; WIDTH]| {
        let mut wide = [0; 8];
        wide.iter_mut().zip(packed).for_each(|(wide, byte)| *wide = *byte);
        min.wrapping_add(u64::from_le_bytes(wide))
    };
    // A block that is known to be whole is unpacked several rows at once.
    if let Some(packed) = packed.first_chunk::<BLOCK>() {
        values.iter_mut().zip(packed).for_each(|(value, packed)| *value = unpacked(packed));
    } else {
        values.iter_mut().zip(packed).for_each(|(value, packed)| *value = unpacked(packed));
    }
}

/// Packs `values`, of which `min` is the smallest; returns the width.
fn pack<const WIDTH: usize>(min: u64, values: &[u64], data: &mut Vec<u8>) -> u8 {
    for (place, value) in places::<WIDTH>(values.len(), data).iter_mut().zip(values) {
        let wide = value.wrapping_sub(min).to_le_bytes();
        place.iter_mut().zip(wide).for_each(|(place, byte)| *place = byte);
    }
    width::<WIDTH>()
}

fn pack_words<const WIDTH: usize>(min: u32, values: &[u32; BLOCK], data: &mut Vec<u8>) -> u8 {
    for (place, value) in places::<WIDTH>(BLOCK, data).iter_mut().zip(values) {
        let wide = value.wrapping_sub(min).to_le_bytes();
        place.iter_mut().zip(wide).for_each(|(place, byte)| *place = byte);
    }
    width::<WIDTH>()
}

/// Room for `count` differences behind `data`.
fn places<const WIDTH: usize>(count: usize, data: &mut Vec<u8>) -> &mut [[u8; WIDTH]] {
    let start = data.len();
    data.resize(start.saturating_add(count.saturating_mul(WIDTH)), 0);
    data.get_mut(start..).unwrap_or_default().as_chunks_mut().0
}

const fn width<const WIDTH: usize>() -> u8 {
    const { assert!(WIDTH <= 8) };
    WIDTH.to_le_bytes()[0]
}
