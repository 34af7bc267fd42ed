//! One opening for all who ask, whoever of them leaves and whatever happens to the file.

use std::sync::atomic::Ordering::SeqCst;

use tokio::task::JoinSet;

use super::double::{Double, Shared};
use super::*;

fn over_double(store: &Arc<Double>) -> Arc<Assets> {
    over(Arc::new(Shared(Arc::clone(store))), AssetLimits::default())
}

/// Starts `count` viewers of `path`, and returns when each has asked.
async fn viewers(assets: &Arc<Assets>, count: usize, path: &str) -> JoinSet<Result<Arc<Asset>, AssetError>> {
    let mut set = JoinSet::new();
    for _ in 0..count {
        let (assets, path) = (Arc::clone(assets), asset_path(path));
        set.spawn(async move { assets.current(&path).await });
    }
    // On this one thread every task that was spawned has run as far as it can when this one runs again.
    tokio::task::yield_now().await;
    set
}

#[tokio::test]
async fn fifty_who_ask_at_once_open_once() {
    let store = Double::held();
    store.put("a.mp4", 1, film(2));
    let assets = over_double(&store);
    let viewers = viewers(&assets, 50, "a.mp4").await;
    store.wait_for_begun(1).await;
    store.gate.add_permits(50);
    let opened: Vec<_> = viewers.join_all().await.into_iter().map(|asset| asset.expect("a film")).collect();
    assert_eq!((opened.len(), store.opens()), (50, 1));
    assert!(opened.iter().all(|asset| Arc::ptr_eq(asset, &opened[0])));
    assert!(Arc::ptr_eq(&assets.current(&asset_path("a.mp4")).await.expect("kept"), &opened[0]));
    assert_eq!(store.opens(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_on_many_threads_open_once() {
    for _ in 0..20 {
        let (store, assets) = in_memory(AssetLimits::default());
        store.put(asset_path("a.mp4"), film(2));
        let opened = viewers(&assets, 50, "a.mp4").await.join_all().await;
        assert!(opened.iter().all(Result::is_ok));
        assert_eq!(store.opens(), 1);
    }
}

#[tokio::test]
async fn a_viewer_who_leaves_ends_nothing() {
    let store = Double::held();
    store.put("a.mp4", 1, film(2));
    let assets = over_double(&store);
    let mut first = viewers(&assets, 1, "a.mp4").await;
    store.wait_for_begun(1).await;
    let second = viewers(&assets, 1, "a.mp4").await;
    first.shutdown().await;
    store.gate.add_permits(100);
    assert!(second.join_all().await.iter().all(Result::is_ok), "the others get what he started");
    assert_eq!(store.opens(), 1);
}

#[tokio::test]
async fn what_everybody_left_is_open_all_the_same() {
    let store = Double::held();
    store.put("a.mp4", 1, film(2));
    let assets = over_double(&store);
    let mut only = viewers(&assets, 1, "a.mp4").await;
    store.wait_for_begun(1).await;
    only.shutdown().await;
    store.gate.add_permits(100);
    assert!(assets.current(&asset_path("a.mp4")).await.is_ok());
    assert_eq!(store.opens(), 1);
}

#[tokio::test]
async fn one_path_does_not_wait_for_another() {
    let store = Double::held();
    for path in ["a.mp4", "b.mp4"] {
        store.put(path, 1, film(2));
    }
    let assets = over_double(&store);
    let stuck = viewers(&assets, 1, "a.mp4").await;
    store.wait_for_begun(1).await;
    let other = viewers(&assets, 1, "b.mp4").await;
    store.wait_for_begun(2).await;
    store.gate.add_permits(100);
    for set in [stuck, other] {
        assert!(set.join_all().await.iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn openings_under_way_are_bounded_and_those_past_the_bound_wait() {
    let store = Double::held();
    let assets = over_double(&store);
    let mut sets = Vec::new();
    for number in 0..=MAX_OPENINGS {
        store.put(&format!("{number}.mp4"), 1, film(2));
        sets.push(viewers(&assets, 1, &format!("{number}.mp4")).await);
    }
    let limit = u32::try_from(MAX_OPENINGS).unwrap();
    store.wait_for_begun(limit).await;
    tokio::task::yield_now().await;
    assert_eq!(store.opens(), limit, "one waits");
    store.gate.add_permits(1);
    store.wait_for_begun(limit + 1).await;
    store.gate.add_permits(MAX_OPENINGS);
    for set in sets {
        assert!(set.join_all().await.iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn a_failure_to_read_is_told_to_all_who_wait_and_not_remembered() {
    let failed = |result: &Result<Arc<Asset>, AssetError>| matches!(result, Err(AssetError::Blob(error)) if matches!(**error, BlobError::Io(_)));
    for fails_in_open in [true, false] {
        let store = Double::held();
        store.put("a.mp4", 1, film(2));
        let assets = over_double(&store);
        let failing = if fails_in_open { &store.failing_opens } else { &store.failing_reads };
        failing.store(1, SeqCst);
        let viewers = viewers(&assets, 5, "a.mp4").await;
        store.gate.add_permits(100);
        assert!(viewers.join_all().await.iter().all(failed));
        assert_eq!(store.opens(), 1);
        assert!(assets.current(&asset_path("a.mp4")).await.is_ok(), "the next one tries again");
        assert_eq!(store.opens(), 2);
    }
}

#[tokio::test]
async fn an_opening_that_panics_is_an_error_once() {
    let store = Double::new();
    store.put("a.mp4", 1, film(2));
    let assets = over_double(&store);
    store.panics.store(true, SeqCst);
    assert!(matches!(assets.current(&asset_path("a.mp4")).await, Err(AssetError::Blob(_))));
    assert!(assets.current(&asset_path("a.mp4")).await.is_ok());
}

#[tokio::test]
async fn who_asks_after_a_replacement_gets_the_new_content_though_the_old_is_being_opened() {
    let store = Double::held();
    store.put("a.mp4", 1, film(2));
    let assets = over_double(&store);
    let early = viewers(&assets, 1, "a.mp4").await;
    store.wait_for_begun(1).await;
    store.put("a.mp4", 2, film(3));
    let late = viewers(&assets, 1, "a.mp4").await;
    store.gate.add_permits(100);
    let late = late.join_all().await.remove(0).expect("a film");
    assert_eq!(late.blob.stamp(), Stamp([2; 5]));
    assert!(early.join_all().await.iter().all(Result::is_ok));
    assert_eq!(store.opens(), 2);
}

#[tokio::test]
async fn an_edition_written_in_place_is_dropped() {
    let store = Double::new();
    let path = asset_path("a.mp4");
    store.put("a.mp4", 1, film(2));
    let assets = over_double(&store);
    let old = assets.current(&path).await.expect("a film").revision;
    store.change_in_place("a.mp4");
    store.put("a.mp4", 2, film(3));
    assert!(matches!(assets.edition(&path, old).await, Err(AssetError::Gone)));
    assert_ne!(assets.current(&path).await.expect("a film").revision, old);
    assert!(matches!(assets.edition(&path, old).await, Err(AssetError::Gone)));
    assert_eq!(store.opens(), 2);
    assets.open.editions.run_pending_tasks();
    assert_eq!(store.open_now.load(SeqCst), 1, "the old file is closed");
}

#[tokio::test]
async fn a_file_laid_out_anew_takes_the_place_of_the_old_one() {
    let store = Double::new();
    let path = asset_path("a.mp4");
    store.put("a.mp4", 1, film(2));
    let assets = over_double(&store);
    let first = assets.current(&path).await.expect("a film");
    store.put("a.mp4", 2, film(2));
    let second = assets.current(&path).await.expect("a film");
    assert_eq!(first.revision, second.revision);
    assert_eq!(second.blob.stamp(), Stamp([2; 5]));
    assert!(Arc::ptr_eq(&assets.edition(&path, first.revision).await.expect("kept"), &second));
}
