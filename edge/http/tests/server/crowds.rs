//! Many clients that hardly read, and clients that leave: what they hold is bounded, and given back.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use prometheus::proto::MetricType;
use rillcast_http::{Listener, ServerConfig, TlsFiles};
use rustls::pki_types::CertificateDer;
use tokio::sync::oneshot;

use crate::{
    client::{Client, request},
    cold::{Cold, InTurn},
    harness::{Rig, media, wait_until, write_file},
    http2::frame,
    tls::{connect, renew},
};

/// More than the kernel holds for one loopback connection.
const LARGE: usize = 24 << 20;
const BUFFER: usize = 64 << 10;
const MANY: usize = 512;
const ROUNDS: usize = 5;

/// How many bytes of files `rig` may hold in user space for [`MANY`] connections that are stuck.
fn check_crowd(zero_copy: bool, bytes_max: usize, tokens_max: usize) {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(LARGE);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |config| {
        config.delivery.zero_copy = zero_copy;
        // One more a round; those of the rounds before may not have been seen to leave yet.
        config.limits.connections_per_client = MANY + ROUNDS;
    });
    let mut clients: Vec<_> = (0..MANY).map(|_| Client::connect(rig.address())).collect();
    for client in &mut clients {
        client.send(request("GET", "/file", &[]));
        client.read_head();
    }
    let is_bounded = || rig.server.file_buffer_bytes() <= bytes_max && rig.server.tokens() <= tokens_max;
    for round in 0..ROUNDS {
        for client in &mut clients {
            assert!(client.read_exact(10).unwrap() == bytes[round * 10..][..10]);
        }
        // Who reads is served, whoever else does not.
        assert!(Client::connect(rig.address()).get("/file", &[]).body == bytes, "{zero_copy} round {round}");
        assert!(is_bounded(), "{zero_copy}: {} {}", rig.server.file_buffer_bytes(), rig.server.tokens());
    }
    // A few want the rest after all: nothing was lost meanwhile.
    for client in clients.iter_mut().step_by(MANY / 4) {
        assert!(client.read_exact(LARGE - 50).unwrap() == bytes[50..]);
    }
    assert_eq!(rig.figure("rillcast_http_connections_ended_total", "stalled"), 0);
    drop(clients);
    wait_until("all connections to end", || rig.server.connections() == 0);
    wait_until("all to come home", || rig.server.file_buffer_bytes() == 0 && rig.server.tokens() == 0);
}

#[test]
fn hundreds_that_read_ten_bytes_at_a_time_hold_tokens_and_keep_nobody_waiting() {
    check_crowd(true, 0, 2 * (MANY + 1));
}

#[test]
fn hundreds_that_read_ten_bytes_at_a_time_hold_two_buffers_each_and_keep_nobody_waiting() {
    check_crowd(false, 2 * (MANY + 1) * BUFFER, 0);
}

/// A client of whatever transport.
trait Viewer {
    fn ask_for(&mut self, target: &str, lines: &[&str]);
    fn read_head(&mut self);
}

impl<S: Read + Write> Viewer for Client<S> {
    fn ask_for(&mut self, target: &str, lines: &[&str]) {
        self.send(request("GET", target, lines));
    }

    fn read_head(&mut self) {
        Self::read_head(self);
    }
}

/// A client that says what HTTP/2 wants to hear, for one request with at most a range, and understands nothing.
struct Http2(TcpStream);

impl Viewer for Http2 {
    fn ask_for(&mut self, target: &str, lines: &[&str]) {
        // RFC 7541: static entries, then literals with the names of others.
        let mut head = vec![0x82, 0x86, 0x04, u8::try_from(target.len()).unwrap()];
        head.extend(target.bytes());
        head.extend([0x01, 1, b'a']);
        for range in lines.iter().map(|line| line.strip_prefix("Range: ").unwrap()) {
            head.extend([0x0f, 50 - 15, u8::try_from(range.len()).unwrap()]);
            head.extend(range.bytes());
        }
        let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        said.extend(frame(4, 0, 0, &[]));
        said.extend(frame(1, 5, 1, &head));
        self.0.write_all(&said).unwrap();
    }

    fn read_head(&mut self) {
        // Past the settings and their acknowledgement lies the answer.
        self.0.read_exact(&mut [0; 200]).unwrap();
    }
}

/// The ways to be a client.
#[derive(Debug, Clone, Copy)]
enum Way {
    ZeroCopy,
    Pooled,
    Tls,
    Http2,
}

