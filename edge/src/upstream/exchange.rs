//! One request at one upstream, and the body that comes of it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST, RANGE},
    uri::PathAndQuery,
};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout};

use super::{
    config::{Address, UpstreamName},
    edition::content_range,
    error::{Break, Stage, UpstreamError, Violation},
    forward::remove_hop_by_hop,
    line::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX, Line, NoBody, Shared},
    location::make_ours,
    pool::{Age, Patience, Place, Pool},
};

/// What may be asked of an upstream: nothing that changes it, so that it may be asked twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMethod {
    /// GET.
    Get,
    /// HEAD: the response has no body.
    Head,
}

/// A request that any upstream can be sent.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: ReadMethod,
    pub(super) target: PathAndQuery,
    /// All but `Host`.
    pub(super) headers: HeaderMap,
}

/// How long an exchange may take until its head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patient {
    /// Whether to wait for a place.
    pub(super) place: Patience,
    /// When the head must be there, whatever happened before.
    pub(super) until: Instant,
    /// The head's own limit, from the sent request.
    pub(super) head: Duration,
    /// Between two pieces of the body.
    pub(super) idle: Duration,
    /// Whether the upstream is asked to hold the request.
    pub(super) is_held: bool,
}

/// The head of a response, its body still to come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Without what concerns the connection only.
    pub(super) headers: HeaderMap,
    pub(super) stream: Stream,
}

/// The body of one response as it comes. Dropped before its end, it ends the connection (or the stream of it).
pub(super) struct Stream {
    incoming: Incoming,
    idle: Duration,
    /// Until the end has been seen.
    held: Option<(Line, Place)>,
    pool: Arc<Pool>,
}

/// Sends `ask` and waits for the head.
pub(super) async fn exchange(pool: &Arc<Pool>, ask: &Ask, patient: Patient) -> Result<Answer, UpstreamError> {
    let place = pool.place(patient.place).await?;
    let (line, age) = pool.line(patient.until).await?;
    let (line, response) = match send(pool, line, ask, patient).await {
        // An unused connection is ended by the other side when it likes: that is nobody's fault, and no request was
        // answered on it.
        Err(UpstreamError::Reset { .. }) if age == Age::Used => {
            let line = pool.fresh_line(patient.until).await?;
            send(pool, line, ask, patient).await?
        }
        sent => sent?,
    };
    let name = &pool.name;
    let (parts, incoming) = response.into_parts();
    let is_asked_for_part = ask.headers.contains_key(RANGE);
    check_head(parts.status, &parts.headers, is_asked_for_part)
        .map_err(|what| UpstreamError::Protocol { upstream: name.clone(), what })?;
    let mut headers = parts.headers;
    remove_hop_by_hop(&mut headers);
    make_ours(&mut headers, &pool.maker.address);
    let held = Some((line, place));
    let mut stream = Stream { incoming, idle: patient.idle, held, pool: Arc::clone(pool) };
    stream.let_go_at_end();
    Ok(Answer { status: parts.status, headers, stream })
}

async fn send(
    pool: &Pool,
    mut line: Line,
    ask: &Ask,
    patient: Patient,
) -> Result<(Line, Response<Incoming>), UpstreamError> {
    let request = ask.to_request(&pool.maker.address, &line);
    let limit = patient.head.min(patient.until.saturating_duration_since(Instant::now()));
    // Perhaps it is slow for this request only, perhaps it is gone: other requests need not find out.
    let mut unanswered = Unanswered { pool, shared: line.shared() };
    match timeout(limit, line.send(request)).await {
        Ok(Ok(response)) => {
            unanswered.shared = Weak::new();
            Ok((line, response))
        }
        Ok(Err(error)) => Err(failure(&pool.name, &error)),
        Err(_) => Err(UpstreamError::Timeout { upstream: pool.name.clone(), stage: Stage::Head, limit }),
    }
}

