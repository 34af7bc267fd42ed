//! Which upstream a key is asked of, while they come and go. In memory, with time paused.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rillcast_edge::upstream::{CheckConfig, Demand, UpstreamError};
use tokio::time::sleep;

use crate::{
    harness::origin::{Act, Origin, Then, Town},
    setting::{Setting, config, demand, read_whole},
};

/// Asks for a key and says who answered.
async fn who(setting: &Setting, affinity: u64) -> Result<String, UpstreamError> {
    let mut response = setting.upstreams.fetch(Demand { affinity, ..demand("/v") }).await?;
    read_whole(&mut response).await;
    Ok(response.upstream.as_str().to_owned())
}

fn settle(town: &Town, names: &[&str]) -> HashMap<String, Origin> {
    let settled = names.iter().map(|name| {
        let origin = Origin::new(|_| Act::ok(b"x"));
        town.settle(name, &origin);
        ((*name).to_owned(), origin)
    });
    settled.collect()
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_with_its_upstream_and_only_those_of_a_dead_one_move() {
    const KEYS: u64 = 60;
    let town = Town::default();
    settle(&town, &["a", "b", "c"]);
    let setting = Setting::new(&town, &config(&["a", "b", "c"]));
    let mut before = Vec::new();
    for key in 0..KEYS {
        before.push(who(&setting, key).await.unwrap());
        assert_eq!(who(&setting, key).await.unwrap(), before[before.len() - 1]);
    }
    // Its connections end with it.
    let names = ["a", "b", "c"];
    assert!(names.iter().all(|name| before.iter().any(|found| found == name)));
    let setting = Setting::new(&town, &config(&names));
    town.shut("b");
    for key in 0..KEYS {
        let (was, is) = (&before[usize::try_from(key).unwrap()], who(&setting, key).await.unwrap());
        assert!(if was == "b" { is != "b" } else { is == *was }, "{key}: {was}, then {is}");
    }
    assert_eq!(setting.figure("rillcast_upstream_up", "b"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_upstream_is_left_alone_tried_once_and_taken_back() {
    let town = Town::default();
    let is_well = Arc::new(AtomicBool::new(false));
    let first = Origin::new({
        let is_well = Arc::clone(&is_well);
        move |_| if is_well.load(Ordering::Relaxed) { Act::ok(b"x") } else { Act::silent(Then::Close) }
    });
    settle(&town, &["b"]);
    town.settle("a", &first);
    let mut config = config(&["a", "b"]);
    config.upstreams[1].tier = 1;
    let setting = Setting::new(&town, &config);
    for _ in 0..20 {
        assert_eq!(who(&setting, 0).await.unwrap(), "b");
    }
    // Five in a row, and then nobody asks it.
    assert_eq!(first.count(), 5);
    sleep(Duration::from_secs(1)).await;
    for _ in 0..5 {
        assert_eq!(who(&setting, 0).await.unwrap(), "b");
    }
    assert_eq!(first.count(), 6);
    is_well.store(true, Ordering::Relaxed);
    assert_eq!(who(&setting, 0).await.unwrap(), "b");
    sleep(Duration::from_secs(2)).await;
    for _ in 0..3 {
        assert_eq!(who(&setting, 0).await.unwrap(), "a");
    }
    assert_eq!(setting.figure("rillcast_upstream_up", "a"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_out_they_are_asked_all_the_same() {
    let town = Town::default();
    let origins = settle(&town, &["a", "b"]);
    town.shut("a");
    town.shut("b");
    let setting = Setting::new(&town, &config(&["a", "b"]));
    for _ in 0..20 {
        assert_eq!(who(&setting, 0).await.unwrap_err().reason(), "connect");
    }
    let dialed = town.dialed().len();
    assert_eq!(who(&setting, 0).await.unwrap_err().reason(), "connect");
    assert_eq!(town.dialed().len(), dialed + 2);
    town.settle("b", &origins["b"]);
    assert_eq!(who(&setting, 0).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_a_time_to_come_back_does_not_take_an_upstream_out() {
    for (fields, expected) in [("Retry-After: 1\r\n", 30), ("", 5)] {
        let town = Town::default();
        let first = Origin::new(move |_| Act::respond(503, fields, b""));
        settle(&town, &["b"]);
        town.settle("a", &first);
        let mut config = config(&["a", "b"]);
        config.upstreams[1].tier = 1;
        let setting = Setting::new(&town, &config);
        for _ in 0..30 {
            assert_eq!(who(&setting, 0).await.unwrap(), "b");
        }
        assert_eq!(first.count(), expected, "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn checks_find_a_dead_upstream_before_a_request_does() {
    let town = Town::default();
    let origins = settle(&town, &["a", "b"]);
    let mut config = config(&["a", "b"]);
    config.upstreams[1].tier = 1;
    config.upstreams[0].check = Some(CheckConfig::new("/healthz"));
    let setting = Setting::new(&town, &config);
    let story = async {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(origins["a"].asked()[0].line(), "GET /healthz");
        assert_eq!(who(&setting, 0).await.unwrap(), "a");
        town.darken("a");
        // Three bad answers, each after two seconds, five from one question to the next.
        sleep(Duration::from_secs(17)).await;
        let dialed = town.dialed().len();
        assert_eq!(who(&setting, 0).await.unwrap(), "b");
        assert!(town.dialed()[dialed..].iter().all(|name| name == "b"));
        town.settle("a", &origins["a"]);
        sleep(Duration::from_secs(11)).await;
        assert_eq!(who(&setting, 0).await.unwrap(), "a");
    };
    tokio::select! {
        _ = setting.upstreams.run() => unreachable!("it never returns"),
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn unused_connections_are_ended() {
    let town = Town::default();
    let origins = settle(&town, &["a"]);
    let setting = Setting::new(&town, &config(&["a"]));
    let story = async {
        for expected in 1..=2 {
            who(&setting, 0).await.unwrap();
            assert_eq!(town.dialed().len(), expected);
            assert_eq!(town.connections().await, 1);
            // Kept for twenty seconds, looked through every five.
            sleep(Duration::from_secs(26)).await;
            assert_eq!(town.connections().await, 0);
        }
        assert_eq!(origins["a"].count(), 2);
    };
    tokio::select! {
        _ = setting.upstreams.run() => unreachable!("it never returns"),
        () = story => {}
    }
}
