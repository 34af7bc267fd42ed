//! With an index everything is as without one, and it gets there in time, whole, and where it should.

use rillcast_fixtures::Edit;
use rillcast_http::coding::Coding;

use super::*;

/// Films of every kind that is served.
fn shapes() -> Vec<Shape> {
    let late = Track::aac_22_2(13, 150).with_edits(&[Edit::new(7_000, -1), Edit::new(3_200, 0)]);
    let clips = |ticks: i64| [Edit::new(8_000, 0), Edit::new(4_000, ticks * 12)];
    let mut end = Shape::new(vec![Track::avc(1, 25, 50, 400).with_b_frames(), Track::aac(2, 750)]);
    (end.index_first, end.wide_offsets) = (false, true);
    vec![
        Shape::new(vec![
            Track::avc(1, 25, 50, 400).with_b_frames().with_edits(&[Edit::new(16_000, 512)]),
            Track::aac(2, 750).with_edits(&[Edit::new(16_000, 1024)]),
        ]),
        Shape::new(vec![Track::avc(1, 25, 50, 400), Track::hevc(2, 25, 50, 400), late, Track::text(20, 4)]),
        Shape::new(vec![
            Track::avc(1, 25, 50, 400).with_edits(&clips(12_800)),
            Track::aac(2, 750).with_edits(&clips(48_000)),
        ]),
        Shape::new(vec![Track::quicktime_aac(1, 750), Track::aac(2, 750).with_title("Commentary")]),
        end,
    ]
}

#[tokio::test]
async fn every_object_has_the_same_bytes_with_and_without_an_index() {
    for (films, number) in [(Films::cached(), 0), (Films::beside(), 1)] {
        for shape in shapes() {
            let path = format!("{number}.mp4");
            films.put(&path, &shape.bytes());
            let parsed = films.open(&path).await;
            assert!(!parsed.is_stored());
            films.indexes.settle();
            let stored = films.open(&path).await;
            assert!(stored.is_stored(), "the second time from the index");
            assert_eq!(stored.revision, parsed.revision);
            assert_eq!(everything(&stored), everything(&parsed));
            assert!(!stored.is_damaged());
        }
    }
}

#[tokio::test]
async fn texts_are_kept_compressed() {
    use std::io::Read;
    let films = Films::cached();
    films.put("a.mp4", &film(300));
    films.open("a.mp4").await;
    films.indexes.settle();
    let text = films.open("a.mp4").await.text(Kind::Media, 0).expect("a playlist");
    let codings: Vec<Coding> = text.coded.iter().map(|(coding, _)| *coding).collect();
    assert_eq!(codings, [Coding::Gzip, Coding::Brotli]);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(text.coded[0].1.as_ref()).read_to_end(&mut plain).expect("gzip");
    assert_eq!(plain, text.plain);
}

#[tokio::test]
async fn what_waits_for_nobody_is_handed_over_when_it_is_there() {
    let films = Films::cached();
    films.put("a.mp4", &film(20));
    let path = asset_path("a.mp4");
    let asset =
        Arc::new(films.indexes.open(&path, films.blob("a.mp4").await, Policy::VOD).await.expect("a film"));
    let (sender, receiver) = sync_channel(1);
    films.indexes.keep(&path, &asset, move |mapped| sender.send(mapped).expect("awaited"));
    let mapped = Arc::new(receiver.recv().expect("an asset"));
    assert!(mapped.is_stored() && mapped.memory_bytes() < asset.memory_bytes());
    assert_eq!(everything(&mapped), everything(&asset));
}

#[tokio::test]
async fn beside_the_source_it_is_neither_listed_nor_served() {
    let films = Films::beside();
    films.put("a.mp4", &film(4));
    films.open("a.mp4").await;
    films.indexes.settle();
    assert_eq!(films.index("a.mp4"), films.media().canonicalize().unwrap().join(".a.mp4.rcx"));
    assert!(films.index("a.mp4").exists());
    let listing = films.store.list().await.expect("a folder");
    assert_eq!(listing.blobs.iter().map(|blob| blob.path.as_str()).collect::<Vec<_>>(), ["a.mp4"]);
    assert_eq!(listing.unlisted.count, 0);
    assert!(AssetPath::new(".a.mp4.rcx").is_err());
    // A name that leaves no room for dot and ending.
    let long = format!("{}.mp4", "x".repeat(251));
    films.put(&long, &film(4));
    films.open(&long).await;
    films.indexes.settle();
    assert!(films.open(&long).await.is_stored());
}

#[tokio::test]
async fn writing_ahead_says_what_it_did() {
    let films = Films::cached();
    films.put("a.mp4", &film(4));
    films.put("b.mp4", b"no movie");
    assert!(matches!(films.refresh("a.mp4").await, Ok(Refreshed::Written { bytes }) if bytes > 1000));
    assert!(matches!(films.refresh("a.mp4").await, Ok(Refreshed::Fresh { bytes }) if bytes > 1000));
    assert!(matches!(films.refresh("b.mp4").await, Err(RefreshError::Source(OpenError::Refused(_)))));
    let off = Indexes::off().refresh(&asset_path("a.mp4"), films.blob("a.mp4").await, Policy::VOD).await;
    assert!(matches!(off, Err(RefreshError::Off)));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_write_and_read_at_once() {
    let films = Films::cached();
    films.put("a.mp4", &film(30));
    let parsed = films.open("a.mp4").await;
    let bytes = writer::bytes_of(&parsed).await.expect("an index");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // As another process would: a shelf of its own.
                let shelf = Shelf::new(settings(&films.place, &films.media()));
                for _ in 0..20 {
                    shelf.put(&asset_path("a.mp4"), Companion::Index, &bytes).expect("writable");
                    let found = shelf.find(&asset_path("a.mp4"), Policy::VOD, parsed.blob.as_ref());
                    assert!(found.expect("never half a file").is_some());
                }
            });
        }
    });
    let left = fs::read_dir(films.index("a.mp4").parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "nothing but the index stays");
}
