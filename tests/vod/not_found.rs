//! What is not there, not to be seen or not to be reached: 404, soon forgotten, without a hang.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::client::{Answer, get};
use super::films::{Library, film, first};
use super::harness::{server::Server, tools};

const MASTER: &str = "/vod/a.mp4/master.m3u8";

/// A 404 problem that a cache may keep for a second at most.
fn check_missing(answer: &Answer, path: &str) {
    assert_eq!(answer.status, 404, "{path}: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    assert!(["no-store", "public, max-age=1"].contains(&answer.header("cache-control")), "{path}");
    assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    assert_eq!(answer.json()["type"], "/problems/not_found", "{path}");
}

fn missing(server: &Server, path: &str) -> Answer {
    let answer = get(server.address(), path);
    check_missing(&answer, path);
    answer
}

#[test]
fn no_spelling_leads_out_of_the_directory_or_to_hidden_files() {
    let library = Library::new();
    for name in ["a.mp4", "sub/a.mp4", ".hidden.mp4", ".git/a.mp4", "sub/.a.mp4"] {
        library.put(name, &film(2));
    }
    fs::write(library.outer().join("secret.mp4"), film(2)).expect("writable");
    let server = library.serve();
    assert_eq!(get(server.address(), MASTER).status, 200);
    for path in [
        "../secret.mp4",
        "sub/../../secret.mp4",
        "sub/../a.mp4",
        "%2e%2e/secret.mp4",
        "%2E%2E/secret.mp4",
        ".%2e/secret.mp4",
        "%2e%2e%2fsecret.mp4",
        "..%2fsecret.mp4",
        "..%5csecret.mp4",
        "..\\secret.mp4",
        "..;/secret.mp4",
        "..;a=b/secret.mp4",
        "%252e%252e/secret.mp4",
        "%252e%252e%252fsecret.mp4",
        "%c0%ae%c0%ae/secret.mp4",
        "%u002e%u002e/secret.mp4",
        "sub//../../secret.mp4",
        "/a.mp4",
        "sub//a.mp4",
        "./a.mp4",
        "sub/./a.mp4",
        "sub%2fa.mp4",
        ".hidden.mp4",
        "%2ehidden.mp4",
        ".git/a.mp4",
        "sub/.a.mp4",
        "a.mp4%",
        "a.mp4%2",
        "a.mp4%zz",
        "a.mp4%ff",
        "a.mp4.",
        "a.mp4%20",
        "a.mp4;x",
        "A.mp4",
        "a.MP4",
        "Sub/a.mp4",
        "none.mp4",
        "a.mp4/more",
        "",
    ] {
        missing(&server, &format!("/vod/{path}/master.m3u8"));
    }
    for path in [
        "/vod",
        "/vod/",
        "/vod/a.mp4",
        "/vod/a.mp4/",
        "/vod/master.m3u8",
        "/vod/a.mp4/Master.m3u8",
        "/vod/a.mp4/master.m3u8/",
        "/vod/a.mp4/master%2em3u8",
        "/VOD/a.mp4/master.m3u8",
        "//vod/a.mp4/master.m3u8",
        "/./vod/a.mp4/master.m3u8",
        "/%76od/a.mp4/master.m3u8",
        "/../secret.mp4",
        "/secret.mp4",
    ] {
        missing(&server, path);
    }
}

#[test]
fn control_characters_are_a_bad_request() {
    let (_library, server) = Library::with("a.mp4", &film(2));
    for path in ["a.mp4%00", "%00", "a%00.mp4", "a%0d%0aset-cookie:x.mp4", "a%7f.mp4", "a%1b[2J.mp4"] {
        let answer = get(server.address(), &format!("/vod/{path}/master.m3u8"));
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.header("set-cookie"), "", "{path}");
    }
}

#[test]
fn a_query_changes_nothing() {
    let (_library, server) = Library::with("a.mp4", &film(2));
    let plain = get(server.address(), MASTER);
    assert_eq!(get(server.address(), &format!("{MASTER}?token=x&/../..")).body, plain.body);
}

#[test]
fn names_have_a_longest_length() {
    let library = Library::new();
    // 255 bytes a name is the file system's limit, 1024 bytes a path is ours.
    let longest_name = format!("{}.mp4", "n".repeat(251));
    let folders = ["f".repeat(250), "g".repeat(250), "h".repeat(250), "i".repeat(250)].join("/");
    let longest_path = format!("{folders}/{}.mp4", "p".repeat(1024 - folders.len() - 5));
    assert_eq!(longest_path.len(), 1024);
    let deepest = format!("{}z.mp4", "d/".repeat(31));
    // The file system takes these two, so it is we who do not.
    let (too_long, too_deep) = (format!("{longest_path}4"), format!("d/{deepest}"));
    for name in [&longest_name, &longest_path, &deepest, &too_long, &too_deep] {
        library.put(name, &film(2));
    }
    let server = library.serve();
    for name in [&longest_name, &longest_path, &deepest] {
        assert_eq!(get(server.address(), &format!("/vod/{name}/master.m3u8")).status, 200, "{name}");
    }
    for name in [format!("n{longest_name}"), too_long, too_deep] {
        missing(&server, &format!("/vod/{name}/master.m3u8"));
    }
    // Of the whole target, 8 KiB, whatever it says.
    let target = |len: usize| format!("/vod/{}", "x".repeat(len - 5));
    missing(&server, &target(8 * 1024));
    assert_eq!(get(server.address(), &target(8 * 1024 + 1)).status, 414);
}

