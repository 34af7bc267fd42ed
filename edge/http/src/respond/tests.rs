use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::HeaderName;

use super::*;
use crate::{CompressionLimits, Encoding, EntityTag, FileExtent, Request, SourceFile, compress::Compressor};

const NOW: u64 = 1_700_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn media() -> Entity {
    Entity {
        etag: Some(EntityTag::strong("v1").unwrap()),
        last_modified: Some(now() - Duration::from_secs(100)),
        cache_control: HeaderValue::from_static("public, max-age=31536000, immutable"),
        ..Entity::new(HeaderValue::from_static("video/mp4"), "0123456789")
    }
}

fn playlist() -> Entity {
    let text = "#EXTINF:4.0,\nsegment.m4s\n".repeat(100);
    Entity { encoding: Encoding::Compress, body: text.into(), ..media() }
}

async fn ask(
    method: Method,
    lines: &[(HeaderName, &'static str)],
    reply: impl Into<Reply>,
) -> Response<Body> {
    let mut request = Request::internal("/x", now()).unwrap();
    request.method = method;
    for (name, value) in lines {
        request.headers.append(name, HeaderValue::from_static(value));
    }
    let compressor = Compressor::new(CompressionLimits::default());
    let responder = Responder { compressor, cors: Cors::default() };
    responder.respond(&request, reply.into()).await
}

async fn get(lines: &[(HeaderName, &'static str)], reply: impl Into<Reply>) -> Response<Body> {
    ask(Method::GET, lines, reply).await
}

fn body(response: &Response<Body>) -> Bytes {
    response.body().read_blocking(1 << 20).unwrap()
}

fn field(response: &Response<Body>, name: HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_whole_entity_has_all_its_headers() {
    let response = get(&[], media()).await;
    assert_eq!((response.status(), body(&response)), (StatusCode::OK, "0123456789".into()));
    for (name, value) in [
        (header::CONTENT_TYPE, "video/mp4"),
        (header::CONTENT_LENGTH, "10"),
        (header::ETAG, "\"v1\""),
        (header::LAST_MODIFIED, "Tue, 14 Nov 2023 22:11:40 GMT"),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, ""),
    ] {
        assert_eq!(field(&response, name.clone()), value, "{name}");
    }
}

#[tokio::test]
async fn ranges_are_cut_refused_or_ignored() {
    use StatusCode as Status;
    for (range, status, content_range, expected) in [
        ("bytes=0-", Status::PARTIAL_CONTENT, "bytes 0-9/10", "0123456789"),
        ("bytes=2-4", Status::PARTIAL_CONTENT, "bytes 2-4/10", "234"),
        ("bytes=-3", Status::PARTIAL_CONTENT, "bytes 7-9/10", "789"),
        ("bytes=8-100", Status::PARTIAL_CONTENT, "bytes 8-9/10", "89"),
        ("bytes=0-1,4-5", Status::OK, "", "0123456789"),
        ("bytes=5-1", Status::OK, "", "0123456789"),
    ] {
        let response = get(&[(header::RANGE, range)], media()).await;
        assert_eq!(response.status(), status, "{range}");
        assert_eq!(field(&response, header::CONTENT_RANGE), content_range);
        assert_eq!(field(&response, header::CONTENT_LENGTH), expected.len().to_string());
        assert_eq!(body(&response), expected);
    }
    let response = get(&[(header::RANGE, "bytes=10-")], media()).await;
    assert_eq!(response.status(), Status::RANGE_NOT_SATISFIABLE);
    assert_eq!(field(&response, header::CONTENT_RANGE), "bytes */10");
    assert_eq!(field(&response, header::CONTENT_TYPE), "application/problem+json");
    assert_eq!(field(&response, header::CACHE_CONTROL), "no-store");

    let twice = [(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=2-3")];
    assert_eq!(get(&twice, media()).await.status(), Status::OK);
}

#[tokio::test]
async fn head_has_the_headers_of_the_whole_and_no_body() {
    let whole = get(&[], media()).await;
    let head = ask(Method::HEAD, &[(header::RANGE, "bytes=0-1")], media()).await;
    assert_eq!((head.status(), head.headers()), (whole.status(), whole.headers()));
    assert!(head.body().is_empty());

    let coded = get(&[(header::ACCEPT_ENCODING, "gzip")], playlist()).await;
    let head = ask(Method::HEAD, &[(header::ACCEPT_ENCODING, "gzip")], playlist()).await;
    assert_eq!(head.headers(), coded.headers());
}

#[tokio::test]
async fn each_coding_has_its_own_tag_and_ranges_count_in_it() {
    let plain = get(&[], playlist()).await;
    let whole = get(&[(header::ACCEPT_ENCODING, "gzip")], playlist()).await;
    assert_eq!(field(&whole, header::CONTENT_ENCODING), "gzip");
    assert_eq!((field(&plain, header::ETAG), field(&whole, header::ETAG)), ("\"v1\"", "\"v1-gz\""));
    for response in [&plain, &whole] {
        assert_eq!(field(response, header::VARY), "Accept-Encoding");
    }
    let brotli = get(&[(header::ACCEPT_ENCODING, "gzip, br")], playlist()).await;
    assert_eq!((field(&brotli, header::ETAG), field(&brotli, header::CONTENT_ENCODING)), ("\"v1-br\"", "br"));

    let lines =
        [(header::ACCEPT_ENCODING, "gzip"), (header::RANGE, "bytes=10-19"), (header::IF_RANGE, "\"v1-gz\"")];
    let part = get(&lines, playlist()).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(body(&part), body(&whole).slice(10..20));
    assert_eq!(field(&part, header::CONTENT_ENCODING), "gzip");

    // The tag of another coding does not let a range through.
    let lines =
        [(header::ACCEPT_ENCODING, "gzip"), (header::RANGE, "bytes=0-1"), (header::IF_RANGE, "\"v1\"")];
    assert_eq!(get(&lines, playlist()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn bytes_that_were_coded_before_are_sent_where_a_coding_is_wanted() {
    use crate::coding::Coding;
    let mut entity = playlist();
    entity.coded = vec![(Coding::Gzip, Bytes::from_static(b"made before"))];
    let gzip = get(&[(header::ACCEPT_ENCODING, "gzip")], entity.clone()).await;
    assert_eq!((field(&gzip, header::CONTENT_ENCODING), &body(&gzip)[..]), ("gzip", &b"made before"[..]));
    assert_eq!(field(&gzip, header::ETAG), "\"v1-gz\"");
    let brotli = get(&[(header::ACCEPT_ENCODING, "br")], entity.clone()).await;
    assert_eq!(field(&brotli, header::CONTENT_ENCODING), "br", "another one is made as ever");
    let plain = get(&[], entity).await;
    assert_eq!(body(&plain), body(&get(&[], playlist()).await));
}

#[tokio::test]
async fn short_media_and_already_coded_bodies_stay_as_they_are() {
    let accept = [(header::ACCEPT_ENCODING, "gzip")];
    let short = Entity { body: "short".into(), ..playlist() };
    let mut coded = playlist();
    coded.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    for (entity, encoding) in [(short, ""), (media(), ""), (coded, "zstd")] {
        let response = get(&accept, entity).await;
        assert_eq!(field(&response, header::CONTENT_ENCODING), encoding);
        assert_eq!(field(&response, header::ETAG), "\"v1\"");
    }
}

#[tokio::test]
async fn a_304_repeats_what_a_cache_needs_and_no_more() {
    let accept = (header::ACCEPT_ENCODING, "gzip");
    let hit = get(&[accept.clone(), (header::IF_NONE_MATCH, "\"v1-gz\"")], playlist()).await;
    assert_eq!(hit.status(), StatusCode::NOT_MODIFIED);
    assert!(hit.body().is_empty());
    for (name, value) in [
        (header::ETAG, "\"v1-gz\""),
        (header::VARY, "Accept-Encoding"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::CONTENT_LENGTH, ""),
        (header::CONTENT_TYPE, ""),
        (header::CONTENT_ENCODING, ""),
    ] {
        assert_eq!(field(&hit, name.clone()), value, "{name}");
    }
    let other = get(&[accept, (header::IF_NONE_MATCH, "\"v1\"")], playlist()).await;
    assert_eq!(other.status(), StatusCode::OK);
    // A condition comes before the range (RFC 9110 §13.2.2).
    let lines = [(header::IF_NONE_MATCH, "*"), (header::RANGE, "bytes=0-1")];
    assert_eq!(get(&lines, media()).await.status(), StatusCode::NOT_MODIFIED);
    let lines = [(header::IF_MATCH, "\"other\"")];
    assert_eq!(get(&lines, media()).await.status(), StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn handlers_cannot_forge_framing() {
    let mut entity = media();
    for name in [header::TRANSFER_ENCODING, header::CONNECTION, header::CONTENT_RANGE] {
        entity.headers.insert(name, HeaderValue::from_static("chunked"));
    }
    entity.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("3"));
    entity.headers.insert("surrogate-key", HeaderValue::from_static("a"));
    let response = get(&[], entity).await;
    assert_eq!(field(&response, header::CONTENT_LENGTH), "10");
    assert_eq!(field(&response, HeaderName::from_static("surrogate-key")), "a");
    for name in [header::TRANSFER_ENCODING, header::CONNECTION, header::CONTENT_RANGE] {
        assert!(!response.headers().contains_key(name));
    }
}

#[tokio::test]
async fn a_problem_names_the_request_and_when_to_retry() {
    let response = get(&[], Problem::unavailable("later", Duration::from_millis(1500))).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(field(&response, header::RETRY_AFTER), "2");
    assert_eq!(field(&response, header::CACHE_CONTROL), "no-store");
    let json: serde_json::Value = serde_json::from_slice(&body(&response)).unwrap();
    assert_eq!(json["instance"], "urn:request:internal");
}

#[tokio::test]
async fn redirects_and_bodiless_statuses_have_no_body() {
    let response = get(&[], Redirect::found(HeaderValue::from_static("/elsewhere"))).await;
    assert_eq!((response.status(), field(&response, header::LOCATION)), (StatusCode::FOUND, "/elsewhere"));
    let raw = RawReply { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: "x".into() };
    let response = get(&[], raw).await;
    assert!(response.body().is_empty() && !response.headers().contains_key(header::CONTENT_LENGTH));
}

#[tokio::test]
async fn a_source_that_changed_before_the_head_is_answered_503() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"0123456789").unwrap();
    let source = Arc::new(SourceFile::open(file.path()).unwrap());
    let entity = || Entity { body: FileExtent::whole(Arc::clone(&source)).into(), ..media() };
    assert_eq!(get(&[], entity()).await.status(), StatusCode::OK);
    file.as_file_mut().set_len(5).unwrap();
    assert_eq!(get(&[], entity()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}
