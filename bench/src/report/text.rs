//! A run in plain text and in Markdown.

use super::Report;
use crate::measured::Paired;
use crate::targets::{Judged, machine_factor};

/// Columns of the target table.
const TARGET_COLUMNS: [&str; 9] =
    ["target", "figure", "rillcast", "beside", "ratio", "bound", "binds", "bound here", "here"];
/// Columns of the table of scenarios.
const SCENARIO_COLUMNS: [&str; 9] =
    ["scenario", "peer s/GB", "ours s/GB", "ratio", "ours us/req", "MB/s", "p50 ms", "p99 ms", "RSS MB"];

/// For a terminal.
pub(super) fn terminal(report: &Report) -> String {
    let mut parts = vec![aligned(&TARGET_COLUMNS, &report.judged().map(target_row).collect::<Vec<_>>())];
    parts.extend(scale(report));
    parts.push(aligned(&SCENARIO_COLUMNS, &report.paired.iter().map(scenario_row).collect::<Vec<_>>()));
    parts.extend(report.figures.iter().map(figure_line));
    parts.extend(fairness_lines(report));
    if let Some(profile) = &report.profile {
        parts.push(profile.text());
    }
    let waiting = report.waiting();
    if !waiting.is_empty() {
        parts.push(format!("Not yet measurable: {}.", waiting.join(", ")));
    }
    parts.extend(report.failures.iter().map(|failure| format!("FAILED: {failure}")));
    parts.join("\n")
}

/// As `BASELINE.md`.
pub(super) fn markdown(report: &Report) -> String {
    let e = &report.environment;
    let kind = if report.quick { "make bench-quick" } else { "make bench-baseline" };
    let mut parts = vec![
        "# Baseline\n".to_owned(),
        "Written by the bench (`--write-baseline`), with `baseline.json` beside it, from our best of three \
         runs of each\nscenario by the peer's best; the table shows their medians. A later run fails when one of its \
         costs, counted the same\nway, is more than 15 % above the baseline.\n"
            .to_owned(),
        format!("```\n{kind}        # {}\n```\n", report.command),
        format!(
            "Machine: {} processors ({}), {} MB, Linux {}, load before {:.1}; {}; server on core {}, load client \
             on core {}; commit {}.\n",
            e.processors, e.processor, e.memory_mb, e.kernel, e.load_before, e.peers, e.server_core, e.client_core,
            e.commit
        ),
        table(&TARGET_COLUMNS, &report.judged().map(target_row).collect::<Vec<_>>()),
    ];
    parts.extend(scale(report).map(|words| format!("{words}\n")));
    parts.push(table(&SCENARIO_COLUMNS, &report.paired.iter().map(scenario_row).collect::<Vec<_>>()));
    parts.push(report.figures.iter().map(|figure| format!("- {}\n", figure_line(figure))).collect());
    parts.push(fairness_lines(report).iter().map(|line| format!("- {line}\n")).collect());
    parts.join("\n")
}

/// What the scaled column means.
pub(super) fn scale(report: &Report) -> Option<String> {
    let factor = machine_factor(&report.figures)?;
    Some(format!(
        "(bound here: an absolute bound was set where nginx takes 8.5 us for a static file of 10 kB; it takes \
         {factor:.2} x that here, and so the bound is scaled: bench/decisions/0001. \
         \"needs a profile\": a miss within 1.3 x may close with one in which 70 % of the excess is in named functions of \
         the kernel or a library)"
    ))
}

/// One line of the target table.
pub(super) fn target_row(line: &Judged) -> [String; 9] {
    let Some(measured) = &line.measured else {
        let empty = String::new;
        return [
            line.id.clone(),
            line.about.clone(),
            line.verdict.words().to_owned(),
            empty(),
            empty(),
            empty(),
            empty(),
            empty(),
            empty(),
        ];
    };
    let beside = std::iter::once(&measured.beside).chain(&measured.others);
    let beside: Vec<&str> = beside.map(String::as_str).filter(|words| !words.is_empty()).collect();
    [
        line.id.clone(),
        line.about.clone(),
        measured.ours.clone(),
        beside.join(", "),
        measured.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} x")),
        measured.bound.clone(),
        line.binding(),
        measured.bound_here.clone().unwrap_or_default(),
        line.here().to_owned(),
    ]
}

fn scenario_row(paired: &Paired) -> [String; 9] {
    [
        paired.key.clone(),
        format!("{:.4}", paired.median(|pair| pair.peer.cpu_s_per_gb)),
        format!("{:.4}", paired.median(|pair| pair.ours.cpu_s_per_gb)),
        format!("{:.2}", paired.median(|pair| pair.ratio)),
        format!("{:.1}", paired.median(|pair| pair.ours.cpu_us_per_request)),
        format!("{:.0}", paired.median(|pair| pair.ours.mb_per_s)),
        format!("{:.2}", paired.median(|pair| pair.ours.latency_at(0.5))),
        format!("{:.2}", paired.median(|pair| pair.ours.latency_at(0.99))),
        format!("{:.0}", paired.median(|pair| pair.ours.resident_mb)),
    ]
}

/// A figure with all its runs.
pub(super) fn figure_line(figure: &crate::figure::Figure) -> String {
    let (unit, write) = (figure.unit.words(), |value: &f64| figure.unit.write(*value));
    let list = |values: &[f64]| values.iter().map(write).collect::<Vec<_>>().join(", ");
    let mut line = format!("{}: {}: {} {unit}", figure.key, figure.title, list(&figure.ours));
    for (name, values) in &figure.peers {
        line.push_str(&format!("; {name}: {} {unit}", list(values)));
    }
    if let Some(ratio) = figure.ratio() {
        line.push_str(&format!("; ratio {ratio:.2}"));
    }
    line
}

/// Fairness and slow readers.
pub(super) fn fairness_lines(report: &Report) -> Vec<String> {
    let spread = report.spreads.iter().map(|spread| {
        let [least, p5, p50, p95, most] = spread.connection_mb_per_s;
        format!(
            "fairness, {}, {} connections: {least:.1} / {p5:.1} / {p50:.1} / {p95:.1} / {most:.1} MB/s each \
             (least, p5, p50, p95, most), {:.0} MB/s in all, Jain {:.3}",
            spread.server, spread.connections, spread.mb_per_s, spread.jain
        )
    });
    let slow = report.slow_readers.iter().map(|slow| {
        let (before, with) = slow.resident_mb;
        format!(
            "{} slow readers beside the load, {}: {:.0} MB/s alone, {:.0} beside them; {:.3} and {:.3} s/GB; \
             memory {before:.0} MB, with them {with:.0} MB; {} cut off",
            slow.readers,
            slow.server,
            slow.alone.mb_per_s,
            slow.beside.mb_per_s,
            slow.alone.cpu_s_per_gb,
            slow.beside.cpu_s_per_gb,
            slow.lost
        )
    });
    spread.chain(slow).collect()
}

/// Columns as wide as their widest cell.
fn aligned<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let cells = |row: &[String; N]| row.each_ref().map(|cell| cell.chars().count());
    let mut widths = head.map(|name| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(cells(row)) {
            *width = (*width).max(cell);
        }
    }
    let line = |cells: &[String; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = head.map(str::to_owned);
    std::iter::once(&head).chain(rows).map(line).collect::<Vec<_>>().join("\n") + "\n"
}

fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let head = head.map(str::to_owned);
    let mut lines = vec![line(&head), format!("|{}", "---|".repeat(N))];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n") + "\n"
}
