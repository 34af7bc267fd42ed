//! Orders over HTTP: a snapshot where one is needed, then the tail as server-sent events.
//!
//! ```text
//!  nothing known, 410, a gap ─▶ GET snapshot ─┐
//!                                             ▼
//!             GET tail?feed&after ─▶ text/event-stream: orders as they are given; a comment at least every 10 s
//!                    │ silent, or no stream: something between does not pass it on
//!                    ▼
//!             GET tail?feed&after&wait=25 ─▶ lines, as soon as there are some; again at once
//! ```
//!
//! What holds back a stream is found out by waiting once; from then on the edge asks again and again, until that fails.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use super::Heard;
use super::lines::{Line, Lines};
use super::sse::{Said, SseReader};
use crate::control::link::{ControlLink, LinkError};
use crate::control::orders::feed::TAIL_BYTES_MAX;
use crate::control::orders::order::{ORDER_BYTES_MAX, Order};
use crate::control::orders::snapshot::{FEED_VERSION, FeedId, SNAPSHOT_BYTES_MAX, Snapshot, SnapshotError};

/// How long a stream may be silent: three of the control plane's comments are missing then.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long the control plane is asked to wait for an order, where streams do not come through.
pub const POLL_WAIT: Duration = Duration::from_secs(25);
/// What every answer of a feed carries.
pub const FEED_VERSION_HEADER: HeaderName = HeaderName::from_static("rillcast-feed-version");
/// The type of a stream.
pub const EVENT_STREAM: &str = "text/event-stream";

/// A feed at the other end of a link.
#[derive(Debug)]
pub struct HttpSource {
    link: ControlLink,
    silence_max: Duration,
    poll_wait: Duration,
    stream: Option<Stream>,
    wants_snapshot: bool,
    /// A snapshot was taken, and its tail not yet heard.
    fresh: bool,
    polls: bool,
}

#[derive(Debug)]
struct Stream {
    body: Incoming,
    reader: SseReader,
    said_anything: bool,
}

/// Why nothing was heard; to be tried again after a wait.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No answer.
    #[error("the control plane did not answer: {0}")]
    Link(#[from] LinkError),
    /// The control plane does not know us.
    #[error("the control plane refuses the secret of this edge ({0})")]
    Refused(StatusCode),
    /// Another answer than expected.
    #[error("the control plane answered {0}")]
    Status(StatusCode),
    /// Something answered that is no feed.
    #[error("what answers there is no feed of orders: no {FEED_VERSION_HEADER} in its answer")]
    NoFeed,
    /// A feed that this program must not guess at.
    #[error("a feed of version {0}, and this program reads up to {FEED_VERSION}: update it")]
    Newer(u64),
    /// A snapshot that cannot be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The answer broke off, or is larger than it may be.
    #[error("an answer that broke off or has more than {0} bytes")]
    Body(usize),
    /// It does not know the tail of a snapshot it has just given: two control planes behind one address, say.
    #[error("the control plane does not know what comes after its own snapshot")]
    Disagrees,
    /// The stream ended.
    #[error("the control plane ended the stream")]
    Ended,
    /// The stream fell silent.
    #[error("nothing came for {} s", .0.as_secs())]
    Silent(Duration),
}

impl HttpSource {
    /// The feed whose `snapshot` and `tail` are under the base of `link`.
    #[must_use]
    pub const fn new(link: ControlLink) -> Self {
        Self::with_patience(link, SILENCE_MAX, POLL_WAIT)
    }

    /// The same with other patience than [`SILENCE_MAX`] and [`POLL_WAIT`].
    #[must_use]
    pub const fn with_patience(link: ControlLink, silence_max: Duration, poll_wait: Duration) -> Self {
        Self { link, silence_max, poll_wait, stream: None, wants_snapshot: false, fresh: false, polls: false }
    }

    /// The next call takes a snapshot, whatever the position.
    pub fn want_snapshot(&mut self) {
        self.wants_snapshot = true;
        self.stream = None;
    }

    /// What comes after `position`, as soon as there is something; at least [`Heard::Alive`]. When it is dropped, nothing
    /// is lost.
    ///
    /// # Errors
    /// When nothing can be heard now. The next call begins anew.
    pub async fn next(&mut self, position: Option<(&FeedId, u64)>) -> Result<Vec<Heard>, HttpError> {
        let Some((feed, seq)) = position.filter(|_| !self.wants_snapshot) else {
            let snapshot = self.snapshot().await?;
            self.wants_snapshot = false;
            self.fresh = true;
            return Ok(vec![Heard::Snapshot(snapshot)]);
        };
        if let Some(stream) = &mut self.stream {
            let heard = stream.hear(self.silence_max).await;
            if let Err(error) = &heard {
                self.polls = matches!(error, HttpError::Silent(_)) && !stream.said_anything;
                self.stream = None;
            }
            return heard;
        }
        let heard = self.tail(feed, seq).await;
        self.polls &= heard.is_ok();
        heard
    }

