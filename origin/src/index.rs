//! The stored index: what is known of an asset, kept in a file, so that nothing is parsed a second time.
//!
//! ```text
//!  open an asset ─┬─ there, and of this source ─▶ map it, check it ─▶ Asset
//!                 └─ not there, or not believed ─▶ parse the source ─▶ Asset ─▶ the viewer's answer
//!                                                                        └─ later: writer ─▶ file ─▶ mapped Asset
//! ```
//!
//! | part | does |
//! |---|---|
//! | [`mod@file`] | the format: header, checksum, sections |
//! | `place` | where files lie, who may have written them, how they get there whole |
//! | `contents` | what goes into an index, and what comes out |
//! | `writer` | the one thread that writes, behind the viewers' backs |
//! | `sweep` | the bound on all files together |
//!
//! Invariants: an index is believed only when its versions, checksum, owner and source are right, and whatever is
//! in it is read as foreign bytes; any doubt ends in parsing the source. It is written after the answer, by rename,
//! and by several processes at once without harm. With and without it every object has the same bytes.
//!
//! Versions (architecture, section 8): version N reads N. N-1 and N+1 are made anew; so is one of another packager.

mod contents;
pub mod file;
mod place;
mod sweep;
mod writer;

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use rillcast_http::Map;
use rillcast_media::plan::Policy;
use tokio::runtime::Handle;

pub(crate) use self::contents::{Stored, Text};
pub use self::file::IndexFault;
pub(crate) use self::file::Kind;
use self::file::{IndexFile, MAX_INDEX_BYTES};
pub(crate) use self::place::Companion;
pub use self::place::Place;
use self::place::{Folders, Part};
pub(crate) use self::writer::Job;
use crate::asset_path::AssetPath;
use crate::blob::Blob;
use crate::vod::asset::{Asset, OpenError};

/// Indexes that wait to be written; more are written when their asset is opened again.
const MAX_QUEUED: usize = 256;

/// Where indexes are kept, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSettings {
    /// Where they lie.
    pub place: Place,
    /// The directory of the sources.
    pub root: PathBuf,
    /// Bytes of all files together.
    pub limit_bytes: u64,
    /// Whether scattered sound is packed.
    pub packed_audio: bool,
}

/// The stored indexes of a store's assets.
pub struct Indexes {
    /// None where indexes are off.
    kept: Option<Kept>,
}

/// What a store with indexes has.
struct Kept {
    shelf: Arc<Shelf>,
    jobs: Arc<SyncSender<Job>>,
    queued: Arc<Mutex<HashSet<AssetPath>>>,
    packed_audio: bool,
}

/// What an open asset needs to have its sound packed. Holds nothing alive.
#[derive(Debug, Clone)]
pub(crate) struct Packing {
    path: AssetPath,
    jobs: Weak<SyncSender<Job>>,
}

impl Packing {
    /// Queues the job for the asset's path; false when there is no room for it.
    pub(crate) fn queue(&self, job: impl FnOnce(AssetPath) -> Job) -> bool {
        let Some(jobs) = self.jobs.upgrade() else { return false };
        jobs.try_send(job(self.path.clone())).is_ok()
    }
}

/// What came of writing an index ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// It was there, and of this source.
    Fresh {
        /// Bytes of the file.
        bytes: u64,
    },
    /// It was written.
    Written {
        /// Bytes of the file.
        bytes: u64,
    },
}

/// Why an index was not written.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The source cannot be opened, or is refused.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The file cannot be written.
    #[error("the index cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The source changed meanwhile.
    #[error("the source changed while its index was written")]
    Changed,
    /// What was written cannot be read back; our bug.
    #[error("the index that was written is wrong: {0}")]
    Wrong(#[from] IndexFault),
    /// Indexes are off.
    #[error("indexes are off")]
    Off,
}

impl Indexes {
    /// No indexes: every asset is parsed.
    pub const fn off() -> Self {
        Self { kept: None }
    }

    /// Indexes as `settings` say, written by a thread of their own that ends with this value; it reads sources on
    /// `background`.
    ///
    /// # Errors
    /// The system's error when the thread cannot be started.
    pub fn start(settings: IndexSettings, background: Handle) -> io::Result<Self> {
        let packed_audio = settings.packed_audio;
        let shelf = Arc::new(Shelf::new(settings));
        let queued = Arc::new(Mutex::default());
        let (jobs, waiting) = sync_channel(MAX_QUEUED);
        let jobs = Arc::new(jobs);
        writer::start(Arc::clone(&shelf), Arc::clone(&queued), waiting, background)?;
        Ok(Self { kept: Some(Kept { shelf, jobs, queued, packed_audio }) })
    }

