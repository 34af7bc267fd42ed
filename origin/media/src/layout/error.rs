//! Why a source cannot be laid out anew.

use crate::demux::FormatError;
use crate::fourcc::FourCc;

/// Why a source is not laid out anew. Always for what the source is; never worth a retry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LayoutError {
    /// The bytes are no file that can be walked to its end.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A box would be wrong, or a track without its bytes, after samples have moved. The file may be correct.
    #[error("box `{fourcc}` at byte {offset} {what}: it would be wrong where samples lie elsewhere")]
    Unmovable {
        /// What the box does.
        what: &'static str,
        /// The box.
        fourcc: FourCc,
        /// Its first byte.
        offset: u64,
    },
    /// The index names tracks that the movie does not have, or names one twice: the source changed
    /// between two reads, or is broken.
    #[error("track {track} of the index at byte {offset} {what}")]
    Track {
        /// Track id.
        track: u32,
        /// What is wrong.
        what: &'static str,
        /// First byte of its `trak` box.
        offset: u64,
    },
    /// Tracks share bytes, so that the new file would be much larger. Our limit.
    #[error("tracks share bytes: laid out apart they take {bytes}, limit {limit}")]
    Shared {
        /// Bytes of all tracks together.
        bytes: u64,
        /// What we accept.
        limit: u64,
    },
}

impl LayoutError {
    /// Whether the file may be correct and it is we who do not lay it out.
    pub const fn is_unsupported(&self) -> bool {
        match self {
            Self::Format(error) => error.is_unsupported(),
            Self::Unmovable { .. } | Self::Shared { .. } => true,
            Self::Track { .. } => false,
        }
    }
}
