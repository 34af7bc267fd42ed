//! How long a test waits for something before it is stuck.

use std::time::{Duration, Instant};

/// After this a test is stuck; far longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again until `is_done`, or fails when patience is over.
#[expect(clippy::disallowed_methods, reason = "a deadline needs a clock")]
pub(crate) fn wait_until(what: &str, mut is_done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}
