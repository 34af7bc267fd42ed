//! Which paths need a token.
//!
//! A path is compared in every way in which an origin might read it: percent-encodings decoded or not, also twice,
//! backslashes as slashes, empty segments left out, dot segments resolved or left out. It is private if it is in one of
//! them; whether it names anything is for others to say.

use percent_encoding::percent_decode_str;

/// Times a path is decoded.
const DECODINGS_MAX: usize = 4;

/// Folders that need a token, with all below them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivatePaths {
    /// Each as its segments with slashes between them.
    folders: Vec<String>,
}

/// Why a text is no folder of paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no folder such as /vod/private/: it begins with a slash and has no `.`, `..`, `%`, `?` or `#`"
)]
pub struct PrivatePathError {
    /// The text.
    pub text: String,
}

impl PrivatePaths {
    /// The folders `texts`; `/` is everything.
    ///
    /// # Errors
    /// [`PrivatePathError`].
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, PrivatePathError> {
        let folder = |text: &'a str| {
            let error = || PrivatePathError { text: text.to_owned() };
            let segments: Vec<&str> = segments(text).collect();
            let is_plain = text.starts_with('/') && !text.contains(['%', '?', '#', '\\']);
            let is_dotted = segments.iter().any(|segment| matches!(*segment, "." | ".."));
            if is_plain && !is_dotted { Ok(segments.join("/")) } else { Err(error()) }
        };
        Ok(Self { folders: texts.into_iter().map(folder).collect::<Result<_, _>>()? })
    }

    /// Whether nothing needs a token.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Whether `path`, as sent and without query, lies in one of them.
    ///
    /// Cost: nothing where there is none, else some looks at each byte and a comparison for each folder; a few allocations
    /// for a path that may be read in several ways.
    pub fn contain(&self, path: &str) -> bool {
        !self.folders.is_empty() && self.contain_read(&Readings::of(path))
    }

    /// The same for a path that many lists are asked about.
    pub(super) fn contain_read(&self, path: &Readings<'_>) -> bool {
        match path {
            Readings::One(path) => self.hold(path),
            Readings::Some(ways) => ways.iter().any(|way| self.hold(way)),
            Readings::Endless => !self.folders.is_empty(),
        }
    }

    /// Whether `path`, which is read in one way only and has no slash in front, lies in a folder.
    fn hold(&self, path: &str) -> bool {
        self.folders.iter().any(|folder| {
            let rest = path.strip_prefix(folder.as_str());
            rest.is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// A path in every way in which somebody might read it, without the slash in front.
#[derive(Debug)]
pub(super) enum Readings<'a> {
    /// There is one, as nearly always.
    One(&'a str),
    /// There are several.
    Some(Vec<String>),
    /// It is encoded so many times that nobody can mean anything by it: it lies in every folder.
    Endless,
}

impl<'a> Readings<'a> {
    /// Those of `path`, as sent and without query. Cost: some looks at each byte; a few allocations where it can be read in
    /// several ways.
    pub(super) fn of(path: &'a str) -> Self {
        let is_plain = !path.contains(['%', '\\']) && !path.contains("/.") && !path.contains("//");
        match path.strip_prefix('/').unwrap_or(path) {
            path if is_plain && !path.starts_with(['.', '/']) => Self::One(path),
            _ => Self::several(path),
        }
    }

    fn several(path: &str) -> Self {
        let (mut path, mut ways) = (path.to_owned(), Vec::new());
        for _ in 0..DECODINGS_MAX {
            ways.extend([undotted(&path), resolved(&path)]);
            let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
            if decoded == path {
                return Self::Some(ways);
            }
            path = decoded;
        }
        Self::Endless
    }
}

/// The segments of `path` without those that are dots.
fn undotted(path: &str) -> String {
    segments(path).filter(|segment| !matches!(*segment, "." | "..")).collect::<Vec<_>>().join("/")
}

/// The segments of `path`, gone up and down as dots say.
fn resolved(path: &str) -> String {
    let mut resolved: Vec<&str> = Vec::new();
    for segment in segments(path) {
        match segment {
            "." => {}
            ".." => drop(resolved.pop()),
            other => resolved.push(other),
        }
    }
    resolved.join("/")
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\']).filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: bool) {
        let private = PrivatePaths::new(["/vod/private/", "/vod/my films"]).unwrap();
        assert_eq!(private.contain(path), expected, "{path}");
    }

    #[test]
    fn a_private_folder_is_private_however_it_is_written() {
        for path in [
            "/vod/private/film.mp4/master.m3u8",
            "/vod/private",
            "/vod//private/film.mp4",
            "//vod/private/film.mp4",
            "/vod/%70rivate/film.mp4",
            "/vod/private%2Ffilm.mp4",
            "/vod%2fprivate/film.mp4",
            "/vod/%2570rivate/film.mp4",
            "/vod\\private\\film.mp4",
            "/vod/my%20films/a.mp4/master.m3u8",
            "/vod/x/../private/film.mp4",
            "/vod/%2e%2e/vod/private/film.mp4",
            "/vod/./private/film.mp4",
            "/vod/%ff/%2e%2e/private/film.mp4",
            "/x/../vod/private/film.mp4",
            "/vod/%2525252525252570rivate/film.mp4",
        ] {
            check(path, true);
        }
    }

    #[test]
    fn others_are_not() {
        for path in [
            "/vod/film.mp4/master.m3u8",
            "/vod/privateer/film.mp4",
            "/vod/public/private/film.mp4",
            "/vod/a%20b.mp4/master.m3u8",
            "/",
            "/vod",
            "/vod/%ff/film.mp4",
            "/vod/100%/film.mp4",
            "/vod/../secret.mp4",
            "/vod/x/../../private/film.mp4",
        ] {
            check(path, false);
        }
        assert!(PrivatePaths::new(["/"]).unwrap().contain("/anything"));
        assert!(!PrivatePaths::default().contain("/vod/%"));
    }

    #[test]
    fn a_path_that_is_read_in_one_way_is_judged_as_in_all() {
        let folders = PrivatePaths::new(["/a/", "/b/a", "/b/ab"]).unwrap();
        let mut paths = vec![String::new()];
        for _ in 0..6 {
            let longer = |path: &String| ["/", "a", "b", ".", "%61"].map(|piece| format!("{path}{piece}"));
            paths.extend(paths.iter().flat_map(longer).collect::<Vec<_>>());
            paths.sort_unstable();
            paths.dedup();
        }
        let contained = paths.iter().filter(|path| {
            let somehow = folders.contain_read(&Readings::several(path));
            assert_eq!(folders.contain(path), somehow, "{path}");
            folders.contain(path)
        });
        let (contained, all) = (contained.count(), paths.len());
        assert!(contained > 100 && contained < all / 2, "{contained} of {all}");
    }

    #[test]
    fn what_is_no_folder_is_refused() {
        for text in ["vod/private", "", "/a/../b", "/a%20b", "/a?b", "/a#b", "/a\\b"] {
            assert!(PrivatePaths::new([text]).is_err(), "{text}");
        }
    }
}
