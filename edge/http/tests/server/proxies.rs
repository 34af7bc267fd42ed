//! Whom the server believes about the client's address.

use std::net::{Ipv4Addr, SocketAddr};

use rillcast_http::Networks;

use crate::{
    client::Client,
    harness::{Rig, wait_until},
};

fn networks(text: &str) -> Networks {
    [text.parse().unwrap()].into_iter().collect()
}

/// A version 2 header that says TCP over IPv4 from 203.0.113.7.
fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(Ipv4Addr::new(203, 0, 113, 7).octets());
    header.extend([127, 0, 0, 1, 0x12, 0x67, 0, 80]);
    header
}

fn who(address: SocketAddr, front: &[u8], lines: &[&str]) -> String {
    let mut client = Client::connect(address);
    client.send(front);
    client.get("/who", lines).text().to_owned()
}

#[test]
fn a_proxy_header_names_the_client_where_it_is_configured() {
    let rig = Rig::start(|config| config.listeners[0].proxy_protocol_from = networks("127.0.0.0/8"));
    assert_eq!(who(rig.address(), b"PROXY TCP4 203.0.113.5 127.0.0.1 4711 80\r\n", &[]), "203.0.113.5 http1");
    assert_eq!(who(rig.address(), b"PROXY TCP6 2001:db8::5 ::1 4711 80\r\n", &[]), "2001:db8::5 http1");
    assert_eq!(who(rig.address(), &v2(), &[]), "203.0.113.7 http1");
    assert_eq!(who(rig.address(), b"PROXY UNKNOWN\r\n", &[]), "127.0.0.1 http1");

    let mut without = Client::connect(rig.address());
    without.try_send("GET /who HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(without.is_closed(), "where the header is configured it is a duty");
    wait_until("it to be counted", || {
        rig.figure("rillcast_http_connections_ended_total", "bad_proxy_header") == 1
    });
}

#[test]
fn a_proxy_header_that_comes_in_pieces_is_read() {
    let rig = Rig::start(|config| config.listeners[0].proxy_protocol_from = networks("127.0.0.1"));
    let mut client = Client::connect(rig.address());
    for piece in v2().chunks(5) {
        client.send(piece);
    }
    assert_eq!(client.get("/who", &[]).text(), "203.0.113.7 http1");
}

#[test]
fn a_proxy_header_is_bad_http_where_it_is_not_configured() {
    for networks in [Networks::default(), networks("10.0.0.0/8")] {
        let rig = Rig::start(|config| config.listeners[0].proxy_protocol_from = networks);
        let mut client = Client::connect(rig.address());
        client.try_send("PROXY TCP4 203.0.113.5 127.0.0.1 4711 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.read_answer(false).status, 400);
    }
}

#[test]
fn clients_behind_a_proxy_header_are_counted_one_by_one() {
    let rig = Rig::start(|config| {
        config.listeners[0].proxy_protocol_from = networks("127.0.0.1");
        config.limits.connections_per_client = 1;
    });
    let mut open = Vec::new();
    for last in 1..=3 {
        let mut client = Client::connect(rig.address());
        client.send(format!("PROXY TCP4 203.0.113.{last} 127.0.0.1 4711 80\r\n"));
        assert_eq!(client.get("/who", &[]).status, 200);
        open.push(client);
    }
    let mut again = Client::connect(rig.address());
    again.try_send("PROXY TCP4 203.0.113.1 127.0.0.1 4712 80\r\n");
    assert!(again.is_closed());
}

#[test]
fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
    let lines = ["X-Forwarded-For: 198.51.100.1, 203.0.113.9, 127.0.0.2"];
    let trusting = Rig::start(|config| {
        config.trusted_proxies.networks = networks("127.0.0.0/8");
        config.limits.connections_per_client = 1;
    });
    // A trusted proxy may have many connections.
    let mut proxies: Vec<_> = (0..3).map(|_| Client::connect(trusting.address())).collect();
    for proxy in &mut proxies {
        assert_eq!(proxy.get("/who", &lines).text(), "203.0.113.9 http1");
        // The header that these proxies do not write is the client's own words.
        let lie = ["Forwarded: for=203.0.113.8", lines[0]];
        assert_eq!(proxy.get("/who", &lie).text(), "203.0.113.9 http1");
    }
    let doubting = Rig::start(|_| {});
    assert_eq!(who(doubting.address(), b"", &lines), "127.0.0.1 http1");
}
