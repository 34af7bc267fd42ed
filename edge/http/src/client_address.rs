//! Which address a request really comes from (RFC 7239, and `X-Forwarded-For` as everyone writes it).
//!
//! Only a peer from a configured network is believed, and only about the hop before it: the list is read from its
//! right end, and the first address that is not itself trusted is the client. What a client writes into the header
//! stands further left and is never reached; quotes are paired from the right too, so that one which the client leaves
//! open cannot swallow what a proxy appended. One header is believed, the one that the proxies are known to write: a
//! proxy that appends to one passes the other on as the client sent it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use crate::{networks::Networks, request::ClientAddress};

/// Most hops that are read from the right end of the list.
pub const HOPS_MAX: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom to believe about the client's address, and in which header they tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where the proxies are; the empty set believes nobody.
    pub networks: Networks,
    /// The header that every one of them writes.
    pub header: ClientHeader,
}

/// The header in which proxies tell the client's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientHeader {
    /// `X-Forwarded-For`: what nearly all proxies append to.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

impl ClientHeader {
    /// The field's name.
    pub const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// The address that one element of the field tells.
    fn address(self, element: &[u8]) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node_ip(element),
            Self::Forwarded => forwarded_for(element),
        }
    }
}

/// The client of a request from `peer`. An unreadable or hidden hop ends the walk at the last address somebody
/// trusted has vouched for.
pub fn resolve(peer: SocketAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> ClientAddress {
    let TrustedProxies { networks, header } = trusted;
    let mut ip = peer.ip().to_canonical();
    if networks.contains(ip) {
        for hop in hops_from_right(headers, &header.name()).take(HOPS_MAX) {
            let Some(next) = hop.and_then(|hop| header.address(hop)) else { break };
            ip = next;
            if !networks.contains(ip) {
                break;
            }
        }
    }
    ClientAddress { ip, peer }
}

/// The elements of all lines of a list field, last first.
fn hops_from_right<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<&'a [u8]>> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines.into_iter().rev().flat_map(|line| parts_from_right(line.as_bytes(), b','))
}

/// The parts of `text` between separators that no quotes hold, trimmed, last first; `None` for a first part with a quote
/// that nothing opens: where it begins cannot be told.
fn parts_from_right(text: &[u8], separator: u8) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut is_quoted = false;
        let found = (0..text.len()).rev().find(|at| match text.get(*at) {
            Some(b'"') if !is_escaped(text, *at) => {
                is_quoted = !is_quoted;
                false
            }
            byte => byte == Some(&separator) && !is_quoted,
        });
        let (left, part) = match found.and_then(|at| text.split_at_checked(at)) {
            Some((left, part)) => (Some(left), part.get(1..).unwrap_or_default()),
            None => (None, text),
        };
        rest = left;
        Some((!is_quoted).then(|| part.trim_ascii()))
    })
}

