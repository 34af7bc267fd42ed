//! One opening of a path for all who ask at the same time.
//!
//! The opening is a task of its own on the background runtime: who waits for it may leave, and the
//! others still get what it came to. Nothing is remembered here; an opening that has landed is gone.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;

use super::{AssetError, Opened};
use crate::asset_path::AssetPath;
use crate::blob::BlobError;

/// What all who wait for one opening share.
type Flight = Shared<BoxFuture<'static, Result<Opened, AssetError>>>;

/// The openings under way.
pub(super) struct Flights {
    background: Handle,
    by_path: Mutex<HashMap<AssetPath, Flight>>,
}

impl Flights {
    pub(super) fn new(background: Handle) -> Arc<Self> {
        Arc::new(Self { background, by_path: Mutex::default() })
    }

    /// Where work is done that would hold a core up.
    pub(super) fn background(&self) -> &Handle {
        &self.background
    }

    /// Waits for the opening of `path` that is under way, or else for `opening`.
    pub(super) async fn join<F>(self: &Arc<Self>, path: &AssetPath, opening: F) -> Result<Opened, AssetError>
    where
        F: Future<Output = Result<Opened, AssetError>> + Send + 'static,
    {
        let flight = self.lock().entry(path.clone()).or_insert_with(|| self.flight(path, opening)).clone();
        flight.await
    }

    /// A flight whose task starts when the first who waits asks for it.
    fn flight<F>(self: &Arc<Self>, path: &AssetPath, opening: F) -> Flight
    where
        F: Future<Output = Result<Opened, AssetError>> + Send + 'static,
    {
        let background = self.background.clone();
        let landing = Landing { flights: Arc::clone(self), path: path.clone() };
        let flight = async move {
            let task = background.spawn(async move {
                let _landing = landing;
                opening.await
            });
            task.await.unwrap_or_else(|error| Err(BlobError::Io(io::Error::other(error)).into()))
        };
        flight.boxed().shared()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AssetPath, Flight>> {
        self.by_path.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a flight off the list when its task ends, also by a panic.
struct Landing {
    flights: Arc<Flights>,
    path: AssetPath,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let landed = self.flights.lock().remove(&self.path);
        // Not under the lock: it may be the last to hold the asset.
        drop(landed);
    }
}
