//! What goes wrong at origins, and what viewers see of it: a table.

use std::time::Duration;

use tokio::time::advance;

use crate::harness::{
    object::{Cut, Object},
    origin::{Act, Asked, Then},
};
use crate::world::{Got, World, fresh};

const BODY: &[u8] = b"the whole of it";

/// One fault, and what comes of it.
struct Row {
    name: &'static str,
    script: fn(&Asked) -> Act,
    /// What each of three viewers sees who ask at the same time: status, body (or how it broke off).
    seen: (u16, Result<&'static [u8], &'static str>),
    /// Requests that reach the origin for the three of them, retries included.
    asked: usize,
    /// Whether one who asks afterwards is answered without the origin.
    is_kept: bool,
}

fn head(fields: &str) -> Act {
    Act::say(format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{fields}\r\n"))
}

const TABLE: &[Row] = &[
    Row {
        name: "nothing wrong",
        script: |_| fresh(60, BODY),
        seen: (200, Ok(BODY)),
        asked: 1,
        is_kept: true,
    },
    Row {
        name: "an answer without a head in time",
        script: |_| Act::silent(Then::Hang),
        seen: (504, Ok(b"upstream_timeout")),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a connection that ends before the head, which may be asked again",
        script: |_| Act::silent(Then::Close),
        seen: (502, Ok(b"upstream_unreachable")),
        asked: 2,
        is_kept: false,
    },
    Row {
        name: "no HTTP",
        script: |_| Act::say("SSH-2.0-OpenSSH_9.2p1\r\n\r\n").then(Then::Close),
        seen: (502, Ok(b"upstream_unreachable")),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a body that breaks off and cannot be resumed",
        script: |_| head("Content-Length: 15\r\n").and(Duration::ZERO, &BODY[..7]).then(Then::Close),
        seen: (200, Err("broken")),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a chunked body that breaks off",
        script: |_| {
            head("Transfer-Encoding: chunked\r\n").and(Duration::ZERO, "7\r\nthe who\r\n").then(Then::Close)
        },
        seen: (200, Err("broken")),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a body that breaks off and is resumed",
        script: |asked| {
            let mut object = Object::tagged(15, "\"one\"");
            object.bytes = BODY.to_vec();
            object.fields.push_str("Cache-Control: max-age=60\r\n");
            object.act(asked, (asked.nth == 0).then_some(Cut { at: 7, then: Then::Close }))
        },
        seen: (200, Ok(BODY)),
        asked: 2,
        is_kept: true,
    },
    Row {
        name: "a body that stops coming",
        script: |_| head("Content-Length: 15\r\n").and(Duration::ZERO, &BODY[..7]).then(Then::Hang),
        seen: (200, Err("broken")),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a redirect, which is for the viewer to follow or not",
        script: |_| Act::respond(302, "Location: /elsewhere\r\n", b""),
        seen: (302, Ok(b"")),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "an error that may be kept for a second",
        script: |_| Act::respond(404, "", b"no such film"),
        seen: (404, Ok(b"no such film")),
        asked: 1,
        is_kept: true,
    },
    Row {
        name: "an error that is all viewers' own",
        script: |_| Act::respond(404, "Cache-Control: no-store\r\n", b"not for you"),
        seen: (404, Ok(b"not for you")),
        asked: 3,
        is_kept: false,
    },
    Row {
        name: "trouble of the origin, told to all who wait at once",
        script: |_| Act::respond(500, "Cache-Control: no-store\r\n", b"oh"),
        seen: (500, Ok(b"oh")),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a secret",
        script: |_| Act::respond(200, "Set-Cookie: a=b\r\nCache-Control: max-age=60\r\n", BODY),
        seen: (200, Ok(BODY)),
        asked: 3,
        is_kept: false,
    },
    Row {
        name: "what nobody says anything about",
        script: |_| Act::ok(BODY),
        seen: (200, Ok(BODY)),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a part that nobody asked for",
        script: |_| Act::respond(206, "Content-Range: bytes 0-14/99\r\nCache-Control: max-age=60\r\n", BODY),
        seen: (502, Ok(b"upstream_unreachable")),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a lie about freshness: an hour old, fresh for a minute",
        script: |_| Act::respond(200, "Cache-Control: max-age=60\r\nAge: 3600\r\n", BODY),
        seen: (200, Ok(BODY)),
        asked: 1,
        is_kept: false,
    },
    Row {
        name: "a coding that nobody asked for",
        script: |_| {
            let fields = "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nCache-Control: max-age=60\r\n";
            Act::respond(200, fields, BODY)
        },
        seen: (200, Ok(BODY)),
        asked: 3,
        is_kept: false,
    },
];

fn check(row: &Row, got: &Got) {
    let (status, body) = &row.seen;
    assert_eq!(got.status, *status, "{}: {got:?}", row.name);
    match (body, &got.body) {
        (Ok(expected), Ok(found)) if *status >= 500 && found.starts_with(b"{") => {
            let problem = String::from_utf8_lossy(found).into_owned();
            assert!(problem.contains(std::str::from_utf8(expected).unwrap()), "{}: {problem}", row.name);
            assert_eq!(got.field("cache-control"), "no-store", "{}", row.name);
        }
        (Ok(expected), Ok(found)) => assert_eq!(&found[..], *expected, "{}", row.name),
        (Err(_), Err(_)) => {}
        _ => panic!("{}: {got:?}", row.name),
    }
}

#[tokio::test(start_paused = true)]
async fn each_fault_has_its_outcome() {
    for row in TABLE {
        let (world, origin) = World::of(row.script);
        let all = tokio::join!(world.get("/film"), world.get("/film"), world.get("/film"));
        for got in [&all.0, &all.1, &all.2] {
            check(row, got);
        }
        assert_eq!(origin.count(), row.asked, "{}", row.name);
        let later = world.get("/film").await;
        check(row, &later);
        assert_eq!(origin.count() == row.asked, row.is_kept, "{}: {later:?}", row.name);
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_refuses_connections_is_a_bad_gateway_and_nothing_is_kept() {
    let (world, origin) = World::of(|_| fresh(60, BODY));
    world.town.shut("a");
    let got = world.get("/film").await;
    assert_eq!((got.status, origin.count()), (502, 0));
    assert!(got.text().contains("upstream_unreachable") && !got.text().contains("\"a\""), "{got:?}");
    world.town.settle("a", &origin);
    advance(Duration::from_secs(60)).await;
    assert_eq!(world.get("/film").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_goes_through_a_window_and_is_not_kept() {
    let len = 5 << 20;
    let (world, origin) = World::of(move |_| fresh(60, &vec![7; len]));
    for asked in 1..3 {
        let got = world.get("/film").await;
        assert_eq!((got.status, got.body.unwrap().len()), (200, len));
        assert_eq!(origin.count(), asked);
    }
    world.edge.settle();
    assert_eq!(world.figure("rillcast_edge_memory_bytes", ""), 0);
    assert_eq!(world.figure("rillcast_edge_objects", ""), 0);
}

#[tokio::test(start_paused = true)]
async fn of_what_is_known_to_be_too_large_a_range_is_fetched_as_a_range() {
    let whole = Object::tagged(5 << 20, "\"one\"");
    let (world, origin) = World::of(move |asked| whole.act(asked, None));
    assert_eq!(world.get("/film").await.body.unwrap().len(), 5 << 20);
    let range = [("range", "bytes=1000-1999")];
    let (one, two) = tokio::join!(world.get_with("/film", &range), world.get_with("/film", &range));
    for got in [one, two] {
        assert_eq!((got.status, got.field("content-range")), (206, "bytes 1000-1999/5242880"));
        assert_eq!(got.body.unwrap().len(), 1000);
    }
    assert_eq!(origin.count(), 3);
    assert_eq!(origin.asked()[1].field("range"), Some("bytes=1000-1999"));
}

#[tokio::test(start_paused = true)]
async fn what_grows_too_large_breaks_off_and_is_passed_the_next_time() {
    let piece = vec![7_u8; 1 << 20];
    let chunk = move || [b"100000\r\n".as_slice(), &piece, b"\r\n"].concat();
    let (world, _origin) = World::of(move |_| {
        let act = head("Transfer-Encoding: chunked\r\n");
        let act = (0..6).fold(act, |act, _| act.and(Duration::ZERO, chunk()));
        act.and(Duration::ZERO, "0\r\n\r\n")
    });
    assert!(world.get("/film").await.body.is_err());
    assert_eq!(world.get("/film").await.body.unwrap().len(), 6 << 20);
}

#[tokio::test(start_paused = true)]
async fn ten_gigabytes_are_not_fetched_for_one_who_has_left() {
    let (world, origin) = World::of(|_| {
        let endless = Act::say("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
        endless.and(Duration::ZERO, vec![7; 3 << 20]).then(Then::Hang)
    });
    let left = tokio::time::timeout(Duration::from_secs(1), world.get("/film")).await;
    assert!(left.is_err());
    assert_eq!(origin.count(), 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.town.connections().await, 0, "nobody reads it any more");
    assert_eq!(world.figure("rillcast_edge_fills_total", "deserted"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_went_through_here_before_is_refused_before_anybody_is_asked() {
    let (world, origin) = World::of(|_| fresh(60, b"once"));
    let through = |nodes| [("cdn-loop", nodes)];
    for nodes in ["rillcast-test", "other, rillcast-test;v=1", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"] {
        let got = world.get_with("/film", &through(nodes)).await;
        assert_eq!((got.status, got.field("cache-control")), (508, "no-store"), "{nodes}");
        assert!(got.text().contains("/problems/loop_detected"), "{nodes}");
    }
    assert_eq!((origin.count(), world.figure("rillcast_edge_refused_total", "loop_detected")), (0, 3));
    for nodes in ["rillcast-test-2", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"] {
        assert_eq!(world.get_with("/film", &through(nodes)).await.status, 200, "{nodes}");
    }
    // In a loop, everything would wait for itself.
    assert_eq!(world.get_with("/film?x", &through("rillcast-test")).await.status, 508);
    assert_eq!(origin.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_names_nothing_is_refused_and_counted() {
    let (world, origin) = World::of(|_| fresh(60, b""));
    let long = format!("/{}", "x".repeat(9000));
    assert_eq!((world.get(&long).await.status, origin.count()), (414, 0));
    assert_eq!(world.figure("rillcast_edge_refused_total", "target_too_long"), 1);
    assert_eq!(world.figure("rillcast_edge_requests_total", "local"), 1);
}
