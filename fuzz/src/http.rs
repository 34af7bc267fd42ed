//! Header fields and first bytes of connections: what a client, or a proxy, says about itself.

pub mod client_address;
pub mod conditions;
pub mod proxy_protocol;
pub mod respond;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderValue, header};
use rillcast_http::Network;
use rillcast_http::coding::Coding;
use rillcast_http::range::{self, RangeAnswer};

use crate::fields;

/// `Range`: eight bytes of length, then the field. A part lies inside the body, means the same when
/// it is written anew, and is that of any longer body whose end it does not name.
pub fn range(data: &[u8]) {
    let Some((len, field)) = fields::number(data) else { return };
    let answer = range::decide(field, len);
    assert!(field.is_ascii() || answer == RangeAnswer::Whole, "a range is ASCII");
    match answer {
        RangeAnswer::Part(part) => {
            assert!(part.start < part.end && part.end <= len);
            let again = format!("bytes={}-{}", part.start, part.end - 1);
            assert_eq!(range::decide(again.as_bytes(), len), RangeAnswer::Part(part.clone()));
            let header = range::content_range(&part, len);
            assert_eq!(header, format!("bytes {}-{}/{len}", part.start, part.end - 1));
            if part.end < len {
                assert_eq!(range::decide(field, u64::MAX), RangeAnswer::Part(part));
            }
        }
        RangeAnswer::Unsatisfiable => {
            let of_any = range::decide(field, u64::MAX);
            assert!(of_any != RangeAnswer::Whole, "what is no range of one body is none of another");
        }
        RangeAnswer::Whole => assert_eq!(range::decide(field, len / 2), RangeAnswer::Whole),
    }
}

/// `Accept-Encoding`: a list may be cut into lines at its commas; case does not matter; a coding
/// that is chosen was named, or everything was; the first word about a coding counts.
pub fn accept_encoding(data: &[u8]) {
    let Ok(field) = HeaderValue::from_bytes(data) else { return };
    let of = |values: &[&[u8]]| {
        let values = values.iter().map(|value| HeaderValue::from_bytes(value).expect("parts of a value"));
        Coding::negotiate(&values.map(|value| (header::ACCEPT_ENCODING, value)).collect::<HeaderMap>())
    };
    let whole = Coding::negotiate(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, field)]));
    let mut lines = HeaderMap::new();
    for part in data.split(|byte| *byte == b',') {
        lines.append(header::ACCEPT_ENCODING, HeaderValue::from_bytes(part).expect("parts of a value"));
    }
    assert_eq!(Coding::negotiate(&lines), whole, "a list in lines");
    assert_eq!(of(&[&data.to_ascii_uppercase()]), whole, "case");
    let lower = data.to_ascii_lowercase();
    let names = |name: &[u8]| lower.windows(name.len()).any(|window| window == name);
    match whole {
        Some(Coding::Brotli) => assert!(names(b"br") || names(b"*")),
        Some(Coding::Gzip) => assert!(names(b"gzip") || names(b"*")),
        None => {}
    }
    let first = |word: &[u8]| of(&[&[word, b", ", data].concat()]);
    assert_eq!(first(b"br;q=0, gzip;q=0"), None, "both refused");
    assert_eq!(first(b"br;q=0, gzip, identity;q=0"), Some(Coding::Gzip));
    assert_eq!(first(b"br;q=0.001, gzip;q=0, identity;q=0"), Some(Coding::Brotli));
}

/// A network of the configuration: sixteen bytes of an address, then the text. Membership is that of
/// a slow comparison bit by bit.
pub fn network(data: &[u8]) {
    let Some((address, text)) = data.split_first_chunk::<16>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(network) = text.parse::<Network>() else { return };
    let (base, prefix) = match text.split_once('/') {
        Some((base, prefix)) => (base, Some(prefix)),
        None => (text, None),
    };
    let base: IpAddr = base.parse().expect("a network begins with an address");
    assert!(network.contains(base), "{text} holds its own address");
    assert!(prefix.is_none_or(|prefix| prefix.bytes().all(|byte| byte.is_ascii_digit())), "{text}");
    let limit = if base.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(limit, |prefix| prefix.parse().expect("a network ends with a number"));
    let [a, b, c, d, ..] = *address;
    let (four, six) = (IpAddr::from([a, b, c, d]), IpAddr::from(*address));
    for ip in [four, six, near(base, four, prefix), near(base, six, prefix)] {
        assert_eq!(network.contains(ip), shares(base, ip, prefix), "{text} {ip}");
    }
}

/// `base` with another tail: its first `prefix` bits, or one fewer, stay.
fn near(base: IpAddr, tail: IpAddr, prefix: u32) -> IpAddr {
    match (base, tail) {
        (IpAddr::V4(base), IpAddr::V4(tail)) => {
            let mask = u32::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv4Addr::from_bits(base.to_bits() & !mask | tail.to_bits() & mask).into()
        }
        (IpAddr::V6(base), IpAddr::V6(tail)) => {
            let mask = u128::MAX.checked_shr(prefix.saturating_sub(1)).unwrap_or(0);
            Ipv6Addr::from_bits(base.to_bits() & !mask | tail.to_bits() & mask).into()
        }
        (base, _) => base,
    }
}

/// Whether two addresses share the first `prefix` bits of `base`'s family; IPv4 lies in `::ffff:0:0/96`.
fn shares(base: IpAddr, ip: IpAddr, prefix: u32) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let prefix = if base.is_ipv4() { prefix + 96 } else { prefix };
    let bit = |of: [u8; 16], at: u32| {
        let byte = of.get((at / 8) as usize).copied().unwrap_or(0);
        byte >> (7 - at % 8) & 1
    };
    (0..prefix).all(|at| bit(bits(base), at) == bit(bits(ip), at))
}
