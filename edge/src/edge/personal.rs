//! Answers for nobody but the client that asked: what a token opened, and what rules of countries let through.
//!
//! ```text
//!  public, max-age=31536000, immutable ─▶ private, max-age=31536000, immutable
//! ```
//!
//! A cache between us and viewers knows neither tokens nor our rules. What it kept it would give to whoever asks by the same
//! address, also when the token came in a cookie, has ended, or is revoked. `private` is what RFC 9111 (§5.2.2.7) has for
//! that; a browser keeps the answer as before.

use std::cell::RefCell;

use http::{HeaderMap, HeaderValue, header};
use rillcast_http::Reply;
use rillcast_token::TokenPath;

use crate::quoting::split_outside_quotes;

/// Answers that are remembered with what becomes of them: origins say few different things.
const KNOWN_MAX: usize = 16;
const PRIVATE: HeaderValue = HeaderValue::from_static("private");
/// What says something to shared caches only, or the opposite.
const SHARED: [&[u8]; 4] = [b"public", b"private", b"s-maxage", b"proxy-revalidate"];

/// What a core remembers of it.
#[derive(Debug, Default)]
pub(super) struct Personal {
    known: RefCell<Vec<(HeaderValue, HeaderValue)>>,
}

impl Personal {
    /// Lets no cache but the client's own keep `reply`.
    pub(super) fn keep_from_others(&self, mut reply: Reply) -> Reply {
        match &mut reply {
            Reply::Entity(representation) => {
                let value = self.restricted(&representation.prepared.entity().cache_control);
                representation.cache_control = Some(value);
            }
            Reply::Problem(problem) => problem.cache_control = self.restricted(&problem.cache_control),
            Reply::Redirect(redirect) => redirect.cache_control = self.restricted(&redirect.cache_control),
            Reply::Raw(raw) => {
                let value = self.restricted(&joined(&raw.headers));
                raw.headers.insert(header::CACHE_CONTROL, value);
            }
        }
        reply
    }

    /// The same, where the token of `path` goes along to wherever a redirect leads within us.
    pub(super) fn lead_on(&self, reply: Reply, path: &str) -> Reply {
        let mut reply = self.keep_from_others(reply);
        if let Reply::Raw(raw) = &mut reply
            && raw.status.is_redirection()
            && let Some(location) = raw.headers.get(header::LOCATION).and_then(|to| with_token(to, path))
        {
            raw.headers.insert(header::LOCATION, location);
        }
        reply
    }

    fn restricted(&self, said: &HeaderValue) -> HeaderValue {
        let mut known = self.known.borrow_mut();
        if let Some((_, value)) = known.iter().find(|(from, _)| from == said) {
            return value.clone();
        }
        let value = restricted(said);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.push((said.clone(), value.clone()));
        value
    }
}

/// `location` behind the token that stands in front of `path`; a relative one keeps it by itself, and of no other place
/// is it any business.
fn with_token(location: &HeaderValue, path: &str) -> Option<HeaderValue> {
    let location = location.to_str().ok().filter(|to| to.starts_with('/') && !to.starts_with("//"))?;
    let split = TokenPath::split(path)?;
    let front = path.strip_suffix(split.rest())?;
    HeaderValue::from_str(&format!("{front}{location}")).ok()
}

/// All that `headers` say to caches, as one field.
fn joined(headers: &HeaderMap) -> HeaderValue {
    let lines: Vec<&[u8]> =
        headers.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
    // Each was a value, and so is all of it.
    HeaderValue::from_bytes(&lines.join(&b", "[..])).unwrap_or(PRIVATE)
}

