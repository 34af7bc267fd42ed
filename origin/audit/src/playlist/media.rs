//! Media playlists: segments with the tags in force for them, parts, and the low-latency tags.

mod reader;

use super::attributes::{Attributes, ByteRange, Seconds};
use super::lexer::Line;
use crate::ledger::Ledger;

/// A media playlist as read.
#[derive(Debug, Default)]
pub(crate) struct MediaPlaylist {
    pub(crate) version: Option<u64>,
    /// EXT-X-TARGETDURATION, seconds.
    pub(crate) target: Option<u64>,
    pub(crate) media_sequence: u64,
    pub(crate) discontinuity_sequence: Option<u64>,
    pub(crate) playlist_type: Option<String>,
    pub(crate) ended: bool,
    pub(crate) iframes_only: bool,
    pub(crate) independent_segments: bool,
    pub(crate) segments: Vec<Segment>,
    pub(crate) maps: Vec<Map>,
    /// Parts of the segment that is still open.
    pub(crate) open_parts: Vec<Part>,
    pub(crate) part_target: Option<Seconds>,
    pub(crate) server_control: Option<(u32, Attributes)>,
    pub(crate) skip: Option<(u32, u64)>,
    pub(crate) hints: Vec<(u32, Attributes)>,
    pub(crate) reports: Vec<(u32, Attributes)>,
    pub(crate) dateranges: Vec<(u32, Attributes)>,
    /// Lines with EXT-X-PROGRAM-DATE-TIME, and the value.
    pub(crate) dates: Vec<(u32, String)>,
    /// Lowest EXT-X-VERSION the tags need (§8).
    pub(crate) version_needed: u64,
    /// A METHOD other than NONE is in force somewhere.
    pub(crate) encrypted: bool,
}

/// One media segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Playlist line of the EXTINF.
    pub(crate) line: u32,
    pub(crate) duration: Seconds,
    pub(crate) uri: String,
    /// Offset is filled in from the previous range when the playlist leaves it out.
    pub(crate) range: Option<ByteRange>,
    /// Index into `maps`.
    pub(crate) map: Option<usize>,
    pub(crate) discontinuity: bool,
    pub(crate) gap: bool,
    /// Has a PROGRAM-DATE-TIME of its own.
    pub(crate) dated: bool,
    /// Whole-segment AES-128 is in force: the bytes cannot be read.
    pub(crate) sealed: bool,
    pub(crate) parts: Vec<Part>,
}

/// One EXT-X-MAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) line: u32,
    pub(crate) uri: String,
    pub(crate) range: Option<ByteRange>,
}

/// One EXT-X-PART.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) line: u32,
    pub(crate) uri: String,
    pub(crate) duration: Seconds,
    pub(crate) range: Option<ByteRange>,
    pub(crate) independent: bool,
    pub(crate) gap: bool,
}

impl MediaPlaylist {
    pub(super) fn read(lines: &[Line<'_>], url: &str, ledger: &mut Ledger) -> Self {
        reader::Reader::new(url, ledger).read(lines)
    }

    /// Sum of all EXTINF, nanoseconds. Saturating.
    pub(crate) fn duration_ns(&self) -> u64 {
        self.segments.iter().fold(0_u64, |sum, segment| sum.saturating_add(segment.duration.ns))
    }

    /// TARGETDURATION in nanoseconds, 0 when absent.
    pub(crate) fn target_ns(&self) -> u64 {
        self.target.unwrap_or(0).saturating_mul(1_000_000_000)
    }

    pub(crate) fn is_low_latency(&self) -> bool {
        self.part_target.is_some()
    }
}
