//! What runs beside the roles: keeping house, and keeping up with files and the control plane.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rillcast_edge::admission::geo::Places;
use tokio::time::MissedTickBehavior;

use super::owned::{Owned, Stoppable};
use crate::control_feed::{Desk, Following};
use crate::event_queue::Sending;
use crate::front::Front;
use crate::trusted_keys::{self, Keyring, jwks::KeySetUrl};

/// How often the edge gives evicted memory back.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// The tasks beside the roles; they end with it.
pub(super) struct Beside {
    owned: Vec<Owned>,
    stoppable: Vec<Stoppable>,
}

impl Beside {
    /// What the roles behind `front` need.
    pub(super) fn of(front: &Arc<Front>) -> Self {
        let mut owned = vec![Owned::spawn(settle(Arc::clone(front)))];
        if let Some(far) = front.edge.far() {
            let upstreams = far.upstreams().clone();
            owned.push(Owned::spawn(async move {
                let never = upstreams.run().await;
                match never {}
            }));
        }
        Self { owned, stoppable: Vec::new() }
    }

    /// Keeps `keyring` to the key file.
    pub(super) fn keys(&mut self, file: Option<PathBuf>, keyring: &Arc<Keyring>) {
        let following = file.map(|file| trusted_keys::follow(file, Arc::clone(keyring)));
        self.owned.extend(following.map(Owned::spawn));
    }

    /// Owns a task that has begun before.
    pub(super) fn own(&mut self, task: Option<Owned>) {
        self.owned.extend(task);
    }

    /// Writes events down and sends them.
    pub(super) fn events(&mut self, sender: Option<Sending>) {
        self.stoppable.extend(sender.map(|sender| Stoppable::spawn("events", |stop| sender.run(stop))));
    }

    /// Follows orders, and does what they say.
    pub(super) fn orders(&mut self, follower: Option<Following>, desk: &Arc<Desk>, front: &Arc<Front>) {
        let Some(follower) = follower else { return };
        self.owned.push(Owned::spawn(Arc::clone(desk).work(Arc::clone(front))));
        self.stoppable.push(Stoppable::spawn("orders", |stop| follower.run(stop)));
    }

    /// Keeps to the database of countries.
    pub(super) fn places(&mut self, places: Option<Arc<Places>>) {
        self.owned.extend(places.map(|places| Owned::spawn(places.follow(std::future::pending()))));
    }

    /// Stops all; what must be kept is on the disk then.
    pub(super) async fn stop(self) {
        for task in self.stoppable {
            task.stop().await;
        }
        drop(self.owned);
    }
}

/// Begins to keep `keyring` to a key set, and waits a little for it to come.
pub(super) async fn jwks(url: Option<KeySetUrl>, keyring: &Arc<Keyring>) -> Option<Owned> {
    let (following, first) = url?.following(Arc::clone(keyring));
    let task = Owned::spawn(following);
    first.wait().await;
    Some(task)
}

/// Lets the edge put its house in order, for ever.
async fn settle(front: Arc<Front>) {
    let mut ticks = tokio::time::interval(SETTLE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(far) = front.edge.far() {
            far.settle();
        }
    }
}
