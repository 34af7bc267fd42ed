//! Bodies on their way: slow readers, files that change, files that are not cached. Most is tried with and without
//! zero-copy delivery.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _};

use rillcast_http::ServerConfig;

use crate::{
    client::{Client, request},
    harness::{Rig, joined_crumbs, joined_pieces, media, wait_until, write_file},
};

/// More than the kernel holds for one loopback connection, several times over.
const LARGE: usize = 48 << 20;
/// One frame.
const BUFFER: usize = 64 << 10;

/// Switches zero-copy delivery.
fn zero_copy(is_on: bool) -> impl Fn(&mut ServerConfig) {
    move |config| config.delivery.zero_copy = is_on
}

/// Waits until the server has begun to send a file and the client's socket takes no more.
fn wait_until_stuck(rig: &Rig) {
    wait_until("the first frame to wait", || rig.server.file_buffer_bytes() > 0 || rig.server.tokens() > 0);
}

/// Waits until nothing of any body is left.
fn wait_until_all_is_home(rig: &Rig) {
    wait_until("all buffers and tokens to come home", || {
        rig.server.file_buffer_bytes() == 0 && rig.server.tokens() == 0
    });
}

#[test]
fn readers_that_do_not_read_hold_few_buffers_and_give_them_back() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::with_file(Some(write_file(directory.path(), &media(LARGE))), zero_copy(false));
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(rig.address())).collect();
    for client in &mut clients {
        client.send(request("GET", "/file", &[]));
        client.read_head();
    }
    // Each has a frame that the socket does not take whole, and hyper asks for one more behind it.
    wait_until("every connection to be stuck", || rig.server.file_buffer_bytes() >= clients.len() * BUFFER);
    for client in &mut clients {
        client.read_exact(1 << 20).unwrap();
        assert!(rig.server.file_buffer_bytes() <= 20 * 2 * BUFFER);
    }
    drop(clients);
    wait_until("all buffers to come home", || rig.server.file_buffer_bytes() == 0);
    wait_until("all connections to end", || rig.server.connections() == 0);
}

#[test]
fn readers_that_do_not_read_hold_two_tokens_and_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(LARGE);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |_| {});
    let mut clients: Vec<_> = (0..240).map(|_| Client::connect(rig.address())).collect();
    for client in &mut clients {
        client.send(request("GET", "/file", &[]));
        client.read_head();
    }
    let many = clients.len();
    wait_until("every connection to be stuck", || rig.server.tokens() >= many);
    for round in 0..3 {
        for client in &mut clients {
            let read = client.read_exact(10_000).unwrap();
            assert!(read == bytes[round * 10_000..][..10_000]);
        }
        assert!(rig.server.tokens() <= 2 * many);
        assert_eq!(rig.server.file_buffer_bytes(), 0);
    }
    drop(clients);
    wait_until_all_is_home(&rig);
    wait_until("all connections to end", || rig.server.connections() == 0);
    assert!(rig.figure("rillcast_http_broken_bodies_total", "client_gone") >= many as u64);
}

#[test]
fn a_slow_reader_gets_every_byte() {
    for is_on in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let bytes = media(LARGE);
        let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), zero_copy(is_on));
        let mut client = Client::connect(rig.address());
        client.send(request("GET", "/file", &[]));
        client.read_head();
        wait_until_stuck(&rig);
        assert!(client.read_exact(LARGE).unwrap() == bytes);
        assert_eq!(client.get("/memory", &[]).status, 200, "the connection goes on");
        wait_until_all_is_home(&rig);
        assert_eq!(rig.figure("rillcast_http_response_body_bytes_total", "segment"), LARGE as u64);
    }
}

