//! What players of others say of themselves (CMCD, CTA-5004), in the query as in headers, and what becomes of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::client::{get, wait_until};
use crate::films::crawl;
use crate::harness::browser::{present, scripts};
use crate::harness::tools;
use crate::pair::{PRIVATE, Pair};
use crate::service::Service;

/// Seconds of the film.
const FILM_S: u32 = 8;
/// Viewers that are watched while others ask for all they can get.
const VIEWERS: usize = 3;
/// Those others.
const HURRIED: usize = 2;

/// A film with a key frame every two seconds, which an origin cuts in two.
fn film(folder: &Path) -> Vec<u8> {
    let file = folder.join("made.mp4");
    let pictures = format!("testsrc2=size=320x180:rate=24:duration={FILM_S}");
    let sound = format!("sine=frequency=220:sample_rate=48000:duration={FILM_S}");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &sound])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-b:v", "600k"])
        .args(["-g", "48", "-keyint_min", "48", "-sc_threshold", "0", "-c:a", "aac", "-b:a", "64k"])
        .args(["-movflags", "+faststart"])
        .arg(&file)
        .stdin(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "ffmpeg makes a film");
    std::fs::read(file).expect("it was made")
}

/// The figures of an edge.
fn figures(pair: &Pair) -> BTreeMap<String, f64> {
    let answer = get(pair.edge().address(), "/metrics");
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.rsplit_once(' '));
    pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

/// The sum of all whose name begins so and has all these words.
fn sum(figures: &BTreeMap<String, f64>, name: &str, words: &[&str]) -> f64 {
    let has = |key: &str| key.starts_with(name) && words.iter().all(|word| key.contains(word));
    figures.iter().filter(|(key, _)| has(key)).map(|(_, value)| value).sum()
}

/// Plays to the end; what did not hold.
fn play(player: &str, url: &str, telling: &[&str]) -> Vec<String> {
    let mut node = Command::new("node");
    node.arg(scripts().join("player.mjs")).args(["--player", player, "--url", url, "--json"]).args(telling);
    let output = node.output().expect("node was found before");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    assert!(checks.len() > 5, "{report}");
    checks.iter().filter(|check| check["ok"] != true).map(Value::to_string).collect()
}

#[test]
fn what_hls_js_and_shaka_tell_of_themselves_is_counted_and_splits_no_key() {
    if !tools::present(&["ffmpeg"]) || !present() {
        return;
    }
    let _turn = tools::turn("browser");
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let service = Service::answering(String::new());
    let events = format!(
        "[edge.events]\nurl = \"{}\"\ndirectory = \"{}\"",
        service.url("/e"),
        folder.path().display()
    );
    let pair = Pair::new(&film(folder.path()), &events);
    let mut before = figures(&pair);
    for (player, way, version) in [
        ("hlsjs", "query", "1"),
        ("hlsjs", "headers", "1"),
        ("hlsjs", "query", "2"),
        ("shaka", "query", "1"),
        ("shaka", "headers", "1"),
        ("shaka", "headers", "2"),
    ] {
        let what = format!("{player}, {way}, version {version}");
        let session = format!("{player}-{way}-{version}");
        let url = pair.edge().url(&format!("/t/{}/vod/{PRIVATE}/master.m3u8", pair.token(&session)));
        let faults = play(player, &url, &["--cmcd", way, "--cmcd-version", version, "--session", &session]);
        assert_eq!(faults, [] as [String; 0], "{what}");
        let after = figures(&pair);
        let grown = |name: &str, words: &[&str]| sum(&after, name, words) - sum(&before, name, words);
        let segments = 2.0;
        let requests = grown("rillcast_cmcd_requests_total", &[&format!("version=\"{version}\"")]);
        assert!(requests >= segments, "{what}: {requests} requests");
        assert!(requests == grown("rillcast_cmcd_requests_total", &["format=\"hls\""]), "{what}");
        assert!(grown("rillcast_cmcd_objects_total", &["object=\"video\""]) >= segments, "{what}");
        assert!(grown("rillcast_cmcd_objects_total", &["object=\"manifest\""]) >= 1.0, "{what}");
        assert!(grown("rillcast_cmcd_buffer_seconds_count", &[]) >= 1.0, "{what}");
        assert!(grown("rillcast_cmcd_bitrate_bits_per_second_count", &[]) >= segments, "{what}");
        assert!(grown("rillcast_cmcd_startups_total", &[]) >= 1.0, "{what}");
        assert!(grown("rillcast_cmcd_ignored_total", &[]) == 0.0, "{what}: all of it is understood");
        before = after;
    }
    // Told when the edge ends, if not before.
    let mut pair = pair;
    pair.restart(|_| ());
    let has_told = |session: &str| {
        let heard = service.heard();
        let bodies = heard.iter().filter_map(|request| request.split_once("\r\n\r\n"));
        let batches = bodies.filter_map(|(_, body)| serde_json::from_str::<Value>(body).ok());
        let mut beats = batches.flat_map(|batch| batch["events"].as_array().cloned().unwrap_or_default());
        beats.any(|beat| {
            beat["session"] == session && beat["startups"].as_u64().is_some_and(|count| count > 0)
        })
    };
    for session in ["hlsjs-query-1", "hlsjs-headers-1", "shaka-query-1", "shaka-headers-2"] {
        wait_until("the beats of a session arrive", || has_told(session));
    }
    check_logs(&pair.into_logs());
}

