use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use bytes::Bytes;
use rillcast_fixtures::{Edit, Shape, Track};
use rillcast_http::Body;
use rillcast_media::plan::Policy;
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::asset_path::AssetPath;
use crate::blob::BlobStore;
use crate::blob::directory::DirectoryStore;
use crate::index::{IndexSettings, Indexes, Place};
use crate::locator::Piece;
use crate::vod::asset::Asset;
use crate::vod::object::{Object, object};

use super::*;

/// Renditions of the film, in its order.
const PICTURES: usize = 0;
const SOUND: usize = 1;

/// A folder with one film whose sound lies between the pictures.
struct Film {
    folder: TempDir,
    indexes: Indexes,
}

impl Film {
    fn new(shape: &Shape, limit_bytes: u64) -> Self {
        let folder = TempDir::new().expect("a writable place for temporary files");
        fs::create_dir(folder.path().join("media")).expect("writable");
        fs::write(folder.path().join("media/a.mp4"), shape.bytes()).expect("writable");
        let (place, root) = (Place::Beside, folder.path().join("media"));
        let settings = IndexSettings { place, root, limit_bytes, packed_audio: true };
        let indexes = Indexes::start(settings, Handle::current()).expect("a thread");
        Self { folder, indexes }
    }

    fn scattered() -> Self {
        Self::new(&Shape::new(vec![Track::avc(1, 25, 50, 1000), Track::aac(2, 1875)]), 1 << 30)
    }

    async fn open(&self) -> Arc<Asset> {
        let (store, path) = (self.store(), AssetPath::new("a.mp4").expect("a clean path"));
        let blob = store.open(&path).await.expect("it is there");
        Arc::new(self.indexes.open(&path, blob, Policy::VOD).await.expect("a film"))
    }

    fn store(&self) -> DirectoryStore {
        DirectoryStore::new(&self.folder.path().join("media")).expect("a folder")
    }

    fn sidecar(&self) -> PathBuf {
        self.folder.path().join("media/.a.mp4.2.rcp")
    }
}

fn segment(asset: &Arc<Asset>, rendition: usize, number: u32) -> Option<Body> {
    match object(asset, rendition, Piece::Segment(number)).expect("plan and blob agree") {
        Some(Object::Media(body)) => Some(body),
        _ => None,
    }
}

/// All segments of a rendition: how many parts each has, and its bytes.
fn segments(asset: &Arc<Asset>, rendition: usize) -> (Vec<usize>, Vec<Bytes>) {
    let bodies = (0..).map_while(|number| segment(asset, rendition, number));
    bodies.map(|body| (body.sources().len(), body.read_blocking(1 << 24).expect("it can be read"))).unzip()
}

/// Whether each segment of the sound is one extent.
fn is_packed(asset: &Arc<Asset>) -> bool {
    segments(asset, SOUND).0.iter().all(|parts| *parts == 1)
}

#[tokio::test]
async fn sound_is_packed_on_first_use_and_stays_the_same() {
    let film = Film::scattered();
    let asset = film.open().await;
    let (pictures, sound) = (segments(&asset, PICTURES), segments(&asset, SOUND));
    // Those behind may be packed by now.
    assert!(sound.0[0] > 50, "{:?}", sound.0);
    film.indexes.settle();
    assert!(is_packed(&asset));
    assert_eq!(segments(&asset, SOUND).1, sound.1);
    assert_eq!(segments(&asset, PICTURES), pictures, "pictures are not");
    // Another process, or this one started again: found, and verified bit by bit before it is used.
    let again = film.open().await;
    assert_eq!(segments(&again, SOUND).1, sound.1);
    film.indexes.settle();
    for _ in 0..sound.0.len().div_ceil(VERIFIED_AT_ONCE) {
        segments(&again, SOUND);
        film.indexes.settle();
    }
    assert!(is_packed(&again));
    assert_eq!(segments(&again, SOUND).1, sound.1);
    let listed = film.store().list().await.expect("a folder").blobs;
    assert_eq!(listed.len(), 1, "a sidecar is no film");
}

#[tokio::test]
async fn made_sound_is_packed_with_the_rest() {
    let late = Track::aac(2, 1400).with_edits(&[Edit::new(7_000, -1), Edit::new(29_000, 0)]);
    let film = Film::new(&Shape::new(vec![Track::avc(1, 25, 50, 1000), late]), 1 << 30);
    let asset = film.open().await;
    let (_, sound) = segments(&asset, SOUND);
    film.indexes.settle();
    let (parts, packed) = segments(&asset, SOUND);
    assert!(film.sidecar().exists() && parts.iter().all(|parts| *parts == 1), "{parts:?}");
    assert_eq!(packed, sound);
}

