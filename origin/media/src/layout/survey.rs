//! All of a file but its media: a walk over the boxes at the top, to the end.
//!
//! ```text
//!  ftyp │ uuid │ free │ mdat │ moov │ meta        free, skip, wide, mdat: passed over, their bytes not read
//!   ▲      ▲                    ▲      ▲
//!   └──────┴────────────────────┴──────┴── read whole and kept
//! ```
//!
//! Refused: boxes that say where bytes of the file lie (`meta` with `iloc`, fragments and their
//! indexes), and those that sign them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::LayoutError;
use super::boxes::{BoxRef, Children, number, u32_at};
use super::index::meta_has_items;
use crate::demux::mp4::MAX_TOP_BOXES;
use crate::demux::{FormatError, MAX_NEED_BYTES};
use crate::fourcc::FourCc;

/// Bytes of all boxes that are kept, the index among them: a named limit, and the memory they take.
/// The index of a ten-hour film has some 60 MiB.
pub const MAX_KEPT_BYTES: u64 = 256 << 20;
/// A box header with a 64-bit size.
const LONGEST_HEADER: u64 = 16;
/// The identifier of content credentials: a signature over the bytes as they lie (C2PA, A.5).
const CONTENT_CREDENTIALS: [u8; 16] = *b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81";

/// All of a file but its media.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// `ftyp`, if there is one.
    pub(super) file_type: Bytes,
    /// `moov`.
    pub(super) index: Bytes,
    /// First byte of `moov` in the source.
    pub(super) index_offset: u64,
    /// What else carries information, in order.
    pub(super) kept: Vec<Bytes>,
}

/// What the walk wants next.
#[derive(Debug)]
pub enum Surveying {
    /// Bytes of the source: never empty, at most 1 MiB, inside the source. A part of them from the
    /// start is enough to go on.
    Need(Range<u64>),
    /// The whole of it. The walk is spent.
    Ready(Box<Frame>),
}

/// The walk over the boxes at the top of a file.
#[derive(Debug)]
pub struct Survey {
    source_len: u64,
    /// Where the walk is: the first byte of a box.
    at: u64,
    /// Bytes at hand from `at` on.
    bytes: BytesMut,
    /// End of the box at `at`, while the whole of it is awaited.
    keeping: Option<u64>,
    boxes: u64,
    kept_bytes: u64,
    frame: Frame,
}

impl Survey {
    /// A walk over a source of `source_len` bytes.
    pub fn new(source_len: u64) -> Self {
        Self {
            source_len,
            at: 0,
            bytes: BytesMut::new(),
            keeping: None,
            boxes: 0,
            kept_bytes: 0,
            frame: Frame::default(),
        }
    }

    /// Goes on as far as the bytes supplied reach.
    ///
    /// # Errors
    /// [`LayoutError`]; the walk is then spent.
    pub fn poll(&mut self) -> Result<Surveying, LayoutError> {
        while self.at < self.source_len {
            let wanted = match self.keeping {
                Some(end) => end,
                None => self.source_len.min(self.at.saturating_add(LONGEST_HEADER)),
            };
            let have = self.at.saturating_add(self.bytes.len() as u64);
            if have < wanted {
                return Ok(Surveying::Need(have..wanted.min(have.saturating_add(MAX_NEED_BYTES))));
            }
            match self.keeping.take() {
                Some(end) => self.keep(end)?,
                None => self.enter()?,
            }
        }
        if self.frame.index.is_empty() {
            return Err(FormatError::NoIndex { source_len: self.source_len }.into());
        }
        Ok(Surveying::Ready(Box::new(std::mem::take(&mut self.frame))))
    }

