//! `rillcast index` as an operator meets it: what it says of each file, its exit code, and that the server finds what it wrote.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rillcast_fixtures::{Shape, Track};
use tempfile::TempDir;

#[expect(dead_code, reason = "this suite needs a part of the harness")]
mod harness;

use harness::server::Server;

/// A folder with films in `media`, one of them no film.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a writable place for temporary files");
    fs::create_dir_all(folder.path().join("media/more")).expect("writable");
    let film =
        |seconds: usize| Shape::new(vec![Track::avc(1, 25, 50, seconds * 25), Track::aac(2, 188)]).bytes();
    fs::write(folder.path().join("media/a.mp4"), film(4)).expect("writable");
    fs::write(folder.path().join("media/more/b.mp4"), film(6)).expect("writable");
    fs::write(folder.path().join("media/bad.mp4"), b"no film").expect("writable");
    folder
}

fn rillcast(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    command.args(args).current_dir(folder).env("CACHE_DIRECTORY", folder.join("cache")).stdin(Stdio::null());
    command
}

/// The exit code, the first words of each line, and what was said on standard error.
fn index(folder: &Path, args: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let args = [&["index"], args].concat();
    let Output { status, stdout, stderr } = rillcast(folder, &args).output().expect("it starts");
    let text = String::from_utf8(stdout).expect("text");
    let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    (status.code(), text.lines().map(words).collect(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn each_file_has_its_line_and_the_worst_is_the_exit_code() {
    let folder = folder();
    let (code, lines, err) = index(folder.path(), &["media"]);
    assert_eq!(lines, ["written media/a.mp4", "refused media/bad.mp4:", "written media/more/b.mp4"]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    let (code, lines, _) = index(folder.path(), &["media/a.mp4", "media/more"]);
    assert_eq!((code, lines), (Some(0), vec!["fresh media/a.mp4".into(), "fresh media/more/b.mp4".into()]));
    let (code, lines, err) = index(folder.path(), &["no-such", "media/a.mp4"]);
    assert_eq!((code, lines), (Some(2), vec!["fresh media/a.mp4".into()]));
    assert!(err.contains("no-such"), "{err}");
}

#[test]
fn without_a_place_for_indexes_it_says_so() {
    let folder = folder();
    fs::write(folder.path().join("off.toml"), "[origin]\nindex = \"off\"").expect("writable");
    let (code, _, err) = index(folder.path(), &["media", "--config", "off.toml"]);
    assert!(code == Some(2) && err.contains("origin.index is \"off\""), "{err}");
    fs::write(folder.path().join("dir.toml"), "[origin]\nindex_dir = \"media/a.mp4\"").expect("writable");
    let (code, _, err) = index(folder.path(), &["media/a.mp4", "--config", "dir.toml"]);
    assert!(code == Some(2) && err.contains("the index cannot be written"), "{err}");
    let mut nowhere = rillcast(folder.path(), &["index", "media"]);
    let nowhere = nowhere.env_remove("CACHE_DIRECTORY").env_remove("XDG_CACHE_HOME").env_remove("HOME");
    let Output { status, stderr, .. } = nowhere.output().expect("it starts");
    let err = String::from_utf8_lossy(&stderr);
    assert!(status.code() == Some(2) && err.contains("no cache directory is known"), "{err}");
}

#[test]
fn beside_the_files_they_are_hidden() {
    let folder = folder();
    fs::write(folder.path().join("beside.toml"), "[origin]\nindex = \"beside\"").expect("writable");
    let (code, _, _) = index(folder.path(), &["media/more", "--config", "beside.toml"]);
    assert_eq!(code, Some(0));
    assert!(folder.path().join("media/more/.b.mp4.rcx").exists());
    let (_, lines, _) = index(folder.path(), &["media", "--config", "beside.toml"]);
    assert_eq!(lines, ["written media/a.mp4", "refused media/bad.mp4:", "fresh media/more/b.mp4"]);
}

#[test]
fn the_server_writes_what_the_command_finds_and_the_other_way_round() {
    let folder = folder();
    assert_eq!(index(folder.path(), &["media/a.mp4"]).1, ["written media/a.mp4"]);
    let mut server = rillcast(folder.path(), &["serve", "--media", "media", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
    let address = line.trim_end().trim_end_matches('/').rsplit('/').next().expect("an address").to_owned();
    for path in ["a.mp4", "more/b.mp4"] {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        let request = format!("GET /vod/{path}/master.m3u8 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("#EXT-X-STREAM-INF"), "{answer}");
    }
    // Only what was not there is written, after the answer: its file is looked for until it is there.
    while files(&folder.path().join("cache")) < 2 {
        std::thread::yield_now();
    }
    let _ = server.kill();
    let _ = server.wait();
    let (code, lines, _) = index(folder.path(), &["media/a.mp4", "media/more/b.mp4"]);
    assert_eq!((code, lines), (Some(0), vec!["fresh media/a.mp4".into(), "fresh media/more/b.mp4".into()]));
}

/// The body of the answer that the server at `address` gives.
fn get(address: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let head = answer.windows(4).position(|word| word == b"\r\n\r\n").expect("there is a head") + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{path}: {}", String::from_utf8_lossy(&answer[..head]));
    answer.split_off(head)
}

/// The first line of a playlist that is no tag and ends with `ending`.
fn listed<'a>(playlist: &'a str, ending: &str) -> &'a str {
    let mut lines = playlist.lines().filter(|line| !line.starts_with('#'));
    lines.find(|line| line.ends_with(ending)).expect("it lists one")
}

/// All segments of picture that the server at `address` has of `a.mp4`, one behind the other.
fn picture(address: &str) -> Vec<u8> {
    let text = |path: &str| String::from_utf8(get(address, path)).expect("text");
    let main = text("/vod/a.mp4/master.m3u8");
    let (folder, _) = listed(&main, "v1/playlist.m3u8").rsplit_once('/').expect("a folder");
    let playlist = text(&format!("/vod/a.mp4/{folder}/playlist.m3u8"));
    let segments = playlist.lines().filter(|line| !line.starts_with('#'));
    segments.flat_map(|segment| get(address, &format!("/vod/a.mp4/{folder}/{segment}"))).collect()
}

#[test]
fn beside_a_file_that_was_laid_out_anew_the_index_is_made_anew() {
    let folder = folder();
    fs::write(folder.path().join("beside.toml"), "[origin]\nindex = \"beside\"").expect("writable");
    let args = ["media/a.mp4", "--config", "beside.toml"];
    let beside = folder.path().join("media/.a.mp4.rcx");
    let serve = || {
        let media = folder.path().join("media");
        let config = folder.path().join("beside.toml");
        Server::start_with(&media, &["--config", &config.to_string_lossy()])
    };
    assert_eq!(index(folder.path(), &args).1, ["written media/a.mp4"]);
    let old = fs::read(&beside).expect("it was written");
    let before = picture(serve().address());

    let optimized = rillcast(folder.path(), &["optimize", "media/a.mp4"]).output().expect("it starts");
    assert!(optimized.status.success(), "{optimized:?}");
    // The server finds the old index, makes no use of it, and puts a new one in its place.
    fs::write(&beside, &old).expect("writable");
    let server = serve();
    assert!(picture(server.address()) == before, "the same samples");
    while fs::read(&beside).expect("it is replaced in one go") == old {
        std::thread::yield_now();
    }
    assert!(server.log().contains("a stored index is not used: it is made anew"), "{}", server.log());
    drop(server);
    assert_eq!(index(folder.path(), &args).1, ["fresh media/a.mp4"]);

    // And so does the command.
    fs::write(&beside, &old).expect("writable");
    assert_eq!(index(folder.path(), &args).1, ["written media/a.mp4"]);
    assert!(picture(serve().address()) == before);
}

/// Indexes below `folder`.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: fs::DirEntry| {
        let path = entry.path();
        if path.is_dir() {
            files(&path)
        } else {
            usize::from(path.extension().is_some_and(|end| end == "rcx"))
        }
    };
    entries.map(count).sum()
}
