//! Why a file was not laid out anew. Each message says what to do next.

use std::io;
use std::path::PathBuf;

use rillcast_media::layout::{Difference, LayoutError};

use crate::vod::asset::Refusal;

/// Why a file was not laid out anew. Whatever it is, the source is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no such source.
    #[error("no such file: check the path")]
    Missing,
    /// We may not read it.
    #[error("permission denied: make the file readable for this user")]
    Denied,
    /// It is a directory.
    #[error("is a directory: name the files in it")]
    Directory,
    /// It is a pipe, a device or a socket.
    #[error("not a regular file: copy it to one first")]
    NotRegular,
    /// It is no movie that is served.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is served, but cannot be laid out anew.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// It has other names, which would keep the old file.
    #[error(
        "has {names} names (hard links): a new file takes this one only, the others keep the old file and its space; \
         use --force to do so, or -o to write the new file elsewhere"
    )]
    HardLinks {
        /// How many names.
        names: u64,
    },
    /// The file to be written is the source.
    #[error("would be written over itself: leave -o out to replace it")]
    Itself,
    /// The file to be written is there already.
    #[error("{} is there already: use --force to replace it", path.display())]
    TargetExists {
        /// The file.
        path: PathBuf,
    },
    /// The directory of the new file is not there, or may not be written to.
    #[error("cannot write in {}: {source}; make it writable for this user, or use -o to write elsewhere", directory.display())]
    Unwritable {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no room for the new file beside the old one.
    #[error(
        "no room in {}: the new file takes {need_bytes} bytes beside the old one, {free_bytes} are free; \
         free some and run again, or use -o to write elsewhere", directory.display()
    )]
    NoSpace {
        /// The directory.
        directory: PathBuf,
        /// Bytes of the new file.
        need_bytes: u64,
        /// Bytes that are free for us.
        free_bytes: u64,
    },
    /// Another run is at work on the same file.
    #[error("another run is at work on it ({}): wait for its end", partial.display())]
    Busy {
        /// The file that the other run holds.
        partial: PathBuf,
    },
    /// The source is not what it was when the run began.
    #[error("changed while it was copied: run again when it is written whole")]
    SourceChanged,
    /// What was written is not what was meant: our bug.
    #[error(
        "the new file is not what it should be ({0}) and was thrown away, the old one is untouched: please report this"
    )]
    Different(#[from] Difference),
    /// A byte that was written is read back as another.
    #[error(
        "byte {offset} of the new file is not that of the source; it was thrown away, the old one is untouched: \
         check disk and memory of this machine"
    )]
    DifferentByte {
        /// Where in the new file.
        offset: u64,
    },
    /// The system failed.
    #[error("{doing} {}: {source}; what was copied is kept, run again to go on", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl PublishError {
    /// An [`Self::Io`] from an error of the system.
    pub(super) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// Whether another run could not go on with what was copied.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::SourceChanged | Self::Different(_) | Self::DifferentByte { .. })
    }

    /// Whether the file is at fault or must stay as it is, not the machine or the call.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Layout(_)
                | Self::HardLinks { .. }
                | Self::Itself
                | Self::TargetExists { .. }
                | Self::SourceChanged
        )
    }
}
