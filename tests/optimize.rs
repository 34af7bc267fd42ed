//! `rillcast optimize` as its users run it: what is replaced and what is not, exit codes and messages, a kill at any
//! point, a full disk, a server with the old file open, and what ffmpeg decodes before and after.
#[path = "optimize/films.rs"]
mod films;
#[expect(dead_code, reason = "this suite needs a part of the harness")]
mod harness;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use films::{interleaved, large};
use harness::server::Server;
use harness::tools;
use serde_json::Value;
use tempfile::TempDir;

fn command(args: &[&str], paths: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    command.arg("optimize").args(args).args(paths).stdin(Stdio::null());
    command
}

fn optimize(args: &[&str], paths: &[&Path]) -> Output {
    command(args, paths).output().expect("the binary was built for this test")
}

/// Exit code, standard output and standard error.
fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn inspect(path: &Path) -> Value {
    harness::corpus::inspect(path.to_owned()).facts
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a writable place for temporary files")
}

/// `name` in `dir`, a film that is not laid out, and its bytes.
fn film(dir: &TempDir, name: &str) -> (PathBuf, Vec<u8>) {
    let path = dir.path().join(name);
    let bytes = interleaved().bytes();
    std::fs::write(&path, &bytes).expect("the directory is ours");
    (path, bytes)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("it is there")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("it is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_becomes_segment_contiguous_and_stays_the_same_asset() {
    let dir = folder();
    let (path, _) = film(&dir, "film.mp4");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("it is ours");
    let (before, meta) = (inspect(&path), std::fs::metadata(&path).expect("it is there"));
    assert_eq!(before["segments"]["contiguous"], false);
    let (code, out, err) = told(&optimize(&[], &[&path]));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("pieces a segment -> 1, index moved to the front"), "{out}");
    let (after, now) = (inspect(&path), std::fs::metadata(&path).expect("it is there"));
    assert_eq!(
        (&after["segments"]["contiguous"], &after["container"]["index_first"]),
        (&true.into(), &true.into())
    );
    assert_eq!(before["revision"], after["revision"]);
    assert_eq!(before["tracks"], after["tracks"]);
    assert_eq!(before["ignored_tracks"], after["ignored_tracks"]);
    assert_eq!((meta.mode(), meta.mtime_nsec()), (now.mode(), now.mtime_nsec()));
    let new = read(&path);
    let (code, out, _) = told(&optimize(&[], &[&path]));
    assert_eq!((code, read(&path) == new, names(dir.path())), (Some(0), true, vec!["film.mp4".to_owned()]));
    assert!(out.ends_with("film.mp4: segment-contiguous already; nothing to do\n"), "{out}");
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let dir = folder();
    let (path, bytes) = film(&dir, "film.mp4");
    let (code, out, err) = told(&optimize(&["--dry-run"], &[&path]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("would be: ") && out.contains("stays"), "{out}");
    assert_eq!((read(&path), names(dir.path()).len()), (bytes, 1));
}

#[test]
fn output_goes_to_a_file_or_into_a_directory_and_replaces_nothing_unasked() {
    let dir = folder();
    let (path, bytes) = film(&dir, "film.mp4");
    let (other, _) = film(&dir, "other.mp4");
    let (file, into) = (dir.path().join("new.mp4"), dir.path().join("into"));
    std::fs::create_dir(&into).expect("the directory is ours");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    assert_eq!(told(&optimize(&["-o", &text(&file)], &[&path])).0, Some(0));
    assert_eq!(told(&optimize(&["-o", &text(&into)], &[&path, &other])).0, Some(0));
    assert_eq!(names(&into), ["film.mp4", "other.mp4"]);
    assert_eq!((read(&path), read(&file)), (bytes, read(&into.join("film.mp4"))));

    std::fs::write(&file, "precious").expect("the directory is ours");
    let (code, _, err) = told(&optimize(&["-o", &text(&file)], &[&path]));
    assert_eq!((code, read(&file).as_slice()), (Some(1), b"precious".as_slice()));
    assert!(err.contains("is there already: use --force to replace it"), "{err}");
    assert_eq!(told(&optimize(&["--force", "-o", &text(&file)], &[&path])).0, Some(0));
    assert_eq!(read(&file), read(&into.join("film.mp4")));
    let (code, _, err) = told(&optimize(&["--force", "-o", &text(&path)], &[&path]));
    assert_eq!(code, Some(1));
    assert!(err.contains("leave -o out to replace it"), "{err}");
    let (code, _, err) = told(&optimize(&["-o", &text(&file)], &[&path, &other]));
    assert_eq!(code, Some(2));
    assert!(err.contains("is no directory, and several files are to be written"), "{err}");
}

#[test]
fn a_file_that_fails_does_not_keep_the_next_from_its_turn() {
    let dir = folder();
    let (good, old) = film(&dir, "good.mp4");
    let text = dir.path().join("text.mp4");
    std::fs::write(&text, "no film at all").expect("the directory is ours");
    let (code, out, err) = told(&optimize(&[], &[&text, &good]));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("text.mp4: not an MP4 file") && out.contains("good.mp4: "), "{out}{err}");
    assert_ne!(read(&good), old);
    let (code, _, err) = told(&optimize(&[], &[&dir.path().join("missing.mp4"), dir.path(), &text]));
    assert_eq!(code, Some(2));
    for said in ["missing.mp4: no such file: check the path", "is a directory: name the files in it"] {
        assert!(err.contains(said), "{err}");
    }
}

