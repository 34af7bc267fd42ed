//! What the figures were measured on: without it they mean nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cache_peer;
use crate::measure::Cores;
use crate::{peer, process};

/// A tool that does not say its version within this time is unknown.
const TOOL_LIMIT: Duration = Duration::from_secs(10);

/// Machine, tools and commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Environment {
    /// Processor model.
    pub(crate) processor: String,
    /// Processors of the machine.
    pub(crate) processors: usize,
    /// The core that servers ran on.
    pub(crate) server_core: usize,
    /// The core that the load client ran on.
    pub(crate) client_core: usize,
    /// Memory in megabytes.
    pub(crate) memory_mb: u64,
    /// Processes that wanted to run in the minute before: others' work spoils the figures.
    pub(crate) load_before: f64,
    /// Kernel release.
    pub(crate) kernel: String,
    /// Version lines of nginx and of the caches that are installed.
    pub(crate) peers: String,
    /// Version line of ffmpeg.
    pub(crate) ffmpeg: String,
    /// Version line of the compiler found now.
    pub(crate) rustc: String,
    /// Commit of the working tree, with a mark when it was changed.
    pub(crate) commit: String,
}

impl Environment {
    /// Looks around; what cannot be found out is `unknown`. `scratch` is a folder to write in.
    pub(crate) fn look(cores: Cores, load_before: f64, scratch: &Path) -> Self {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let models = || cpu_info.lines().filter(|line| line.starts_with("model name"));
        let model = models().next().and_then(|line| line.split_once(':'));
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let first_line = |program: &str, arguments: &[&str]| said(program, arguments, scratch);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: model.map_or_else(unknown, |(_, name)| name.trim().to_owned()),
            processors: cpu_info.lines().filter(|line| line.starts_with("processor")).count(),
            server_core: cores.server,
            client_core: cores.client,
            memory_mb: memory_kb(&memory) / 1024,
            load_before,
            kernel: kernel.trim().to_owned(),
            peers: peers(scratch),
            ffmpeg: first_line("ffmpeg", &["-version"]),
            rustc: first_line("rustc", &["--version"]),
            commit: first_line("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
        }
    }
}

/// The load average of the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_ascii_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

fn memory_kb(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

fn peers(scratch: &Path) -> String {
    let versions = [
        (peer::program(), "-v"),
        (cache_peer::VARNISH_PROGRAM, "-V"),
        (cache_peer::TRAFFIC_SERVER_PROGRAM, "-V"),
    ];
    let lines = versions.map(|(program, argument)| said(program, &[argument], scratch));
    lines.into_iter().filter(|line| *line != unknown()).collect::<Vec<_>>().join("; ")
}

fn said(program: &str, arguments: &[&str], scratch: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    let log = scratch.join("version.log");
    let text = process::run_to_end(program, command, &log, TOOL_LIMIT).unwrap_or_default();
    text.lines().next().map_or_else(unknown, str::to_owned)
}

fn unknown() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kilobytes() {
        assert_eq!(memory_kb("MemTotal:       24689564 kB\nMemFree: 1 kB\n"), 24_689_564);
        assert_eq!(memory_kb(""), 0);
    }

    #[test]
    fn a_missing_tool_is_unknown_not_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(said("no-such-tool-at-all", &[], scratch.path()), "unknown");
    }
}
