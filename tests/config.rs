//! `rillcast serve` and `check` as an operator meets them: arguments, files, and what is said when something is wrong.
#![expect(clippy::panic, reason = "a test fails by it")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv6Addr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rillcast_fixtures::{Shape, Track};
use tempfile::TempDir;

/// The binary, to be run in `folder`.
fn rillcast(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    command.args(args).current_dir(folder).env("CACHE_DIRECTORY", folder.join("cache")).stdin(Stdio::null());
    command
}

/// Runs to the end: for what is not to start.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = rillcast(folder, args).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

/// A server and where it listens.
struct Serving {
    child: Child,
    ready: BufReader<ChildStdout>,
}

impl Serving {
    fn start(folder: &Path, args: &[&str]) -> Self {
        Self::of(rillcast(folder, args))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary was built for this test");
        let ready = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, ready }
    }

    /// The next URL it says it is ready at.
    fn url(&mut self) -> String {
        let mut line = String::new();
        self.ready.read_line(&mut line).expect("text");
        let url = line.trim_end().strip_prefix("rillcast is ready: ");
        url.unwrap_or_else(|| panic!("no ready line but {line:?}")).to_owned()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a media directory of one film.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a writable place for temporary files");
    fs::create_dir(folder.path().join("media")).expect("writable");
    let mut video = Track::avc(1, 25, 100, 100);
    // One NAL unit, an IDR slice, as long as the sample: what the auditor looks at.
    video.first_bytes = vec![0, 0, 0, 36, 0x65];
    let film = Shape::new(vec![video, Track::aac(2, 188)]).bytes();
    fs::write(folder.path().join("media/a.mp4"), film).expect("writable");
    folder
}

/// Audits the film that is served at `url`.
fn check(url: &str) -> (Option<i32>, serde_json::Value) {
    let entry = format!("{url}vod/a.mp4/master.m3u8");
    let (code, out, err) = run(Path::new("/"), &["check", "--json", &entry]);
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out:?}, {err}")))
}

#[test]
fn check_finds_nothing_wrong_with_us_wherever_the_server_runs() {
    let folder = folder();
    let elsewhere = TempDir::new().expect("a writable place");
    let media = folder.path().join("media");
    let media = media.to_str().expect("text");
    // The default media directory is below the working directory; a named one may be anywhere.
    for (working, args) in [(folder.path(), vec![]), (elsewhere.path(), vec!["--media", media])] {
        let args = [&["serve", "--listen", "127.0.0.1:0"], args.as_slice()].concat();
        let mut serving = Serving::start(working, &args);
        let (code, report) = check(&serving.url());
        assert_eq!(code, Some(0), "{report:#}");
        assert!(report.is_object(), "{report}");
    }
}

/// Checks `url`, which gives nothing to audit; returns what is said of it. In JSON the report holds the same.
fn nothing_to_check(url: &str) -> String {
    let (code, out, err) = run(Path::new("/"), &["check", url]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    let (code, json, again) = run(Path::new("/"), &["check", "--json", url]);
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &again), (Some(2), &err));
    let findings = report["findings"].as_array().expect("a list");
    assert_eq!((findings.len(), &report["counts"]["playlists"]), (1, &0.into()), "{report:#}");
    let message = findings[0]["message"].as_str().expect("text");
    assert_eq!(err, format!("rillcast check: {url}: {message}\n"));
    err
}

