//! A feed over HTTP: `snapshot`, and `tail` as a stream or by long poll.
//!
//! A value that answers request heads; whoever has a server mounts it under a path of theirs.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri, request};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::sync::watch;

use super::{SharedFeed, Tail, TailOrder};
use crate::control::link::Secret;
use crate::control::orders::snapshot::{FEED_VERSION, FeedId};
use crate::control::orders::source::http::{EVENT_STREAM, FEED_VERSION_HEADER};

/// How often a stream that has nothing to say says so.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// The longest wait of a long poll.
pub const WAIT_MAX: Duration = Duration::from_secs(55);
/// Orders of one answer to a long poll, or of one piece of a stream.
pub const ANSWER_ORDERS_MAX: usize = 1000;

/// The body of an answer.
pub type FeedBody = UnsyncBoxBody<Bytes, Infallible>;

/// A feed for those who know its secret.
#[derive(Debug, Clone)]
pub struct FeedService {
    feed: SharedFeed,
    secret: Option<Secret>,
    heartbeat_every: Duration,
}

/// Where a reader is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    feed: FeedId,
    after: u64,
    wait: Duration,
}

impl FeedService {
    /// Serves `feed`; to everyone where there is no secret, which is for tests and for sockets that nobody else reaches.
    #[must_use]
    pub const fn new(feed: SharedFeed, secret: Option<Secret>) -> Self {
        Self { feed, secret, heartbeat_every: HEARTBEAT_EVERY }
    }

    /// The same with another heartbeat than [`HEARTBEAT_EVERY`].
    #[must_use]
    pub const fn with_heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat_every = every;
        self
    }

    /// Answers `head`, of which only the last segment of the path counts. Takes until there is an order, at most
    /// [`WAIT_MAX`], when asked to wait.
    pub async fn answer(&self, head: &request::Parts) -> Response<FeedBody> {
        if self.secret.as_ref().is_some_and(|secret| !secret.is_in(&head.headers)) {
            return says(StatusCode::UNAUTHORIZED, "the secret is not the one of this feed\n");
        }
        if head.method != Method::GET {
            return says(StatusCode::METHOD_NOT_ALLOWED, "a feed is read with GET\n");
        }
        match head.uri.path().rsplit('/').next() {
            Some("snapshot") => {
                answer(StatusCode::OK, "application/json", full(self.feed.snapshot().to_line()))
            }
            Some("tail") => self.tail(head).await,
            _ => says(StatusCode::NOT_FOUND, "a feed has a snapshot and a tail\n"),
        }
    }

    async fn tail(&self, head: &request::Parts) -> Response<FeedBody> {
        let Some(place) = Place::of(&head.uri, &head.headers) else {
            return says(StatusCode::BAD_REQUEST, "a tail needs feed=ID and after=NUMBER\n");
        };
        let latest = self.feed.latest();
        let Tail::Orders(first) = self.feed.after(&place.feed, place.after, ANSWER_ORDERS_MAX) else {
            return says(StatusCode::GONE, "that part of the feed is not known here: take the snapshot\n");
        };
        let accept = head.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if place.wait.is_zero() && accept.contains(EVENT_STREAM) {
            let reader = Reader::new(self.clone(), place, latest);
            let body = StreamBody::new(stream::unfold(reader, Reader::next));
            return answer(StatusCode::OK, EVENT_STREAM, body.boxed_unsync());
        }
        let orders = if first.is_empty() { self.wait_for(&place, latest).await } else { first };
        let mut lines = String::new();
        for order in orders {
            lines.push_str(&order.line);
            lines.push('\n');
        }
        answer(StatusCode::OK, "application/x-ndjson", full(lines))
    }

    /// What comes after `place` within its wait.
    async fn wait_for(&self, place: &Place, mut latest: watch::Receiver<u64>) -> Vec<TailOrder> {
        let came = latest.wait_for(|seq| *seq > place.after);
        let came = matches!(tokio::time::timeout(place.wait, came).await, Ok(Ok(_)));
        match came.then(|| self.feed.after(&place.feed, place.after, ANSWER_ORDERS_MAX)) {
            Some(Tail::Orders(orders)) => orders,
            _ => Vec::new(),
        }
    }
}

impl Place {
    fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let (mut feed, mut after, mut wait) = (None, None, Duration::ZERO);
        for pair in uri.query().unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some(("feed", value)) => feed = FeedId::parse(value),
                Some(("after", value)) => after = value.parse().ok(),
                Some(("wait", value)) => wait = Duration::from_secs(value.parse().ok()?).min(WAIT_MAX),
                _ => {}
            }
        }
        // What a client that reconnects by itself says, as the same URL stays.
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
        Some(Self { feed: feed?, after: last.or(after)?, wait })
    }
}

/// One reader of a stream.
struct Reader {
    service: FeedService,
    place: Place,
    latest: watch::Receiver<u64>,
    greeted: bool,
}

impl Reader {
    const fn new(service: FeedService, place: Place, latest: watch::Receiver<u64>) -> Self {
        Self { service, place, latest, greeted: false }
    }

    /// The next piece of the stream, which ends when the reader fell too far behind.
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        // So that the head goes out, and whoever is between shows at once whether it passes a stream on.
        if !std::mem::replace(&mut self.greeted, true) {
            return Some((Ok(Frame::data(Bytes::from_static(b": here\n\n"))), self));
        }
        let came = self.latest.wait_for(|seq| *seq > self.place.after);
        let came = tokio::time::timeout(self.service.heartbeat_every, came).await;
        match came.map(|came| came.is_ok()) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => return Some((Ok(Frame::data(Bytes::from_static(b": still here\n\n"))), self)),
        }
        let Tail::Orders(orders) =
            self.service.feed.after(&self.place.feed, self.place.after, ANSWER_ORDERS_MAX)
        else {
            return None;
        };
        let mut piece = BytesMut::new();
        for order in orders {
            let message = format!("event: order\nid: {}\ndata: {}\n\n", order.seq, order.line);
            piece.extend_from_slice(message.as_bytes());
            self.place.after = order.seq;
        }
        Some((Ok(Frame::data(piece.freeze())), self))
    }
}

fn full(text: String) -> FeedBody {
    Full::new(Bytes::from(text)).boxed_unsync()
}

fn says(status: StatusCode, text: &'static str) -> Response<FeedBody> {
    answer(status, "text/plain; charset=utf-8", full(text.to_owned()))
}

fn answer(status: StatusCode, content_type: &'static str, body: FeedBody) -> Response<FeedBody> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(FEED_VERSION_HEADER, HeaderValue::from(FEED_VERSION));
    answer
}
