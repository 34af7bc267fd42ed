//! Where the bytes of a body lie before anyone has read them.
//!
//! A [`BodySource`] is bytes in memory or an extent of an open file. It stays symbolic until the sender knows the
//! transport: over plain HTTP/1.1 an extent in the page cache leaves by `sendfile`, over TLS or HTTP/2 it is read into
//! pooled buffers, or a slab that already holds its bytes takes its place.
//!
//! Invariants: an extent never reaches past the length its file had when it was opened; a file that was replaced
//! by rename stays readable (the old inode is open), a file changed in place is noticed through [`FileIdentity`].

use std::{
    fs::{File, Metadata},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::MetadataExt as _,
    },
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rillcast_sys::{
    disk::DiskFile,
    map::windows::{Window, Windows},
    residency::Residency,
    slab::SlabRange,
    token::Source,
};

use crate::growing::GrowingPart;

/// One piece of a body, not yet read.
#[derive(Debug, Clone)]
pub enum BodySource {
    /// Bytes in memory; cloning shares them.
    Mem(Bytes),
    /// A byte range of an open file.
    File(FileExtent),
    /// Bytes in shared memory that a socket may hold on to; cloning shares them.
    Slab(SlabRange),
    /// Bytes that may not have arrived yet.
    Growing(GrowingPart),
}

impl BodySource {
    /// Length in bytes; of an open end, as many as there can be.
    pub fn len(&self) -> u64 {
        match self {
            Self::Mem(bytes) => u64::try_from(bytes.len()).expect("a length in memory fits 64 bits"),
            Self::File(extent) => extent.len,
            Self::Slab(range) => u64::try_from(range.len()).expect("a length in memory fits 64 bits"),
            Self::Growing(part) => part.len(),
        }
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The piece from `start` (inclusive) to `end` (exclusive), both relative to this source and inside it.
    pub(crate) fn cut(&self, start: u64, end: u64) -> Self {
        debug_assert!(start <= end && end <= self.len(), "a cut lies inside its source");
        let index = |at: u64| usize::try_from(at).expect("an offset in memory fits usize");
        match self {
            Self::Mem(bytes) => Self::Mem(bytes.slice(index(start)..index(end))),
            Self::Slab(range) => {
                let part = range.part(index(start), index(end.saturating_sub(start)));
                Self::Slab(part.expect("a cut lies inside its source"))
            }
            Self::Growing(part) => Self::Growing(part.cut(start, end)),
            Self::File(extent) => Self::File(FileExtent {
                file: Arc::clone(&extent.file),
                offset: extent.offset.checked_add(start).expect("the extent ends inside its file"),
                len: end.saturating_sub(start),
            }),
        }
    }
}

impl From<Bytes> for BodySource {
    fn from(bytes: Bytes) -> Self {
        Self::Mem(bytes)
    }
}

impl From<SlabRange> for BodySource {
    fn from(range: SlabRange) -> Self {
        Self::Slab(range)
    }
}

impl From<GrowingPart> for BodySource {
    fn from(part: GrowingPart) -> Self {
        Self::Growing(part)
    }
}

impl From<FileExtent> for BodySource {
    fn from(extent: FileExtent) -> Self {
        Self::File(extent)
    }
}

/// A byte range of a [`SourceFile`]: inside the file as it was when opened.
#[derive(Debug, Clone)]
pub struct FileExtent {
    file: Arc<SourceFile>,
    offset: u64,
    len: u64,
}

/// Why a range is no extent of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes from byte {offset} reach past the end of a file of {file_len} bytes")]
pub struct ExtentError {
    /// First byte asked for.
    pub offset: u64,
    /// Bytes asked for.
    pub len: u64,
    /// Bytes the file had when it was opened.
    pub file_len: u64,
}

impl FileExtent {
    /// `len` bytes of `file` from byte `offset`.
    ///
    /// # Errors
    /// [`ExtentError`] when the range does not lie inside the file as it was when opened.
    pub fn new(file: Arc<SourceFile>, offset: u64, len: u64) -> Result<Self, ExtentError> {
        let file_len = file.len();
        match offset.checked_add(len) {
            Some(end) if end <= file_len => Ok(Self { file, offset, len }),
            _ => Err(ExtentError { offset, len, file_len }),
        }
    }

    /// The whole of `file`.
    pub fn whole(file: Arc<SourceFile>) -> Self {
        let len = file.len();
        Self { file, offset: 0, len }
    }

    /// The file this is a range of.
    pub fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    /// First byte, from the start of the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// This extent and `next` as one, when `next` begins in the same open file where this one ends.
    pub(crate) fn joined(&self, next: &Self) -> Option<Self> {
        let end = self.offset.checked_add(self.len)?;
        (Arc::ptr_eq(&self.file, &next.file) && end == next.offset).then(|| Self {
            file: Arc::clone(&self.file),
            offset: self.offset,
            len: self.len.saturating_add(next.len),
        })
    }
}

/// An open file, with what identified its content when it was opened.
#[derive(Debug)]
pub struct SourceFile {
    file: Arc<DiskFile>,
    identity: FileIdentity,
    residency: Residency,
    windows: Windows,
}

impl SourceFile {
    /// Opens `path` for reading. Blocks: call it away from a data-plane core when the directory may be cold.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::InvalidInput`] when `path` is not a regular file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_file(File::open(path)?)
    }

