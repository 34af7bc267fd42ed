//! hls.js and Shaka Player in headless Chromium, driven by `player.mjs`, and the page by `page.mjs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::harness::corpus::Entry;
use super::harness::tools;

/// A player of the web, as `player.mjs` calls it.
pub(crate) const PLAYERS: [&str; 2] = ["hlsjs", "shaka"];

/// Whether the browser, Node and the players' packages are there.
pub(crate) fn present() -> bool {
    let chromium = tools::variable("CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into());
    if !tools::present(&["node", &chromium.to_string_lossy()]) {
        return false;
    }
    let packages = scripts().join("node_modules/playwright-core");
    if !packages.is_dir() {
        tools::skip("no packages in tests/interop: `make interop-packages` installs them");
    }
    packages.is_dir()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// Plays a file's stream with every level and audio track; returns what did not hold.
pub(crate) fn play(player: &str, url: &str, late_s: f64, duration_s: f64) -> Vec<String> {
    let (late, duration) = (format!("{late_s:.3}"), format!("{duration_s:.3}"));
    run(
        "player.mjs",
        &["--player", player, "--url", url, "--switch", "--late", &late, "--duration", &duration],
    )
}

/// Whether Chromium as distributions build it decodes the file: it has no H.265 without hardware.
pub(crate) fn decodable(entry: &Entry) -> bool {
    entry.facts["tracks"].as_array().into_iter().flatten().all(|track| track["codec"] != "H.265")
}

/// How much later than the first of its tracks the last of them starts: until then a browser cannot play.
pub(crate) fn late_s(entry: &Entry) -> f64 {
    let tracks = entry.facts["tracks"].as_array().into_iter().flatten();
    tracks.filter_map(|track| track["start_s"].as_f64()).fold(0.0, f64::max)
}

/// How long the player should say the stream is.
pub(crate) fn duration_s(entry: &Entry) -> f64 {
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
