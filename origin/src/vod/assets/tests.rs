mod double;
mod limits;
mod opening;

use bytes::Bytes;
use rillcast_fixtures::{Shape, Track};

use super::*;
use crate::blob::memory::MemoryStore;
use crate::vod::asset::Refusal;

fn asset_path(path: &str) -> AssetPath {
    AssetPath::new(path).expect("a clean path")
}

/// A film of `seconds` with sound; another number is another content.
fn film(seconds: usize) -> Bytes {
    Shape::new(vec![Track::avc(1, 25, 50, seconds * 25), Track::aac(2, seconds * 47)]).bytes().into()
}

fn over(store: Arc<dyn BlobStore>, limits: AssetLimits) -> Arc<Assets> {
    Arc::new(Assets::new(store, Indexes::off(), Handle::current(), Policy::VOD, limits))
}

fn in_memory(limits: AssetLimits) -> (Arc<MemoryStore>, Arc<Assets>) {
    let store = Arc::new(MemoryStore::default());
    (Arc::clone(&store), over(store, limits))
}

#[tokio::test]
async fn the_same_bytes_have_the_same_revision_wherever_they_lie() {
    let (store, assets) = in_memory(AssetLimits::default());
    let shape = Shape::new(vec![Track::avc(1, 25, 50, 200)]);
    let index_last = Shape { index_first: false, wide_offsets: true, ..shape.clone() };
    for (path, bytes) in
        [("a.mp4", shape.bytes()), ("copy/b.mp4", shape.bytes()), ("moved.mp4", index_last.bytes())]
    {
        store.put(asset_path(path), bytes.into());
    }
    store.put(asset_path("other.mp4"), film(3));
    let mut revisions = Vec::new();
    for path in ["a.mp4", "copy/b.mp4", "moved.mp4", "other.mp4"] {
        revisions.push(assets.current(&asset_path(path)).await.expect(path).revision);
    }
    assert_eq!((revisions[0], revisions[0]), (revisions[1], revisions[2]));
    assert_ne!(revisions[0], revisions[3]);
}

#[tokio::test]
async fn replaced_content_has_a_new_edition_and_the_old_one_stays_while_it_is_kept() {
    let (store, assets) = in_memory(AssetLimits::default());
    let path = asset_path("a.mp4");
    store.put(path.clone(), film(2));
    let old = assets.current(&path).await.expect("a film");
    store.put(path.clone(), film(3));
    let new = assets.current(&path).await.expect("a film");
    assert_ne!(old.revision, new.revision);
    assert!(Arc::ptr_eq(&assets.edition(&path, old.revision).await.expect("kept"), &old));
    assert!(Arc::ptr_eq(&assets.edition(&path, new.revision).await.expect("current"), &new));
    assert_eq!(store.opens(), 2);

    let fresh = over(Arc::<MemoryStore>::clone(&store), AssetLimits::default());
    assert!(matches!(fresh.edition(&path, old.revision).await, Err(AssetError::Gone)), "nobody has it open");
    assert_eq!(fresh.edition(&path, new.revision).await.map(|asset| asset.revision).ok(), Some(new.revision));
}

#[tokio::test]
async fn a_refusal_is_remembered_until_the_content_changes() {
    let (store, assets) = in_memory(AssetLimits::default());
    let path = asset_path("a.mp4");
    store.put(path.clone(), Bytes::from_static(b"no movie"));
    for _ in 0..3 {
        let error = assets.current(&path).await.err().expect("no movie");
        assert!(matches!(&error, AssetError::Refused(refusal) if matches!(**refusal, Refusal::Format(_))));
    }
    assert_eq!(store.opens(), 1, "once for all");
    store.put(path.clone(), film(2));
    let good = assets.current(&path).await.expect("a film");
    store.put(path.clone(), film(2).slice(..600));
    assert!(matches!(assets.current(&path).await, Err(AssetError::Refused(_))), "good turned bad");
    assert!(assets.edition(&path, good.revision).await.is_ok(), "who watches goes on");
    store.put(path.clone(), film(2));
    assert_eq!(assets.current(&path).await.expect("a film").revision, good.revision, "good again");
    assert_eq!(store.opens(), 4);
}

#[tokio::test]
async fn an_absent_path_is_not_found_and_not_remembered() {
    let (store, assets) = in_memory(AssetLimits::default());
    let path = asset_path("late.mp4");
    let not_found = |error: &AssetError| matches!(error, AssetError::Blob(error) if matches!(**error, BlobError::NotFound));
    assert!(not_found(&assets.current(&path).await.err().expect("absent")));
    store.put(path.clone(), film(2));
    assert!(assets.current(&path).await.is_ok());
}
