//! Bodies that are still arriving: each client gets what is there at once, and the rest when it comes.

use std::io::{Read, Write};

use bytes::Bytes;
use rillcast_http::{
    Growing, GrowingWriter, Listener, SlabLimits, Slabs,
    growing::{Broken, Growth, Keeping},
};

use crate::{
    client::{Client, request},
    harness::{Rig, media, wait_until},
    http2::get_plain,
    tls::{connect, renew},
};

const LEN: usize = 3_000_007;

fn slabs() -> Keeping {
    Keeping::Slabs(Slabs::new(SlabLimits { memory_bytes: 16 << 20, slab_bytes: 16 << 20 }).unwrap())
}

fn grow(rig: &Rig, declared: Option<usize>) -> GrowingWriter {
    let (writer, growing) = Growing::new(slabs(), declared.map(|len| len as u64));
    *rig.stage.growing.lock().unwrap() = Some(growing);
    writer
}

fn append(writer: &mut GrowingWriter, bytes: &[u8]) {
    writer.append(&mut Bytes::copy_from_slice(bytes)).unwrap();
}

/// Asks while nothing is there, and takes the body as it is written in pieces of odd sizes.
fn follows<S: Read + Write>(rig: &Rig, client: &mut Client<S>) {
    let bytes = media(LEN);
    let mut writer = grow(rig, Some(LEN));
    client.send(request("GET", "/growing", &[]));
    let (status, headers) = client.read_head();
    assert_eq!((status, headers["content-length"].to_str().unwrap()), (200, "3000007"));
    for piece in bytes.chunks(100_003) {
        append(&mut writer, piece);
        assert!(client.read_exact(piece.len()).unwrap() == piece, "each byte as soon as it is there");
    }
    assert_eq!(writer.finish(), Growth::Complete);
    let whole = client.get("/growing", &[]);
    assert!(whole.body == bytes);
}

#[test]
fn a_client_gets_what_is_there_before_the_rest_has_come() {
    let directory = tempfile::tempdir().unwrap();
    let (files, trusted) = renew(directory.path());
    let rig = Rig::start(|config| {
        let address = config.listeners[0].address;
        config.listeners = vec![Listener::plain(address), Listener::tls(address, files)];
    });
    follows(&rig, &mut Client::connect(rig.address()));
    assert!(rig.server.tokens_issued() > 0, "slabs leave like files where they can");
    let issued = rig.server.tokens_issued();
    follows(&rig, &mut connect(rig.server.addresses()[1], &trusted).unwrap());
    assert_eq!(rig.server.tokens_issued(), issued);
    assert!(get_plain(rig.address(), "/growing") == media(LEN));
}

#[test]
fn a_range_of_what_is_arriving_needs_no_more_than_its_bytes() {
    let rig = Rig::start(|_| {});
    let bytes = media(LEN);
    let mut writer = grow(&rig, Some(LEN));
    append(&mut writer, &bytes[..100_000]);
    let mut client = Client::connect(rig.address());
    let answer = client.get("/growing", &["Range: bytes=1000-99999"]);
    assert_eq!((answer.status, answer.field("content-range")), (206, "bytes 1000-99999/3000007"));
    assert!(answer.body == bytes[1000..100_000]);
    client.send(request("GET", "/growing", &["Range: bytes=90000-"]));
    let (status, _) = client.read_head();
    assert_eq!(status, 206);
    assert!(client.read_exact(10_000).unwrap() == bytes[90_000..100_000]);
    append(&mut writer, &bytes[100_000..]);
    assert!(client.read_exact(LEN - 100_000).unwrap() == bytes[100_000..]);
}

#[test]
fn without_a_length_it_is_chunked_and_ranges_are_ignored() {
    let rig = Rig::start(|_| {});
    let bytes = media(LEN);
    let mut writer = grow(&rig, None);
    append(&mut writer, &bytes[..100_000]);
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/growing", &["Range: bytes=1-2", "Connection: close"]));
    let (status, headers) = client.read_head();
    assert_eq!((status, headers["transfer-encoding"].to_str().unwrap()), (200, "chunked"));
    assert!(!headers.contains_key("content-length") && !headers.contains_key("accept-ranges"));
    append(&mut writer, &bytes[100_000..]);
    writer.finish();
    assert!(unchunked(&client.read_to_end()) == bytes);
    assert!(get_plain(rig.address(), "/growing") == bytes);
    wait_until("the line is written as complete", || {
        rig.figure("rillcast_http_broken_bodies_total", "client_gone") == 0 && rig.server.tokens() == 0
    });
}

#[test]
fn what_is_broken_off_breaks_the_connection_and_is_counted() {
    let rig = Rig::start(|_| {});
    for declared in [Some(LEN), None] {
        let mut writer = grow(&rig, declared);
        append(&mut writer, &media(200_000));
        let mut client = Client::connect(rig.address());
        client.send(request("GET", "/growing", &[]));
        client.read_head();
        writer.break_off(Broken::Upstream("reset"));
        let got = client.read_to_end();
        assert!(!got.ends_with(b"0\r\n\r\n"), "an end that looks whole");
    }
    wait_until("both are counted", || {
        rig.figure("rillcast_http_broken_bodies_total", "upstream_broken") == 2
    });
}

/// A chunked body (RFC 9112 §7.1).
fn unchunked(mut text: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let end = text.windows(2).position(|two| two == b"\r\n").unwrap();
        let len = usize::from_str_radix(std::str::from_utf8(&text[..end]).unwrap(), 16).unwrap();
        if len == 0 {
            return all;
        }
        all.extend_from_slice(&text[end + 2..][..len]);
        text = &text[end + 2 + len + 2..];
    }
}
