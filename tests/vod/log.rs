//! What the operator is told of a file that is not served: once, until it is another file.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use super::client::get;
use super::films::Library;
use super::harness::server::Server;

/// Asks for `name` some times at once and some times more; returns how often it was warned of so far.
fn warnings_after_asking(server: &Server, name: &str) -> usize {
    let path = format!("/vod/{name}/master.m3u8");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(get(server.address(), &path).status, 404);
                }
            });
        }
    });
    let log = server.log();
    let warned = |line: &&str| line.contains("a file is not served") && line.contains(name);
    log.lines().filter(warned).count()
}

#[test]
fn a_link_that_leads_out_is_warned_of_once_until_it_is_another() {
    let library = Library::new();
    symlink("../secret.mp4", library.at("out.mp4")).expect("writable");
    let server = library.serve();
    assert_eq!(warnings_after_asking(&server, "out.mp4"), 1);
    symlink("../another-secret.mp4", library.at("new")).expect("writable");
    fs::rename(library.at("new"), library.at("out.mp4")).expect("writable");
    assert_eq!(warnings_after_asking(&server, "out.mp4"), 2);
}

#[test]
fn what_is_no_regular_file_is_warned_of_once_until_it_changes() {
    let library = Library::new();
    fs::create_dir(library.at("folder.mp4")).expect("writable");
    let server = library.serve();
    assert_eq!(warnings_after_asking(&server, "folder.mp4"), 1);
    let folder = fs::File::open(library.at("folder.mp4")).expect("ours");
    folder.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("ours");
    assert_eq!(warnings_after_asking(&server, "folder.mp4"), 2);
}

#[test]
fn behind_a_link_that_leads_out_each_path_is_warned_of_once() {
    let library = Library::new();
    symlink("..", library.at("up")).expect("writable");
    let server = library.serve();
    for _ in 0..2 {
        for name in ["up/one.mp4", "up/other.mp4"] {
            assert_eq!(warnings_after_asking(&server, name), 1);
        }
    }
}

/// Asks for the library until its listing is a new one, and then some; returns the lines about files not listed so far.
fn told_after_listing(server: &Server, shown: &str) -> Vec<String> {
    let listed = || String::from_utf8_lossy(&get(server.address(), "/library.json").body).into_owned();
    // A listing is used again for a second.
    while !listed().contains(shown) {}
    for _ in 0..5 {
        listed();
    }
    server.log().lines().filter(|line| line.contains("files are not listed")).map(str::to_owned).collect()
}

#[test]
fn files_that_cannot_be_listed_are_warned_of_once_until_they_are_others() {
    let library = Library::new();
    library.put("new\nline.mp4", b"");
    library.put("other\\.mp4", b"");
    library.put(&format!("{}deep.mp4", "z/".repeat(40)), b"");
    library.put("first.mp4", b"");
    let server = library.serve();
    let told = told_after_listing(&server, "first.mp4");
    assert_eq!(told.len(), 1, "{told:?}");
    for words in ["WARN", "count=3", r#"first="new\nline.mp4""#, "a control character", "rename or move them"]
    {
        assert!(told[0].contains(words), "no {words} in {}", told[0]);
    }
    library.put("second.mp4", b"");
    assert_eq!(told_after_listing(&server, "second.mp4").len(), 1);
    fs::remove_file(library.at("new\nline.mp4")).expect("ours");
    library.put("third.mp4", b"");
    let told = told_after_listing(&server, "third.mp4");
    assert!(told.len() == 2 && told[1].contains("count=2"), "{told:?}");
}