#[test]
fn links_are_followed_inside_and_nowhere_else() {
    let library = Library::new();
    library.put("real.mp4", &film(2));
    library.put("sub/other.mp4", &film(3));
    fs::write(library.outer().join("secret.mp4"), film(2)).expect("writable");
    let link = |target: &str, name: &str| symlink(target, library.at(name)).expect("writable");
    link("real.mp4", "inside.mp4");
    link("../real.mp4", "sub/up.mp4");
    link("sub", "folder");
    link(&library.outer().join("secret.mp4").to_string_lossy(), "absolute.mp4");
    link("../secret.mp4", "relative.mp4");
    link("..", "out");
    link("nowhere.mp4", "dangling.mp4");
    link("loop.mp4", "loop.mp4");
    let server = library.serve();
    let real = get(server.address(), "/vod/real.mp4/master.m3u8");
    for name in ["inside.mp4", "sub/up.mp4"] {
        assert_eq!(get(server.address(), &format!("/vod/{name}/master.m3u8")).body, real.body, "{name}");
    }
    assert_eq!(get(server.address(), "/vod/folder/other.mp4/master.m3u8").status, 200);
    for name in ["absolute.mp4", "relative.mp4", "out/secret.mp4", "dangling.mp4", "loop.mp4"] {
        missing(&server, &format!("/vod/{name}/master.m3u8"));
    }
    let listed = get(server.address(), "/library.json");
    for name in ["absolute", "relative", "secret", "dangling", "loop"] {
        assert!(!listed.text().contains(name), "{name} is listed, but not served");
    }
    for name in ["inside.mp4", "sub/up.mp4"] {
        assert!(listed.text().contains(name), "{name}");
    }
}

#[test]
fn what_is_no_regular_file_is_missing_and_nothing_waits_for_it() {
    let library = Library::new();
    fs::create_dir(library.at("folder.mp4")).expect("writable");
    let made = Command::new("mkfifo").arg(library.at("pipe.mp4")).status().expect("mkfifo is everywhere");
    assert!(made.success());
    let server = library.serve();
    for name in ["folder.mp4", "pipe.mp4"] {
        missing(&server, &format!("/vod/{name}/master.m3u8"));
    }
    assert_eq!(get(server.address(), "/library.json").json()["assets"], serde_json::json!([]));
}

#[test]
fn a_file_we_may_not_read_is_missing_to_viewers_and_told_to_the_operator() {
    let (library, server) = Library::with("a.mp4", &film(2));
    fs::set_permissions(library.at("a.mp4"), Permissions::from_mode(0o0)).expect("ours");
    if File::open(library.at("a.mp4")).is_ok() {
        return tools::say("skipped: whoever runs this may read every file");
    }
    missing(&server, MASTER);
    assert!(server.log().contains("no permission"), "{}", server.log());
}

#[test]
fn pieces_that_an_asset_does_not_have_are_missing() {
    let (_library, server) = Library::with("a.mp4", &film(6));
    let playlist = first(&server, MASTER, "/v1/playlist.m3u8");
    let (folder, _) = playlist.rsplit_once('/').expect("a path");
    let (revision, _) = folder.rsplit_once('/').expect("a path");
    let count = get(server.address(), &playlist).text().lines().filter(|line| line.ends_with(".m4s")).count();
    assert_eq!(get(server.address(), &format!("{folder}/{}.m4s", count - 1)).status, 200, "the last");
    missing(&server, &format!("{folder}/{count}.m4s"));
    for path in [
        "4294967295.m4s",
        "4294967296.m4s",
        "-1.m4s",
        "00.m4s",
        "+0.m4s",
        "0.M4S",
        "0.mp4",
        "0.m4s/",
        "Init.mp4",
        "init.m4s",
        "iframe",
        "iframe/",
        "iframe/9999.m4s",
        "iframe/00.m4s",
        "Playlist.m3u8",
    ] {
        missing(&server, &format!("{folder}/{path}"));
    }
    for track in ["v2", "v9", "a1", "V1", "v01", "x1", "v", "1", "v4294967296"] {
        missing(&server, &format!("{revision}/{track}/0.m4s"));
    }
    for path in ["", "/", "/v1", "/v1/"] {
        missing(&server, &format!("{revision}{path}"));
    }
    missing(&server, &format!("{revision}/a2/iframes.m3u8"));
}

#[test]
fn a_revision_has_one_name_and_an_unknown_one_says_what_to_do() {
    let (_library, server) = Library::with("a.mp4", &film(6));
    let segment = first(&server, MASTER, "/v1/0.m4s");
    let unknown = "/vod/a.mp4/~1.0000000000000000/v1/0.m4s";
    let detail = missing(&server, unknown).json()["detail"].to_string();
    assert!(detail.contains("master.m3u8"), "{detail}");
    for other in [
        segment.replace('~', "~~"),
        segment.replace('~', "%7e"),
        segment.replace('~', ""),
        segment.replace("~1.", "~01."),
        segment.replace("~1.", "~2."),
        segment.replace("~1.", "~1"),
        segment.replace("/v1/", "0/v1/"),
    ] {
        missing(&server, &other);
    }
}
