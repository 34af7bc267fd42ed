//! What is asked, and what comes of it when all is well.

use std::time::Duration;

use http::StatusCode;
use rillcast_edge::upstream::{
    Demand, HEAD_BYTES_MAX, HEAD_FIELDS_MAX, ReadMethod, UpstreamError, Upstreams, error::Break,
};

use crate::{
    harness::origin::{Act, Origin, Then, Town},
    setting::{Setting, clock, config, demand, read, read_whole, with_header},
};

fn town(
    script: impl Fn(&crate::harness::origin::Asked) -> Act + Send + Sync + 'static,
) -> (Town, Origin, Setting) {
    let (town, origin) = (Town::default(), Origin::new(script));
    town.settle("a", &origin);
    let setting = Setting::new(&town, &config(&["a"]));
    (town, origin, setting)
}

#[tokio::test(start_paused = true)]
async fn a_response_comes_with_its_head_body_times_and_name() {
    let (_town, origin, setting) = town(|_| {
        let fields =
            "ETag: \"x\"\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n";
        Act::respond(200, fields, b"hello")
    });
    let wanted = with_header(demand("/v/seg-1.m4s?a=b"), "accept-encoding", "br");
    let mut response = setting.upstreams.fetch(wanted).await.unwrap();
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.upstream.as_str(), "a");
    assert_eq!((response.requested, response.received, response.attempts), (clock(), clock(), 1));
    assert_eq!(response.body.expected_len(), Some(5));
    let names: Vec<&str> = response.headers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["etag", "content-length"]);
    assert_eq!(read_whole(&mut response).await, b"hello");
    let asked = &origin.asked()[0];
    assert_eq!(asked.line(), "GET /v/seg-1.m4s?a=b");
    for (name, value) in [
        ("host", "a"),
        ("via", "1.1 rillcast"),
        ("cdn-loop", "rillcast-test"),
        ("x-request-id", "internal"),
        ("accept-encoding", "br"),
    ] {
        assert_eq!(asked.field(name), Some(value), "{name}");
    }
    assert_eq!(setting.figure("rillcast_upstream_requests_total", "2xx,a"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_once_its_body_was_read() {
    let (town, origin, setting) = town(|_| Act::ok(b"hello"));
    for _ in 0..3 {
        let mut response = setting.get("/").await.unwrap();
        assert_eq!(read_whole(&mut response).await, b"hello");
    }
    assert_eq!((town.dialed().len(), origin.count()), (1, 3));
    // Dropped in the middle, it is not.
    let unread = setting.get("/").await.unwrap();
    drop(unread);
    assert_eq!(setting.figure("rillcast_upstream_requests_in_flight", "a"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ended_unused_is_replaced_without_anyone_noticing() {
    let (town, origin, setting) = town(|asked| match asked.nth {
        // The second request on the first connection finds it ended.
        1 => Act::silent(Then::Close),
        _ => Act::ok(b"hello"),
    });
    for _ in 0..2 {
        let mut response = setting.get("/").await.unwrap();
        assert_eq!(read_whole(&mut response).await, b"hello");
        assert_eq!(response.attempts, 1);
    }
    assert_eq!((town.dialed().len(), origin.count()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn responses_without_a_body_end_at_their_heads() {
    for (method, status, head) in [
        (ReadMethod::Head, 200, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (ReadMethod::Get, 304, "HTTP/1.1 304 X\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n"),
        (ReadMethod::Get, 204, "HTTP/1.1 204 X\r\n\r\n"),
    ] {
        let (town, origin, setting) = town(move |_| Act::say(head));
        for _ in 0..2 {
            let mut response = setting.upstreams.fetch(Demand { method, ..demand("/") }).await.unwrap();
            assert_eq!(response.status, status);
            assert_eq!(response.body.expected_len(), Some(0));
            assert_eq!(read_whole(&mut response).await, b"");
        }
        assert_eq!((town.dialed().len(), origin.count()), (1, 2), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_trailers_and_interim_responses_are_understood() {
    let (town, origin, setting) = town(|_| {
        Act::say(
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
             Trailer: X-Sum\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n",
        )
    });
    for _ in 0..2 {
        let mut response = setting.get("/").await.unwrap();
        assert_eq!(response.body.expected_len(), None);
        assert!(!response.headers.contains_key("transfer-encoding"));
        assert_eq!(read_whole(&mut response).await, b"hello");
    }
    assert_eq!((town.dialed().len(), origin.count()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn redirects_and_client_errors_are_answers() {
    for status in [301, 302, 404, 416, 429, 500, 501] {
        let (_town, origin, setting) = town(move |_| Act::respond(status, "Location: /elsewhere\r\n", b"x"));
        let mut response = setting.get("/").await.unwrap();
        assert_eq!(response.status, status);
        assert_eq!(read_whole(&mut response).await, b"x");
        assert_eq!(origin.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_early_is_never_taken_for_a_whole_one() {
    let (_town, _origin, setting) =
        town(|_| Act::say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").then(Then::Close));
    let mut response = setting.get("/").await.unwrap();
    let (bytes, end) = read(&mut response).await;
    assert_eq!(bytes, b"hello");
    let broken = end.unwrap_err();
    assert_eq!(broken.reason(), "broken");
    assert!(matches!(broken, UpstreamError::Broken { received: 5, expected: Some(9), .. }), "{broken}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_waited_for_but_not_for_ever() {
    const IDLE: Duration = Duration::from_secs(10);
    for (wait, whole) in [(IDLE - Duration::from_millis(1), true), (IDLE + Duration::from_millis(1), false)] {
        let (_town, _origin, setting) = town(move |_| {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel";
            Act::say(head).and(wait, "lol").and(wait, "ong")
        });
        let mut response = setting.get("/").await.unwrap();
        let (bytes, end) = read(&mut response).await;
        if whole {
            assert_eq!((bytes.as_slice(), end.is_ok()), (&b"hellolong"[..], true));
        } else {
            assert!(matches!(end, Err(UpstreamError::Broken { received: 3, why: Break::Idle, .. })));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_a_limit_of_fields_and_of_bytes() {
    // One field is the length.
    let fields = |count: usize| "X: y\r\n".repeat(count - 1);
    let line = "HTTP/1.1 200 X\r\n\r\nContent-Length: 1\r\nX: \r\n".len();
    let bytes = |count: usize| format!("X: {}\r\n", "y".repeat(count - line));
    for (fields, fits) in [
        (fields(HEAD_FIELDS_MAX), true),
        (fields(HEAD_FIELDS_MAX + 1), false),
        (bytes(HEAD_BYTES_MAX), true),
        (bytes(HEAD_BYTES_MAX + 1), false),
    ] {
        let (_town, _origin, setting) = town(move |_| Act::respond(200, &fields, b"x"));
        match setting.get("/").await {
            Ok(_) => assert!(fits),
            Err(error) => assert_eq!((error.reason(), fits), ("protocol", false), "{error}"),
        }
    }
}

#[test]
fn a_fetch_may_move_between_threads() {
    fn moves<T: Send>(_: impl Fn(&'static Upstreams, Demand) -> T) {}
    moves(|upstreams, demand| upstreams.fetch(demand));
    moves(|upstreams, demand| async move { upstreams.fetch(demand).await.unwrap().body.next().await });
    moves(|upstreams, _| upstreams.run());
}
