//! What is kept, for how long, and what is said about it.

use std::time::Duration;

use rillcast_edge::cache::memory::CacheLimits;
use tokio::time::sleep;

use crate::harness::origin::{Act, Then};
use crate::world::{World, fresh};

#[tokio::test(start_paused = true)]
async fn age_and_the_time_left_are_told_by_the_second() {
    let (world, origin) = World::of(|_| {
        Act::respond(200, "Cache-Control: max-age=60\r\nAge: 10\r\nContent-Type: video/mp4\r\n", b"film")
    });
    let miss = world.get("/film").await;
    assert_eq!((miss.field("age"), miss.cache()), ("10", "fwd=uri-miss; fwd-status=200; stored; ttl=50"));
    for (wait_s, age, left) in [(1, "11", 49), (0, "11", 49), (29, "40", 20)] {
        sleep(Duration::from_secs(wait_s)).await;
        let hit = world.get("/film").await;
        assert_eq!((hit.field("age"), hit.cache()), (age, format!("hit; ttl={left}").as_str()));
        assert_eq!(hit.headers.get_all("age").iter().count(), 1);
    }
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.get("/film").await.field("age"), "10");
    assert_eq!(origin.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn stale_while_revalidate_answers_at_once_and_asks_once() {
    let (world, origin) = World::of(|asked| {
        let fields = "Cache-Control: max-age=10, stale-while-revalidate=100\r\n";
        Act::respond(200, fields, asked.nth.to_string().as_bytes()).after(Duration::from_millis(500))
    });
    assert_eq!(world.get("/film").await.text(), "0");
    sleep(Duration::from_secs(20)).await;
    for _ in 0..3 {
        let stale = world.get("/film").await;
        assert_eq!(stale.text(), "0");
        assert!(stale.cache().contains("stale_while_revalidate"), "{}", stale.cache());
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!((world.get("/film").await.text(), origin.count()), ("1", 2));
}

#[tokio::test(start_paused = true)]
async fn a_dead_origin_is_stood_in_for_where_it_allows_it() {
    for (directives, allowed) in [
        ("max-age=10, stale-if-error=100", true),
        ("max-age=10", false),
        ("max-age=10, stale-if-error=100, must-revalidate", false),
    ] {
        for trouble in [Act::respond(503, "", b"no"), Act::silent(Then::Close), Act::silent(Then::Hang)] {
            let (world, _origin) = World::of(move |asked| match asked.nth {
                0 => {
                    Act::respond(200, &format!("Cache-Control: {directives}\r\n"), b"film").then(Then::Close)
                }
                _ => trouble.clone(),
            });
            world.get("/film").await;
            sleep(Duration::from_secs(20)).await;
            let got = world.get("/film").await;
            assert_eq!(got.status == 200, allowed, "{directives}: {got:?}");
            if allowed {
                assert_eq!(got.text(), "film");
                assert!(got.cache().contains("stale_if_error"), "{}", got.cache());
            }
            sleep(Duration::from_secs(1000)).await;
            assert_ne!(world.get("/film").await.status, 200, "not for ever");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_304_gives_the_stored_body_a_new_life() {
    let (world, origin) = World::of(|asked| match asked.field("if-none-match") {
        Some("\"1\"") => {
            Act::say("HTTP/1.1 304 X\r\nCache-Control: max-age=30\r\nETag: \"1\"\r\nX-New: 1\r\n\r\n")
        }
        _ => Act::respond(200, "Cache-Control: max-age=10\r\nETag: \"1\"\r\n", b"film"),
    });
    world.get("/film").await;
    sleep(Duration::from_secs(20)).await;
    let validated = world.get("/film").await;
    assert_eq!((validated.text(), validated.field("x-new"), origin.count()), ("film", "1", 2));
    assert_eq!(validated.field("age"), "0");
    sleep(Duration::from_secs(20)).await;
    assert!(world.get("/film").await.cache().starts_with("hit; ttl=10"));
}

#[tokio::test(start_paused = true)]
async fn playlists_are_compressed_here_from_one_object() {
    let (world, origin) = World::of(|_| {
        let fields = "Cache-Control: max-age=10\r\nETag: \"1\"\r\nVary: Accept-Encoding\r\n\
                      Content-Type: application/vnd.apple.mpegurl\r\n";
        Act::respond(200, fields, "#EXTINF:4,\nsegment.m4s\n".repeat(100).as_bytes())
    });
    let plain = world.get("/film.m3u8").await;
    let gzip = world.get_with("/film.m3u8", &[("accept-encoding", "gzip")]).await;
    assert_eq!((plain.field("content-encoding"), gzip.field("content-encoding")), ("", "gzip"));
    assert!(gzip.body.as_ref().unwrap().len() < plain.body.unwrap().len() / 4);
    assert_eq!(gzip.headers.get_all("vary").iter().count(), 1);
    assert_eq!((gzip.field("etag"), origin.count()), ("\"1-gz\"", 1));
    assert_eq!(origin.asked()[0].field("accept-encoding"), Some("identity"));
}

#[tokio::test(start_paused = true)]
async fn what_names_a_viewer_is_neither_in_keys_nor_sent_to_origins() {
    let (world, origin) = World::of(|_| fresh(60, b"film"));
    for target in
        ["/film?b=1&a=2", "/film?a=2&CMCD=br%3D1&b=1", "/film?utm_source=x&token=eyJh.eyJi.c&a=2&b=1"]
    {
        let fields = [("cookie", "session=1"), ("authorization", "Bearer x"), ("x-forwarded-for", "1.2.3.4")];
        assert_eq!(world.get_with(target, &fields).await.status, 200);
    }
    assert_eq!(origin.count(), 1);
    let asked = &origin.asked()[0];
    assert_eq!(asked.line(), "GET /film?a=2&b=1");
    for name in ["cookie", "authorization", "x-forwarded-for"] {
        assert_eq!(asked.field(name), None);
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_knows_take_no_more_than_the_memory() {
    let cache = CacheLimits { memory_bytes: 16 << 20, object_bytes_max: 1 << 20 };
    let world = World::new(&["a"], &cache);
    world.town.settle(
        "a",
        &crate::harness::origin::Origin::new(|_| Act::respond(404, "Cache-Control: max-age=60\r\n", b"no")),
    );
    for number in 0..20_000 {
        assert_eq!(world.get(&format!("/film/{number}")).await.status, 404);
        if number % 500 == 0 {
            world.edge.settle();
        }
    }
    world.edge.settle();
    let objects = world.figure("rillcast_edge_objects", "");
    // Each counts with its names and tables: a KiB and a half or so.
    assert!((1000..16_000).contains(&objects), "{objects}");
    assert_eq!(world.figure("rillcast_edge_flights", ""), 0);
}

#[tokio::test(start_paused = true)]
async fn a_scan_does_not_drive_out_what_is_asked_for_often() {
    let cache = CacheLimits { memory_bytes: 32 << 20, object_bytes_max: 1 << 20 };
    let world = World::new(&["a"], &cache);
    let origin = crate::harness::origin::Origin::new(|_| fresh(3600, &[7; 100_000]));
    world.town.settle("a", &origin);
    let hot: Vec<_> = (0..50).map(|number| format!("/hot/{number}")).collect();
    // Each of these is asked for every fifty requests, and what is scanned once.
    for number in 0..1000 {
        world.get(&hot[number % hot.len()]).await;
        world.get(&format!("/scan/{number}")).await;
        world.edge.settle();
    }
    let before = origin.count();
    for target in &hot {
        world.get(target).await;
    }
    let lost = origin.count() - before;
    assert!(lost <= 5, "{lost} of 50 were driven out by a film watched once");
    assert!(world.figure("rillcast_edge_evictions_total", "") > 300);
}