/// A request without a head yet. Where none comes, or nobody waits any more because another upstream was faster, the
/// connection takes no further request.
struct Unanswered<'a> {
    pool: &'a Pool,
    shared: Weak<Shared>,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.shared.strong_count() > 0 {
            self.pool.retire(&self.shared);
        }
    }
}

/// What hyper's error means for a request that has no head yet.
fn failure(name: &UpstreamName, error: &hyper::Error) -> UpstreamError {
    let protocol = |what| UpstreamError::Protocol { upstream: name.clone(), what };
    if error.is_parse_too_large() {
        protocol(Violation::HeadTooLarge)
    } else if error.is_parse() {
        protocol(Violation::Malformed)
    } else {
        UpstreamError::Reset { upstream: name.clone(), cause: error.to_string() }
    }
}

fn check_head(status: StatusCode, headers: &HeaderMap, is_asked_for_part: bool) -> Result<(), Violation> {
    if status.is_informational() {
        return Err(Violation::Interim);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        if !is_asked_for_part {
            return Err(Violation::UnaskedPart);
        }
        if !is_several_parts(headers) && content_range(headers).is_none() {
            return Err(Violation::BadContentRange);
        }
    }
    // hyper holds these limits over HTTP/1.1, and announces one of them over HTTP/2.
    let lengths = headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    let bytes = lengths.fold(0usize, usize::saturating_add);
    if headers.len() > HEAD_FIELDS_MAX || bytes > HEAD_BYTES_MAX {
        return Err(Violation::HeadTooLarge);
    }
    Ok(())
}

/// Whether a 206 has several parts, each with a range of its own (RFC 9110 §15.3.7.2).
fn is_several_parts(headers: &HeaderMap) -> bool {
    const KIND: &[u8] = b"multipart/byteranges";
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..KIND.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(KIND))
}

impl Ask {
    pub(super) fn to_request(&self, address: &Address, line: &Line) -> Request<NoBody> {
        let mut request = Request::new(NoBody::new());
        *request.method_mut() = match self.method {
            ReadMethod::Get => http::Method::GET,
            ReadMethod::Head => http::Method::HEAD,
        };
        *request.headers_mut() = self.headers.clone();
        let mut target = http::uri::Parts::default();
        target.path_and_query = Some(self.target.clone());
        if line.is_http2() {
            target.scheme = Some(address.scheme.clone());
            target.authority = Some(address.authority.clone());
        } else {
            let host = HeaderValue::from_str(address.authority.as_str());
            request.headers_mut().insert(HOST, host.expect("an authority is visible ASCII"));
        }
        *request.uri_mut() = Uri::from_parts(target).expect("a path alone, or all three parts, are a URI");
        request
    }
}

impl Stream {
    /// The next piece; `None` after the last. Without one for `patience` it is idle, and may be waited for again. Dropping
    /// the future loses nothing.
    pub(super) async fn next(&mut self, patience: Duration) -> Option<Result<Bytes, Break>> {
        loop {
            let frame = match timeout(patience, self.incoming.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    tracing::debug!(upstream = %self.pool.name, %error, "a body broke");
                    return Some(Err(Break::Ended));
                }
                Ok(None) => {
                    self.let_go();
                    return None;
                }
                Err(_) => return Some(Err(Break::Idle)),
            };
            self.let_go_at_end();
            // Trailers say nothing that a cache would pass on.
            if let Ok(data) = frame.into_data() {
                return Some(Ok(data));
            }
        }
    }

    /// Gives the line and the place to others as soon as the last byte is here, not when somebody asks for more.
    fn let_go_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        if let Some((line, _place)) = self.held.take() {
            self.pool.put_back(line);
        }
    }

    /// How long it may be silent.
    pub(super) fn idle(&self) -> Duration {
        self.idle
    }

    /// Who sends it.
    pub(super) fn upstream(&self) -> &UpstreamName {
        &self.pool.name
    }
}
