//! The chunks of a track that no segment shows: where their bytes are, not what is in them
//! (ISO/IEC 14496-12 §8.7).
//!
//! Text, chapters, time codes, sound of codecs that are not served: they are copied chunk by chunk,
//! so that only the places in `stco` change. Samples without bytes are as good as any here.

use super::LayoutError;
use super::boxes::{BoxRef, number, u32_at};
use super::index::Trak;
use crate::column::{Column, ColumnBuilder};
use crate::demux::FormatError;
use crate::fourcc::FourCc;
use crate::movie::TableError;

/// Bytes below which one size for all samples of sound is not believed: QuickTime counts frames of
/// sound as samples of one byte or so, and leaves their true size to the sample description.
const MIN_SOUND_BYTES: u64 = 64;

/// The chunks of a track.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    pub(super) offsets: Column,
    pub(super) lens: Column,
}

/// A table in memory: so many entries of so many bytes.
struct Table<'a> {
    entries: &'a [u8],
    count: u64,
}

impl Chunks {
    /// Reads the tables of `trak` of a source of `source_len` bytes.
    ///
    /// # Errors
    /// [`LayoutError::Format`] for tables that contradict each other or the file.
    pub(super) fn read(trak: &Trak<'_>, source_len: u64) -> Result<Self, LayoutError> {
        let Some(offsets) = trak.offsets.filter(|_| trak.has_chunks()) else { return Ok(Self::default()) };
        let mut starts = ColumnBuilder::new();
        let mut lens = ColumnBuilder::new();
        let width = if offsets.fourcc.0 == *b"co64" { 8 } else { 4 };
        let places = Table::read(&offsets, 4, width)?;
        let wrong = |source| FormatError::Tables { track: trak.id, offset: offsets.offset, source };
        let sizes = Sizes::read(trak)?;
        let mut runs = Runs::read(trak)?;
        let mut sample = 0u64;
        for chunk in 0..places.count {
            let samples = runs.samples_of(chunk).map_err(wrong)?;
            let len = sizes.sum(sample, samples).ok_or_else(|| {
                wrong(TableError::Count {
                    table: "stsc",
                    count: sample.saturating_add(samples),
                    samples: sizes.count,
                })
            })?;
            let offset = places.value(chunk, width);
            let end = offset.saturating_add(len);
            if end > source_len {
                return Err(wrong(TableError::Outside { sample, end, source_len }).into());
            }
            sample = sample.saturating_add(samples);
            starts.push(offset);
            lens.push(len);
        }
        if sample != sizes.count {
            return Err(
                wrong(TableError::Count { table: "stsc", count: sample, samples: sizes.count }).into()
            );
        }
        Ok(Self { offsets: starts.finish(), lens: lens.finish() })
    }
}

impl<'a> Table<'a> {
    /// The entries of `found`, of `entry_bytes` each (0: not checked here); their count is at `count_at`.
    fn read(found: &BoxRef<'a>, count_at: usize, entry_bytes: u64) -> Result<Self, FormatError> {
        let (fourcc, offset) = (found.fourcc, found.offset);
        let head = count_at.saturating_add(4);
        let left = found.payload.len().saturating_sub(head) as u64;
        let Some(count) = u32_at(found.payload, count_at).map(u64::from) else {
            return Err(FormatError::ShortBox { fourcc, offset, need: head as u64, left });
        };
        if count.saturating_mul(entry_bytes) > left {
            return Err(FormatError::TableOverrun { fourcc, offset, entries: count, entry_bytes, left });
        }
        Ok(Self { entries: found.payload.get(head..).unwrap_or_default(), count })
    }
}

impl Table<'_> {
    /// The number of entry `index`, which takes `width` bytes.
    fn value(&self, index: u64, width: u64) -> u64 {
        let at = usize::try_from(index.saturating_mul(width)).unwrap_or(usize::MAX);
        match width {
            8 => number::<8>(self.entries, at).map_or(0, u64::from_be_bytes),
            2 => u64::from(number::<2>(self.entries, at).map_or(0, u16::from_be_bytes)),
            1 => u64::from(self.entries.get(at).copied().unwrap_or(0)),
            _ => u64::from(u32_at(self.entries, at).unwrap_or(0)),
        }
    }
}

