//! Many viewers and one scripted origin, on a clock that is stopped: it moves only when everybody waits.

mod failures;
mod hints;
mod origin;

use std::{future::Future, sync::LazyLock};

use tokio::task::{JoinSet, yield_now};

use super::*;
use origin::{Mode, Origin, live};

/// Three target durations of every playlist here.
const HOLD: Duration = Duration::from_secs(12);

fn key(path: &str) -> Key {
    // Rules have seeds of their own: all keys of a table come from the same.
    static RULES: LazyLock<KeyRules> = LazyLock::new(KeyRules::default);
    Key::of(&RULES, "acme", path, None).unwrap()
}

fn at(msn: u64, part: impl Into<Option<u64>>) -> Directives {
    Directives { position: Some(Position { msn, part: part.into() }), skip: None }
}

fn holds(origin: &Origin, limits: HoldLimits) -> Holds<Origin> {
    Holds::new(origin.clone(), KeyRules::default(), limits, Handle::current())
}

/// A live stream at segment 100, part 1, and its viewers' registry.
fn stream() -> (Origin, Holds<Origin>) {
    let origin = Origin::new(live(100, 1));
    let holds = holds(&origin, HoldLimits::default());
    (origin, holds)
}

/// Lets every task run until `done`.
async fn until(done: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if done() {
            return;
        }
        yield_now().await;
    }
    panic!("it never happened");
}

/// A viewer of `/live/a.m3u8` who waits for `directives`.
fn viewer(
    holds: &Holds<Origin>,
    directives: Directives,
) -> impl Future<Output = Result<Arc<Update<u64>>, HoldError>> + Send + 'static {
    let holds = holds.clone();
    async move { holds.wait(&key("/live/a.m3u8"), &directives).await }
}

fn position(msn: u64, part: u64) -> Option<Position> {
    Some(Position { msn, part: Some(part) })
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_viewers_make_one_upstream_wait() {
    let (origin, holds) = stream();
    let mut viewers = JoinSet::new();
    for _ in 0..10_000 {
        viewers.spawn(viewer(&holds, at(100, 1)));
    }
    until(|| holds.waiters() == 10_000 && origin.is_holding()).await;
    assert_eq!(origin.calls(), [None, position(100, 1)]);
    origin.publish(live(100, 2));
    while let Some(answer) = viewers.join_next().await {
        let update = answer.unwrap().unwrap();
        assert_eq!((update.asked, update.facts.open_parts), (position(100, 1), 2));
        assert_eq!(update.answer, 2, "the response of the second call, shared");
    }
    assert_eq!((holds.waiters(), holds.playlists(), origin.most_at_once()), (0, 1, 1));
    // What comes next is asked for by one more wait at the most.
    assert!(origin.calls().len() <= 3, "{:?}", origin.calls());
}

#[tokio::test(start_paused = true)]
async fn viewers_wait_for_different_things_at_one_entry() {
    let (origin, holds) = stream();
    let mut part = start_one(viewer(&holds, at(100, 1)));
    let mut segment = start_one(viewer(&holds, at(100, None)));
    let mut next = start_one(viewer(&holds, at(101, 0)));
    let old = viewer(&holds, at(98, None)).await.unwrap();
    assert_eq!(old.facts.next_msn, 100);
    until(|| origin.is_holding()).await;
    origin.publish(live(100, 2));
    assert_eq!(part.join_next().await.unwrap().unwrap().unwrap().facts.open_parts, 2);
    assert_eq!(holds.waiters(), 2);
    origin.publish(live(101, 0));
    assert_eq!(segment.join_next().await.unwrap().unwrap().unwrap().facts.next_msn, 101);
    assert_eq!(holds.waiters(), 1);
    origin.publish(live(101, 1));
    assert_eq!(next.join_next().await.unwrap().unwrap().unwrap().facts.open_parts, 1);
    assert_eq!(origin.most_at_once(), 1);
}

/// The future as a task of its own.
fn start_one<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinSet<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(future);
    tasks
}

