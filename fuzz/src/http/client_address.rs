//! Whom a request comes from, when the fields say so and when they lie.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use rillcast_http::client_address::{HOPS_MAX, resolve};
use rillcast_http::{ClientHeader, TrustedProxies};

use crate::fields;

const TRUSTED: [&str; 2] = ["10.0.0.0/8", "2001:db8::/32"];
const PEERS: [&str; 5] =
    ["10.0.0.1:1", "[::ffff:10.0.0.1]:1", "[2001:db8::1]:1", "198.51.100.1:1", "[2001:db9::1]:1"];

/// The target: a byte for the peer (and, by its parity, the header that is believed), then fields. An unknown peer is not believed; what stands left
/// of an untrusted address, where clients write, changes nothing; one more trusted hop changes
/// nothing either.
pub fn run(data: &[u8]) {
    let Some((peer, lines)) = data.split_first() else { return };
    let header = if peer % 2 == 0 { ClientHeader::XForwardedFor } else { ClientHeader::Forwarded };
    let peer = PEERS[usize::from(*peer) % PEERS.len()];
    let peer: SocketAddr = peer.parse().expect("one of ours");
    let networks = TRUSTED.map(|text| text.parse().expect("one of ours")).into_iter().collect();
    let trusted = TrustedProxies { networks, header };
    let headers = fields::read(lines);
    let found = resolve(peer, &headers, &trusted);
    let own = peer.ip().to_canonical();
    assert_eq!((found.peer, found.ip), (peer, found.ip.to_canonical()));
    if !trusted.networks.contains(own) {
        assert_eq!(found.ip, own, "an unknown peer is believed");
        return;
    }
    let name = header.name();
    if !trusted.networks.contains(found.ip) {
        for lie in LIES {
            assert_eq!(resolve(peer, &lied(&headers, &name, lie), &trusted).ip, found.ip, "{lie}");
        }
    }
    let hops: usize = headers
        .get_all(&name)
        .iter()
        .map(|line| line.as_bytes().iter().filter(|byte| **byte == b',').count() + 1)
        .sum();
    if hops < HOPS_MAX {
        let mut more = headers;
        let is_standard = header == ClientHeader::Forwarded;
        more.append(&name, HeaderValue::from_static(if is_standard { "for=10.9.9.9" } else { "10.9.9.9" }));
        let (hop, through) = (IpAddr::from([10, 9, 9, 9]), resolve(peer, &more, &trusted).ip);
        // With nothing readable behind the new hop, that hop is all that is known.
        let is_hop = found.ip == own && through == hop;
        assert!(through == found.ip || is_hop, "{through} instead of {}", found.ip);
    }
}

/// What a client may put in front of what proxies append.
const LIES: [&str; 4] = ["for=1.1.1.1", "1.1.1.1", "for=\"", "for=\"1.1.1.1, for=2.2.2.2;\""];

/// `headers` as they arrive when the client sent `lie` first, in a line of its own and in that of the others.
fn lied(headers: &HeaderMap, name: &HeaderName, lie: &str) -> HeaderMap {
    let mut lied = HeaderMap::new();
    lied.append(name, HeaderValue::from_str(lie).expect("one of ours"));
    for (at, value) in headers.get_all(name).iter().enumerate() {
        let joined = [lie.as_bytes(), b",", value.as_bytes()].concat();
        let first = HeaderValue::from_bytes(&joined).expect("two values and a comma");
        lied.append(name, if at == 0 { first } else { value.clone() });
    }
    lied
}
