//! The audit's own MP4 reader (ISO/IEC 14496-12), for fragmented files only.
//!
//! ```text
//! init:     ftyp moov { mvhd trak { tkhd edts{elst} mdia{mdhd hdlr minf{stbl{stsd}}} } mvex{trex} }
//! segment:  [styp] [sidx|emsg|prft]* ( moof { mfhd traf { tfhd tfdt trun } } mdat )+
//! ```
//!
//! Nothing here recurses on foreign depth, indexes without a check or allocates by a foreign count.

pub(crate) mod codec;
pub(crate) mod fragment;
pub(crate) mod init;
mod nal;
mod sample_entry;

use crate::limits::BOXES_MAX;
use crate::report::{Place, Severity};

/// A four-character code.
pub(crate) type FourCc = [u8; 4];

/// Something wrong in a file, before the ledger knows its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) line: u16,
    pub(crate) severity: Severity,
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Notes of one file.
#[derive(Debug, Default)]
pub(crate) struct Notes(pub(crate) Vec<Note>);

impl Notes {
    pub(crate) fn error(&mut self, line: u16, offset: u64, fourcc: FourCc, message: impl Into<String>) {
        let place = Place::Byte { offset, fourcc: name(fourcc) };
        self.0.push(Note { line, severity: Severity::Error, place, message: message.into() });
    }
}

/// A four-character code as text; bytes outside ASCII graphics become dots.
pub(crate) fn name(fourcc: FourCc) -> String {
    fourcc.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }).collect()
}

/// One box and its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mp4Box<'a> {
    pub(crate) fourcc: FourCc,
    /// Offset of the box in the fetched body.
    pub(crate) offset: u64,
    /// Bytes of the header.
    pub(crate) header: u64,
    /// Payload; shorter than promised when `overrun` > 0.
    pub(crate) body: &'a [u8],
    /// Bytes that the box claims past the end of what holds it.
    pub(crate) overrun: u64,
}

impl<'a> Mp4Box<'a> {
    /// Offset of the payload in the fetched body.
    pub(crate) fn body_offset(&self) -> u64 {
        self.offset.saturating_add(self.header)
    }

    /// The boxes inside, when this is a plain container.
    pub(crate) fn children(&self, notes: &mut Notes) -> Vec<Self> {
        walk(self.body, self.body_offset(), notes)
    }

    /// A cursor past version and flags, with both.
    pub(crate) fn full(&self) -> Option<(u8, u32, Cursor<'a>)> {
        let mut cursor = Cursor::new(self.body);
        let word = cursor.u32()?;
        Some((u8::try_from(word >> 24).ok()?, word & 0x00ff_ffff, cursor))
    }
}

/// First box of `fourcc` among `boxes`.
pub(crate) fn find<'a>(boxes: &[Mp4Box<'a>], fourcc: FourCc) -> Option<Mp4Box<'a>> {
    boxes.iter().find(|b| b.fourcc == fourcc).copied()
}

/// Splits `data` into boxes. A box that overruns is kept, cut, and is the last; only `mdat` may overrun
/// without a note, because an I-frame range ends inside one. Cost: O(boxes).
pub(crate) fn walk<'a>(data: &'a [u8], base: u64, notes: &mut Notes) -> Vec<Mp4Box<'a>> {
    let mut boxes = Vec::new();
    let mut rest = data;
    let mut offset = base;
    while !rest.is_empty() && boxes.len() < BOXES_MAX {
        let Some((fourcc, header, size)) = header(rest) else {
            notes.error(40, offset, *b"????", format!("{} stray bytes, too few for a box", rest.len()));
            break;
        };
        let left = rest.len() as u64;
        let size = if size == 0 { left } else { size };
        if size < header {
            notes.error(40, offset, fourcc, format!("claims {size} bytes, less than its header"));
            break;
        }
        let overrun = size.saturating_sub(left);
        if overrun > 0 && fourcc != *b"mdat" {
            notes.error(40, offset, fourcc, format!("claims {size} bytes where {left} are left"));
        }
        let here = usize::try_from(size.min(left)).unwrap_or(rest.len());
        let (whole, after) = rest.split_at(here);
        let body = usize::try_from(header).ok().and_then(|at| whole.get(at..)).unwrap_or_default();
        boxes.push(Mp4Box { fourcc, offset, header, body, overrun });
        rest = after;
        offset = offset.saturating_add(size);
    }
    boxes
}

/// Type, header length and size of the box at the front of `data`.
fn header(data: &[u8]) -> Option<(FourCc, u64, u64)> {
    let mut cursor = Cursor::new(data);
    let size = u64::from(cursor.u32()?);
    let fourcc = cursor.fourcc()?;
    if size == 1 { Some((fourcc, 16, cursor.u64()?)) } else { Some((fourcc, 8, size)) }
}

/// Reads big-endian fields off the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn fourcc(&mut self) -> Option<FourCc> {
        self.array()
    }

    /// 32 bits in version 0 of a box, 64 in version 1.
    pub(crate) fn sized(&mut self, version: u8) -> Option<u64> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}
