//! The tables of the page: fairness, single figures, the profile, every run.

use super::page::{colour, put};
use super::svg::{self, Bars, escape};
use super::{Report, text};
use crate::figure::{Figure, Unit};
use crate::measured::{Measured, Paired};

/// All tables that have something to show.
pub(super) fn tables(page: &mut String, report: &Report) {
    fairness(page, report);
    if !report.figures.is_empty() {
        page.push_str("<h2>Other figures</h2><ul>");
        for figure in &report.figures {
            put(page, format_args!("<li>{}</li>", escape(&text::figure_line(figure))));
        }
        page.push_str("</ul>");
        beside(page, report);
    }
    if let Some(profile) = &report.profile {
        put(page, format_args!("<h2>Where the time goes</h2><pre>{}</pre>", escape(&profile.text())));
    }
    runs(page, report);
}

/// Figures that stand beside others, as bars, a plot a unit.
fn beside(page: &mut String, report: &Report) {
    let compared: Vec<&Figure> = report.figures.iter().filter(|figure| !figure.peers.is_empty()).collect();
    let mut units: Vec<Unit> = Vec::new();
    for figure in &compared {
        if !units.contains(&figure.unit) {
            units.push(figure.unit);
        }
    }
    for unit in units {
        let of_unit = compared.iter().filter(|figure| figure.unit == unit);
        let rows: Vec<Bars> = of_unit
            .map(|figure| {
                let mut values = vec![("ours", figure.median())];
                values.extend(figure.peer_median().map(|value| ("peer", value)));
                values.extend(figure.others().map(|(name, value)| (colour(name), value)));
                Bars { name: figure.key.clone(), values }
            })
            .collect();
        let bars = svg::bars(&rows, unit.words(), 2);
        put(
            page,
            format_args!("<figure><figcaption>Figures in {}</figcaption>{bars}</figure>", unit.words()),
        );
    }
}

fn fairness(page: &mut String, report: &Report) {
    if report.spreads.is_empty() && report.slow_readers.is_empty() {
        return;
    }
    page.push_str("<h2>Fairness</h2><ul>");
    for line in text::fairness_lines(report) {
        put(page, format_args!("<li>{}</li>", escape(&line)));
    }
    page.push_str("</ul>");
    let classes = |server: &str| if server == "rillcast" { "ours" } else { "peer" };
    let rows: Vec<Bars> = report
        .spreads
        .iter()
        .map(|spread| {
            let mean = spread.mb_per_s / (spread.connections.max(1) as f64);
            let values = spread.connection_mb_per_s.iter();
            let values = values.map(|value| (classes(&spread.server), value / mean.max(1e-9))).collect();
            Bars { name: format!("{}, {}", spread.server, spread.connections), values }
        })
        .collect();
    let bars = svg::bars(&rows, "x", 2);
    let caption = "Throughput of a connection by the mean: least, p5, p50, p95, most";
    put(page, format_args!("<figure><figcaption>{caption}</figcaption>{bars}</figure>"));
}

fn runs(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>Every run</h2><p>Peer and rillcast in turn; the ratio of each pair is that of CPU seconds per GB.</p>\
         <div class=\"wide\"><table><tr><th>server<th class=\"n\">req/s<th class=\"n\">MB/s\
         <th class=\"n\">p50 ms<th class=\"n\">p99 ms<th class=\"n\">first byte p50 / p99 ms<th class=\"n\">CPU s/GB\
         <th class=\"n\">CPU us/req<th class=\"n\">server busy<th class=\"n\">client busy<th class=\"n\">RSS MB<th class=\"n\">ratio</tr>",
    );
    for paired in &report.paired {
        put(
            page,
            format_args!(
                "<tr class=\"job\"><td colspan=\"12\">{}: {}, {} URLs of {} bytes on average, {} connections</tr>",
                escape(&paired.key),
                escape(&paired.title),
                paired.urls,
                paired.body_bytes_mean,
                paired.connections
            ),
        );
        pairs(page, paired);
    }
    page.push_str("</table></div>");
}

fn pairs(page: &mut String, paired: &Paired) {
    for pair in &paired.pairs {
        run(page, &paired.peer, &pair.peer, "");
        run(page, "rillcast", &pair.ours, &format!("{:.2}", pair.ratio));
    }
    for other in &paired.others {
        for measured in &other.runs {
            run(page, &other.server, measured, "");
        }
    }
}

fn run(page: &mut String, server: &str, run: &Measured, ratio: &str) {
    put(
        page,
        format_args!(
            "<tr><td>{}<td class=\"n\">{:.0}<td class=\"n\">{:.0}<td class=\"n\">{:.2}<td class=\"n\">{:.2}\
             <td class=\"n\">{:.2} / {:.2}<td class=\"n\">{:.4}<td class=\"n\">{:.1}<td class=\"n\">{:.0} %\
             <td class=\"n\">{:.0} %<td class=\"n\">{:.1}<td class=\"n\">{ratio}</tr>",
            escape(server),
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
