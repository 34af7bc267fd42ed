//! Sample tables, streamed into columns as their bytes come (ISO/IEC 14496-12 §8.6, §8.7).
//!
//! A table's count is checked against the bytes of its box before the first entry is read, so a
//! lie about it costs nothing; what is kept is packed (see [`column`](crate::column)).

use super::track::TrackRead;
use super::window::Window;
use super::{Stop, Wanting};
use crate::column::ColumnBuilder;
use crate::cursor::Cursor;
use crate::demux::FormatError;
use crate::fourcc::FourCc;
use crate::movie::RawTables;

/// Entries of one table, and sum of the samples of its runs: named limit.
const MAX_ENTRIES: u64 = crate::movie::MAX_SAMPLES;

/// A sample table being read.
#[derive(Debug)]
pub(super) struct TableRead {
    fourcc: FourCc,
    /// First byte of the box.
    offset: u64,
    /// Next byte to read.
    at: u64,
    end: u64,
    /// Bytes of an entry; zero until the table's head was read.
    entry: u64,
    /// First byte after the entries.
    entries_end: u64,
    /// Bits of an entry of `stz2`.
    bits: u8,
    /// Entries left; matters only where an entry is less than a byte.
    left: u64,
}

impl TableRead {
    pub(super) fn is_table(fourcc: FourCc) -> bool {
        matches!(&fourcc.0, b"stts" | b"ctts" | b"stsz" | b"stz2" | b"stsc" | b"stco" | b"co64" | b"stss")
    }

    /// A table whose payload is `payload..end`.
    pub(super) const fn start(fourcc: FourCc, offset: u64, payload: u64, end: u64) -> Self {
        Self { fourcc, offset, at: payload, end, entry: 0, entries_end: payload, bits: 0, left: 0 }
    }

    /// First byte after the box.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Reads what is at hand into `track`; true at the end of the table.
    pub(super) fn read(&mut self, window: &Window, track: &mut TrackRead) -> Wanting<bool> {
        if self.entry == 0 {
            self.read_head(window, track)?;
        }
        if self.at >= self.entries_end {
            return Ok(true);
        }
        let bytes = window.entries(self.at, self.entries_end, self.entry)?;
        self.read_entries(&bytes, track)?;
        self.at += bytes.len() as u64;
        Ok(self.at >= self.entries_end)
    }

    /// Reads counts, and checks that the box has bytes for them.
    fn read_head(&mut self, window: &Window, track: &mut TrackRead) -> Wanting<()> {
        let with_size = matches!(&self.fourcc.0, b"stsz" | b"stz2");
        let head_len = if with_size { 12 } else { 8 };
        let left = self.end - self.at;
        if left < head_len {
            let (fourcc, offset) = (self.fourcc, self.at);
            return Err(FormatError::ShortBox { fourcc, offset, need: head_len, left }.into());
        }
        let ahead = self.end.min(self.at.saturating_add(crate::demux::MAX_NEED_BYTES));
        let head = window.bytes(self.at, head_len, ahead)?;
        let mut cursor = Cursor::new(&head, self.at, self.fourcc);
        cursor.version_and_flags()?;
        let field = if with_size { cursor.u32()? } else { 0 };
        let count = u64::from(cursor.u32()?);
        self.at = cursor.offset();
        self.left = count;
        if count > MAX_ENTRIES {
            let what = "entries of a sample table";
            return Err(
                FormatError::Limit { what, value: count, limit: MAX_ENTRIES, offset: self.offset }.into()
            );
        }
        self.entry = match &self.fourcc.0 {
            b"stts" | b"ctts" | b"co64" => 8,
            b"stsc" => 12,
            b"stz2" => self.entry_of_stz2(field)?,
            _ => 4,
        };
        if self.fourcc.0 == *b"stsz" && field != 0 {
            track.tables.sizes.push_run(field.into(), usize::try_from(count).unwrap_or(usize::MAX));
            self.entries_end = self.at;
            return Ok(());
        }
        if self.fourcc.0 == *b"stss" {
            track.tables.sync = Some(ColumnBuilder::new());
        }
        self.fit(count)?;
        self.expect(usize::try_from(count).unwrap_or(usize::MAX), &mut track.tables);
        Ok(())
    }

