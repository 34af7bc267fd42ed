//! Which bytes are right: every resource is got once from us, saved for nginx, and compared by SHA-256
//! on both servers before anything is timed.
//!
//! The saved tree mirrors our URLs; a gzip answer lies beside the plain one as `NAME.gz`, where nginx's
//! `gzip_static` looks for it. So both servers answer the same requests with the same bytes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::fetch::{Answer, Client, FetchError};
use crate::playlist;
use crate::server::master_path;

/// Most segments taken of one rendition.
const SEGMENTS_MAX: usize = 5000;

/// Why the truth cannot be had, or is not one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TruthError {
    /// A server did not answer as it should.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A saved copy could not be written.
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// A path that cannot be saved as a file.
    #[error("{0:?} cannot be mirrored as a file")]
    Path(String),
    /// A playlist without what is measured.
    #[error("{0} lists no segments")]
    Empty(String),
    /// The point of it all.
    #[error("{server} gives other bytes for {path} than the first answer had: {got} bytes against {want}")]
    Differs { server: &'static str, path: String, got: u64, want: u64 },
    /// An answer that is coded otherwise than asked for.
    #[error("{server} gave {path} with the wrong content coding")]
    Coding { server: &'static str, path: String },
}

/// One resource, with the bytes it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Path of its URL.
    pub(crate) path: String,
    /// Whether it is the gzip answer.
    pub(crate) gzip: bool,
    /// Length as transferred.
    pub(crate) bytes: u64,
    /// Hash of the bytes as transferred.
    sha256: [u8; 32],
}

impl Piece {
    /// What an answer for `path` must be that is not coded and has the body `body`.
    pub(crate) fn of(path: &str, body: &[u8]) -> Self {
        let (path, bytes) = (path.to_owned(), body.len() as u64);
        Self { path, gzip: false, bytes, sha256: Sha256::digest(body).into() }
    }

    /// The same at a path below `prefix`, which ends without a slash.
    pub(crate) fn below(&self, prefix: &str) -> Self {
        Self { path: format!("{prefix}{}", self.path), ..self.clone() }
    }

    /// Whether `other` has the same bytes.
    pub(crate) fn has_bytes_of(&self, other: &Self) -> bool {
        (self.bytes, self.sha256) == (other.bytes, other.sha256)
    }
}

/// A playlist, plain and gzip-coded (if the server codes it).
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// As it is.
    pub(crate) plain: Piece,
    /// As gzip.
    pub(crate) gzip: Option<Piece>,
}

/// What one media file is on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    /// The multivariant playlist.
    pub(crate) master: Text,
    /// The media playlist of the first variant.
    pub(crate) media: Text,
    /// Its segments; empty where only playlists were asked for.
    pub(crate) video: Vec<Piece>,
    /// The segments of the first audio rendition.
    pub(crate) audio: Vec<Piece>,
}

/// Where the truth is taken from and kept.
#[derive(Debug)]
pub(crate) struct Witness {
    client: Client,
    root: PathBuf,
}

impl Witness {
    /// Asks the server at `address` and saves below `root`.
    pub(crate) fn new(address: SocketAddr, root: &Path) -> Self {
        Self { client: Client::new(address), root: root.to_owned() }
    }

    /// Everything of the media file `name`. Segments with the bytes of `twin`'s (the same media in another
    /// layout) are not written again.
    ///
    /// # Errors
    /// [`TruthError`].
    pub(crate) fn asset(
        &mut self,
        name: &str,
        with_segments: bool,
        twin: Option<&Asset>,
    ) -> Result<Asset, TruthError> {
        let path = master_path(name);
        let master = self.text(&path)?;
        let variants = playlist::variants(&self.client.text(&path)?);
        let media_path = variants.video.first().map(|uri| playlist::resolve(&path, uri));
        let media_path = media_path.ok_or_else(|| TruthError::Empty(path.clone()))?;
        let media = self.text(&media_path)?;
        let mut asset = Asset { master, media, video: Vec::new(), audio: Vec::new() };
        if with_segments {
            asset.video = self.segments(&media_path, twin.map(|twin| twin.video.as_slice()))?;
            if let Some(uri) = variants.audio.first() {
                let twins = twin.map(|twin| twin.audio.as_slice());
                asset.audio = self.segments(&playlist::resolve(&path, uri), twins)?;
            }
        }
        Ok(asset)
    }

