//! `rillcast check URL`: drives the auditor over the network and prints what it found.

mod fetch;
mod problem;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rillcast_audit::{Audit, Options, Report, Severity, Step};

use self::fetch::Fetcher;

/// Audits `url`; true when no error was found. With `json` the report is written even when there was nothing to audit.
///
/// # Errors
/// When `url` cannot be loaded or is no playlist, or nothing can be written.
pub(crate) fn run(
    url: &str,
    max_segments: Option<usize>,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        bail!("`{url}` is no http or https URL; try http://127.0.0.1:8080/vod/FILE/master.m3u8");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = Options { max_segments_per_rendition: max_segments, http: true };
    let report = runtime.block_on(audit(url, options))?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        out.flush()?;
    }
    if let Some(finding) = report.nothing_audited() {
        bail!("{}: {}", finding.url, finding.message);
    }
    if !json {
        write!(out, "{report}")?;
        out.flush()?;
    }
    Ok(report.count(Severity::Error) == 0)
}

async fn audit(url: &str, options: Options) -> anyhow::Result<Report> {
    let fetcher = Fetcher::new();
    let mut audit = Audit::new(url, options);
    let bar = progress();
    loop {
        match audit.poll() {
            Step::Fetch(request) => match fetcher.fetch(&request).await {
                Ok(response) => audit.supply(request.id, &response),
                Err(error) => audit.fail(request.id, &error.to_string()),
            },
            // One request at a time, so there is never an open one to wait for.
            Step::Wait => bail!("the auditor waits for an answer that nobody was asked for"),
            Step::Done(report) => {
                bar.finish_and_clear();
                return Ok(*report);
            }
        }
        let (done, planned) = audit.progress();
        bar.set_length(planned as u64);
        bar.set_position(done as u64);
    }
}

fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("checking {bar:30} {pos}/{len} requests, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