    /// Has room made for `count` entries, which the box has bytes for.
    fn expect(&self, count: usize, tables: &mut RawTables) {
        match &self.fourcc.0 {
            b"ctts" => tables.compositions.expect(count),
            b"stsz" | b"stz2" => tables.sizes.expect(count),
            b"stco" | b"co64" => tables.chunk_offsets.expect(count),
            b"stsc" => {
                tables.run_first_chunks.expect(count);
                tables.run_samples.expect(count);
            }
            // Durations are few runs, sync samples few.
            _ => {}
        }
    }

    /// `stz2` packs sizes in 4, 8 or 16 bits; they are read byte by byte, two bytes for 16 bits.
    fn entry_of_stz2(&mut self, field: u32) -> Result<u64, FormatError> {
        let reason = "sizes of neither 4, 8 nor 16 bits";
        let [_, _, _, bits] = field.to_be_bytes();
        self.bits = bits;
        match bits {
            4 | 8 => Ok(1),
            16 => Ok(2),
            _ => Err(FormatError::Field { fourcc: self.fourcc, offset: self.offset, reason }),
        }
    }

    fn fit(&mut self, count: u64) -> Wanting<()> {
        let entries = if self.bits == 4 { count.div_ceil(2) } else { count };
        let left = self.end - self.at;
        let bytes = entries.saturating_mul(self.entry);
        if bytes > left {
            let (fourcc, offset) = (self.fourcc, self.offset);
            let error = FormatError::TableOverrun { fourcc, offset, entries, entry_bytes: self.entry, left };
            return Err(Stop::Bad(error));
        }
        self.entries_end = self.at + bytes;
        Ok(())
    }

    /// Reads `bytes`, which are whole entries, into the columns of `track`.
    fn read_entries(&mut self, bytes: &[u8], track: &mut TrackRead) -> Result<(), FormatError> {
        let tables = &mut track.tables;
        match &self.fourcc.0 {
            b"stts" => {
                pairs(bytes).for_each(|[count, duration]| tables.durations.push(count, duration.into()));
            }
            b"ctts" => {
                // QuickTime writes negative offsets into version 0 as well: all are read as signed,
                // and to flip the sign is to add the bias.
                tables.compositions.extend(pairs(bytes).map(|[count, offset]| [count, offset ^ (1 << 31)]));
            }
            b"stsz" => tables.sizes.extend_words(words(bytes)),
            b"stz2" => self.read_packed_sizes(bytes, tables),
            b"stsc" => {
                let (entries, _) = bytes.as_chunks::<12>();
                let word = |at: usize| entries.iter().map(move |entry| words(entry).nth(at).unwrap_or(0));
                tables.run_first_chunks.extend_words(word(0));
                tables.run_samples.extend_words(word(1));
                for (number, description) in word(2).enumerate().filter(|(_, description)| *description != 1)
                {
                    track.claim_description(description, self.at + 12 * number as u64)?;
                }
            }
            b"stco" => tables.chunk_offsets.extend_words(words(bytes)),
            b"co64" => {
                let (offsets, _) = bytes.as_chunks();
                tables.chunk_offsets.extend(offsets.iter().map(|offset| u64::from_be_bytes(*offset)));
            }
            _ => tables.sync.get_or_insert_default().extend(words(bytes).map(u64::from)),
        }
        Ok(())
    }

    fn read_packed_sizes(&mut self, bytes: &[u8], tables: &mut RawTables) {
        match self.bits {
            4 => {
                for byte in bytes {
                    tables.sizes.push(u64::from(byte >> 4));
                    if self.left > 1 {
                        tables.sizes.push(u64::from(byte & 15));
                    }
                    self.left = self.left.saturating_sub(2);
                }
            }
            8 => tables.sizes.extend(bytes.iter().map(|size| u64::from(*size))),
            _ => {
                let (sizes, _) = bytes.as_chunks();
                tables.sizes.extend(sizes.iter().map(|size| u64::from(u16::from_be_bytes(*size))));
            }
        }
    }
}

/// The numbers of 32 bits in `bytes`.
fn words(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word))
}

/// The pairs of numbers of 32 bits in `bytes`.
fn pairs(bytes: &[u8]) -> impl ExactSizeIterator<Item = [u32; 2]> {
    bytes.as_chunks().0.iter().map(|[a, b, c, d, e, f, g, h]| {
        [u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h])]
    })
}
