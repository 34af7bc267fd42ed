//! Silence: who is asked besides, who wins, and what is thought of the others. In memory, with time paused.

use std::time::Duration;

use rillcast_edge::upstream::UpstreamsConfig;
use tokio::time::Instant;

use crate::{
    harness::origin::{Act, Origin, Then, Town},
    setting::{Setting, config, demand, read_whole},
};

const SILENCE: Duration = Duration::from_secs(2);

/// The key of a demand belongs to `a`; `b` comes second.
fn two_upstreams() -> UpstreamsConfig {
    let mut config = config(&["a", "b"]);
    config.upstreams[1].tier = 1;
    config
}

struct Pair {
    setting: Setting,
    origins: [Origin; 2],
    town: Town,
}

/// Two upstreams, each of which takes so many seconds.
fn pair(config: &UpstreamsConfig, seconds: [u64; 2]) -> Pair {
    let town = Town::default();
    let mut names = ["a", "b"].into_iter();
    let origins = seconds.map(|seconds| {
        let name = names.next().unwrap();
        let origin = Origin::new(move |_| Act::ok(name.as_bytes()).after(Duration::from_secs(seconds)));
        town.settle(name, &origin);
        origin
    });
    Pair { setting: Setting::new(&town, config), origins, town }
}

impl Pair {
    /// Who answers, and after how many seconds.
    async fn fetch(&self) -> (String, u64) {
        let start = Instant::now();
        let mut response = self.setting.get("/").await.unwrap();
        let took = start.elapsed().as_secs();
        (String::from_utf8(read_whole(&mut response).await).unwrap(), took)
    }

    fn counts(&self) -> [usize; 2] {
        self.origins.each_ref().map(Origin::count)
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_first_wins_and_another_is_asked_after_silence_only() {
    for (seconds, winner, took, asked) in [
        ([1, 0], "a", 1, [1, 0]),
        ([3, 0], "b", 2, [1, 1]),
        ([3, 5], "a", 3, [1, 1]),
        ([9, 5], "b", 7, [1, 1]),
    ] {
        let pair = pair(&two_upstreams(), seconds);
        assert_eq!(pair.fetch().await, (winner.to_owned(), took), "{seconds:?}");
        assert_eq!(pair.counts(), asked, "{seconds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_there_is_has_all_the_patience() {
    let alone = pair(&config(&["a"]), [9, 0]);
    assert_eq!(alone.fetch().await, ("a".to_owned(), 9));
    let pair = pair(&two_upstreams(), [9, 0]);
    pair.town.shut("b");
    // That nobody is there is found out by asking; the first is waited for all the same.
    assert_eq!(pair.fetch().await, ("a".to_owned(), 9));
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_the_first_viewers_a_little_and_the_others_nothing() {
    let pair = pair(&two_upstreams(), [3600, 0]);
    for nth in 0..5 {
        assert_eq!(pair.fetch().await, ("b".to_owned(), SILENCE.as_secs()), "{nth}");
    }
    for nth in 5..20 {
        assert_eq!(pair.fetch().await, ("b".to_owned(), 0), "{nth}");
    }
    assert_eq!(pair.counts(), [5, 20]);
    assert_eq!(pair.setting.figure("rillcast_upstream_requests_total", "overtaken,a"), 5.0);
    assert_eq!(pair.setting.figure("rillcast_upstream_requests_in_flight", "a"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_slow_as_a_whole_is_not_asked_twice_for_everything() {
    let mut config = two_upstreams();
    (config.retry.budget_percent, config.retry.budget_per_second) = (0, 0);
    config.retry.budget_saved_max = 2;
    let pair = pair(&config, [5, 5]);
    for nth in 0..10 {
        assert_eq!(pair.fetch().await, ("a".to_owned(), 5), "{nth}");
    }
    assert_eq!(pair.counts(), [10, 2]);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_asked_at_once_than_there_may_be_attempts() {
    let town = Town::default();
    let origin = Origin::new(|_| Act::silent(Then::Hang));
    let names = ["a", "b", "c", "d", "e"];
    names.iter().for_each(|name| town.settle(name, &origin));
    for attempts_max in 1..=4 {
        let before = origin.count();
        let mut config = config(&names);
        config.retry.attempts_max = attempts_max;
        assert_eq!(Setting::new(&town, &config).get("/").await.err().unwrap().reason(), "head-timeout");
        assert_eq!(u32::try_from(origin.count() - before).unwrap(), attempts_max);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_to_be_held_is_waited_for() {
    let pair = pair(&two_upstreams(), [9, 0]);
    let mut held = demand("/");
    held.deadline = Some(Duration::from_secs(10));
    let mut response = pair.setting.upstreams.fetch(held).await.unwrap();
    assert_eq!((read_whole(&mut response).await, pair.counts()), (b"a".to_vec(), [1, 0]));
}