#[test]
fn a_film_with_boxes_that_would_be_wrong_is_refused_with_the_place_and_advice() {
    let dir = folder();
    let path = dir.path().join("film.mp4");
    let mut file = interleaved().file();
    let auxiliary = rillcast_fixtures::Node::full(b"saio", 0, 0, &[0; 8]);
    file.at("moov/trak/mdia/minf/stbl").children.push(auxiliary);
    std::fs::write(&path, file.bytes()).expect("the directory is ours");
    let (code, _, err) = told(&optimize(&[], &[&path]));
    assert_eq!((code, read(&path)), (Some(1), file.bytes()));
    assert!(err.contains("box `saio` at byte ") && err.contains("it is served as it lies"), "{err}");
}

#[test]
fn a_file_of_several_names_is_replaced_only_when_asked() {
    let dir = folder();
    let (path, bytes) = film(&dir, "film.mp4");
    let link = dir.path().join("link.mp4");
    std::fs::hard_link(&path, &link).expect("the directory is ours");
    let (code, _, err) = told(&optimize(&[], &[&path]));
    assert_eq!((code, read(&path)), (Some(1), bytes.clone()));
    assert!(err.contains("has 2 names (hard links)") && err.contains("use --force"), "{err}");
    assert_eq!(told(&optimize(&["--force"], &[&path])).0, Some(0));
    assert_eq!(read(&link), bytes);
    assert_ne!(read(&path), bytes);
}

#[test]
fn what_a_symbolic_link_points_to_is_replaced_and_the_link_stays() {
    let (dir, elsewhere) = (folder(), folder());
    let (path, bytes) = film(&elsewhere, "film.mp4");
    let link = dir.path().join("link.mp4");
    symlink(&path, &link).expect("the directory is ours");
    let (code, out, _) = told(&optimize(&[], &[&link]));
    assert_eq!(code, Some(0));
    assert!(out.contains("link.mp4 -> ") && out.contains("film.mp4: "), "{out}");
    assert!(link.is_symlink() && read(&path) != bytes);
    assert_eq!((names(dir.path()).len(), names(elsewhere.path()).len()), (1, 1));
}

#[test]
fn a_directory_that_cannot_be_written_to_is_named() {
    let dir = folder();
    let (path, bytes) = film(&dir, "film.mp4");
    // Nobody makes files there, whoever runs the test.
    let (code, _, err) = told(&optimize(&["-o", "/proc/film.mp4"], &[&path]));
    assert_eq!((code, read(&path)), (Some(2), bytes));
    assert!(err.contains("cannot write in /proc: ") && err.contains("use -o to write elsewhere"), "{err}");
}

#[test]
fn a_full_disk_is_told_before_anything_is_copied() {
    let dir = folder();
    let (path, bytes) = film(&dir, "film.mp4");
    let small = dir.path().join("small");
    std::fs::create_dir(&small).expect("the directory is ours");
    // A file system of 16 kB, in a name space of its own.
    let script = "mount -t tmpfs -o size=16k none \"$1\" || exit 99; \"$2\" optimize -o \"$1\" \"$3\"; code=$?; ls -A \"$1\"; exit $code";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .args([&small, Path::new(env!("CARGO_BIN_EXE_rillcast")), &path])
        .output();
    let Ok(output) = output else { return tools::skip("not installed: unshare") };
    let (code, out, err) = told(&output);
    if code == Some(99) || err.contains("unshare failed") {
        return tools::skip("name spaces of users are not allowed here");
    }
    assert_eq!((code, out.as_str(), read(&path)), (Some(2), "", bytes), "{err}");
    assert!(err.contains("no room in ") && err.contains("are free"), "{err}");
}

#[test]
fn two_runs_on_one_file_do_not_meet() {
    let dir = folder();
    let (path, bytes) = film(&dir, "film.mp4");
    let held = std::fs::File::create(dir.path().join(".film.mp4.rillcast-partial")).expect("it is ours");
    held.try_lock().expect("nobody else knows it");
    let (code, _, err) = told(&optimize(&[], &[&path]));
    assert_eq!((code, read(&path)), (Some(2), bytes));
    assert!(err.contains("another run is at work on it"), "{err}");
    drop(held);
    assert_eq!(told(&optimize(&[], &[&path])).0, Some(0));
    assert_eq!(names(dir.path()), ["film.mp4"]);
}

/// How far the file is that a run is writing: nothing, bytes noted, or complete with its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Nothing,
    Noted(u64),
    Complete,
}

