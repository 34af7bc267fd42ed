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
    /// Each as its segments.
    folders: Vec<Vec<String>>,
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
            let segments: Vec<String> = segments(text).map(str::to_owned).collect();
            let is_plain = text.starts_with('/') && !text.contains(['%', '?', '#', '\\']);
            let is_dotted = segments.iter().any(|segment| segment == "." || segment == "..");
            if is_plain && !is_dotted { Ok(segments) } else { Err(error()) }
        };
        Ok(Self { folders: texts.into_iter().map(folder).collect::<Result<_, _>>()? })
    }

    /// Whether nothing needs a token.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Whether `path`, as sent and without query, needs a token.
    ///
    /// Cost: nothing where no folder is private, else some looks at each byte; a few allocations for a path that may be
    /// read in several ways.
    pub fn contain(&self, path: &str) -> bool {
        if self.folders.is_empty() {
            return false;
        }
        if is_unambiguous(path) {
            let begins = |folder: &Vec<String>| {
                let mut found = segments(path);
                folder.iter().all(|wanted| found.next() == Some(wanted))
            };
            return self.folders.iter().any(begins);
        }
        self.contain_somehow(path)
    }

    /// The same for any path, read in every way.
    fn contain_somehow(&self, path: &str) -> bool {
        let mut path = path.to_owned();
        for _ in 0..DECODINGS_MAX {
            if self.hold(&path) {
                return true;
            }
            let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
            if decoded == path {
                return false;
            }
            path = decoded;
        }
        // Nobody means anything by so many.
        true
    }

    /// Whether `path`, with nothing to be decoded any more, lies in a folder.
    fn hold(&self, path: &str) -> bool {
        let undotted: Vec<&str> = segments(path).filter(|segment| !matches!(*segment, "." | "..")).collect();
        let mut resolved: Vec<&str> = Vec::new();
        for segment in segments(path) {
            match segment {
                "." => {}
                ".." => drop(resolved.pop()),
                other => resolved.push(other),
            }
        }
        let begins = |path: &[&str], folder: &[String]| {
            path.len() >= folder.len() && folder.iter().zip(path).all(|(wanted, found)| wanted == found)
        };
        self.folders.iter().any(|folder| begins(&undotted, folder) || begins(&resolved, folder))
    }
}

/// Whether there is one way to read `path`, as nearly always.
fn is_unambiguous(path: &str) -> bool {
    !path.contains(['%', '\\']) && !path.contains("/.") && !path.starts_with('.')
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
            assert_eq!(folders.contain(path), folders.contain_somehow(path), "{path}");
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
