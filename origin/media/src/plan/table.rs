//! The segments of one track in rows of one width, in memory or in a mapped file.
//!
//! ```text
//!  first │ last │ start │ end │ bytes │ duration │ flags      4 4 8 8 8 4 4 bytes, little-endian
//! ```

use bytes::Bytes;

use super::MAX_TIME;
use crate::sample::Commons;

/// Bytes of a row.
pub(super) const ROW_BYTES: usize = 40;

const HAS_DURATION: u32 = 1;
const FIRST_SYNC: u32 = 2;
const HAS_REST: u32 = 4;
const REST_SYNC: u32 = 8;
const HAS_COMPOSITION: u32 = 16;

/// One segment of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// First sample: its position in the clip's track.
    pub(super) first: u32,
    /// One past the last sample.
    pub(super) last: u32,
    /// Presentation time of the start on the output timeline, in ticks.
    pub(super) start: i64,
    /// Presentation time of the end.
    pub(super) end: i64,
    /// What the samples have in common.
    pub(super) commons: Commons,
}

/// Rows in order.
#[derive(Debug, Clone, Default)]
pub(super) struct SegmentTable {
    rows: Bytes,
}

impl SegmentTable {
    /// The table whose rows are `rows`; `None` when those are no whole rows.
    pub(super) fn of_bytes(rows: Bytes) -> Option<Self> {
        rows.len().is_multiple_of(ROW_BYTES).then_some(Self { rows })
    }

    pub(super) fn as_bytes(&self) -> &Bytes {
        &self.rows
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() / ROW_BYTES
    }

    pub(super) fn get(&self, number: usize) -> Option<Row> {
        let (rows, _) = self.rows.as_chunks::<ROW_BYTES>();
        rows.get(number).map(Row::read)
    }
}

impl FromIterator<Row> for SegmentTable {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut bytes = Vec::new();
        rows.into_iter().for_each(|row| row.write(&mut bytes));
        bytes.shrink_to_fit();
        Self { rows: bytes.into() }
    }
}

impl Row {
    fn write(&self, out: &mut Vec<u8>) {
        let of = &self.commons;
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = flag(of.duration.is_some(), HAS_DURATION)
            | flag(of.first_sync, FIRST_SYNC)
            | flag(of.rest_sync.is_some(), HAS_REST)
            | flag(of.rest_sync == Some(true), REST_SYNC)
            | flag(of.has_composition, HAS_COMPOSITION);
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.last.to_le_bytes());
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.end.to_le_bytes());
        out.extend_from_slice(&of.bytes.to_le_bytes());
        out.extend_from_slice(&of.duration.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
    }

    /// Reads a row; its bytes may be foreign, so its times are held within [`MAX_TIME`].
    fn read(bytes: &[u8; ROW_BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let [first, last, s0, s1, e0, e1, b0, b1, duration, flags] = words else {
            unreachable!("a row of ten words")
        };
        let wide = |low: &[u8; 4], high: &[u8; 4]| {
            u64::from(u32::from_le_bytes(*low)) | (u64::from(u32::from_le_bytes(*high)) << 32)
        };
        let time = |low: &[u8; 4], high: &[u8; 4]| wide(low, high).cast_signed().clamp(-MAX_TIME, MAX_TIME);
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        let flags = u32::from_le_bytes(*flags);
        let has = |flag: u32| flags & flag != 0;
        let commons = Commons {
            count: last.saturating_sub(first) as usize,
            bytes: wide(b0, b1).min(MAX_TIME.unsigned_abs()),
            duration: has(HAS_DURATION).then_some(u32::from_le_bytes(*duration)),
            first_sync: has(FIRST_SYNC),
            rest_sync: has(HAS_REST).then_some(has(REST_SYNC)),
            has_composition: has(HAS_COMPOSITION),
        };
        Self { first, last, start: time(s0, s1), end: time(e0, e1), commons }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(bits: u32, bounds: (u32, u32), times: (i64, i64), bytes: u64, duration: u32) -> Row {
        let has = |bit: u32| bits & (1 << bit) != 0;
        let (first, count) = (bounds.0, bounds.1);
        let commons = Commons {
            count: count as usize,
            bytes,
            duration: has(0).then_some(duration),
            first_sync: has(1),
            rest_sync: has(2).then_some(has(3)),
            has_composition: has(4),
        };
        Row { first, last: first + count, start: times.0, end: times.1, commons }
    }

    proptest! {
        #[test]
        fn a_table_is_its_rows(
            made in proptest::collection::vec(
                (0..32u32, (0..1u32 << 30, 0..1u32 << 30), (-MAX_TIME..=MAX_TIME, -MAX_TIME..=MAX_TIME), 0..1u64 << 60, any::<u32>()),
                0..10,
            ),
        ) {
            let rows: Vec<Row> = made.into_iter().map(|(bits, bounds, times, bytes, duration)| row(bits, bounds, times, bytes, duration)).collect();
            let table: SegmentTable = rows.iter().copied().collect();
            prop_assert_eq!(table.len(), rows.len());
            let read: Vec<Row> = (0..=rows.len()).map_while(|number| table.get(number)).collect();
            prop_assert_eq!(read, rows);
        }
    }
}
