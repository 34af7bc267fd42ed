//! Surroundings that refuse something: little memory that may be locked, file systems that cannot be read directly.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Advice, fadvise};

use super::films::{Library, crawl, film, heavy_film};
use super::harness::server::Server;
use super::harness::tools::{present, say, skip};

/// Everything that can be reached of both films.
fn all(server: &Server) -> Vec<(String, Vec<u8>)> {
    let found = ["small", "heavy"].map(|name| crawl(server, &format!("/vod/{name}.mp4/master.m3u8")));
    found.into_iter().flatten().map(|(path, answer)| (path, answer.body)).collect()
}

/// Puts the file out of memory, where the file system can, so that it is read from the disk.
fn evict(path: &Path) {
    let file = File::open(path).expect("it was written");
    file.sync_all().expect("a disk");
    fadvise(&file, 0, None, Advice::DontNeed).expect("advice is taken");
}

fn library() -> Library {
    let library = Library::new();
    library.put("small.mp4", &film(30));
    library.put("heavy.mp4", &heavy_film());
    library
}

/// Whether a process of ours may mount in a namespace of its own. Where not, no tool is missing: a right is.
fn may_mount() -> bool {
    let allowed = Command::new("unshare").args(["-m", "true"]).output();
    let allowed = allowed.is_ok_and(|output| output.status.success());
    if !allowed {
        say("skipped: mounting in a namespace of its own is for root");
    }
    allowed
}

/// A server of `media`, after `script` has run in a mount namespace of its own with `$0` as the server and `$OUTER` as
/// the directory around the media.
fn serve_mounted(library: &Library, media: &Path, script: &str) -> Server {
    let mut unshare = Command::new("unshare");
    let script = format!("set -e; {script}; exec \"$0\" \"$@\"");
    unshare.args(["-m", "sh", "-c", &script]).env("OUTER", library.outer());
    Server::start_through(unshare, media, &[])
}

/// Whether `script` can be done in a mount namespace.
fn can_mount(library: &Library, script: &str) -> bool {
    let mut unshare = Command::new("unshare");
    let done = unshare.args(["-m", "sh", "-e", "-c", script]).env("OUTER", library.outer()).output();
    let output = done.expect("it was started before");
    if !output.status.success() {
        skip(&format!("mounting is refused: {}", String::from_utf8_lossy(&output.stderr)));
    }
    output.status.success()
}

#[test]
fn a_source_on_tmpfs_is_served_as_from_a_disk() {
    if !may_mount() {
        return;
    }
    let library = library();
    let expected = all(&library.serve_as_shipped());
    let script = "mkdir \"$OUTER/tmpfs\" 2>/dev/null || true; mount -t tmpfs tmpfs \"$OUTER/tmpfs\"; \
                  cp -p \"$OUTER\"/media/* \"$OUTER/tmpfs\"";
    if !can_mount(&library, script) {
        return;
    }
    let server = serve_mounted(&library, &library.outer().join("tmpfs"), script);
    assert!(all(&server) == expected);
}

#[test]
fn a_source_on_an_overlay_is_served_as_from_a_disk() {
    if !may_mount() {
        return;
    }
    let library = library();
    let expected = all(&library.serve_as_shipped());
    // One film comes from below, the other was copied up. What is above lies on tmpfs, which is always a good place.
    let script = "cd \"$OUTER\"; mkdir overlay above 2>/dev/null || true; mount -t tmpfs tmpfs above; \
                  mkdir above/upper above/work; \
                  mount -t overlay overlay -o lowerdir=media,upperdir=above/upper,workdir=above/work overlay; \
                  touch -r media/small.mp4 overlay/small.mp4; cd /";
    if !can_mount(&library, script) {
        return;
    }
    for name in ["small.mp4", "heavy.mp4"] {
        evict(&library.at(name));
    }
    let server = serve_mounted(&library, &library.outer().join("overlay"), script);
    assert!(all(&server) == expected);
    assert!(!server.log().contains("reading a source failed"), "{}", server.log());
}

#[test]
fn with_little_memory_to_lock_buffers_are_not_registered_and_all_goes_on() {
    // Root may lock what it likes, unless it gives that up.
    let mut command = Command::new("sh");
    if rustix::process::geteuid().is_root() {
        if !present(&["setpriv"]) {
            return;
        }
        command = Command::new("setpriv");
        command.args(["--bounding-set", "-ipc_lock", "sh"]);
    }
    command.args(["-c", "ulimit -l 8192 && exec \"$0\" \"$@\""]);
    let library = library();
    let expected = all(&library.serve_as_shipped());
    for name in ["small.mp4", "heavy.mp4"] {
        evict(&library.at(name));
    }
    let server = Server::start_through(command, &library.media(), &[]);
    assert!(all(&server) == expected);
    let log = server.log();
    let ready = log.lines().find(|line| line.contains("cold reads are ready")).expect("it says so");
    // 64 MiB of buffers do not fit into 8 MiB.
    assert!(ready.contains("is_registered\":false") || ready.contains("is_registered=false"), "{ready}");
    let advice = if ready.contains("is_uring\":true") || ready.contains("is_uring=true") {
        "raise the limit on locked memory"
    } else {
        "the system refuses io_uring"
    };
    assert!(log.contains(advice), "{log}");
}
