//! Files that are not in memory: read by the disk thread, with disks that fail, clients that do not read, and files
//! that change meanwhile. Where files cannot leave memory (a test directory on tmpfs) there is nothing to see.

use std::{
    fs::File,
    num::NonZeroUsize,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rillcast_http::{DiskWay, ServerConfig};
use rillcast_sys::disk::fault::{Attempt, Fault, Faults};
use rustix::{
    fs::{Advice, fadvise},
    io::{Errno, ReadWriteFlags, preadv2},
};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::{
    client::{Client, request},
    harness::{Rig, joined_pieces, media, wait_until, write_file},
};

const LEN: usize = 5 << 20;
/// More than the kernel holds for one loopback connection.
const LARGE: usize = 24 << 20;
const EIO: i32 = 5;

/// A file on the disk that holds this program, and not in memory.
pub(crate) struct Cold {
    pub(crate) path: PathBuf,
    _directory: TempDir,
}

impl Cold {
    /// `None` where files stay in memory.
    pub(crate) fn file(bytes: &[u8]) -> Option<Self> {
        let program = std::env::current_exe().unwrap();
        let directory = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
        // Asking for a page makes the kernel read it and some more, and what is being read cannot be evicted: so it is
        // another file that is asked.
        if !can_leave_memory(&directory.path().join("asked")) {
            return None;
        }
        let path = write_file(directory.path(), bytes);
        leave_memory(&path);
        Some(Self { path, _directory: directory })
    }

    pub(crate) fn rig(&self, change: impl FnOnce(&mut ServerConfig)) -> Rig {
        Rig::with_file(Some(self.path.clone()), change)
    }
}

/// Whether the page cache of the disk that holds `path` can be emptied.
fn can_leave_memory(path: &Path) -> bool {
    std::fs::write(path, [0; 8192]).unwrap();
    leave_memory(path);
    let byte = &mut [0; 1];
    let byte = &mut [std::io::IoSliceMut::new(byte)];
    preadv2(File::open(path).unwrap(), byte, 4096, ReadWriteFlags::NOWAIT) == Err(Errno::AGAIN)
}

fn leave_memory(path: &Path) {
    File::options().append(true).open(path).unwrap().sync_all().unwrap();
    evict(path);
}

fn evict(path: &Path) {
    fadvise(File::open(path).unwrap(), 0, None, Advice::DontNeed).unwrap();
}

fn reads(rig: &Rig, way: &str) -> u64 {
    rig.figure("rillcast_disk_reads_total", way)
}

fn wait_until_all_is_home(rig: &Rig) {
    wait_until("all buffers of the disk to come home", || rig.server.disk_buffers_in_use() == 0);
}

/// Makes each fault of a list once, in the order of the attempts.
#[derive(Debug, Default)]
pub(crate) struct InTurn(Mutex<Vec<Fault>>);

impl InTurn {
    pub(crate) fn faults(mut faults: Vec<Fault>) -> Option<Arc<dyn Faults>> {
        faults.reverse();
        Some(Arc::new(Self(Mutex::new(faults))))
    }

    /// A list that can be looked at, of faults that hold the first attempts until they are let go.
    pub(crate) fn holding(gates: Vec<oneshot::Receiver<()>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(gates.into_iter().map(Fault::Hold).collect())))
    }

    /// Faults that are still to be made.
    pub(crate) fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Faults for InTurn {
    fn decide(&self, _attempt: Attempt) -> Fault {
        self.0.lock().unwrap().pop().unwrap_or(Fault::None)
    }
}