    /// Whether streams did not come through, so that it polls.
    #[must_use]
    pub const fn polls(&self) -> bool {
        self.polls
    }

    async fn snapshot(&self) -> Result<Snapshot, HttpError> {
        let answer =
            self.link.send(Method::GET, "/snapshot", HeaderMap::new(), Bytes::new(), Duration::ZERO).await?;
        let body = whole(accepted(answer)?, SNAPSHOT_BYTES_MAX, self.silence_max).await?;
        Ok(Snapshot::parse(&body)?)
    }

    async fn tail(&mut self, feed: &FeedId, seq: u64) -> Result<Vec<Heard>, HttpError> {
        let mut path = format!("/tail?feed={}&after={seq}", feed.as_str());
        let mut headers = HeaderMap::new();
        let patience = if self.polls { self.poll_wait } else { Duration::ZERO };
        if self.polls {
            path = format!("{path}&wait={}", patience.as_secs());
        } else {
            headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
            headers.insert("last-event-id", HeaderValue::from(seq));
        }
        let answer = self.link.send(Method::GET, &path, headers, Bytes::new(), patience).await?;
        if answer.status() == StatusCode::GONE {
            self.wants_snapshot = true;
            return if self.fresh { Err(HttpError::Disagrees) } else { Ok(vec![Heard::Alive]) };
        }
        let answer = accepted(answer)?;
        self.fresh = false;
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type.is_some_and(|value| value.starts_with(EVENT_STREAM)) {
            let body = answer.into_body();
            self.stream = Some(Stream { body, reader: SseReader::default(), said_anything: false });
            self.polls = false;
            return Ok(Vec::new());
        }
        self.polls = true;
        // Each order with its line end.
        let limit = TAIL_BYTES_MAX.saturating_mul(2);
        Ok(orders(&whole(answer, limit, self.silence_max).await?))
    }
}

impl Stream {
    async fn hear(&mut self, silence_max: Duration) -> Result<Vec<Heard>, HttpError> {
        let frame = tokio::time::timeout(silence_max, self.body.frame()).await;
        let frame = frame.map_err(|_| HttpError::Silent(silence_max))?.ok_or(HttpError::Ended)?;
        let frame = frame.map_err(|_| HttpError::Ended)?;
        let Ok(bytes) = frame.into_data() else { return Ok(Vec::new()) };
        self.reader.push(&bytes);
        let mut heard = Vec::new();
        while let Some(said) = self.reader.said() {
            self.said_anything = true;
            heard.push(match said {
                Said::Order(line) => order(&line),
                Said::Other | Said::Comment => Heard::Alive,
                Said::TooLong => {
                    Heard::Unreadable(format!("a message longer than an order's {ORDER_BYTES_MAX} bytes"))
                }
            });
        }
        Ok(heard)
    }
}

/// An answer of a feed that says yes.
fn accepted(answer: Response<Incoming>) -> Result<Response<Incoming>, HttpError> {
    match answer.status() {
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            return Err(HttpError::Refused(status));
        }
        status if !status.is_success() => return Err(HttpError::Status(status)),
        _ => {}
    }
    let version = answer.headers().get(FEED_VERSION_HEADER).and_then(|value| value.to_str().ok());
    let version: u64 = version.and_then(|value| value.parse().ok()).ok_or(HttpError::NoFeed)?;
    if version > FEED_VERSION { Err(HttpError::Newer(version)) } else { Ok(answer) }
}

/// The body of `answer`, if it is no larger than `limit` and keeps coming.
async fn whole(answer: Response<Incoming>, limit: usize, silence_max: Duration) -> Result<Bytes, HttpError> {
    let mut body = Limited::new(answer.into_body(), limit);
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(silence_max, body.frame()).await;
        match frame.map_err(|_| HttpError::Silent(silence_max))? {
            Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(_)) => return Err(HttpError::Body(limit)),
            None => return Ok(bytes.into()),
        }
    }
}

fn orders(bytes: &[u8]) -> Vec<Heard> {
    let mut lines = Lines::new(ORDER_BYTES_MAX);
    lines.push(bytes);
    let mut heard = vec![Heard::Alive];
    while let Some(Line::Whole(line) | Line::TooLong { head: line }) = lines.next_line() {
        heard.push(order(&line));
    }
    heard
}

fn order(line: &[u8]) -> Heard {
    Order::parse(line).map_or_else(|error| Heard::Unreadable(error.to_string()), Heard::Order)
}
