//! The report as one page that needs nothing else: text, tables, inline SVG.

use std::fmt::Write;

use super::Report;
use super::svg::{self, Bars, escape};
use crate::scenario::Paired;

/// Scenarios with bodies from here on are compared per gigabyte, smaller ones per request.
const PER_GB_FROM_BYTES: u64 = 64 * 1024;

const STYLE: &str = "
:root { color-scheme: light dark; --nginx: #8a8f98; --ours: #0a7d5a; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --ours: #35c796; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
.wide { overflow-x: auto; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { max-width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
svg line { stroke: var(--line); }
rect.nginx { fill: var(--nginx); } rect.ours { fill: var(--ours); }
polyline { fill: none; stroke-width: 2; }
polyline.nginx { stroke: var(--nginx); } polyline.ours { stroke: var(--ours); }
.key b { font-weight: 600; } .key .nginx { color: var(--nginx); } .key .ours { color: var(--ours); }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } figcaption { font-size: 13px; }
.met { color: #0a7d5a; } .notmet, .failed { color: #c0392b; }
";

/// The page.
pub(super) fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>rillcast bench</title>\
         <style>{STYLE}</style></head><body><h1>rillcast bench</h1>"
    );
    facts(&mut page, report);
    failures(&mut page, report);
    targets(&mut page, report);
    plots(&mut page, report);
    figures(&mut page, report);
    page + "</body></html>\n"
}

fn facts(page: &mut String, report: &Report) {
    let e = &report.environment;
    let kind = if report.quick { "quick run: figures jump" } else { "full run" };
    put(page, format_args!("<p><code>{}</code> ({kind})</p>", escape(&report.command)));
    put(
        page,
        format_args!(
            "<p>{} processors ({}), {} MB, Linux {}, load before the run {:.1}. Server on core {}, client on core {}. {}; {}; {}; commit {}.</p>",
            e.processors,
            escape(&e.processor),
            e.memory_mb,
            escape(&e.kernel),
            e.load_before,
            e.server_core,
            e.client_core,
            escape(&e.nginx),
            escape(&e.ffmpeg),
            escape(&e.rustc),
            escape(&e.commit)
        ),
    );
}

fn failures(page: &mut String, report: &Report) {
    for failure in &report.failures {
        put(page, format_args!("<p class=\"failed\">Failed: {}</p>", escape(failure)));
    }
}

fn targets(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>Targets</h2><div class=\"wide\"><table><tr><th>#<th>job<th>best peer<th>target<th>figure<th>measured<th>verdict</tr>",
    );
    for line in &report.targets {
        let words = line.verdict.words();
        let [job, peer, asked, about, measured] =
            [&line.job, &line.peer, &line.asked, &line.about, &line.measured].map(|text| escape(text));
        put(
            page,
            format_args!(
                "<tr><td>{}<td>{job}<td>{peer}<td>{asked}<td>{about}<td>{measured}<td class=\"{}\">{words}</tr>",
                line.id,
                words.replace(' ', "")
            ),
        );
    }
    page.push_str("</table></div>");
}

fn plots(page: &mut String, report: &Report) {
    if report.paired.is_empty() {
        return;
    }
    let key = "<p class=\"key\"><b class=\"nginx\">grey: nginx static</b>, <b class=\"ours\">green: rillcast</b></p>";
    put(page, format_args!("<h2>CPU of the server</h2>{key}"));
    let (large, small): (Vec<&Paired>, Vec<&Paired>) =
        report.paired.iter().partition(|paired| paired.body_bytes_mean >= PER_GB_FROM_BYTES);
    let row = |paired: &&Paired, per_gb: bool| {
        let pick = |run: &crate::scenario::Measured| {
            if per_gb { run.cpu_s_per_gb } else { run.cpu_us_per_request }
        };
        Bars {
            name: paired.key.clone(),
            nginx: paired.median(|pair| pick(&pair.nginx)),
            ours: paired.median(|pair| pick(&pair.ours)),
        }
    };
    let large: Vec<Bars> = large.iter().map(|paired| row(paired, true)).collect();
    let small: Vec<Bars> = small.iter().map(|paired| row(paired, false)).collect();
    for (rows, caption, unit, digits) in
        [(large, "CPU seconds per GB", "s/GB", 3), (small, "CPU microseconds per request", "us", 1)]
    {
        if !rows.is_empty() {
            let bars = svg::bars(&rows, unit, digits);
            put(page, format_args!("<figure><figcaption>{caption}</figcaption>{bars}</figure>"));
        }
    }
    put(page, format_args!("<h2>Time to the last byte</h2>{key}<div class=\"plots\">"));
    for paired in &report.paired {
        // The last pair: the warmest.
        if let Some(pair) = paired.pairs.last() {
            let plot = svg::distribution(&pair.nginx.latency_ms, &pair.ours.latency_ms);
            put(
                page,
                format_args!("<figure><figcaption>{}</figcaption>{plot}</figure>", escape(&paired.key)),
            );
        }
    }
    page.push_str("</div>");
}

fn figures(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>Figures</h2><p>Every run; nginx and rillcast in turn, the ratio of each pair of CPU seconds per GB.</p>\
         <div class=\"wide\"><table><tr><th>scenario<th>server<th class=\"n\">req/s<th class=\"n\">MB/s\
         <th class=\"n\">p50 ms<th class=\"n\">p99 ms<th class=\"n\">first byte p50 / p99 ms<th class=\"n\">CPU s/GB\
         <th class=\"n\">CPU us/req<th class=\"n\">server busy<th class=\"n\">client busy<th class=\"n\">RSS MB<th class=\"n\">ratio</tr>",
    );
    for paired in &report.paired {
        put(
            page,
            format_args!(
                "<tr><th colspan=\"13\">{}: {}, {} URLs of {} bytes on average, {} connections</tr>",
                escape(&paired.key),
                escape(&paired.title),
                paired.urls,
                paired.body_bytes_mean,
                paired.connections
            ),
        );
        for pair in &paired.pairs {
            for (server, run, ratio) in [
                ("nginx", &pair.nginx, String::new()),
                ("rillcast", &pair.ours, format!("{:.2}", pair.ratio)),
            ] {
                put(
                    page,
                    format_args!(
                        "<tr><td><td>{server}<td class=\"n\">{:.0}<td class=\"n\">{:.0}<td class=\"n\">{:.2}<td class=\"n\">{:.2}\
                         <td class=\"n\">{:.2} / {:.2}<td class=\"n\">{:.4}<td class=\"n\">{:.1}<td class=\"n\">{:.0} %\
                         <td class=\"n\">{:.0} %<td class=\"n\">{:.1}<td class=\"n\">{ratio}</tr>",
                        run.requests_per_s,
                        run.mb_per_s,
                        run.latency_at(0.5),
                        run.latency_at(0.99),
                        run.first_byte_p50_ms,
                        run.first_byte_p99_ms,
                        run.cpu_s_per_gb,
                        run.cpu_us_per_request,
                        run.server_busy * 100.0,
                        run.client_busy * 100.0,
                        run.resident_mb
                    ),
                );
            }
        }
    }
    page.push_str("</table></div>");
    for cold in &report.cold {
        let each: Vec<String> = cold.last_byte_ms.iter().map(|ms| format!("{ms:.2}")).collect();
        let (key, title) = (escape(&cold.key), escape(&cold.title));
        put(page, format_args!("<p>{key}: {title}: {} ms</p>", each.join(", ")));
    }
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing to a string");
}
