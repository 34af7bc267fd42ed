//! hls.js and Shaka Player in headless Chromium, driven by `player.mjs`, and the page by `page.mjs`.

use std::process::Command;

use serde_json::Value;

use super::harness::browser::scripts;
use super::harness::corpus::Entry;

/// A player of the web, as `player.mjs` calls it.
pub(crate) const PLAYERS: [&str; 2] = ["hlsjs", "shaka"];

/// What is expected of a stream, in seconds.
pub(crate) struct Expected {
    /// How much later than the first of its tracks the last one starts: until then a browser cannot play.
    pub(crate) late_s: f64,
    pub(crate) duration_s: f64,
    /// How far from that a player may find it.
    pub(crate) tolerance_s: f64,
}

impl Expected {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self { late_s: late_s(entry), duration_s: duration_s(entry), tolerance_s: tolerance_s(entry) }
    }

    /// A stream whose tracks all start at zero and end after `duration_s`.
    pub(crate) fn even(duration_s: f64) -> Self {
        Self { late_s: 0.0, duration_s, tolerance_s: LENGTH_SLACK_S }
    }
}

/// Plays a stream with every level and audio track; returns what did not hold.
pub(crate) fn play(player: &str, url: &str, expected: &Expected) -> Vec<String> {
    let options = [
        ("--late", expected.late_s),
        ("--duration", expected.duration_s),
        ("--tolerance", expected.tolerance_s),
    ]
    .map(|(name, seconds)| (name, format!("{seconds:.3}")));
    let numbers = options.iter().flat_map(|(name, seconds)| [*name, seconds]);
    let args: Vec<&str> = ["--player", player, "--url", url, "--switch"].into_iter().chain(numbers).collect();
    run("player.mjs", &args)
}

/// Shorter than this, a film has ended before a browser reports on it.
const SHORTEST_S: f64 = 0.5;
/// How far a player's idea of the length may be from the source's.
const LENGTH_SLACK_S: f64 = 0.1;

/// Whether Chromium as distributions build it can be asked to play the file: it has no H.265 without hardware.
pub(crate) fn playable(entry: &Entry) -> bool {
    let long_enough = duration_s(entry) >= SHORTEST_S;
    long_enough
        && entry.facts["tracks"].as_array().into_iter().flatten().all(|track| track["codec"] != "H.265")
}

fn late_s(entry: &Entry) -> f64 {
    let tracks = entry.facts["tracks"].as_array().into_iter().flatten();
    tracks.filter_map(|track| track["start_s"].as_f64()).fold(0.0, f64::max)
}

/// Shaka Player ends with the shorter track.
fn tolerance_s(entry: &Entry) -> f64 {
    let tracks = entry.facts["tracks"].as_array().into_iter().flatten();
    let first_end_s = tracks.filter_map(|track| track["end_s"].as_f64()).fold(f64::MAX, f64::min);
    LENGTH_SLACK_S + (duration_s(entry) - first_end_s).max(0.0)
}

fn duration_s(entry: &Entry) -> f64 {
    entry.facts["duration_s"].as_f64().expect("a playable file has a duration")
}

/// Runs a script and returns what did not hold.
pub(crate) fn run(script: &str, args: &[&str]) -> Vec<String> {
    let output = Command::new("node").arg(scripts().join(script)).args(args).arg("--json").output();
    let output = output.expect("node was found before");
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        return vec![format!("{script} died: {}", String::from_utf8_lossy(&output.stderr))];
    };
    let checks = report["checks"].as_array().into_iter().flatten();
    let failed = checks.filter(|check| check["ok"] != true);
    let mut faults: Vec<String> =
        failed.map(|check| format!("{}: {}", check["name"], check["evidence"])).collect();
    if faults.is_empty() && !output.status.success() {
        faults.push(format!("{script} ended with {}", output.status));
    }
    faults
}
