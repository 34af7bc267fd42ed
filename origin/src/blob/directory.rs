//! Blobs in a directory of the local file system.
//!
//! Every look-up is one `openat2` with `RESOLVE_BENEATH`: the kernel refuses whatever leads out of
//! the directory, be it `..`, an absolute symlink or one that points outside, without a race between
//! check and use. Only regular files are blobs. Reads run on the blocking pool, never on a core that
//! serves connections.

mod buffers;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rillcast_http::{BodySource, FileExtent, FileIdentity, SourceFile};
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use self::buffers::Buffers;
use super::{Availability, Blob, BlobError, BlobStore, Listed, Listing, MAX_LISTED, Priority, Stamp};
use crate::asset_path::AssetPath;

/// File name endings that a listing shows. What a file is, its bytes say when it is opened.
const LISTED_ENDINGS: [&str; 4] = ["mp4", "m4v", "mov", "m4a"];
/// Directory entries a listing looks at.
const MAX_VISITED: usize = 200_000;
/// How often a look-up is tried again that a rename somewhere on the machine disturbed.
const MAX_LOOKUPS: u32 = 64;
/// Why a folder, a pipe or a socket is not served.
const NO_FILE: &str = "it is no regular file";
/// Why a file has no URL, where its path is no text.
const NO_TEXT: &str = "its name is not UTF-8";

/// A store over one directory.
#[derive(Debug)]
pub struct DirectoryStore {
    root: Arc<OwnedFd>,
    buffers: Arc<Buffers>,
}

impl DirectoryStore {
    /// The store of the directory `path`.
    ///
    /// # Errors
    /// When it is not there or no directory, or the kernel cannot look up beneath one (Linux before 5.6).
    pub fn new(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        open_beneath(&root, Path::new("."), flags)?;
        Ok(Self { root: Arc::new(root), buffers: Arc::default() })
    }

    fn open_blocking(root: &OwnedFd, path: &AssetPath) -> Result<SourceFile, BlobError> {
        // Not blocking: a FIFO must not hang us. Beneath: no link leads out.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = open_beneath(root, &path.to_path(), flags);
        let file = File::from(opened.map_err(|error| open_error(error, || edition(root, path)))?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            let edition = Some(stamp(FileIdentity::of(&metadata)));
            return Err(BlobError::Forbidden { reason: NO_FILE, edition });
        }
        Ok(SourceFile::from_file(file)?)
    }
}

/// Opens `path` below `root`, which no link leads out of.
fn open_beneath(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut lookups = 0;
    loop {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            // A rename while a `..` of a link was followed: the kernel cannot tell whether we are still
            // beneath, and asks to try again (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) if lookups < MAX_LOOKUPS => lookups += 1,
            result => return result,
        }
    }
}

fn open_error(error: Errno, edition: impl FnOnce() -> Option<Stamp>) -> BlobError {
    let forbidden = |reason| BlobError::Forbidden { reason, edition: edition() };
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::ILSEQ => BlobError::NotFound,
        Errno::XDEV | Errno::LOOP => forbidden("it leads out of the media directory"),
        Errno::ACCESS | Errno::PERM => forbidden("we have no permission to read it"),
        Errno::NXIO | Errno::ISDIR => forbidden(NO_FILE),
        other => BlobError::Io(other.into()),
    }
}

/// What stands at `path` itself, be it a link or something we may not read; `None` where the way there leads out.
fn edition(root: &OwnedFd, path: &AssetPath) -> Option<Stamp> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = File::from(open_beneath(root, &path.to_path(), flags).ok()?);
    Some(stamp(FileIdentity::of(&found.metadata().ok()?)))
}

fn stamp(identity: FileIdentity) -> Stamp {
    let FileIdentity { device, inode, len, modified_ns } = identity;
    let bytes = modified_ns.to_le_bytes();
    let (low, high) = bytes.split_at(8);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    Stamp([device, inode, len, word(low), word(high)])
}

impl BlobStore for DirectoryStore {
    fn open<'a>(&'a self, path: &'a AssetPath) -> BoxFuture<'a, Result<Arc<dyn Blob>, BlobError>> {
        let (root, path, buffers) = (Arc::clone(&self.root), path.clone(), Arc::clone(&self.buffers));
        Box::pin(async move {
            let file = Arc::new(blocking(move || Self::open_blocking(&root, &path)).await?);
            Ok(Arc::new(FileBlob { file, buffers }) as Arc<dyn Blob>)
        })
    }

