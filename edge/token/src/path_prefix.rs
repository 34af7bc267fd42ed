//! Which paths a prefix covers.
//!
//! Prefix and path are compared as what they decode to, segment by segment. A path that a server further back might read
//! in another way than we do is covered by nothing: empty and dot segments, encoded separators, control bytes, and both of
//! these once more encoded, since some servers decode twice. So no trick widens a prefix.

use crate::limits::PREFIX_BYTES_MAX;

/// The prefixes of one token, decoded, one behind the other: a hit reads them all, and so reads one piece of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPrefixes(Box<[u8]>);

impl PathPrefixes {
    /// Reads prefixes as they stand in URLs; `None` if one is no plain path or too long.
    pub(crate) fn parse(texts: &[String]) -> Option<Self> {
        let mut all = Vec::new();
        for text in texts {
            if text.len() > PREFIX_BYTES_MAX || !is_plain(text) {
                return None;
            }
            let decoded: Vec<u8> = decode(text.as_bytes()).collect();
            all.extend(u16::try_from(decoded.len()).ok()?.to_le_bytes());
            all.extend(decoded);
        }
        Some(Self(all.into()))
    }

    /// Whether one of them covers `path`, as sent and without query. Cost: one look at each byte.
    pub(crate) fn cover(&self, path: &str) -> bool {
        self.covering(path).is_some()
    }

    /// Which of them covers `path`, at the same cost.
    pub(crate) fn covering(&self, path: &str) -> Option<usize> {
        if !is_plain(path) {
            return None;
        }
        let is_encoded = path.contains('%');
        self.iter().position(|prefix| {
            if is_encoded { covers(prefix, decode(path.as_bytes())) } else { starts(prefix, path) }
        })
    }

    /// The one of this number, from 0, decoded.
    pub(crate) fn nth(&self, number: usize) -> Option<&[u8]> {
        self.iter().nth(number)
    }

    /// Bytes they take.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (len, behind) = rest.split_first_chunk()?;
            let (prefix, next) = behind.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
            rest = next;
            Some(prefix)
        })
    }
}

/// Whether `prefix` covers a path that is not encoded.
fn starts(prefix: &[u8], path: &str) -> bool {
    let rest = path.as_bytes().strip_prefix(prefix);
    rest.is_some_and(|rest| prefix.ends_with(b"/") || matches!(rest.first(), None | Some(b'/')))
}

/// The same for one that is decoded on the way.
fn covers(prefix: &[u8], mut path: impl Iterator<Item = u8>) -> bool {
    prefix.iter().all(|byte| path.next() == Some(*byte))
        && (prefix.ends_with(b"/") || matches!(path.next(), None | Some(b'/')))
}

/// Whether everybody reads `path` the same way: absolute, without query, and with nothing in its segments that could be
/// taken for a separator or a step. Cost: one look at each byte; a path with percent signs or semicolons takes a few more.
fn is_plain(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return false };
    // Bytes of the segment so far, and whether they are all dots.
    let (mut len, mut is_dots) = (0_usize, true);
    for byte in segments.bytes() {
        match byte {
            b'/' if len == 0 || (is_dots && len <= 2) => return false,
            b'/' => (len, is_dots) = (0, true),
            b'%' | b';' => return are_plain(segments),
            b'?' | b'#' | b'\\' | 0..=b' ' | 0x7f => return false,
            _ => (len, is_dots) = (len.saturating_add(1), is_dots && byte == b'.'),
        }
    }
    len == 0 || !is_dots || len > 2
}

/// The same for segments that need decoding.
#[cold]
fn are_plain(segments: &str) -> bool {
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

    fn parse(prefix: &str) -> Option<PathPrefixes> {
        PathPrefixes::parse(&[prefix.to_owned()])
    }

    /// Whether `prefix` covers `path` as the edge asks it.
    fn covers(prefix: &str, path: &str) -> bool {
        let covers = parse(prefix).expect("a prefix").cover(path);
        let among = ["/elsewhere", prefix, "/no-such/"].map(str::to_owned);
        assert_eq!(PathPrefixes::parse(&among).expect("prefixes").cover(path), covers, "among others");
        covers
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
            assert_eq!(parse(path), None, "{path}");
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
        assert!(parse(&longest).is_some());
        assert!(parse(&format!("{longest}a")).is_none());
    }
}
