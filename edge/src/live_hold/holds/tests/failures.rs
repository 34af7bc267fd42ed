//! Upstreams that fail, hang, restart or are something else.

use super::*;

#[tokio::test(start_paused = true)]
async fn conformance_75_a_failure_reaches_every_viewer_at_once() {
    let (origin, holds) = stream();
    let mut viewers = JoinSet::new();
    for _ in 0..100 {
        viewers.spawn(viewer(&holds, at(100, 1)));
    }
    until(|| holds.waiters() == 100 && origin.is_holding()).await;
    let start = Instant::now();
    origin.set(Mode::Fails(Failure::Unreachable));
    while let Some(answer) = viewers.join_next().await {
        assert_eq!(answer.unwrap().unwrap_err(), HoldError::Failed(Failure::Unreachable));
    }
    assert_eq!((start.elapsed(), origin.calls().len()), (Duration::ZERO, 2));
    // The playlist is looked at anew before anything is waited for: the origin may have restarted.
    origin.set(Mode::Holds);
    origin.publish(live(3, 0));
    let mut next = start_one(viewer(&holds, at(3, 0)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(origin.is_holding());
    assert_eq!(origin.calls()[2..], [None, position(3, 0)]);
    origin.publish(live(3, 1));
    assert!(next.join_next().await.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dead_upstream_is_asked_twice_a_second_however_many_come() {
    let (origin, holds) = stream();
    origin.set(Mode::Fails(Failure::Status(StatusCode::BAD_GATEWAY)));
    for _ in 0..100 {
        let error = viewer(&holds, at(100, 1)).await.unwrap_err();
        assert_eq!(error, HoldError::Failed(Failure::Status(StatusCode::BAD_GATEWAY)));
    }
    let start = Instant::now();
    let before = origin.calls().len();
    while start.elapsed() < Duration::from_secs(10) {
        viewer(&holds, at(100, 1)).await.unwrap_err();
    }
    let calls = origin.calls().len() - before;
    assert!((18..=22).contains(&calls), "{calls} calls in 10 s");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_says_nothing_is_given_up() {
    let (origin, holds) = stream();
    origin.set(Mode::Hangs);
    let limits = HoldLimits::default();
    let start = Instant::now();
    assert!(viewer(&holds, at(100, 1)).await.is_err());
    assert_eq!(start.elapsed(), limits.first_answer_time);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((holds.playlists(), origin.holding()), (0, 0), "nothing is left behind");
    // When it hangs in the midst, viewers leave after the hold time, and the wait itself a little later.
    origin.set(Mode::Holds);
    assert_eq!(viewer(&holds, at(100, 1)).await.unwrap_err(), HoldError::TooLate { held_for: HOLD });
    assert!(origin.is_holding());
    let late = viewer(&holds, at(100, 1)).await.unwrap_err();
    assert_eq!(late, HoldError::Failed(Failure::TooSlow));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_held_is_told_apart_and_leaves_nothing_behind() {
    let (origin, holds) = stream();
    for failure in [Failure::NotMedia(NotMedia::Multivariant), Failure::Status(StatusCode::NOT_FOUND)] {
        origin.set(Mode::Fails(failure));
        assert_eq!(viewer(&holds, at(1, None)).await.unwrap_err(), HoldError::Failed(failure));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(holds.playlists(), 0);
    }
    origin.set(Mode::Holds);
    origin.publish(Facts { can_block: false, ..live(100, 1) });
    let start = Instant::now();
    assert!(!viewer(&holds, at(100, 1)).await.unwrap().facts.can_block);
    assert_eq!(start.elapsed(), Duration::ZERO, "a playlist that does not block is not waited for");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_dies_lets_nobody_hang() {
    let (origin, holds) = stream();
    let mut waiting = start_one(viewer(&holds, at(100, 1)));
    until(|| origin.is_holding()).await;
    let start = Instant::now();
    origin.set(Mode::Panics);
    let error = waiting.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!((error, start.elapsed()), (HoldError::Failed(Failure::Abandoned), Duration::ZERO));
    assert_eq!(holds.playlists(), 0);
    origin.set(Mode::Holds);
    assert!(viewer(&holds, at(99, None)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_registry_ends_its_waits() {
    let (origin, holds) = stream();
    let waiting = start_one(viewer(&holds, at(100, 1)));
    until(|| origin.is_holding()).await;
    drop(waiting);
    until(|| holds.waiters() == 0).await;
    assert!(origin.is_holding());
    drop(holds);
    until(|| !origin.is_holding()).await;
}

#[test]
fn failures_have_a_status_for_viewers() {
    for (failure, status) in [
        (Failure::Unreachable, 502),
        (Failure::TooSlow, 504),
        (Failure::Status(StatusCode::NOT_FOUND), 404),
        (Failure::Status(StatusCode::SERVICE_UNAVAILABLE), 503),
        (Failure::Status(StatusCode::FOUND), 502),
        (Failure::NotMedia(NotMedia::NotAPlaylist), 502),
        (Failure::Abandoned, 503),
    ] {
        assert_eq!(failure.status(), status, "{failure:?}");
    }
}
