//! How many files the process may have open: as many as it is allowed to, and a word where that may be too few.
//!
//! The limit that a shell hands on is often 1024 (`setrlimit(2)`: the soft one), far less than connections and
//! open assets take; a process may raise it up to the hard one by itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors besides connections and assets: listeners, runtimes, logs, files that are being opened.
const OTHERS: u64 = 256;

/// Raises the limit, and says so when it does not do for `connections` and `assets`.
pub(crate) fn raise(connections: u64, assets: u64) {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    // None is no limit.
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // An asset has its source open, and the packed sound of a track or two while somebody listens.
    let wanted = connections.saturating_add(assets.saturating_mul(2)).saturating_add(OTHERS);
    if allowed < wanted {
        tracing::info!(
            allowed,
            wanted,
            "fewer open files are allowed than http.limits.connections and origin.open_assets may take: \
             raise the hard limit (LimitNOFILE in systemd) or lower them"
        );
    }
}
