//! A line: one connection to an upstream, with its protocol agreed on.

use std::{
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{
    config::{Address, Speech},
    dial::{Dial, Pipe},
    error::ConnectError,
    trust::ALPN_HTTP2,
};

/// Longest head of a response, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most header fields of a response.
pub const HEAD_FIELDS_MAX: usize = 128;

/// What hyper buffers of an HTTP/1.1 connection: large reads are what makes a fill fast.
const READ_BYTES_MAX: usize = 256 << 10;
/// Requests on one HTTP/2 connection before another is opened.
pub(super) const STREAMS_MAX: u32 = 100;
/// What an upstream may send of one body before we have read any: this much of each waits in memory at most.
const STREAM_WINDOW_BYTES: u32 = 512 << 10;
/// The same for all bodies of a connection together: enough that those nobody reads do not hold up the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// A connection with requests on it is asked so often whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(10);
/// Without an answer in this time it is given up.
const PING_PATIENCE: Duration = Duration::from_secs(5);

/// Never sends a body.
pub(super) type NoBody = Empty<Bytes>;

/// A connection that takes one request at a time, or the share of one that takes many.
#[derive(Debug)]
pub(super) enum Line {
    Http1(http1::SendRequest<NoBody>),
    Http2(Arc<Shared>),
}

/// An HTTP/2 connection. Each exchange on it holds a reference, and the pool one.
#[derive(Debug)]
pub(super) struct Shared {
    sender: http2::SendRequest<NoBody>,
}

impl Shared {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Line {
    /// Sends a request and waits for the head.
    pub(super) async fn send(&mut self, request: Request<NoBody>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(shared) => shared.sender.clone().send_request(request).await,
        }
    }

    /// The connection, if others use it too.
    pub(super) fn shared(&self) -> Weak<Shared> {
        match self {
            Self::Http1(_) => Weak::new(),
            Self::Http2(shared) => Arc::downgrade(shared),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }
}

/// How lines to one upstream are made.
pub(super) struct Maker {
    pub(super) dial: Arc<dyn Dial>,
    pub(super) address: Address,
    pub(super) speech: Speech,
    /// For `https`.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) tasks: Tasks,
}

impl Maker {
    /// A new connection; the caller sets the time limit.
    pub(super) async fn make(&self) -> Result<Line, ConnectError> {
        let pipe = self.dial.dial(&self.address.host, self.address.port).await?;
        let Some(config) = &self.tls else {
            return self.shake_hands(pipe, self.speech == Speech::Http2).await;
        };
        let name = ServerName::try_from(self.address.certificate_name.clone())
            .map_err(|error| ConnectError::Tls(std::io::Error::other(error)))?;
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name, pipe);
        let stream = connecting.await.map_err(ConnectError::Tls)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2) || self.speech == Speech::Http2;
        self.shake_hands(stream, is_http2).await
    }

    async fn shake_hands(&self, pipe: impl Pipe + 'static, is_http2: bool) -> Result<Line, ConnectError> {
        let io = TokioIo::new(pipe);
        if !is_http2 {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(READ_BYTES_MAX).max_header_size(HEAD_BYTES_MAX).max_headers(HEAD_FIELDS_MAX);
            let (sender, connection) = builder.handshake(io).await.map_err(ConnectError::Handshake)?;
            self.tasks.own(connection);
            return Ok(Line::Http1(sender));
        }
        let head_bytes_max = u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX);
        let mut builder = http2::Builder::new(self.tasks.executor());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(head_bytes_max)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE);
        let (sender, connection) = builder.handshake(io).await.map_err(ConnectError::Handshake)?;
        self.tasks.own(connection);
        Ok(Line::Http2(Arc::new(Shared { sender })))
    }
}

/// Owner of the tasks that move bytes on connections: they end with it.
#[derive(Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn own(&self, connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
        own(&self.0, async {
            // Whoever waits for a response on it is told by hyper; an unused connection may end as it likes.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection to an upstream ended");
            }
        });
    }

    fn executor(&self) -> Owned {
        Owned(Arc::downgrade(&self.0))
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.lock().abort_all();
    }
}

/// Gives hyper's own tasks to the same owner. It does not keep the owner: the tasks it owns hold this.
#[derive(Debug, Clone)]
struct Owned(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Owned {
    fn execute(&self, future: F) {
        // Without an owner nobody waits for the outcome either.
        if let Some(tasks) = self.0.upgrade() {
            own(&tasks, future);
        }
    }
}

fn own(tasks: &Mutex<JoinSet<()>>, future: impl Future<Output = ()> + Send + 'static) {
    let mut tasks = tasks.lock();
    // Those that ended are forgotten here, so that the set is no longer than what runs.
    while tasks.try_join_next().is_some() {}
    tasks.spawn(future);
}
