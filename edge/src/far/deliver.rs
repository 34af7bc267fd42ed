//! From what the cache found to an answer: the object as an entity, with its age and what the cache did.

use std::{rc::Rc, time::SystemTime};

use http::{HeaderValue, StatusCode, header};
use rillcast_http::{
    Body, Encoding, Entity, EntityTag, Fields, Growing, Prepared, Problem, RawReply, Reply, Representation,
    growing::Growth,
};

use crate::{
    cache::object::Object,
    far::flight::{Failure, PassedResponse},
    observe::cache_status::{CACHE_STATUS, CacheStatus},
    upstream::{Fault, UpstreamError},
};

/// Longest text that is waited for until it is whole, so that it can be compressed, in bytes.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// What a response without `Cache-Control` gets: nobody below us shall guess.
const UNSAID: HeaderValue = HeaderValue::from_static("no-cache");

/// The answer from `object`, which is found in a cache again if it is given again.
pub(crate) async fn object(object: &Object, status: CacheStatus, now: SystemTime) -> Reply {
    deliver(object, Growing::body, status, now).await
}

/// The answer from `object` for one of those who have waited for it.
pub(crate) async fn landed(object: &Object, status: CacheStatus, now: SystemTime) -> Reply {
    deliver(object, Growing::body_for_many, status, now).await
}

async fn deliver(object: &Object, body: fn(&Growing) -> Body, status: CacheStatus, now: SystemTime) -> Reply {
    let is_short_text = object.is_compressible() && object.body.len().is_none_or(|len| len <= TEXT_BYTES_MAX);
    if is_short_text && let Growth::Broken(_) = object.body.ended().await {
        return broken().into();
    }
    if object.status != StatusCode::OK {
        let reply = as_it_stands(object, body(&object.body));
        return reply.with_added(&added(status, object, now));
    }
    let prepared = Rc::new(prepare(object, body(&object.body)));
    Reply::Entity(Representation { prepared, added: added(status, object, now), cache_control: None })
}

/// What this answer says beside what the object says.
pub(crate) fn added(status: CacheStatus, object: &Object, now: SystemTime) -> Fields {
    let status = CacheStatus { ttl: Some(object.lifetime.ttl_seconds(now)), ..status };
    let age = (header::AGE, object.lifetime.age_value(now));
    std::iter::once(age).chain(status.to_value().map(|value| (CACHE_STATUS, value))).collect()
}

/// A 200 as an entity: ranges, conditions and codings are ours.
pub(crate) fn prepare(object: &Object, body: Body) -> Prepared {
    let mut headers = object.headers.clone();
    let mut take = |name| headers.remove(name);
    let content_type = take(header::CONTENT_TYPE);
    let etag = take(header::ETAG).as_ref().and_then(EntityTag::from_header_value);
    let last_modified =
        take(header::LAST_MODIFIED).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    let cache_control = take(header::CACHE_CONTROL).unwrap_or(UNSAID);
    let encoding = if object.is_compressible() { Encoding::Compress } else { Encoding::Identity };
    if encoding == Encoding::Compress {
        // It varies by nothing else, and we say so ourselves.
        take(header::VARY);
    }
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let entity =
        Entity { etag, last_modified, cache_control, headers, encoding, ..Entity::new(content_type, body) };
    Prepared::new(entity)
}

/// Anything but a 200: errors and redirects of the origin, as it sent them.
fn as_it_stands(object: &Object, body: Body) -> Reply {
    let (status, headers) = (object.status, object.headers.clone());
    RawReply { status, headers, body }.into()
}

/// A response for one viewer.
pub(crate) fn passed(response: PassedResponse, cache: CacheStatus) -> Reply {
    let PassedResponse { status, headers, body } = response;
    let cache = CacheStatus { forward_status: Some(status), ..cache };
    let reply = Reply::from(RawReply { status, headers, body: body.body() });
    reply.with_added(&cache.to_fields())
}

/// What to say when the upstreams gave no response. Their names stay ours.
pub(crate) fn failed(failure: &Failure) -> Problem {
    let Failure::Upstream(error) = failure else {
        return Problem::unavailable("the request was given up", std::time::Duration::from_secs(1));
    };
    match (error, error.fault()) {
        (_, Fault::OurLimit) => {
            Problem::unavailable("too many requests wait for the origin", std::time::Duration::from_secs(1))
        }
        (UpstreamError::Timeout { .. }, _) => {
            let (status, detail) = (StatusCode::GATEWAY_TIMEOUT, "the origin does not answer in time");
            Problem::new(status, "upstream_timeout", "Gateway timeout", detail)
        }
        _ => {
            let (status, detail) = (StatusCode::BAD_GATEWAY, "the origin cannot be reached");
            Problem::new(status, "upstream_unreachable", "Bad gateway", detail)
        }
    }
}

/// What broke off before anything of it was sent.
fn broken() -> Problem {
    let (status, detail) = (StatusCode::BAD_GATEWAY, "the origin's answer broke off");
    Problem::new(status, "upstream_broken", "Bad gateway", detail)
}
