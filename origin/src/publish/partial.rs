//! The file that is being written, and how a later run goes on with it.
//!
//! It lies beside the new file as `.NAME.rillcast-partial`, and has its full length from the start, so
//! that room is found or missed at once. The head of the new file (its index) is written last: until
//! then a record lies in its place, and nobody takes the file for a movie.
//!
//! ```text
//!  copying    [ record: key, copied │ …0… ][ media ……… copied │ …0… ]
//!  complete   [ head                      ][ media                   ]   verified, then renamed
//! ```
//!
//! The key is a hash over the source's identity, the revision and the head, so that a file of another
//! source, or of another order, is not gone on with. A record is written after the bytes it counts
//! are on the disk. A file is locked by the run that writes it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rillcast_media::layout::Rewrite;
use rustix::fs::{Advice, FallocateFlags, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::PublishError;
use super::source::Source;

const MAGIC: &[u8; 24] = b"rillcast partial file 1\n";
const KEY_BYTES: usize = 32;
/// Magic, key, bytes copied, and the start of a hash over them.
const RECORD_BYTES: usize = 24 + KEY_BYTES + 8 + 8;
/// How often the file is opened again that another run renames or removes at the same time.
const MAX_OPENS: u32 = 16;

/// The file that is being written.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) file: File,
    pub(super) path: PathBuf,
    key: [u8; KEY_BYTES],
}

/// How far an earlier run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progressed {
    /// Nothing that can be used.
    Nothing,
    /// All bytes before this one of the new file are copied, the head aside.
    To(u64),
    /// Everything is written.
    Whole,
}

/// Where the file that becomes `target` is written.
pub(super) fn path_beside(target: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".rillcast-partial");
    target.with_file_name(name)
}

impl Partial {
    /// Opens and locks the file that becomes `target`, and finds out how far it is.
    pub(super) fn open(
        target: &Path,
        source: &Source,
        rewrite: &Rewrite,
        revision: &str,
    ) -> Result<(Self, Progressed), PublishError> {
        let path = path_beside(target);
        let file = open_locked(&path, true)?.expect("it is made where it is missing");
        let partial = Self { file, path, key: key(source, rewrite, revision) };
        let progressed = partial.progressed(rewrite);
        if progressed == Progressed::Nothing {
            partial.start(rewrite)?;
        }
        Ok((partial, progressed))
    }

    fn progressed(&self, rewrite: &Rewrite) -> Progressed {
        let head = rewrite.head();
        if !self.file.metadata().is_ok_and(|meta| meta.len() == rewrite.len()) {
            return Progressed::Nothing;
        }
        let mut start = vec![0; head.len()];
        if self.file.read_exact_at(&mut start, 0).is_err() {
            return Progressed::Nothing;
        }
        if start == *head {
            return Progressed::Whole;
        }
        let copied = start.first_chunk::<RECORD_BYTES>().and_then(|record| read_record(record, &self.key));
        match copied.filter(|copied| (head.len() as u64..=rewrite.len()).contains(copied)) {
            Some(copied) => Progressed::To(copied),
            None => Progressed::Nothing,
        }
    }

    /// Takes the room that is needed, with nothing in it.
    fn start(&self, rewrite: &Rewrite) -> Result<(), PublishError> {
        self.file.set_len(0).map_err(PublishError::io("emptying", &self.path))?;
        let room = loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, rewrite.len()) {
                Err(Errno::INTR) => {}
                // A file system that cannot promise room says so when there is none left.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => break self.file.set_len(rewrite.len()),
                result => break result.map_err(io::Error::from),
            }
        };
        if let Err(error) = room {
            let error = self.of_write(error, rewrite.len());
            self.discard();
            return Err(error);
        }
        self.record(rewrite.head().len() as u64)
    }

    /// Writes `bytes` at `offset`.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), PublishError> {
        let len = offset.saturating_add(bytes.len() as u64);
        self.file.write_all_at(bytes, offset).map_err(|error| self.of_write(error, len))
    }

    /// Puts all that was written on the disk, and notes that it is there up to byte `copied`.
    pub(super) fn checkpoint(&self, copied: u64) -> Result<(), PublishError> {
        self.sync()?;
        self.record(copied)
    }

    /// Puts all that was written on the disk, and drops it from memory: what is read next comes from the disk.
    pub(super) fn sync(&self) -> Result<(), PublishError> {
        self.file.sync_data().map_err(|error| self.of_write(error, 0))?;
        // Advice: where it is not taken, the page cache answers instead of the disk.
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        Ok(())
    }

    fn record(&self, copied: u64) -> Result<(), PublishError> {
        self.write(0, &write_record(&self.key, copied))
    }

    /// Throws the file away.
    pub(super) fn discard(&self) {
        // Where it cannot be removed, it is emptied or found stale by the next run.
        let _ = std::fs::remove_file(&self.path);
    }

    fn of_write(&self, error: io::Error, need_bytes: u64) -> PublishError {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if !full {
            return PublishError::io("writing", &self.path)(error);
        }
        let free =
            rustix::fs::fstatvfs(&self.file).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        let directory = self.path.parent().unwrap_or_else(|| Path::new(".")).to_owned();
        PublishError::NoSpace { directory, need_bytes, free_bytes: free }
    }
}

