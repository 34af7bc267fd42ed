//! Which paths a prefix covers.
//!
//! Prefix and path are compared as what they decode to, segment by segment. A path that a server further back might read
//! in another way than we do is covered by nothing: empty and dot segments, encoded separators, control bytes, and both of
//! these once more encoded, since some servers decode twice. So no trick widens a prefix.

use crate::limits::PREFIX_BYTES_MAX;

/// A prefix, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPrefix(Box<[u8]>);

impl PathPrefix {
    /// Reads a prefix as it stands in a URL; `None` if it is no plain path or too long.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_fit = text.len() <= PREFIX_BYTES_MAX && is_plain(text);
        is_fit.then(|| Self(decode(text.as_bytes()).collect()))
    }

    /// Whether it covers `path`, which must be plain. Cost: one look at each byte of the prefix.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let mut path = decode(path.as_bytes());
        if !self.0.iter().all(|byte| path.next() == Some(*byte)) {
            return false;
        }
        self.0.ends_with(b"/") || matches!(path.next(), None | Some(b'/'))
    }

    /// Bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Whether everybody reads `path` the same way: absolute, without query, and with nothing in its segments that could be
/// taken for a separator or a step.
pub(crate) fn is_plain(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return false };
    let mut segments = segments.as_bytes().split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let is_good = if segment.is_empty() { is_last } else { is_plain_segment(segment) };
        if !is_good {
            return false;
        }
    }
    true
}

/// Whether a segment, still encoded and not empty, is a name.
fn is_plain_segment(segment: &[u8]) -> bool {
    // Nearly all segments are of these bytes alone, and need no decoding.
    let is_simple = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    if segment.iter().all(is_simple) {
        return true;
    }
    if segment.iter().any(|byte| matches!(byte, b'?' | b'#' | b'\\' | 0..=b' ' | 0x7f))
        || has_loose_percent(segment)
    {
        return false;
    }
    let is_separator = |byte: u8| matches!(byte, b'/' | b'\\' | 0..0x20 | 0x7f);
    if decode(segment).any(is_separator) || has_second_encoding(segment) {
        return false;
    }
    // What stands before a semicolon is the name to servers that know path parameters.
    let mut name = decode(segment).take_while(|byte| *byte != b';');
    !matches!(
        (name.next(), name.next(), name.next()),
        (None | Some(b'.'), None, _) | (Some(b'.'), Some(b'.'), None)
    )
}

/// Whether a percent sign stands without two hexadecimal digits.
fn has_loose_percent(segment: &[u8]) -> bool {
    let mut rest = segment;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let Some([high, low, tail @ ..]) = rest.get(at.saturating_add(1)..) else { return true };
        if hex(*high).is_none() || hex(*low).is_none() {
            return true;
        }
        rest = tail;
    }
    false
}

/// Whether decoding what was decoded would give a dot, a separator or a percent sign.
fn has_second_encoding(segment: &[u8]) -> bool {
    let mut last = [0; 3];
    decode(segment).any(|byte| {
        last = [last[1], last[2], byte];
        let [percent, high, low] = last;
        let twice = hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low);
        percent == b'%' && matches!(twice, Some(b'.' | b'/' | b'\\' | b'%' | 0))
    })
}

/// The bytes of a path after percent-decoding; a loose percent sign stands for itself.
pub(crate) fn decode(encoded: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let (first, tail) = rest.split_first()?;
        if let (b'%', [high, low, after @ ..]) = (*first, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = after;
            return Some(high << 4 | low);
        }
        rest = tail;
        Some(*first)
    })
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a' - 10),
        b'A'..=b'F' => digit.checked_sub(b'A' - 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `prefix` covers `path` as the edge asks it.
    fn covers(prefix: &str, path: &str) -> bool {
        is_plain(path) && PathPrefix::parse(prefix).expect("a prefix").covers(path)
    }

    #[test]
    fn a_prefix_covers_whole_segments() {
        assert!(covers("/vod/film", "/vod/film"));
        assert!(covers("/vod/film", "/vod/film/"));
        assert!(covers("/vod/film", "/vod/film/a/1.m4s"));
        assert!(!covers("/vod/film", "/vod/film2"));
        assert!(!covers("/vod/film", "/vod/film.mp4/a"));
        assert!(!covers("/vod/film", "/vod/fil"));
        assert!(!covers("/vod/film", "/VOD/film"));
        assert!(!covers("/vod/film", "/x/vod/film"));
    }

    #[test]
    fn a_prefix_with_a_slash_at_its_end_covers_what_is_below() {
        assert!(covers("/vod/film.mp4/", "/vod/film.mp4/"));
        assert!(covers("/vod/film.mp4/", "/vod/film.mp4/main.m3u8"));
        assert!(!covers("/vod/film.mp4/", "/vod/film.mp4"));
        assert!(covers("/", "/anything/at/all"));
    }

    #[test]
    fn encoding_changes_nothing() {
        assert!(covers("/vod/der%20film", "/vod/der%20film/a"));
        assert!(covers("/vod/film", "/vod/%66il%6D/a"));
        assert!(covers("/vod/%66ilm", "/vod/film/a"));
        assert!(covers("/vod/stra%c3%9fe", "/vod/stra%C3%9Fe"));
        assert!(covers("/vod/straße", "/vod/stra%C3%9Fe"));
        assert!(covers("/vod/100%25", "/vod/100%25/a"));
    }

    #[test]
    fn no_trick_widens_a_prefix() {
        for path in [
            "/vod/film/../secret",
            "/vod/film/%2e%2e/secret",
            "/vod/film/%2E./secret",
            "/vod/film/.%2e/secret",
            "/vod/film/./a",
            "/vod/film/%2e/a",
            "/vod/film/..",
            "/vod/film//a",
            "//vod/film/a",
            "/vod/film%2f..%2fsecret",
            "/vod/film%2Fa",
            "/vod/film%5c..%5csecret",
            "/vod/film\\..\\secret",
            "/vod/film/..;/secret",
            "/vod/film/..;x=1/secret",
            "/vod/film/.;/secret",
            "/vod/film/;/secret",
            "/vod/film/%2e%2e%3b/secret",
            "/vod/film/%252e%252e/secret",
            "/vod/film/%252f..%252fsecret",
            "/vod/film/%25252e%25252e/secret",
            "/vod/film/%25%32%65%25%32%65/secret",
            "/vod/film/a%00b",
            "/vod/film/a%0d%0ab",
            "/vod/film/a%7f",
            "/vod/film/a%",
            "/vod/film/a%2",
            "/vod/film/a%zz",
            "/vod/film/a?b",
            "/vod/film/a#b",
            "/vod/film/a b",
            "vod/film/a",
            "",
        ] {
            assert!(!covers("/vod/film", path), "{path}");
            assert!(!covers("/", path), "{path}");
            assert_eq!(PathPrefix::parse(path), None, "{path}");
        }
    }

    #[test]
    fn names_that_look_odd_are_names() {
        for path in [
            "/vod/film/...",
            "/vod/film/..a",
            "/vod/film/.a",
            "/vod/film/a;b",
            "/vod/film/a..",
            "/vod/film/=@:+,'",
        ] {
            assert!(covers("/vod/film", path), "{path}");
        }
        assert!(!covers("/vod/film", "/vod/film;a"), "a parameter makes another segment");
    }

    #[test]
    fn a_prefix_has_1024_bytes_at_most() {
        let longest = format!("/{}", "a".repeat(PREFIX_BYTES_MAX - 1));
        assert!(PathPrefix::parse(&longest).is_some());
        assert!(PathPrefix::parse(&format!("{longest}a")).is_none());
    }
}
