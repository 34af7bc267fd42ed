//! Paths as logs, headers and messages may show them: without tokens.
//!
//! The token in front of a path becomes `{kid}.{hash8}`, which tells an operator which token it was and which key signed
//! it, and lets them revoke it, but opens nothing. So do tokens in the usual query parameters, and whatever looks like the
//! front of a JWT elsewhere: links are typed and mistyped by people.

use std::fmt::{self, Write as _};

use crate::{compact::Compact, grant::Grant, limits::HEADER_BYTES_MAX, revocations::TokenId};

/// Query parameters whose value is a token.
const TOKEN_PARAMETERS: [&str; 4] = ["token", "access_token", "id_token", "jwt"];
/// What base64url makes of `{"`, with which nearly every JWT begins.
const JWT_START: &[u8] = b"eyJ";
/// Characters of a key id that are shown.
const KID_SHOWN_MAX: usize = 64;

/// A path, with query or without, that can only be shown without its tokens; `Debug` shows the same as `Display`.
///
/// Cost of showing: no allocation; a SHA-256 and a look into the header for each token whose grant is not known.
#[derive(Clone, Copy)]
pub struct RedactedPath<'a> {
    path: &'a str,
    grant: Option<&'a Grant>,
}

impl<'a> RedactedPath<'a> {
    /// A path as the client sent it.
    pub const fn new(path: &'a str) -> Self {
        Self { path, grant: None }
    }

    /// A path from which the token of `grant` was taken, with its slash; shown as if the token still stood there.
    pub const fn known(rest: &'a str, grant: &'a Grant) -> Self {
        Self { path: rest, grant: Some(grant) }
    }
}

impl fmt::Display for RedactedPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(grant) = self.grant {
            f.write_str("/t/")?;
            write_name(f, Some(grant.key_id()), grant.id())?;
        }
        let end = self.path.find(['?', '#']).unwrap_or(self.path.len());
        let (path, query) = self.path.split_at_checked(end).unwrap_or((self.path, ""));
        write_path(f, path, self.grant.is_none())?;
        write_query(f, query)
    }
}

impl fmt::Debug for RedactedPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes the segments; the one after a first segment `t` is a token whatever it looks like.
fn write_path(f: &mut fmt::Formatter<'_>, path: &str, may_carry: bool) -> fmt::Result {
    let mut names = 0_u8;
    let mut is_marked = false;
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            f.write_char('/')?;
        }
        if segment.is_empty() {
            continue;
        }
        if (names == 1 && is_marked) || looks_like_token(segment) {
            write_token(f, segment)?;
        } else {
            f.write_str(segment)?;
        }
        is_marked = may_carry && names == 0 && is_same(segment, "t");
        names = names.saturating_add(1);
    }
    Ok(())
}

/// Writes the query, its question mark included.
fn write_query(f: &mut fmt::Formatter<'_>, query: &str) -> fmt::Result {
    for parameter in query.split_inclusive(['?', '#', '&', ';']) {
        let end = parameter.trim_end_matches(['?', '#', '&', ';']).len();
        let (parameter, separator) = parameter.split_at_checked(end).unwrap_or((parameter, ""));
        match parameter.split_once('=') {
            Some((name, value)) if TOKEN_PARAMETERS.iter().any(|known| is_same(name, known)) => {
                f.write_str(name)?;
                f.write_char('=')?;
                write_token(f, value)?;
            }
            _ if looks_like_token(parameter) => write_token(f, parameter)?,
            _ => f.write_str(parameter)?,
        }
        f.write_str(separator)?;
    }
    Ok(())
}

/// Whether `text` decodes to `word`, in any case.
fn is_same(text: &str, word: &str) -> bool {
    decoded(text).map(|byte| byte.to_ascii_lowercase()).eq(word.bytes())
}

/// Whether the front of a JWT stands anywhere in `text`, as it is or decoded: in `%2eyJ` only decoding hides it.
fn looks_like_token(text: &str) -> bool {
    has_jwt_start(text.bytes()) || text.contains('%') && has_jwt_start(decoded(text))
}

fn has_jwt_start(mut bytes: impl Iterator<Item = u8>) -> bool {
    let mut last = [0; JWT_START.len()];
    bytes.any(|byte| {
        last.rotate_left(1);
        if let Some(end) = last.last_mut() {
            *end = byte;
        }
        last == *JWT_START
    })
}

