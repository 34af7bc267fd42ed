//! Slow clients on real sockets, by a clock that the test moves.

use std::{
    cell::{Cell, RefCell},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream as StdStream},
    num::NonZeroUsize,
    os::fd::AsFd as _,
    time::Instant,
};

use http::HeaderValue;
use prometheus::Registry;
use rillcast_sys::{send_queue::unacknowledged_bytes, token::TokenTable, zero_copy::Courier};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
    task::{JoinHandle, LocalSet, yield_now},
};

use super::*;
use crate::{
    body_source::{FileExtent, SourceFile},
    buffer_pool::BufferPool,
    client_address::TrustedProxies,
    compress::{CompressionLimits, Compressor},
    connection_count::ConnectionCount,
    cors::Cors,
    delivery::Delivery,
    entity::Entity,
    handler::RouteClass,
    hot_set::{HotSet, HotSetLimits},
    metrics::HttpMetrics,
    reply::Reply,
    respond::Responder,
    server::{
        core::{Seed, Shared},
        drain::DrainSignal,
    },
    tls::{AllSettings, TlsFiles},
    watchdog::ThreadFigures,
};

/// More than fits into the kernel.
const FILM_BYTES: usize = 4 << 20;
/// How far the clock goes at a time: three times, and a client that took nothing is stalled.
const TICK: Duration = Duration::from_secs(10);
/// Turns of the runtime after which a test gives up; never reached by one that passes.
const TURNS: u32 = 50_000_000;

/// The ways bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ZeroCopy,
    Pooled,
    Tls,
    Http2,
}

/// One long file for everybody.
struct Film(Arc<SourceFile>);

impl Handler for Film {
    type Local = ();

    fn local(&self) -> Self::Local {}

    async fn handle(&self, (): &(), _request: crate::request::Request) -> Reply {
        Entity::new(HeaderValue::from_static("video/mp4"), FileExtent::whole(Arc::clone(&self.0))).into()
    }

    fn route(&self, (): &(), _path: &str) -> RouteClass {
        RouteClass("segment")
    }
}

/// The clock of the runtime, which the test moves.
fn virtual_time() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A connection that is served, and both its ends.
struct Rig {
    client: StdStream,
    /// Bytes that the client took.
    taken: Cell<usize>,
    /// The server's end, once more.
    near: StdStream,
    serving: JoinHandle<()>,
    registry: Registry,
    tokens: Option<Arc<TokenTable<SourceFile>>>,
    _drain: DrainSignal,
    _directory: tempfile::TempDir,
}

