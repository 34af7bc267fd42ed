//! A store that can be held, fails when told to, and counts what is open.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};

use futures_util::future::BoxFuture;
use rillcast_http::BodySource;
use tokio::sync::{Semaphore, watch};

use super::*;
use crate::blob::{Availability, Blob, Listing, Priority};

/// What the test sees and turns.
pub(super) struct Double {
    contents: Mutex<HashMap<AssetPath, Content>>,
    /// Openings that have begun.
    pub(super) begun: watch::Sender<u32>,
    /// Each opening takes one of these before it goes on.
    pub(super) gate: Semaphore,
    /// Openings, and then reads, that are still to fail.
    pub(super) failing_opens: AtomicU32,
    pub(super) failing_reads: AtomicU32,
    /// Blobs open now.
    pub(super) open_now: AtomicUsize,
    /// Whether the next opening panics.
    pub(super) panics: AtomicBool,
}

#[derive(Clone)]
struct Content {
    bytes: Bytes,
    stamp: Stamp,
    changed: Arc<AtomicBool>,
}

struct Counted {
    store: Arc<Double>,
    content: Content,
}

impl Double {
    /// A store whose gate stands open.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            contents: Mutex::default(),
            begun: watch::Sender::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            failing_opens: AtomicU32::new(0),
            failing_reads: AtomicU32::new(0),
            open_now: AtomicUsize::new(0),
            panics: AtomicBool::new(false),
        })
    }

    /// A store whose gate is shut: openings wait for permits.
    pub(super) fn held() -> Arc<Self> {
        let store = Self::new();
        store.gate.forget_permits(Semaphore::MAX_PERMITS);
        store
    }

    pub(super) fn put(&self, path: &str, version: u64, bytes: Bytes) {
        let content = Content { bytes, stamp: Stamp([version; 5]), changed: Arc::default() };
        self.contents.lock().unwrap().insert(asset_path(path), content);
    }

    /// What an open blob of `path` says from now on when it is asked whether it is unchanged.
    pub(super) fn change_in_place(&self, path: &str) {
        self.contents.lock().unwrap()[&asset_path(path)].changed.store(true, SeqCst);
    }

    /// Waits until `count` openings have begun.
    pub(super) async fn wait_for_begun(&self, count: u32) {
        self.begun.subscribe().wait_for(|begun| *begun >= count).await.expect("the sender lives");
    }

    pub(super) fn opens(&self) -> u32 {
        *self.begun.borrow()
    }

    fn find(&self, path: &AssetPath) -> Result<Content, BlobError> {
        self.contents.lock().unwrap().get(path).cloned().ok_or(BlobError::NotFound)
    }
}

/// Takes one from `counter` while there is one.
fn take(counter: &AtomicU32) -> bool {
    counter.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn broken() -> BlobError {
    BlobError::Io(io::Error::other("the disk is broken"))
}

/// The store as [`Assets`] takes it.
pub(super) struct Shared(pub(super) Arc<Double>);

impl BlobStore for Shared {
    fn open<'a>(&'a self, path: &'a AssetPath) -> BoxFuture<'a, Result<Arc<dyn Blob>, BlobError>> {
        Box::pin(async move {
            let store = Arc::clone(&self.0);
            let content = store.find(path)?;
            store.begun.send_modify(|begun| *begun += 1);
            assert!(!store.panics.swap(false, SeqCst), "told to panic");
            store.gate.acquire().await.expect("the gate is never closed").forget();
            if take(&store.failing_opens) {
                return Err(broken());
            }
            store.open_now.fetch_add(1, SeqCst);
            Ok(Arc::new(Counted { store, content }) as Arc<dyn Blob>)
        })
    }

    fn stamp<'a>(&'a self, path: &'a AssetPath) -> BoxFuture<'a, Result<Stamp, BlobError>> {
        Box::pin(async move { self.0.find(path).map(|content| content.stamp) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing, BlobError>> {
        Box::pin(async { Ok(Listing::default()) })
    }
}

impl Blob for Counted {
    fn len(&self) -> u64 {
        self.content.bytes.len() as u64
    }

    fn stamp(&self) -> Stamp {
        self.content.stamp
    }

    fn is_unchanged(&self) -> bool {
        !self.content.changed.load(SeqCst)
    }

    fn availability(&self, _range: Range<u64>) -> Availability {
        Availability::Ready
    }

    fn read(&self, range: Range<u64>, _priority: Priority) -> BoxFuture<'_, Result<Bytes, BlobError>> {
        Box::pin(async move {
            if take(&self.store.failing_reads) {
                return Err(broken());
            }
            let at = |offset| usize::try_from(offset).expect("small");
            Ok(self.content.bytes.slice(at(range.start)..at(range.end)))
        })
    }

    fn body(&self, offset: u64, len: u64) -> Result<BodySource, BlobError> {
        Err(BlobError::Outside { offset, len, blob_len: self.len() })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.store.open_now.fetch_sub(1, SeqCst);
    }
}