/// Starts to read a large file, applies `change` to it, and reads to the end: what came must be too few bytes, the old
/// ones, and one of `reasons` is counted. Pages that lay in a socket when the file was cut may come as zeros where they
/// were sent without reading (edge/sys/decisions/0005), if `zeros_in_flight`.
fn check_change(change: impl Fn(&File), reasons: &[&str], zeros_in_flight: bool) {
    let bytes = media(LARGE);
    for (is_on, target, whole) in [
        (true, "/file", bytes.clone()),
        (false, "/file", bytes.clone()),
        (true, "/pieces", joined_pieces(&bytes)),
        // Copied out of a mapping: not one byte from after the change leaves.
        (false, "/crumbs", joined_crumbs(&bytes)),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = write_file(directory.path(), &bytes);
        let rig = Rig::with_file(Some(path.clone()), zero_copy(is_on));
        let mut client = Client::connect(rig.address());
        client.send(request("GET", target, &[]));
        client.read_head();
        wait_until_stuck(&rig);
        change(&File::options().write(true).open(path).unwrap());
        let received = client.read_to_end();
        assert!(received.len() < whole.len(), "{is_on} {target}: {}", received.len());
        let same = whole.iter().zip(&received).take_while(|(old, new)| old == new).count();
        let zeros = received.iter().skip(same).all(|byte| *byte == 0) && is_on && zeros_in_flight;
        assert!(same == received.len() || zeros, "{is_on} {target}: other bytes from {same} on");
        wait_until("the reason to be counted", || {
            let counted =
                reasons.iter().map(|reason| rig.figure("rillcast_http_broken_bodies_total", reason));
            counted.sum::<u64>() == 1
        });
        wait_until_all_is_home(&rig);
    }
}

#[test]
fn a_file_that_is_overwritten_in_place_breaks_the_connection() {
    check_change(
        |file| file.write_all_at(b"other bytes", (LARGE - 11) as u64).unwrap(),
        &["source_changed"],
        false,
    );
}

#[test]
fn a_file_that_is_truncated_breaks_the_connection() {
    // Whichever is seen first: that it has changed, or that it ends.
    check_change(|file| file.set_len(1 << 20).unwrap(), &["source_truncated", "source_changed"], true);
}

#[test]
fn a_file_that_is_replaced_is_sent_to_its_old_end() {
    for is_on in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let bytes = media(LARGE);
        let path = write_file(directory.path(), &bytes);
        let rig = Rig::with_file(Some(path.clone()), zero_copy(is_on));
        let mut client = Client::connect(rig.address());
        client.send(request("GET", "/file", &[]));
        client.read_head();
        wait_until_stuck(&rig);
        let fresh = directory.path().join("fresh");
        std::fs::write(&fresh, b"new").unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        assert!(client.read_exact(LARGE).unwrap() == bytes);
        assert_eq!(client.get("/file", &[]).body, b"new");
    }
}

#[test]
fn small_extents_all_over_a_file_arrive_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(LARGE);
    let path = write_file(directory.path(), &bytes);
    let crumbs = joined_crumbs(&bytes);
    for is_on in [true, false] {
        let rig = Rig::with_file(Some(path.clone()), zero_copy(is_on));
        let mut client = Client::connect(rig.address());
        assert!(client.get("/crumbs", &[]).body == crumbs);
        assert!(
            client.get("/crumbs", &["Range: bytes=1000001-9000000"]).body == crumbs[1_000_001..=9_000_000]
        );
    }
}

#[test]
fn a_file_that_is_not_cached_arrives_whole() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(3 << 20);
    let path = write_file(directory.path(), &bytes);
    let mut file = File::options().append(true).open(&path).unwrap();
    file.flush().unwrap();
    file.sync_all().unwrap();
    // Takes the pages out of the cache where the file system has a disk; elsewhere the reads are inline.
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    for is_on in [true, false] {
        let rig = Rig::with_file(Some(path.clone()), zero_copy(is_on));
        let answer = Client::connect(rig.address()).get("/file", &["Range: bytes=1000-3000000"]);
        assert!(answer.body == bytes[1000..=3_000_000]);
    }
}
