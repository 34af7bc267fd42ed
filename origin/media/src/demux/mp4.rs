//! Progressive MP4 and QuickTime files: the reader of the index (`moov`).
//!
//! ```text
//!  file ┬ ftyp                                      brands
//!       ├ moov ┬ mvhd                               movie timescale
//!       │      ├ trak ┬ tkhd                        id, enabled, matrix
//!       │      │      ├ edts ─ elst                 edit list
//!       │      │      ├ udta                        title
//!       │      │      └ mdia ┬ mdhd hdlr elng       timescale, kind, language
//!       │      │             └ minf ─ stbl ┬ stsd   codec
//!       │      │                           └ stts ctts stsz stz2 stsc stco co64 stss
//!       │      └ mvex                               fragments follow: not read here
//!       └ mdat, free, …                             passed over
//! ```
//!
//! The walk is one loop over box headers with a stack of the open containers. A small box is read
//! whole, a sample table is streamed in pieces, all else is passed over, so the memory taken is the
//! packed columns and one window of at most 1 MiB, wherever `moov` is and however large.
//! Containers are entered only where the drawing has them, so nesting cannot be deep.
//!
//! ISO/IEC 14496-12:2022; QuickTime File Format Specification for `wave`, version 1 and 2 sound
//! descriptions and Macintosh language codes.

mod boxes;
mod sample_entry;
mod tables;
mod title;
mod track;
mod window;

use std::ops::Range;

use bytes::Bytes;

use self::tables::TableRead;
use self::track::{TrackRead, TrackResult};
use self::window::Window;
use super::{Demux, FormatError, MAX_NEED_BYTES, sniff};
use crate::cursor::Cursor;
use crate::fourcc::FourCc;
use crate::movie::{IgnoredTrack, Layout, Movie, Track};
use crate::time::Timescale;

/// Tracks of a file.
pub const MAX_TRACKS: u64 = 64;
/// Boxes at the top of a file before `moov` ends it.
pub const MAX_TOP_BOXES: u64 = 4096;
/// Boxes inside `moov`.
pub const MAX_INDEX_BOXES: u64 = 65_536;
/// Bytes of a box that is read whole.
pub const MAX_WHOLE_BOX_BYTES: u64 = MAX_NEED_BYTES;
/// What is read around a box header at the top of the file.
const TOP_READ_BYTES: u64 = 64 << 10;

/// Header of a box: its code, and where it begins, its payload begins and it ends.
#[derive(Debug, Clone, Copy)]
struct Header {
    fourcc: FourCc,
    offset: u64,
    payload: u64,
    end: u64,
}

impl Header {
    /// A cursor over the box's payload, which is `payload`.
    fn cursor<'a>(&self, payload: &'a [u8]) -> Cursor<'a> {
        Cursor::new(payload, self.payload, self.fourcc)
    }
}

/// What one step of the walk came to.
enum Step {
    /// Something was read: go on.
    Advanced,
    /// The index is complete.
    Done,
}

/// Result of a step that may lack bytes.
type Wanting<T> = Result<T, Stop>;

/// Why a step stopped.
enum Stop {
    Need(Range<u64>),
    Bad(FormatError),
}

impl From<FormatError> for Stop {
    fn from(error: FormatError) -> Self {
        Self::Bad(error)
    }
}

/// Reads the index of a progressive MP4 or QuickTime file.
#[derive(Debug)]
pub struct Mp4Reader {
    source_len: u64,
    window: Window,
    /// Where the walk is.
    at: u64,
    /// Open containers, outermost first.
    open: Vec<Header>,
    /// The box at `at`, once its header was read and while its payload is awaited.
    header: Option<Header>,
    table: Option<TableRead>,
    top_boxes: u64,
    index_boxes: u64,
    media_seen: bool,
    brands: Vec<FourCc>,
    layout: Option<Layout>,
    timescale: Option<Timescale>,
    track: Option<TrackRead>,
    tracks: Vec<Track>,
    ignored: Vec<IgnoredTrack>,
    /// Tracks whose parameter sets are only in their samples; looked for after the walk.
    bare: Vec<track::BareTrack>,
}

