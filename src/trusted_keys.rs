//! The keys that tokens are checked with: read from a file, and again when it changes.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rillcast_token::limits::KEY_SET_BYTES_MAX;
use rillcast_token::{Algorithm, GrantLimits, Grants, HashKey, KeyFile, KeySet};
use tokio::time::MissedTickBehavior;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What judges tokens, with the keys of `file`; with a key of our own without.
///
/// # Errors
/// When the file cannot be read or holds no keys, or no key can be made.
pub(crate) fn grants(file: Option<&Path>, now: SystemTime) -> anyhow::Result<Arc<Grants>> {
    let keys = match file {
        Some(file) => read(file)?,
        None => {
            let mut own = KeyFile::default();
            own.add(Algorithm::EdDSA, None, now).context("cannot make a key for tokens")?;
            own.key_set().context("cannot make a key for tokens")?
        }
    };
    Ok(Arc::new(Grants::new(&GrantLimits::default(), HashKey::random(), keys)))
}

/// Reads a key file, or a JWKS.
fn read(file: &Path) -> anyhow::Result<KeySet> {
    let context = || {
        format!(
            "cannot use the keys in `{}` (edge.tokens.keys): `rillcast keys new --file` makes such a file",
            file.display()
        )
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(KEY_SET_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(file).and_then(|open| open.take(limit).read_to_end(&mut bytes)).with_context(context)?;
    match KeyFile::from_json(&bytes) {
        Ok(keys) => keys.key_set().with_context(context),
        Err(error) => KeySet::from_jwks(&bytes, None).map_err(|_| error).with_context(context),
    }
}

/// Gives `grants` the keys of `file` whenever it changes, for ever. A file that cannot be used changes nothing.
pub(crate) async fn follow(file: PathBuf, grants: Arc<Grants>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = stamp(&file).await;
    loop {
        ticks.tick().await;
        let now = stamp(&file).await;
        if now == seen {
            continue;
        }
        seen = now;
        let reading = file.clone();
        match tokio::task::spawn_blocking(move || read(&reading)).await {
            Ok(Ok(keys)) => {
                tracing::info!(file = %file.display(), keys = keys.len(), "new keys for tokens are in use");
                grants.set_keys(keys);
            }
            Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "the old keys for tokens stay"),
            Err(error) => tracing::error!(%error, "reading the keys died"),
        }
    }
}

/// What changes when the file does.
async fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(file).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
