//! Reading numbers from the payload of a box, with the place of every byte known for errors.

use crate::demux::FormatError;
use crate::fourcc::FourCc;

/// A reader over the payload of one box.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    /// Offset in the source of the first byte of `rest`.
    offset: u64,
    fourcc: FourCc,
}

impl<'a> Cursor<'a> {
    /// Reads `payload`, which begins at `offset` of the source and belongs to box `fourcc`.
    pub(crate) const fn new(payload: &'a [u8], offset: u64, fourcc: FourCc) -> Self {
        Self { rest: payload, offset, fourcc }
    }

    /// Offset in the source of the next byte.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(FormatError::ShortBox {
                fourcc: self.fourcc,
                offset: self.offset,
                need: count as u64,
                left: self.rest.len() as u64,
            });
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(taken)
    }

    /// Passes over `count` bytes.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), FormatError> {
        self.bytes(count).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let bytes = self.bytes(N)?;
        Ok(bytes.try_into().expect("as many bytes as asked for"))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, FormatError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, FormatError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn fourcc(&mut self) -> Result<FourCc, FormatError> {
        self.array().map(FourCc)
    }

    /// Version and flags of a full box (ISO/IEC 14496-12 §4.2.2).
    pub(crate) fn version_and_flags(&mut self) -> Result<(u8, u32), FormatError> {
        let word = self.u32()?;
        let [version, ..] = word.to_be_bytes();
        Ok((version, word & 0x00ff_ffff))
    }

    /// A number of 32 bits in version 0 of a box and of 64 in version 1.
    pub(crate) fn u32_or_u64(&mut self, version: u8) -> Result<u64, FormatError> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// The next child box: its code, and a cursor over its payload; `None` at the end.
    ///
    /// QuickTime ends some lists of boxes with four zero bytes: they, and any shorter rest, end the list.
    pub(crate) fn child(&mut self) -> Result<Option<(FourCc, Self)>, FormatError> {
        if self.rest.len() < 8 {
            return Ok(None);
        }
        let offset = self.offset;
        let size = u64::from(self.u32()?);
        let fourcc = self.fourcc()?;
        if size == 0 {
            return Ok(None);
        }
        let left = self.rest.len() as u64;
        let Some(payload) = size.checked_sub(8) else {
            return Err(FormatError::BoxTooSmall { fourcc, offset, size });
        };
        let Some(count) = usize::try_from(payload).ok().filter(|_| payload <= left) else {
            return Err(FormatError::BoxOverrun { fourcc, offset, size, left: left.saturating_add(8) });
        };
        let offset = self.offset;
        Ok(Some((fourcc, Cursor::new(self.bytes(count)?, offset, fourcc))))
    }
}