impl Mp4Reader {
    /// A reader of a source of `source_len` bytes.
    pub fn new(source_len: u64) -> Self {
        Self {
            source_len,
            window: Window::default(),
            at: 0,
            open: Vec::new(),
            header: None,
            table: None,
            top_boxes: 0,
            index_boxes: 0,
            media_seen: false,
            brands: Vec::new(),
            layout: None,
            timescale: None,
            track: None,
            tracks: Vec::new(),
            ignored: Vec::new(),
            bare: Vec::new(),
        }
    }

    /// Goes on as far as the bytes supplied reach.
    ///
    /// # Errors
    /// [`FormatError`] when the source is broken or of an unsupported shape; the reader is then spent.
    pub fn poll(&mut self) -> Result<Demux, FormatError> {
        if self.source_len == 0 {
            return Err(FormatError::Empty);
        }
        loop {
            match self.step() {
                Ok(Step::Advanced) => {}
                Err(Stop::Need(range)) => {
                    return Ok(Demux::Need(self.window.missing(range)));
                }
                Ok(Step::Done) => return Ok(Demux::Ready(Box::new(self.take_movie()?))),
                Err(Stop::Bad(error)) => return Err(error),
            }
        }
    }

    /// Feeds bytes that lie at `offset` of the source.
    ///
    /// Bytes that are not what [`poll`](Self::poll) asked for are no harm: it asks again.
    pub fn supply(&mut self, offset: u64, bytes: Bytes) {
        self.window.supply(offset, bytes);
    }

    fn step(&mut self) -> Wanting<Step> {
        if let Some(table) = &mut self.table {
            let track = self.track.as_mut().expect("tables are read inside a track");
            if table.read(&self.window, track)? {
                self.at = table.end();
                self.table = None;
            }
            return Ok(Step::Advanced);
        }
        if let Some(done) = self.open.pop_if(|open| open.end <= self.at) {
            self.at = done.end;
            return self.close(done);
        }
        if self.layout.is_some() && self.open.is_empty() {
            return self.find_parameter_sets();
        }
        self.enter()
    }

    /// Reads the header of the next box and what belongs to it.
    ///
    /// A header is read once: its bytes may be gone when those of the payload come.
    fn enter(&mut self) -> Wanting<Step> {
        if self.header.is_none() {
            self.header = self.read_header()?;
        }
        let Some(header) = self.header else { return Ok(Step::Advanced) };
        let step = self.enter_box(header)?;
        self.header = None;
        Ok(step)
    }

    fn enter_box(&mut self, header: Header) -> Wanting<Step> {
        let place = self.open.last().map_or(FourCc(*b"file"), |open| open.fourcc);
        match (&place.0, &header.fourcc.0) {
            (b"file", b"ftyp") => {
                let payload = self.whole(header)?;
                self.brands = boxes::read_brands(&mut header.cursor(&payload))?;
            }
            (b"file", b"mdat") => self.media_seen = true,
            (b"file", b"moof") => {
                return Err(unsupported("a file of fragments without an index", header));
            }
            (b"moov", b"mvex") => return Err(unsupported("a fragmented file", header)),
            (b"moov", b"cmov") => return Err(unsupported("a compressed index", header)),
            (b"file", b"moov") | (b"trak", b"mdia" | b"edts") | (b"mdia", b"minf") | (b"minf", b"dinf") => {
                return Ok(self.open(header));
            }
            (b"minf", b"stbl") => {
                self.track.as_mut().expect("only inside a track").set_tables_offset(header.offset);
                return Ok(self.open(header));
            }
            (b"moov", b"trak") => {
                limit("number of tracks", self.track_count() + 1, MAX_TRACKS, header.offset)?;
                self.track = Some(TrackRead::new(header.offset, self.source_len));
                return Ok(self.open(header));
            }
            (b"trak", b"udta") => {
                let user_data = self.start_of(header, title::MAX_USER_DATA_BYTES)?;
                self.track.as_mut().expect("only inside a track").offer_title(title::read(&user_data));
            }
            (b"moov", b"mvhd") => {
                if self.timescale.is_some() {
                    return Err(duplicate(header));
                }
                let payload = self.whole(header)?;
                let timescale = boxes::read_movie_timescale(&mut header.cursor(&payload), header.offset)?;
                self.timescale = Some(timescale);
            }
            (b"trak" | b"mdia" | b"edts" | b"dinf" | b"stbl", _) => return self.track_box(header),
            _ => {}
        }
        self.at = header.end;
        Ok(Step::Advanced)
    }

