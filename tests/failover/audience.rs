//! Viewers in a browser: hls.js in one headless Chromium, driven by `tests/interop/audience.mjs`.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::film::{Film, master};
use super::harness::browser::scripts;
use super::house::{House, VIEWERS};

/// How fast they play, so that the test is short; faults are then met sooner, too.
const RATE: f64 = 2.0;
/// Seconds of the film that they keep ahead: two segments.
const AHEAD_S: f64 = 10.0;

/// Seconds of the wall that a segment takes to be played, the longest that a stall may be.
pub(crate) fn segment_s(film_segment_s: f64) -> f64 {
    film_segment_s / RATE
}

/// A film with a key frame every `segment_s` and a picture so small that a browser shows six of them.
pub(crate) fn make(path: &Path, duration_s: u32, segment_s: u32) {
    let pictures = format!("testsrc2=size=320x180:rate={PICTURES_A_SECOND}:duration={duration_s}");
    let sound = format!("sine=frequency=220:beep_factor=4:sample_rate=48000:duration={duration_s}");
    let group = (PICTURES_A_SECOND * segment_s).to_string();
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &sound])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-b:v", "300k"])
        .args(["-g", &group, "-keyint_min", &group, "-sc_threshold", "0"])
        .args(["-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart"])
        .arg(path)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "ffmpeg makes {}", path.display());
}

/// Pictures a second of the film that [`make`] makes.
pub(crate) const PICTURES_A_SECOND: u32 = 12;

/// Viewers at play. Dropping it ends the browser.
pub(crate) struct Audience {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Audience {
    /// Everybody begins, each at a door of its own.
    pub(crate) fn begin(house: &House, name: &str) -> Self {
        let url = |viewer| format!("http://{}{}", house.door(viewer).address(), master(name));
        let urls: Vec<String> = (0..VIEWERS).map(url).collect();
        let mut child = Command::new("node")
            .arg(scripts().join("audience.mjs"))
            .args(["--urls", &urls.join(","), "--rate", &RATE.to_string(), "--ahead", &AHEAD_S.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node was found before");
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        Self { child, lines }
    }

    /// Waits until the slowest has come to `at_s` of the film. The script has a deadline of its own.
    pub(crate) fn wait_for(&mut self, at_s: f64) {
        loop {
            let line = self.lines.next().expect("it tells on").expect("text");
            let at = line.strip_prefix("at ").and_then(|at| at.parse::<f64>().ok());
            let at = at.unwrap_or_else(|| panic!("not at {at_s} s of the film, but: {line}"));
            if at >= at_s {
                return;
            }
        }
    }

    /// What each viewer has to tell at the end.
    pub(crate) fn end(mut self) -> Vec<Value> {
        let lines = self.lines.by_ref().map(|line| line.expect("text"));
        let report = lines.filter(|line| !line.starts_with("at ")).last().unwrap_or_default();
        let report: Value = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
        report["viewers"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        // SIGTERM, so that it closes the browser; it fails only when it has ended already.
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(id.expect("a process"), rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// What is wrong with what a viewer has seen.
pub(crate) fn faults(viewer: &Value, film: &Film, pictures: u32, longest_stall_s: f64) -> Vec<String> {
    let mut faults = Vec::new();
    // A stall is an error event, too; how long it was is looked at below, by the page's own definition.
    let problems = viewer["problems"].as_array().into_iter().flatten();
    let is_stall = |what: &str| what.starts_with("mediaError bufferStalledError");
    let errors = problems
        .filter(|problem| problem["fatal"] == true || !problem["what"].as_str().is_some_and(is_stall));
    faults.extend(errors.map(|error| format!("an error: {error}")));
    if viewer["longestStall"].as_f64().is_none_or(|stall| stall > longest_stall_s) {
        faults.push(format!("a stall of {} s", viewer["longestStall"]));
    }
    if viewer["ended"] != true {
        faults.push(format!("it is at {} of {} s and not at the end", viewer["time"], viewer["duration"]));
    }
    if viewer["frames"] != pictures {
        faults.push(format!("{} pictures of {pictures}", viewer["frames"]));
    }
    let fragments = viewer["fragments"].as_array().cloned().unwrap_or_default();
    for fragment in &fragments {
        let bytes = film.bytes(fragment["path"].as_str().unwrap_or_default());
        if bytes.is_empty() || fragment["bytes"] != bytes.len() || fragment["hash"] != fnv(bytes) {
            faults.push(format!("other bytes: {fragment}"));
        }
    }
    for path in film.steps.iter().flatten() {
        if !fragments.iter().any(|fragment| fragment["path"] == path.as_str()) {
            faults.push(format!("never loaded: {path}"));
        }
    }
    faults
}

/// FNV-1a of 32 bits, as the script has it.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