    fn segments(&mut self, media_path: &str, twins: Option<&[Piece]>) -> Result<Vec<Piece>, TruthError> {
        let uris = playlist::segments(&self.client.text(media_path)?);
        if uris.is_empty() {
            return Err(TruthError::Empty(media_path.to_owned()));
        }
        let paths = uris.iter().take(SEGMENTS_MAX).map(|uri| playlist::resolve(media_path, uri));
        let twins = twins.unwrap_or_default().iter().map(Some).chain(std::iter::repeat(None));
        paths.zip(twins).map(|(path, twin)| self.segment(&path, twin)).collect()
    }

    fn segment(&mut self, path: &str, twin: Option<&Piece>) -> Result<Piece, TruthError> {
        if let Some(twin) = twin {
            let piece = hashed(&mut self.client, path, false)?.0;
            if piece.sha256 == twin.sha256 {
                let (from, to) = (mirror(&self.root, &twin.path, false)?, mirror(&self.root, path, false)?);
                let failed = |source| TruthError::Io { path: to.clone(), source };
                fs::create_dir_all(to.parent().unwrap_or(&self.root)).map_err(failed)?;
                fs::hard_link(from, &to).map_err(failed)?;
                return Ok(piece);
            }
        }
        self.save(path, false).map(|(piece, _)| piece)
    }

    fn text(&mut self, path: &str) -> Result<Text, TruthError> {
        let (plain, coded) = self.save(path, false)?;
        if coded {
            return Err(TruthError::Coding { server: "rillcast", path: path.to_owned() });
        }
        // A server may answer a gzip request plainly: then there is nothing to compare.
        let (gzip, coded) = self.save(path, true)?;
        if !coded {
            let file_path = mirror(&self.root, path, true)?;
            fs::remove_file(&file_path).map_err(|source| TruthError::Io { path: file_path, source })?;
        }
        Ok(Text { plain, gzip: coded.then_some(gzip) })
    }

    fn save(&mut self, path: &str, gzip: bool) -> Result<(Piece, bool), TruthError> {
        let file_path = mirror(&self.root, path, gzip)?;
        let failed = |source| TruthError::Io { path: file_path.clone(), source };
        fs::create_dir_all(file_path.parent().unwrap_or(&self.root)).map_err(failed)?;
        let mut file = File::create(&file_path).map_err(failed)?;
        let mut hash = Sha256::new();
        let answer = self.client.get(path, gzip, |piece| {
            hash.update(piece);
            file.write_all(piece)
        })?;
        let sha256 = hash.finalize().into();
        Ok((Piece { path: path.to_owned(), gzip, bytes: answer.bytes, sha256 }, answer.gzip))
    }
}

/// Asks `server` through `client` for every piece again and compares. Returns the length of each answer,
/// head and body together, by path and coding.
///
/// # Errors
/// [`TruthError::Differs`] for the first that has other bytes.
pub(crate) fn check<'a>(
    server: &'static str,
    client: &mut Client,
    pieces: impl Iterator<Item = &'a Piece>,
) -> Result<HashMap<(String, bool), u64>, TruthError> {
    let mut lengths = HashMap::new();
    for piece in pieces {
        let (got, answer) = hashed(client, &piece.path, piece.gzip)?;
        if answer.gzip != piece.gzip {
            return Err(TruthError::Coding { server, path: piece.path.clone() });
        }
        if got.sha256 != piece.sha256 {
            let (path, got, want) = (piece.path.clone(), answer.bytes, piece.bytes);
            return Err(TruthError::Differs { server, path, got, want });
        }
        lengths.insert((piece.path.clone(), piece.gzip), answer.head_bytes + answer.bytes);
    }
    Ok(lengths)
}

/// Gets `path` and hashes its body.
fn hashed(client: &mut Client, path: &str, gzip: bool) -> Result<(Piece, Answer), TruthError> {
    let mut hash = Sha256::new();
    let answer = client.get(path, gzip, |bytes| {
        hash.update(bytes);
        Ok(())
    })?;
    let sha256 = hash.finalize().into();
    Ok((Piece { path: path.to_owned(), gzip, bytes: answer.bytes, sha256 }, answer))
}

