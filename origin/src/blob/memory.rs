//! Blobs in memory: for tests, and for what is made on the fly.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use rillcast_http::BodySource;

use super::{Availability, Blob, BlobError, BlobStore, Listed, Listing, MAX_LISTED, Priority, Stamp};
use crate::asset_path::AssetPath;

/// A store of blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    blobs: RwLock<BTreeMap<AssetPath, MemoryBlob>>,
    generation: AtomicU64,
    opens: AtomicU64,
}

#[derive(Debug, Clone)]
struct MemoryBlob {
    bytes: Bytes,
    generation: u64,
}

impl MemoryStore {
    /// Puts `bytes` at `path`, in place of what was there.
    pub fn put(&self, path: AssetPath, bytes: Bytes) {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        let mut blobs = self.blobs.write().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(path, MemoryBlob { bytes, generation });
    }

    /// How often a blob was opened.
    pub fn opens(&self) -> u64 {
        self.opens.load(Ordering::Relaxed)
    }

    fn find(&self, path: &AssetPath) -> Result<MemoryBlob, BlobError> {
        let blobs = self.blobs.read().unwrap_or_else(PoisonError::into_inner);
        blobs.get(path).cloned().ok_or(BlobError::NotFound)
    }
}

impl BlobStore for MemoryStore {
    fn open<'a>(&'a self, path: &'a AssetPath) -> BoxFuture<'a, Result<Arc<dyn Blob>, BlobError>> {
        self.opens.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(self.find(path).map(|blob| Arc::new(blob) as Arc<dyn Blob>)))
    }

    fn stamp<'a>(&'a self, path: &'a AssetPath) -> BoxFuture<'a, Result<Stamp, BlobError>> {
        Box::pin(ready(self.find(path).map(|blob| blob.stamp())))
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing, BlobError>> {
        let blobs = self.blobs.read().unwrap_or_else(PoisonError::into_inner);
        let listed = blobs.iter().take(MAX_LISTED).map(|(path, blob)| Listed {
            path: path.clone(),
            size_bytes: blob.bytes.len() as u64,
            modified: None,
        });
        let truncated = blobs.len() > MAX_LISTED;
        let listing = Listing { blobs: listed.collect(), truncated, ..Listing::default() };
        Box::pin(ready(Ok(listing)))
    }
}

impl Blob for MemoryBlob {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn stamp(&self) -> Stamp {
        Stamp([self.generation, self.bytes.len() as u64, 0, 0, 0])
    }

    fn is_unchanged(&self) -> bool {
        true
    }

    fn availability(&self, range: Range<u64>) -> Availability {
        if range.end <= self.len() { Availability::Ready } else { Availability::Gone }
    }

    fn read(&self, range: Range<u64>, _priority: Priority) -> BoxFuture<'_, Result<Bytes, BlobError>> {
        Box::pin(ready(self.slice(range.start, range.end.saturating_sub(range.start))))
    }

    fn body(&self, offset: u64, len: u64) -> Result<BodySource, BlobError> {
        self.slice(offset, len).map(BodySource::Mem)
    }
}

impl MemoryBlob {
    fn slice(&self, offset: u64, len: u64) -> Result<Bytes, BlobError> {
        let outside = BlobError::Outside { offset, len, blob_len: self.len() };
        let start = usize::try_from(offset).ok();
        let end = offset
            .checked_add(len)
            .filter(|end| *end <= self.len())
            .and_then(|end| usize::try_from(end).ok());
        let (Some(start), Some(end)) = (start, end) else { return Err(outside) };
        Ok(self.bytes.slice(start..end))
    }
}
