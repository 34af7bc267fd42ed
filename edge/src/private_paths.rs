//! Which paths need a token.
//!
//! A path is compared as an origin might read it, however it is written: percent-encodings decoded, also twice,
//! backslashes as slashes, empty segments left out. What cannot be read so is private.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Times a path is decoded before it counts as a trick.
const DECODINGS_MAX: usize = 3;

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
            let is_plain = text.starts_with('/') && !text.contains(['%', '?', '#', '\\']);
            let segments = segments(text).filter(|_| is_plain).ok_or_else(error)?;
            Ok(segments)
        };
        Ok(Self { folders: texts.into_iter().map(folder).collect::<Result<_, _>>()? })
    }

    /// Whether nothing needs a token.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Whether `path`, as sent and without query, needs a token.
    ///
    /// Cost: nothing where no folder is private, else a look at each byte and an allocation.
    pub fn contain(&self, path: &str) -> bool {
        if self.folders.is_empty() {
            return false;
        }
        let Some(path) = segments(path) else { return true };
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

/// The segments of `path`, decoded; `None` for what no two servers read alike.
fn segments(path: &str) -> Option<Vec<String>> {
    let mut path = Cow::Borrowed(path);
    let mut decodings = 0;
    while path.contains('%') {
        decodings += 1;
        let decoded = percent_decode_str(&path).decode_utf8().ok()?.into_owned();
        if decodings > DECODINGS_MAX || decoded == *path {
            return None;
        }
        path = Cow::Owned(decoded);
    }
    let segments: Vec<_> =
        path.split(['/', '\\']).filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
    let is_tricky = |segment: &String| segment == "." || segment == ".." || segment.contains('\0');
    (!segments.iter().any(is_tricky)).then_some(segments)
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
            "/vod/%ff/film.mp4",
            "/vod/100%/film.mp4",
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
        ] {
            check(path, false);
        }
        assert!(PrivatePaths::new(["/"]).unwrap().contain("/anything"));
        assert!(!PrivatePaths::default().contain("/vod/%"));
    }

    #[test]
    fn what_is_no_folder_is_refused() {
        for text in ["vod/private", "", "/a/../b", "/a%20b", "/a?b", "/a#b", "/a\\b"] {
            assert!(PrivatePaths::new([text]).is_err(), "{text}");
        }
    }
}
