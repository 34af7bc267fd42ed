//! The life of a connection: PROXY header, TLS, then HTTP/1 or HTTP/2 until it ends, idles, stalls or is drained.

use std::{convert::Infallible, io, net::SocketAddr, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use http::Request;
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::{HttpService, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use super::{
    core::Core,
    drain::DrainWatch,
    service::Service,
    watch::{Drainable, Watch},
};
use crate::{
    activity::Activity,
    batch::{Batch, Turns},
    buffer_pool::BufferShare,
    cold_reads::ColdShare,
    connection_count::OpenConnection,
    frames::{Carrier, Frames},
    handler::Handler,
    limits::{HEADER_BYTES_FLOOR, Limits},
    listen,
    networks::Networks,
    request::Transport,
    socket::{
        FrontError, Socket,
        zero_copy::{CoreCourier, Outlet},
    },
    tls,
    wakes::{Relayed, Wakes},
    watchdog::{Watchdog, Watched},
};

/// How often an HTTP/2 client is asked for a sign of life, and how long it may take to give it. The question waits
/// behind what the kernel holds, which a slow client takes minutes for; one that takes nothing is dropped long before.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);
const HTTP2_PING_TIME: Duration = Duration::from_secs(600);
/// Header fields hyper parses without allocating.
const HYPER_FIELDS: usize = 100;

/// What holds for every connection of a listener.
pub(super) struct Rules {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) proxy_protocol_from: Networks,
}

/// A connection that was just accepted.
pub(super) struct Connection<H: Handler> {
    pub(super) peer: SocketAddr,
    pub(super) core: Rc<Core<H>>,
    pub(super) courier: Option<CoreCourier>,
    pub(super) rules: Rc<Rules>,
    pub(super) drain: DrainWatch,
    pub(super) open: OpenConnection,
}

/// What a connection turned out to be.
enum Front {
    Plain { socket: Socket, is_http2: bool },
    Tls(Box<tokio_rustls::server::TlsStream<Socket>>),
}

/// Why a connection ends before HTTP begins.
#[derive(Debug, thiserror::Error)]
enum EarlyEnd {
    #[error(transparent)]
    Front(#[from] FrontError),
    #[error("the client left in the TLS handshake")]
    Left(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("too many connections from this client")]
    TooMany,
    #[error("the server is draining")]
    Draining,
}

impl EarlyEnd {
    /// rustls reports what it does not like, and the alerts of a client that does not like us; anything else is the
    /// socket, as with health checks that only look whether we listen.
    fn of_handshake(error: io::Error) -> Self {
        let is_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        if is_tls { Self::Handshake(error) } else { Self::Left(error) }
    }

    /// A word for metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Front(FrontError::Io(_)) | Self::Left(_) => "early_close",
            Self::Front(FrontError::Proxy(_)) => "bad_proxy_header",
            Self::Handshake(_) => "handshake_failed",
            Self::TooMany => "too_many_of_client",
            Self::Draining => "draining",
        }
    }
}

impl<H: Handler> Connection<H> {
    /// Serves it to its end.
    pub(super) async fn serve(mut self, stream: TcpStream) {
        let shared = Arc::clone(&self.core.shared);
        let (limits, observer) = (&shared.limits, Rc::clone(&self.core.observer));
        let _counted = Counted::new(&observer.metrics.connections);
        let activity = Rc::new(Activity::new((observer.monotonic)()));
        if let Err(error) = listen::tune(&stream, limits) {
            tracing::debug!(%error, "a connection broke before it began");
            return;
        }
        let socket = Socket::new(stream, Rc::clone(&activity), observer.monotonic);
        let watch = Watch {
            socket: socket.view(),
            activity,
            limits,
            monotonic: observer.monotonic,
            drain: self.drain.clone(),
        };
        // Boxed, as is all that is large and short: a connection that waits keeps room for nothing else.
        match tokio::time::timeout(limits.handshake_time, Box::pin(self.take_front(socket))).await {
            Ok(Ok(Front::Plain { socket, is_http2: true })) => {
                self.speak_http(socket, Transport::PlainHttp2, None, watch).await;
            }
            // Tokens are for HTTP/1.1 only, whose bodies reach the socket as they are.
            Ok(Ok(Front::Plain { socket, .. })) => match self.courier.take() {
                Some(courier) => {
                    let (socket, outlet) = socket.into_zero_copy(&courier);
                    self.speak_http(socket, Transport::PlainHttp1, Some(outlet), watch).await;
                }
                None => self.speak_http(socket, Transport::PlainHttp1, None, watch).await,
            },
            Ok(Ok(Front::Tls(stream))) => {
                let is_http2 = tls::is_http2(stream.get_ref().1);
                let transport = if is_http2 { Transport::TlsHttp2 } else { Transport::TlsHttp1 };
                self.speak_http(stream, transport, None, watch).await;
            }
            Ok(Err(end)) => {
                observer.metrics.ended(end.reason());
                let error = &end as &dyn std::error::Error;
                tracing::debug!(peer = %self.peer, error, "a connection ended early");
            }
            Err(_) => observer.metrics.ended("slow_handshake"),
        }
    }