#[test]
fn cold_files_arrive_whole_whichever_way_they_are_read_and_sent() {
    let bytes = media(LEN);
    let Some(cold) = Cold::file(&bytes) else { return };
    let pieces = joined_pieces(&bytes);
    for (disk, zero_copy) in [(DiskWay::Auto, true), (DiskWay::Auto, false), (DiskWay::Threads, true)] {
        for (target, whole) in [("/file", &bytes), ("/pieces", &pieces)] {
            evict(&cold.path);
            let rig = cold.rig(|config| {
                config.delivery.zero_copy = zero_copy;
                config.cold_reads.disk = disk;
            });
            let mut client = Client::connect(rig.address());
            assert!(client.get(target, &[]).body == *whole, "{disk:?} {zero_copy} {target}");
            let direct = reads(&rig, "direct") + reads(&rig, "buffered");
            assert!(direct >= 8, "{disk:?} {zero_copy} {target}: {direct} reads");
            let tail = client.get(target, &["Range: bytes=1000001-"]);
            assert!(tail.body == whole[1_000_001..], "{disk:?} {zero_copy} {target}");
            wait_until_all_is_home(&rig);
        }
    }
}

#[test]
fn without_buffers_cold_files_arrive_too() {
    let bytes = media(LEN);
    let Some(cold) = Cold::file(&bytes) else { return };
    let rig = cold.rig(|config| config.cold_reads.buffer_bytes = 0);
    assert!(Client::connect(rig.address()).get("/file", &[]).body == bytes);
    assert_eq!(reads(&rig, "direct"), 0);
}

/// Pieces of [`LEN`] bytes.
const PIECES: u64 = 10;
/// Of which a busy kernel may have dropped a page meanwhile, without being asked to (seen: up to two).
const STRAYS_MAX: u64 = 3;

#[test]
fn the_second_touch_fills_the_page_cache_and_the_third_asks_no_disk() {
    let bytes = media(LEN);
    let Some(cold) = Cold::file(&bytes) else { return };
    let rig = cold.rig(|_| {});
    let mut client = Client::connect(rig.address());
    let mut touch = || {
        let before = (reads(&rig, "direct"), reads(&rig, "warmed"));
        assert!(client.get("/file", &[]).body == bytes);
        (reads(&rig, "direct") - before.0, reads(&rig, "warmed") - before.1)
    };
    let (direct, warmed) = touch();
    assert!(
        direct >= PIECES && warmed == 0,
        "the first touch leaves the page cache alone: {direct} {warmed}"
    );
    let (direct, warmed) = touch();
    assert!(direct <= STRAYS_MAX && warmed >= PIECES - STRAYS_MAX, "{direct} {warmed}");
    let (direct, warmed) = touch();
    assert!(direct + warmed <= STRAYS_MAX, "{direct} {warmed}");
}

#[test]
fn an_error_of_the_disk_ends_one_answer_and_is_not_remembered() {
    let bytes = media(LEN);
    for before in 0..3 {
        let Some(cold) = Cold::file(&bytes) else { return };
        let mut faults: Vec<Fault> = (0..before).map(|_| Fault::None).collect();
        faults.push(Fault::Errno(EIO));
        let rig = cold.rig(|config| config.cold_reads.faults = InTurn::faults(faults));
        let mut client = Client::connect(rig.address());
        client.send(request("GET", "/file", &[]));
        let received = client.read_to_end();
        assert!(!received.ends_with(&bytes[bytes.len() - 100..]));
        wait_until("the error to be counted", || {
            rig.figure("rillcast_http_broken_bodies_total", "source_unreadable") == 1
        });
        assert_eq!(rig.figure("rillcast_disk_failures_total", "failed"), 1);
        assert!(Client::connect(rig.address()).get("/file", &[]).body == bytes);
        wait_until_all_is_home(&rig);
    }
}

#[test]
fn short_reads_of_the_disk_are_put_together() {
    let bytes = media(LEN);
    for short in [1, 777, 4096, 100_000] {
        let Some(cold) = Cold::file(&bytes) else { return };
        let faults = (0..6).map(|_| Fault::Short(short)).collect();
        let rig = cold.rig(|config| config.cold_reads.faults = InTurn::faults(faults));
        assert!(Client::connect(rig.address()).get("/file", &[]).body == bytes, "{short}");
        assert!(reads(&rig, "direct") + reads(&rig, "buffered") > 0);
        wait_until_all_is_home(&rig);
    }
}

