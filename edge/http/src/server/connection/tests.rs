//! Whole connections on one thread and real sockets, by a clock that a test may move.

mod fair;
mod room;
mod slow;

use std::{
    cell::{Cell, RefCell},
    io::Write as _,
    net::{Ipv4Addr, TcpStream as StdStream},
    num::NonZeroUsize,
    os::fd::AsFd as _,
    time::Instant,
};

use http::HeaderValue;
use prometheus::Registry;
use rillcast_sys::{send_queue::unacknowledged_bytes, token::TokenTable, zero_copy::Courier};
use rustls::pki_types::CertificateDer;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
    task::{JoinHandle, LocalSet},
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
        drain::{DrainSignal, DrainWatch},
    },
    tls::{AllSettings, TlsFiles},
    watchdog::ThreadFigures,
};

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

    async fn handle(&self, (): &(), _request: &mut crate::request::Request) -> Reply {
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

/// What the connections of a test share.
struct Stage {
    way: Way,
    core: Rc<Core<Film>>,
    courier: Option<CoreCourier>,
    tokens: Option<Arc<TokenTable<SourceFile>>>,
    rules: Rc<Rules>,
    trusted: CertificateDer<'static>,
    connections: ConnectionCount,
    registry: Registry,
    drain: DrainWatch,
    _signal: DrainSignal,
    _directory: tempfile::TempDir,
}

/// One of the connections that [`Stage`] serves.
struct Served {
    /// The client's end.
    client: TcpStream,
    /// The server's end, once more.
    near: StdStream,
    serving: JoinHandle<()>,
}

impl Stage {
    /// One core, whose clients come over `way` for a film of `film_bytes`.
    fn new(way: Way, film_bytes: usize, limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create(directory.path().join("film")).unwrap();
        file.write_all(&vec![7; film_bytes]).unwrap();
        let film = Film(Arc::new(SourceFile::open(directory.path().join("film")).unwrap()));
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        let connections = ConnectionCount::new(limits.connections, limits.connections_per_client);
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
            connections: connections.clone(),
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
        let rules = Rc::new(Rules {
            tls: (way == Way::Tls).then(|| tls.into()),
            proxy_protocol_from: Networks::default(),
        });
        Self {
            way,
            core,
            courier,
            tokens,
            rules,
            trusted,
            connections,
            registry,
            drain,
            _signal: signal,
            _directory: directory,
        }
    }

    /// A client that has asked for the film; `near_bytes` and `far_bytes` are what the two kernels may hold.
    async fn serve(&self, near_bytes: usize, far_bytes: u32) -> Served {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(far_bytes).unwrap();
        let far = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        SockRef::from(&stream).set_send_buffer_size(near_bytes).unwrap();
        let near = stream.as_fd().try_clone_to_owned().unwrap().into();
        let connection = Connection {
            peer,
            core: Rc::clone(&self.core),
            courier: self.courier.clone(),
            rules: Rc::clone(&self.rules),
            drain: self.drain.clone(),
            open: self.connections.open().unwrap(),
        };
        let serving = tokio::task::spawn_local(connection.serve(stream));
        let client = ask(far, self.way, &self.trusted).await;
        Served { client, near, serving }
    }
}

/// Settings of a TLS listener, and the certificate to trust.
fn certificate(directory: &std::path::Path) -> (Arc<rustls::ServerConfig>, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles::new(directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let (settings, _) = AllSettings::default().of(&files).unwrap();
    (settings, made.cert.der().clone())
}

/// Asks for the film and gives the bare socket back: what it says is counted, not understood.
async fn ask(mut far: TcpStream, way: Way, trusted: &CertificateDer<'static>) -> TcpStream {
    const REQUEST: &[u8] = b"GET /film HTTP/1.1\r\nHost: localhost\r\n\r\n";
    match way {
        Way::ZeroCopy | Way::Pooled => far.write_all(REQUEST).await.unwrap(),
        Way::Tls => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(trusted.clone()).unwrap();
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
    far
}
