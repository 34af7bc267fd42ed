//! The server: cores, listeners, drain. Only this module and those below it read clocks.
//!
//! ```text
//!  Server ─┬─ core 0: thread, current-thread runtime, LocalSet ─┬─ acceptor of listener 0 ── connections
//!          │                                                     ├─ acceptor of listener 1 ── connections
//!          │                                                     └─ certificates' reload
//!          └─ core 1: its own sockets on the same ports (SO_REUSEPORT)
//! ```
//!
//! A connection lives and dies on the core that accepted it; nothing on its path is locked or atomic but reference
//! counts and figures. The handler is shared by all cores, its futures are not.

mod accept;
mod connection;
mod core;
mod drain;
mod service;
mod thread;
mod watch;

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use rillcast_sys::{token::TokenTable, voluntary_switches::voluntary_switches};
use tokio::sync::oneshot;

use self::{
    core::{Seed, Shared},
    drain::DrainSignal,
    thread::{CoreListener, CoreReport},
};
use crate::{
    access_log::AccessLog,
    body_source::SourceFile,
    buffer_pool::BufferPool,
    client_address::TrustedProxies,
    cold_reads::{ColdReadSettings, ColdReads},
    compress::{CompressionLimits, Compressor},
    connection_count::ConnectionCount,
    cors::Cors,
    delivery::Delivery,
    handler::Handler,
    hot_set::{HotSet, HotSetLimits},
    limits::Limits,
    listen::{self, Listener},
    metrics::HttpMetrics,
    respond::Responder,
    tls::{self, AllSettings, TlsError},
    watchdog::ThreadFigures,
};

/// What a server is told when it starts.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// Threads, each with its own runtime and its own sockets: one a core.
    pub cores: NonZeroUsize,
    /// What peers may use.
    pub limits: Limits,
    /// Which pages may read answers.
    pub cors: Cors,
    /// What compression may use.
    pub compression: CompressionLimits,
    /// What bodies kept in memory may take.
    pub hot_set: HotSetLimits,
    /// How file bytes leave.
    pub delivery: Delivery,
    /// How bytes that are not in memory are read.
    pub cold_reads: ColdReadSettings,
    /// Peers that are believed about the client's address.
    pub trusted_proxies: TrustedProxies,
    /// Who takes a line for each request; nobody without.
    pub access_log: Option<AccessLog>,
}

impl ServerConfig {
    /// These listeners, as many threads as there are cores, and defaults.
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            cores: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
            cors: Cors::default(),
            compression: CompressionLimits::default(),
            hot_set: HotSetLimits::default(),
            delivery: Delivery::default(),
            cold_reads: ColdReadSettings::default(),
            trusted_proxies: TrustedProxies::default(),
            access_log: None,
        }
    }
}

/// Why a server did not start; the operator's fault, or the machine's.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A certificate cannot be used.
    #[error("no certificate for {address}")]
    Tls {
        /// The listener's address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: TlsError,
    },
    /// The disk cannot be read as it is set.
    #[error("cannot read the disk")]
    Disk(#[source] rillcast_sys::disk::StartError),
    /// A thread or its runtime cannot be made.
    #[error("cannot start core {core}")]
    Core {
        /// Number of the core, from 0.
        core: usize,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// What a drain came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were open when time ran out, and were cut.
    pub cut: usize,
}

/// A running server. Dropping it cuts all connections, because its cores see their `DrainSignal` go;
/// [`Self::drain`] does not.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    connections: ConnectionCount,
    pools: Vec<Arc<BufferPool>>,
    tables: Vec<Arc<TokenTable<SourceFile>>>,
    cold_reads: Option<Arc<ColdReads>>,
    cores: Vec<RunningCore>,
}

#[derive(Debug)]
struct RunningCore {
    /// One for each core: connections look at it often.
    drain: DrainSignal,
    thread: JoinHandle<()>,
    report: oneshot::Receiver<CoreReport>,
}

