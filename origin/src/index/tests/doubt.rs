//! An index of which anything is wrong is not believed, and made anew.

use std::os::unix::fs::PermissionsExt;

use rillcast_media::index::DecodeError;

use super::*;

/// One film with its index, and the film's true bytes.
async fn indexed() -> (Films, Vec<(String, Bytes)>) {
    let films = Films::cached();
    films.put("a.mp4", &film(12));
    let parsed = films.open("a.mp4").await;
    films.indexes.settle();
    assert_eq!(films.find("a.mp4").await, Ok(true));
    let truth = everything(&parsed);
    (films, truth)
}

/// Opens after something was done to the index: the answer is right, and the next index good again.
async fn heals(films: &Films, truth: &[(String, Bytes)]) {
    let asset = films.open("a.mp4").await;
    assert!(!asset.is_stored(), "what is in doubt is not used");
    assert!(everything(&asset) == truth);
    films.indexes.settle();
    let again = films.open("a.mp4").await;
    assert!(again.is_stored() && everything(&again) == truth);
}

#[tokio::test]
async fn each_fault_has_its_name_and_is_healed() {
    let (films, truth) = indexed().await;
    let good = fs::read(films.index("a.mp4")).expect("it is there");
    let len = good.len() as u64;
    let with = |at: usize, bytes: &[u8], sealed: bool| {
        let mut other = good.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        if sealed {
            file::seal(&mut other);
        }
        other
    };
    let packager = |found| IndexFault::Packager { found, cut_from_ms: Policy::VOD.cut_from_ms };
    let cases = [
        ("empty", vec![], IndexFault::Short),
        ("less than a header", good[..95].to_vec(), IndexFault::Short),
        ("another file", film(12), IndexFault::Foreign),
        ("version N+1", with(8, &[3, 0], true), IndexFault::Version { found: 3 }),
        ("version N-1", with(8, &[1, 0], true), IndexFault::Version { found: 1 }),
        ("another byte order", with(10, &[1, 2], true), IndexFault::ByteOrder),
        ("the next packager", with(12, &[2, 0], true), packager(2)),
        ("the packager before", with(12, &[0, 0], true), packager(0)),
        ("another policy", with(16, &[1, 0, 0, 0], true), IndexFault::Packager { found: 1, cut_from_ms: 1 }),
        ("cut short", good[..good.len() - 1].to_vec(), IndexFault::Length { len: len - 1, said: len }),
        ("gone on", [&good[..], &[0]].concat(), IndexFault::Length { len: len + 1, said: len }),
        (
            "half of it zeros",
            [&good[..good.len() / 2], &vec![0; good.len().div_ceil(2)]].concat(),
            IndexFault::Checksum,
        ),
        ("too many sections", with(20, &[1, 4, 0, 0], true), IndexFault::Table),
        ("no edition", with(96, &[2, 0], true), IndexFault::Table),
        ("a section outside", with(96 + 16, &[0xff; 8], true), IndexFault::Table),
    ];
    for (what, bytes, fault) in cases {
        fs::write(films.index("a.mp4"), bytes).expect("writable");
        assert_eq!(films.find("a.mp4").await, Err(fault), "{what}");
        heals(&films, &truth).await;
    }
}

#[tokio::test]
async fn no_flipped_bit_is_believed() {
    let (films, _) = indexed().await;
    let good = fs::read(films.index("a.mp4")).expect("it is there");
    let step = (good.len() / 700).max(1);
    for at in (0..128).chain((128..good.len()).step_by(step)) {
        let mut other = good.clone();
        other[at] ^= 1 << (at % 8);
        assert!(IndexFile::parse(other.into(), Policy::VOD).is_err(), "byte {at}");
    }
    assert!(IndexFile::parse(good.into(), Policy::VOD).is_ok());
}