    /// An open and an `fstat`: some microseconds, done where it is called.
    fn stamp<'a>(&'a self, path: &'a AssetPath) -> BoxFuture<'a, Result<Stamp, BlobError>> {
        Box::pin(async move { Self::open_blocking(&self.root, path).map(|file| stamp(file.identity())) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing, BlobError>> {
        let root = Arc::clone(&self.root);
        Box::pin(blocking(move || Ok(list_blocking(&root)?)))
    }
}

/// An open file.
#[derive(Debug)]
struct FileBlob {
    file: Arc<SourceFile>,
    buffers: Arc<Buffers>,
}

impl Blob for FileBlob {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn stamp(&self) -> Stamp {
        stamp(self.file.identity())
    }

    fn is_unchanged(&self) -> bool {
        self.file.is_unchanged().unwrap_or(false)
    }

    fn availability(&self, range: Range<u64>) -> Availability {
        if range.end <= self.len() { Availability::Ready } else { Availability::Gone }
    }

    fn read(&self, range: Range<u64>, _priority: Priority) -> BoxFuture<'_, Result<Bytes, BlobError>> {
        let (file, buffers) = (Arc::clone(&self.file), Arc::clone(&self.buffers));
        Box::pin(blocking(move || {
            let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
            let mut buffer = buffers.take(len);
            file.file().read_exact_at(buffer.as_mut(), range.start)?;
            Ok(Bytes::from_owner(buffer))
        }))
    }

    fn body(&self, offset: u64, len: u64) -> Result<BodySource, BlobError> {
        let extent = FileExtent::new(Arc::clone(&self.file), offset, len);
        extent.map(BodySource::File).map_err(|_| BlobError::Outside { offset, len, blob_len: self.len() })
    }
}

/// Runs `work` on the blocking pool.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BlobError::Io(io::Error::other(error))),
    }
}

/// Walks the directory, not following links to directories. What is listed is what would be served.
fn list_blocking(root: &OwnedFd) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut visited = 0;
    let mut folders = vec![(PathBuf::from("."), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let entries = match open_beneath(root, &folder, flags).and_then(Dir::new) {
            Ok(entries) => entries,
            Err(error) if prefix.is_empty() => return Err(error.into()),
            // A folder that cannot be read hides what is in it, not the rest.
            Err(error) => {
                if let Some(reason) = left_out(&open_error(error, || None)) {
                    listing.unlisted.add(prefix, reason);
                }
                continue;
            }
        };
        for entry in entries.flatten() {
            visited += 1;
            if visited > MAX_VISITED || listing.blobs.len() >= MAX_LISTED {
                listing.truncated = true;
                return Ok(sorted(listing));
            }
            if entry.file_name().to_bytes().starts_with(b".") {
                continue;
            }
            let Ok(name) = entry.file_name().to_str() else {
                let name = entry.file_name().to_string_lossy();
                if entry.file_type() == FileType::Directory || is_listed(&name) {
                    listing.unlisted.add(format!("{prefix}{name}"), NO_TEXT);
                }
                continue;
            };
            let path = format!("{prefix}{name}");
            if is_folder(root, &entry, &path) {
                folders.push((PathBuf::from(&path), format!("{path}/")));
            } else if is_listed(name) {
                list_file(root, path, &mut listing);
            }
        }
    }
    Ok(sorted(listing))
}

fn sorted(mut listing: Listing) -> Listing {
    listing.blobs.sort_by(|one, other| one.path.cmp(&other.path));
    listing
}

/// Whether an entry is a directory itself, not a link to one.
fn is_folder(root: &OwnedFd, entry: &DirEntry, path: &str) -> bool {
    let kind = match entry.file_type() {
        // Some file systems do not say.
        FileType::Unknown => rustix::fs::statat(root, path, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
        kind => kind,
    };
    kind == FileType::Directory
}

fn is_listed(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    LISTED_ENDINGS.iter().any(|listed| ending.eq_ignore_ascii_case(listed))
}

/// Adds the file at `path` to what `listing` has, or to what it leaves out.
fn list_file(root: &OwnedFd, path: String, listing: &mut Listing) {
    let asset = match AssetPath::new(&path) {
        Ok(asset) => asset,
        Err(error) => return listing.unlisted.add(path, error.to_string()),
    };
    match DirectoryStore::open_blocking(root, &asset) {
        Ok(file) => {
            let modified = file.file().metadata().and_then(|metadata| metadata.modified()).ok();
            listing.blobs.push(Listed { path: asset, size_bytes: file.len(), modified });
        }
        Err(error) => {
            if let Some(reason) = left_out(&error) {
                listing.unlisted.add(path, reason);
            }
        }
    }
}

/// Why a listing leaves out what is there; `None` for what went away meanwhile.
fn left_out(error: &BlobError) -> Option<String> {
    match error {
        BlobError::NotFound => None,
        BlobError::Forbidden { reason, .. } => Some((*reason).to_owned()),
        BlobError::Outside { .. } | BlobError::Io(_) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
