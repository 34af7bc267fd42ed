//! The word that the server is to end, from its owner to every connection of a core.

use std::time::Instant;

use tokio::sync::watch;

/// Gives the word. Dropping it cuts everything at once.
#[derive(Debug)]
pub(super) struct DrainSignal(watch::Sender<Option<Instant>>);

/// Hears the word.
#[derive(Debug, Clone)]
pub(super) struct DrainWatch(watch::Receiver<Option<Instant>>);

impl DrainSignal {
    pub(super) fn new() -> (Self, DrainWatch) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), DrainWatch(receiver))
    }

    /// What is under way may finish until `until`.
    pub(super) fn begin(&self, until: Instant) {
        self.0.send_replace(Some(until));
    }
}

impl DrainWatch {
    /// Waits for the word: when the drain ends, or `None` when everything is to be cut now. May be dropped and called
    /// again.
    pub(super) async fn begun(&mut self) -> Option<Instant> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|until| *until)
    }

    /// Whether the word was given.
    pub(super) fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }
}