fn seen(partial: &Path) -> Seen {
    let mut record = [0; 64];
    let Ok(file) = std::fs::File::open(partial) else { return Seen::Nothing };
    if file.read_exact_at(&mut record, 0).is_err() {
        return Seen::Nothing;
    }
    match record.first_chunk::<8>() {
        Some(b"rillcast") => Seen::Noted(u64::from_le_bytes(record[56..64].try_into().expect("eight bytes"))),
        Some([_, _, _, _, b'f', b't', b'y', b'p']) => Seen::Complete,
        _ => Seen::Nothing,
    }
}

/// Kills `child` with no chance to tidy up once the file it writes has come to `point`; false if it ended before.
fn kill_at(mut child: Child, partial: &Path, point: Seen) -> bool {
    loop {
        if seen(partial) >= point {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            return true;
        }
        if child.try_wait().expect("it is our child").is_some() {
            return false;
        }
    }
}

#[test]
fn a_run_that_is_killed_leaves_one_whole_file_and_the_next_goes_on() {
    let (dir, truth) = (folder(), folder());
    let (path, original) = (dir.path().join("film.mp4"), truth.path().join("film.mp4"));
    large(&original);
    let old = read(&original);
    let expected = truth.path().join("new.mp4");
    assert_eq!(told(&optimize(&["-o", &expected.to_string_lossy()], &[&original])).0, Some(0));
    let new = read(&expected);
    std::fs::write(&path, &old).expect("the directory is ours");
    let partial = dir.path().join(".film.mp4.rillcast-partial");
    let mebibytes = |count: u64| Seen::Noted(count << 20);
    let mut killed = 0;
    for point in [mebibytes(0), mebibytes(64), mebibytes(64), mebibytes(128), Seen::Complete] {
        let run = command(&[], &[&path]).stdout(Stdio::null()).spawn().expect("the binary was built");
        if kill_at(run, &partial, point) {
            killed += 1;
        }
        let now = read(&path);
        assert!(now == old || now == new, "neither the old file nor the new one after {point:?}");
        if now == new {
            assert!(!partial.exists());
            std::fs::write(&path, &old).expect("the directory is ours");
        }
    }
    assert!(killed > 0, "every run ended before it could be killed");
    let complete = seen(&partial);
    let (code, out, err) = told(&optimize(&[], &[&path]));
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(complete > mebibytes(1), out.contains("bytes of an earlier run"), "{complete:?} {out}");
    assert!(read(&path) == new, "the whole new file");
    assert_eq!(names(dir.path()), ["film.mp4"]);
}

/// Asks for `path` on a connection of its own, and reads only the start of the answer.
fn begin(server: &Server, path: &str) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut start = vec![0; 4096];
    stream.read_exact(&mut start).expect("the answer is longer");
    (stream, start)
}

fn rest((mut stream, mut bytes): (TcpStream, Vec<u8>)) -> Vec<u8> {
    stream.read_to_end(&mut bytes).expect("the answer ends");
    let head = bytes.windows(4).position(|word| word == b"\r\n\r\n").expect("there is a head") + 4;
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes[..head]));
    bytes.split_off(head)
}

#[test]
fn a_transfer_ends_from_the_old_file_and_the_next_is_the_same_from_the_new_one() {
    let dir = folder();
    let path = dir.path().join("film.mp4");
    large(&path);
    let revision = inspect(&path)["revision"].as_str().expect("it is served").to_owned();
    let server = Server::start(dir.path());
    // 95 MB: far more than the buffers of a connection hold.
    let segment = format!("/vod/film.mp4/~{revision}/v1/0.m4s");
    let listed = rest(begin_all(&server, &format!("/vod/film.mp4/~{revision}/v1/playlist.m3u8")));
    let listed = String::from_utf8(listed).expect("a playlist");
    let first = listed.lines().find(|line| !line.starts_with('#')).expect("it lists a segment");
    let segment = segment.replace("0.m4s", first);
    let whole = rest(begin(&server, &segment));
    let begun = begin(&server, &segment);
    assert_eq!(told(&optimize(&[], &[&path])).0, Some(0));
    assert!(rest(begun) == whole, "the transfer that had begun");
    assert!(rest(begin(&server, &segment)) == whole, "the same from the new file");
}

/// Asks for `path`, which may be short.
fn begin_all(server: &Server, path: &str) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the server reads");
    (stream, Vec::new())
}

/// What ffmpeg decodes of every stream of `path`, frame by frame.
fn frames(path: &Path) -> String {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0", "-f", "framemd5", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is here");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn ffmpeg_decodes_the_same_frames_before_and_after() {
    if !tools::present(&["ffmpeg"]) {
        return;
    }
    let dir = folder();
    let path = dir.path().join("film.mov");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=12"])
        .args(["-f", "lavfi", "-i", "sine=f=440:r=48000:d=12", "-c:v", "libx264", "-g", "50", "-bf", "2"])
        .args(["-pix_fmt", "yuv420p", "-c:a", "aac", "-timecode", "01:00:00:00", "-metadata", "title=A film"])
        .arg(&path)
        .stdin(Stdio::null())
        .status()
        .expect("ffmpeg is here");
    assert!(made.success());
    let before = frames(&path);
    let (code, out, err) = told(&optimize(&[], &[&path]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(before.lines().count() > 800, "pictures, sound and a time code");
    assert_eq!(frames(&path), before);
}