#[tokio::test(start_paused = true)]
async fn the_first_viewer_may_go_and_the_others_do_not_notice() {
    let (origin, holds) = stream();
    let first = start_one(viewer(&holds, at(100, 1)));
    until(|| origin.is_holding()).await;
    let mut second = start_one(viewer(&holds, at(100, 1)));
    until(|| holds.waiters() == 2).await;
    drop(first);
    until(|| holds.waiters() == 1).await;
    origin.publish(live(100, 2));
    assert!(second.join_next().await.unwrap().unwrap().is_ok());
    assert_eq!(origin.calls().iter().filter(|call| **call == position(100, 1)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_nobody_waits_the_wait_in_flight_ends_and_the_entry_goes_after_a_while() {
    let (origin, holds) = stream();
    let only = start_one(viewer(&holds, at(100, 1)));
    until(|| origin.is_holding()).await;
    drop(only);
    until(|| holds.waiters() == 0).await;
    assert!(origin.is_holding(), "a wait belongs to no viewer");
    origin.publish(live(100, 2));
    until(|| !origin.is_holding()).await;
    tokio::time::sleep(HOLD - Duration::from_millis(1)).await;
    assert_eq!((origin.calls().len(), holds.playlists()), (2, 1));
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!((origin.calls().len(), holds.playlists()), (2, 0));
    // Who comes then begins anew.
    let mut late = start_one(viewer(&holds, at(100, 2)));
    until(|| origin.is_holding()).await;
    assert_eq!(origin.calls()[2..], [None, position(100, 2)]);
    origin.publish(live(101, 0));
    assert!(late.join_next().await.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_within_a_while_finds_the_entry() {
    let (origin, holds) = stream();
    let mut viewers = start_one(viewer(&holds, at(100, 1)));
    until(|| origin.is_holding()).await;
    for part in 2..20 {
        origin.publish(live(100, part));
        assert!(viewers.join_next().await.unwrap().unwrap().is_ok());
        viewers.spawn(viewer(&holds, at(100, part)));
        until(|| holds.waiters() == 1 && origin.is_holding()).await;
    }
    let expected: Vec<_> = std::iter::once(None).chain((1..20).map(|part| position(100, part))).collect();
    assert_eq!(origin.calls(), expected, "the playlist without directives was asked for once");
}

#[tokio::test(start_paused = true)]
async fn conformance_60_the_impossible_is_refused_at_once() {
    let (origin, holds) = stream();
    let start = Instant::now();
    let too_far = HoldError::Impossible(Impossible::SegmentTooFar { asked: 102, last: 99 });
    assert_eq!(viewer(&holds, at(102, None)).await.unwrap_err(), too_far);
    let waiting = start_one(viewer(&holds, at(100, 1)));
    until(|| origin.is_holding()).await;
    assert_eq!(viewer(&holds, at(102, None)).await.unwrap_err(), too_far);
    let part = Impossible::PartTooFar { asked: 7, limit: 6 };
    assert_eq!(viewer(&holds, at(100, 7)).await.unwrap_err(), HoldError::Impossible(part));
    assert_eq!((start.elapsed(), waiting.len()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn what_old_facts_call_impossible_is_looked_at_again() {
    let (origin, holds) = stream();
    assert!(viewer(&holds, at(99, None)).await.is_ok());
    until(|| origin.is_holding()).await;
    origin.publish(live(100, 2));
    until(|| !origin.is_holding()).await;
    // Nobody looks while the stream goes on.
    tokio::time::sleep(Duration::from_secs(8)).await;
    origin.publish(live(104, 3));
    origin.set(Mode::Hangs);
    let mut viewers = start_one(viewer(&holds, at(104, 1)));
    until(|| origin.is_holding()).await;
    // This one comes while the upstream is being asked, and knows no better for it.
    viewers.spawn(viewer(&holds, at(104, 2)));
    until(|| holds.waiters() == 2).await;
    for _ in 0..100 {
        yield_now().await;
    }
    origin.set(Mode::Holds);
    while let Some(answer) = viewers.join_next().await {
        assert_eq!(answer.unwrap().unwrap().facts.next_msn, 104);
    }
    let asked = 106;
    let refused = viewer(&holds, at(asked, None)).await.unwrap_err();
    assert_eq!(refused, HoldError::Impossible(Impossible::SegmentTooFar { asked, last: 103 }));
}

#[tokio::test(start_paused = true)]
async fn when_a_stream_stands_still_the_impossible_is_refused_after_a_second() {
    let (origin, holds) = stream();
    assert!(viewer(&holds, at(99, None)).await.is_ok());
    until(|| origin.is_holding()).await;
    origin.publish(live(100, 2));
    until(|| !origin.is_holding()).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let start = Instant::now();
    assert!(matches!(viewer(&holds, at(104, None)).await, Err(HoldError::Impossible(_))));
    assert_eq!(start.elapsed(), CONFIRM_TIME);
}

#[tokio::test(start_paused = true)]
async fn conformance_62_nothing_is_held_longer_than_three_target_durations() {
    let (origin, holds) = stream();
    let start = Instant::now();
    let error = viewer(&holds, at(100, 1)).await.unwrap_err();
    assert_eq!((error, start.elapsed()), (HoldError::TooLate { held_for: HOLD }, HOLD));
    assert_eq!(holds.waiters(), 0);
    // A playlist that claims a target duration of an hour is not believed.
    let hour = Facts { target_duration: Duration::from_secs(3600), ..live(7, 0) };
    origin.publish(hour);
    let limits = HoldLimits::default();
    let start = Instant::now();
    let other = holds.wait(&key("/live/b.m3u8"), &at(7, 0)).await.unwrap_err();
    assert_eq!(
        (other, start.elapsed()),
        (HoldError::TooLate { held_for: limits.hold_time }, limits.hold_time)
    );
}

#[tokio::test(start_paused = true)]
async fn conformance_63_the_end_of_a_stream_frees_everybody() {
    let (origin, holds) = stream();
    let mut viewers = JoinSet::new();
    for directives in [at(100, 1), at(100, None), at(101, 0)] {
        viewers.spawn(viewer(&holds, directives));
    }
    until(|| holds.waiters() == 3 && origin.is_holding()).await;
    origin.publish(Facts { has_ended: true, ..live(101, 0) });
    while let Some(answer) = viewers.join_next().await {
        assert!(answer.unwrap().unwrap().facts.has_ended);
    }
    tokio::time::sleep(HOLD * 2).await;
    assert_eq!((origin.calls().len(), holds.playlists()), (2, 0), "an ended stream is asked for no more");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_hold_is_asked_at_a_players_pace() {
    let (origin, holds) = stream();
    origin.set(Mode::AnswersAtOnce);
    let error = viewer(&holds, at(100, 1)).await.unwrap_err();
    assert_eq!(error, HoldError::TooLate { held_for: HOLD });
    // Parts last half a second here: twice a part.
    let calls = origin.calls().len();
    assert!((40..=50).contains(&calls), "{calls} calls in {HOLD:?}");
}

#[tokio::test(start_paused = true)]
async fn limits_hold_at_the_limit_and_one_past_it() {
    let origin = Origin::new(live(100, 1));
    let holds = holds(&origin, HoldLimits { playlists: 2, waiters: 3, ..HoldLimits::default() });
    let mut waiting = JoinSet::new();
    for (at_once, path) in [(1, "/live/a.m3u8"), (2, "/live/b.m3u8")] {
        let holds = holds.clone();
        waiting.spawn(async move { holds.wait(&key(path), &at(100, 1)).await.map(drop) });
        until(|| origin.holding() == at_once).await;
    }
    let third = holds.wait(&key("/live/c.m3u8"), &at(100, 1)).await.unwrap_err();
    assert_eq!(third, HoldError::TooManyPlaylists { limit: 2 });
    waiting.spawn({
        let holds = holds.clone();
        async move { holds.wait(&key("/live/a.m3u8"), &at(100, 1)).await.map(drop) }
    });
    until(|| holds.waiters() == 3).await;
    let fourth = viewer(&holds, at(100, 1)).await.unwrap_err();
    assert_eq!(fourth, HoldError::TooManyWaiters { limit: 3 });
    origin.publish(live(100, 2));
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap(), Ok(()));
    }
    assert_eq!(holds.waiters(), 0);
}

/// Viewers on several threads who come and go all the time, at entries that go as soon as they are empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_every_viewer_sees_the_end_of_the_stream() {
    const UPDATES: u64 = 2_000;
    let place = |facts: &Facts| (facts.next_msn, facts.open_parts);
    let origin = Origin::new(live(100, 0));
    let holds = holds(&origin, HoldLimits { hold_time: Duration::from_millis(1), ..HoldLimits::default() });
    let mut viewers = JoinSet::new();
    for _ in 0..32 {
        let holds = holds.clone();
        viewers.spawn(async move {
            let mut seen = live(100, 0);
            while !seen.has_ended {
                let next = Directives { position: Some(seen.next()), skip: None };
                match holds.wait(&key("/live/a.m3u8"), &next).await {
                    Ok(update) => {
                        assert!(update.facts.has_ended || place(&update.facts) > place(&seen));
                        seen = update.facts.clone();
                    }
                    Err(error) => assert!(matches!(error, HoldError::TooLate { .. }), "{error:?}"),
                }
            }
        });
    }
    for step in 1..UPDATES {
        origin.publish(live(100 + step / 8, step % 8));
        yield_now().await;
    }
    origin.publish(Facts { has_ended: true, ..live(100 + UPDATES / 8, 0) });
    while let Some(viewer) = viewers.join_next().await {
        viewer.unwrap();
    }
    assert_eq!((holds.waiters(), origin.most_at_once()), (0, 1));
}
