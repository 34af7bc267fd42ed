//! From a reply to a response: coding, conditions, ranges, HEAD and problems. Knows nothing of media and reads
//! nothing: the result's body is still a description.
//!
//! ```text
//!  Entity ─▶ choose coding ─▶ conditions ─┬▶ 304 / 412
//!                                         └▶ encode ─▶ range ─▶ 200 / 206 / 416
//! ```
//!
//! Invariants: a HEAD answer has the headers of the GET without range; every byte range counts in the chosen
//! coding; each coding has its own entity tag.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::{
    body::Body,
    coding::Coding,
    compress::Compressor,
    conditional::{self, Validators, Verdict},
    cors::method_list,
    entity::{Encoding, Entity},
    problem::{PROBLEM_JSON, Problem},
    question::Question,
    range::{self, RangeAnswer},
    reply::{RawReply, Redirect, Reply},
};

/// Headers that describe the message or the connection: never taken from a handler.
const OURS: [HeaderName; 9] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::TRAILER,
    header::TE,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Turns `reply` into the response to `question`.
///
/// Must run inside a tokio runtime when entities may be compressed.
pub async fn respond(question: &Question, reply: Reply, compressor: &Compressor) -> Response<Body> {
    let mut response = match reply {
        Reply::Entity(entity) => serve(question, *entity, compressor).await,
        Reply::Problem(problem) => explain(question, *problem),
        Reply::Redirect(redirect) => send_elsewhere(redirect),
        Reply::Raw(raw) => pass(*raw),
    };
    if *question.method() == Method::HEAD {
        *response.body_mut() = Body::new();
    }
    response
}

/// 405 with the methods that would do.
pub(crate) fn method_not_allowed(allowed: &[Method]) -> Problem {
    let (status, allow) = (StatusCode::METHOD_NOT_ALLOWED, method_list(allowed));
    let mut problem =
        Problem::new(status, "method_not_allowed", "Method not allowed", "see the Allow header");
    problem.headers.insert(header::ALLOW, allow);
    problem
}

async fn serve(question: &Question, mut entity: Entity, compressor: &Compressor) -> Response<Body> {
    let plain = compressible(&entity, compressor);
    let varies = entity.encoding == Encoding::Compress;
    let coding = plain.as_ref().and_then(|_| Coding::negotiate(question.headers()));
    let mut coded = Variant::of(&entity, coding);

    let verdict = conditional::evaluate(question.headers(), coded.validators(&entity));
    match verdict {
        Verdict::NotModified => return not_modified(&entity, &coded, varies),
        Verdict::Failed => return explain(question, precondition_failed(&entity)),
        Verdict::Proceed => {}
    }
    if let (Some(plain), Some(coding)) = (plain, coding) {
        match compressor.variant(&plain, coding).await {
            Ok(bytes) => entity.body = bytes.into(),
            // The plain body with its own tag is as good an answer.
            Err(error) => {
                tracing::debug!(%error, "sent without compression");
                coded = Variant::of(&entity, None);
            }
        }
    }
    if let Some(problem) = changed_source(&entity.body) {
        return explain(question, problem);
    }
    let len = entity.body.len();
    match asked_range(question, &entity, &coded) {
        RangeAnswer::Unsatisfiable => explain(question, unsatisfiable(len)),
        RangeAnswer::Part(part) => {
            let mut response = headed(StatusCode::PARTIAL_CONTENT, &entity, &coded, varies);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end.saturating_sub(part.start)));
            headers.insert(header::CONTENT_RANGE, range::content_range(&part, len));
            *response.body_mut() = entity.body.range(part);
            response
        }
        RangeAnswer::Whole => {
            let mut response = headed(StatusCode::OK, &entity, &coded, varies);
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
            *response.body_mut() = entity.body;
            response
        }
    }
}

/// The entity in one coding: what differs between codings but the bytes.
struct Variant {
    coding: Option<Coding>,
    etag: Option<crate::EntityTag>,
}

impl Variant {
    fn of(entity: &Entity, coding: Option<Coding>) -> Self {
        let etag = entity.etag.as_ref();
        let etag = match coding {
            Some(coding) => etag.map(|etag| etag.with_suffix(coding.tag_suffix())),
            None => etag.cloned(),
        };
        Self { coding, etag }
    }

    fn validators(&self, entity: &Entity) -> Validators<'_> {
        Validators { etag: self.etag.as_ref(), last_modified: entity.last_modified }
    }
}

/// The plain bytes when the entity may be compressed and it is worth it.
fn compressible(entity: &Entity, compressor: &Compressor) -> Option<bytes::Bytes> {
    let wanted =
        entity.encoding == Encoding::Compress && !entity.headers.contains_key(header::CONTENT_ENCODING);
    let plain = if wanted { entity.body.as_memory() } else { None };
    plain.filter(|plain| compressor.is_worthwhile(plain.len()))
}