impl Asset {
    /// All pieces.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let texts = [&self.master, &self.media];
        let texts = texts.into_iter().flat_map(|text| std::iter::once(&text.plain).chain(&text.gzip));
        texts.chain(&self.video).chain(&self.audio)
    }
}

/// The file that stands for `path`: only plain names, so that nothing lands outside `root`.
fn mirror(root: &Path, path: &str, gzip: bool) -> Result<PathBuf, TruthError> {
    let plain = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-~".contains(c);
        !name.is_empty() && name != ".." && name != "." && name.chars().all(allowed)
    };
    let names = path.strip_prefix('/').filter(|rest| rest.split('/').all(plain));
    let names = names.ok_or_else(|| TruthError::Path(path.to_owned()))?;
    Ok(root.join(if gzip { format!("{names}.gz") } else { names.to_owned() }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::canned;

    #[test]
    fn only_plain_paths_are_mirrored() {
        let root = Path::new("/r");
        let mirrored = mirror(root, "/vod/a.mp4/~1.x/v1/0.m4s", false).unwrap();
        assert_eq!(mirrored, Path::new("/r/vod/a.mp4/~1.x/v1/0.m4s"));
        assert_eq!(mirror(root, "/m.m3u8", true).unwrap(), Path::new("/r/m.m3u8.gz"));
        for bad in ["", "a", "/", "/../x", "/a//b", "/a/./b", "/a%2f", "/a?b", "/a/"] {
            assert!(matches!(mirror(root, bad, false), Err(TruthError::Path(_))), "{bad}");
        }
    }

    #[test]
    fn the_same_bytes_pass_and_others_are_named() {
        let address = canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        let same = [Piece::of("/a", b"hello"), Piece::of("/b", b"hello")];
        let mut client = Client::new(address);
        let lengths = check("x", &mut client, same.iter()).unwrap();
        assert_eq!(lengths[&("/a".to_owned(), false)], 43, "head and body");
        let other = [Piece::of("/a", b"hello"), Piece::of("/b", b"hellO")];
        let error = check("x", &mut client, other.iter()).unwrap_err();
        assert!(matches!(&error, TruthError::Differs { path, .. } if path == "/b"), "{error}");
    }

    #[test]
    fn an_answer_coded_otherwise_or_refused_is_an_error() {
        let coded = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello";
        let error = check("x", &mut Client::new(canned::server(coded)), [Piece::of("/a", b"hello")].iter())
            .unwrap_err();
        assert!(matches!(error, TruthError::Coding { .. }), "{error}");
        let refused = canned::server(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
        let error = check("x", &mut Client::new(refused), [Piece::of("/a", b"")].iter()).unwrap_err();
        assert!(matches!(error, TruthError::Fetch(FetchError::Status { status: 500, .. })), "{error}");
    }

    #[test]
    fn the_bytes_of_a_twin_are_linked_and_others_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let address = canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        let mut witness = Witness::new(address, folder.path());
        let first = witness.segment("/v/0.m4s", None).unwrap();
        witness.segment("/w/0.m4s", Some(&first)).unwrap();
        witness.segment("/w/1.m4s", Some(&Piece::of("/v/0.m4s", b"other"))).unwrap();
        let inode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().ino();
        assert_eq!(inode("w/0.m4s"), inode("v/0.m4s"));
        assert_ne!(inode("w/1.m4s"), inode("v/0.m4s"));
        assert_eq!(fs::read(folder.path().join("w/1.m4s")).unwrap(), b"hello");
    }

    #[test]
    fn an_answer_is_saved_where_nginx_looks_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let coded = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello";
        let (saved, gzip) =
            Witness::new(canned::server(coded), folder.path()).save("/v/m.m3u8", true).unwrap();
        assert_eq!((gzip, saved.bytes), (true, 5));
        assert_eq!(fs::read(folder.path().join("v/m.m3u8.gz")).unwrap(), b"hello");
        let plain = canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        let text = Witness::new(plain, folder.path()).text("/v/n.m3u8").unwrap();
        assert!(text.gzip.is_none() && !folder.path().join("v/n.m3u8.gz").exists());
    }
}
