//! The feed on disk: a snapshot as the first line, an order on each line after it.
//!
//! Each order is synced before it is given. When the file has grown, it is written anew with the state of today as its
//! first line, and takes the old one's name; whoever reads the old one reads it to its end first. It holds keys: mode 0600.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::control::orders::order::{ORDER_BYTES_MAX, Order, OrderError};
use crate::control::orders::snapshot::{FeedId, SNAPSHOT_BYTES_MAX, Snapshot, SnapshotError};
use crate::control::orders::source::lines::{Line, Lines};

/// Bytes after which the log is written anew.
pub const LOG_BYTES_MAX: u64 = 32 << 20;
/// A log that is large when it is new, because the state is, is written anew when it grew by so much.
const GROWTH: u64 = 2;
/// The log is its owner's.
const LOG_MODE: u32 = 0o600;

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system's or the disk's fault.
    #[error("cannot {doing} {}: {error}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Its first line is no snapshot.
    #[error("{} is no log of orders: {error}", path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: SnapshotError,
    },
    /// A line within it is damaged.
    #[error("line {line} of {} is damaged ({error}): move the file away, and edges take the state from the next", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        error: OrderError,
    },
    /// A line's number does not follow the one before.
    #[error("line {line} of {} has the number {found}, and {expected} is due: move the file away", path.display())]
    Sequence {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The number that is due.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// A write failed and could not be taken back: what is at the end of the file is not known.
    #[error("{} failed before and takes no orders until it is opened again", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    len: u64,
    max: u64,
    /// Length after which it is written anew.
    rewrite_at: u64,
    broken: bool,
}

/// What is in a log: the snapshot, and each order with its line.
type Content = (Snapshot, Vec<(String, Order)>);

impl Log {
    /// Opens the log at `path` or makes one, and reads it.
    pub(super) fn open(path: &Path, fresh: FeedId, max: u64) -> Result<(Self, Content), LogError> {
        match File::options().read(true).write(true).open(path) {
            Ok(mut file) => {
                let ((snapshot, orders), len) = read(path, &mut file)?;
                file.set_len(len).map_err(io_error("repair", path))?;
                file.seek(SeekFrom::Start(len)).map_err(io_error("repair", path))?;
                Ok((Self::of(path, file, len, max), (snapshot, orders)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let snapshot = Snapshot::empty(fresh);
                let (file, len) = create(path, &snapshot)?;
                Ok((Self::of(path, file, len, max), (snapshot, Vec::new())))
            }
            Err(error) => Err(io_error("open", path)(error)),
        }
    }

    fn of(path: &Path, file: File, len: u64, max: u64) -> Self {
        let rewrite_at = len.saturating_mul(GROWTH).max(max);
        Self { path: path.to_owned(), file, len, max, rewrite_at, broken: false }
    }

    /// Writes and syncs one line.
    pub(super) fn append(&mut self, line: &str) -> Result<(), LogError> {
        if self.broken {
            return Err(LogError::Broken { path: self.path.clone() });
        }
        let mut bytes = Vec::with_capacity(line.len().saturating_add(1));
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            // Half a line must not be in front of the next one, nor an order that was refused in the log.
            let back = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
            self.broken = back.is_err();
            return Err(io_error("write", &self.path)(error));
        }
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Whether it has grown enough to be written anew.
    pub(super) const fn wants_rewriting(&self) -> bool {
        self.len > self.rewrite_at
    }

    /// Puts a log in its place that begins with `snapshot`.
    pub(super) fn rewrite(&mut self, snapshot: &Snapshot) -> Result<(), LogError> {
        let (file, len) = create(&self.path, snapshot)?;
        *self = Self::of(&self.path, file, len, self.max);
        Ok(())
    }
}

/// Makes a log that holds only `snapshot`, in place of what is at `path`.
fn create(path: &Path, snapshot: &Snapshot) -> Result<(File, u64), LogError> {
    let mut scratch = path.as_os_str().to_owned();
    scratch.push(".new");
    let scratch = PathBuf::from(scratch);
    let line = snapshot.to_line();
    let made = || -> io::Result<File> {
        // One process owns the feed: what lies there is of one that was killed.
        let _ = fs::remove_file(&scratch);
        let mut file =
            File::options().read(true).write(true).create_new(true).mode(LOG_MODE).open(&scratch)?;
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&scratch, path)?;
        sync_folder(path)?;
        Ok(file)
    };
    let file = made().map_err(io_error("make", path))?;
    Ok((file, u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(1)))
}

/// Makes the name of a file as durable as the file.
pub(in crate::control::orders) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

/// Reads a log up to its last whole line, and says where that ends.
fn read(path: &Path, file: &mut File) -> Result<(Content, u64), LogError> {
    let mut lines = Lines::new(SNAPSHOT_BYTES_MAX);
    let mut reader = BufReader::new(file);
    let mut chunk = vec![0; 1 << 16];
    let mut snapshot: Option<Snapshot> = None;
    let mut orders: Vec<(String, Order)> = Vec::new();
    let (mut number, mut len) = (0_u64, 0_u64);
    loop {
        let got = reader.read(&mut chunk).map_err(io_error("read", path))?;
        if got == 0 {
            break;
        }
        lines.push(chunk.get(..got).unwrap_or_default());
        while let Some(line) = lines.next_line() {
            number = number.saturating_add(1);
            let (Line::Whole(bytes) | Line::TooLong { head: bytes }) = &line;
            let Some(snapshot) = &snapshot else {
                let head = Snapshot::parse(bytes)
                    .map_err(|error| LogError::Head { path: path.to_owned(), error })?;
                snapshot = Some(head);
                lines.limit(ORDER_BYTES_MAX);
                len = lines.taken();
                continue;
            };
            let wrong = |error| LogError::Line { path: path.to_owned(), line: number, error };
            let order = Order::parse(bytes).map_err(wrong)?;
            let expected = orders.last().map_or(snapshot.seq, |(_, order)| order.seq).saturating_add(1);
            if order.seq != expected {
                let (path, found) = (path.to_owned(), order.seq);
                return Err(LogError::Sequence { path, line: number, expected, found });
            }
            orders.push((String::from_utf8_lossy(bytes).into_owned(), order));
            len = lines.taken();
        }
    }
    let empty = || SnapshotError::Malformed("its first line is not there".to_owned());
    let snapshot = snapshot.ok_or_else(|| LogError::Head { path: path.to_owned(), error: empty() })?;
    Ok(((snapshot, orders), len))
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |error| LogError::Io { doing, path, error }
}
