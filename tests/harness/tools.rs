//! Commands of others that a test needs, and what happens where they are absent.
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::ffi::OsString;
use std::fs::File;
use std::process::{Command, Stdio};

/// Whether every one of `programs` can be started; else says that the test is skipped, or fails it where
/// `RILLCAST_REQUIRE_TOOLS=1` demands them.
pub(crate) fn present(programs: &[&str]) -> bool {
    let absent: Vec<&str> = programs.iter().copied().filter(|program| !starts(program)).collect();
    if !absent.is_empty() {
        skip(&format!("not installed: {}", absent.join(", ")));
    }
    absent.is_empty()
}

/// Whether a program can be started at all; whatever it says to `--version`.
pub(crate) fn starts(program: &str) -> bool {
    let null = || Stdio::null();
    Command::new(program).arg("--version").stdin(null()).stdout(null()).stderr(null()).status().is_ok()
}

/// Says that the test is skipped and why.
///
/// # Panics
/// Where `RILLCAST_REQUIRE_TOOLS=1` demands that no test is skipped.
#[track_caller]
pub(crate) fn skip(reason: &str) {
    assert!(variable("RILLCAST_REQUIRE_TOOLS").is_none_or(|value| value != "1"), "{reason}");
    say(&format!("skipped: {reason}"));
}

/// Tells whoever watches the tests.
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// A variable of the environment.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Waits until no other test of any process holds the same turn, and holds it until the file is dropped: for tests
/// that load the machine so much that two at once would disturb each other.
pub(crate) fn turn(name: &str) -> File {
    let path = std::env::temp_dir().join(format!("rillcast-test-{name}.lock"));
    let file = File::create(&path).expect("a writable place for temporary files");
    file.lock().expect("a file of our own can be locked");
    file
}