    /// Everything before HTTP.
    async fn take_front(&mut self, mut socket: Socket) -> Result<Front, EarlyEnd> {
        let rules = Rc::clone(&self.rules);
        if rules.proxy_protocol_from.contains(self.peer.ip()) {
            let header = socket.take_proxy_header().await?;
            self.peer = header.source.unwrap_or(self.peer);
        }
        let is_proxy = self.core.shared.trusted_proxies.networks.contains(self.peer.ip());
        if !is_proxy && !self.open.attribute(self.peer.ip()) {
            return Err(EarlyEnd::TooMany);
        }
        if let Some(acceptor) = &rules.tls {
            let stream = acceptor.accept(socket).await.map_err(EarlyEnd::of_handshake)?;
            return Ok(Front::Tls(Box::new(stream)));
        }
        let early = tokio::select! {
            biased;
            is_http2 = socket.begins_http2() => Some(is_http2?),
            _ = self.drain.begun() => None,
        };
        let is_http2 = match early {
            Some(is_http2) => is_http2,
            // A client that has asked is answered, also when the question was still in the kernel.
            None if socket.has_word() => socket.begins_http2().await?,
            None => return Err(EarlyEnd::Draining),
        };
        Ok(Front::Plain { socket, is_http2 })
    }

    async fn speak_http<T: AsyncRead + AsyncWrite + Unpin + 'static>(
        self,
        io: T,
        transport: Transport,
        outlet: Option<Outlet>,
        watch: Watch<'_>,
    ) {
        let Self { peer, core, drain, open, .. } = self;
        let shared = Arc::clone(&core.shared);
        let limits = &shared.limits;
        let observer = Rc::clone(&core.observer);
        let on_this_core = OnThisCore(Rc::clone(&core.watchdog), Arc::clone(&core.wakes));
        watch.activity.begin_http(transport, (observer.monotonic)());
        let buffers = BufferShare::new(&core.pool, limits.read_buffers_per_connection.max(1));
        let service = Rc::new(Service {
            core,
            activity: Rc::clone(&watch.activity),
            drain,
            carrier: Carrier {
                buffers,
                cold: shared.cold_reads.as_ref().map(ColdShare::new),
                is_http2: transport.is_http2(),
                outlet,
                backlog_bytes: http1_buffer_bytes(limits),
            },
            peer,
            transport,
        });
        let service = service_fn(move |request: Request<Incoming>| Rc::clone(&service).answer(request));
        let reason = if transport.is_http2() {
            let (batch, sender) = Batch::new(io);
            let connection =
                http2_settings(limits, on_this_core).serve_connection(TokioIo::new(batch), service);
            watch.drive(Box::pin(sender.turns(connection))).await
        } else {
            let settings = http1_settings(limits, transport);
            let connection = settings.serve_connection(TokioIo::new(io), service);
            watch.drive(Box::pin(connection)).await
        };
        if let Some(reason) = reason {
            observer.metrics.ended(reason);
        }
        drop(open);
    }
}

/// Counts the connection in the gauge while it lives.
struct Counted<'a>(&'a prometheus::IntGauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a prometheus::IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl<I, S> Drainable for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Frames, Error = Infallible>,
{
    fn begin_drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Drainable for http2::Connection<I, S, OnThisCore>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Frames, Error = Infallible>,
    S::Future: 'static,
{
    fn begin_drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<C: Drainable + Unpin, T: AsyncWrite + Unpin> Drainable for Turns<C, T> {
    fn begin_drain(self: Pin<&mut Self>) {
        self.connection().begin_drain();
    }
}

/// Spawns HTTP/2's streams beside their connection. They end with it: each waits on the connection's own channels.
#[derive(Debug, Clone)]
struct OnThisCore(Rc<Watchdog>, Arc<Wakes>);

impl<F> Executor<F> for OnThisCore
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(Relayed::new(Watched::new(future, &self.0), &self.1));
    }
}

/// Bytes that hyper reads ahead of a head, and keeps of a body before it writes.
fn http1_buffer_bytes(limits: &Limits) -> usize {
    // Our own limit is a little below hyper's, so that its refusal is an answer that a page may read.
    limits.header_bytes.saturating_add(HEADER_BYTES_FLOOR).max(limits.read_buffer_bytes)
}

fn http1_settings(limits: &Limits, transport: Transport) -> http1::Builder {
    let mut settings = http1::Builder::new();
    settings
        .timer(TokioTimer::new())
        // `Activity` tells a slow head from an idle connection; hyper's timer does not.
        .header_read_timeout(None)
        .max_buf_size(http1_buffer_bytes(limits))
        // Flattening would copy every body byte once more.
        .writev(true)
        // Else it would read while it answers, to find out when the client goes away; `Watch` does.
        .half_close(transport == Transport::PlainHttp1);
    if limits.header_fields > HYPER_FIELDS {
        settings.max_headers(limits.header_fields.saturating_add(1));
    }
    settings
}

fn http2_settings(limits: &Limits, on_this_core: OnThisCore) -> http2::Builder<OnThisCore> {
    let mut settings = http2::Builder::new(on_this_core);
    // As with HTTP/1 our limit comes first; HTTP/2 counts 32 bytes more for each field (RFC 9113 §6.5.2).
    let surplus = limits.header_fields.saturating_mul(32).saturating_add(HEADER_BYTES_FLOOR);
    let list_bytes = limits.header_bytes.saturating_add(surplus);
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(list_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(limits.read_buffer_bytes)
        .keep_alive_interval(HTTP2_PING_EVERY)
        .keep_alive_timeout(HTTP2_PING_TIME);
    settings
}

#[cfg(test)]
mod tests;
