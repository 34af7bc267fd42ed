//! Assets that are open: found by path, opened once, bounded in memory and in number.
//!
//! ```text
//!  path ─stamp─▶ known (path → stamp, revision | refusal) ─▶ editions (path, revision → open Asset)
//!                  │ unknown, or another stamp
//!                  └─▶ flights: one opening for all ─▶ both
//! ```
//!
//! What is refused is remembered as well, for as long as its stamp stays; a failure to read is never
//! remembered. An edition that was replaced stays served from the open file until it falls out of the
//! cache. Invariant: only `editions` holds assets, so its bounds are the bounds.

mod flights;

use std::sync::Arc;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use rillcast_media::plan::Policy;
use rillcast_media::revision::Revision;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use self::flights::Flights;
use super::asset::{Asset, OpenError, Refusal};
use crate::asset_path::AssetPath;
use crate::blob::{BlobError, BlobStore, Stamp};
use crate::index::{Indexes, Kind};

/// Assets that are being opened at the same time; more wait. Each takes a file and some MiB.
const MAX_OPENINGS: usize = 32;
/// Paths that are remembered for each asset that may be open: refused files are among them.
const KNOWN_PER_ASSET: u64 = 4;
/// How often a request opens a file that is replaced every time, before it takes what it got.
const MAX_ATTEMPTS: u32 = 2;
/// The weight of an asset that takes no more memory than is meant for one.
const SHARE: u64 = 1024;

/// Limits on what is kept open.
#[derive(Debug, Clone, Copy)]
pub struct AssetLimits {
    /// Memory of all open assets together, in bytes.
    pub memory_bytes: u64,
    /// Open assets, and so open files.
    pub count: u64,
    /// How long an asset that nobody asks for stays open.
    pub idle: Duration,
    /// How long a change of a file may go unnoticed: its playlists are given again for this time without a look at it.
    pub notice: Duration,
}

impl Default for AssetLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            count: 4096,
            idle: Duration::from_secs(600),
            notice: Duration::from_secs(1),
        }
    }
}

impl AssetLimits {
    /// The weight of an asset of `memory_bytes`, so that [`count`](Self::count) shares are all there is.
    fn weight(&self, memory_bytes: usize) -> u32 {
        let all = u128::from(self.count.saturating_mul(SHARE));
        let part = (memory_bytes as u128 * all).div_ceil(u128::from(self.memory_bytes.max(1)));
        u32::try_from(part.max(u128::from(SHARE))).unwrap_or(u32::MAX)
    }
}

/// The open assets of a store.
pub struct Assets {
    open: Arc<Open>,
    flights: Arc<Flights>,
}

/// What is open, shared with the tasks that open more.
struct Open {
    store: Arc<dyn BlobStore>,
    policy: Policy,
    known: Cache<AssetPath, Known>,
    editions: Cache<(AssetPath, Revision), Arc<Asset>>,
    openings: Semaphore,
    indexes: Indexes,
}

/// What a path was found to be, and of which content.
#[derive(Clone)]
struct Known {
    stamp: Stamp,
    outcome: Result<Revision, Arc<Refusal>>,
}

/// What opening a path came to, and of which content.
#[derive(Clone)]
struct Opened {
    stamp: Stamp,
    outcome: Result<Arc<Asset>, Arc<Refusal>>,
}

/// Why an asset is not served.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AssetError {
    /// The store could not give it.
    #[error(transparent)]
    Blob(Arc<BlobError>),
    /// Its bytes are refused.
    #[error(transparent)]
    Refused(Arc<Refusal>),
    /// The path has other content now.
    #[error("this edition of the asset is gone")]
    Gone,
}

impl From<BlobError> for AssetError {
    fn from(error: BlobError) -> Self {
        Self::Blob(Arc::new(error))
    }
}

impl Assets {
    /// Assets of `store` with `indexes`, cut by `policy`, opened on `background`.
    pub fn new(
        store: Arc<dyn BlobStore>,
        indexes: Indexes,
        background: Handle,
        policy: Policy,
        limits: AssetLimits,
    ) -> Self {
        // Least recently used goes first: what was just opened is what a viewer is about to ask for.
        let editions = Cache::builder()
            .max_capacity(limits.count.saturating_mul(SHARE))
            .weigher(move |_: &(AssetPath, Revision), asset: &Arc<Asset>| limits.weight(asset.memory_bytes()))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(limits.idle)
            .build();
        let known = Cache::builder()
            .max_capacity(limits.count.saturating_mul(KNOWN_PER_ASSET))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(limits.idle)
            .build();
        let openings = Semaphore::new(MAX_OPENINGS);
        let open = Arc::new(Open { store, policy, known, editions, openings, indexes });
        Self { open, flights: Flights::new(background) }
    }

    /// The store behind.
    pub fn store(&self) -> &dyn BlobStore {
        self.open.store.as_ref()
    }