/// Sizes of samples, as `stsz` or `stz2` has them.
struct Sizes<'a> {
    table: Table<'a>,
    count: u64,
    /// The size of every sample.
    constant: Option<u64>,
    /// Bits of an entry.
    bits: u64,
}

impl<'a> Sizes<'a> {
    fn read(trak: &Trak<'a>) -> Result<Self, LayoutError> {
        let missing = FormatError::Missing { fourcc: FourCc(*b"stsz"), offset: trak.offset };
        let found = trak.sizes.ok_or(missing)?;
        let field = u64::from(u32_at(found.payload, 4).unwrap_or(0));
        if found.fourcc.0 == *b"stz2" {
            let bits = field & 0xff;
            if !matches!(bits, 4 | 8 | 16) {
                let reason = "sizes of neither 4, 8 nor 16 bits";
                return Err(FormatError::Field { fourcc: found.fourcc, offset: found.offset, reason }.into());
            }
            let table = Table::read(&found, 8, 0)?;
            let left = table.entries.len() as u64;
            if table.count.saturating_mul(bits).div_ceil(8) > left {
                let (fourcc, offset, entries) = (found.fourcc, found.offset, table.count);
                return Err(FormatError::TableOverrun {
                    fourcc,
                    offset,
                    entries,
                    entry_bytes: bits / 8,
                    left,
                }
                .into());
            }
            return Ok(Self { count: table.count, table, constant: None, bits });
        }
        if field == 0 {
            let table = Table::read(&found, 8, 4)?;
            return Ok(Self { count: table.count, table, constant: None, bits: 32 });
        }
        if trak.handler.0 == *b"soun" && field < MIN_SOUND_BYTES {
            let what = "leaves the size of its sound to the sample description";
            return Err(LayoutError::Unmovable { what, fourcc: found.fourcc, offset: found.offset });
        }
        let table = Table::read(&found, 8, 0)?;
        Ok(Self { count: table.count, table, constant: Some(field), bits: 0 })
    }

    /// Bytes of `count` samples from `first` on; `None` where there are not so many.
    fn sum(&self, first: u64, count: u64) -> Option<u64> {
        let end = first.checked_add(count).filter(|end| *end <= self.count)?;
        if let Some(constant) = self.constant {
            return Some(constant.saturating_mul(count));
        }
        Some((first..end).map(|index| self.size(index)).fold(0, u64::saturating_add))
    }

    fn size(&self, index: u64) -> u64 {
        match self.bits {
            4 => {
                let pair = self.table.value(index / 2, 1);
                if index.is_multiple_of(2) { pair >> 4 } else { pair & 15 }
            }
            bits => self.table.value(index, bits / 8),
        }
    }
}

/// How many samples the chunks have, asked for in order.
struct Runs<'a> {
    table: Table<'a>,
    /// The run that the last chunk asked for is of.
    at: u64,
}

impl<'a> Runs<'a> {
    fn read(trak: &Trak<'a>) -> Result<Self, FormatError> {
        let missing = FormatError::Missing { fourcc: FourCc(*b"stsc"), offset: trak.offset };
        Ok(Self { table: Table::read(&trak.runs.ok_or(missing)?, 4, 12)?, at: 0 })
    }

    /// Samples of `chunk`, counted from zero and never less than before.
    fn samples_of(&mut self, chunk: u64) -> Result<u64, TableError> {
        let first = |run: u64| self.table.value(run.saturating_mul(3), 4);
        let number = chunk.saturating_add(1);
        let mut at = self.at;
        let next = at.saturating_add(1);
        if chunk > 0 && next < self.table.count && first(next) == number {
            at = next;
        }
        let wrong = |reason| TableError::ChunkRun { run: at, reason };
        if self.table.count == 0 || first(0) != 1 {
            return Err(wrong("the first run does not start at chunk 1"));
        }
        let next = at.saturating_add(1);
        if next < self.table.count && first(next) <= number {
            return Err(wrong("runs do not rise"));
        }
        self.at = at;
        Ok(self.table.value(at.saturating_mul(3).saturating_add(1), 4))
    }
}
