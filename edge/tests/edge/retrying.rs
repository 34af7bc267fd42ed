//! Which failure is asked again, where, and what comes of it: a table of faults, in memory and with time paused.

use std::time::Duration;

use rillcast_edge::upstream::{UpstreamConfig, UpstreamError, UpstreamsConfig};
use tokio::time::Instant;

use crate::{
    harness::origin::{Act, Asked, Origin, Then, Town},
    setting::{Setting, config, demand, read_whole},
};

/// A deadline for what a live origin holds.
const HELD: Duration = Duration::from_secs(60);

/// After so long another is asked as well.
const SILENCE: Duration = Duration::from_secs(2);

/// What the upstream a key belongs to does; the other one answers.
enum Fault {
    Refuses,
    Swallows,
    Does(fn(&Asked) -> Act),
}

/// The key of a demand belongs to `a`; `b` comes second.
fn two_upstreams() -> UpstreamsConfig {
    let mut config = config(&["a", "b"]);
    config.upstreams[1].tier = 1;
    config
}

struct Outcome {
    /// A status and a body, or a reason.
    end: Result<(u16, Vec<u8>), &'static str>,
    asked_first: usize,
    asked_second: usize,
    took: Duration,
}

async fn play(fault: &Fault, config: &UpstreamsConfig, deadline: Option<Duration>) -> Outcome {
    let town = Town::default();
    let first = Origin::new(match fault {
        Fault::Does(act) => *act,
        _ => |_: &Asked| Act::ok(b"never asked"),
    });
    let second = Origin::new(|_| Act::ok(b"second"));
    town.settle("a", &first);
    town.settle("b", &second);
    match fault {
        Fault::Refuses => town.shut("a"),
        Fault::Swallows => town.darken("a"),
        Fault::Does(_) => {}
    }
    let start = Instant::now();
    let mut demand = demand("/");
    demand.deadline = deadline;
    let fetched = Setting::new(&town, config).upstreams.fetch(demand).await;
    let took = start.elapsed();
    let end = match fetched {
        Ok(mut response) => Ok((response.status.as_u16(), read_whole(&mut response).await)),
        Err(error) => Err(error.reason()),
    };
    Outcome { end, asked_first: first.count(), asked_second: second.count(), took }
}

const FAULTS: &[(&str, Fault, Alone, Duration)] = &[
    ("refused", Fault::Refuses, Alone::Fails("connect"), Duration::ZERO),
    ("swallowed", Fault::Swallows, Alone::Fails("connect-timeout"), SILENCE),
    ("closed", Fault::Does(|_| Act::silent(Then::Close)), Alone::Fails("reset"), Duration::ZERO),
    (
        "closed in the head",
        Fault::Does(|_| Act::say("HTTP/1.1 200 OK\r\nConte").then(Then::Close)),
        Alone::Fails("reset"),
        Duration::ZERO,
    ),
    ("silent", Fault::Does(|_| Act::silent(Then::Hang)), Alone::Fails("head-timeout"), SILENCE),
    (
        "silent in the head",
        Fault::Does(|_| Act::say("HTTP/1.1 200 OK\r\n").then(Then::Hang)),
        Alone::Fails("head-timeout"),
        SILENCE,
    ),
    (
        "no HTTP",
        Fault::Does(|_| Act::say("SSH-2.0-OpenSSH\r\n\r\n")),
        Alone::Fails("protocol"),
        Duration::ZERO,
    ),
    (
        "two lengths",
        Fault::Does(|_| Act::say("HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")),
        Alone::Fails("protocol"),
        Duration::ZERO,
    ),
    (
        "a part nobody asked for",
        Fault::Does(|_| Act::respond(206, "Content-Range: bytes 0-1/9\r\n", b"ab")),
        Alone::Fails("protocol"),
        Duration::ZERO,
    ),
    (
        "a switch of protocols",
        Fault::Does(|_| Act::say("HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")),
        Alone::Fails("protocol"),
        Duration::ZERO,
    ),
    ("502", Fault::Does(|_| Act::respond(502, "", b"poor")), Alone::Answers(502), Duration::ZERO),
    (
        "503",
        Fault::Does(|_| Act::respond(503, "Retry-After: 2\r\n", b"poor")),
        Alone::Answers(503),
        Duration::ZERO,
    ),
    ("504", Fault::Does(|_| Act::respond(504, "", b"poor")), Alone::Answers(504), Duration::ZERO),
];