    /// Feeds bytes that lie at `offset` of the source; any but those asked for are left aside.
    pub fn supply(&mut self, offset: u64, bytes: &[u8]) {
        if offset == self.at.saturating_add(self.bytes.len() as u64) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Reads the header at hand, and passes over the box or asks for the whole of it.
    fn enter(&mut self) -> Result<(), LayoutError> {
        let offset = self.at;
        let left = self.source_len.saturating_sub(offset);
        let code = number::<4>(&self.bytes, 4);
        let Some((small, code)) = u32_at(&self.bytes, 0).zip(code) else {
            return self.end_of_file(left);
        };
        let fourcc = FourCc(code);
        let (size, header_len) = match small {
            0 => (left, 8),
            1 => match number::<8>(&self.bytes, 8) {
                Some(large) => (u64::from_be_bytes(large), 16),
                None => return self.end_of_file(left),
            },
            size => (u64::from(size), 8),
        };
        if size < header_len {
            return Err(FormatError::BoxTooSmall { fourcc, offset, size }.into());
        }
        if size > left {
            return Err(FormatError::BoxOverrun { fourcc, offset, size, left }.into());
        }
        self.boxes = self.boxes.saturating_add(1);
        limit("number of boxes in the file", self.boxes, MAX_TOP_BOXES, offset)?;
        let end = offset.saturating_add(size);
        if is_media_or_padding(fourcc) {
            self.pass_to(end);
            return Ok(());
        }
        refuse_by_code(fourcc, offset)?;
        self.kept_bytes = self.kept_bytes.saturating_add(size);
        limit("bytes of index and metadata", self.kept_bytes, MAX_KEPT_BYTES, offset)?;
        self.keeping = Some(end);
        Ok(())
    }

    /// Some writers pad a file with zeros that are no box.
    fn end_of_file(&mut self, left: u64) -> Result<(), LayoutError> {
        if self.bytes.iter().any(|byte| *byte != 0) {
            return Err(FormatError::Truncated { offset: self.at, source_len: self.source_len }.into());
        }
        self.pass_to(self.at.saturating_add(left));
        Ok(())
    }

    fn pass_to(&mut self, end: u64) {
        let distance = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        self.bytes =
            if distance < self.bytes.len() { self.bytes.split_off(distance) } else { BytesMut::new() };
        self.at = end;
    }

    /// Takes the box from here to `end`, which is at hand.
    fn keep(&mut self, end: u64) -> Result<(), LayoutError> {
        let len = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let rest = self.bytes.split_off(len.min(self.bytes.len()));
        let whole = std::mem::replace(&mut self.bytes, rest).freeze();
        let offset = std::mem::replace(&mut self.at, end);
        // A box that reaches to the end of the file says so by a size of zero: it will not be the last.
        let whole = with_size(whole);
        let mut one = Children::new(&whole, offset);
        let Some(found) = one.next()? else { return Ok(()) };
        refuse_by_content(&found)?;
        match &found.fourcc.0 {
            b"ftyp" if self.frame.file_type.is_empty() => self.frame.file_type = whole,
            b"moov" if self.frame.index.is_empty() => {
                self.frame.index_offset = offset;
                self.frame.index = whole;
            }
            b"ftyp" | b"moov" => {
                return Err(FormatError::Duplicate { fourcc: found.fourcc, offset }.into());
            }
            _ => self.frame.kept.push(whole),
        }
        Ok(())
    }
}

/// `whole` with its size written out where it says «to the end of the file».
fn with_size(whole: Bytes) -> Bytes {
    let size = u32::try_from(whole.len()).expect("below the limit on what is kept");
    if u32_at(&whole, 0) != Some(0) {
        return whole;
    }
    let mut written = BytesMut::from(size.to_be_bytes().as_slice());
    written.extend_from_slice(whole.get(4..).unwrap_or_default());
    written.freeze()
}

const fn is_media_or_padding(fourcc: FourCc) -> bool {
    matches!(&fourcc.0, b"mdat" | b"free" | b"skip" | b"wide" | [0, 0, 0, 0])
}

fn refuse_by_code(fourcc: FourCc, offset: u64) -> Result<(), LayoutError> {
    let what = match &fourcc.0 {
        b"moof" | b"mfra" | b"sidx" | b"ssix" => "belongs to a file of fragments",
        b"imda" => "holds media that is found by its number, not its place",
        _ => return Ok(()),
    };
    Err(LayoutError::Unmovable { what, fourcc, offset })
}

fn refuse_by_content(found: &BoxRef<'_>) -> Result<(), LayoutError> {
    let what = match &found.fourcc.0 {
        b"meta" if meta_has_items(found) => "has items at places of this file",
        b"uuid" if found.payload.starts_with(&CONTENT_CREDENTIALS) => "signs the bytes as they lie",
        _ => return Ok(()),
    };
    Err(LayoutError::Unmovable { what, fourcc: found.fourcc, offset: found.offset })
}

fn limit(what: &'static str, value: u64, limit: u64, offset: u64) -> Result<(), FormatError> {
    if value > limit { Err(FormatError::Limit { what, value, limit, offset }) } else { Ok(()) }
}

/// Walks a whole file in memory; for tests, tools and fuzzing.
///
/// # Errors
/// As [`Survey::poll`].
pub fn survey_all(file: &[u8]) -> Result<Frame, LayoutError> {
    let mut survey = Survey::new(file.len() as u64);
    loop {
        match survey.poll()? {
            Surveying::Ready(frame) => return Ok(*frame),
            Surveying::Need(range) => {
                let at = |offset: u64| usize::try_from(offset).map_or(file.len(), |at| at.min(file.len()));
                survey.supply(range.start, file.get(at(range.start)..at(range.end)).unwrap_or_default());
            }
        }
    }
}
