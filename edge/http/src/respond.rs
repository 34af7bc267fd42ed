//! From a reply to a response: coding, conditions, ranges, HEAD, problems and CORS. Knows nothing of media and reads
//! nothing: the result's body is still a description.
//!
//! ```text
//!  Entity ─▶ choose coding ─▶ conditions ─┬▶ 304 / 412
//!                                         └▶ encode ─▶ range ─▶ 200 / 206 / 416
//! ```
//!
//! Invariants: a HEAD answer has the headers of the GET without range; every byte range counts in the chosen
//! coding; each coding has its own entity tag.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::{
    body::Body,
    coding::Coding,
    compress::Compressor,
    conditional::{self, Verdict},
    cors::{Cors, method_list},
    entity::Entity,
    prepared::{Prepared, remove_ours},
    problem::{PROBLEM_JSON, Problem},
    range::{self, RangeAnswer},
    reply::{RawReply, Redirect, Reply, Representation},
    request::Request,
    request_id::X_REQUEST_ID,
};

/// Answers as one server does.
#[derive(Debug)]
pub struct Responder {
    /// Makes and keeps the codings of entities.
    pub compressor: Compressor,
    /// Which pages may read answers.
    pub cors: Cors,
}

impl Responder {
    /// Turns `reply` into the response to `request`, with its id and what CORS permits.
    ///
    /// Must run inside a tokio runtime when entities may be compressed.
    pub async fn respond(&self, request: &Request, reply: Reply) -> Response<Body> {
        let mut response = match reply {
            Reply::Entity(mut representation) => {
                let cache_control = representation.cache_control.take();
                let mut response = serve(request, representation, self).await;
                if let Some(instead) = cache_control {
                    response.headers_mut().insert(header::CACHE_CONTROL, instead);
                }
                response
            }
            Reply::Problem(problem) => self.permit(request, explain(request, *problem)),
            Reply::Redirect(redirect) => self.permit(request, send_elsewhere(*redirect)),
            Reply::Raw(raw) => self.permit(request, pass(*raw)),
        };
        if request.method == Method::HEAD {
            *response.body_mut() = Body::new();
        }
        response.headers_mut().insert(X_REQUEST_ID, request.id.to_header_value());
        response
    }

    fn permit(&self, request: &Request, mut response: Response<Body>) -> Response<Body> {
        self.cors.permit(origin(request), response.headers_mut());
        response
    }
}

/// The page that asks, if one says so.
fn origin(request: &Request) -> Option<&HeaderValue> {
    request.headers.get(header::ORIGIN)
}

/// 405 with the methods that would do.
pub(crate) fn method_not_allowed(allowed: &[Method]) -> Problem {
    let (status, allow) = (StatusCode::METHOD_NOT_ALLOWED, method_list(allowed));
    let mut problem =
        Problem::new(status, "method_not_allowed", "Method not allowed", "see the Allow header");
    problem.headers.insert(header::ALLOW, allow);
    problem
}

async fn serve(request: &Request, representation: Representation, responder: &Responder) -> Response<Body> {
    let Representation { prepared, added, .. } = representation;
    let Responder { compressor, cors } = responder;
    let with_added = |mut response: Response<Body>| {
        response.headers_mut().extend(added.iter().cloned());
        response
    };
    // A prepared head permits all pages where all may read it.
    let permitted = |mut response: Response<Body>| {
        cors.permit_listed(origin(request), response.headers_mut());
        response
    };
    let explain = |problem| with_added(responder.permit(request, explain(request, problem)));
    let plain = prepared.compressible(compressor);
    let mut coding = plain.as_ref().and_then(|_| Coding::negotiate(&request.headers));

    match conditional::evaluate(&request.headers, prepared.validators(coding)) {
        Verdict::NotModified => return with_added(permitted(not_modified(&prepared, coding, cors))),
        Verdict::Failed => return explain(precondition_failed(prepared.entity())),
        Verdict::Proceed => {}
    }
    if let (Some(plain), Some(wanted)) = (plain, coding)
        && prepared.coded(wanted).is_none()
    {
        // Boxed: it is done once an entity, and every other answer would carry the room for it.
        match Box::pin(compressor.variant(&plain, wanted)).await {
            Ok(bytes) => prepared.keep(wanted, bytes),
            // The plain body with its own tag is as good an answer.
            Err(error) => {
                tracing::debug!(%error, "sent without compression");
                coding = None;
            }
        }
    }
    if let Some(problem) = changed_source(&prepared.entity().body) {
        return explain(problem);
    }
    let len = prepared.len(coding);
    match asked_range(request, &prepared, coding) {
        RangeAnswer::Unsatisfiable => explain(unsatisfiable(len)),
        RangeAnswer::Part(part) => {
            let (mut headers, body) = prepared.into_whole(coding, cors, &added);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end.saturating_sub(part.start)));
            headers.insert(header::CONTENT_RANGE, range::content_range(&part, len));
            permitted(response(StatusCode::PARTIAL_CONTENT, headers, body.range(part)))
        }
        RangeAnswer::Whole => {
            let (headers, body) = prepared.into_whole(coding, cors, &added);
            permitted(response(StatusCode::OK, headers, body))
        }
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// `Range` counts for GET only (RFC 9110 §14.2), once, and when `If-Range` agrees.
fn asked_range(request: &Request, prepared: &Prepared, coding: Option<Coding>) -> RangeAnswer {
    let mut fields = request.headers.get_all(header::RANGE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return RangeAnswer::Whole };
    if prepared.entity().body.is_open() {
        // Where a range would end cannot be said yet; the whole is as good an answer (RFC 9110 §14.2).
        return RangeAnswer::Whole;
    }
    let validators = prepared.validators(coding);
    let counts = request.method == Method::GET
        && conditional::is_range_allowed(&request.headers, validators, request.received);
    if counts { range::decide(field.as_bytes(), prepared.len(coding)) } else { RangeAnswer::Whole }
}

fn not_modified(prepared: &Prepared, coding: Option<Coding>, cors: &Cors) -> Response<Body> {
    let mut headers = prepared.write_head(coding, cors);
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ACCEPT_RANGES] {
        headers.remove(name);
    }
    response(StatusCode::NOT_MODIFIED, headers, Body::new())
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

fn explain(request: &Request, problem: Problem) -> Response<Body> {
    let retry_after = problem.retry_after_value();
    let body = Body::from(problem.to_json(Some(request.id.as_str())));
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

/// A response as it stands, with its length. That of a part says which.
fn pass(raw: RawReply) -> Response<Body> {
    let RawReply { status, mut headers, body } = raw;
    let part = headers.remove(header::CONTENT_RANGE).filter(|_| status == StatusCode::PARTIAL_CONTENT);
    remove_ours(&mut headers);
    headers.extend(part.map(|part| (header::CONTENT_RANGE, part)));
    // RFC 9110 §8.6: a 204 has no length; a 304 would have to give that of the 200.
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return response(status, headers, Body::new());
    }
    if !body.is_open() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    response(status, headers, body)
}

#[cfg(test)]
mod tests;
