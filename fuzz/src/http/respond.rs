//! A whole answer: conditions, `If-Range` and `Range` together, over a small body.

use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use rillcast_http::conditional::last_modified_value;
use rillcast_http::{Body, CompressionLimits, Compressor, Cors, Encoding, Entity, Reply, Request, Responder};

use super::conditions::tag;
use crate::fields;

/// When the representation changed last, in seconds since 1970.
const MODIFIED: u64 = 784_111_777;
const NOW: u64 = MODIFIED + 1000;

/// The target: a byte for the tag and coding, a byte for the length, then fields. What is sent is the
/// part that its head announces; `HEAD` says what `GET` without a range would.
pub fn run(data: &[u8]) {
    let Some((&[kind, len], lines)) = data.split_first_chunk::<2>() else { return };
    let plain: Bytes = (0..len.min(200)).collect();
    let headers = fields::read(lines);
    let entity = || {
        let mut entity = Entity::new(HeaderValue::from_static("video/mp4"), Body::from(plain.clone()));
        entity.etag = tag(u64::from(kind));
        entity.last_modified = (kind & 4 != 0).then(|| at(MODIFIED));
        entity.encoding = if kind & 8 != 0 { Encoding::Compress } else { Encoding::Identity };
        entity
    };
    let get = answer(Method::GET, &headers, entity());
    let head = answer(Method::HEAD, &headers, entity());
    let mut unranged = headers.clone();
    unranged.remove(header::RANGE);
    let whole = answer(Method::GET, &unranged, entity());
    assert_eq!((head.status(), head.headers()), (whole.status(), whole.headers()));
    assert!(head.body().is_empty());
    for response in [&get, &whole] {
        check(response, &plain, &headers);
    }
    assert!(whole.status() != StatusCode::PARTIAL_CONTENT);
    if get.status() == whole.status() {
        assert_eq!(get.headers(), whole.headers());
    } else {
        assert_eq!(whole.status(), StatusCode::OK, "a range counts after the conditions");
        assert!(headers.contains_key(header::RANGE));
    }
    if let (Some(field), 206 | 416) = (headers.get(header::IF_RANGE), get.status().as_u16()) {
        let field = field.as_bytes().trim_ascii();
        let is_tag = tag(u64::from(kind)).is_some_and(|tag| tag.to_header_value() == field && !tag.is_weak());
        let is_date = kind & 4 != 0 && is_same_date(field);
        assert!(is_tag || is_date, "a range of another representation");
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A date may be spelled in three ways; all of this one have its time of day.
fn is_same_date(field: &[u8]) -> bool {
    let date = last_modified_value(at(MODIFIED));
    let time = date.as_bytes().get(17..25).expect("an HTTP date has a time of day");
    field.windows(time.len()).any(|window| window == time)
}

fn check(response: &Response<Body>, plain: &Bytes, asked: &HeaderMap) {
    let body = response.body().read_blocking(1 << 20).expect("memory is read");
    let field = |name| response.headers().get(name).map(|value: &HeaderValue| value.as_bytes());
    let len = body.len().to_string();
    match response.status() {
        StatusCode::NOT_MODIFIED => assert!(body.is_empty() && field(header::CONTENT_RANGE).is_none()),
        _ => assert_eq!(field(header::CONTENT_LENGTH), Some(len.as_bytes())),
    }
    match response.status() {
        StatusCode::OK => assert_eq!(body, plain),
        StatusCode::PARTIAL_CONTENT => {
            assert!(asked.contains_key(header::RANGE) && !body.is_empty());
            // Every byte of the body is its own offset.
            let (first, last) = (body[0], body[body.len() - 1]);
            let named = format!("bytes {first}-{last}/{}", plain.len());
            assert_eq!(field(header::CONTENT_RANGE), Some(named.as_bytes()));
            assert_eq!(body, plain.slice(usize::from(first)..=usize::from(last)));
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let named = format!("bytes */{}", plain.len());
            assert_eq!(field(header::CONTENT_RANGE), Some(named.as_bytes()));
        }
        StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED => {}
        other => unreachable!("answered with {other}"),
    }
}

/// The answer. Nothing so short is compressed, so it comes at once.
fn answer(method: Method, headers: &HeaderMap, entity: Entity) -> Response<Body> {
    static RESPONDER: OnceLock<Responder> = OnceLock::new();
    let responder = RESPONDER.get_or_init(|| {
        let compressor = Compressor::new(CompressionLimits::default());
        Responder { compressor, cors: Cors::default() }
    });
    let mut request = Request::internal("/", at(NOW)).expect("a path");
    request.method = method;
    request.headers = headers.clone();
    let mut answering = pin!(responder.respond(&request, Reply::from(entity)));
    match answering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => response,
        Poll::Pending => unreachable!("waits for nothing"),
    }
}
