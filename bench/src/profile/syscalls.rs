//! System calls a request, counted by `strace -c` while a known number of requests is answered.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{ProfileError, load};
use crate::load::Span;
use crate::measure::Cores;
use crate::process::{self, Running};
use crate::scenario::Side;

/// Requests that are counted.
const REQUESTS: usize = 200;
/// Connections: few, because opening one is counted too.
const CONNECTIONS: usize = 4;
/// Attaching, and answering under strace, take less.
const LIMIT: Duration = Duration::from_secs(60);

/// Counts the calls of `side`.
///
/// # Errors
/// [`ProfileError`].
pub(super) fn count(
    side: &Side<'_>,
    cores: Cores,
    scratch: &Path,
) -> Result<Vec<(String, f64)>, ProfileError> {
    let table = scratch.join("strace.txt");
    let mut command = process::command("/usr/bin/strace");
    command.args(["-f", "-c", "-p", &side.process.pid().to_string(), "-o"]).arg(&table);
    let mut tracer = Running::start(command, cores.client, &scratch.join("strace.log"))?;
    tracer.wait_until(LIMIT, |said| said.contains("attached"))?;
    let requests: Vec<_> = side.requests.iter().cycle().take(REQUESTS).cloned().collect();
    let side = Side { requests, tls: side.tls.clone(), ..*side };
    load(&side, CONNECTIONS, Span::Once { limit: LIMIT }, cores)?;
    // Its table is written when it is ended.
    drop(tracer);
    let calls = parse(&fs::read_to_string(&table)?, REQUESTS);
    if calls.is_empty() { Err(ProfileError::Silent("strace")) } else { Ok(calls) }
}

/// Name and calls a request of each line of `strace -c`: share, seconds, usecs/call, calls, (errors), name.
fn parse(table: &str, requests: usize) -> Vec<(String, f64)> {
    let mut calls: Vec<(String, f64)> = table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let name = fields.last().filter(|name| fields.len() >= 5 && **name != "total")?;
            let count: f64 = fields.get(3)?.parse().ok()?;
            Some(((*name).to_owned(), count / requests as f64))
        })
        .collect();
    calls.sort_by(|a, b| b.1.total_cmp(&a.1));
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_a_request_with_and_without_errors() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
             90.00    0.100000          10       400        20 sendfile\n\
             10.00    0.010000           5       800           epoll_wait\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.110000          15      1200        20 total\n";
        assert_eq!(parse(table, 200), [("epoll_wait".to_owned(), 4.0), ("sendfile".to_owned(), 2.0)]);
        assert!(parse("strace: attach: ptrace: Operation not permitted", 1).is_empty());
    }
}
