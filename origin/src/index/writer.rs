//! The one thread that writes indexes: at low priority, one after the other, behind the viewers' backs.

use std::collections::HashSet;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::contents::{contents, digest};
use super::place::Companion;
use super::{RefreshError, Shelf};
use crate::asset_path::AssetPath;
use crate::blob::Priority;
use crate::sidecar::{PackError, Slot, pack, told};
use crate::vod::asset::{Asset, OpenError};

/// How much the thread stands back behind those that serve (nice(2)).
const NICENESS: i32 = 10;

/// What the thread is told to do.
pub(crate) enum Job {
    /// Write the index of an asset that was parsed, and hand over one that uses it.
    Write { path: AssetPath, asset: Arc<Asset>, mapped: Box<dyn FnOnce(Asset) + Send> },
    /// Write an index whose source has another stamp now.
    Restamp { path: AssetPath, bytes: Vec<u8> },
    /// Find or make the packed sound of a rendition.
    Pack { path: AssetPath, asset: Arc<Asset>, index: usize },
    /// Verify a segment of packed sound.
    Verify { path: AssetPath, asset: Arc<Asset>, index: usize, number: usize },
    /// Say when all before this is done.
    Tell { done: SyncSender<()> },
}

/// Starts the thread. It ends when nobody can send any more.
pub(super) fn start(
    shelf: Arc<Shelf>,
    queued: Arc<Mutex<HashSet<AssetPath>>>,
    jobs: Receiver<Job>,
    background: Handle,
) -> io::Result<()> {
    let run = move || {
        // Where it is not allowed, the thread runs as all others do.
        let _ = rustix::process::nice(NICENESS);
        for job in jobs {
            if let Some(path) = carry_out(&shelf, job, &background) {
                queued.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
            }
        }
    };
    std::thread::Builder::new().name("index".to_owned()).spawn(run).map(drop)
}

/// Does one job; says which path may be queued again.
fn carry_out(shelf: &Shelf, job: Job, background: &Handle) -> Option<AssetPath> {
    let (path, result) = match job {
        Job::Tell { done } => {
            // Who asked may have gone.
            let _ = done.send(());
            return None;
        }
        Job::Pack { path, asset, index } => {
            fill(shelf, &path, &asset, index);
            return None;
        }
        Job::Verify { path, asset, index, number } => {
            if let Some(Err(fault)) =
                asset.packed_slot(index).and_then(Slot::get).map(|packed| packed.verify(number))
            {
                told(&path, &fault);
            }
            return None;
        }
        Job::Restamp { path, bytes } => {
            let result = shelf.put(&path, Companion::Index, &bytes).map_err(RefreshError::from);
            (path, result)
        }
        Job::Write { path, asset, mapped } => {
            let written = background.block_on(bytes_of(&asset));
            let written = written.and_then(|bytes| put(shelf, &path, &bytes, &asset));
            (path, written.map(mapped))
        }
    };
    match result {
        Ok(()) => {}
        Err(RefreshError::Write(error)) => shelf.tell_unwritable(&error),
        Err(error @ RefreshError::Wrong(_)) => {
            tracing::error!(path = path.as_str(), %error, "an index is not kept");
        }
        Err(error) => tracing::debug!(path = path.as_str(), %error, "an index is not kept"),
    }
    Some(path)
}

/// Finds or makes the packed sound of rendition `index`.
fn fill(shelf: &Shelf, path: &AssetPath, asset: &Asset, index: usize) {
    let Some(slot) = asset.packed_slot(index) else { return };
    match pack(shelf, path, asset, index) {
        Ok(packed) => slot.fill(packed),
        Err(PackError::NotMeant) => {}
        Err(PackError::Write(error)) => shelf.tell_unwritable(&error),
        Err(error) => tracing::info!(path = path.as_str(), %error, "sound is not packed"),
    }
}

/// The bytes of the index of `asset`, which was parsed.
pub(super) async fn bytes_of(asset: &Asset) -> Result<Vec<u8>, RefreshError> {
    let digest = digest(asset.blob.as_ref(), asset.read_ranges(), Priority::Background).await;
    let digest = digest.map_err(OpenError::from)?;
    let bytes = contents(asset, asset.read_ranges(), digest);
    // Looked at last: what was hashed is what was parsed.
    if !asset.blob.is_unchanged() {
        return Err(RefreshError::Changed);
    }
    bytes.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported).into())
}

/// Writes the index of `asset` at `path` and reads it back.
pub(super) fn put(
    shelf: &Shelf,
    path: &AssetPath,
    bytes: &[u8],
    asset: &Asset,
) -> Result<Asset, RefreshError> {
    shelf.put(path, Companion::Index, bytes)?;
    let blob = Arc::clone(&asset.blob);
    match shelf.find(path, asset.policy, blob.as_ref()) {
        Ok(Some(stored)) => {
            let mut mapped = Asset::of_stored(blob, stored);
            mapped.packing.clone_from(&asset.packing);
            Ok(mapped)
        }
        // Somebody removed it at once.
        Ok(None) => Err(io::Error::from(io::ErrorKind::NotFound).into()),
        Err(fault) => {
            shelf.folders.remove(path, Companion::Index);
            Err(fault.into())
        }
    }
}
