//! A request as a handler sees it: parsed, checked, with the client's address already decided.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, uri::PathAndQuery};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::{request_id::RequestId, trace::Trace};

/// One request. The path is raw: percent-encodings are the handler's to decode, but no control byte is in it,
/// neither bare nor encoded, and it begins with `/`.
#[derive(Debug)]
pub struct Request {
    /// The method; one the handler allows for this path.
    pub method: Method,
    /// Path and query as sent, percent-encoded.
    pub target: PathAndQuery,
    /// Header fields.
    pub headers: HeaderMap,
    /// Who asks.
    pub client: ClientAddress,
    /// Names the request in logs, problems and upstream requests.
    pub id: RequestId,
    /// How the response will travel.
    pub transport: Transport,
    /// Time of day when the head had arrived.
    pub received: SystemTime,
    /// What follows the head. Dropping it unread discards it.
    pub body: RequestBody,
    /// Where the handler notes what the end of the request shall know.
    pub trace: Trace,
}

impl Request {
    /// A GET that came over no socket: for calls inside the process and for tests.
    ///
    /// # Errors
    /// When `target` is no path and query.
    pub fn internal(target: &str, received: SystemTime) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self {
            method: Method::GET,
            target: PathAndQuery::try_from(target)?,
            headers: HeaderMap::new(),
            client: ClientAddress::internal(),
            id: RequestId::INTERNAL,
            transport: Transport::Internal,
            received,
            body: RequestBody::empty(),
            trace: Trace::default(),
        })
    }

    /// The path, percent-encoded.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// The query without its question mark, percent-encoded.
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }
}

/// Who asks, by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client's address, as far as configured proxies can be believed. IPv4 in IPv6 is written as IPv4.
    pub ip: IpAddr,
    /// The other end of the TCP connection, or what a PROXY header said it was.
    pub peer: SocketAddr,
}

impl ClientAddress {
    /// The address of a call inside the process.
    pub const fn internal() -> Self {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { ip, peer: SocketAddr::new(ip, 0) }
    }
}

/// How a response travels; decides how file bodies are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1 without TLS: the only one on which a file could leave without passing through memory.
    PlainHttp1,
    /// HTTP/2 without TLS (prior knowledge).
    PlainHttp2,
    /// HTTP/1 in TLS.
    TlsHttp1,
    /// HTTP/2 in TLS.
    TlsHttp2,
    /// A call inside the process.
    Internal,
}

impl Transport {
    /// Whether streams share the connection.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::PlainHttp2 | Self::TlsHttp2)
    }

    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlainHttp1 => "http1",
            Self::PlainHttp2 => "http2",
            Self::TlsHttp1 => "https1",
            Self::TlsHttp2 => "https2",
            Self::Internal => "internal",
        }
    }
}

/// The body of a request, unread.
#[derive(Debug)]
pub struct RequestBody(Option<Incoming>);

/// Why a request body was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// Longer than the handler allows; answer 413.
    #[error("the body is longer than {limit_bytes} bytes")]
    TooLong {
        /// The handler's limit.
        limit_bytes: usize,
    },
    /// It did not arrive whole in time; answer 408.
    #[error("the body did not arrive within {within:?}")]
    TooSlow {
        /// The handler's limit.
        within: Duration,
    },
    /// The connection broke or the framing was wrong; there is nobody to answer.
    #[error("the body could not be read")]
    Broken(#[source] hyper::Error),
}

impl RequestBody {
    /// No body.
    pub const fn empty() -> Self {
        Self(None)
    }

    pub(crate) fn incoming(body: Incoming) -> Self {
        Self((!body.is_end_stream()).then_some(body))
    }

    /// Reads the whole body into memory; nothing is left of it then.
    ///
    /// # Errors
    /// See [`RequestBodyError`]; at most `limit_bytes` plus one frame are ever held.
    pub async fn collect(&mut self, limit_bytes: usize, within: Duration) -> Result<Bytes, RequestBodyError> {
        let Some(mut incoming) = self.0.take() else { return Ok(Bytes::new()) };
        let too_long = || RequestBodyError::TooLong { limit_bytes };
        if incoming.size_hint().lower() > u64::try_from(limit_bytes).unwrap_or(u64::MAX) {
            return Err(too_long());
        }
        let reading = async {
            let mut all = BytesMut::new();
            loop {
                let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut incoming).poll_frame(cx)).await;
                let Some(frame) = frame else { return Ok(all.freeze()) };
                let Ok(data) = frame.map_err(RequestBodyError::Broken)?.into_data() else { continue };
                if all.len().saturating_add(data.len()) > limit_bytes {
                    return Err(too_long());
                }
                all.extend_from_slice(&data);
            }
        };
        tokio::time::timeout(within, reading).await.map_err(|_| RequestBodyError::TooSlow { within })?
    }
}
