//! The orders of a control plane, and what this process makes of them.
//!
//! ```text
//!  source ─▶ Follower ─ effects ─▶ Desk ─┬─ keys ────────▶ Keyring
//!                 └─ state file          ├─ revocations ─▶ Grants
//!                                        ├─ purges ──────▶ FarEdge, one after the other
//!                                        └─ limits ──────▶ OrderedLimits
//! ```
//!
//! A feed that falls silent changes nothing: its age is a figure. What was known at the end of the last process is in
//! force before the first request is answered.

mod desk;
mod meaning;

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use prometheus::Registry;
use rillcast_edge::control::link::ControlLink;
use rillcast_edge::control::orders::follower::Follower;
use rillcast_edge::control::orders::ledger::Effect;
use rillcast_edge::control::orders::metrics::OrderMetrics;
use rillcast_edge::control::orders::source::{Source, file::FileSource, http::HttpSource};
use rillcast_edge::control::orders::state_file::StateFile;
use rillcast_edge::upstream::Trust;

pub(crate) use self::desk::Desk;
use crate::config::{OrdersConfig, OrdersFrom, Service};
use crate::{run, secret_file};

/// What a folder of orders calls its file.
const ORDERS_FILE: &str = "orders.jsonl";

/// What follows a feed; to be run.
pub(crate) type Following = Follower<Box<dyn FnMut(Effect) + Send>, fn() -> u64>;

/// Makes ready to follow what `config` names; what is known of it already is on `desk` then. Blocks for files.
///
/// # Errors
/// When the source can never be followed.
pub(crate) fn follower(
    config: &OrdersConfig,
    trust: &Trust,
    desk: &Arc<Desk>,
    registry: &Registry,
) -> anyhow::Result<Following> {
    let source = match &config.from {
        OrdersFrom::Path(path) => Source::File(FileSource::new(file_of(path))),
        OrdersFrom::Service(service) => {
            let link = link(service, trust).context("cannot follow edge.orders.source")?;
            Source::Http(Box::new(HttpSource::new(link)))
        }
    };
    let metrics = OrderMetrics::new(run::monotonic()).context("cannot make metrics")?;
    for collector in metrics.collectors() {
        registry.register(collector).context("cannot register metrics")?;
    }
    if config.state.is_none() {
        tracing::warn!(
            "what orders say is not kept for the next start: name a file in edge.orders.state, or set STATE_DIRECTORY \
             (StateDirectory= in systemd)"
        );
    }
    let state = config.state.clone().map(StateFile::new);
    let desk = Arc::clone(desk);
    let effects: Box<dyn FnMut(Effect) + Send> = Box::new(move |effect| desk.take(effect));
    Ok(Follower::new(source, state, metrics, effects, any_number))
}

/// A link to a service of the operator.
pub(crate) fn link(service: &Service, trust: &Trust) -> anyhow::Result<ControlLink> {
    let secret = service.secret_file.as_deref().map(secret_file::read).transpose()?;
    Ok(ControlLink::new(&service.url, secret.as_ref(), trust.for_links()?)?)
}

fn file_of(path: &Path) -> std::path::PathBuf {
    if path.is_dir() { path.join(ORDERS_FILE) } else { path.to_owned() }
}

/// Numbers that nobody need guess: for waits of different length.
pub(crate) fn any_number() -> u64 {
    RandomState::new().hash_one(())
}