/// What comes of a fault when there is no second upstream.
enum Alone {
    Fails(&'static str),
    Answers(u16),
}

#[tokio::test(start_paused = true)]
async fn what_one_upstream_cannot_the_next_one_can() {
    for (name, fault, _, took) in FAULTS {
        let outcome = play(fault, &two_upstreams(), None).await;
        assert_eq!(outcome.end, Ok((200, b"second".to_vec())), "{name}");
        let asked = usize::from(matches!(fault, Fault::Does(_)));
        assert_eq!((outcome.asked_first, outcome.asked_second), (asked, 1), "{name}");
        assert_eq!(outcome.took.as_secs(), took.as_secs(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_upstream_is_asked_again_only_after_a_reset_and_its_failure_told() {
    for (name, fault, alone, _) in FAULTS {
        let outcome = play(fault, &config(&["a"]), None).await;
        let expected = match alone {
            Alone::Fails(reason) => Err(*reason),
            Alone::Answers(status) => Ok((*status, b"poor".to_vec())),
        };
        assert_eq!(outcome.end, expected, "{name}");
        let asked = match (fault, alone) {
            (Fault::Does(_), Alone::Fails("reset")) => 2,
            (Fault::Does(_), _) => 1,
            _ => 0,
        };
        assert_eq!(outcome.asked_first, asked, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_the_demand_takes_the_place_of_the_head_timeout() {
    let held = Fault::Does(|_| Act::ok(b"held").after(HELD - Duration::from_secs(1)));
    let outcome = play(&held, &two_upstreams(), Some(HELD)).await;
    assert_eq!(outcome.end, Ok((200, b"held".to_vec())));
    let late = Fault::Does(|_| Act::ok(b"late").after(HELD + Duration::from_secs(1)));
    let outcome = play(&late, &config(&["a"]), Some(HELD)).await;
    assert_eq!((outcome.end, outcome.took.as_secs()), (Err("head-timeout"), HELD.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn an_upstreams_own_refusal_is_worth_more_than_the_nexts_failure() {
    let (town, first) = (Town::default(), Origin::new(|_| Act::respond(503, "Retry-After: 2\r\n", b"later")));
    town.settle("a", &first);
    town.shut("b");
    let mut response = Setting::new(&town, &two_upstreams()).get("/").await.unwrap();
    assert_eq!((response.status.as_u16(), read_whole(&mut response).await), (503, b"later".to_vec()));
    assert_eq!(town.dialed(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_attempts_are_made_than_allowed() {
    for attempts_max in 1..=4 {
        let town = Town::default();
        let names = ["a", "b", "c", "d", "e"];
        let origin = Origin::new(|_| Act::silent(Then::Close));
        names.iter().for_each(|name| town.settle(name, &origin));
        let mut config = config(&names);
        config.retry.attempts_max = attempts_max;
        let error = Setting::new(&town, &config).get("/").await.err().unwrap();
        assert!(matches!(error, UpstreamError::Reset { .. }));
        assert_eq!(u32::try_from(origin.count()).unwrap(), attempts_max);
    }
}

#[tokio::test(start_paused = true)]
async fn retries_end_with_the_budget_and_those_that_cost_nothing_are_free() {
    let mut config = two_upstreams();
    (config.retry.budget_percent, config.retry.budget_per_second) = (0, 0);
    config.retry.budget_saved_max = 2;
    let town = Town::default();
    let second = Origin::new(|_| Act::ok(b"second"));
    town.settle("a", &Origin::new(|_| Act::silent(Then::Close)));
    town.settle("b", &second);
    let setting = Setting::new(&town, &config);
    for _ in 0..2 {
        setting.get("/").await.unwrap();
    }
    assert_eq!(setting.get("/").await.err().unwrap().reason(), "reset");
    assert_eq!(setting.figure("rillcast_upstream_retries_refused_total", ""), 1.0);
    town.shut("a");
    setting.get("/").await.unwrap();
    assert_eq!(second.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_those_that_may_wait_are_refused() {
    let mut upstream = UpstreamConfig::new("a", "http://a");
    (upstream.in_flight_max, upstream.waiting_max) = (1, 1);
    let town = Town::default();
    town.settle("a", &Origin::new(|_| Act::ok(b"hello")));
    let setting = Setting::new(&town, &UpstreamsConfig::new("test", vec![upstream]));
    let mut holds = setting.get("/").await.unwrap();
    {
        let mut waits = Box::pin(setting.get("/"));
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        assert_eq!(setting.figure("rillcast_upstream_requests_waiting", "a"), 1.0);
        let refused = setting.get("/").await.err().unwrap();
        assert_eq!(refused.reason(), "too-many-waiting");
        assert_eq!(read_whole(&mut holds).await, b"hello");
        waits.await.unwrap();
    }
    assert_eq!(setting.figure("rillcast_upstream_requests_waiting", "a"), 0.0);
    // One that waits too long is told so.
    let mut holds = setting.get("/").await.unwrap();
    assert_eq!(setting.get("/").await.err().unwrap().reason(), "place-timeout");
    assert_eq!(read_whole(&mut holds).await, b"hello");
}
