//! An origin that speaks TLS or HTTP/2, through hyper: for what cannot be written down byte by byte.

use std::{
    convert::Infallible,
    future::Future,
    io::Write as _,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// A body that may break.
pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// What answers; the number says which request it is at this origin, from 0.
pub(crate) type App =
    dyn Fn(Request<Incoming>, usize) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync;

/// An authority of our own, which vouches for origins.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// Its certificate as a file.
    pub(crate) fn file(&self) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(self.issuer.pem().as_bytes()).unwrap();
        file
    }

    /// How an origin called `name` speaks TLS.
    pub(crate) fn server_config(&self, name: &str, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// An origin on a socket, as long as this lives.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Served {
    /// Serves `app` on a free port of 127.0.0.1, by TLS if there is a way to.
    pub(crate) async fn start(tls: Option<Arc<ServerConfig>>, app: Arc<App>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        let (accepted, asked) = (Arc::clone(&connections), Arc::clone(&requests));
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (tls, app, asked) = (tls.clone(), Arc::clone(&app), Arc::clone(&asked));
                open.spawn(async move {
                    match tls {
                        None => serve(stream, app, asked).await,
                        Some(config) => {
                            // A client that does not trust us goes away: it says so itself.
                            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                                serve(stream, app, asked).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, connections, requests, _tasks: tasks }
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: Arc<App>,
    asked: Arc<AtomicUsize>,
) {
    let service = service_fn(move |request| {
        let response = app(request, asked.fetch_add(1, Ordering::SeqCst));
        async move { Ok::<_, Infallible>(response.await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // However it ends, the client sees it.
    let _: Result<(), _> = builder.serve_connection(TokioIo::new(stream), service).await;
}