#[tokio::test]
async fn an_index_that_somebody_made_up_does_no_harm() {
    let films = Films::cached();
    films.put("a.mp4", &Shape::new(vec![Track::avc(1, 25, 5, 20), Track::aac(2, 30)]).bytes());
    films.open("a.mp4").await;
    films.indexes.settle();
    let good = fs::read(films.index("a.mp4")).expect("it is there");
    let blob = films.blob("a.mp4").await;
    let map = || {
        let file = File::open(films.index("a.mp4")).expect("it is there");
        Arc::new(Map::of(&file, good.len()).expect("it can be mapped"))
    };
    for at in (40..good.len()).step_by(16) {
        for value in [0, 0x7f, 0xff] {
            let mut other = good.clone();
            other[at] = value;
            file::seal(&mut other);
            let parsed = IndexFile::parse(other.into(), Policy::VOD);
            let Ok(stored) = parsed.and_then(|parsed| Stored::of(parsed, map(), blob.len())) else {
                continue;
            };
            let asset = Arc::new(Asset::of_stored(Arc::clone(&blob), stored));
            for index in 0..asset.edition().renditions.len() {
                for piece in [Piece::Media, Piece::Init, Piece::Segment(0), Piece::KeyFrame(0)] {
                    // Bytes outside the source are an error; all else is somebody's nonsense about this one file.
                    let _ = object(&asset, index, piece);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_source_with_other_content_has_another_index() {
    let (films, _) = indexed().await;
    // Of another length, then of the same length with another index.
    for bytes in [film(13), {
        let mut other = film(12);
        let at = other.windows(4).position(|four| four == b"stts").expect("a table") + 4 + 4 + 4 + 4 + 3;
        other[at] ^= 1;
        other
    }] {
        films.put("a.mp4", &bytes);
        let asset = films.open("a.mp4").await;
        assert!(!asset.is_stored());
        films.indexes.settle();
        let again = films.open("a.mp4").await;
        assert!(again.is_stored());
        assert_eq!((again.revision, everything(&again)), (asset.revision, everything(&asset)));
    }
}

#[tokio::test]
async fn a_source_that_was_only_touched_keeps_its_index() {
    let (films, truth) = indexed().await;
    let source = File::options().write(true).open(films.media().join("a.mp4")).expect("it is there");
    source.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("ours");
    let asset = films.open("a.mp4").await;
    assert!(asset.is_stored() && everything(&asset) == truth);
    films.indexes.settle();
    assert_eq!(films.find("a.mp4").await, Ok(true), "and its stamp is known now");
    // The same as a copy: another inode.
    films.put("copy.mp4", &film(12));
    fs::rename(films.media().join("copy.mp4"), films.media().join("a.mp4")).expect("renamed");
    assert!(films.open("a.mp4").await.is_stored());
}

#[tokio::test]
async fn the_index_of_another_film_is_not_taken() {
    let (films, truth) = indexed().await;
    films.put("b.mp4", &film(13));
    films.open("b.mp4").await;
    films.indexes.settle();
    fs::copy(films.index("b.mp4"), films.index("a.mp4")).expect("copied");
    heals(&films, &truth).await;
}

#[tokio::test]
async fn what_others_may_write_is_not_read() {
    let (films, truth) = indexed().await;
    for mode in [0o664, 0o646, 0o666] {
        fs::set_permissions(films.index("a.mp4"), fs::Permissions::from_mode(mode)).expect("ours");
        assert_eq!(films.find("a.mp4").await, Err(IndexFault::Exposed));
        heals(&films, &truth).await;
    }
    // A link, whatever it leads to.
    fs::rename(films.index("a.mp4"), films.folder.path().join("real")).expect("moved");
    std::os::unix::fs::symlink(films.folder.path().join("real"), films.index("a.mp4")).expect("linked");
    heals(&films, &truth).await;
    // No file at all.
    fs::remove_file(films.index("a.mp4")).expect("removed");
    fs::create_dir(films.index("a.mp4")).expect("made");
    assert_eq!(films.find("a.mp4").await, Err(IndexFault::Foreign));
    assert!(everything(&films.open("a.mp4").await) == truth);
}

#[tokio::test]
async fn where_nothing_can_be_written_everything_is_served() {
    let films = Films::new(|folder| {
        fs::write(folder.join("file"), b"").expect("writable");
        Place::Cache(folder.join("file/cache"))
    });
    films.put("a.mp4", &film(4));
    for _ in 0..2 {
        assert!(!films.open("a.mp4").await.is_stored());
        films.indexes.settle();
    }
    assert!(matches!(films.refresh("a.mp4").await, Err(RefreshError::Write(_))));
}

#[tokio::test]
async fn a_source_that_changes_while_its_index_is_made_has_none() {
    let films = Films::cached();
    films.put("a.mp4", &film(4));
    let asset = films.indexes.open(&asset_path("a.mp4"), films.blob("a.mp4").await, Policy::VOD).await;
    let asset = Arc::new(asset.expect("a film"));
    // In place: the open blob is another now.
    films.put("a.mp4", &film(5));
    films.indexes.keep(&asset_path("a.mp4"), &asset, drop);
    films.indexes.settle();
    assert!(!films.index("a.mp4").exists());
}

#[tokio::test]
async fn an_index_cut_short_while_it_is_used_makes_nothing_wrong() {
    let films = Films::cached();
    films.put("a.mp4", &film(600));
    films.open("a.mp4").await;
    films.indexes.settle();
    let asset = films.open("a.mp4").await;
    assert!(asset.is_stored() && asset.stored_bytes() > 8192);
    let cut = File::options().write(true).open(films.index("a.mp4")).expect("it is there");
    cut.set_len(0).expect("cut");
    assert!(object(&asset, 0, Piece::Segment(90)).is_err());
    assert!(object(&asset, 0, Piece::Media).is_err(), "nor is anything else of it used any more");
    assert!(asset.is_damaged());
    assert!(!films.open("a.mp4").await.is_stored());
}

#[tokio::test]
async fn content_of_another_make_is_refused() {
    let (films, truth) = indexed().await;
    let good = fs::read(films.index("a.mp4")).expect("it is there");
    // The first section is the edition, and begins with the length of the revision's text.
    let at = usize::try_from(u64::from_le_bytes(good[104..112].try_into().unwrap())).unwrap();
    let mut other = good.clone();
    other[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    file::seal(&mut other);
    fs::write(films.index("a.mp4"), other).expect("writable");
    let found = films.find("a.mp4").await;
    assert!(matches!(found, Err(IndexFault::Content(DecodeError::TooMany { .. }))), "{found:?}");
    heals(&films, &truth).await;
}
