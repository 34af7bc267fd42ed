//! One fetch for all who ask: followers, those who leave, ranges of what is arriving, purges under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rillcast_edge::cache::{
    key::{Key, Prefix},
    purge::{Hardness, Meant},
};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::origin::{Act, Then};
use crate::world::{World, fresh, set_clock_off};

/// A second goes by between the two halves of the body.
fn halves() -> Act {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nSurrogate-Key: film other\r\nETag: \"1\"\r\n\
                Content-Length: 200000\r\n\r\n";
    Act::say(head)
        .and(Duration::ZERO, vec![1; 100_000])
        .and(Duration::from_secs(1), vec![2; 100_000])
        .after(Duration::from_millis(200))
}

#[tokio::test(start_paused = true)]
async fn a_hundred_viewers_are_one_request_and_get_the_same() {
    let (world, origin) = World::of(|_| halves());
    let viewers = (0..100).map(|_| world.get("/film"));
    let all = futures_util::future::join_all(viewers).await;
    assert_eq!(origin.count(), 1);
    assert!(all.iter().all(|got| got.status == 200 && got.body == all[0].body));
    let collapsed = all.iter().filter(|got| got.cache().contains("collapsed")).count();
    assert_eq!((collapsed, all[0].body.as_ref().unwrap().len()), (99, 200_000));
    let hit = world.get("/film").await;
    assert!(hit.cache().starts_with("hit; ttl="), "{}", hit.cache());
    assert_eq!(origin.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_fill_goes_on_when_the_first_and_all_others_have_left() {
    for patience_ms in [100, 700] {
        let (world, origin) = World::of(|_| halves());
        let first = timeout(Duration::from_millis(patience_ms), world.get("/film"));
        let second = async {
            sleep(Duration::from_millis(50)).await;
            world.get("/film").await
        };
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_err(), "it left");
        assert_eq!((second.status, second.body.unwrap().len()), (200, 200_000));
        assert_eq!(origin.count(), 1);
    }
    let (world, origin) = World::of(|_| halves());
    assert!(timeout(Duration::from_millis(100), world.get("/film")).await.is_err());
    sleep(Duration::from_secs(5)).await;
    assert!(world.get("/film").await.cache().starts_with("hit"));
    assert_eq!(origin.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_range_is_answered_when_its_bytes_are_there() {
    let (world, origin) = World::of(|_| halves());
    let start = Instant::now();
    let early = world.get_with("/film", &[("range", "bytes=10-99999")]).await;
    assert_eq!((early.status, early.field("content-range")), (206, "bytes 10-99999/200000"));
    assert_eq!(early.body.unwrap().len(), 99_990);
    assert!(start.elapsed() < Duration::from_secs(1), "it did not wait for the rest");
    let late = world.get_with("/film", &[("range", "bytes=-5")]).await;
    assert_eq!((late.status, &late.body.unwrap()[..]), (206, &[2; 5][..]));
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(origin.count(), 1);
    let not_modified = world.get_with("/film", &[("if-none-match", "\"1\"")]).await;
    assert_eq!((not_modified.status, not_modified.field("etag")), (304, "\"1\""));
    assert!(not_modified.field("cache-status").contains("hit") && !not_modified.field("age").is_empty());
}

fn meanings(world: &World) -> Vec<(&'static str, Meant)> {
    vec![
        ("url", Meant::Key(Key::of(world.edge.rules(), "", "/vod/film", None).unwrap())),
        ("prefix", Meant::Prefix(Prefix::of("", "/vod/").unwrap())),
        ("surrogate_key", Meant::surrogate("other")),
        ("all", Meant::All),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_is_purged_is_asked_for_anew_and_the_rest_is_not() {
    let (world, origin) = World::of(|asked| {
        let fields = if asked.line().contains("/vod/film") { "Surrogate-Key: film other\r\n" } else { "" };
        Act::respond(
            200,
            &format!("Cache-Control: max-age=600\r\n{fields}"),
            asked.nth.to_string().as_bytes(),
        )
    });
    for (name, meant) in meanings(&world) {
        let before = (world.get("/vod/film").await, world.get("/live").await);
        let count = origin.count();
        world.edge.purge(meant, Hardness::Hard);
        let after = (world.get("/vod/film").await, world.get("/live").await);
        assert_ne!(before.0.text(), after.0.text(), "{name}");
        assert_eq!(before.1.text() == after.1.text(), name != "all", "{name}");
        assert_eq!(origin.count(), count + if name == "all" { 2 } else { 1 }, "{name}");
        assert_eq!(world.figure("rillcast_edge_purges_total", name), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_all_environments_means_each_and_of_another_none() {
    let fields = "Cache-Control: max-age=600\r\nSurrogate-Key: films\r\n";
    let (world, origin) = World::of(move |_| Act::respond(200, fields, b"film"));
    let elsewhere = Key::of(world.edge.rules(), "acme", "/vod/film", None).unwrap();
    for (meant, fetches) in [
        (Meant::Key(elsewhere.clone()), 0),
        (Meant::Prefix(Prefix::of("acme", "/vod/").unwrap()), 0),
        (Meant::surrogate_within("acme", "films"), 0),
        (Meant::surrogate_within("", "films"), 1),
        (Meant::surrogate("films"), 1),
        (Meant::Target(elsewhere), 1),
        (Meant::Prefix(Prefix::everywhere("/vod/").unwrap()), 1),
    ] {
        world.get("/vod/film").await;
        let count = origin.count();
        world.edge.purge(meant.clone(), Hardness::Hard);
        world.get("/vod/film").await;
        assert_eq!(origin.count(), count + fetches, "{meant:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_during_a_fill_reaches_its_result() {
    let (world, origin) = World::of(|_| halves());
    for (number, (name, meant)) in meanings(&world).into_iter().enumerate() {
        let first = world.get("/vod/film");
        let purge = async {
            sleep(Duration::from_millis(500)).await;
            world.edge.purge(meant, Hardness::Hard);
            // Whoever comes now does not get what was on its way.
            world.get("/vod/film").await
        };
        let (first, second) = tokio::join!(first, purge);
        assert_eq!((first.body.unwrap().len(), second.body.unwrap().len()), (200_000, 200_000), "{name}");
        assert_eq!(origin.count(), 2 * (number + 1), "{name}");
        world.edge.purge(Meant::All, Hardness::Hard);
    }
}

#[tokio::test(start_paused = true)]
async fn a_soft_purge_has_it_validated_and_serves_it_when_the_origin_fails() {
    let (world, origin) = World::of(|asked| {
        let fields = "Cache-Control: max-age=600, stale-if-error=600\r\nETag: \"1\"\r\n";
        match asked.field("if-none-match") {
            Some("\"1\"") => Act::say(format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n")),
            _ => Act::respond(200, fields, b"film"),
        }
    });
    world.get("/vod/film").await;
    world.edge.purge(Meant::All, Hardness::Soft);
    let validated = world.get("/vod/film").await;
    assert_eq!((validated.status, validated.text(), origin.count()), (200, "film", 2));
    assert!(validated.cache().starts_with("fwd=stale"), "{}", validated.cache());
    assert!(world.get("/vod/film").await.cache().starts_with("hit"));
    world.edge.purge(Meant::All, Hardness::Soft);
    world.town.shut("a");
    // Its connection is still open; the pool must not answer with it.
    let stale = world.get("/vod/film").await;
    assert_eq!((stale.status, stale.text()), (200, "film"));
}

#[tokio::test(start_paused = true)]
async fn what_is_doubted_is_used_once_its_origin_vouches_for_it_and_never_without() {
    let is_dead = Arc::new(AtomicBool::new(false));
    let dies = Arc::clone(&is_dead);
    let (world, origin) = World::of(move |asked| {
        if dies.load(Ordering::Relaxed) {
            return Act::silent(Then::Close);
        }
        let fields = "Cache-Control: max-age=600, stale-if-error=600\r\nETag: \"1\"\r\n";
        match asked.field("if-none-match") {
            Some("\"1\"") => Act::say(format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n")),
            _ => Act::respond(200, fields, b"film"),
        }
    });
    for path in ["/vod/film", "/vod/other"] {
        world.get(path).await;
    }
    world.edge.purge(Meant::All, Hardness::Doubt);
    let vouched = world.get("/vod/film").await;
    assert_eq!((vouched.status, vouched.text(), origin.count()), (200, "film", 3));
    assert!(world.get("/vod/film").await.cache().starts_with("hit"), "nobody doubts it any more");
    is_dead.store(true, Ordering::Relaxed);
    // A softer purge takes no doubt away, and neither does time.
    world.edge.purge(Meant::All, Hardness::Soft);
    assert_eq!((world.get("/vod/film").await.status, world.get("/vod/other").await.status), (200, 502));
    set_clock_off(700);
    assert_eq!((world.get("/vod/film").await.status, world.get("/vod/other").await.status), (200, 502));
    set_clock_off(0);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_makes_nothing_eternal() {
    let (world, origin) = World::of(|_| fresh(60, b"film"));
    world.get("/film").await;
    set_clock_off(30);
    let aged = world.get("/film").await;
    assert_eq!((aged.field("age"), origin.count()), ("30", 1));
    set_clock_off(-1000);
    world.get("/film").await;
    assert_eq!(origin.count(), 2, "what comes from the future is asked for anew");
    set_clock_off(100);
    world.get("/film").await;
    assert_eq!(origin.count(), 3);
}
