//! Zero-copy delivery: the same bytes as without, on plain HTTP/1.1 only, and nothing left when clients are gone.
//!
//! All tests of this folder run with tokens in addresses that end the process when they are read.

use http::{HeaderMap, header};
use rillcast_http::{Listener, ServerConfig};

use crate::{
    client::{Answer, Client, request},
    harness::{REQUEST_ID, Rig, joined_pieces, media, wait_until, write_file},
    tls::{connect, renew},
};

const FILE_BYTES: usize = 20_000_003;

/// Two servers of one file, with and without.
struct Both {
    with: Rig,
    without: Rig,
    bytes: Vec<u8>,
    _directory: tempfile::TempDir,
}

impl Both {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bytes = media(FILE_BYTES);
        let path = write_file(directory.path(), &bytes);
        let with = Rig::with_file(Some(path.clone()), |_| {});
        let without = Rig::with_file(Some(path), |config| config.delivery.zero_copy = false);
        Self { with, without, bytes, _directory: directory }
    }

    fn clients(&self) -> [Client; 2] {
        [&self.with, &self.without].map(|rig| Client::connect(rig.address()))
    }

    /// Asserts that each went its way.
    fn went_their_ways(&self) {
        assert!(self.with.server.tokens_issued() > 0);
        assert_eq!(self.without.server.tokens_issued(), 0);
    }
}

/// Problems tell their request's id.
const SAME_ID: &str = "X-Request-Id: the-same-for-both";

/// What a client can tell answers apart by.
fn seen(answer: Answer) -> (u16, HeaderMap, Vec<u8>) {
    let Answer { status, mut headers, body } = answer;
    headers.remove(header::DATE);
    headers.remove(REQUEST_ID);
    (status, headers, body)
}

#[test]
fn every_answer_is_the_same_with_and_without() {
    let both = Both::start();
    let [mut with, mut without] = both.clients();
    let ranges =
        ["0-0", "0-65535", "0-65536", "77-2097229", "19999999-", "-3000000", "5000000-5000009", "9-2,4-5"];
    let ranges = ranges.map(|range| format!("Range: bytes={range}\r\n{SAME_ID}"));
    let lines: Vec<Vec<&str>> =
        [vec![SAME_ID]].into_iter().chain(ranges.iter().map(|range| vec![range.as_str()])).collect();
    for method in ["GET", "HEAD"] {
        for target in ["/file", "/pieces", "/large", "/memory", "/playlist", "/nothing"] {
            for lines in &lines {
                let (one, other) = (with.ask(method, target, lines), without.ask(method, target, lines));
                assert!(seen(one) == seen(other), "{method} {target} {lines:?}");
            }
        }
    }
    assert!(with.get("/file", &[]).body == both.bytes);
    assert!(with.get("/pieces", &[]).body == joined_pieces(&both.bytes));
    both.went_their_ways();
}

#[test]
fn requests_sent_at_once_are_answered_in_order_with_and_without() {
    let both = Both::start();
    let script = [
        ("GET", "/memory", "X: y"),
        ("GET", "/file", "Range: bytes=5-3000000"),
        ("GET", "/pieces", "X: y"),
        ("HEAD", "/file", "X: y"),
        ("GET", "/file", "Range: bytes=-70000"),
        ("GET", "/nothing", SAME_ID),
        ("GET", "/pieces", "Range: bytes=1000-2000000"),
    ];
    let all: String = script.iter().map(|(method, target, line)| request(method, target, &[line])).collect();
    let [with, without] = both.clients().map(|mut client| {
        client.send(&all);
        script.map(|(method, ..)| seen(client.read_answer(method == "HEAD")))
    });
    assert!(with == without);
    assert!(with[2].2 == joined_pieces(&both.bytes));
    both.went_their_ways();
}

#[test]
fn a_client_of_http_1_0_gets_the_same_and_the_end() {
    let both = Both::start();
    for target in ["/file", "/pieces"] {
        let [with, without] = both.clients().map(|mut client| {
            client.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
            client.read_head();
            client.read_to_end()
        });
        assert!(with == without, "{target}");
    }
    both.went_their_ways();
}

#[test]
fn neither_tls_nor_http2_ever_has_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let (files, trusted) = renew(directory.path());
    let bytes = media(3 << 20);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |config| {
        let address = config.listeners[0].address;
        config.listeners = vec![Listener::tls(address, files), Listener::plain(address)];
    });
    let mut secret = connect(rig.address(), &trusted).unwrap();
    assert!(secret.get("/file", &[]).body == bytes);
    assert!(secret.get("/pieces", &[]).body == joined_pieces(&bytes));
    let plain = rig.server.addresses()[1];
    assert!(crate::http2::get_plain(plain, "/file") == bytes);
    assert_eq!(rig.server.tokens_issued(), 0);
    assert!(Client::connect(plain).get("/file", &[]).body == bytes);
    assert!(rig.server.tokens_issued() > 0);
}

#[test]
fn a_token_beyond_the_limit_is_a_read_instead() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(FILE_BYTES);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |config: &mut ServerConfig| {
        config.cores = std::num::NonZeroUsize::MIN;
        config.delivery.tokens_per_core = 1;
    });
    let start = || {
        let mut client = Client::connect(rig.address());
        client.send(request("GET", "/file", &[]));
        client.read_head();
        client
    };
    let mut first = start();
    wait_until("the one token to be taken", || rig.server.tokens() == 1);
    let mut second = start();
    wait_until("the second to be stuck", || rig.server.file_buffer_bytes() > 0);
    assert_eq!(rig.server.tokens(), 1);
    for client in [&mut second, &mut first] {
        assert!(client.read_exact(FILE_BYTES).unwrap() == bytes);
    }
    wait_until("the token to come home", || rig.server.tokens() == 0);
}

#[test]
fn clients_that_reset_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::with_file(Some(write_file(directory.path(), &media(48 << 20))), |_| {});
    for target in ["/file", "/pieces"] {
        for _ in 0..20 {
            let mut client = Client::connect(rig.address());
            client.send(request("GET", target, &[]));
            client.read_head();
            // What was received and not read turns the end into a reset.
            drop(client);
        }
        wait_until("all connections to end", || rig.server.connections() == 0);
        assert_eq!((rig.server.tokens(), rig.server.file_buffer_bytes()), (0, 0));
    }
    assert_eq!(rig.figure("rillcast_http_broken_bodies_total", "client_gone"), 40);
}