    /// The asset at `path`, whose source is `blob`: from its index, else parsed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        &self,
        path: &AssetPath,
        blob: Arc<dyn Blob>,
        policy: Policy,
    ) -> Result<Asset, OpenError> {
        let mut asset = match self.stored(path, &blob, policy).await {
            Some(asset) => asset,
            None => Asset::open(blob, policy).await?,
        };
        asset.packing = self.packing(path);
        Ok(asset)
    }

    /// Has the index of `asset`, which was parsed, written soon; then `mapped` gets an asset that uses it.
    /// Nothing is done where one is used already, and nothing is waited for.
    pub(crate) fn keep(
        &self,
        path: &AssetPath,
        asset: &Arc<Asset>,
        mapped: impl FnOnce(Asset) + Send + 'static,
    ) {
        if asset.is_stored() {
            return;
        }
        self.queue(path, || Job::Write {
            path: path.clone(),
            asset: Arc::clone(asset),
            mapped: Box::new(mapped),
        });
    }

    /// What the asset at `path` needs to have its sound packed, if that is meant to be.
    fn packing(&self, path: &AssetPath) -> Option<Packing> {
        let kept = self.kept.as_ref().filter(|kept| kept.packed_audio)?;
        Some(Packing { path: path.clone(), jobs: Arc::downgrade(&kept.jobs) })
    }

    /// Writes the index of the asset at `path` now, unless a good one is there.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(
        &self,
        path: &AssetPath,
        blob: Arc<dyn Blob>,
        policy: Policy,
    ) -> Result<Refreshed, RefreshError> {
        let shelf = &self.kept.as_ref().ok_or(RefreshError::Off)?.shelf;
        if let Some(asset) = self.stored(path, &blob, policy).await {
            return Ok(Refreshed::Fresh { bytes: asset.stored_bytes() });
        }
        let asset = Asset::open(blob, policy).await?;
        let bytes = writer::bytes_of(&asset).await?;
        let asset = writer::put(shelf, path, &bytes, &asset)?;
        Ok(Refreshed::Written { bytes: asset.stored_bytes() })
    }

    /// Waits until what is queued was written. Blocks.
    pub fn settle(&self) {
        let Some(kept) = &self.kept else { return };
        let (done, wait) = sync_channel(1);
        if kept.jobs.send(Job::Tell { done }).is_ok() {
            // An error says that the thread has ended: nothing is written any more.
            let _ = wait.recv();
        }
    }

    /// The asset at `path` from its index, if there is a good one.
    async fn stored(&self, path: &AssetPath, blob: &Arc<dyn Blob>, policy: Policy) -> Option<Asset> {
        let kept = self.kept.as_ref()?;
        let found = {
            let (shelf, path, blob) = (Arc::clone(&kept.shelf), path.clone(), Arc::clone(blob));
            let look = move || shelf.find(&path, policy, blob.as_ref());
            tokio::task::spawn_blocking(look).await.ok()?
        };
        let stored = match found {
            Ok(stored) => stored?,
            Err(fault) => {
                tracing::info!(path = path.as_str(), reason = %fault, "a stored index is not used: it is made anew");
                return None;
            }
        };
        if stored.stamp() != blob.stamp() {
            if let Err(fault) = stored.check_source(blob.as_ref()).await {
                tracing::info!(path = path.as_str(), reason = %fault, "a stored index is not used: it is made anew");
                return None;
            }
            // Touched, copied or moved to another disk, but the same: next time that is known at a glance.
            let bytes = stored.restamped(blob.stamp());
            self.queue(path, || Job::Restamp { path: path.clone(), bytes });
        }
        Some(Asset::of_stored(Arc::clone(blob), stored))
    }

    /// Queues a job for `path`, if there is none and room for one.
    fn queue(&self, path: &AssetPath, job: impl FnOnce() -> Job) {
        let Some(kept) = &self.kept else { return };
        let mut queued = kept.queued.lock().unwrap_or_else(PoisonError::into_inner);
        if !queued.insert(path.clone()) {
            return;
        }
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = kept.jobs.try_send(job()) {
            queued.remove(path);
            tracing::debug!(path = path.as_str(), "too many indexes wait to be written: this one is not");
        }
    }
}

