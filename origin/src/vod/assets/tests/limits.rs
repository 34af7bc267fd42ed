//! What stays open is bounded in number and in memory.

use std::sync::atomic::Ordering::SeqCst;

use super::double::{Double, Shared};
use super::*;

/// Opens `count` films and says how many are open when the caches have done their work.
async fn open(store: &Arc<Double>, assets: &Arc<Assets>, count: usize) -> usize {
    for number in 0..count {
        let path = format!("{number}.mp4");
        store.put(&path, 1, film(2));
        let asset = assets.current(&asset_path(&path)).await.expect("a film");
        let again = assets.edition(&asset_path(&path), asset.revision).await.expect("just opened");
        assert!(Arc::ptr_eq(&asset, &again));
    }
    settled(store, assets)
}

fn settled(store: &Arc<Double>, assets: &Arc<Assets>) -> usize {
    assets.open.editions.run_pending_tasks();
    assets.open.known.run_pending_tasks();
    store.open_now.load(SeqCst)
}

fn bounded(limits: AssetLimits) -> (Arc<Double>, Arc<Assets>) {
    let store = Double::new();
    let assets = over(Arc::new(Shared(Arc::clone(&store))), limits);
    (store, assets)
}

#[tokio::test]
async fn as_many_stay_open_as_the_limit_says_and_not_one_more() {
    let limits = AssetLimits { count: 5, ..AssetLimits::default() };
    let (store, assets) = bounded(limits);
    assert_eq!(open(&store, &assets, 5).await, 5);
    assert_eq!(store.opens(), 5);
    assert_eq!(open(&store, &assets, 6).await, 5);
    assert_eq!(store.opens(), 6);
    // The one that was used longest ago went, so it is opened again; the newest is not.
    for (path, opens) in [("5.mp4", 6), ("0.mp4", 7)] {
        assert!(assets.current(&asset_path(path)).await.is_ok());
        assert_eq!(store.opens(), opens, "{path}");
    }
    assert_eq!(settled(&store, &assets), 5);
}

#[tokio::test]
async fn memory_is_a_bound_of_its_own() {
    let (store, assets) = bounded(AssetLimits::default());
    open(&store, &assets, 1).await;
    let each = assets.current(&asset_path("0.mp4")).await.expect("a film").memory_bytes() as u64;
    // Weights are rounded up, so three take a few bytes more than they are.
    for (memory_bytes, stay) in [(each * 3 + 8, 3), (each * 3 - 1, 2), (each, 1), (each - 1, 0), (0, 0)] {
        let (store, assets) = bounded(AssetLimits { memory_bytes, ..AssetLimits::default() });
        assert_eq!(open_each(&store, &assets, 4).await, stay, "{memory_bytes} bytes");
    }
}

/// As [`open`], without asking for what may not be kept.
async fn open_each(store: &Arc<Double>, assets: &Arc<Assets>, count: usize) -> usize {
    for number in 0..count {
        let path = format!("{number}.mp4");
        store.put(&path, 1, film(2));
        assert!(assets.current(&asset_path(&path)).await.is_ok(), "served, kept or not");
        settled(store, assets);
    }
    settled(store, assets)
}

#[tokio::test]
async fn what_is_remembered_of_refused_files_is_bounded_too() {
    let limits = AssetLimits { count: 5, ..AssetLimits::default() };
    let (store, assets) = bounded(limits);
    for number in 0..100 {
        let path = format!("{number}.mp4");
        store.put(&path, 1, Bytes::from_static(b"no movie"));
        assert!(matches!(assets.current(&asset_path(&path)).await, Err(AssetError::Refused(_))));
    }
    assert_eq!(settled(&store, &assets), 0, "a refused file is closed");
    assert!(assets.open.known.entry_count() <= 5 * KNOWN_PER_ASSET);
}

#[test]
fn weights_fit_whatever_the_limits_are() {
    for (memory_bytes, count) in [(0, 0), (1, 1), (u64::MAX, u64::MAX), (1, u64::MAX), (u64::MAX, 1)] {
        let limits = AssetLimits { memory_bytes, count, ..AssetLimits::default() };
        for bytes in [0, 1, usize::MAX] {
            assert!(u64::from(limits.weight(bytes)) >= SHARE);
        }
    }
}
