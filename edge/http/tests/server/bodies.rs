//! Bodies on their way: slow readers, files that change, files that are not cached.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _};

use crate::{
    client::{Client, request},
    harness::{Rig, media, wait_until, write_file},
};

/// More than the kernel holds for one loopback connection, several times over.
const LARGE: usize = 48 << 20;
/// One frame.
const BUFFER: usize = 64 << 10;

#[test]
fn readers_that_do_not_read_hold_few_buffers_and_give_them_back() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::with_file(Some(write_file(directory.path(), &media(LARGE))), |_| {});
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
fn a_slow_reader_gets_every_byte() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(LARGE);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |_| {});
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/file", &[]));
    client.read_head();
    wait_until("the first frame to wait", || rig.server.file_buffer_bytes() > 0);
    assert!(client.read_exact(LARGE).unwrap() == bytes);
    assert_eq!(client.get("/memory", &[]).status, 200, "the connection goes on");
}

/// Starts to read a large file, applies `change` to it, and returns how much more came before the end.
fn read_while(change: impl FnOnce(&File)) -> (usize, Rig) {
    let directory = tempfile::tempdir().unwrap();
    let path = write_file(directory.path(), &media(LARGE));
    let rig = Rig::with_file(Some(path.clone()), |_| {});
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/file", &[]));
    client.read_head();
    wait_until("the first frame to wait", || rig.server.file_buffer_bytes() > 0);
    change(&File::options().write(true).open(path).unwrap());
    (client.read_to_end().len(), rig)
}

#[test]
fn a_file_that_is_truncated_breaks_the_connection() {
    let (received, rig) = read_while(|file| file.set_len(1000).unwrap());
    assert!(received < LARGE, "{received}");
    wait_until("the reason to be counted", || {
        rig.figure("rillcast_http_broken_bodies_total", "source_truncated") == 1
    });
}

#[test]
fn a_file_that_is_overwritten_in_place_breaks_the_connection() {
    let (received, rig) = read_while(|file| file.write_all_at(b"other bytes", (LARGE - 11) as u64).unwrap());
    assert!(received < LARGE, "{received}");
    wait_until("the reason to be counted", || {
        rig.figure("rillcast_http_broken_bodies_total", "source_changed") == 1
    });
}

#[test]
fn a_file_that_is_replaced_is_sent_to_its_old_end() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(LARGE);
    let path = write_file(directory.path(), &bytes);
    let rig = Rig::with_file(Some(path.clone()), |_| {});
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/file", &[]));
    client.read_head();
    let fresh = directory.path().join("fresh");
    std::fs::write(&fresh, b"new").unwrap();
    std::fs::rename(&fresh, &path).unwrap();
    assert!(client.read_exact(LARGE).unwrap() == bytes);
    assert_eq!(client.get("/file", &[]).body, b"new");
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
    let rig = Rig::with_file(Some(path), |_| {});
    let answer = Client::connect(rig.address()).get("/file", &["Range: bytes=1000-3000000"]);
    assert!(answer.body == bytes[1000..=3_000_000]);
}
