//! HTTP/2 over TLS with `h2load` (nghttp2): a client that decrypts and copies, and so limits. Read the
//! server's CPU time, not the throughput.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::load::Outcome;
use crate::measure::{self, Usage};
use crate::measured::Measured;
use crate::process::{self, ProcessError};
use crate::truth::Piece;

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 16;
/// Streams of each.
pub(crate) const STREAMS: usize = 4;
/// A run takes less, or has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum H2Error {
    /// The list of addresses could not be written, or a core not be had.
    #[error("running h2load: {0}")]
    Io(#[from] io::Error),
    /// It failed or is not there.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It said something else than expected.
    #[error("h2load says {0:?}: not all answers were right")]
    Wrong(String),
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    /// The server.
    pub(crate) address: SocketAddr,
    /// Its process.
    pub(crate) pid: u32,
    /// Asked for round and round.
    pub(crate) pieces: &'a [Piece],
    /// In all.
    pub(crate) requests: usize,
}

/// Runs `load` from `core`.
///
/// # Errors
/// [`H2Error`].
pub(crate) fn run(load: &Load<'_>, scratch: &Path, core: usize) -> Result<Measured, H2Error> {
    let list = scratch.join("h2load.txt");
    let urls: Vec<String> =
        load.pieces.iter().map(|piece| format!("https://{}{}\n", load.address, piece.path)).collect();
    fs::write(&list, urls.concat())?;
    let mut command = process::command("/usr/bin/h2load");
    command.arg(format!("-n{}", load.requests)).arg(format!("-c{CONNECTIONS}")).arg(format!("-m{STREAMS}"));
    command.args(["-w24", "-W26", "--tls13-ciphers=TLS_AES_128_GCM_SHA256", "-i"]).arg(&list);
    let before = (measure::usage(load.pid), measure::now());
    let log = scratch.join("h2load.log");
    let said = measure::on_core(core, || process::run_to_end("h2load", command, &log, LIMIT))??;
    let (after, seconds) = (measure::usage(load.pid), before.1.elapsed().as_secs_f64());
    let body_bytes = read(&said, load.requests).ok_or_else(|| H2Error::Wrong(summary(&said)))?;
    let server = Usage { cpu_s: after.cpu_s - before.0.cpu_s, resident_bytes: after.resident_bytes };
    let requests = load.requests as u64;
    let outcome =
        Outcome { requests, body_bytes, seconds, server, client_cpu_s: seconds, ..Outcome::default() };
    Ok(Measured::of(&outcome))
}

/// Bytes of all bodies, when all `requests` were answered with 2xx over HTTP/2.
fn read(said: &str, requests: usize) -> Option<u64> {
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let succeeded = format!(" {requests} succeeded, 0 failed, 0 errored, 0 timeout");
    let right = line("requests: ")?.contains(&succeeded)
        && line("status codes: ")?.starts_with(&format!("{requests} 2xx"))
        && line("Application protocol: ")? == "h2";
    let (data, _) = line("traffic: ")?.rsplit_once(") data")?;
    let bytes = data.rsplit_once('(')?.1.parse().ok()?;
    right.then_some(bytes)
}

fn summary(said: &str) -> String {
    let starts = ["Application protocol", "requests:", "status codes:"];
    let lines = said.lines().filter(|line| starts.iter().any(|start| line.starts_with(start)));
    lines.collect::<Vec<&str>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "TLS Protocol: TLSv1.3\nApplication protocol: h2\nfinished in 1.36s, 88.07 req/s\n\
        requests: 120 total, 120 started, 120 done, 120 succeeded, 0 failed, 0 errored, 0 timeout\n\
        status codes: 120 2xx, 0 3xx, 0 4xx, 0 5xx\n\
        traffic: 430.05MB (450942393) total, 8.13KB (8322) headers (space savings 49.62%), 429.66MB (450529170) data\n";

    #[test]
    fn body_bytes_count_when_all_answers_were_right() {
        assert_eq!(read(SAID, 120), Some(450_529_170));
    }

    #[test]
    fn a_failed_answer_another_protocol_or_no_summary_is_no_figure() {
        assert_eq!(read(&SAID.replace("120 2xx, 0 3xx, 0 4xx", "119 2xx, 0 3xx, 1 4xx"), 120), None);
        assert_eq!(read(&SAID.replace(": h2\n", ": http/1.1\n"), 120), None);
        assert_eq!(read(SAID, 121), None);
        assert_eq!(read("", 1), None);
        assert!(summary(SAID).contains("status codes: 120 2xx"));
    }
}
