use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::CWD;
use tempfile::TempDir;

use super::*;
use crate::asset_path::MAX_COMPONENTS;
use crate::blob::Unlisted;

/// A media directory inside another, so that there is an outside to point at.
struct Place {
    outer: TempDir,
    store: DirectoryStore,
}

impl Place {
    fn new() -> Self {
        let outer = TempDir::new().expect("a temporary directory");
        fs::create_dir_all(outer.path().join("media/sub")).expect("writable");
        fs::write(outer.path().join("secret.mp4"), "secret").expect("writable");
        let store = DirectoryStore::new(&outer.path().join("media")).expect("a directory");
        Self { outer, store }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.outer.path().join("media").join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).expect("writable");
    }

    async fn open(&self, path: &str) -> Result<Arc<dyn Blob>, BlobError> {
        self.store.open(&asset(path)).await
    }

    /// The bytes at `path`, or why there are none.
    async fn read(&self, path: &str) -> Result<Bytes, BlobError> {
        let blob = self.open(path).await?;
        blob.read(0..blob.len(), Priority::Viewer).await
    }

    /// The reason why `path` is not served, which is the same for its stamp.
    async fn refusal(&self, path: &str) -> String {
        let opened = self.open(path).await.err().expect(path).to_string();
        let stamped = self.store.stamp(&asset(path)).await.expect_err(path).to_string();
        assert_eq!(opened, stamped, "{path}");
        opened
    }

    async fn listed(&self) -> Vec<String> {
        let listing = self.store.list().await.expect("listed");
        assert!(!listing.truncated);
        listing.blobs.iter().map(|blob| blob.path.as_str().to_owned()).collect()
    }
}

fn asset(path: &str) -> AssetPath {
    AssetPath::new(path).expect("a clean path")
}

#[tokio::test]
async fn files_are_read_in_any_range() {
    let place = Place::new();
    place.put("a.mp4", "0123456789");
    let blob = place.open("a.mp4").await.expect("a file");
    assert_eq!((blob.len(), blob.is_empty()), (10, false));
    for range in [0..10, 0..1, 9..10, 3..7, 5..5] {
        let read = blob.read(range.clone(), Priority::Viewer).await.expect("inside");
        let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
        assert_eq!(read, "0123456789"[start..end]);
    }
    assert_eq!(blob.availability(0..10), Availability::Ready);
    assert_eq!(blob.availability(0..11), Availability::Gone);
    assert!(matches!(blob.read(0..11, Priority::Viewer).await, Err(BlobError::Io(_))));
    assert!(blob.body(0, 10).is_ok());
    assert!(matches!(blob.body(1, 10), Err(BlobError::Outside { offset: 1, len: 10, blob_len: 10 })));
    assert!(matches!(blob.body(u64::MAX, 2), Err(BlobError::Outside { .. })));
}

#[tokio::test]
async fn links_are_followed_inside_and_nowhere_else() {
    let place = Place::new();
    place.put("real.mp4", "real");
    let outer = place.outer.path();
    for (target, link) in [
        (PathBuf::from("real.mp4"), "inside.mp4"),
        (PathBuf::from("../real.mp4"), "sub/up.mp4"),
        (outer.join("secret.mp4"), "absolute.mp4"),
        (PathBuf::from("../secret.mp4"), "relative.mp4"),
        (outer.join("media/real.mp4"), "absolute-inside.mp4"),
        (outer.to_path_buf(), "folder"),
        (PathBuf::from("loop.mp4"), "loop.mp4"),
        (PathBuf::from("nowhere.mp4"), "dangling.mp4"),
        (PathBuf::from("/proc/self/exe"), "magic.mp4"),
    ] {
        symlink(target, place.at(link)).expect("a link");
    }
    for path in ["real.mp4", "inside.mp4", "sub/up.mp4"] {
        assert_eq!(place.read(path).await.expect(path), "real");
    }
    let outside = "not served: it leads out of the media directory";
    for path in
        ["absolute.mp4", "relative.mp4", "absolute-inside.mp4", "folder/secret.mp4", "loop.mp4", "magic.mp4"]
    {
        assert_eq!(place.refusal(path).await, outside, "{path}");
    }
    assert_eq!(place.refusal("dangling.mp4").await, "no such file");
    assert_eq!(place.listed().await, ["inside.mp4", "real.mp4", "sub/up.mp4"], "what is listed is served");
}

