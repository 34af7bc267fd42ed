//! Where effects of orders wait until they are done, off the task that hears orders.
//!
//! State (keys, revocations, limits) is kept as it is to be, so that a thousand orders at once are done as one. Purges
//! wait in their sequence; where more than [`FORGETS_MAX`] wait, one of everything takes their place.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use rillcast_edge::cache::purge::{Hardness, Meant};
use rillcast_edge::control::orders::ledger::Effect;
use rillcast_edge::control::orders::order::{KeyRecord, Purge, Purged};
use rillcast_edge::control::orders::ordered_limits::OrderedLimits;
use rillcast_edge::control::orders::revocations::{REVOCATIONS_MAX, Revocations};
use rillcast_edge::far::FarEdge;
use rillcast_token::{Grants, KeySet};
use tokio::sync::Notify;

use super::meaning;
use crate::front::Front;
use crate::run;
use crate::trusted_keys::{KeySource, Keyring};

/// Purges that wait.
const FORGETS_MAX: usize = 1024;

/// Effects that are to be done.
pub(crate) struct Desk {
    keyring: Arc<Keyring>,
    grants: Arc<Grants>,
    limits: OrderedLimits,
    waiting: Mutex<Waiting>,
    came: Notify,
}

struct Waiting {
    keys: Option<Vec<KeyRecord>>,
    /// As many as the ledger keeps, so that both know the same.
    revocations: Revocations,
    has_new_revocations: bool,
    forgets: VecDeque<Forget>,
}

/// What is to be done with what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Forget {
    /// What an order names.
    Named(Purge),
    /// All of it may have been named by orders that were missed.
    Doubted,
}

impl Desk {
    /// An empty desk for `grants`, whose keys are those of `keyring`; what is said of limits goes to `limits`.
    pub(crate) fn new(keyring: Arc<Keyring>, grants: Arc<Grants>, limits: OrderedLimits) -> Self {
        let waiting = Waiting {
            keys: None,
            revocations: Revocations::new(REVOCATIONS_MAX),
            has_new_revocations: false,
            forgets: VecDeque::new(),
        };
        Self { keyring, grants, limits, waiting: Mutex::new(waiting), came: Notify::new() }
    }

    /// Takes an effect; never waits for it to be done.
    pub(super) fn take(&self, effect: Effect) {
        let mut waiting = self.waiting.lock();
        match effect {
            Effect::Keys(keys) => waiting.keys = Some(keys),
            Effect::Revocations(revocations) => {
                waiting.revocations.clear();
                for revocation in revocations {
                    waiting.revocations.insert(revocation);
                }
                waiting.has_new_revocations = true;
            }
            Effect::Revoke(revocation) => {
                waiting.revocations.insert(revocation);
                waiting.has_new_revocations = true;
            }
            Effect::Purge(purge) => waiting.forget(Forget::Named(purge)),
            Effect::Doubt => waiting.forget(Forget::Doubted),
            Effect::Limits(limits) => return self.limits.set(limits),
        }
        self.came.notify_one();
    }

    /// Brings what is known of keys and revocations into force. Blocks: hashes each revocation, some 40 ms at the most.
    pub(crate) fn settle(&self, now: SystemTime) {
        let (keys, revoked) = {
            let mut waiting = self.waiting.lock();
            waiting.revocations.expire(now.into());
            let is_new = std::mem::take(&mut waiting.has_new_revocations);
            (waiting.keys.take(), is_new.then(|| waiting.revocations.iter().collect::<Vec<_>>()))
        };
        if let Some(keys) = keys {
            self.keyring.set(KeySource::Orders, usable(&keys));
        }
        let Some(revoked) = revoked else { return };
        let mut revocations = rillcast_token::Revocations::default();
        for revocation in &revoked {
            if let Err(error) = meaning::revoke(revocation, &mut revocations) {
                tracing::error!(error = format!("{error:#}"), "a revocation is not in force");
            }
        }
        self.grants.set_revocations(revocations);
    }

    /// Does the purges that wait. Blocks for sweeps.
    fn purge(&self, far: &FarEdge) {
        loop {
            let next = self.waiting.lock().forgets.pop_front();
            let Some(forget) = next else { return };
            let Forget::Named(purge) = forget else {
                tracing::info!(
                    "orders were missed: what is kept is used only once its origin vouches for it"
                );
                far.purge(Meant::All, Hardness::Doubt);
                continue;
            };
            match meaning::purge(&purge, far.rules()) {
                Ok((meant, hardness)) => {
                    tracing::info!(what = ?purge.what, soft = purge.soft, "purged by order");
                    far.purge(meant, hardness);
                }
                Err(error) => {
                    tracing::warn!(what = ?purge.what, %error, "an order to purge names nothing that can be kept");
                }
            }
        }
    }

    /// Does what comes, for ever.
    pub(crate) async fn work(self: Arc<Self>, front: Arc<Front>) {
        loop {
            self.came.notified().await;
            let (desk, front) = (Arc::clone(&self), Arc::clone(&front));
            let done = tokio::task::spawn_blocking(move || {
                desk.settle(run::time_of_day());
                match front.edge.far() {
                    Some(far) => desk.purge(far),
                    // An origin of its own keeps nothing that could be purged.
                    None => desk.waiting.lock().forgets.clear(),
                }
            });
            if let Err(error) = done.await
                && error.is_panic()
            {
                tracing::error!(%error, "doing what orders say died");
            }
        }
    }
}

impl Waiting {
    fn forget(&mut self, forget: Forget) {
        if self.forgets.len() < FORGETS_MAX {
            return self.forgets.push_back(forget);
        }
        // The hardest of them, for all.
        let is_hard = |forget: &Forget| matches!(forget, Forget::Named(purge) if !purge.soft);
        let has_hard = self.forgets.iter().chain([&forget]).any(is_hard);
        let has_doubt = self.forgets.iter().chain([&forget]).any(|forget| *forget == Forget::Doubted);
        let all = |soft| Forget::Named(Purge { what: Purged::All {}, environment: None, soft });
        self.forgets.clear();
        self.forgets.push_back(match (has_hard, has_doubt) {
            (true, _) => all(false),
            (false, true) => Forget::Doubted,
            (false, false) => all(true),
        });
    }
}

/// Those of `records` that check tokens.
fn usable(records: &[KeyRecord]) -> KeySet {
    let mut usable = KeySet::default();
    for record in records {
        let merged = meaning::key(record).and_then(|key| usable.merged(&key).map_err(anyhow::Error::from));
        match merged {
            Ok(merged) => usable = merged,
            Err(error) => {
                let (kid, error) = (record.kid.as_str(), format!("{error:#}"));
                tracing::error!(kid, error, "a key that was ordered cannot be used");
            }
        }
    }
    usable
}

#[cfg(test)]
mod tests;