    /// A box that belongs to the current track.
    fn track_box(&mut self, header: Header) -> Wanting<Step> {
        if TableRead::is_table(header.fourcc) {
            let table = TableRead::start(header.fourcc, header.offset, header.payload, header.end);
            let track = self.track.as_mut().expect("only inside a track");
            track.claim_once(header.fourcc, header.offset)?;
            self.table = Some(table);
            return Ok(Step::Advanced);
        }
        if TrackRead::wants(header.fourcc) {
            let payload = self.whole(header)?;
            let track = self.track.as_mut().expect("only inside a track");
            track.read_box(header.fourcc, header.offset, &payload, header.payload)?;
        }
        self.at = header.end;
        Ok(Step::Advanced)
    }

    /// Reads the header at the current place; `None` when the container ends here after all.
    fn read_header(&mut self) -> Wanting<Option<Header>> {
        let offset = self.at;
        let (parent_end, in_index) =
            self.open.last().map_or((self.source_len, false), |open| (open.end, true));
        let left = parent_end.saturating_sub(offset);
        if !in_index && left == 0 {
            return Err(FormatError::NoIndex { source_len: self.source_len }.into());
        }
        if left < 8 {
            // QuickTime ends some containers with four zero bytes.
            if in_index {
                self.at = parent_end;
                return Ok(None);
            }
            return Err(FormatError::Truncated { offset, source_len: self.source_len }.into());
        }
        let head = self.window.bytes(offset, 8, self.read_ahead(offset))?;
        let mut cursor = Cursor::new(&head, offset, FourCc(*b"file"));
        let small = u64::from(cursor.u32()?);
        let fourcc = cursor.fourcc()?;
        if offset == 0 && !boxes::may_start_a_file(fourcc) {
            return Err(self.not_mp4()?.into());
        }
        let (size, payload) = match small {
            0 if !in_index => (left, offset + 8),
            0 => {
                self.at = parent_end;
                return Ok(None);
            }
            1 if left < 16 => {
                return Err(FormatError::Truncated { offset, source_len: self.source_len }.into());
            }
            1 => {
                let head = self.window.bytes(offset, 16, self.read_ahead(offset))?;
                let mut large = Cursor::new(&head, offset, fourcc);
                large.skip(8)?;
                (large.u64()?, offset + 16)
            }
            size => (size, offset + 8),
        };
        if size < payload - offset {
            return Err(FormatError::BoxTooSmall { fourcc, offset, size }.into());
        }
        if size > left {
            return Err(FormatError::BoxOverrun { fourcc, offset, size, left }.into());
        }
        self.count_box(in_index, offset)?;
        Ok(Some(Header { fourcc, offset, payload, end: offset + size }))
    }

    fn count_box(&mut self, in_index: bool, offset: u64) -> Result<(), FormatError> {
        if in_index {
            self.index_boxes += 1;
            limit("number of boxes in `moov`", self.index_boxes, MAX_INDEX_BOXES, offset)
        } else {
            self.top_boxes += 1;
            limit("number of boxes before `moov`", self.top_boxes, MAX_TOP_BOXES, offset)
        }
    }

    fn track_count(&self) -> u64 {
        (self.tracks.len() + self.ignored.len() + self.bare.len()) as u64
    }

    /// How far to read when bytes at `offset` are missing.
    fn read_ahead(&self, offset: u64) -> u64 {
        let end = match self.open.first() {
            Some(index) => index.end.min(offset.saturating_add(MAX_NEED_BYTES)),
            None => offset.saturating_add(TOP_READ_BYTES),
        };
        end.min(self.source_len)
    }

    /// The payload of a box that is read whole.
    fn whole(&self, header: Header) -> Wanting<Bytes> {
        let len = header.end - header.payload;
        if len > MAX_WHOLE_BOX_BYTES {
            let what = "size of a header box in bytes";
            let limit = MAX_WHOLE_BOX_BYTES;
            return Err(FormatError::Limit { what, value: len, limit, offset: header.offset }.into());
        }
        self.window.bytes(header.payload, len, self.read_ahead(header.payload).max(header.end))
    }

    /// The first bytes of a payload, at most `limit` of them.
    fn start_of(&self, header: Header, limit: u64) -> Wanting<Bytes> {
        let len = (header.end - header.payload).min(limit);
        self.window.bytes(header.payload, len, self.read_ahead(header.payload))
    }