/// `Range` counts for GET only (RFC 9110 §14.2), once, and when `If-Range` agrees.
fn asked_range(question: &Question, entity: &Entity, coded: &Variant) -> RangeAnswer {
    let mut fields = question.headers().get_all(header::RANGE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return RangeAnswer::Whole };
    let counts = *question.method() == Method::GET
        && conditional::is_range_allowed(question.headers(), coded.validators(entity), question.received());
    if counts { range::decide(field.as_bytes(), entity.body.len()) } else { RangeAnswer::Whole }
}

/// Head of a 200 or 206 but for lengths; also the fields a 304 repeats (RFC 9110 §15.4.5).
fn headed(status: StatusCode, entity: &Entity, coded: &Variant, varies: bool) -> Response<Body> {
    let mut response = Response::new(Body::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    *headers = entity.headers.clone();
    remove_ours(headers);
    headers.insert(header::CONTENT_TYPE, entity.content_type.clone());
    headers.insert(header::CACHE_CONTROL, entity.cache_control.clone());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(etag) = &coded.etag {
        headers.insert(header::ETAG, etag.to_header_value());
    }
    if let Some(modified) = entity.last_modified {
        headers.insert(header::LAST_MODIFIED, conditional::last_modified_value(modified));
    }
    if let Some(coding) = coded.coding {
        headers.insert(header::CONTENT_ENCODING, coding.to_header_value());
    }
    if varies {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

fn not_modified(entity: &Entity, coded: &Variant, varies: bool) -> Response<Body> {
    let mut response = headed(StatusCode::NOT_MODIFIED, entity, coded, varies);
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ACCEPT_RANGES] {
        response.headers_mut().remove(name);
    }
    response
}

fn precondition_failed(entity: &Entity) -> Problem {
    let (status, detail) = (StatusCode::PRECONDITION_FAILED, "the representation is not the one you name");
    let mut problem = Problem::new(status, "precondition_failed", "Precondition failed", detail);
    if let Some(etag) = &entity.etag {
        problem.headers.insert(header::ETAG, etag.to_header_value());
    }
    problem
}

fn unsatisfiable(len: u64) -> Problem {
    let (status, detail) = (StatusCode::RANGE_NOT_SATISFIABLE, format!("the representation has {len} bytes"));
    let mut problem = Problem::new(status, "range_not_satisfiable", "Range not satisfiable", detail);
    problem.headers.insert(header::CONTENT_RANGE, range::unsatisfied_range(len));
    problem.headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    problem
}

/// A source that is known to have changed is refused while an answer can still say so.
fn changed_source(body: &Body) -> Option<Problem> {
    let file = body.first_file()?.file();
    if file.is_unchanged().unwrap_or(false) {
        return None;
    }
    let retry = std::time::Duration::from_secs(1);
    Some(Problem { slug: "source_changed", ..Problem::unavailable("the source has just changed", retry) })
}

fn explain(question: &Question, problem: Problem) -> Response<Body> {
    let retry_after = problem.retry_after_value();
    let body = Body::from(problem.to_json(Some(question.id().as_str())));
    let mut headers = problem.headers;
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(header::CACHE_CONTROL, problem.cache_control);
    if let Some(after) = retry_after {
        headers.insert(header::RETRY_AFTER, after);
    }
    // A 416 is the one problem whose own Content-Range we wrote.
    let content_range = headers.remove(header::CONTENT_RANGE);
    let mut response = pass(RawReply { status: problem.status, headers, body });
    if let Some(range) = content_range.filter(|_| problem.status == StatusCode::RANGE_NOT_SATISFIABLE) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

fn send_elsewhere(redirect: Redirect) -> Response<Body> {
    let mut headers = redirect.headers;
    headers.insert(header::LOCATION, redirect.location);
    headers.insert(header::CACHE_CONTROL, redirect.cache_control);
    pass(RawReply { status: redirect.status, headers, body: Body::new() })
}

/// A response as it stands, with its length.
fn pass(raw: RawReply) -> Response<Body> {
    let RawReply { status, mut headers, body } = raw;
    remove_ours(&mut headers);
    let mut response = Response::new(Body::new());
    *response.status_mut() = status;
    // RFC 9110 §8.6: a 204 has no length; a 304 would have to give that of the 200.
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        *response.body_mut() = body;
    }
    *response.headers_mut() = headers;
    response
}

fn remove_ours(headers: &mut HeaderMap) {
    if !headers.is_empty() {
        for name in &OURS {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
