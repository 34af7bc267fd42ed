//! Where indexes lie, and how files get there: whole or not at all.
//!
//! ```text
//!  cache    DIR/3f/3f9c…e1.rcx          named by a hash of the source's absolute path
//!  beside   films/summer.mp4
//!           films/.summer.mp4.rcx       hidden, so it is neither listed nor served
//!           films/.summer.mp4.2.rcp     packed sound of track 2
//! ```
//!
//! A file is written under another name in the same folder, brought to disk, and renamed: who opens it finds the
//! one before or the new one, whichever process writes. What is found is believed only when nobody but us, root or
//! the source's owner can have written it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use twox_hash::XxHash3_128;

use super::file::IndexFault;
use crate::asset_path::AssetPath;

/// Endings of what we write: indexes, packed sound, and what is not complete yet.
const INDEX_ENDING: &str = "rcx";
const PACKED_ENDING: &str = "rcp";
const PART_ENDING: &str = "rcpart";
/// Readable by whoever may read the source's folder, written by us alone.
const FILE_MODE: u32 = 0o644;
/// Bits that let others write.
const OTHERS_WRITE: u32 = 0o022;
/// Bytes of a file name.
const MAX_NAME_BYTES: usize = 255;

/// Where the files of a store's assets lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// All in one directory of ours.
    Cache(PathBuf),
    /// Beside each source.
    Beside,
}

/// The folders of one store.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    place: Place,
    /// Where the store's sources are, without links.
    root: PathBuf,
}

/// Names one file of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Companion {
    /// Its index.
    Index,
    /// The packed sound of the track of this id.
    Packed(u32),
}

impl Folders {
    /// The folders of the store whose sources are in `root`.
    pub(crate) fn new(place: Place, root: &Path) -> Self {
        Self { place, root: fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()) }
    }

    /// The top of all folders that files are written to.
    pub(super) fn top(&self) -> &Path {
        match &self.place {
            Place::Cache(folder) => folder,
            Place::Beside => &self.root,
        }
    }

    /// Where `companion` of the asset at `path` lies, from [`top`](Self::top).
    fn within(&self, path: &AssetPath, companion: Companion) -> PathBuf {
        let ending = match companion {
            Companion::Index => INDEX_ENDING.to_owned(),
            Companion::Packed(track) => format!("{track}.{PACKED_ENDING}"),
        };
        match &self.place {
            Place::Cache(_) => {
                let source = self.root.join(path.to_path());
                let name = hashed(source.as_os_str().as_encoded_bytes());
                let folder = name.get(..2).unwrap_or("00").to_owned();
                PathBuf::from(folder).join(format!("{name}.{ending}"))
            }
            Place::Beside => {
                let mut name = format!(".{}.{ending}", path.file_name());
                if name.len() > MAX_NAME_BYTES {
                    name = format!(".{}.{ending}", hashed(path.file_name().as_bytes()));
                }
                path.to_path().with_file_name(name)
            }
        }
    }

    /// Where `companion` of the asset at `path` lies.
    pub(super) fn file(&self, path: &AssetPath, companion: Companion) -> PathBuf {
        self.top().join(self.within(path, companion))
    }

    /// Opens `companion` of `path`; `None` when there is none.
    ///
    /// Blocks on the disk.
    pub(crate) fn open(
        &self,
        path: &AssetPath,
        companion: Companion,
    ) -> io::Result<Option<Result<File, IndexFault>>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let (top, within) = (self.top(), self.within(path, companion));
        let opened = rustix::fs::open(top, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|top| {
                // No link leads out of the folder, nor to another file in it.
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
                rustix::fs::openat2(top, &within, flags | OFlags::NOFOLLOW, Mode::empty(), resolve)
            });
        let file = match opened {
            Ok(file) => File::from(file),
            Err(error) if error == rustix::io::Errno::NOENT => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(Some(Err(IndexFault::Foreign)));
        }
        let is_trusted = self.trusts(path, metadata.uid()) && metadata.mode() & OTHERS_WRITE == 0;
        Ok(Some(if is_trusted { Ok(file) } else { Err(IndexFault::Exposed) }))
    }

    /// Whether a file of `owner` is believed: of us, of root, and beside a source of the same owner.
    fn trusts(&self, path: &AssetPath, owner: u32) -> bool {
        let of_source =
            || fs::metadata(self.root.join(path.to_path())).is_ok_and(|source| source.uid() == owner);
        owner == 0
            || owner == rustix::process::geteuid().as_raw()
            || (self.place == Place::Beside && of_source())
    }

    /// Begins to write `companion` of `path`.
    ///
    /// # Errors
    /// The system's error; the folder may be one that we may not write to.
    pub(crate) fn begin(&self, path: &AssetPath, companion: Companion) -> io::Result<Part> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let target = self.file(path, companion);
        let folder = target.parent().unwrap_or_else(|| Path::new(".")).to_owned();
        if matches!(self.place, Place::Cache(_)) {
            fs::create_dir_all(&folder)?;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = folder.join(format!(".{}-{number}.{PART_ENDING}", std::process::id()));
        // Left behind by a process of our number that was killed.
        let _ = fs::remove_file(&scratch);
        let file = File::options().write(true).read(true).create_new(true).mode(FILE_MODE).open(&scratch)?;
        let part = Part { file, scratch, target, done: false };
        // Whatever the umask: others read it, and do not write it.
        part.file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
        Ok(part)
    }

    /// Removes `companion` of `path`; nothing to do when there is none.
    pub(crate) fn remove(&self, path: &AssetPath, companion: Companion) {
        // What cannot be removed is found wrong again, and told again.
        let _ = fs::remove_file(self.file(path, companion));
    }
}

/// A file that is being written. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    scratch: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Part {
    /// The file so far.
    pub(crate) const fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its name, once its bytes are on the disk.
    pub(crate) fn publish(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.sync_all()?;
        fs::rename(&self.scratch, &self.target)?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            // It is swept later if not now.
            let _ = fs::remove_file(&self.scratch);
        }
    }
}

/// Whether a file of this name is one of ours.
pub(super) fn is_ours(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    [INDEX_ENDING, PACKED_ENDING, PART_ENDING].contains(&ending)
}

fn hashed(bytes: &[u8]) -> String {
    format!("{:032x}", XxHash3_128::oneshot(bytes))
}
