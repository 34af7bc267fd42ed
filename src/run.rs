//! The composition root of `rillcast serve`: builds the roles, starts them, stops them. No logic.

mod announcement;
mod beside;
mod owned;
mod roles;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context;
use prometheus::Registry;
use rillcast_edge::admission::authorize::Gate;
use rillcast_edge::admission::geo::Places;
use rillcast_edge::control::orders::ordered_limits::OrderedLimits;
use rillcast_http::{HttpMetrics, Readiness, Server, huge_pages};
use tokio::signal::unix::{SignalKind, signal};

use self::beside::Beside;
use crate::cli::ServeArgs;
use crate::config::{Config, TokenConfig};
use crate::control_feed::{self, Desk};
use crate::front::{Front, Pass};
use crate::trusted_keys::{Keyring, jwks::KeySetUrl};
use crate::{event_queue, logs, open_files};

/// Threads for work that no connection should wait behind: opening assets, later control plane and ingest.
const BACKGROUND_THREADS: usize = 2;

/// Serves until told to stop (SIGINT or SIGTERM), then drains.
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let mut config = Config::load(args)?;
    let logs = logs::start(&config.log);
    config.server.access_log = logs.access_log();
    // Before much memory is taken: what lies in huge pages by then stays there.
    if !huge_pages::only_where_asked() {
        tracing::debug!(
            "the system decides what lies in huge pages; where that is all, who waits takes half as much again"
        );
    }
    open_files::raise(config.server.limits.connections as u64, config.assets.count);
    let background = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(BACKGROUND_THREADS)
        .thread_name("background")
        .enable_all()
        .build()
        .context("cannot start the background runtime")?;
    background.block_on(serve_until_stopped(config))
}

async fn serve_until_stopped(config: Config) -> anyhow::Result<()> {
    let registry = Registry::new();
    let metrics = HttpMetrics::register(&registry).context("cannot register metrics")?;
    let readiness = Readiness::default();
    let TokenConfig { private, keys, jwks, cookie, sign_for } = &config.edge.tokens;
    let keyring = Arc::new(Keyring::new(keys.as_deref(), time_of_day())?);
    let grants = keyring.grants();
    let jwks = jwks.as_ref().map(|jwks| KeySetUrl::new(jwks, &registry)).transpose()?;
    let events = config.edge.events.as_ref();
    let events = events
        .map(|events| event_queue::open(events, &config.edge.node, &config.edge.trust, &registry))
        .transpose()?;
    let (sink, sender) = events.unzip();
    let countries = config.edge.countries.as_ref().map(|file| Places::open(file).map(Arc::new));
    let places = countries.transpose().context("cannot use edge.geo.database")?;
    let limits = OrderedLimits::default();
    let desk = Arc::new(Desk::new(Arc::clone(&keyring), Arc::clone(grants), limits.clone()));
    let orders = config.edge.orders.as_ref();
    let orders = orders
        .map(|orders| control_feed::follower(orders, &config.edge.trust, &desk, &registry))
        .transpose()?;
    // What the last process knew is in force before the first request.
    desk.settle(time_of_day());
    let gate = Gate {
        grants: Arc::clone(grants),
        private: private.clone(),
        cookie: cookie.clone(),
        places: places.clone(),
        territory: config.edge.territory.clone(),
        keys: keyring.awaited().clone(),
        limits,
        monotonic,
    };
    let pass = Pass { grants: Arc::clone(grants), private: private.clone(), sign_for: sign_for.clone() };
    let front = Arc::new(Front {
        edge: roles::edge(&config, gate, sink, &registry)?,
        pass,
        registry,
        metrics_from: config.metrics_from,
        readiness: readiness.clone(),
    });
    // Before the ready line: whoever waits for it may stop us at once.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let jwks = beside::jwks(jwks, &keyring).await;
    let listeners = config.server.listeners.clone();
    let server = Server::start(config.server, &front, metrics).map_err(announcement::with_advice)?;
    let mut beside = Beside::of(&front);
    beside.keys(config.edge.tokens.keys, &keyring);
    beside.own(jwks);
    beside.events(sender);
    beside.orders(orders, &desk, &front);
    beside.places(places);
    readiness.set(true);
    announcement::announce(&listeners, server.addresses())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    readiness.set(false);
    tracing::info!(drain_s = config.drain.as_secs(), "stopping: open connections may finish");
    let report = server.drain(config.drain).await;
    beside.stop().await;
    tracing::info!(cut = report.cut, "stopped");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the composition root reads the clock for the roles")]
pub(crate) fn time_of_day() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "the composition root reads the clock for the roles")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
