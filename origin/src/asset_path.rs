//! The path of an asset below the media root: clean by construction.
//!
//! A path is parsed once, at the border. After that it cannot leave the root: no empty, `.` or `..`
//! component, no hidden component, no separator or control character inside one.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Bytes of a decoded path.
pub const MAX_PATH_BYTES: usize = 1024;
/// Components of a path.
pub const MAX_COMPONENTS: usize = 32;

/// What is encoded in a component: everything but unreserved characters and the harmless
/// sub-delimiters (RFC 3986 §3.3). A literal `~` is encoded, because it begins a revision.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'~');

/// A path below the media root, decoded, such as `films/summer.mp4`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetPath(Box<str>);

/// Why text is no asset path. The client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssetPathError {
    /// There is nothing.
    #[error("the path is empty")]
    Empty,
    /// A component that names nothing, or something else than a child.
    #[error("the path has an empty, `.` or `..` component")]
    Component,
    /// A component that begins with a dot.
    #[error("hidden files are not served")]
    Hidden,
    /// A character that a name cannot have.
    #[error("a name in the path has a slash, a backslash or a control character in it")]
    Character,
    /// Percent-encoding that decodes to no text.
    #[error("the path is not percent-encoded UTF-8")]
    Encoding,
    /// Longer or deeper than our limits.
    #[error("the path is longer than {MAX_PATH_BYTES} bytes or deeper than {MAX_COMPONENTS} components")]
    TooLong,
}

impl AssetPath {
    /// Parses a decoded path with `/` between components.
    ///
    /// # Errors
    /// [`AssetPathError`].
    pub fn new(path: &str) -> Result<Self, AssetPathError> {
        if path.is_empty() {
            return Err(AssetPathError::Empty);
        }
        if path.len() > MAX_PATH_BYTES || path.split('/').count() > MAX_COMPONENTS {
            return Err(AssetPathError::TooLong);
        }
        for component in path.split('/') {
            check_component(component)?;
        }
        Ok(Self(path.into()))
    }

    /// Parses percent-encoded components, as they stand in a URL.
    ///
    /// # Errors
    /// [`AssetPathError`].
    pub fn from_encoded<'a>(components: impl Iterator<Item = &'a str>) -> Result<Self, AssetPathError> {
        let mut path = String::new();
        for (number, component) in components.enumerate() {
            check_percents(component)?;
            let decoded =
                percent_decode_str(component).decode_utf8().map_err(|_| AssetPathError::Encoding)?;
            // An encoded separator must not become one.
            if decoded.contains('/') {
                return Err(AssetPathError::Character);
            }
            if number > 0 {
                path.push('/');
            }
            path.push_str(&decoded);
            if path.len() > MAX_PATH_BYTES {
                return Err(AssetPathError::TooLong);
            }
        }
        Self::new(&path)
    }

    /// The decoded path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as a relative file system path.
    pub fn to_path(&self) -> PathBuf {
        self.0.split('/').collect()
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

/// The percent-encoded form: the one in URLs.
impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, component) in self.0.split('/').enumerate() {
            if number > 0 {
                f.write_str("/")?;
            }
            write!(f, "{}", utf8_percent_encode(component, ENCODED))?;
        }
        Ok(())
    }
}

fn check_component(component: &str) -> Result<(), AssetPathError> {
    if matches!(component, "" | "." | "..") {
        return Err(AssetPathError::Component);
    }
    if component.starts_with('.') {
        return Err(AssetPathError::Hidden);
    }
    if component.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(AssetPathError::Character);
    }
    Ok(())
}

/// Every `%` is followed by two hexadecimal digits.
fn check_percents(component: &str) -> Result<(), AssetPathError> {
    let mut rest = component;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.as_bytes().get(..2).ok_or(AssetPathError::Encoding)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(AssetPathError::Encoding);
        }
        rest = after.get(2..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(path: &str) -> Result<AssetPath, AssetPathError> {
        AssetPath::from_encoded(path.split('/'))
    }

    #[test]
    fn tricks_are_refused_by_name() {
        let cases = [
            ("", AssetPathError::Component),
            ("a//b", AssetPathError::Component),
            ("../etc/passwd", AssetPathError::Component),
            ("a/%2e%2E/b", AssetPathError::Component),
            ("a/./b", AssetPathError::Component),
            (".git/config", AssetPathError::Hidden),
            ("a%2fb", AssetPathError::Character),
            ("a%5Cb", AssetPathError::Character),
            ("a%00.mp4", AssetPathError::Character),
            ("a%0d%0aX.mp4", AssetPathError::Character),
            ("a%ff.mp4", AssetPathError::Encoding),
            ("a%c0%ae%c0%ae", AssetPathError::Encoding),
            ("a%2.mp4", AssetPathError::Encoding),
            ("a%", AssetPathError::Encoding),
            ("a%zz", AssetPathError::Encoding),
        ];
        for (path, expected) in cases {
            let expected = if path.is_empty() { AssetPathError::Empty } else { expected };
            assert_eq!(encoded(path), Err(expected), "{path}");
        }
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_past_it() {
        let long = "a".repeat(MAX_PATH_BYTES);
        assert!(AssetPath::new(&long).is_ok());
        assert_eq!(AssetPath::new(&format!("{long}a")), Err(AssetPathError::TooLong));
        let deep = vec!["a"; MAX_COMPONENTS].join("/");
        assert!(AssetPath::new(&deep).is_ok());
        assert_eq!(AssetPath::new(&format!("{deep}/a")), Err(AssetPathError::TooLong));
    }

    #[test]
    fn one_decoding_only() {
        assert_eq!(encoded("a%252e.mp4").map(|path| path.as_str().to_owned()), Ok("a%2e.mp4".to_owned()));
    }

    proptest! {
        #[test]
        fn encoding_round_trips(path in "[^/\\\\\\p{Cc}.][^/\\\\\\p{Cc}]{0,20}(/[^/\\\\\\p{Cc}.][^/\\\\\\p{Cc}]{0,20}){0,3}") {
            let parsed = AssetPath::new(&path).expect("a clean path");
            let text = parsed.to_string();
            prop_assert!(!text.contains('~'));
            prop_assert_eq!(encoded(&text), Ok(parsed));
        }

        #[test]
        fn nothing_parsed_can_leave_the_root(path in "[a./%2eE\\\\~]{0,16}") {
            if let Ok(parsed) = encoded(&path) {
                prop_assert!(parsed.to_path().components().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }
    }
}
