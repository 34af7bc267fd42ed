//! The events of this node: what cores tell, written down and sent to the control plane.

use std::hash::{BuildHasher as _, RandomState};

use anyhow::Context;
use prometheus::Registry;
use rillcast_edge::control::events::metrics::EventMetrics;
use rillcast_edge::control::events::queue::{Queue, QueueLimits};
use rillcast_edge::control::events::sender::{Outlet, Sender, Sink};
use rillcast_edge::control::orders::order::Name;
use rillcast_edge::upstream::Trust;

use crate::config::EventsConfig;
use crate::control_feed::{any_number, link};

/// What writes events down and sends them; to be run.
pub(crate) type Sending = Sender<fn() -> u64>;

/// Opens the queue that `config` names, and says where the events of `node` are to be given. Blocks for files.
///
/// # Errors
/// When the folder cannot be used, or there can be no link.
pub(crate) fn open(
    config: &EventsConfig,
    node: &str,
    trust: &Trust,
    registry: &Registry,
) -> anyhow::Result<(Sink, Sending)> {
    let link = link(&config.to, trust).context("cannot send to edge.events.url")?;
    let node = Name::new(node).context("edge.node must be a name, 1 to 256 bytes, for events to tell it")?;
    let queue = Queue::open(&config.folder, node, QueueLimits::default(), batch_name);
    let queue = queue.context("events cannot wait in edge.events.directory")?;
    let metrics = EventMetrics::new().context("cannot make metrics")?;
    for collector in metrics.collectors() {
        registry.register(collector).context("cannot register metrics")?;
    }
    Ok(Sender::new(queue, Outlet::Http(Box::new(link)), metrics, any_number))
}

/// A name that no other batch has: two hashes, each keyed by the system's randomness.
fn batch_name() -> u128 {
    let [high, low] = [RandomState::new(), RandomState::new()].map(|state| u128::from(state.hash_one(())));
    high << 64 | low
}
