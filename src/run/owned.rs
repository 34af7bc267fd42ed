//! What runs beside the roles, each with an owner.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a task that is told to stop may take to put things on the disk.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A task that ends with its owner.
pub(super) struct Owned(JoinHandle<()>);

impl Owned {
    #[expect(clippy::disallowed_methods, reason = "the composition root owns what runs beside the roles")]
    pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::task::spawn(task))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A task that has something to finish when it is told to stop; it ends with its owner in any case.
pub(super) struct Stoppable {
    name: &'static str,
    stop: oneshot::Sender<()>,
    task: Owned,
}

impl Stoppable {
    /// Spawns what `task` makes of the word to stop.
    pub(super) fn spawn<T: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        task: impl FnOnce(Stop) -> T,
    ) -> Self {
        let (stop, told) = oneshot::channel();
        Self { name, stop, task: Owned::spawn(task(Box::pin(async { drop(told.await) }))) }
    }

    /// Tells it to stop, and waits until it has, [`STOP_PATIENCE`] at the most.
    pub(super) async fn stop(self) {
        let Self { name, stop, mut task } = self;
        // One that has ended by itself hears nothing.
        let _ = stop.send(());
        if tokio::time::timeout(STOP_PATIENCE, &mut task.0).await.is_err() {
            tracing::warn!(task = name, "it did not finish in time");
        }
    }
}

/// The word to stop.
pub(super) type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
