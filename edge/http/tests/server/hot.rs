//! The hot set: what is asked for often over TLS or HTTP/2 comes from memory, and is the same as from the file.

use std::{
    net::TcpStream,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use rillcast_http::Listener;
use rustls::{ClientConnection, StreamOwned, pki_types::CertificateDer};

use crate::{
    client::Client,
    harness::{Rig, media, wait_until, write_file},
    tls::{connect, renew},
};

const REQUESTS: &str = "rillcast_http_hot_set_requests_total";

/// A server with a file, over TLS at its first address and plain at its second.
struct Stage {
    rig: Rig,
    trusted: CertificateDer<'static>,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn new(bytes: &[u8], hot_set_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (files, trusted) = renew(directory.path());
        let path = write_file(directory.path(), bytes);
        let rig = Rig::with_file(Some(path.clone()), |config| {
            let address = config.listeners[0].address;
            config.listeners = vec![Listener::tls(address, files), Listener::plain(address)];
            config.hot_set.memory_bytes = hot_set_bytes;
        });
        Self { rig, trusted, path, _directory: directory }
    }

    fn client(&self) -> Client<StreamOwned<ClientConnection, TcpStream>> {
        connect(self.rig.address(), &self.trusted).unwrap()
    }

    fn requests(&self, result: &str) -> u64 {
        self.rig.figure(REQUESTS, result)
    }

    /// Asks for the file until it comes from memory; every answer is `bytes`.
    fn warm_up(&self, bytes: &[u8]) {
        let (mut client, hits) = (self.client(), self.requests("hit"));
        wait_until("the file to be hot", || {
            assert!(client.get("/hot", &[]).body == bytes);
            self.requests("hit") > hits
        });
    }
}

#[test]
fn a_hot_body_and_its_ranges_are_those_of_the_file() {
    let bytes = media(3_000_001);
    let stage = Stage::new(&bytes, 256 << 20);
    stage.warm_up(&bytes);
    let (mut client, misses) = (stage.client(), stage.requests("miss"));
    assert!(client.get("/hot", &[]).body == bytes);
    for (field, range) in [("0-0", 0..1), ("65530-131080", 65_530..131_081), ("-5", 2_999_996..3_000_001)] {
        let answer = client.get("/hot", &[&format!("Range: bytes={field}")]);
        assert_eq!(answer.status, 206);
        assert!(answer.body == bytes[range]);
    }
    let head = client.ask("HEAD", "/hot", &[]);
    assert_eq!((head.status, head.field("content-length")), (200, "3000001"));
    assert_eq!(client.get("/hot", &["Range: bytes=3000001-"]).status, 416);
    assert_eq!(stage.requests("miss"), misses);
    assert_eq!(stage.rig.server.file_buffer_bytes(), 0, "nothing of it was read");
}

#[test]
fn what_a_plain_connection_or_a_condition_asks_is_no_touch() {
    let bytes = media(300_000);
    let stage = Stage::new(&bytes, 256 << 20);
    let mut plain = Client::connect(stage.rig.server.addresses()[1]);
    let mut client = stage.client();
    for _ in 0..5 {
        assert!(plain.get("/hot", &[]).body == bytes);
        assert_eq!(client.get("/hot", &["If-None-Match: \"hot-1\""]).status, 304);
        assert_eq!(client.ask("HEAD", "/hot", &[]).status, 200);
        // No content is named here.
        assert!(client.get("/file", &[]).body == bytes);
    }
    assert_eq!(stage.requests("miss") + stage.requests("hit"), 0);
}

#[test]
fn a_file_that_is_written_over_is_never_sent_as_it_was() {
    let mut bytes = media(300_000);
    let stage = Stage::new(&bytes, 256 << 20);
    for round in 1..4 {
        stage.warm_up(&bytes);
        bytes[100_000..100_010].fill(b'0' + round);
        let file = std::fs::File::options().write(true).open(&stage.path).unwrap();
        file.write_all_at(&bytes[100_000..100_010], 100_000).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(round.into())).unwrap();
        assert!(stage.client().get("/hot", &[]).body == bytes);
    }
}

#[test]
fn without_a_hot_set_all_is_read() {
    let bytes = media(300_000);
    let stage = Stage::new(&bytes, 0);
    let mut client = stage.client();
    for _ in 0..5 {
        assert!(client.get("/hot", &[]).body == bytes);
    }
    assert_eq!(stage.requests("miss") + stage.requests("hit"), 0);
}
