//! The composition root of `rillcast serve`: builds the roles, starts them, stops them. No logic.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use prometheus::Registry;
use rillcast_edge::authorize::Gate;
use rillcast_edge::edge::{Edge, Source};
use rillcast_edge::far::FarEdge;
use rillcast_edge::metrics::EdgeMetrics;
use rillcast_edge::upstream::{UpstreamMetrics, Upstreams};
use rillcast_http::{HttpMetrics, Listener, Readiness, Server, StartError};
use rillcast_origin::Origin;
use rillcast_origin::blob::directory::DirectoryStore;
use rillcast_origin::index::Indexes;
use rillcast_token::Grants;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::cli::ServeArgs;
use crate::config::{Config, TokenConfig};
use crate::front::{Front, NearOrigin, Pass};
use crate::{logs, open_files, trusted_keys};

/// Threads for work that no connection should wait behind: opening assets, later control plane and ingest.
const BACKGROUND_THREADS: usize = 2;

/// Serves until told to stop (SIGINT or SIGTERM), then drains.
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let mut config = Config::load(args)?;
    let logs = logs::start(&config.log);
    config.server.access_log = logs.access_log();
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
    let tokens = &config.edge.tokens;
    let grants = trusted_keys::grants(tokens.keys.as_deref(), time_of_day())?;
    let front = Arc::new(Front {
        edge: edge(&config, Arc::clone(&grants), &registry)?,
        pass: Pass {
            grants: Arc::clone(&grants),
            private: tokens.private.clone(),
            sign_for: tokens.sign_for.clone(),
        },
        registry,
        metrics_from: config.metrics_from,
        readiness: readiness.clone(),
    });
    // Before the ready line: whoever waits for it may stop us at once.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let listeners = config.server.listeners.clone();
    let server = Server::start(config.server, &front, metrics).map_err(with_advice)?;
    let _following = config.edge.tokens.keys.map(|file| Owned::spawn(trusted_keys::follow(file, grants)));
    let _settling = Owned::spawn(settle(Arc::clone(&front)));
    let _asking = front.edge.far().map(|far| {
        let upstreams = far.upstreams().clone();
        Owned::spawn(async move {
            let never = upstreams.run().await;
            match never {}
        })
    });
    readiness.set(true);
    announce(&listeners, server.addresses())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    readiness.set(false);
    tracing::info!(drain_s = config.drain.as_secs(), "stopping: open connections may finish");
    let report = server.drain(config.drain).await;
    tracing::info!(cut = report.cut, "stopped");
    Ok(())
}

/// The edge role, and behind it what it has its responses from.
fn edge(config: &Config, grants: Arc<Grants>, registry: &Registry) -> anyhow::Result<Edge<NearOrigin>> {
    let metrics = EdgeMetrics::register(registry).context("cannot register metrics")?;
    let background = tokio::runtime::Handle::current();
    let source = match &config.edge.far {
        None => Source::Near(NearOrigin(Arc::new(origin(config)?))),
        Some((upstreams, far)) => {
            let figures = UpstreamMetrics::register(registry).context("cannot register metrics")?;
            let upstreams = Upstreams::new(upstreams, &figures, time_of_day)
                .context("cannot set up the upstreams: see [[edge.upstream]]")?;
            let far = FarEdge::new(far.clone(), upstreams, metrics.clone(), time_of_day, background)
                .context("no memory for a cache: see edge.cache_mib, and whether memfd_create is allowed")?;
            Source::Far(Box::new(far))
        }
    };
    let TokenConfig { private, cookie, .. } = &config.edge.tokens;
    let gate = Gate { grants, private: private.clone(), cookie: cookie.clone(), monotonic };
    Ok(Edge::new(gate, source, metrics))
}

/// The origin role.
fn origin(config: &Config) -> anyhow::Result<Origin> {
    let media = &config.media;
    let store = DirectoryStore::new(media).map_err(|error| no_store(error, media))?;
    let background = tokio::runtime::Handle::current();
    Ok(Origin::new(Arc::new(store), indexes(config)?, background, config.assets))
}

/// How often the edge gives evicted memory back.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

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

/// A task that ends with its owner.
struct Owned(tokio::task::JoinHandle<()>);

impl Owned {
    #[expect(clippy::disallowed_methods, reason = "the composition root owns what runs beside the roles")]
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::task::spawn(task))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "the composition root reads the clock for the roles")]
fn time_of_day() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "the composition root reads the clock for the roles")]
fn monotonic() -> Instant {
    Instant::now()
}

/// The stored indexes that `config` asks for.
fn indexes(config: &Config) -> anyhow::Result<Indexes> {
    if let Some(advice) = config.index.advice() {
        tracing::warn!("{advice}");
    }
    let Some(settings) = config.index.settings(&config.media) else { return Ok(Indexes::off()) };
    Indexes::start(settings, tokio::runtime::Handle::current()).context("cannot start the thread for indexes")
}

/// Says what to do next about a media directory that cannot be served.
fn no_store(error: std::io::Error, media: &Path) -> anyhow::Error {
    use std::io::ErrorKind;
    let media = media.display();
    // EPERM is no permission of a file, which would be EACCES: it is what older container runtimes answer.
    let is_call_refused = error.kind() == ErrorKind::Unsupported
        || error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error());
    let advice = match error.kind() {
        _ if is_call_refused => format!(
            "cannot look up files beneath `{media}`: the system call openat2 is missing (Linux before 5.6) or \
             forbidden (a container's seccomp profile that does not know it)"
        ),
        ErrorKind::NotFound => {
            format!("no media directory `{media}`: make it, or name another with --media DIR")
        }
        ErrorKind::NotADirectory => {
            format!("no media directory `{media}`, it is a file: name the one it is in with --media DIR")
        }
        _ => format!(
            "cannot open the media directory `{media}`: see its permissions, or name another with --media DIR"
        ),
    };
    anyhow::Error::new(error).context(advice)
}

/// Says what to do next about a server that does not start.
fn with_advice(error: StartError) -> anyhow::Error {
    use std::io::ErrorKind;
    let advice = match &error {
        StartError::Listen { source, .. } if source.kind() == ErrorKind::AddrInUse => {
            "cannot start: the port is taken; another address goes with --listen ADDR:PORT"
        }
        StartError::Listen { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "cannot start: ports below 1024 want CAP_NET_BIND_SERVICE; another goes with --listen ADDR:PORT"
        }
        StartError::Listen { .. } => "cannot start: is the address this machine's? See `ip address`",
        StartError::Disk(_) => "cannot start: see `disk` and `disk_buffer_mib` of [delivery]",
        StartError::Tls { .. } => "cannot start: see `certificate` and `key` of the listener",
        StartError::Core { .. } => "cannot start: see `ulimit -u` and the memory left",
    };
    anyhow::Error::new(error).context(advice)
}

/// Prints where the page is, for people and for scripts that wait for it.
fn announce(listeners: &[Listener], addresses: &[SocketAddr]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for (listener, address) in listeners.iter().zip(addresses) {
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        writeln!(out, "rillcast is ready: {scheme}://{address}/")?;
    }
    out.flush().context("cannot write to standard output")
}
