//! The keys that tokens are checked with, from wherever they come.
//!
//! ```text
//!  key file, looked at again ─┐
//!  key set at a URL ──────────┼─▶ Keyring ─ all together ─▶ Grants
//!  orders ────────────────────┘
//! ```
//!
//! Of two keys by one id the one from the file counts: an operator's own word before that of others. A source that fails
//! changes nothing.

pub(crate) mod jwks;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use parking_lot::Mutex;
use rillcast_edge::admission::authorize::KeysAwaited;
use rillcast_token::{Algorithm, GrantLimits, Grants, HashKey, KeyFile, KeyRecord, KeySet};
use tokio::time::MissedTickBehavior;

use crate::keys;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where keys come from; of two keys by one id that of the earlier source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// The operator's file, or a key of our own.
    File,
    /// The key set of an issuer.
    Jwks,
    /// Orders of a control plane.
    Orders,
}

/// Keys of all sources; [`Grants`] gets them together whenever those of one change.
pub(crate) struct Keyring {
    grants: Arc<Grants>,
    known: Mutex<[KeySet; 3]>,
    awaited: KeysAwaited,
}

impl Keyring {
    /// The keys of `file`; a key of our own without.
    ///
    /// # Errors
    /// When the file cannot be read or holds no keys, or no key can be made.
    pub(crate) fn new(file: Option<&Path>, now: SystemTime) -> anyhow::Result<Self> {
        let keys = match file {
            Some(file) => read(file)?,
            None => {
                let mut own = KeyFile::default();
                own.add(Algorithm::EdDSA, None, now).context("cannot make a key for tokens")?;
                own.key_set().context("cannot make a key for tokens")?
            }
        };
        let grants = Arc::new(Grants::new(&GrantLimits::default(), HashKey::random(), keys.clone()));
        let known = Mutex::new([keys, KeySet::default(), KeySet::default()]);
        Ok(Self { grants, known, awaited: KeysAwaited::default() })
    }

    /// What judges tokens by these keys.
    pub(crate) fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// Whether the key set of an issuer is still to come.
    pub(crate) fn awaited(&self) -> &KeysAwaited {
        &self.awaited
    }

    /// These are the keys of `source` from now on.
    pub(crate) fn set(&self, source: KeySource, keys: KeySet) {
        let mut known = self.known.lock();
        let [file, jwks, orders] = &mut *known;
        *match source {
            KeySource::File => file,
            KeySource::Jwks => jwks,
            KeySource::Orders => orders,
        } = keys;
        self.grants.set_keys(together(&*known));
        if source == KeySource::Jwks {
            self.awaited.end();
        }
    }
}

/// All keys of `sets`, those of the earlier ones first.
fn together(sets: &[KeySet]) -> KeySet {
    let mut all = KeySet::default();
    for record in sets.iter().flat_map(KeySet::records) {
        let with = KeySet::new([KeyRecord::clone(record)]).and_then(|one| all.merged(&one));
        match with {
            Ok(with) => all = with,
            Err(error) => tracing::error!(kid = record.kid(), %error, "a key is left out"),
        }
    }
    all
}

fn read(file: &Path) -> anyhow::Result<KeySet> {
    keys::read_keys(file).context("cannot use the keys of edge.tokens.keys")
}

/// Gives `keyring` the keys of `file` whenever it changes, for ever. A file that cannot be used changes nothing.
pub(crate) async fn follow(file: PathBuf, keyring: Arc<Keyring>) {
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
                keyring.set(KeySource::File, keys);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(environment: Option<&str>) -> KeySet {
        let mut file = KeyFile::default();
        file.add(Algorithm::HS256, environment, SystemTime::UNIX_EPOCH).expect("a key");
        file.key_set().expect("a set")
    }

    #[test]
    fn keys_of_all_sources_are_trusted_together_and_each_source_changes_its_own() {
        let keyring = Keyring::new(None, SystemTime::UNIX_EPOCH).expect("a key of our own");
        let own = keyring.grants().keys();
        let has = |keys: &KeySet| {
            let trusted = keyring.grants().keys();
            keys.records().all(|record| trusted.knows(record.kid()))
        };
        let [first, second] = [key(None), key(Some("acme"))];
        keyring.set(KeySource::Orders, first.clone());
        assert!(has(&own) && has(&first) && !has(&second));
        keyring.set(KeySource::Orders, second.clone());
        assert!(has(&own) && !has(&first) && has(&second));
        keyring.set(KeySource::File, first.clone());
        assert!(!has(&own) && has(&first) && has(&second));
    }

    #[test]
    fn of_two_keys_by_one_id_the_files_counts_and_the_rest_is_taken() {
        let json = |kid: &str, fill: &str| {
            let secret = fill.repeat(43);
            format!(r#"{{"kid":"{kid}","algorithm":"HS256","state":"active","secret":"{secret}"}}"#)
        };
        let file = |keys: &[String]| {
            let json = format!(r#"{{"version":1,"keys":[{}]}}"#, keys.join(","));
            KeyFile::from_json(json.as_bytes()).expect("a file").key_set().expect("a set")
        };
        let (ours, theirs) = (file(&[json("k", "A")]), file(&[json("k", "E"), json("l", "E")]));
        let all = together(&[ours.clone(), theirs]);
        assert!(all.len() == 2 && all.knows("l"));
        assert!(all.merged(&ours).is_ok_and(|same| same.len() == 2), "the one of the file");
    }
}