    /// The asset at `path` as it is now.
    ///
    /// Cost: a look at the file's stamp when it is open, else reading its index.
    ///
    /// # Errors
    /// [`AssetError`].
    pub async fn current(&self, path: &AssetPath) -> Result<Arc<Asset>, AssetError> {
        let mut attempts = 0;
        loop {
            let stamp = self.open.store.stamp(path).await?;
            if let Some(outcome) = self.open.remembered(path, stamp) {
                return outcome.map_err(AssetError::Refused);
            }
            let opening = Arc::clone(&self.open).opening(path.clone());
            let opened = self.flights.join(path, opening).await?;
            attempts += 1;
            // Another stamp: we joined an opening that began before the file was replaced, or it was
            // replaced since we looked.
            if opened.stamp == stamp || attempts == MAX_ATTEMPTS {
                return opened.outcome.map_err(AssetError::Refused);
            }
        }
    }

    /// The edition `revision` of the asset at `path`.
    ///
    /// # Errors
    /// [`AssetError::Gone`] when the path has other content now and the edition is no longer open.
    pub async fn edition(&self, path: &AssetPath, revision: Revision) -> Result<Arc<Asset>, AssetError> {
        let key = (path.clone(), revision);
        if let Some(asset) = self.open.editions.get(&key) {
            if asset.blob.is_unchanged() && !asset.is_damaged() {
                return Ok(asset);
            }
            // Written in place: these bytes are nobody's any more.
            let what = if asset.is_damaged() { "its index was damaged" } else { "it changed in place" };
            tracing::warn!(path = path.as_str(), what, "an asset is opened anew");
            self.open.editions.invalidate(&key);
        }
        let asset = self.current(path).await?;
        if asset.revision == revision { Ok(asset) } else { Err(AssetError::Gone) }
    }

    /// Has the text of `kind` of rendition `index` written away from the caller's thread, if it is long.
    pub(crate) async fn write_ahead(&self, asset: &Arc<Asset>, kind: Kind, index: usize) {
        if asset.is_long_to_write(kind, index) {
            let asset = Arc::clone(asset);
            let written = self.flights.background().spawn(async move { drop(asset.text(kind, index)) });
            if let Err(error) = written.await {
                tracing::error!(%error, "writing a playlist died: this is a bug");
            }
        }
    }
}

impl Open {
    /// What `path` with `stamp` is known to be.
    fn remembered(&self, path: &AssetPath, stamp: Stamp) -> Option<Result<Arc<Asset>, Arc<Refusal>>> {
        let known = self.known.get(path).filter(|known| known.stamp == stamp)?;
        match known.outcome {
            Err(refusal) => Some(Err(refusal)),
            Ok(revision) => {
                let asset = self.editions.get(&(path.clone(), revision))?;
                // The same revision may be open from a file that is no longer there.
                (asset.blob.stamp() == stamp && !asset.is_damaged()).then_some(Ok(asset))
            }
        }
    }

    /// Opens `path` and remembers what came of it.
    async fn opening(self: Arc<Self>, path: AssetPath) -> Result<Opened, AssetError> {
        let _permit = self.openings.acquire().await;
        // An opening may have landed between the look of who asks and this one.
        let stamp = self.store.stamp(&path).await?;
        if let Some(outcome) = self.remembered(&path, stamp) {
            return Ok(Opened { stamp, outcome });
        }
        let blob = self.store.open(&path).await?;
        let stamp = blob.stamp();
        let outcome = match self.indexes.open(&path, blob, self.policy).await {
            Ok(asset) => Ok(Arc::new(asset)),
            Err(OpenError::Refused(refusal)) => {
                tracing::warn!(path = path.as_str(), reason = %refusal, "an asset was refused");
                Err(Arc::new(refusal))
            }
            Err(OpenError::Blob(error)) => return Err(error.into()),
        };
        if let Ok(asset) = &outcome {
            self.editions.insert((path.clone(), asset.revision), Arc::clone(asset));
            self.keep_index(&path, asset);
        }
        let known =
            Known { stamp, outcome: outcome.as_ref().map(|asset| asset.revision).map_err(Arc::clone) };
        self.known.insert(path, known);
        Ok(Opened { stamp, outcome })
    }

    /// Has the index of `asset` written, and puts one that uses it in its place, which takes less memory.
    fn keep_index(&self, path: &AssetPath, asset: &Arc<Asset>) {
        let (editions, key, parsed) =
            (self.editions.clone(), (path.clone(), asset.revision), Arc::downgrade(asset));
        self.indexes.keep(path, asset, move |mapped| {
            let is_parsed = |open: &Arc<Asset>| std::ptr::eq(Arc::as_ptr(open), parsed.as_ptr());
            if mapped.revision == key.1 && editions.get(&key).is_some_and(|open| is_parsed(&open)) {
                editions.insert(key, Arc::new(mapped));
            }
        });
    }
}

#[cfg(test)]
mod tests;
