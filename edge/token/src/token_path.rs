//! Tokens as the front of a path: `/t/{token}/rest`.

use std::fmt;

use crate::{grant::Grant, redacted_path::RedactedPath};

/// What a path with a token in it starts with.
pub const TOKEN_PATH_START: &str = "/t/";

/// A path that carries a token, in its parts.
#[derive(Clone, Copy)]
pub struct TokenPath<'a> {
    token: &'a str,
    rest: &'a str,
}

impl<'a> TokenPath<'a> {
    /// Splits `/t/{token}/rest`; `None` for a path that has no token in front, or nothing after it. The query, if there
    /// is one, stays with the rest. Cheap enough for whoever needs a part to split again.
    pub fn split(path: &'a str) -> Option<Self> {
        let after = path.strip_prefix(TOKEN_PATH_START)?;
        let (token, rest) = after.split_at_checked(memchr::memchr3(b'/', b'?', b'#', after.as_bytes())?)?;
        (!token.is_empty() && rest.starts_with('/')).then_some(Self { token, rest })
    }

    /// The token; nothing about it is known.
    pub const fn token(&self) -> &'a str {
        self.token
    }

    /// The path without the token, with its slash.
    pub const fn rest(&self) -> &'a str {
        self.rest
    }

    /// The path for logs.
    pub const fn redacted(&self, grant: &'a Grant) -> RedactedPath<'a> {
        RedactedPath::known(self.rest, grant)
    }
}

impl fmt::Debug for TokenPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenPath(… {})", RedactedPath::new(self.rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_splits_after_the_token() {
        let split = |path| TokenPath::split(path).map(|path| (path.token(), path.rest()));
        assert_eq!(split("/t/a.b.c/vod/x?y=/z"), Some(("a.b.c", "/vod/x?y=/z")));
        assert_eq!(split("/t/a/"), Some(("a", "/")));
        assert_eq!(split("/t/a//b"), Some(("a", "//b")), "what follows is judged as it is");
        for path in ["/t/a", "/t/a?b/c", "/t//b", "/t/", "/t", "t/a/b", "//t/a/b", "/T/a/b", "/vod/t/a/b", ""]
        {
            assert_eq!(split(path), None, "{path}");
        }
        let path = TokenPath::split("/t/a.b.c/vod/x").expect("a token in front");
        assert_eq!(format!("{path:?}"), "TokenPath(… /vod/x)");
    }
}
