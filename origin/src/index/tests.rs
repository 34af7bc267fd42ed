mod doubt;
mod same;

use std::fs;
use std::path::Path;

use rillcast_fixtures::{Shape, Track};
use tempfile::TempDir;

use super::*;
use crate::blob::BlobStore;
use crate::blob::directory::DirectoryStore;
use crate::locator::Piece;
use crate::vod::object::{Object, object};

/// A folder of films, and one for their indexes.
struct Films {
    folder: TempDir,
    store: DirectoryStore,
    indexes: Indexes,
    place: Place,
}

fn asset_path(path: &str) -> AssetPath {
    AssetPath::new(path).expect("a clean path")
}

/// A film of `seconds` with sound.
fn film(seconds: usize) -> Vec<u8> {
    Shape::new(vec![Track::avc(1, 25, 50, seconds * 25).with_b_frames(), Track::aac(2, seconds * 47)]).bytes()
}

impl Films {
    /// Indexes in a folder of their own.
    fn cached() -> Self {
        Self::new(|folder| Place::Cache(folder.join("cache")))
    }

    fn beside() -> Self {
        Self::new(|_| Place::Beside)
    }

    fn new(place: impl FnOnce(&Path) -> Place) -> Self {
        let folder = TempDir::new().expect("a writable place for temporary files");
        let media = folder.path().join("media");
        fs::create_dir(&media).expect("writable");
        let place = place(folder.path());
        let store = DirectoryStore::new(&media).expect("a folder");
        let indexes = Indexes::start(settings(&place, &media), Handle::current()).expect("a thread");
        Self { store, indexes, place, folder }
    }

    fn media(&self) -> PathBuf {
        self.folder.path().join("media")
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        fs::write(self.media().join(path), bytes).expect("writable");
    }

    async fn blob(&self, path: &str) -> Arc<dyn Blob> {
        self.store.open(&asset_path(path)).await.expect("it is there")
    }

    /// Opens, as a viewer's request does, and has the index written.
    async fn open(&self, path: &str) -> Arc<Asset> {
        let path = asset_path(path);
        let blob = self.store.open(&path).await.expect("it is there");
        let asset = Arc::new(self.indexes.open(&path, blob, Policy::VOD).await.expect("a film"));
        self.indexes.keep(&path, &asset, drop);
        asset
    }

    async fn refresh(&self, path: &str) -> Result<Refreshed, RefreshError> {
        self.indexes.refresh(&asset_path(path), self.blob(path).await, Policy::VOD).await
    }

    /// Where the index of `path` is.
    fn index(&self, path: &str) -> PathBuf {
        let folders = Folders::new(self.place.clone(), &self.media());
        folders.file(&asset_path(path), Companion::Index)
    }

    /// What reading the index of `path` comes to.
    async fn find(&self, path: &str) -> Result<bool, IndexFault> {
        let blob = self.blob(path).await;
        let shelf = Shelf::new(settings(&self.place, &self.media()));
        let found = shelf.find(&asset_path(path), Policy::VOD, blob.as_ref())?;
        let is_of_source = found.as_ref().is_some_and(|stored| stored.stamp() == blob.stamp());
        assert_eq!(is_of_source, found.is_some());
        Ok(found.is_some())
    }
}

fn settings(place: &Place, media: &Path) -> IndexSettings {
    IndexSettings { place: place.clone(), root: media.to_owned(), limit_bytes: 1 << 30, packed_audio: false }
}

/// All bytes of all objects of `asset`, each with its name.
fn everything(asset: &Arc<Asset>) -> Vec<(String, Bytes)> {
    let multivariant = asset.multivariant().expect("every asset has one").plain;
    let mut all = vec![("multivariant".to_owned(), multivariant)];
    for (index, rendition) in asset.edition().renditions.iter().enumerate() {
        let segments = 0..u32::try_from(rendition.segments).unwrap() + 1;
        let frames = 0..u32::try_from(rendition.key_frames.len()).unwrap() + 1;
        let pieces = [Piece::Media, Piece::IFrames, Piece::Init].into_iter();
        for piece in pieces.chain(segments.map(Piece::Segment)).chain(frames.map(Piece::KeyFrame)) {
            let bytes = match object(asset, index, piece).expect("plan and blob agree") {
                None => Bytes::new(),
                Some(Object::Playlist(text)) => text.plain,
                Some(Object::Media(body)) => body.read_blocking(1 << 24).expect("it can be read"),
            };
            all.push((format!("{}/{piece}", rendition.name), bytes));
        }
    }
    all
}