impl Server {
    /// Binds all addresses, reads all certificates, then starts the cores.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running after one.
    pub fn start<H: Handler>(
        config: ServerConfig,
        handler: &Arc<H>,
        metrics: HttpMetrics,
    ) -> Result<Self, StartError> {
        let (by_core, addresses) = bind_all(&config, &metrics)?;
        let tables = config.delivery.token_tables(config.cores);
        let ServerConfig {
            limits, cors, compression, hot_set, cold_reads, trusted_proxies, access_log, ..
        } = config;
        let cold_reads =
            ColdReads::start(cold_reads, metrics.cold.clone(), monotonic()).map_err(StartError::Disk)?;
        let connections = ConnectionCount::new(limits.connections, limits.connections_per_client);
        let shared = Arc::new(Shared {
            trusted_proxies,
            responder: Responder { compressor: Compressor::new(compression), cors },
            cold_reads: cold_reads.clone(),
            hot_set: HotSet::start(hot_set, metrics.hot_set.clone(), monotonic()),
            metrics,
            access_log,
            monotonic,
            thread: ThreadFigures { cpu: thread_cpu, voluntary_switches },
            connections: connections.clone(),
            time_of_day,
            limits,
        });
        let mut server = Self {
            addresses,
            connections,
            pools: Vec::new(),
            tables: Vec::new(),
            cold_reads,
            cores: Vec::new(),
        };
        for (number, (listeners, tokens)) in by_core.into_iter().zip(tables).enumerate() {
            let limits = &shared.limits;
            let pool = BufferPool::new(limits.read_buffer_bytes.max(1), limits.read_buffers_idle);
            server.pools.push(Arc::clone(&pool));
            server.tables.extend(tokens.clone());
            let core = Seed { handler: Arc::clone(handler), shared: Arc::clone(&shared), pool, tokens };
            let (drain, watch) = DrainSignal::new();
            let (thread, report) = core
                .start(number, listeners, watch)
                .map_err(|source| StartError::Core { core: number, source })?;
            server.cores.push(RunningCore { drain, thread, report });
        }
        Ok(server)
    }

    /// The addresses bound, in the order of the listeners; with real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.connections.total()
    }

    /// Bytes of the file buffers in use now, on all cores: what clients have not yet taken.
    pub fn file_buffer_bytes(&self) -> usize {
        self.pools.iter().map(|pool| pool.outstanding_bytes()).sum()
    }

    /// Pieces of bodies under way without being read, on all cores.
    pub fn tokens(&self) -> usize {
        self.tables.iter().map(|table| table.alive()).sum()
    }

    /// How many there have been since the start.
    pub fn tokens_issued(&self) -> u64 {
        self.tables.iter().map(|table| table.issued()).sum()
    }

    /// Buffers of the disk thread in use now, for all cores.
    pub fn disk_buffers_in_use(&self) -> usize {
        self.cold_reads.as_ref().map_or(0, |reads| reads.buffers_in_use())
    }

    /// Stops accepting, lets what is under way finish, and after `within` cuts what is left.
    ///
    /// HTTP/1 connections close after their response, idle ones at once; HTTP/2 ones get GOAWAY. Connections that
    /// the kernel had queued are still accepted and answered.
    pub async fn drain(mut self, within: Duration) -> DrainReport {
        let now = monotonic();
        for core in &self.cores {
            core.drain.begin(now.checked_add(within).unwrap_or(now));
        }
        let mut cut: usize = 0;
        for RunningCore { drain: _drain, thread, report } in std::mem::take(&mut self.cores) {
            match report.await {
                Ok(report) => cut = cut.saturating_add(report.cut),
                Err(_) => tracing::error!("a core died before the drain"),
            }
            // It reports last of all, so this does not wait.
            if thread.join().is_err() {
                tracing::error!("a core panicked");
            }
        }
        DrainReport { cut }
    }
}

/// The sockets of each core, and the addresses.
fn bind_all(
    config: &ServerConfig,
    metrics: &HttpMetrics,
) -> Result<(Vec<Vec<CoreListener>>, Vec<SocketAddr>), StartError> {
    let mut by_core: Vec<Vec<CoreListener>> = (0..config.cores.get()).map(|_| Vec::new()).collect();
    let mut addresses = Vec::with_capacity(config.listeners.len());
    let mut tls = AllSettings::default();
    for listener in &config.listeners {
        let address = listener.address;
        let listen_error = |source| StartError::Listen { address, source };
        let tls_error = |source| StartError::Tls { address, source };
        let (settings, mut certificate) = match &listener.tls {
            Some(files) => tls.of(files).map(|(settings, certificate)| (Some(settings), certificate)),
            None => Ok((None, None)),
        }
        .map_err(tls_error)?;
        let sockets =
            listen::bind(listener, &config.listeners, config.cores, &config.limits).map_err(listen_error)?;
        let bound = sockets.first().map_or(Ok(address), std::net::TcpListener::local_addr);
        addresses.push(bound.map_err(listen_error)?);
        for (socket, core) in sockets.into_iter().zip(&mut by_core) {
            core.push(CoreListener {
                socket,
                tls: settings.clone(),
                // One core looks after each certificate.
                reload: certificate.take(),
                proxy_protocol_from: listener.proxy_protocol_from.clone(),
            });
        }
    }
    if !tls.is_empty() {
        tls::report_kernel_tls(&metrics.kernel_tls);
    }
    Ok((by_core, addresses))
}

#[expect(clippy::disallowed_methods, reason = "the server is a driver: it reads the clock for all below it")]
fn monotonic() -> Instant {
    Instant::now()
}

/// CPU time that the calling thread has used.
fn thread_cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the server is a driver: it reads the clock for all below it")]
fn time_of_day() -> SystemTime {
    SystemTime::now()
}
