//! The PROXY protocol, versions 1 and 2 (HAProxy, "The PROXY protocol", revision 2020/03/05): who really is at the
//! other end, said once before the first byte of the connection.
//!
//! Pure: bytes in, address out. Only a listener that is configured for it, and only a peer from a configured
//! network, gets here; then the header is a duty.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest version 1 line with its end, in bytes (section 2.1).
pub const V1_BYTES_MAX: usize = 107;
/// Longest version 2 header we take, in bytes: the 16 fixed ones, addresses and extensions.
pub const V2_BYTES_MAX: usize = 2048;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED_BYTES: usize = 16;

/// What a complete header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Bytes the header took; what follows is the connection's own.
    pub len: usize,
    /// The client; `None` when the proxy speaks for itself (`LOCAL`, health checks) or does not know.
    pub source: Option<SocketAddr>,
}

/// Why a connection does not begin with a PROXY header; the peer's fault, or its configuration's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The first bytes are no signature.
    #[error("no PROXY signature")]
    Missing,
    /// The header is longer than we take.
    #[error("PROXY header of {len} bytes, limit {limit}")]
    TooLong {
        /// Bytes it has, or has so far.
        len: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// A field does not hold what it must.
    #[error("PROXY header: bad {what}")]
    Bad {
        /// Which field.
        what: &'static str,
    },
}

/// Reads a header from the front of `bytes`; `None` means that more bytes are needed.
///
/// # Errors
/// See [`ProxyError`]; found as soon as the bytes so far cannot become a header.
pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    if begins_like(bytes, V1_START) {
        if bytes.len() < V1_START.len() { Ok(None) } else { parse_v1(bytes) }
    } else if begins_like(bytes, V2_START) {
        if bytes.len() < V2_FIXED_BYTES { Ok(None) } else { parse_v2(bytes) }
    } else {
        Err(ProxyError::Missing)
    }
}

/// Whether `bytes`, as far as they go, are the front of something that begins with `start`.
fn begins_like(bytes: &[u8], start: &[u8]) -> bool {
    let common = bytes.len().min(start.len());
    bytes.get(..common) == start.get(..common)
}

/// `PROXY TCP4 source destination sourceport destinationport CRLF`.
fn parse_v1(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let window = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        let (len, limit) = (bytes.len(), V1_BYTES_MAX);
        return if len >= limit { Err(ProxyError::TooLong { len, limit }) } else { Ok(None) };
    };
    let bad = |what| ProxyError::Bad { what };
    let line = bytes.get(..end).and_then(|line| std::str::from_utf8(line).ok()).ok_or_else(|| bad("line"))?;
    let len = end.saturating_add(2);
    let mut words = line.split(' ').skip(1);
    let family = words.next().ok_or_else(|| bad("family"))?;
    if family == "UNKNOWN" {
        return Ok(Some(ProxyHeader { len, source: None }));
    }
    let mut address =
        |what| words.next().and_then(|word| word.parse::<IpAddr>().ok()).ok_or_else(|| bad(what));
    let (source, destination) = (address("source")?, address("destination")?);
    let is_right_family = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    if !is_right_family {
        return Err(bad("family"));
    }
    let mut port = |what| words.next().and_then(read_port).ok_or_else(|| bad(what));
    let (source_port, _) = (port("source port")?, port("destination port")?);
    match words.next() {
        None => Ok(Some(ProxyHeader { len, source: Some(SocketAddr::new(source, source_port)) })),
        Some(_) => Err(bad("end of line")),
    }
}

/// A port as version 1 writes it: digits without a sign or leading zeros (section 2.1).
fn read_port(word: &str) -> Option<u16> {
    let is_plain = word == "0" || !word.starts_with(['0', '+']);
    word.parse().ok().filter(|_| is_plain)
}

/// Signature, version and command, family and protocol, length; then addresses and extensions we skip.
fn parse_v2(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let (fixed, rest) = bytes.split_at_checked(V2_FIXED_BYTES).ok_or(ProxyError::Missing)?;
    let [.., version_command, family, len_high, len_low] = fixed else { return Err(ProxyError::Missing) };
    let rest_len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
    let len = V2_FIXED_BYTES.saturating_add(rest_len);
    if len > V2_BYTES_MAX {
        return Err(ProxyError::TooLong { len, limit: V2_BYTES_MAX });
    }
    let is_local = match version_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Bad { what: "version or command" }),
    };
    let Some(addresses) = rest.get(..rest_len) else { return Ok(None) };
    let source = match family {
        _ if is_local => None,
        // TCP over IPv4: two addresses, two ports.
        0x11 => Some(source_of::<4>(addresses, 8, |ip| Ipv4Addr::from(ip).into())?),
        // TCP over IPv6.
        0x21 => Some(source_of::<16>(addresses, 32, |ip| Ipv6Addr::from(ip).into())?),
        // Unspecified, UNIX sockets and datagrams: nothing we could use as an address.
        _ => None,
    };
    Ok(Some(ProxyHeader { len, source }))
}