    /// Takes a file that is already open for reading.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::InvalidInput`] when it is not a regular file.
    pub fn from_file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let identity = FileIdentity::of(&metadata);
        advise_against_reading_ahead(&file);
        let file = Arc::new(DiskFile::new(file));
        Ok(Self { identity, file, residency: Residency::default(), windows: Windows::default() })
    }

    /// Length in bytes when it was opened.
    pub fn len(&self) -> u64 {
        self.identity.len
    }

    /// Whether it was empty when it was opened.
    pub fn is_empty(&self) -> bool {
        self.identity.len == 0
    }

    /// What identified the content when it was opened.
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Whether the open file still is what it was when it was opened. One `fstat`, about half a microsecond.
    ///
    /// Linux moves the modification time before it copies new bytes in, so a check *after* a read finds every
    /// write whose bytes that read may have seen (as far as the file system's clock is fine enough).
    ///
    /// # Errors
    /// The system's error.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        Ok(FileIdentity::of(&self.file().metadata()?) == self.identity)
    }

    /// The open file.
    pub fn file(&self) -> &File {
        self.file.file()
    }

    /// The open file, as the disk thread takes it.
    pub(crate) fn disk_file(&self) -> &Arc<DiskFile> {
        &self.file
    }

    /// How many of the `len` bytes from `offset` on are in memory, up to the first that is not. A good guess.
    pub(crate) fn resident_len(&self, offset: u64, len: u64, now: Instant) -> u64 {
        self.residency.resident_len(self.as_fd(), self.len(), offset, len, now)
    }

    /// Notes that the `len` bytes from `offset` on were read into memory just now.
    pub(crate) fn note_resident(&self, offset: u64, len: u64, now: Instant) {
        self.residency.note_resident(self.len(), offset, len, now);
    }

    /// The file as a part of it is mapped: the part with byte `offset`. `None` where it cannot be.
    pub(crate) fn window(&self, offset: u64) -> Option<Arc<Window>> {
        self.windows.at(self.file(), self.len(), offset)
    }
}

/// Tells the kernel to read of `file` what is asked for and no more: viewers jump about, what is wanted next is known
/// here, and otherwise a mere question for a page makes it read whole windows (8 MiB on some machines) around it.
/// A file system that takes no advice goes on as it did.
fn advise_against_reading_ahead(file: &File) {
    let _advice_only = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

impl AsFd for SourceFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file().as_fd()
    }
}

impl Source for SourceFile {
    fn is_unchanged(&self) -> io::Result<bool> {
        Self::is_unchanged(self)
    }
}

/// What tells one content of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Length in bytes.
    pub len: u64,
    /// Modification time, nanoseconds since 1970 (negative before).
    pub modified_ns: i128,
}

impl FileIdentity {
    /// The identity in a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        let seconds = i128::from(metadata.mtime());
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified_ns: seconds.saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec().into()),
        }
    }

    /// The modification time, for `Last-Modified`. Times before 1970 are reported as 1970.
    pub fn modified(&self) -> SystemTime {
        let nanoseconds = u64::try_from(self.modified_ns.max(0)).unwrap_or(u64::MAX);
        UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds)).unwrap_or(UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file_of(bytes: &[u8]) -> (tempfile::NamedTempFile, Arc<SourceFile>) {
        let mut on_disk = tempfile::NamedTempFile::new().unwrap();
        on_disk.write_all(bytes).unwrap();
        let source = Arc::new(SourceFile::open(on_disk.path()).unwrap());
        (on_disk, source)
    }

    #[test]
    fn an_extent_may_reach_the_end_and_not_one_past_it() {
        let (_keep, file) = file_of(b"0123456789");
        assert!(FileExtent::new(Arc::clone(&file), 4, 6).is_ok());
        assert!(FileExtent::new(Arc::clone(&file), 10, 0).is_ok());
        assert_eq!(
            FileExtent::new(Arc::clone(&file), 4, 7).unwrap_err(),
            ExtentError { offset: 4, len: 7, file_len: 10 }
        );
        assert!(FileExtent::new(file, u64::MAX, 2).is_err());
    }

    #[test]
    fn a_write_in_place_and_a_truncation_are_noticed() {
        let (mut on_disk, file) = file_of(b"0123456789");
        assert!(file.is_unchanged().unwrap());
        on_disk.as_file_mut().set_len(4).unwrap();
        assert!(!file.is_unchanged().unwrap());
    }

    #[test]
    fn a_replacement_by_rename_leaves_the_open_file_unchanged() {
        let (on_disk, file) = file_of(b"old");
        let mut replacement = tempfile::NamedTempFile::new().unwrap();
        replacement.write_all(b"new content").unwrap();
        std::fs::rename(replacement.path(), on_disk.path()).unwrap();
        assert!(file.is_unchanged().unwrap());
    }

    #[test]
    fn a_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(SourceFile::open(directory.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