    fn open(&mut self, header: Header) -> Step {
        self.at = header.payload;
        self.open.push(header);
        Step::Advanced
    }

    /// A container ended.
    fn close(&mut self, done: Header) -> Wanting<Step> {
        match &done.fourcc.0 {
            b"trak" => {
                let track = self.track.take().expect("opened with the container");
                match track.finish(self.source_len)? {
                    TrackResult::Playable(track) => self.tracks.push(*track),
                    TrackResult::Bare(bare) => self.bare.push(*bare),
                    TrackResult::Ignored(ignored) => self.ignored.push(ignored),
                }
            }
            b"moov" => {
                let quick_time = self.brands.is_empty() || self.brands.first() == Some(&FourCc::new(b"qt  "));
                self.layout = Some(Layout {
                    format: if quick_time { "QuickTime" } else { "MP4" },
                    brands: std::mem::take(&mut self.brands),
                    index: (done.offset, done.end - done.offset),
                    index_first: !self.media_seen,
                });
                if self.timescale.is_none() {
                    return Err(FormatError::Missing { fourcc: FourCc(*b"mvhd"), offset: done.offset }.into());
                }
            }
            _ => {}
        }
        Ok(Step::Advanced)
    }

    /// After the walk: reads the first sample of each track whose configuration lacks parameter sets.
    fn find_parameter_sets(&mut self) -> Wanting<Step> {
        let Some(bare) = self.bare.last() else { return Ok(Step::Done) };
        let (offset, len) = bare.first_sample();
        let sample = self.window.bytes(offset, len, offset + len)?;
        let bare = self.bare.pop().expect("the one just looked at");
        self.tracks.push(bare.complete(&sample)?);
        Ok(Step::Advanced)
    }

    fn take_movie(&mut self) -> Result<Movie, FormatError> {
        let layout = self.layout.take();
        let offset = layout.as_ref().map_or(0, |layout| layout.index.0);
        let (Some(layout), Some(timescale)) = (layout, self.timescale) else {
            return Err(FormatError::Missing { fourcc: FourCc(*b"mvhd"), offset });
        };
        let mut tracks = std::mem::take(&mut self.tracks);
        tracks.sort_by_key(|track| track.id);
        if tracks.iter().zip(tracks.iter().skip(1)).any(|(one, two)| one.id == two.id) {
            let reason = "two tracks have the same id";
            return Err(FormatError::Field { fourcc: FourCc(*b"tkhd"), offset, reason });
        }
        let ignored = std::mem::take(&mut self.ignored);
        Ok(Movie { timescale, source_len: self.source_len, tracks, ignored, layout })
    }

    /// Names what the file is instead.
    fn not_mp4(&self) -> Wanting<FormatError> {
        let len = self.source_len.min(189);
        let head = self.window.bytes(0, len, self.read_ahead(0))?;
        let looks_like = match sniff(&head) {
            Some(name) => name.to_owned(),
            None => format!("bytes `{}`", head.get(..8).unwrap_or(&head).escape_ascii()),
        };
        Ok(FormatError::NotMp4 { looks_like })
    }
}

fn limit(what: &'static str, value: u64, limit: u64, offset: u64) -> Result<(), FormatError> {
    if value > limit { Err(FormatError::Limit { what, value, limit, offset }) } else { Ok(()) }
}

fn duplicate(header: Header) -> Stop {
    FormatError::Duplicate { fourcc: header.fourcc, offset: header.offset }.into()
}

fn unsupported(what: &'static str, header: Header) -> Stop {
    FormatError::Unsupported { what, fourcc: header.fourcc, offset: header.offset }.into()
}

/// Reads a whole file in memory; for tests, tools and fuzzing.
///
/// # Errors
/// As [`Mp4Reader::poll`].
pub fn read_all(file: &Bytes) -> Result<Movie, FormatError> {
    let mut reader = Mp4Reader::new(file.len() as u64);
    loop {
        match reader.poll()? {
            Demux::Ready(movie) => return Ok(*movie),
            Demux::Need(range) => {
                let at = |offset: u64| usize::try_from(offset).map_or(file.len(), |at| at.min(file.len()));
                reader.supply(range.start, file.slice(at(range.start)..at(range.end)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
