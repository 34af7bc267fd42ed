//! Orders out of a file: the log of a feed on this machine, or one that an operator writes.
//!
//! ```text
//! {"v":1,"feed":"by-hand"}                                                       first line: a snapshot
//! {"v":1,"seq":1,"at_us":1763751600000000,"kind":"purge","what":"all","soft":true}   then an order a line
//! ```
//!
//! The file is looked at every [`POLL_EVERY`], and read as far as its last whole line. One that takes its name by rename
//! is begun when the old one is read to its end; one that is shorter than before, or has another first line, is read anew.
//! The file is whole in itself, so a number that is missing is missing for good, and a line that cannot be read is told of
//! and passed over: the orders behind it still hold. Numbers must rise; another history needs another `feed`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use twox_hash::XxHash3_64;

use super::Heard;
use super::lines::{Line, Lines};
use crate::control::orders::order::{ORDER_BYTES_MAX, Order};
use crate::control::orders::snapshot::{SNAPSHOT_BYTES_MAX, Snapshot, SnapshotError};

/// How often the file is looked at: a quarter of the two seconds in which an order is to be effective.
pub const POLL_EVERY: Duration = Duration::from_millis(500);
/// Bytes read in one go.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes of the first line that tell one file from another: version, feed and number are in them.
const HEAD_BYTES: usize = 4 << 10;

/// A file that is followed.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    open: Option<Open>,
}

/// A file that cannot be followed as it is; it is looked at again.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system's or the disk's fault, or the operator's: no file, no permission.
    #[error("cannot read the orders in {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The first line is not what it must be.
    #[error("the first line of {} must name the feed, such as {{\"v\":1,\"feed\":\"by-hand\"}}: {error}", path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: SnapshotError,
    },
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
    /// Bytes read.
    offset: u64,
    lines: Lines,
    /// The front of the first line as it was: its length, and its hash.
    head: Option<(usize, u64)>,
    /// When the content last changed, as the system tells it: seconds, nanoseconds.
    changed: (i64, i64),
}

impl FileSource {
    /// Follows the file at `path`. It need not be there yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None }
    }

    /// What came since the last call, in sequence, up to what one read gives; empty when there is nothing new. Blocks for
    /// a read.
    ///
    /// # Errors
    /// When the file cannot be read, or does not begin as it must. The next call begins anew.
    pub fn poll(&mut self) -> Result<Vec<Heard>, FileError> {
        let polled = self.step();
        if polled.is_err() {
            self.open = None;
        }
        polled
    }

    fn step(&mut self) -> Result<Vec<Heard>, FileError> {
        let wrong = |error| FileError::Io { path: self.path.clone(), error };
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::of(&self.path).map_err(wrong)?),
        };
        // Looked at before the read: what was written into the old file before another took its name is read.
        let named = fs::metadata(&self.path).map(|meta| (meta.dev(), meta.ino()));
        if open.begins_anew().map_err(wrong)? {
            *open = Open::of(&self.path).map_err(wrong)?;
        }
        let mut heard = Vec::new();
        let got = open.read(&mut heard, &self.path)?;
        if got == 0 && named.is_ok_and(|named| named != open.identity) {
            let next = Open::of(&self.path).map_err(wrong)?;
            self.open.insert(next).read(&mut heard, &self.path)?;
        }
        Ok(heard)
    }
}

impl Open {
    fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        Ok(Self {
            file,
            identity: (meta.dev(), meta.ino()),
            offset: 0,
            lines: Lines::new(SNAPSHOT_BYTES_MAX),
            head: None,
            changed: (meta.mtime(), meta.mtime_nsec()),
        })
    }

    /// Whether this is not the file any more whose beginning was read.
    fn begins_anew(&mut self) -> io::Result<bool> {
        let meta = self.file.metadata()?;
        if meta.len() < self.offset {
            return Ok(true);
        }
        let changed = (meta.mtime(), meta.mtime_nsec());
        let Some((len, hash)) = self.head.filter(|_| changed != self.changed) else { return Ok(false) };
        self.changed = changed;
        Ok(self.head_hash(len)? != hash)
    }

    fn head_hash(&self, len: usize) -> io::Result<u64> {
        let mut head = vec![0; len];
        self.file.read_exact_at(&mut head, 0)?;
        Ok(XxHash3_64::oneshot(&head))
    }

    /// Reads one chunk, and says how long it was.
    fn read(&mut self, heard: &mut Vec<Heard>, path: &Path) -> Result<usize, FileError> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let got = self.file.read_at(&mut chunk, self.offset);
        let got = got.map_err(|error| FileError::Io { path: path.to_owned(), error })?;
        self.offset = self.offset.saturating_add(got as u64);
        self.lines.push(chunk.get(..got).unwrap_or_default());
        while let Some(line) = self.lines.next_line() {
            heard.push(match self.head {
                Some(_) => order(&line),
                None => self.beginning(&line, path)?,
            });
        }
        Ok(got)
    }

    fn beginning(&mut self, line: &Line, path: &Path) -> Result<Heard, FileError> {
        let (Line::Whole(bytes) | Line::TooLong { head: bytes }) = line;
        let snapshot =
            Snapshot::parse(bytes).map_err(|error| FileError::Head { path: path.to_owned(), error })?;
        self.lines.limit(ORDER_BYTES_MAX);
        let len = usize::try_from(self.lines.taken()).unwrap_or(usize::MAX).min(HEAD_BYTES);
        let hash = self.head_hash(len).map_err(|error| FileError::Io { path: path.to_owned(), error })?;
        self.head = Some((len, hash));
        Ok(Heard::Beginning(snapshot))
    }
}

fn order(line: &Line) -> Heard {
    let (Line::Whole(bytes) | Line::TooLong { head: bytes }) = line;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Heard::Alive;
    }
    Order::parse(bytes).map_or_else(|error| Heard::Unreadable(error.to_string()), Heard::Order)
}