fn source_of<const N: usize>(
    addresses: &[u8],
    port_at: usize,
    to_ip: fn([u8; N]) -> IpAddr,
) -> Result<SocketAddr, ProxyError> {
    let bad = ProxyError::Bad { what: "address block" };
    let ip = addresses.first_chunk::<N>().ok_or(bad)?;
    let port = addresses.get(port_at..).and_then(<[u8]>::first_chunk::<2>).ok_or(bad)?;
    // The destination's port must be there too, although nobody reads it.
    addresses.get(port_at.saturating_add(2)..).and_then(<[u8]>::first_chunk::<2>).ok_or(bad)?;
    Ok(SocketAddr::new(to_ip(*ip), u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = V2_START.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    fn v2_tcp4() -> Vec<u8> {
        v2(0x21, 0x11, &[203, 0, 113, 5, 10, 0, 0, 1, 0x12, 0x67, 0, 80])
    }

    /// Checks the whole, the whole with something behind it, and every cut.
    fn check(header: &[u8], source: Option<&str>) {
        let expected = ProxyHeader { len: header.len(), source: source.map(|text| text.parse().unwrap()) };
        assert_eq!(parse(header), Ok(Some(expected)));
        assert_eq!(parse(&[header, b"GET / HTTP/1.1"].concat()), Ok(Some(expected)));
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn both_versions_and_families_name_the_source() {
        check(b"PROXY TCP4 203.0.113.5 10.0.0.1 4711 80\r\n", Some("203.0.113.5:4711"));
        check(b"PROXY TCP6 2001:db8::5 ::1 4711 80\r\n", Some("[2001:db8::5]:4711"));
        check(b"PROXY UNKNOWN\r\n", None);
        check(b"PROXY UNKNOWN whatever stands here\r\n", None);
        check(&v2_tcp4(), Some("203.0.113.5:4711"));
        let mut six = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5).octets().to_vec();
        six.extend([0; 16]);
        six.extend([0x12, 0x67, 0, 80]);
        six.extend([4, 0, 1, 0]); // An extension (PP2_TYPE_NOOP) is skipped.
        check(&v2(0x21, 0x21, &six), Some("[2001:db8::5]:4711"));
        check(&v2(0x20, 0x11, &[0; 12]), None);
        check(&v2(0x20, 0x00, &[]), None);
        check(&v2(0x21, 0x00, &[1, 2, 3]), None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (bytes, what) in [
            (&b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"[..], "family"),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n", "family"),
            (b"PROXY TCP4 1.1.1.1.1 2.2.2.2 1 2\r\n", "source"),
            (b"PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", "destination"),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", "source port"),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", "source port"),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 02\r\n", "destination port"),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "destination port"),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", "end of line"),
            (b"PROXY TCP4 \xff 2.2.2.2 1 2\r\n", "line"),
            (b"PROXY \r\n", "source"),
            (&v2(0x31, 0x11, &[0; 12]), "version or command"),
            (&v2(0x22, 0x11, &[0; 12]), "version or command"),
            (&v2(0x21, 0x11, &[0; 11]), "address block"),
            (&v2(0x21, 0x21, &[0; 35]), "address block"),
        ] {
            let result = parse(bytes);
            assert!(
                matches!(result, Err(ProxyError::Bad { what: found }) if found == what || (found == "family" && what == "source")),
                "{bytes:?}: {result:?}"
            );
        }
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PROXX", b"\r\n\r\n\0\r\nQUIX", b"P\0"] {
            assert_eq!(parse(bytes), Err(ProxyError::Missing), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_are_taken_at_the_limit_and_refused_one_past_it() {
        let padded = |len: usize| {
            let mut line = b"PROXY UNKNOWN ".to_vec();
            line.resize(len - 2, b'x');
            line.extend(b"\r\n");
            line
        };
        assert!(matches!(parse(&padded(V1_BYTES_MAX)), Ok(Some(_))));
        assert!(matches!(
            parse(&padded(V1_BYTES_MAX + 1)),
            Err(ProxyError::TooLong { limit: V1_BYTES_MAX, .. })
        ));
        let rest = V2_BYTES_MAX - V2_FIXED_BYTES;
        assert!(matches!(parse(&v2(0x20, 0, &vec![0; rest])), Ok(Some(_))));
        assert_eq!(
            parse(&v2(0x20, 0, &vec![0; rest + 1])),
            Err(ProxyError::TooLong { len: V2_BYTES_MAX + 1, limit: V2_BYTES_MAX })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_and_never_overrun(tail in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
            let bytes = match kind {
                0 => tail,
                1 => [V1_START, &tail].concat(),
                _ => [V2_START, &tail].concat(),
            };
            if let Ok(Some(header)) = parse(&bytes) {
                prop_assert!(header.len <= bytes.len());
            }
        }
    }
}
