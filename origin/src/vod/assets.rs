//! Assets that are open: found by path, opened once, bounded in memory.
//!
//! One entry a path, the one of the latest content seen. Opening is a task of its own on the
//! background runtime: many viewers wait for one task, and a viewer who leaves ends nothing. What is
//! refused is remembered as well, for as long as its stamp stays; a failure to read is never remembered.
//! An edition that was replaced stays served from the open file until it falls out of the cache.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use moka::future::Cache;
use rillcast_media::plan::Policy;
use rillcast_media::revision::Revision;
use tokio::runtime::Handle;

use super::asset::{Asset, OpenError, Refusal};
use crate::asset_path::AssetPath;
use crate::blob::{BlobError, BlobStore, Stamp};

/// Limits on what is kept open.
#[derive(Debug, Clone, Copy)]
pub struct AssetLimits {
    /// Memory of all open assets together, in bytes.
    pub memory_bytes: u64,
    /// Open assets, and so open files.
    pub count: u64,
    /// How long an asset that nobody asks for stays open.
    pub idle: Duration,
}

impl Default for AssetLimits {
    fn default() -> Self {
        Self { memory_bytes: 256 << 20, count: 4096, idle: Duration::from_secs(600) }
    }
}

/// The open assets of a store.
pub struct Assets {
    store: Arc<dyn BlobStore>,
    background: Handle,
    policy: Policy,
    current: Cache<AssetPath, Opened>,
    editions: Cache<(AssetPath, Revision), Arc<Asset>>,
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
    /// Assets of `store`, cut by `policy`, opened on `background`.
    pub fn new(store: Arc<dyn BlobStore>, background: Handle, policy: Policy, limits: AssetLimits) -> Self {
        // Both caches hold the same assets; each gets half of the count, and weighs in KiB.
        let weigher = |asset: &Asset| u32::try_from(asset.memory_bytes() / 1024 + 1).unwrap_or(u32::MAX);
        let per_asset_kib = (limits.memory_bytes / 1024 / limits.count.max(1)).max(1);
        let least = u32::try_from(per_asset_kib).unwrap_or(u32::MAX);
        let current = Cache::builder()
            .max_capacity(limits.memory_bytes / 1024)
            .weigher(move |_: &AssetPath, opened: &Opened| match &opened.outcome {
                Ok(asset) => weigher(asset).max(least),
                Err(_) => least,
            })
            .time_to_idle(limits.idle)
            .build();
        let editions = Cache::builder()
            .max_capacity(limits.memory_bytes / 1024)
            .weigher(move |_: &(AssetPath, Revision), asset: &Arc<Asset>| weigher(asset).max(least))
            .time_to_idle(limits.idle)
            .build();
        Self { store, background, policy, current, editions }
    }

    /// The store behind.
    pub fn store(&self) -> &dyn BlobStore {
        self.store.as_ref()
    }

    /// The asset at `path` as it is now.
    ///
    /// Cost: a look at the file's stamp when it is open, else reading its index.
    ///
    /// # Errors
    /// [`AssetError`].
    pub async fn current(&self, path: &AssetPath) -> Result<Arc<Asset>, AssetError> {
        let stamp = self.store.stamp(path).await?;
        if let Some(opened) = self.current.get(path).await {
            if opened.stamp == stamp {
                return opened.outcome.map_err(AssetError::Refused);
            }
            self.current.invalidate(path).await;
        }
        self.opened(path).await?.outcome.map_err(AssetError::Refused)
    }

    /// The edition `revision` of the asset at `path`.
    ///
    /// # Errors
    /// [`AssetError::Gone`] when the path has other content now and the edition is no longer open.
    pub async fn edition(&self, path: &AssetPath, revision: Revision) -> Result<Arc<Asset>, AssetError> {
        let key = (path.clone(), revision);
        if let Some(asset) = self.editions.get(&key).await {
            if asset.blob.is_unchanged() {
                return Ok(asset);
            }
            // Written in place: these bytes are nobody's any more.
            tracing::warn!(path = path.as_str(), "an asset changed in place while it was open");
            self.editions.invalidate(&key).await;
        }
        let asset = self.current(path).await?;
        if asset.revision == revision { Ok(asset) } else { Err(AssetError::Gone) }
    }

    /// Opens `path` once for all who ask at the same time.
    async fn opened(&self, path: &AssetPath) -> Result<Opened, AssetError> {
        let opening = self.opening(path.clone());
        let opened = self.current.try_get_with_by_ref(path, opening).await;
        let opened = opened.map_err(|error: Arc<AssetError>| AssetError::clone(&error))?;
        if let Ok(asset) = &opened.outcome {
            self.editions.insert((path.clone(), asset.revision), Arc::clone(asset)).await;
        }
        Ok(opened)
    }

    /// The task that opens `path`; it goes on when who waits for it leaves.
    fn opening(&self, path: AssetPath) -> BoxFuture<'static, Result<Opened, AssetError>> {
        let (store, policy) = (Arc::clone(&self.store), self.policy);
        let background = self.background.clone();
        Box::pin(async move {
            let task = background.spawn(async move {
                let blob = store.open(&path).await?;
                let stamp = blob.stamp();
                let outcome = match Asset::open(blob, policy).await {
                    Ok(asset) => Ok(Arc::new(asset)),
                    Err(OpenError::Refused(refusal)) => {
                        tracing::warn!(path = path.as_str(), reason = %refusal, "an asset was refused");
                        Err(Arc::new(refusal))
                    }
                    Err(OpenError::Blob(error)) => return Err(AssetError::from(error)),
                };
                Ok(Opened { stamp, outcome })
            });
            let lost = |error| AssetError::from(BlobError::Io(std::io::Error::other(error)));
            task.await.unwrap_or_else(|error| Err(lost(error)))
        })
    }
}

#[cfg(test)]
mod tests;
