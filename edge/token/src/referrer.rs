//! The hosts whose pages may refer to media.

use crate::limits::HOST_BYTES_MAX;

/// One entry of the claim `referrers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Referrer {
    /// A request that tells no referrer.
    Untold,
    /// This host.
    Host(Box<str>),
    /// Any host below this one, not the host itself.
    Below(Box<str>),
}

impl Referrer {
    /// Reads an entry: empty, a host, or `*.` and a host; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Untold);
        }
        let lower = text.to_ascii_lowercase();
        match lower.strip_prefix("*.") {
            Some(host) => is_host(host).then(|| Self::Below(host.into())),
            None => is_host(&lower).then(|| Self::Host(lower.into())),
        }
    }

    /// Whether it allows what a `Referer` or `Origin` header says.
    pub(crate) fn allows(&self, header: Option<&str>) -> bool {
        match (self, header) {
            (Self::Untold, header) => header.is_none(),
            (_, None) => false,
            (Self::Host(allowed), Some(header)) => {
                host_of(header).is_some_and(|host| host.eq_ignore_ascii_case(allowed))
            }
            (Self::Below(parent), Some(header)) => host_of(header).is_some_and(|host| is_below(host, parent)),
        }
    }
}

fn is_below(host: &str, parent: &str) -> bool {
    let Some(at) = host.len().checked_sub(parent.len()) else { return false };
    host.is_char_boundary(at)
        && host.split_at_checked(at).is_some_and(|(front, back)| {
            front.len() > 1 && front.ends_with('.') && back.eq_ignore_ascii_case(parent)
        })
}

/// The host of `https://host:port/…` (RFC 3986 §3.2.2), without the dot of an absolute name; `None` for what is no such
/// URL, `null` among it. What is not plainly a host is none: browsers read odd URLs in odd ways.
fn host_of(header: &str) -> Option<&str> {
    let (_, rest) = header.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    is_host(host).then_some(host)
}

/// Whether `text` is a name or an address of letters, digits, hyphens, underscores and dots, or an IPv6 address in
/// brackets.
fn is_host(text: &str) -> bool {
    let is_name =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let is_good = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !text.starts_with('.') && is_name(text),
    };
    (1..=HOST_BYTES_MAX).contains(&text.len()) && is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, header: &str) -> bool {
        Referrer::parse(entry).expect("an entry").allows(Some(header))
    }

    #[test]
    fn a_host_is_itself_in_any_case_and_at_any_port() {
        for header in [
            "https://example.org",
            "http://EXAMPLE.org:8080/a?b",
            "https://example.org./",
            "https://example.org?x",
        ] {
            assert!(allows("Example.Org", header), "{header}");
        }
        for header in [
            "https://example.org.evil.example/",
            "https://evil.example/https://example.org",
            "https://example.org@evil.example/",
            "https://evil.example\\@example.org/",
            "https://www.example.org/",
            "https://xexample.org/",
            "null",
            "",
            "example.org",
        ] {
            assert!(!allows("example.org", header), "{header}");
        }
    }

    #[test]
    fn a_star_stands_for_what_is_below() {
        assert!(
            allows("*.example.org", "https://www.example.org/")
                && allows("*.example.org", "https://a.b.example.org")
        );
        assert!(!allows("*.example.org", "https://example.org/"));
        assert!(!allows("*.example.org", "https://.example.org/"));
        assert!(!allows("*.example.org", "https://badexample.org/"));
        assert!(!allows("*.example.org", "https://ü.example.org/"));
    }

    #[test]
    fn a_missing_referrer_must_be_allowed() {
        assert!(Referrer::parse("").expect("an entry").allows(None));
        assert!(!Referrer::parse("").expect("an entry").allows(Some("https://example.org")));
        assert!(!Referrer::parse("example.org").expect("an entry").allows(None));
    }

    #[test]
    fn what_is_no_host_is_no_entry() {
        for text in [
            "*",
            "*.",
            "a*.example.org",
            "https://example.org",
            "example.org:80",
            "a b",
            "ü.example",
            "*.*.a",
        ] {
            assert_eq!(Referrer::parse(text), None, "{text}");
        }
        assert!(Referrer::parse(&"a".repeat(HOST_BYTES_MAX)).is_some());
        assert!(Referrer::parse(&"a".repeat(HOST_BYTES_MAX + 1)).is_none());
        assert!(allows("[2001:db8::1]", "https://[2001:db8::1]:443/"));
    }
}