/// The bytes of `text` after percent-decoding.
fn decoded(text: &str) -> impl Iterator<Item = u8> {
    crate::path_prefix::decode(text.as_bytes())
}

/// Writes what a token is called: by its key if it names one, else as invalid.
fn write_token(f: &mut fmt::Formatter<'_>, token: &str) -> fmt::Result {
    let id = TokenId::of(token);
    // Whoever made the header chose the key id: one that looks like a token is none.
    let write = |kid: &str| write_name(f, Some(kid).filter(|kid| !looks_like_token(kid)), id);
    let named = Compact::split(token).ok().and_then(|compact| compact.with_kid(write));
    named.unwrap_or_else(|| write_name(f, None, id))
}

fn write_name(f: &mut fmt::Formatter<'_>, kid: Option<&str>, id: TokenId) -> fmt::Result {
    // A key id is whatever its maker likes: what could end a path or a field of a log is not shown as it is.
    for shown in kid.unwrap_or("invalid").chars().take(KID_SHOWN_MAX) {
        let is_plain = shown.is_ascii_alphanumeric() || matches!(shown, '-' | '_' | '.');
        f.write_char(if is_plain { shown } else { '_' })?;
    }
    write!(f, ".{id}")
}

const _: () = assert!(KID_SHOWN_MAX < HEADER_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"alg":"EdDSA","kid":"k 1/"}` and no payload to speak of.
    const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImtleS8xIn0.e30.AAAA";

    fn redact(path: &str) -> String {
        let shown = RedactedPath::new(path).to_string();
        assert_eq!(format!("{:?}", RedactedPath::new(path)), shown);
        assert_eq!(format!("{:#?}", Some(RedactedPath::new(path))), format!("Some(\n    {shown},\n)"));
        shown
    }

    #[test]
    fn a_token_in_front_becomes_its_name() {
        let id = TokenId::of(TOKEN);
        assert_eq!(
            redact(&format!("/t/{TOKEN}/vod/a.mp4/main.m3u8?x=1")),
            format!("/t/key_1.{id}/vod/a.mp4/main.m3u8?x=1")
        );
        assert_eq!(redact(&format!("/t/{TOKEN}")), format!("/t/key_1.{id}"));
        assert_eq!(redact(&format!("/%74//{TOKEN}/a")), format!("/%74//key_1.{id}/a"));
        assert_eq!(redact("/t/secret/a"), format!("/t/invalid.{}/a", TokenId::of("secret")));
        assert_eq!(redact("/T/secret/a"), format!("/T/invalid.{}/a", TokenId::of("secret")));
    }

    #[test]
    fn tokens_elsewhere_are_found_too() {
        let id = TokenId::of(TOKEN);
        for (sent, shown) in [
            (format!("/vod/{TOKEN}/a"), format!("/vod/key_1.{id}/a")),
            (format!("/vod/a?token={TOKEN}"), format!("/vod/a?token=key_1.{id}")),
            (format!("/vod/a?x=1&Access_Token={TOKEN}&y"), format!("/vod/a?x=1&Access_Token=key_1.{id}&y")),
            (format!("/vod/a?%74oken={TOKEN}#x"), format!("/vod/a?%74oken=key_1.{id}#x")),
            ("/vod/a?token=secret;b".to_owned(), format!("/vod/a?token=invalid.{};b", TokenId::of("secret"))),
            (TOKEN.to_owned(), format!("key_1.{id}")),
        ] {
            assert_eq!(redact(&sent), shown);
        }
        for sent in [
            format!("/vod/a?{TOKEN}"),
            format!("/vod/a?x={TOKEN}"),
            format!("/vod/%65yJ{}/a", &TOKEN[3..]),
            format!("/vod%2{TOKEN}/a"),
            format!("/t%2F{TOKEN}%2Fvod"),
            format!("http://host/t/{TOKEN}/vod"),
        ] {
            let shown = redact(&sent);
            assert!(!shown.contains(&TOKEN[3..]), "{shown}");
        }
    }

    #[test]
    fn what_has_no_token_is_shown_as_it_is() {
        for path in [
            "/vod/a.mp4/main.m3u8",
            "/vod/t/a",
            "/t",
            "/t/",
            "",
            "*",
            "/a?x=1&y=&z",
            "/a//b/?",
            "/tt/b",
            "/?;&#",
        ] {
            assert_eq!(redact(path), path);
        }
    }
}