/// Removes what an earlier run of another content left beside `target`, unless a run is at work on it.
pub(super) fn discard_stale(target: &Path) {
    let path = path_beside(target);
    if let Ok(Some(_locked)) = open_locked(&path, false) {
        let _ = std::fs::remove_file(&path);
    }
}

/// Opens and locks `path`; `None` where it is missing and not to be made.
fn open_locked(path: &Path, create: bool) -> Result<Option<File>, PublishError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("flags of open(2)");
    for _ in 0..MAX_OPENS {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create).mode(0o600).custom_flags(flags);
        let file = match options.open(path) {
            Ok(file) => file,
            Err(error) if !create && error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let directory = path.parent().unwrap_or_else(|| Path::new(".")).to_owned();
                return Err(PublishError::Unwritable { directory, source });
            }
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PublishError::Busy { partial: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(PublishError::io("locking", path)(error)),
        }
        // The run that held it may have renamed or removed it while we waited at the door.
        let named = std::fs::symlink_metadata(path).map(|meta| meta.ino()).ok();
        let opened = file.metadata().map_err(PublishError::io("looking at", path))?;
        if named == Some(opened.ino()) {
            return Ok(Some(file));
        }
    }
    Err(PublishError::Busy { partial: path.to_owned() })
}

fn key(source: &Source, rewrite: &Rewrite, revision: &str) -> [u8; KEY_BYTES] {
    let mut hash = Sha256::new();
    source.identity().0.iter().for_each(|number| hash.update(number.to_le_bytes()));
    hash.update(revision);
    hash.update(rewrite.len().to_le_bytes());
    hash.update(rewrite.head());
    hash.finalize().into()
}

fn write_record(key: &[u8; KEY_BYTES], copied: u64) -> Vec<u8> {
    let mut record = MAGIC.to_vec();
    record.extend_from_slice(key);
    record.extend_from_slice(&copied.to_le_bytes());
    let check = Sha256::digest(&record);
    record.extend(check.iter().take(8));
    record
}

/// The bytes copied, if the record is whole and of this key.
fn read_record(record: &[u8; RECORD_BYTES], key: &[u8; KEY_BYTES]) -> Option<u64> {
    let copied = record.get(MAGIC.len() + KEY_BYTES..)?.first_chunk::<8>()?;
    let copied = u64::from_le_bytes(*copied);
    (write_record(key, copied) == record).then_some(copied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_any_change_is_found() {
        let (key, other) = ([7; KEY_BYTES], [8; KEY_BYTES]);
        let record: [u8; RECORD_BYTES] = write_record(&key, 1 << 40).try_into().expect("a whole record");
        assert_eq!(read_record(&record, &key), Some(1 << 40));
        assert_eq!(read_record(&record, &other), None);
        for at in 0..RECORD_BYTES {
            let mut changed = record;
            changed[at] ^= 1;
            assert_eq!(read_record(&changed, &key), None, "byte {at}");
        }
    }

    #[test]
    fn the_partial_file_is_hidden_and_named_after_the_target() {
        assert_eq!(path_beside(Path::new("a/b c.mp4")), Path::new("a/.b c.mp4.rillcast-partial"));
        assert_eq!(path_beside(Path::new("film.mp4")), Path::new(".film.mp4.rillcast-partial"));
    }
}
