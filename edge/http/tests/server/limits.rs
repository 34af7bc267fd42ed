//! Limits of time and number, at the limit and one past it.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rillcast_http::{Listener, Server, ServerConfig};

use crate::{
    client::{Client, request},
    harness::{Rig, media, wait_until, write_file},
};

/// Short enough for a test to wait for, whatever it is the limit of.
const SOON: Duration = Duration::from_millis(100);

fn ended(rig: &Rig, reason: &str) -> u64 {
    rig.figure("rillcast_http_connections_ended_total", reason)
}

#[test]
fn as_many_connections_as_may_be_and_not_one_more() {
    for (change, reason) in [
        ((|config: &mut ServerConfig| config.limits.connections = 3) as fn(&mut ServerConfig), "too_many"),
        (|config| config.limits.connections_per_client = 3, "too_many_of_client"),
    ] {
        let rig = Rig::start(change);
        let mut open: Vec<_> = (0..3).map(|_| Client::connect(rig.address())).collect();
        for client in &mut open {
            assert_eq!(client.get("/memory", &[]).status, 200, "{reason}");
        }
        let mut refused = Client::connect(rig.address());
        refused.try_send(request("GET", "/memory", &[]));
        assert!(refused.is_closed(), "{reason}");
        wait_until("it to be counted", || ended(&rig, reason) == 1);
        open.pop();
        wait_until("the closed connection to make room", || {
            let mut next = Client::connect(rig.address());
            next.try_send(request("GET", "/memory", &[]));
            !next.is_closed()
        });
    }
}

#[test]
fn a_head_that_does_not_come_to_its_end_costs_the_connection() {
    let rig = Rig::start(|config| config.limits.header_time = SOON);
    let mut client = Client::connect(rig.address());
    client.send("GET /memory HTTP/1.1\r\nHos");
    assert!(client.is_closed());
    wait_until("it to be counted", || ended(&rig, "slow_head") == 1);
    // Also behind a finished request, where an idle connection would have more time.
    let mut client = Client::connect(rig.address());
    client.get("/memory", &[]);
    client.send("GET /memory HTTP/1.1\r\nHos");
    assert!(client.is_closed());
    wait_until("it to be counted", || ended(&rig, "slow_head") == 2);
}

#[test]
fn a_client_that_says_nothing_at_all_is_not_kept() {
    let rig = Rig::start(|config| config.limits.handshake_time = SOON);
    assert!(Client::connect(rig.address()).is_closed());
    wait_until("it to be counted", || ended(&rig, "slow_handshake") == 1);
}

#[test]
fn an_idle_connection_is_closed() {
    let rig = Rig::start(|config| config.limits.idle_time = SOON);
    let mut client = Client::connect(rig.address());
    client.get("/memory", &[]);
    assert!(client.is_closed());
    wait_until("it to be counted", || ended(&rig, "idle") == 1);
}

#[test]
fn a_client_that_takes_nothing_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_file(directory.path(), &media(48 << 20));
    let rig = Rig::with_file(Some(file), |config| config.limits.send_stall_time = SOON);
    for (number, target) in (1..).zip(["/file", "/large"]) {
        let mut client = Client::connect(rig.address());
        client.send(request("GET", target, &[]));
        wait_until("the connection to be dropped", || ended(&rig, "stalled") == number);
    }
    wait_until("the connections to end", || rig.server.connections() == 0);
    assert_eq!(rig.server.file_buffer_bytes(), 0);
}

#[test]
fn a_held_request_is_neither_idle_nor_stalled() {
    let rig = Rig::start(|config| {
        (config.limits.idle_time, config.limits.send_stall_time, config.limits.header_time) =
            (SOON, SOON, SOON);
    });
    let mut held = Client::connect(rig.address());
    held.send(request("GET", "/held", &[]));
    // Another connection idles out meanwhile: that much time has certainly passed.
    for _ in 0..3 {
        let mut client = Client::connect(rig.address());
        client.get("/memory", &[]);
        assert!(client.is_closed());
    }
    rig.stage.gate.add_permits(1);
    assert_eq!(held.read_answer(false).text(), "let go");
}

#[test]
fn the_cores_share_one_port_and_ipv6_works() {
    let rig = Rig::start(|config| {
        config.listeners.push(Listener::plain("[::1]:0".parse().unwrap()));
        config.listeners.push(Listener::plain("[::]:0".parse().unwrap()));
    });
    let [_, six, any] = rig.server.addresses() else { panic!("three listeners, three addresses") };
    let by_ipv4 = SocketAddr::from(([127, 0, 0, 1], any.port()));
    for (address, who) in [(*six, "::1 http1"), (by_ipv4, "127.0.0.1 http1")] {
        assert_eq!(Client::connect(address).get("/who", &[]).text(), who);
    }
}

#[test]
fn an_address_in_use_is_an_error_at_the_start() {
    let rig = Rig::start(|_| {});
    let taken = ServerConfig::new(vec![Listener::plain(rig.address())]);
    let metrics = rillcast_http::HttpMetrics::register(&prometheus::Registry::new()).unwrap();
    assert!(Server::start(taken, &rig.stage, metrics).is_err());
    assert!(TcpStream::connect(rig.address()).is_ok());
}
