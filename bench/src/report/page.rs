//! The report as one page that needs nothing else: text, tables, inline SVG.

use std::fmt::Write;

use super::svg::{self, Bars, Line, escape};
use super::{Report, figures, text};
use crate::cache_peer;
use crate::measured::{Measured, Paired};
use crate::targets::{Judged, Verdict};

/// Scenarios with bodies from here on are compared per gigabyte, smaller ones per request.
const PER_GB_FROM_BYTES: u64 = 512 * 1024;

const STYLE: &str = "
:root { color-scheme: light dark; --peer: #8a8f98; --ours: #0a7d5a; --vod: #b7791f; --varnish: #2b6cb0; --ats: #805ad5; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --ours: #35c796; --vod: #e0a84e; --varnish: #63a4e8; --ats: #b794f4; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
.wide { overflow-x: auto; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { max-width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
svg line { stroke: var(--line); }
rect.peer { fill: var(--peer); } rect.ours { fill: var(--ours); } rect.vod { fill: var(--vod); }
rect.varnish { fill: var(--varnish); } rect.ats { fill: var(--ats); }
polyline { fill: none; stroke-width: 2; }
polyline.peer { stroke: var(--peer); } polyline.ours { stroke: var(--ours); } polyline.vod { stroke: var(--vod); }
polyline.varnish { stroke: var(--varnish); } polyline.ats { stroke: var(--ats); }
.key b { font-weight: 600; }
.key .peer { color: var(--peer); } .key .ours { color: var(--ours); } .key .vod { color: var(--vod); }
.key .varnish { color: var(--varnish); } .key .ats { color: var(--ats); }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0 0 1rem; } figcaption { font-size: 13px; }
.met { color: var(--ours); } .notmet, .failed { color: #d0453a; } .dim { opacity: .65; }
pre { font-size: 12px; overflow-x: auto; }
td.name { white-space: nowrap; }
tr.job td { border-bottom: 0; padding-top: .8rem; font-weight: 600; }
";

/// What a plot's colours mean.
const KEY: &str = "<p class=\"key\"><b class=\"ours\">green: rillcast</b>, <b class=\"peer\">grey: nginx (static; TLS for O8; \
    proxy_cache for E)</b>; where they ran: <b class=\"vod\">brown: nginx-vod-module</b>, \
    <b class=\"varnish\">blue: Varnish</b>, <b class=\"ats\">purple: Traffic Server</b></p>";

/// The class that colours a further server.
pub(super) fn colour(server: &str) -> &'static str {
    match server {
        cache_peer::VARNISH => "varnish",
        cache_peer::TRAFFIC_SERVER => "ats",
        _ => "vod",
    }
}

/// The page.
pub(super) fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>rillcast bench</title>\
         <style>{STYLE}</style></head><body><h1>rillcast bench</h1>"
    );
    failures(&mut page, report);
    targets(&mut page, report);
    machine(&mut page, report);
    plots(&mut page, report);
    figures::tables(&mut page, report);
    page + "</body></html>\n"
}

fn machine(page: &mut String, report: &Report) {
    let e = &report.environment;
    let kind = if report.quick { "quick run: figures jump" } else { "full run" };
    put(page, format_args!("<h2>Machine</h2><p><code>{}</code> ({kind})</p>", escape(&report.command)));
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
            escape(&e.peers),
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
        "<h2>Targets</h2><div class=\"wide\"><table><tr><th>figure<th class=\"n\">rillcast<th>beside\
         <th class=\"n\">ratio<th class=\"n\">bound<th>binds<th class=\"n\">bound here<th>here</tr>",
    );
    let mut last = String::new();
    for line in report.judged() {
        if line.id != last {
            put(
                page,
                format_args!(
                    "<tr class=\"job\"><td colspan=\"8\">{}: {} <span class=\"dim\">({}; best peer: {})</span></tr>",
                    line.id,
                    escape(&line.job),
                    escape(&line.asked),
                    escape(&line.peer)
                ),
            );
            last.clone_from(&line.id);
        }
        target(page, line);
    }
    page.push_str("</table></div>");
    if let Some(words) = text::scale(report) {
        put(page, format_args!("<p class=\"dim\">{}</p>", escape(&words)));
    }
    let waiting = report.waiting();
    if !waiting.is_empty() {
        put(page, format_args!("<p class=\"dim\">Not yet measurable: {}.</p>", escape(&waiting.join(", "))));
    }
}

fn target(page: &mut String, line: &Judged) {
    let [_, about, ours, beside, ratio, bound, binds, bound_here, here] =
        text::target_row(line).map(|cell| escape(&cell));
    let class = match line.verdict {
        Verdict::Met => "met",
        Verdict::NotMet => "notmet",
        Verdict::NotYetMeasurable | Verdict::NotRun => "dim",
    };
    let class_here = if here == "met" { "met" } else { "notmet" };
    put(
        page,
        format_args!(
            "<tr><td class=\"name\">{about}<td class=\"n\">{ours}<td>{beside}<td class=\"n\">{ratio}<td class=\"n\">{bound}\
             <td class=\"{class}\">{binds}<td class=\"n dim\">{bound_here}<td class=\"{class_here}\">{here}</tr>"
        ),
    );
}

fn plots(page: &mut String, report: &Report) {
    if report.paired.is_empty() {
        return;
    }
    put(
        page,
        format_args!(
            "<h2>CPU of the server</h2>{KEY}<p class=\"dim\">Each group has a scale of its own.</p>"
        ),
    );
    let (large, small): (Vec<&Paired>, Vec<&Paired>) =
        report.paired.iter().partition(|paired| paired.body_bytes_mean >= PER_GB_FROM_BYTES);
    let row = |paired: &&Paired, pick: fn(&Measured) -> f64| {
        let mut values = vec![
            ("peer", paired.median(|pair| pick(&pair.peer))),
            ("ours", paired.median(|pair| pick(&pair.ours))),
        ];
        let others = paired.other_medians(pick).into_iter();
        values.extend(others.map(|(server, value)| (colour(server), value)));
        Bars { name: paired.key.clone(), values }
    };
    let large: Vec<Bars> = large.iter().map(|paired| row(paired, |run| run.cpu_s_per_gb)).collect();
    let small: Vec<Bars> = small.iter().map(|paired| row(paired, |run| run.cpu_us_per_request)).collect();
    for (rows, caption, unit, digits) in
        [(large, "CPU seconds per GB", "s/GB", 3), (small, "CPU microseconds per request", "us", 1)]
    {
        if !rows.is_empty() {
            let bars = svg::bars(&rows, unit, digits);
            put(page, format_args!("<figure><figcaption>{caption}</figcaption>{bars}</figure>"));
        }
    }
    put(page, format_args!("<h2>Time to the last byte</h2>{KEY}<div class=\"plots\">"));
    for paired in &report.paired {
        // The last pair: the warmest.
        let Some(pair) = paired.pairs.last() else { continue };
        let mut lines = vec![
            Line { class: "peer", points: &pair.peer.latency_ms },
            Line { class: "ours", points: &pair.ours.latency_ms },
        ];
        let others =
            paired.others.iter().filter_map(|other| Some((other.server.as_str(), other.runs.last()?)));
        lines.extend(others.map(|(server, run)| Line { class: colour(server), points: &run.latency_ms }));
        let plot = svg::distribution(&lines);
        if !plot.is_empty() {
            put(
                page,
                format_args!("<figure><figcaption>{}</figcaption>{plot}</figure>", escape(&paired.key)),
            );
        }
    }
    page.push_str("</div>");
}

/// Appends to a page.
pub(super) fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing to a string");
}
