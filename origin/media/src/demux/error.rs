//! Why bytes are not a movie we can serve.

use crate::codec::CodecError;
use crate::fourcc::FourCc;
use crate::movie::TableError;

/// Why a source cannot be demuxed. Always the source's fault; never worth a retry.
///
/// Offsets are those of the box (its header's first byte) unless said otherwise.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FormatError {
    /// There is not a single byte.
    #[error("the file is empty")]
    Empty,
    /// The first box is none that a movie starts with.
    #[error("not an MP4 file: it looks like {looks_like}")]
    NotMp4 {
        /// What it looks like, or what its first bytes are.
        looks_like: String,
    },
    /// The file ends inside a box header.
    #[error("the file ends at byte {source_len}, inside the box header at byte {offset}")]
    Truncated {
        /// First byte of the header.
        offset: u64,
        /// Length of the file.
        source_len: u64,
    },
    /// A box is larger than what holds it.
    #[error("box `{fourcc}` at byte {offset} claims {size} bytes, its parent has {left}")]
    BoxOverrun {
        /// The box.
        fourcc: FourCc,
        /// Its first byte.
        offset: u64,
        /// The size it claims, header included.
        size: u64,
        /// Bytes left in the parent (the file, for boxes at the top).
        left: u64,
    },
    /// A box is smaller than its own header.
    #[error("box `{fourcc}` at byte {offset} claims {size} bytes, less than its header")]
    BoxTooSmall {
        /// The box.
        fourcc: FourCc,
        /// Its first byte.
        offset: u64,
        /// The size it claims.
        size: u64,
    },
    /// The payload of a box ends too early.
    #[error("box `{fourcc}` ends too early: {need} bytes needed at byte {offset}, {left} left")]
    ShortBox {
        /// The box.
        fourcc: FourCc,
        /// Where the bytes were wanted.
        offset: u64,
        /// How many.
        need: u64,
        /// How many there are.
        left: u64,
    },
    /// A table claims more entries than its box has bytes for.
    #[error("table `{fourcc}` at byte {offset} claims {entries} entries of {entry_bytes} bytes in {left}")]
    TableOverrun {
        /// The box.
        fourcc: FourCc,
        /// Its first byte.
        offset: u64,
        /// Entries claimed.
        entries: u64,
        /// Bytes of one entry.
        entry_bytes: u64,
        /// Bytes there are.
        left: u64,
    },
    /// A box that has to be there is not.
    #[error("no `{fourcc}` box in what starts at byte {offset}")]
    Missing {
        /// The box.
        fourcc: FourCc,
        /// First byte of the box (or file) that lacks it.
        offset: u64,
    },
    /// There is no index at all: a recording that was never finished, or a copy cut short.
    #[error("no `moov` box in {source_len} bytes: the recording was not finished, or the copy is cut short")]
    NoIndex {
        /// Length of the file.
        source_len: u64,
    },
    /// A box that may be there once is there again.
    #[error("a second `{fourcc}` box at byte {offset}")]
    Duplicate {
        /// The box.
        fourcc: FourCc,
        /// Its first byte.
        offset: u64,
    },
    /// A field has a value that makes no sense.
    #[error("box `{fourcc}` at byte {offset}: {reason}")]
    Field {
        /// The box.
        fourcc: FourCc,
        /// Its first byte, or that of the field.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// More of something than we accept. Our limit, named.
    #[error("{what} is {value}, limit {limit} (at byte {offset})")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// What the file has.
        value: u64,
        /// What we accept.
        limit: u64,
        /// Where.
        offset: u64,
    },
    /// The sample tables of a track contradict each other or the file.
    #[error("track {track}, sample tables at byte {offset}: {source}")]
    Tables {
        /// Track id.
        track: u32,
        /// First byte of its `stbl` box.
        offset: u64,
        /// What is wrong.
        source: TableError,
    },
    /// The decoder configuration of a track is broken.
    #[error("track {track}, `{fourcc}` at byte {offset}: {source}")]
    Codec {
        /// Track id.
        track: u32,
        /// The configuration box.
        fourcc: FourCc,
        /// Its first byte.
        offset: u64,
        /// What is wrong.
        source: CodecError,
    },
    /// A correct file of a shape that is not served.
    #[error("{what} (box `{fourcc}` at byte {offset}) is not supported")]
    Unsupported {
        /// The shape, for people.
        what: &'static str,
        /// The box that shows it.
        fourcc: FourCc,
        /// Its first byte.
        offset: u64,
    },
}

impl FormatError {
    /// Whether the file may be correct and it is we who do not serve its kind or size.
    pub const fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::Limit { .. })
    }

    /// The box concerned, if it is about one.
    pub const fn fourcc(&self) -> Option<FourCc> {
        match self {
            Self::BoxOverrun { fourcc, .. }
            | Self::BoxTooSmall { fourcc, .. }
            | Self::ShortBox { fourcc, .. }
            | Self::TableOverrun { fourcc, .. }
            | Self::Missing { fourcc, .. }
            | Self::Duplicate { fourcc, .. }
            | Self::Field { fourcc, .. }
            | Self::Codec { fourcc, .. }
            | Self::Unsupported { fourcc, .. } => Some(*fourcc),
            Self::Tables { .. } => Some(FourCc::new(b"stbl")),
            Self::NoIndex { .. } => Some(FourCc::new(b"moov")),
            Self::Empty | Self::NotMp4 { .. } | Self::Truncated { .. } | Self::Limit { .. } => None,
        }
    }

    /// Where in the source it is.
    pub const fn offset(&self) -> u64 {
        match self {
            Self::BoxOverrun { offset, .. }
            | Self::BoxTooSmall { offset, .. }
            | Self::ShortBox { offset, .. }
            | Self::TableOverrun { offset, .. }
            | Self::Missing { offset, .. }
            | Self::Duplicate { offset, .. }
            | Self::Field { offset, .. }
            | Self::Codec { offset, .. }
            | Self::Unsupported { offset, .. }
            | Self::Tables { offset, .. }
            | Self::Truncated { offset, .. }
            | Self::Limit { offset, .. } => *offset,
            Self::NoIndex { source_len } => *source_len,
            Self::Empty | Self::NotMp4 { .. } => 0,
        }
    }
}
