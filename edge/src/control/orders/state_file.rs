//! The state of the ledger on disk, so that an edge that starts knows its keys and revocations before the feed answers.
//!
//! ```text
//! rillcast-orders 1 0123456789abcdef      name, version, XXH3-64 of the next line
//! {"v":1,"feed":…,"seq":…,…}              a snapshot
//! ```
//!
//! Replaced as a whole; one that is damaged or of another version is not believed, and the edge starts knowing nothing,
//! as it did the first time. It holds keys: mode 0600.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::feed::sync_folder;
use super::snapshot::{SNAPSHOT_BYTES_MAX, Snapshot, SnapshotError};

/// The version of the file. The first: there is none before it to read.
pub const STATE_VERSION: u64 = 1;
/// What the file begins with.
const MAGIC: &str = "rillcast-orders";
/// The file is its owner's.
const STATE_MODE: u32 = 0o600;

/// Where the state is kept. One process uses it.
#[derive(Debug, Clone)]
pub struct StateFile {
    path: PathBuf,
}

/// Why there is no state to start with. None of it stops an edge.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system's or the disk's fault.
    #[error("cannot read the state of orders in {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Damaged, or another program's.
    #[error("{} does not hold a whole state of orders; the feed will give it anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Of another version of this program.
    #[error("{} is of version {version}, and this program reads {STATE_VERSION}; the feed will give it anew", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Whole, but no state.
    #[error("{}: {error}", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SnapshotError,
    },
}

impl StateFile {
    /// The state in the file at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the state; none when there is no file. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or believed.
    pub fn load(&self) -> Result<Option<Snapshot>, StateError> {
        let path = || self.path.clone();
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Io { path: path(), error }),
        };
        let mut bytes = Vec::new();
        // A little more than may be, so that too much is seen; the first line is short.
        let limit = (SNAPSHOT_BYTES_MAX as u64).saturating_add(1 << 10);
        file.take(limit).read_to_end(&mut bytes).map_err(|error| StateError::Io { path: path(), error })?;
        let line = checked(&bytes).map_err(|wrong| match wrong {
            Wrong::Damaged => StateError::Damaged { path: path() },
            Wrong::Version(version) => StateError::Version { path: path(), version },
        })?;
        let snapshot = Snapshot::parse(line).map_err(|error| StateError::Snapshot { path: path(), error })?;
        Ok(Some(snapshot))
    }

    /// Puts `snapshot` in the place of what there was; afterwards it is on the disk. Blocks.
    ///
    /// # Errors
    /// The system's; what there was is still there then.
    pub fn save(&self, snapshot: &Snapshot) -> io::Result<()> {
        let line = snapshot.to_line();
        let mut scratch = self.path.as_os_str().to_owned();
        scratch.push(".new");
        let scratch = PathBuf::from(scratch);
        // Left behind by a process that was killed.
        let _ = fs::remove_file(&scratch);
        let mut file = File::options().write(true).create_new(true).mode(STATE_MODE).open(&scratch)?;
        writeln!(file, "{MAGIC} {STATE_VERSION} {:016x}", XxHash3_64::oneshot(line.as_bytes()))?;
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&scratch, &self.path)?;
        sync_folder(&self.path)
    }
}

enum Wrong {
    Damaged,
    Version(u64),
}

/// The second line, if the first agrees with it.
fn checked(bytes: &[u8]) -> Result<&[u8], Wrong> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(Wrong::Damaged)?;
    let (head, rest) = bytes.split_at_checked(end).ok_or(Wrong::Damaged)?;
    let line = rest.get(1..).and_then(|line| line.strip_suffix(b"\n")).ok_or(Wrong::Damaged)?;
    let head = std::str::from_utf8(head).map_err(|_| Wrong::Damaged)?;
    let mut words = head.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(Wrong::Damaged);
    }
    let version = words.next().and_then(|word| word.parse().ok()).ok_or(Wrong::Damaged)?;
    if version != STATE_VERSION {
        return Err(Wrong::Version(version));
    }
    let hash = words.next().and_then(|word| u64::from_str_radix(word, 16).ok()).ok_or(Wrong::Damaged)?;
    if hash == XxHash3_64::oneshot(line) { Ok(line) } else { Err(Wrong::Damaged) }
}
