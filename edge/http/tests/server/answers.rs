//! What clients get: validators, ranges, codings, cross-origin permission, problems, names.

use std::io::Read as _;

use crate::{
    client::Client,
    harness::{REQUEST_ID, Rig, media, playlist, write_file},
};

#[test]
fn one_connection_serves_one_request_after_the_other() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    for _ in 0..3 {
        let answer = client.get("/memory", &[]);
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert!(!answer.field("date").is_empty());
    }
}

#[test]
fn head_ranges_and_conditions_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(300_000);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |_| {});
    let mut client = Client::connect(rig.address());

    let whole = client.get("/file", &[]);
    assert_eq!((whole.status, whole.body == bytes), (200, true));
    assert_eq!(whole.field("content-type"), "video/mp4");

    let head = client.ask("HEAD", "/file", &["Range: bytes=0-1"]);
    assert_eq!((head.status, head.field("content-length")), (200, "300000"));
    for name in ["etag", "last-modified", "accept-ranges", "content-type", "cache-control"] {
        assert_eq!(head.field(name), whole.field(name), "{name}");
        assert!(!head.field(name).is_empty(), "{name}");
    }
    for (range, first, end) in [
        ("0-0", 0, 1),
        ("0-", 0, 300_000),
        ("-1", 299_999, 300_000),
        ("65535-65536", 65_535, 65_537),
        ("100000-199999", 100_000, 200_000),
        ("299999-400000", 299_999, 300_000),
    ] {
        let part = client.get("/file", &[&format!("Range: bytes={range}")]);
        assert_eq!((part.status, part.body == bytes[first..end]), (206, true), "{range}");
        assert_eq!(part.field("content-range"), format!("bytes {first}-{}/300000", end - 1));
    }
    let beyond = client.get("/file", &["Range: bytes=300000-"]);
    assert_eq!((beyond.status, beyond.field("content-range")), (416, "bytes */300000"));
    let many = client.get("/file", &["Range: bytes=0-1,5-6"]);
    assert_eq!((many.status, many.body.len()), (200, 300_000));

    let modified = format!("If-Modified-Since: {}", whole.field("last-modified"));
    for (line, status) in [
        ("If-None-Match: \"file-1\"", 304),
        ("If-None-Match: W/\"file-1\", \"x\"", 304),
        ("If-None-Match: *", 304),
        ("If-None-Match: \"x\"", 200),
        (modified.as_str(), 304),
        ("If-Match: \"x\"", 412),
    ] {
        let answer = client.get("/file", &[line]);
        assert_eq!(answer.status, status, "{line}");
    }
    let stale = client.get("/file", &["Range: bytes=0-1", "If-Range: \"older\""]);
    assert_eq!(stale.status, 200);
    let good = client.get("/file", &["Range: bytes=0-1", "If-Range: \"file-1\""]);
    assert_eq!(good.status, 206);
}

#[test]
fn playlists_are_compressed_for_those_who_accept_it() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    let plain = client.get("/playlist", &[]);
    assert_eq!((plain.text(), plain.field("vary")), (playlist().as_str(), "Accept-Encoding"));

    let gzip = client.get("/playlist", &["Accept-Encoding: gzip, br;q=0.1"]);
    let mut text = String::new();
    flate2::read::GzDecoder::new(gzip.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!((text, gzip.field("content-encoding")), (playlist(), "gzip"));
    assert_eq!((gzip.field("etag"), gzip.field("vary")), ("\"text-1-gz\"", "Accept-Encoding"));

    let brotli = client.get("/playlist", &["Accept-Encoding: gzip, br"]);
    let mut text = String::new();
    brotli::Decompressor::new(brotli.body.as_slice(), 4096).read_to_string(&mut text).unwrap();
    assert_eq!((text, brotli.field("content-encoding")), (playlist(), "br"));

    let part = client.get("/playlist", &["Accept-Encoding: gzip", "Range: bytes=5-9"]);
    assert_eq!((part.status, part.body.as_slice()), (206, &gzip.body[5..10]));
    let known = client.get("/playlist", &["Accept-Encoding: gzip", "If-None-Match: \"text-1-gz\""]);
    assert_eq!(known.status, 304);
}