/// Whether an odd number of backslashes stands before the byte at `at` (RFC 9110 §5.6.4).
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address of the `for` parameter of one `Forwarded` element; none when it is there twice (RFC 7239 §4), because
/// then one of the two is somebody else's.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in parts_from_right(element, b';') {
        let Some((name, value)) = pair?.split_at_checked(b"for=".len()) else { continue };
        if name.eq_ignore_ascii_case(b"for=") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    let unquoted = match value {
        [b'"', inner @ .., b'"'] => inner,
        bare => bare,
    };
    node_ip(unquoted)
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` or `[::1]:5`. Names, `unknown` and `_hidden` are none.
fn node_ip(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let without_port =
        || text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse();
    let ip: IpAddr = match text.parse::<SocketAddr>() {
        Ok(with_port) => with_port.ip(),
        Err(_) => without_port().ok()?,
    };
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(peer: &str, lines: &[(HeaderName, &str)], expected: &str) {
        check_header(ClientHeader::XForwardedFor, peer, lines, expected);
    }

    fn check_header(header: ClientHeader, peer: &str, lines: &[(HeaderName, &str)], expected: &str) {
        let networks =
            ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap()).into_iter().collect();
        let trusted = TrustedProxies { networks, header };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let peer: SocketAddr = peer.parse().unwrap();
        let client = resolve(peer, &headers, &trusted);
        assert_eq!((client.ip.to_string().as_str(), client.peer), (expected, peer), "{lines:?}");
    }

    #[test]
    fn the_right_most_untrusted_address_is_the_client() {
        let xff = X_FORWARDED_FOR;
        for (field, expected) in [
            ("203.0.113.5", "203.0.113.5"),
            ("1.1.1.1, 203.0.113.5", "203.0.113.5"),
            ("203.0.113.5, 10.0.0.9", "203.0.113.5"),
            ("1.1.1.1,203.0.113.5,10.0.0.8,10.0.0.9", "203.0.113.5"),
            ("203.0.113.5:4711, 10.0.0.9:80", "203.0.113.5"),
            ("[2001:db9::5]:80, 2001:db8::1", "2001:db9::5"),
            ("10.0.0.7, 10.0.0.8", "10.0.0.7"),
            ("203.0.113.5, unknown, 10.0.0.9", "10.0.0.9"),
            ("203.0.113.5, ", "10.0.0.1"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
            ("", "10.0.0.1"),
        ] {
            check("10.0.0.1:1234", &[(xff.clone(), field)], expected);
        }
        check("10.0.0.1:1", &[(xff.clone(), "1.1.1.1"), (xff, "203.0.113.5, 10.0.0.2")], "203.0.113.5");
        check("10.0.0.1:1", &[], "10.0.0.1");
    }

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        check("198.51.100.1:1", &[(X_FORWARDED_FOR, "203.0.113.5")], "198.51.100.1");
        check("[::ffff:198.51.100.1]:1", &[(header::FORWARDED, "for=203.0.113.5")], "198.51.100.1");
    }

    #[test]
    fn the_standard_header_is_read_with_its_quotes_and_parameters() {
        for (field, expected) in [
            ("for=203.0.113.5", "203.0.113.5"),
            ("proto=https; FOR=203.0.113.5;by=10.0.0.1", "203.0.113.5"),
            ("for=\"[2001:db9::17]:4711\"", "2001:db9::17"),
            ("for=203.0.113.5, for=\"[2001:db8::1]\"", "203.0.113.5"),
            ("for=203.0.113.5, for=_hidden", "10.0.0.1"),
            ("for=203.0.113.5, proto=https", "10.0.0.1"),
        ] {
            let lines = [(header::FORWARDED, field), (X_FORWARDED_FOR, "9.9.9.9")];
            check_header(ClientHeader::Forwarded, "10.0.0.1:1", &lines, expected);
        }
    }

    #[test]
    fn what_a_client_gets_into_quotes_of_the_proxy_stays_there() {
        for (host, expected) in [
            ("a;for=8.8.8.8;b", "203.0.113.5"),
            ("a, for=8.8.8.8;b", "203.0.113.5"),
            (r#"a\";for=8.8.8.8;b=\"c"#, "203.0.113.5"),
            (r"a;for=8.8.8.8;b\\", "203.0.113.5"),
            // A proxy that does not escape a quote, or two.
            (r#"a";for=8.8.8.8;b=""#, "10.0.0.1"),
            (r#"a";b=c"#, "10.0.0.1"),
        ] {
            for own in
                [format!("host=\"{host}\";for=203.0.113.5"), format!("for=203.0.113.5;host=\"{host}\"")]
            {
                let lines = [(header::FORWARDED, own.as_str())];
                check_header(ClientHeader::Forwarded, "10.0.0.1:1", &lines, expected);
            }
        }
    }

    #[test]
    fn a_quote_that_the_client_leaves_open_swallows_nothing() {
        for before in ["for=\"a", "for=8.8.8.8;x=\"", "\"\"\"", "x=\"\\", "for=\"8.8.8.8"] {
            for own in ["for=203.0.113.5", "for=\"203.0.113.5:80\";host=\"b\""] {
                let field = format!("{before}, {own}, for=\"10.0.0.9\"");
                let lines = [(header::FORWARDED, field.as_str())];
                check_header(ClientHeader::Forwarded, "10.0.0.1:1", &lines, "203.0.113.5");
            }
        }
    }

    #[test]
    fn the_header_that_proxies_do_not_write_is_the_clients_own() {
        let lines = [(header::FORWARDED, "for=127.0.0.1"), (X_FORWARDED_FOR, "203.0.113.5")];
        check("10.0.0.1:1", &lines, "203.0.113.5");
        check("10.0.0.1:1", &lines[..1], "10.0.0.1");
        check_header(ClientHeader::Forwarded, "10.0.0.1:1", &lines[1..], "10.0.0.1");
    }

    #[test]
    fn the_walk_ends_after_the_most_hops() {
        let with_trusted_hops = |count: usize| format!("203.0.113.5{}", ", 10.0.0.2".repeat(count));
        check("10.0.0.1:1", &[(X_FORWARDED_FOR, &with_trusted_hops(HOPS_MAX - 1))], "203.0.113.5");
        check("10.0.0.1:1", &[(X_FORWARDED_FOR, &with_trusted_hops(HOPS_MAX))], "10.0.0.2");
    }
}
