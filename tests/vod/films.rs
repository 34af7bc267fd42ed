//! Media directories of small films, and what their playlists list.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rillcast_fixtures::{Shape, Track};
use tempfile::TempDir;

use super::client::{Answer, get};
use super::harness::server::Server;

/// A directory of media, inside another that viewers must not see.
pub(crate) struct Library {
    outer: TempDir,
}

impl Library {
    pub(crate) fn new() -> Self {
        let outer = TempDir::new().expect("a writable place for temporary files");
        fs::create_dir(outer.path().join("media")).expect("writable");
        Self { outer }
    }

    /// A library of one film and the server of it.
    pub(crate) fn with(name: &str, bytes: &[u8]) -> (Self, Server) {
        let library = Self::new();
        library.put(name, bytes);
        let server = library.serve();
        (library, server)
    }

    /// A server that looks at a file on every request, so that a test need not wait until a change is noticed.
    pub(crate) fn serve(&self) -> Server {
        let config = self.outer.path().join("attentive.toml");
        fs::write(&config, "[origin]\nnotice_changes_ms = 0\n").expect("writable");
        Server::start_with(&self.media(), &["--config", &config.to_string_lossy()])
    }

    /// A server as it is shipped.
    pub(crate) fn serve_as_shipped(&self) -> Server {
        Server::start(&self.media())
    }

    pub(crate) fn outer(&self) -> &Path {
        self.outer.path()
    }

    pub(crate) fn media(&self) -> PathBuf {
        self.outer.path().join("media")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.media().join(name)
    }

    /// Writes a new file, last changed long ago: so no clock is too coarse to tell a later write from it.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("it is in the directory")).expect("writable");
        fs::write(&path, bytes).expect("writable");
        let file = File::options().write(true).open(&path).expect("ours");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("ours");
    }

    /// Puts other bytes at `name` as one should: written elsewhere, then renamed.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) {
        self.put("new.part", bytes);
        fs::rename(self.at("new.part"), self.at(name)).expect("writable");
    }
}

/// Video and sound of `seconds`.
pub(crate) fn film(seconds: usize) -> Vec<u8> {
    Shape::new(vec![Track::avc(1, 25, 50, seconds * 25), Track::aac(2, seconds * 47)]).bytes()
}

/// Video of one segment that is far more than sockets and buffers between two processes hold.
pub(crate) fn heavy_film() -> Vec<u8> {
    let mut track = Track::avc(1, 25, 50, 50);
    track.samples.iter_mut().for_each(|sample| sample.size = 320 * 1024);
    Shape::new(vec![track]).bytes()
}

/// The lines of a playlist that are URIs, and the values of its `URI` attributes.
pub(crate) fn uris(playlist: &str) -> Vec<&str> {
    let mut uris = Vec::new();
    for line in playlist.lines() {
        if line.starts_with('#') {
            uris.extend(line.split("URI=\"").skip(1).filter_map(|rest| rest.split('"').next()));
        } else if !line.is_empty() {
            uris.push(line);
        }
    }
    uris
}

/// The path that `uri` means in the playlist at `base`.
pub(crate) fn resolve(base: &str, uri: &str) -> String {
    let (folder, _) = base.rsplit_once('/').expect("an absolute path");
    format!("{folder}/{uri}")
}

/// Everything that can be reached from the multivariant playlist at `master`, in order, itself first.
pub(crate) fn crawl(server: &Server, master: &str) -> Vec<(String, Answer)> {
    let mut found: Vec<(String, Answer)> = Vec::new();
    let mut paths = vec![master.to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        let answer = get(server.address(), &path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        if path.ends_with(".m3u8") {
            for uri in uris(answer.text()) {
                let child = resolve(&path, uri);
                if !paths.contains(&child) {
                    paths.push(child);
                }
            }
        }
        found.push((path, answer));
    }
    found
}

/// The first path of a crawl that ends with `ending`.
pub(crate) fn first(server: &Server, master: &str, ending: &str) -> String {
    let found = crawl(server, master);
    found.into_iter().map(|(path, _)| path).find(|path| path.ends_with(ending)).expect("there is one")
}