impl Rig {
    /// A client that has asked for the film over `way`.
    async fn start(way: Way) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create(directory.path().join("film")).unwrap();
        file.write_all(&vec![7; FILM_BYTES]).unwrap();
        let film = Film(Arc::new(SourceFile::open(directory.path().join("film")).unwrap()));
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        // The same for all, so that none of them has room again after what the client takes here.
        let limits = Limits { unsent_kernel_bytes: 1 << 20, ..Limits::default() };
        let connections = ConnectionCount::new(8, 8);
        let open = connections.open().unwrap();
        let shared = Arc::new(Shared {
            access_log: None,
            trusted_proxies: TrustedProxies::default(),
            responder: Responder {
                compressor: Compressor::new(CompressionLimits::default()),
                cors: Cors::default(),
            },
            cold_reads: None,
            hot_set: HotSet::start(HotSetLimits::default(), metrics.hot_set.clone(), virtual_time()),
            metrics,
            monotonic: virtual_time,
            thread: ThreadFigures { cpu: || Duration::ZERO, voluntary_switches: || 0 },
            connections,
            time_of_day: || std::time::SystemTime::UNIX_EPOCH,
            limits,
        });
        let tokens = Delivery { zero_copy: way == Way::ZeroCopy, ..Delivery::default() }
            .token_tables(NonZeroUsize::MIN)
            .remove(0);
        let courier = tokens.clone().map(|tokens| Rc::new(RefCell::new(Courier::new(tokens))));
        let pool = BufferPool::new(shared.limits.read_buffer_bytes, 8);
        let core = Rc::new(Core::new(Seed { handler: Arc::new(film), shared, pool, tokens: tokens.clone() }));
        let (signal, drain) = DrainSignal::new();
        let (tls, trusted) = certificate(directory.path());
        let rules =
            Rules { tls: (way == Way::Tls).then(|| tls.into()), proxy_protocol_from: Networks::default() };

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        // Small on both sides: what is in flight is a small part of what waits.
        socket.set_recv_buffer_size(8 << 10).unwrap();
        let far = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        socket2::SockRef::from(&stream).set_send_buffer_size(1 << 20).unwrap();
        let near = stream.as_fd().try_clone_to_owned().unwrap().into();
        let connection = Connection { peer, core, courier, rules: Rc::new(rules), drain, open };
        let serving = tokio::task::spawn_local(connection.serve(stream));
        let client = ask(far, way, trusted).await;
        Self {
            client,
            taken: Cell::new(0),
            near,
            serving,
            registry,
            tokens,
            _drain: signal,
            _directory: directory,
        }
    }

    fn held(&self) -> u64 {
        unacknowledged_bytes(self.near.as_fd()).unwrap()
    }

    /// Whether the server could write.
    fn has_room(&self) -> bool {
        let mut sockets = [PollFd::new(&self.near, PollFlags::OUT)];
        poll(&mut sockets, Some(&Timespec::default())).unwrap();
        sockets[0].revents().contains(PollFlags::OUT)
    }

    /// Whether a token is on its way.
    fn has_token(&self) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.alive() > 0)
    }

    /// Why the server ended connections.
    fn ended(&self) -> Vec<String> {
        let families = self.registry.gather();
        let ended = families.iter().filter(|family| family.name() == "rillcast_http_connections_ended_total");
        let reasons = ended.flat_map(|family| family.get_metric()).flat_map(|metric| metric.get_label());
        reasons.map(|label| label.value().to_owned()).collect()
    }

    /// Moves the clock, and lets the server see it.
    async fn tick(&self) {
        tokio::time::advance(TICK).await;
        for _ in 0..100 {
            yield_now().await;
        }
    }

    /// Lets the server work until `until`.
    async fn wait(&self, what: &str, until: impl Fn() -> bool) {
        let mut turns = 0;
        while !until() {
            turns += 1;
            assert!(turns < TURNS, "waited in vain: {what}");
            yield_now().await;
        }
    }

    /// The client takes bytes until the kernel on the server's side sees it.
    async fn take_a_little(&self) {
        let before = self.held();
        let is_taken = || {
            self.take();
            self.held() < before
        };
        self.wait("what the client takes to be acknowledged", is_taken).await;
    }

    /// The client reads what is there, a little of it.
    fn take(&self) {
        match (&self.client).read(&mut [0; 2048]) {
            Ok(read) => {
                assert!(read > 0, "the server closed");
                self.taken.set(self.taken.get() + read);
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
}

/// Settings of a TLS listener, and the certificate to trust.
fn certificate(
    directory: &std::path::Path,
) -> (Arc<rustls::ServerConfig>, rustls::pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles::new(directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let (settings, _) = AllSettings::default().of(&files).unwrap();
    (settings, made.cert.der().clone())
}

/// Asks for the film and gives the bare socket back: what it says is counted, not understood.
async fn ask(mut far: TcpStream, way: Way, trusted: rustls::pki_types::CertificateDer<'static>) -> StdStream {
    const REQUEST: &[u8] = b"GET /film HTTP/1.1\r\nHost: localhost\r\n\r\n";
    match way {
        Way::ZeroCopy | Way::Pooled => far.write_all(REQUEST).await.unwrap(),
        Way::Tls => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(trusted).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let mut stream = connector.connect("localhost".try_into().unwrap(), far).await.unwrap();
            stream.write_all(REQUEST).await.unwrap();
            stream.flush().await.unwrap();
            far = stream.into_inner().0;
        }
        Way::Http2 => {
            // Windows as wide as they may be (RFC 9113 §6.5.2, §6.9), then a request (RFC 7541: static entries, then
            // literals).
            let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            let widest = 0x7fff_ffff_u32.to_be_bytes();
            said.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4].iter().chain(&widest));
            said.extend([0, 0, 4, 8, 0, 0, 0, 0, 0].iter().chain(&(0x7fff_0000_u32).to_be_bytes()));
            let head = [&[0x82, 0x86, 0x04, 5][..], b"/film", &[0x01, 1], b"a"].concat();
            said.extend([0, 0, u8::try_from(head.len()).unwrap(), 1, 5, 0, 0, 0, 1].iter().chain(&head));
            far.write_all(&said).await.unwrap();
        }
    }
    // Something of the answer, so that nothing but the body is left.
    far.read_exact(&mut [0; 64]).await.unwrap();
    far.into_std().unwrap()
}

/// Runs `test` over each way, by a clock that stands still but for [`tokio::time::advance`].
fn with_each_way<F: Future<Output = ()>>(test: impl Fn(Way) -> F) {
    for way in [Way::ZeroCopy, Way::Pooled, Way::Tls, Way::Http2] {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        // While a thread of its own works, the runtime does not move its clock by itself.
        let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
        let _keeper = runtime.spawn_blocking(move || held.recv());
        LocalSet::new().block_on(&runtime, test(way));
        drop(release);
    }
}

#[test]
fn a_client_that_takes_a_little_now_and_then_lives_and_gets_everything() {
    with_each_way(|way| async move {
        let rig = Rig::start(way).await;
        rig.wait("the kernel to be full", || !rig.has_room()).await;
        assert_eq!(rig.has_token(), way == Way::ZeroCopy, "{way:?}");
        // Twice as long as a stall may last, and never is there room for a write.
        for tick in 0..6 {
            rig.take_a_little().await;
            assert!(!rig.has_room(), "{way:?}: the test shows nothing");
            rig.tick().await;
            assert!(!rig.serving.is_finished(), "{way:?}: dropped after {tick} ticks");
        }
        let is_whole = || {
            rig.take();
            rig.taken.get() >= FILM_BYTES
        };
        rig.wait("the rest of the film", is_whole).await;
        assert_eq!(rig.ended(), [""; 0], "{way:?}");
    });
}

#[test]
fn a_client_that_takes_nothing_is_dropped_when_its_time_is_up() {
    with_each_way(|way| async move {
        let rig = Rig::start(way).await;
        rig.wait("the kernel to be full", || !rig.has_room()).await;
        let mut ticks = 0;
        while !rig.serving.is_finished() {
            ticks += 1;
            // More than three when the client's kernel still took something meanwhile, for a client that does not.
            assert!(ticks < 30, "{way:?}: not dropped");
            rig.tick().await;
        }
        assert!(ticks >= 3, "{way:?}: dropped before its time");
        assert_eq!(rig.ended(), ["stalled"], "{way:?}");
    });
}
