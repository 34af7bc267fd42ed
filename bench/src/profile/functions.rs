//! The functions that take the CPU, sampled by perf while a load runs.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{ProfileError, load};
use crate::load::Span;
use crate::measure::Cores;
use crate::process;
use crate::scenario::Side;

/// Samples a second: a prime, so that it keeps no step with anything.
const SAMPLES_PER_S: u32 = 997;
/// A load that asks for everything once has ended by then; perf takes no samples of a process that does nothing.
const ONCE: Duration = Duration::from_secs(8);
/// perf gets this long beyond its sampling.
const LIMIT: Duration = Duration::from_secs(120);

/// CPU microseconds a request of `side`, and of each function.
///
/// # Errors
/// [`ProfileError`].
pub(super) fn sample(
    side: &Side<'_>,
    connections: usize,
    span: Span,
    cores: Cores,
    scratch: &Path,
) -> Result<(f64, Vec<(String, f64)>), ProfileError> {
    let data = scratch.join("perf.data");
    let mut record = process::command("/usr/bin/perf");
    let pid = side.process.pid().to_string();
    let time = match span {
        Span::For { warm_up, duration } => warm_up + duration,
        Span::Once { .. } => ONCE,
    };
    record.args(["record", "-q", "-e", "cpu-clock", "-F", &SAMPLES_PER_S.to_string(), "-p", &pid, "-o"]);
    record.arg(&data).args(["--", "sleep", &format!("{:.1}", time.as_secs_f64())]);
    let log = scratch.join("perf.log");
    let (recorded, measured) = thread::scope(|scope| {
        let recording = scope.spawn(|| process::run_to_end("perf record", record, &log, LIMIT));
        let measured = load(side, connections, span, cores);
        (recording.join(), measured)
    });
    recorded.map_err(|_| ProfileError::Silent("perf record"))??;
    let mut report = process::command("/usr/bin/perf");
    report.args(["report", "--stdio", "-q", "-F", "overhead,sym,dso", "-t", ";", "-i"]).arg(&data);
    let said = process::run_to_end("perf report", report, &log, LIMIT)?;
    let _ = std::fs::remove_file(&data);
    let us = measured?.cpu_us_per_request;
    let functions: Vec<(String, f64)> =
        parse(&said).into_iter().map(|(name, share)| (name, share * us)).collect();
    if functions.is_empty() { Err(ProfileError::Silent("perf report")) } else { Ok((us, functions)) }
}

/// Name with its object, and share of one, of each line `overhead%;[k] symbol;object`.
fn parse(report: &str) -> Vec<(String, f64)> {
    let lines = report.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut fields = line.split(';').map(str::trim);
            let share: f64 = fields.next()?.trim_end_matches('%').parse().ok()?;
            let symbol = fields.next()?.trim_start_matches(['[', 'k', '.', ']']).trim();
            let object = fields.next()?.trim_matches(['[', ']']);
            let object = if object == "kernel.kallsyms" { "kernel" } else { object };
            Some((format!("{symbol} [{object}]"), share / 100.0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_keeps_its_object_and_loses_its_mark() {
        let report = "# Overhead;Symbol;Shared Object\n 35.12%;[k] _copy_to_iter;[kernel.kallsyms]\n\
            12.00%;[.] rillcast_media::plan::span;rillcast\n\nnoise\n";
        let found = parse(report);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["_copy_to_iter [kernel]", "rillcast_media::plan::span [rillcast]"]);
        assert!((found[0].1 - 0.3512).abs() < 1e-9);
    }
}
