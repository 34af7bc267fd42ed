//! What no handler should see: requests that are malformed, ambiguous or too large.
//!
//! hyper has parsed the framing; here is what it leaves to its users (RFC 9112 §3.2, RFC 9110 §7.2), plus our
//! limits. Percent-encodings stay as they are, but an encoded control byte is refused like a bare one, so that no
//! later layer has to think of it.

use http::{HeaderMap, Method, StatusCode, Uri, Version, header, uri::PathAndQuery};
use memchr::memchr_iter;

use crate::{handler::READ_METHODS, limits::Limits, problem::Problem, respond::method_not_allowed};

/// Checks a head and returns its path and query.
///
/// # Errors
/// The problem to answer with; always the client's fault.
pub(crate) fn admit(
    method: &Method,
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<PathAndQuery, Box<Problem>> {
    if *method == Method::CONNECT {
        return Err(method_not_allowed(READ_METHODS).into());
    }
    let target = uri.path_and_query().cloned().ok_or_else(|| refuse("the target has no path"))?;
    if target.as_str().len() > limits.target_bytes {
        return Err(too_long(limits.target_bytes).into());
    }
    let is_asterisk = *method == Method::OPTIONS && target.as_str() == "*";
    if !target.path().starts_with('/') && !is_asterisk {
        return Err(refuse("the path does not begin with a slash"));
    }
    if has_control_byte(target.as_str().as_bytes()) {
        return Err(refuse("the target holds a control byte"));
    }
    check_host(uri, version, headers)?;
    if head_bytes(uri, headers) > limits.header_bytes || headers.len() > limits.header_fields {
        return Err(too_large(limits).into());
    }
    Ok(target)
}

/// `Host` must be there once in HTTP/1.1 and may be there once elsewhere (RFC 9112 §3.2).
fn check_host(uri: &Uri, version: Version, headers: &HeaderMap) -> Result<(), Box<Problem>> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() || (version == Version::HTTP_11 && first.is_none()) {
        return Err(refuse("there must be one Host"));
    }
    let Some(host) = first else { return Ok(()) };
    if is_plain_host(host.as_bytes()) {
        return Ok(());
    }
    let authority = host.to_str().ok().and_then(|text| text.parse::<http::uri::Authority>().ok());
    let is_empty = host.is_empty() && uri.authority().is_none();
    match authority {
        Some(authority) if !authority.as_str().contains('@') => Ok(()),
        _ if is_empty => Ok(()),
        _ => Err(refuse("Host is no host")),
    }
}

/// Whether `host` is what nearly every client sends: a name or an IPv4 address, and a port perhaps.
fn is_plain_host(host: &[u8]) -> bool {
    let mut parts = host.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_port = |port: &[u8]| (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    !name.is_empty() && name.iter().all(is_name) && parts.next().is_none_or(is_port)
}

/// Whether a control byte stands in `target`, bare or percent-encoded.
fn has_control_byte(target: &[u8]) -> bool {
    // Tokens are long: without a way out in the middle many bytes are looked at in one step.
    let is_bare = target.iter().fold(false, |is_bare, byte| is_bare | byte.is_ascii_control());
    is_bare
        || memchr_iter(b'%', target).any(|at| match target.get(at..) {
            Some([_, b'0' | b'1', low, ..]) => low.is_ascii_hexdigit(),
            Some([_, b'7', b'f' | b'F', ..]) => true,
            _ => false,
        })
}

/// Bytes of a head as HTTP/1 would write it; HTTP/2's own count is close to it.
fn head_bytes(uri: &Uri, headers: &HeaderMap) -> usize {
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    // Colon, space and the end of the line.
    let line = |name: &str, value: &[u8]| name.len().saturating_add(value.len()).saturating_add(4);
    headers
        .iter()
        .map(|(name, value)| line(name.as_str(), value.as_bytes()))
        .fold(target, usize::saturating_add)
}

fn refuse(why: &'static str) -> Box<Problem> {
    Problem::bad_request(why).into()
}

fn too_large(limits: &Limits) -> Problem {
    let Limits { header_bytes, header_fields, .. } = limits;
    Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "header_too_large",
        "Request header too large",
        format!("at most {header_fields} fields and {header_bytes} bytes are read"),
    )
}

fn too_long(limit_bytes: usize) -> Problem {
    let detail = format!("at most {limit_bytes} bytes of path and query are read");
    Problem::new(StatusCode::URI_TOO_LONG, "target_too_long", "Target too long", detail)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn check(method: &Method, target: &str, lines: &[(&'static str, &str)], expected: Option<u16>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let limits = Limits { target_bytes: 40, header_bytes: 200, header_fields: 5, ..Limits::default() };
        let result = admit(method, &target.parse().unwrap(), Version::HTTP_11, &headers, &limits);
        assert_eq!(
            result.err().map(|problem| problem.status.as_u16()),
            expected,
            "{method} {target} {lines:?}"
        );
    }

    #[test]
    fn targets_are_paths_without_control_bytes() {
        let host = [("host", "a")];
        for (target, status) in [
            ("/", None),
            ("/a%20b/%zz?x=%2e", None),
            ("http://a/b", None),
            ("/a%00", Some(400)),
            ("/a%0D%0aSet-Cookie:x", Some(400)),
            ("/a?b=%1f", Some(400)),
            ("/%7F", Some(400)),
            ("/%7e", None),
            ("*", Some(400)),
        ] {
            check(&Method::GET, target, &host, status);
        }
        check(&Method::OPTIONS, "*", &host, None);
        check(&Method::CONNECT, "a:443", &host, Some(405));
    }

    #[test]
    fn there_is_exactly_one_host() {
        for (lines, status) in [
            (&[][..], Some(400)),
            (&[("host", "a"), ("host", "a")], Some(400)),
            (&[("host", "a b")], Some(400)),
            (&[("host", "a-b.example:8080")], None),
            (&[("host", "user@a")], Some(400)),
            (&[("host", "[::1]:80")], None),
            (&[("host", "")], None),
        ] {
            check(&Method::GET, "/", lines, status);
        }
    }

    proptest! {
        #[test]
        fn the_short_way_takes_no_host_that_the_long_way_refuses(host in "[a-z0-9.:@\\[\\]%_-]{0,12}") {
            if is_plain_host(host.as_bytes()) {
                prop_assert!(host.parse::<http::uri::Authority>().is_ok_and(|host| !host.as_str().contains('@')));
            }
        }
    }

    #[test]
    fn sizes_are_taken_at_the_limit_and_refused_one_past_it() {
        let host = [("host", "a")];
        check(&Method::GET, &format!("/{}", "x".repeat(39)), &host, None);
        check(&Method::GET, &format!("/{}", "x".repeat(40)), &host, Some(414));
        // One byte of target, nine of the host line; the field below has a name of two and four for the line.
        let room = 200 - 1 - 9 - 6;
        check(&Method::GET, "/", &[("host", "a"), ("xx", &"x".repeat(room))], None);
        check(&Method::GET, "/", &[("host", "a"), ("xx", &"x".repeat(room + 1))], Some(431));
        let fields = |count: usize| [vec![("host", "a")], vec![("x", ""); count - 1]].concat();
        check(&Method::GET, "/", &fields(5), None);
        check(&Method::GET, "/", &fields(6), Some(431));
    }
}
