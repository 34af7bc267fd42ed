//! Requests that are malformed, ambiguous or too large.

use crate::{
    client::Client,
    harness::{Rig, wait_until},
};

/// Sends `bytes` on a fresh connection and returns the status of the answer.
fn status_of(rig: &Rig, bytes: impl AsRef<[u8]>) -> u16 {
    let mut client = Client::connect(rig.address());
    client.try_send(bytes);
    client.read_answer(false).status
}

#[test]
fn malformed_heads_are_refused_with_400_and_the_connection_ends() {
    let rig = Rig::start(|_| {});
    for bytes in [
        &b"GET /memory HTTP/1.1\r\n\r\n"[..],
        b"GET /memory HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /memory HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /mem\0ory HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET memory HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /memory HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /memory HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /memory HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\n",
        b"GET /memory HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        b"GET /memory HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /memory HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /memory HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n",
        b"GET /memory HTTP/9.9\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        let mut client = Client::connect(rig.address());
        client.try_send(bytes);
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(client.read_answer(false).status, 400, "{shown}");
        assert!(client.is_closed(), "{shown}");
    }
    // What hyper refuses has no log line of its own, but it is counted.
    wait_until("it to be counted", || rig.figure("rillcast_http_connections_ended_total", "bad_http") > 0);
}

#[test]
fn a_length_beside_chunks_does_not_smuggle_a_second_request() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    client.send(
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /memory HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let answer = client.read_answer(false);
    assert_eq!(answer.field("connection"), "close");
    assert!(client.is_closed(), "what follows an ambiguous body is not read as a request");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    client.send("GET /memory HTTP/1.1\r\nHost: a\r\n\r\nGET /who HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_answer(false).text(), "hello");
    assert_eq!(client.read_answer(false).text(), "127.0.0.1 http1");
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    client.send("GET /memory HTTP/1.0\r\n\r\n");
    assert_eq!(client.read_answer(false).text(), "hello");
    assert!(client.is_closed());
}

#[test]
fn heads_are_read_to_the_limit_and_refused_one_past_it() {
    let rig = Rig::start(|config| {
        config.limits.header_bytes = 10_000;
        config.limits.header_fields = 20;
        config.limits.target_bytes = 500;
    });
    // Target, host line, and the name and ends of the padded line are what `admission` counts.
    let counted = "/memory".len() + "host: a\r\n".len() + "x: \r\n".len();
    let padded =
        |len: usize| format!("GET /memory HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "p".repeat(len - counted));
    assert_eq!(status_of(&rig, padded(10_000)), 200);
    assert_eq!(status_of(&rig, padded(10_001)), 431);
    // Far beyond, hyper refuses before we see it.
    assert_eq!(status_of(&rig, padded(200_000)), 431);

    let fields =
        |count: usize| format!("GET /memory HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(count - 1));
    assert_eq!(status_of(&rig, fields(20)), 200);
    assert_eq!(status_of(&rig, fields(21)), 431);
    assert_eq!(status_of(&rig, fields(200)), 431);

    let target = |len: usize| {
        format!("GET /memory?{} HTTP/1.1\r\nHost: a\r\n\r\n", "q".repeat(len - "/memory?".len()))
    };
    assert_eq!(status_of(&rig, target(500)), 200);
    assert_eq!(status_of(&rig, target(501)), 414);
}