/// The same for one client only. What nobody may store at all stays so.
fn restricted(said: &HeaderValue) -> HeaderValue {
    let mut value = PRIVATE.as_bytes().to_vec();
    let mut rest = said.as_bytes();
    while !rest.is_empty() {
        let (directive, after) = split_outside_quotes(rest, b',');
        rest = after;
        let directive = directive.trim_ascii();
        let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii_end();
        if name.eq_ignore_ascii_case(b"no-store") {
            return said.clone();
        }
        let is_for_shared = SHARED.iter().any(|shared| name.eq_ignore_ascii_case(shared));
        if !name.is_empty() && !is_for_shared {
            value.extend_from_slice(b", ");
            value.extend_from_slice(directive);
        }
    }
    HeaderValue::from_bytes(&value).unwrap_or(PRIVATE)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use rillcast_http::{Entity, Problem, RawReply, Redirect};

    use super::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).expect("a value")
    }

    #[test]
    fn what_was_public_is_private_and_is_kept_as_long() {
        for (said, expected) in [
            ("public, max-age=31536000, immutable", "private, max-age=31536000, immutable"),
            ("max-age=2", "private, max-age=2"),
            ("PUBLIC,S-MaxAge=60 , max-age=5,proxy-revalidate", "private, max-age=5"),
            ("s-maxage = 60", "private"),
            ("", "private"),
            (",,", "private"),
            ("no-cache", "private, no-cache"),
            // A part of the fields only is not enough.
            ("private=\"set-cookie, x\", max-age=5", "private, max-age=5"),
            ("no-cache=\"a, public\", max-age=1", "private, no-cache=\"a, public\", max-age=1"),
            ("no-store", "no-store"),
            ("public, No-Store", "public, No-Store"),
            ("private", "private"),
        ] {
            let personal = Personal::default();
            for _ in 0..2 {
                assert_eq!(personal.restricted(&value(said)), value(expected), "{said}");
            }
        }
    }

    #[test]
    fn a_redirect_within_us_takes_the_token_along() {
        let personal = Personal::default();
        for (path, location, expected) in [
            ("/t/a.b.c/vod/old", "/vod/new?x=1", "/t/a.b.c/vod/new?x=1"),
            ("/t/a.b.c/vod/old", "new", "new"),
            ("/t/a.b.c/vod/old", "//other.example/", "//other.example/"),
            ("/t/a.b.c/vod/old", "https://other.example/", "https://other.example/"),
            ("/vod/old", "/vod/new", "/vod/new"),
        ] {
            let mut raw = RawReply::ok(value("text/plain"), "");
            raw.status = StatusCode::FOUND;
            raw.headers.insert(header::LOCATION, value(location));
            let Reply::Raw(sent) = personal.lead_on(raw.into(), path) else { unreachable!() };
            assert_eq!(sent.headers[header::LOCATION], expected, "{path}: {location}");
        }
    }

    #[test]
    fn of_many_values_few_are_remembered() {
        let personal = Personal::default();
        for age in 0..=KNOWN_MAX {
            personal.restricted(&value(&format!("max-age={age}")));
            assert!(personal.known.borrow().len() <= KNOWN_MAX);
        }
        assert_eq!(personal.known.borrow().len(), 1);
    }

    #[test]
    fn every_kind_of_answer_is_kept_from_others() {
        let personal = Personal::default();
        let mut entity = Entity::new(value("text/plain"), "x");
        entity.cache_control = value("public, max-age=9");
        let Reply::Entity(sent) = personal.keep_from_others(entity.into()) else { unreachable!() };
        assert_eq!(sent.cache_control, Some(value("private, max-age=9")));

        let problem = Problem::new(StatusCode::NOT_FOUND, "x", "X", "x");
        let problem = problem.with_cache_control(value("public, max-age=1"));
        let Reply::Problem(sent) = personal.keep_from_others(problem.into()) else { unreachable!() };
        assert_eq!(sent.cache_control, "private, max-age=1");

        let mut redirect = Redirect::found(value("/a"));
        redirect.cache_control = value("max-age=3");
        let Reply::Redirect(sent) = personal.keep_from_others(redirect.into()) else { unreachable!() };
        assert_eq!(sent.cache_control, "private, max-age=3");

        let mut raw = RawReply::ok(value("text/plain"), "x");
        raw.headers.insert(header::CACHE_CONTROL, value("public"));
        raw.headers.append(header::CACHE_CONTROL, value("max-age=7"));
        let Reply::Raw(sent) = personal.keep_from_others(raw.into()) else { unreachable!() };
        assert_eq!(
            sent.headers.get_all(header::CACHE_CONTROL).iter().collect::<Vec<_>>(),
            ["private, max-age=7"]
        );
    }
}