/// The files of a store's indexes. All of it blocks on the disk.
pub(crate) struct Shelf {
    folders: Folders,
    limit_bytes: u64,
    /// Bytes of all our files, once they were counted.
    total_bytes: Mutex<Option<u64>>,
    /// Whether the operator knows that nothing can be written.
    told: AtomicBool,
}

impl Shelf {
    fn new(settings: IndexSettings) -> Self {
        Self {
            folders: Folders::new(settings.place, &settings.root),
            limit_bytes: settings.limit_bytes,
            total_bytes: Mutex::default(),
            told: AtomicBool::new(false),
        }
    }

    /// The index of `path`, checked but for its source; `None` where there is none.
    fn find(&self, path: &AssetPath, policy: Policy, blob: &dyn Blob) -> Result<Option<Stored>, IndexFault> {
        let file = match self.open(path, Companion::Index) {
            Ok(Some(file)) => file?,
            Ok(None) => return Ok(None),
            Err(error) => {
                tracing::debug!(path = path.as_str(), %error, "an index cannot be opened");
                return Ok(None);
            }
        };
        let len = file.metadata().map_err(|_| IndexFault::Damaged)?.len();
        let mapped = usize::try_from(len).ok().filter(|_| len <= MAX_INDEX_BYTES);
        let said = IndexFault::Length { len, said: MAX_INDEX_BYTES };
        let mapped = mapped.ok_or(said)?;
        if mapped == 0 {
            return Err(IndexFault::Short);
        }
        let map = Arc::new(Map::of(&file, mapped).map_err(|_| IndexFault::Damaged)?);
        let parsed = IndexFile::parse(Bytes::from_owner(Shared(Arc::clone(&map))), policy);
        // Asked after reading: zeros in place of what is lost would only look like a wrong checksum.
        if map.is_damaged() {
            return Err(IndexFault::Damaged);
        }
        let stored = Stored::of(parsed?, map, blob.len())?;
        Ok(Some(stored))
    }

    /// Opens `companion` of `path`, and notes that it is used; `None` where there is none.
    pub(crate) fn open(
        &self,
        path: &AssetPath,
        companion: Companion,
    ) -> io::Result<Option<Result<File, IndexFault>>> {
        let opened = self.folders.open(path, companion)?;
        if let Some(Ok(file)) = &opened {
            touch(file);
        }
        Ok(opened)
    }

    /// Begins to write `companion` of `path`.
    pub(crate) fn begin(&self, path: &AssetPath, companion: Companion) -> io::Result<Part> {
        self.folders.begin(path, companion)
    }

    /// Gives `part`, a file of `bytes` bytes, its name.
    pub(crate) fn publish(&self, part: Part, bytes: u64) -> io::Result<()> {
        part.publish()?;
        self.count(bytes);
        Ok(())
    }

    /// Bytes of all files together.
    pub(crate) const fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Writes `bytes` as `companion` of `path`.
    fn put(&self, path: &AssetPath, companion: Companion, bytes: &[u8]) -> io::Result<()> {
        let mut part = self.begin(path, companion)?;
        io::Write::write_all(part.file(), bytes)?;
        self.publish(part, bytes.len() as u64)
    }

    /// Counts `bytes` that were written, and removes the oldest files when they are too many.
    fn count(&self, bytes: u64) {
        let mut total = self.total_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = total.map(|total| total.saturating_add(bytes));
        *total = match now {
            Some(now) if now <= self.limit_bytes => Some(now),
            // The first one, or one too many. What was written twice is counted twice until here.
            _ => Some(sweep::sweep(self.folders.top(), self.limit_bytes)),
        };
    }

    /// Says once that nothing can be written, and what to do.
    fn tell_unwritable(&self, error: &io::Error) {
        if self.told.swap(true, Ordering::Relaxed) {
            tracing::debug!(%error, "an index cannot be written");
            return;
        }
        tracing::warn!(
            folder = %self.folders.top().display(),
            %error,
            "indexes cannot be written: files are parsed whenever they are opened. Make the folder writable, \
             or name another in origin.index_dir, or say origin.index = \"off\""
        );
    }
}

/// Notes that `file` is used: the oldest go first when there are too many. Not its time of change, by which an open
/// sidecar is known to be the same.
fn touch(file: &File) {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let kept = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    // It may not be ours to touch.
    let _ = rustix::fs::futimens(file, &rustix::fs::Timestamps { last_access: now, last_modification: kept });
}

/// A map that is shared.
struct Shared(Arc<Map>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

#[cfg(test)]
mod tests;