/// The origin was asked for each piece once by all of them together, and nobody logs what players call themselves.
fn check_logs(logs: &str) {
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for line in logs.lines().filter(|line| line.contains("route=\"segment\"")) {
        let path = line.split("path=\"").nth(1).and_then(|rest| rest.split('"').next());
        *asked.entry(path.unwrap_or_default()).or_default() += 1;
    }
    assert!(asked.len() >= 4, "pictures and sound: {asked:?}");
    let twice: Vec<_> = asked.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "one key a piece, however it is asked for: {twice:?}");
    assert!(!logs.contains("CMCD") && !logs.contains("hlsjs-query-1"), "a log shows what players say");
}

#[test]
fn viewers_in_a_browser_never_wait_while_others_ask_for_all_they_can_get() {
    if !tools::present(&["ffmpeg"]) || !present() {
        return;
    }
    let _turn = tools::turn("browser");
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let pair = Pair::new(&film(folder.path()), "");
    let master = format!("/vod/{PRIVATE}/master.m3u8");
    let token = pair.token("s");
    let url = pair.edge().url(&format!("/t/{token}{master}"));
    let segments: Vec<String> = crawl(&pair.origin, &master).into_iter().map(|(path, _)| path).collect();
    let is_over = AtomicBool::new(false);
    let (report, asked) = std::thread::scope(|scope| {
        let hurried: Vec<_> = (0..HURRIED)
            .map(|_| {
                scope.spawn(|| {
                    let mut asked = 0_usize;
                    while !is_over.load(Ordering::Relaxed) {
                        for path in &segments {
                            let answer = get(pair.edge().address(), &format!("/t/{token}{path}"));
                            assert_eq!(answer.status, 200, "{path}");
                            asked += 1;
                        }
                    }
                    asked
                })
            })
            .collect();
        let mut node = Command::new("node");
        node.arg(scripts().join("audience.mjs")).args(["--urls", &[url.as_str(); VIEWERS].join(",")]);
        let output = node.args(["--ahead", "4"]).output().expect("node was found before");
        is_over.store(true, Ordering::Relaxed);
        let asked: usize = hurried.into_iter().map(|one| one.join().expect("all is answered")).sum();
        (String::from_utf8(output.stdout).expect("text"), asked)
    });
    let last = report.lines().last().unwrap_or_default();
    let report: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"));
    let viewers = report["viewers"].as_array().cloned().unwrap_or_default();
    tools::say(&format!("{asked} requests besides"));
    assert_eq!(viewers.len(), VIEWERS);
    for viewer in &viewers {
        let short = |name: &str| viewer[name].to_string();
        let told = [short("problems"), short("stalls"), short("time")].join(", ");
        assert_eq!((&viewer["ended"], &viewer["stalls"]), (&true.into(), &0.into()), "{told}");
        let problems: Vec<String> =
            viewer["problems"].as_array().into_iter().flatten().map(short_of).collect();
        // With media ahead it is the machine that is too slow to show it.
        let faults = problems.iter().filter(|problem| !is_slow_machine(problem));
        assert_eq!(faults.collect::<Vec<_>>(), [] as [&String; 0], "{told}");
    }
    assert!(asked > segments.len(), "there was something to disturb them");
}

fn short_of(problem: &Value) -> String {
    problem["what"].as_str().unwrap_or_default().to_owned()
}

/// A stall of the player with half a second or more of media ahead of it.
fn is_slow_machine(problem: &str) -> bool {
    let ahead =
        problem.strip_prefix("mediaError bufferStalledError").and_then(|rest| rest.rsplit_once(" with "));
    let ahead = ahead.and_then(|(_, rest)| rest.split(' ').next()?.parse::<f64>().ok());
    ahead.is_some_and(|ahead| ahead >= 0.5)
}