#[tokio::test]
async fn only_regular_files_are_blobs_and_nothing_hangs() {
    let place = Place::new();
    place.put("file.mp4", "");
    fs::create_dir(place.at("folder.mp4")).expect("writable");
    rustix::fs::mknodat(CWD, place.at("pipe.mp4"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .expect("a FIFO");
    let _socket = UnixListener::bind(place.at("socket.mp4")).expect("a socket");
    for path in ["folder.mp4", "pipe.mp4", "socket.mp4", "sub"] {
        assert_eq!(place.refusal(path).await, "not served: it is no regular file", "{path}");
    }
    for path in ["none.mp4", "none/a.mp4", "file.mp4/more", "File.mp4"] {
        assert_eq!(place.refusal(path).await, "no such file", "{path}");
    }
    assert!(place.open("file.mp4").await.expect("an empty file").is_empty());
    assert_eq!(place.listed().await, ["file.mp4"]);
}

#[tokio::test]
async fn names_of_the_longest_length_are_served_and_longer_ones_are_not_found() {
    let place = Place::new();
    let longest = format!("{}.mp4", "n".repeat(251));
    place.put(&longest, "long");
    assert_eq!(place.read(&longest).await.expect("255 bytes"), "long");
    assert_eq!(place.refusal(&format!("{longest}x")).await, "no such file");
}

#[tokio::test]
async fn a_stamp_tells_contents_apart_and_an_open_blob_keeps_its_own() {
    let place = Place::new();
    let path = asset("a.mp4");
    place.put("a.mp4", "first");
    let blob = place.open("a.mp4").await.expect("a file");
    let first = place.store.stamp(&path).await.expect("a stamp");
    assert_eq!(blob.stamp(), first);

    place.put("new.mp4", "other");
    fs::rename(place.at("new.mp4"), place.at("a.mp4")).expect("a rename");
    let second = place.store.stamp(&path).await.expect("a stamp");
    assert_ne!(second, first, "another inode of the same length");
    assert!(blob.is_unchanged(), "the open file is what it was");
    assert_eq!(blob.read(0..5, Priority::Viewer).await.expect("still there"), "first");

    fs::remove_file(place.at("a.mp4")).expect("removed");
    assert!(matches!(place.store.stamp(&path).await, Err(BlobError::NotFound)));
    assert_eq!(blob.read(0..5, Priority::Viewer).await.expect("still there"), "first");
}

#[tokio::test]
async fn a_blob_written_in_place_says_so() {
    let place = Place::new();
    for (name, new_text) in
        [("longer.mp4", "longer than it was"), ("shorter.mp4", "s"), ("same.mp4", "tfirs")]
    {
        place.put(name, "first");
        // An old time, so that no clock is too coarse to tell the write from it.
        let file = File::options().write(true).open(place.at(name)).expect("ours");
        file.set_modified(std::time::UNIX_EPOCH).expect("ours");
        let blob = place.open(name).await.expect("a file");
        assert!(blob.is_unchanged());
        let stamp = blob.stamp();
        place.put(name, new_text);
        assert!(!blob.is_unchanged(), "{name}");
        assert_eq!(blob.stamp(), stamp, "the stamp is that of the opening");
        assert_ne!(place.store.stamp(&asset(name)).await.expect("a stamp"), stamp, "{name}");
    }
}

#[tokio::test]
async fn a_listing_is_sorted_names_media_only_and_has_sizes() {
    let place = Place::new();
    for name in ["b.mp4", "A.MOV", "sub/c.m4v", "d.m4a", "notes.txt", "mp4", ".hidden.mp4", "z e.mp4"] {
        place.put(name, name);
    }
    fs::create_dir(place.at(".git")).expect("writable");
    place.put(".git/x.mp4", "");
    symlink("sub", place.at("again")).expect("a link");
    assert_eq!(place.listed().await, ["A.MOV", "b.mp4", "d.m4a", "sub/c.m4v", "z e.mp4"]);
    let listing = place.store.list().await.expect("listed");
    assert_eq!(listing.blobs.first().map(|blob| blob.size_bytes), Some(5));
    assert!(listing.blobs.iter().all(|blob| blob.modified.is_some()));
}

#[tokio::test]
async fn a_listing_counts_what_it_leaves_out_and_names_the_first() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let place = Place::new();
    let left_out = async || place.store.list().await.expect("listed").unlisted;
    place.put("sub/fine.mp4", "");
    for not_media in ["new\nline.txt", ".hidden\n.mp4"] {
        place.put(not_media, "");
    }
    assert_eq!(left_out().await, Unlisted::default());

    let deep = |folders: usize| format!("{}z.mp4", "y/".repeat(folders));
    fs::create_dir_all(place.at(&deep(MAX_COMPONENTS + 9)).parent().expect("folders")).expect("writable");
    place.put(&deep(MAX_COMPONENTS - 1), "");
    assert_eq!(left_out().await.count, 0);
    // From last to first by path.
    let mut count = 0;
    let mut check = async |path: &str, reason: &str| {
        count += 1;
        let unlisted = left_out().await;
        let (first, why) = unlisted.first.expect("there is one");
        assert_eq!((unlisted.count, first.as_str()), (count, path));
        assert!(why.contains(reason), "{path}: {why}");
    };
    place.put(&deep(MAX_COMPONENTS), "");
    check(&deep(MAX_COMPONENTS), "deeper than 32 components").await;
    place.put(&deep(MAX_COMPONENTS + 9), "");
    check(&deep(MAX_COMPONENTS + 9), "deeper than 32 components").await;
    fs::write(place.at("").join(OsStr::from_bytes(b"x\xff.mp4")), "").expect("writable");
    check("x\u{fffd}.mp4", "not UTF-8").await;
    fs::create_dir(place.at("").join(OsStr::from_bytes(b"w\xff"))).expect("writable");
    check("w\u{fffd}", "not UTF-8").await;
    symlink("../secret.mp4", place.at("v.mp4")).expect("a link");
    check("v.mp4", "leads out").await;
    place.put("back\\slash.mp4", "");
    check("back\\slash.mp4", "a backslash").await;
    place.put("a\nb.mp4", "");
    check("a\nb.mp4", "a control character").await;
    assert_eq!(place.listed().await, ["sub/fine.mp4", &deep(MAX_COMPONENTS - 1)]);
}

#[tokio::test]
async fn a_listing_ends_at_its_limit() {
    let place = Place::new();
    for number in 0..MAX_LISTED {
        place.put(&format!("sub/{number}.mp4"), "");
    }
    let full = place.store.list().await.expect("listed");
    assert_eq!((full.blobs.len(), full.truncated), (MAX_LISTED, false));
    place.put("sub/one-more.mp4", "");
    let past = place.store.list().await.expect("listed");
    assert_eq!((past.blobs.len(), past.truncated), (MAX_LISTED, true));
    assert!(past.blobs.is_sorted_by_key(|blob| &blob.path));
}

#[test]
fn a_store_needs_a_directory() {
    let place = Place::new();
    place.put("file", "");
    assert_eq!(DirectoryStore::new(&place.at("none")).expect_err("absent").kind(), io::ErrorKind::NotFound);
    assert_eq!(
        DirectoryStore::new(&place.at("file")).expect_err("a file").kind(),
        io::ErrorKind::NotADirectory
    );
}
