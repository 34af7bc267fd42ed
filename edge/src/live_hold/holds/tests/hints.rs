//! Requests for the part that a playlist announces.

use super::*;

/// A stream that somebody waits for, so that its hint is known: `/live/100.1.m4s`.
async fn watched() -> (Origin, Holds<Origin>, JoinSet<Result<Arc<Update<u64>>, HoldError>>) {
    let (origin, holds) = stream();
    let viewers = start_one(viewer(&holds, at(100, 1)));
    until(|| origin.is_holding()).await;
    (origin, holds, viewers)
}

/// The key is made by the rules that the registry makes the keys of announced parts with.
fn hint_of(holds: &Holds<Origin>, path: &str) -> Option<HintedPart<Origin>> {
    holds.hinted(&Key::of(&holds.shared.rules, "acme", path, None).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_announced_part_waits_until_the_playlist_goes_on() {
    let (origin, holds, _viewers) = watched().await;
    assert!(hint_of(&holds, "/live/100.2.m4s").is_none(), "a later part is no business of ours");
    assert!(hint_of(&holds, "/live/100.0.m4s").is_none());
    let part = hint_of(&holds, "/live/100.1.m4s").unwrap();
    let mut waiting = start_one(part.wait());
    until(|| holds.waiters() == 2).await;
    for _ in 0..100 {
        yield_now().await;
    }
    assert!(waiting.try_join_next().is_none());
    origin.publish(live(100, 2));
    assert_eq!(waiting.join_next().await.unwrap().unwrap(), Ok(()));
    assert!(hint_of(&holds, "/live/100.1.m4s").is_none());
    assert!(hint_of(&holds, "/live/100.2.m4s").is_some());
}

#[tokio::test(start_paused = true)]
async fn conformance_68_a_hint_that_comes_to_nothing_frees_who_waits_for_it() {
    let (origin, holds, mut viewers) = watched().await;
    let mut waiting = start_one(hint_of(&holds, "/live/100.1.m4s").unwrap().wait());
    until(|| holds.waiters() == 2).await;
    // The segment was cut before the part came.
    origin.publish(live(101, 0));
    assert_eq!(waiting.join_next().await.unwrap().unwrap(), Ok(()));
    assert!(viewers.join_next().await.unwrap().unwrap().is_ok());
    let mut waiting = start_one(hint_of(&holds, "/live/101.0.m4s").unwrap().wait());
    until(|| origin.is_holding()).await;
    origin.publish(Facts { has_ended: true, ..live(101, 0) });
    assert_eq!(waiting.join_next().await.unwrap().unwrap(), Ok(()));
    assert!(hint_of(&holds, "/live/101.0.m4s").is_none(), "nothing comes after the end");
}

#[tokio::test(start_paused = true)]
async fn an_announced_part_is_not_held_for_ever() {
    let (origin, holds, _viewers) = watched().await;
    let start = Instant::now();
    let error = hint_of(&holds, "/live/100.1.m4s").unwrap().wait().await.unwrap_err();
    assert_eq!((error, start.elapsed()), (HoldError::TooLate { held_for: HOLD }, HOLD));
    let waiting = hint_of(&holds, "/live/100.1.m4s").unwrap();
    origin.set(Mode::Fails(Failure::Unreachable));
    assert_eq!(waiting.wait().await.unwrap_err(), HoldError::Failed(Failure::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn hints_go_with_their_entry_and_hints_elsewhere_are_left_alone() {
    let (origin, holds, viewers) = watched().await;
    assert!(hint_of(&holds, "/live/100.1.m4s").is_some());
    drop(viewers);
    origin.publish(live(100, 2));
    until(|| !origin.is_holding() && holds.waiters() == 0).await;
    tokio::time::sleep(HOLD * 2).await;
    assert_eq!(holds.playlists(), 0);
    assert!(hint_of(&holds, "/live/100.2.m4s").is_none());

    origin.publish(Facts { hint: Some("https://elsewhere/1.m4s".into()), ..live(100, 3) });
    let waiting = start_one(viewer(&holds, at(100, 3)));
    until(|| origin.is_holding()).await;
    assert_eq!(waiting.len(), 1);
    assert!(hint_of(&holds, "/1.m4s").is_none());
}