const WAYS: [Way; 4] = [Way::ZeroCopy, Way::Pooled, Way::Tls, Way::Http2];

impl Way {
    fn set(self, config: &mut ServerConfig, files: TlsFiles) {
        config.delivery.zero_copy = !matches!(self, Self::Pooled);
        if matches!(self, Self::Tls) {
            config.listeners = vec![Listener::tls(config.listeners[0].address, files)];
        }
    }

    fn connect(self, rig: &Rig, trusted: &CertificateDer<'static>) -> Box<dyn Viewer> {
        match self {
            Self::Tls => Box::new(connect(rig.address(), trusted).unwrap()),
            Self::ZeroCopy | Self::Pooled => Box::new(Client::connect(rig.address())),
            Self::Http2 => Box::new(Http2(TcpStream::connect(rig.address()).unwrap())),
        }
    }
}

/// All that goes up when something begins and down when it ends.
fn levels(rig: &Rig) -> BTreeMap<String, f64> {
    let server = &rig.server;
    let own = [
        ("connections", server.connections()),
        ("file buffers", server.file_buffer_bytes()),
        ("tokens", server.tokens()),
        ("disk buffers", server.disk_buffers_in_use()),
    ];
    let families = rig.registry.gather();
    let gauges = families.iter().filter(|family| family.get_field_type() == MetricType::GAUGE);
    let figures = gauges.flat_map(|family| {
        let name = family.name();
        family.get_metric().iter().map(move |metric| {
            let labels: Vec<_> = metric.get_label().iter().map(|label| label.value()).collect();
            (format!("{name} {labels:?}"), metric.get_gauge().get_value())
        })
    });
    figures.chain(own.map(|(name, level)| (name.to_owned(), level as f64))).collect()
}

#[test]
fn clients_that_vanish_while_a_handler_works_leave_every_level_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    for way in WAYS {
        let (files, trusted) = renew(directory.path());
        let rig = Rig::start(|config| way.set(config, files));
        let before = levels(&rig);
        let mut clients: Vec<_> = (0..20).map(|_| way.connect(&rig, &trusted)).collect();
        for client in &mut clients {
            client.ask_for("/held", &[]);
        }
        wait_until("all to be held", || rig.arrived() == clients.len());
        assert_ne!(levels(&rig), before);
        drop(clients);
        wait_until("every level to be as before", || levels(&rig) == before);
    }
}

#[test]
fn clients_that_vanish_within_a_body_leave_every_level_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_file(directory.path(), &media(LARGE));
    for way in WAYS {
        let (files, trusted) = renew(directory.path());
        let rig = Rig::with_file(Some(file.clone()), |config| way.set(config, files));
        let before = levels(&rig);
        let mut clients: Vec<_> = (0..20).map(|_| way.connect(&rig, &trusted)).collect();
        for client in &mut clients {
            client.ask_for("/file", &[]);
            client.read_head();
        }
        assert_ne!(levels(&rig), before);
        drop(clients);
        wait_until("every level to be as before", || levels(&rig) == before);
        assert_eq!(rig.figure("rillcast_http_broken_bodies_total", "client_gone"), 20, "{way:?}");
    }
}

#[test]
fn clients_that_vanish_while_the_disk_works_leave_every_level_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    for way in WAYS {
        let Some(cold) = Cold::file(&media(5 << 20)) else { return };
        let (files, trusted) = renew(directory.path());
        let (releases, gates): (Vec<_>, Vec<_>) = (0..4).map(|_| oneshot::channel()).unzip();
        let held = InTurn::holding(gates);
        let rig = cold.rig(|config| {
            way.set(config, files);
            config.cold_reads.faults = Some(Arc::clone(&held) as _);
        });
        let before = levels(&rig);
        let mut clients: Vec<_> = releases.iter().map(|_| way.connect(&rig, &trusted)).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            // Each from a place of its own, so that each is a first touch.
            client.ask_for("/file", &[&format!("Range: bytes={}-", number << 20)]);
        }
        wait_until("all to wait for the disk", || held.left() == 0);
        drop(clients);
        wait_until("the connections to end", || rig.server.connections() == 0);
        assert_eq!(rig.server.disk_buffers_in_use(), releases.len(), "{way:?}: the disk still has them");
        for release in releases {
            release.send(()).unwrap();
        }
        wait_until("every level to be as before", || levels(&rig) == before);
    }
}