#[test]
fn check_says_when_there_is_nothing_to_check() {
    // A port that was free a moment ago: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").expect("free ports").local_addr().expect("bound").port();
    let err = nothing_to_check(&format!("http://127.0.0.1:{port}/vod/a.mp4/master.m3u8"));
    assert!(err.contains("cannot be loaded: no answer: ") && err.contains("refused"), "{err}");
    let (code, out, err) = run(Path::new("/"), &["check", "media/a.mp4"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("no http or https URL"), "{err}");

    let folder = folder();
    fs::write(folder.path().join("media/broken.mp4"), b"this is no movie").expect("writable");
    let mut serving = Serving::start(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let url = serving.url();
    let err = nothing_to_check(&format!("{url}vod/none.mp4/master.m3u8"));
    assert!(err.contains("cannot be loaded: it answers with status 404: Not found"), "{err}");
    let err = nothing_to_check(&format!("{url}vod/broken.mp4/master.m3u8"));
    assert!(err.contains("status 422: The file is damaged or not a movie: "), "{err}");
    let err = nothing_to_check(&url);
    assert!(err.contains("this is not a playlist: it begins with `<!doctype html>`"), "{err}");
}

#[test]
fn check_ends_its_text_with_a_line_end() {
    let folder = folder();
    let mut serving = Serving::start(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let entry = format!("{}vod/a.mp4/master.m3u8", serving.url());
    let (code, out, err) = run(Path::new("/"), &["check", &entry]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("0 errors, ") && out.ends_with(" requests\n"), "{out:?}");
}

#[test]
fn a_configuration_file_is_obeyed_and_arguments_win_over_it() {
    let folder = folder();
    let config = folder.path().join("rillcast.toml");
    let media = folder.path().join("media");
    let text = format!(
        "[origin]\nmedia = \"{}\"\n[http]\nworkers = 1\n[[http.listener]]\naddress = \"127.0.0.1:0\"\n",
        media.display()
    );
    fs::write(&config, text).expect("writable");
    let config = config.to_str().expect("text");
    let mut serving = Serving::start(Path::new("/"), &["serve", "--config", config]);
    let url = serving.url();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(check(&url).0, Some(0));

    let missing = ["serve", "--config", config, "--media", "/nowhere/at/all"];
    let (code, _, err) = run(Path::new("/"), &missing);
    assert_eq!(code, Some(1));
    assert!(err.contains("/nowhere/at/all"), "{err}");
}

#[test]
fn several_addresses_are_listened_on_ipv6_too() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    let folder = folder();
    let args = ["serve", "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--workers", "2"];
    let mut serving = Serving::start(folder.path(), &args);
    let (first, second) = (serving.url(), serving.url());
    assert!(
        first.starts_with("http://127.0.0.1:") && second.starts_with("http://[::1]:"),
        "{first} {second}"
    );
    for url in [first, second] {
        assert_eq!(check(&url).0, Some(0), "{url}");
    }
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("free ports");
    let address = taken.local_addr().expect("bound").to_string();
    let (code, out, err) = run(folder.path(), &["serve", "--listen", &address]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains(&address) && err.contains("the port is taken") && err.contains("--listen"), "{err}");
    // Another reason is not called that: this address is nobody's (RFC 5737).
    let (code, _, err) = run(folder.path(), &["serve", "--listen", "192.0.2.1:0"]);
    assert!(code == Some(1) && err.contains("192.0.2.1:0") && !err.contains("taken"), "{err}");
    // Not even by a second server of ours, though each shares its port among its cores.
    let mut serving = Serving::start(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let url = serving.url();
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let (code, _, err) = run(folder.path(), &["serve", "--listen", address]);
    assert_eq!(code, Some(1));
    assert!(err.contains(address), "{err}");
}

#[test]
fn a_missing_media_directory_is_named_with_a_way_out() {
    let empty = TempDir::new().expect("a writable place");
    fs::write(empty.path().join("file"), "").expect("writable");
    for args in [&["serve"][..], &["serve", "--media", "none"], &["serve", "--media", "file"]] {
        let (code, out, err) = run(empty.path(), args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(err.contains("no media directory") && err.contains("--media DIR"), "{err}");
        assert!(err.contains(args.last().filter(|_| args.len() > 1).unwrap_or(&"media")), "{err}");
    }
}

/// The operating system's words, the parser's and those about an address alike.
#[test]
fn what_is_wrong_with_a_configuration_is_said_once() {
    let folder = folder();
    let [syntax, network] = ["[http", "[ops]\nmetrics_from = [\"10.0.0.0/33\"]"].map(|text| {
        let path = folder.path().join(format!("{}.toml", text.len()));
        fs::write(&path, text).expect("writable");
        path.to_str().expect("text").to_owned()
    });
    for (path, words) in [("/nope", "(os error 2)"), (&syntax, "TOML parse error"), (&network, "has 32 bits")]
    {
        let (code, out, err) = run(folder.path(), &["serve", "--config", path]);
        assert_eq!((code, out.as_str(), err.matches(words).count()), (Some(1), "", 1), "{err}");
        assert!(err.ends_with('\n') && !err.ends_with("\n\n"), "{err:?}");
    }
}

#[test]
fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let folder = folder();
    // What a shell hands on, made small.
    let script = "ulimit -Sn 64 && exec \"$0\" serve --listen 127.0.0.1:0";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_rillcast")]).current_dir(folder.path());
    command.env("CACHE_DIRECTORY", folder.path().join("cache"));
    let mut serving = Serving::of(command);
    serving.url();
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).expect("our child");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("Linux tells");
    let mut numbers = line.split_whitespace().skip(3);
    let (soft, hard) = (numbers.next(), numbers.next());
    assert!(soft.is_some() && soft == hard && soft != Some("64"), "{line}");
}

#[test]
fn a_wrong_configuration_names_its_key_and_ends_the_start() {
    let folder = folder();
    let huge = "#".repeat((1 << 20) + 1);
    for (text, expected) in [
        ("[origin]\nmedai = \"x\"", "medai"),
        ("[origin]\nmedia = 3", "media"),
        ("[origin]\nopen_assets = 0", "origin.open_assets"),
        ("[origin]\nopen_assets = -1", "open_assets"),
        ("[origin]\nopen_assets = 9223372036854775807", "origin.open_assets"),
        ("[origin]\nasset_memory_mib = 9223372036854775807", "origin.asset_memory_mib"),
        ("[origin]\nasset_idle_s = 9223372036854775807", "origin.asset_idle_s"),
        ("[http]\nworkers = 9223372036854775807", "http.workers"),
        ("[http.limits]\nconnections = 0", "http.limits.connections"),
        ("[http.limits]\nread_buffer_bytes = 9223372036854775807", "http.limits.read_buffer_bytes"),
        ("[http.limits]\nblocking_threads = 0", "http.limits.blocking_threads"),
        ("[http.limits]\nidle_s = 9223372036854775807", "http.limits.idle_s"),
        ("[http.compression]\ncache_mib = 9223372036854775807", "http.compression.cache_mib"),
        ("[http.compression]\nqueue = 9223372036854775807", "http.compression.queue"),
        ("[ops]\ndrain_s = 9223372036854775807", "ops.drain_s"),
        ("[ops]\nmetrics_from = [\"everybody\"]", "ops.metrics_from"),
        ("[log]\nlevel = \"a=b=c\"", "log.level"),
        ("no toml", "bad.toml"),
        (huge.as_str(), "not a configuration"),
    ] {
        fs::write(folder.path().join("bad.toml"), text).expect("writable");
        let (code, out, err) = run(folder.path(), &["serve", "--config", "bad.toml"]);
        let text = &text[..text.len().min(80)];
        assert_eq!((code, out.as_str()), (Some(1), ""), "{text}: {err}");
        assert!(err.contains(expected), "{text}: {err}");
        assert!(!err.contains("panicked"), "{text}: {err}");
    }
    for path in ["none.toml", "media"] {
        let (code, _, err) = run(folder.path(), &["serve", "--config", path]);
        assert_eq!(code, Some(1), "{path}");
        assert!(err.contains(path), "{err}");
    }
}

#[test]
fn wrong_arguments_are_a_matter_of_usage() {
    for args in
        [&["serve", "--listen", "nonsense"][..], &["serve", "--workers", "0"], &["serve", "more"], &[]]
    {
        let (code, _, err) = run(Path::new("/"), args);
        assert_eq!(code, Some(2), "{args:?}");
        assert!(!err.is_empty());
    }
}