/// Changes the file while the first read of it waits: no byte that is not of the old content may come.
fn check_change(change: impl Fn(&File), what: &str) {
    let bytes = media(LEN);
    let Some(cold) = Cold::file(&bytes) else { return };
    let (release, gate) = oneshot::channel();
    let rig = cold.rig(|config| {
        config.cold_reads.faults = InTurn::faults(vec![Fault::None, Fault::None, Fault::Hold(gate)]);
    });
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/file", &[]));
    client.read_head();
    // Into the second piece: then the third is being read.
    let mut received = client.read_exact(600_000).unwrap();
    wait_until("the third read to begin", || reads(&rig, "direct") >= 2);
    change(&File::options().write(true).open(&cold.path).unwrap());
    release.send(()).unwrap();
    received.extend(client.read_to_end());
    assert!(received.len() < bytes.len() && bytes.starts_with(&received), "{what}: {}", received.len());
    wait_until("the reason to be counted", || {
        rig.figure("rillcast_http_broken_bodies_total", "source_changed") == 1
    });
    wait_until_all_is_home(&rig);
    // What is there now is served, and nothing of what was there before.
    let now = std::fs::read(&cold.path).unwrap();
    assert!(Client::connect(rig.address()).get("/file", &[]).body == now, "{what}");
}

#[test]
fn a_file_that_changes_under_a_cold_read_breaks_the_connection() {
    check_change(|file| file.write_all_at(b"other bytes", 2 << 20).unwrap(), "overwritten");
    check_change(|file| file.set_len(1 << 20).unwrap(), "cut short");
}

#[test]
fn a_dead_disk_thread_costs_time_and_no_answer() {
    let bytes = media(LEN);
    let Some(cold) = Cold::file(&bytes) else { return };
    let rig = cold.rig(|config| config.cold_reads.faults = InTurn::faults(vec![Fault::None, Fault::Die]));
    let mut client = Client::connect(rig.address());
    assert!(client.get("/file", &[]).body == bytes);
    assert!(rig.figure("rillcast_disk_failures_total", "stopped") > 0);
    evict(&cold.path);
    assert!(client.get("/pieces", &[]).body == joined_pieces(&bytes));
    wait_until_all_is_home(&rig);
}

#[test]
fn a_client_that_vanishes_leaves_no_buffer_behind() {
    let Some(cold) = Cold::file(&media(LEN)) else { return };
    let (release, gate) = oneshot::channel();
    let held = InTurn::holding(vec![gate]);
    let rig = cold.rig(|config| config.cold_reads.faults = Some(Arc::clone(&held) as _));
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/file", &[]));
    wait_until("the read to begin", || held.left() == 0);
    drop(client);
    wait_until("the connection to end", || rig.server.connections() == 0);
    assert_eq!(rig.server.disk_buffers_in_use(), 1, "the disk still has it");
    release.send(()).unwrap();
    wait_until_all_is_home(&rig);
}

#[test]
fn clients_that_do_not_read_cannot_keep_others_from_the_disk() {
    const BUFFERS: usize = 4;
    let bytes = media(LARGE);
    let Some(cold) = Cold::file(&bytes) else { return };
    let rig = cold.rig(|config| {
        config.cold_reads.buffer_bytes = BUFFERS as u64 * (640 << 10);
        config.cold_reads.depth = NonZeroUsize::new(4).unwrap();
        config.delivery.zero_copy = false;
    });
    // Each from a place of its own, so that each is a first touch.
    let mut idle: Vec<_> = (0..12).map(|_| Client::connect(rig.address())).collect();
    for (number, client) in idle.iter_mut().enumerate() {
        let from = format!("Range: bytes={}-", number * 700_001);
        client.send(request("GET", "/file", &[&from]));
        client.read_head();
        assert!(rig.server.disk_buffers_in_use() <= BUFFERS);
    }
    let answer = Client::connect(rig.address()).get("/file", &["Range: bytes=20000000-23000000"]);
    assert!(answer.body == bytes[20_000_000..=23_000_000]);
    for (number, client) in idle.iter_mut().enumerate() {
        let from = number * 700_001;
        assert!(client.read_exact(1 << 20).unwrap() == bytes[from..][..1 << 20]);
    }
    drop(idle);
    wait_until_all_is_home(&rig);
}
