//! Reading the index of a file: the driver of the demuxer, and the only I/O of the command.

mod progress;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use rillcast_media::demux::mp4::Mp4Reader;
use rillcast_media::demux::{Demux, FormatError};
use rillcast_media::movie::Movie;

use self::progress::Progress;

/// A source that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) movie: Movie,
    /// Bytes that were read for it.
    pub(super) read_bytes: u64,
}

/// Why there is no movie.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The bytes are not a movie we serve: the file's fault.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// There are no bytes to judge: the caller's or the machine's fault.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Why the bytes of a file cannot be had. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("no such file: check the path")]
    Missing,
    #[error("permission denied: make the file readable for this user")]
    Denied,
    #[error("is a directory: name the files in it")]
    Directory,
    #[error("not a regular file: copy it to one first, the index has to be read at any offset")]
    NotRegular,
    #[error("shrank to {len} bytes while it was read: wait until it is written whole")]
    Shrank { len: u64 },
    #[error("cannot be read at byte {offset}: {source}")]
    Io { offset: u64, source: io::Error },
}

impl Unreadable {
    /// A stable name.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Denied => "permission-denied",
            Self::Directory => "directory",
            Self::NotRegular => "not-a-regular-file",
            Self::Shrank { .. } => "shrank",
            Self::Io { .. } => "io",
        }
    }
}

/// Reads what the demuxer asks for, with a progress line when that takes long.
///
/// Cost: the bytes of the index and 64 KiB around each box at the top; for a track without parameter
/// sets in the index, its first sample.
pub(super) fn read(path: &Path) -> Result<Read, ReadError> {
    let (file, len) = open(path)?;
    let mut reader = Mp4Reader::new(len);
    let mut progress = Progress::new(path, len);
    let mut read_bytes = 0u64;
    loop {
        match reader.poll()? {
            Demux::Ready(movie) => return Ok(Read { movie: *movie, read_bytes }),
            Demux::Need(range) => {
                let bytes = read_range(&file, range.start, range.end.saturating_sub(range.start))?;
                read_bytes = read_bytes.saturating_add(bytes.len() as u64);
                reader.supply(range.start, bytes);
                progress.at(range.end);
            }
        }
    }
}

fn open(path: &Path) -> Result<(File, u64), Unreadable> {
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let meta = std::fs::metadata(path).map_err(of_open)?;
    if meta.is_dir() {
        return Err(Unreadable::Directory);
    }
    if !meta.is_file() {
        return Err(Unreadable::NotRegular);
    }
    let file = File::open(path).map_err(of_open)?;
    let len = file.metadata().map_err(of_open)?.len();
    Ok((file, len))
}

fn of_open(error: io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        io::ErrorKind::PermissionDenied => Unreadable::Denied,
        _ => Unreadable::Io { offset: 0, source: error },
    }
}

/// At most `len` bytes at `offset`; the demuxer asks for no more than a mebibyte at once.
fn read_range(file: &File, offset: u64, len: u64) -> Result<Bytes, Unreadable> {
    let len = usize::try_from(len).expect("at most MAX_NEED_BYTES");
    let mut buffer = vec![0; len];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(filled as u64);
        match file.read_at(rest, at) {
            Ok(0) if filled == 0 => return Err(Unreadable::Shrank { len: at }),
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Unreadable::Io { offset: at, source }),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}