#[tokio::test]
async fn what_lies_together_or_is_too_much_is_not_packed() {
    let mut together = Track::aac(2, 1875);
    together.per_chunk = 1875;
    let film = Film::new(&Shape::new(vec![Track::avc(1, 25, 50, 1000), together]), 1 << 30);
    let asset = film.open().await;
    segments(&asset, SOUND);
    film.indexes.settle();
    assert!(!film.sidecar().exists());
    assert!(segments(&asset, SOUND).0.iter().all(|parts| *parts == 2), "a header and one extent as it is");

    let scattered = Film::scattered();
    let bytes: usize = segments(&scattered.open().await, SOUND).1.iter().map(Bytes::len).sum();
    let small = Film::new(&Shape::new(vec![Track::avc(1, 25, 50, 1000), Track::aac(2, 1875)]), bytes as u64);
    let asset = small.open().await;
    let (_, sound) = segments(&asset, SOUND);
    small.indexes.settle();
    assert!(!small.sidecar().exists() && !is_packed(&asset));
    assert_eq!(segments(&asset, SOUND).1, sound);
    let left: Vec<_> = fs::read_dir(small.folder.path().join("media")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "nor is a half of it left: {left:?}");
}

/// Packs, does `harm` to the sidecar, and opens anew.
async fn harmed(harm: impl FnOnce(&Film)) -> (Film, Vec<Bytes>, Arc<Asset>) {
    let film = Film::scattered();
    let (_, sound) = segments(&film.open().await, SOUND);
    film.indexes.settle();
    assert!(film.sidecar().exists());
    harm(&film);
    let asset = film.open().await;
    (film, sound, asset)
}

/// Asks for everything until all that is verified was.
fn play(film: &Film, asset: &Arc<Asset>, truth: &[Bytes]) {
    for _ in 0..3 {
        assert!(segments(asset, SOUND).1 == truth);
        film.indexes.settle();
    }
}

fn change(film: &Film, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(film.sidecar()).expect("it is there");
    change(&mut bytes);
    fs::write(film.sidecar(), bytes).expect("writable");
}

#[tokio::test]
async fn a_sidecar_that_is_wrong_is_made_anew() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [(&str, Harm); 9] = [
        ("empty", Vec::clear),
        ("cut in the head", |bytes| bytes.truncate(100)),
        ("cut in the sound", |bytes| bytes.truncate(bytes.len() - 1)),
        ("gone on", |bytes| bytes.push(0)),
        ("another magic", |bytes| bytes[0] ^= 1),
        ("version N+1", |bytes| bytes[8] += 1),
        ("another source", |bytes| bytes[40] ^= 1),
        ("another checksum", |bytes| bytes[32] ^= 1),
        ("another table", |bytes| bytes[100] ^= 1),
    ];
    for (what, harm) in harms {
        let (film, sound, asset) = harmed(|film| change(film, harm)).await;
        play(&film, &asset, &sound);
        assert!(is_packed(&asset), "{what}");
    }
    let expose =
        |film: &Film| fs::set_permissions(film.sidecar(), fs::Permissions::from_mode(0o666)).expect("ours");
    let (film, sound, asset) = harmed(expose).await;
    play(&film, &asset, &sound);
    assert!(is_packed(&asset));
}

#[tokio::test]
async fn a_flipped_bit_in_the_sound_is_never_sent() {
    let (film, sound, asset) = harmed(|film| {
        change(film, |bytes| {
            let last = bytes.len() - 1;
            bytes[last] ^= 4;
        });
    })
    .await;
    play(&film, &asset, &sound);
    assert!(!is_packed(&asset), "what was found wrong is not used at all");
}

#[tokio::test]
async fn a_source_that_was_touched_has_another_sidecar() {
    let (film, sound, asset) = harmed(|film| {
        let source = film.folder.path().join("media/a.mp4");
        let source = File::options().write(true).open(source).expect("it is there");
        source.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("ours");
    })
    .await;
    play(&film, &asset, &sound);
    assert!(is_packed(&asset));
}

#[tokio::test]
async fn a_sidecar_that_is_removed_while_it_is_open_serves_on() {
    let film = Film::scattered();
    let asset = film.open().await;
    let (_, sound) = segments(&asset, SOUND);
    film.indexes.settle();
    fs::remove_file(film.sidecar()).expect("it is there");
    assert!(is_packed(&asset) && segments(&asset, SOUND).1 == sound);
}