#[test]
fn pages_may_read_every_answer_also_errors() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    let origin = "Origin: https://player.example";
    for (method, target, lines, status) in [
        ("GET", "/memory", &[origin][..], 200),
        ("GET", "/memory", &[], 200),
        ("GET", "/nothing", &[origin], 404),
        ("GET", "/panic", &[origin], 500),
        ("DELETE", "/memory", &[origin], 405),
        ("GET", "/memory", &[origin, "Range: bytes=99-"], 416),
        ("GET", "/memory", &[origin, "If-None-Match: *"], 304),
        ("GET", "/a%00b", &[origin], 400),
    ] {
        // A connection of its own: some of these answers end it.
        let mut client = Client::connect(rig.address());
        let answer = client.ask(method, target, lines);
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.field("access-control-allow-origin"), "*", "{method} {target}");
        assert!(answer.field("access-control-expose-headers").contains("Content-Range"));
    }
    let lines = [origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: range"];
    let preflight = client.ask("OPTIONS", "/memory", &lines);
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.field("access-control-allow-methods"), "GET, HEAD, OPTIONS");
    assert!(preflight.field("access-control-allow-headers").contains("Range"));
    assert_eq!(preflight.field("access-control-max-age"), "7200");
}

#[test]
fn methods_are_what_the_handler_allows() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    let refused = client.ask("PUT", "/memory", &["Content-Length: 0"]);
    assert_eq!((refused.status, refused.field("allow")), (405, "GET, HEAD, OPTIONS"));
    assert_eq!(refused.field("content-type"), "application/problem+json");
    let options = client.ask("OPTIONS", "/upload", &[]);
    assert_eq!((options.status, options.field("allow")), (204, "GET, HEAD, POST"));
    let server_wide = client.ask("OPTIONS", "*", &[]);
    assert_eq!(server_wide.status, 204);
    let nonsense = client.ask("BREW", "/memory", &[]);
    assert_eq!(nonsense.status, 405);
}

#[test]
fn a_request_body_is_taken_to_its_limit_and_refused_one_past_it() {
    let rig = Rig::start(|_| {});
    for (body, status, text) in
        [("0123456789", 200, "0123456789"), ("0123456789a", 400, "longer than 10 bytes")]
    {
        let mut client = Client::connect(rig.address());
        client.send(format!(
            "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let answer = client.read_answer(false);
        assert_eq!(answer.status, status);
        assert!(answer.text().contains(text), "{answer:?}");

        let mut chunked = Client::connect(rig.address());
        let (head, tail) = body.split_at(4);
        chunked.send("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        chunked.try_send(format!("4\r\n{head}\r\n{:x}\r\n{tail}\r\n0\r\n\r\n", tail.len()));
        assert_eq!(chunked.read_answer(false).status, status);
    }
}

#[test]
fn a_request_keeps_a_well_formed_name_and_gets_one_else() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    let named = client.get("/memory", &["X-Request-Id: trace-7"]);
    assert_eq!(named.field(REQUEST_ID.as_str()), "trace-7");
    let other = client.get("/memory", &["X-Request-Id: no spaces"]);
    assert_eq!(other.field(REQUEST_ID.as_str()).len(), 32);
    let problem = client.get("/nothing", &["X-Request-Id: trace-8"]);
    assert!(problem.text().contains("urn:request:trace-8"), "{problem:?}");
}

#[test]
fn a_panic_is_answered_and_counted_and_costs_nothing_else() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    assert_eq!(client.get("/panic", &[]).status, 500);
    assert_eq!(client.get("/memory", &[]).status, 200);
}
