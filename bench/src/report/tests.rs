//! A report of made-up figures, written, read and looked at.

use super::*;
use crate::figure::Unit;
use crate::load::Outcome;
use crate::measured::{Measured, Other, Pair};
use crate::rig::Findings;
use crate::targets;

fn measured(cpu_s_per_gb: f64) -> Measured {
    Measured {
        requests_per_s: 2000.0,
        mb_per_s: 8000.0,
        cpu_s_per_gb,
        cpu_us_per_request: cpu_s_per_gb * 4000.0,
        server_busy: 0.9,
        client_busy: 0.3,
        resident_mb: 13.0,
        latency_ms: vec![(0.0, 0.1), (0.5, 20.0), (0.99, 30.0)],
        first_byte_p50_ms: 19.0,
        first_byte_p99_ms: 29.0,
        errors: 0,
        first_error: None,
    }
}

fn report() -> Report {
    let pairs = [(0.1, 0.17), (0.1, 0.19), (0.1, 0.18)].map(|(nginx, ours)| Pair {
        peer: measured(nginx),
        ours: measured(ours),
        ratio: ours / nginx,
    });
    let paired = vec![Paired {
        key: "O2-segment".into(),
        title: "video <segments>".into(),
        peer: "nginx static".into(),
        urls: 60,
        body_bytes_mean: 3_800_000,
        connections: 64,
        pairs: pairs.to_vec(),
        others: vec![Other { server: "nginx-vod".into(), runs: vec![measured(0.3)] }],
    }];
    let figures = vec![
        Figure::alone("nginx-10kB", "yardstick", Unit::Us, vec![17.0]),
        Figure::alone("O6-absent-front", "first", Unit::Ms, vec![25.0, 21.0]),
    ];
    let connection_bytes = vec![1_000_000, 2_000_000];
    let outcome = Outcome { connection_bytes, seconds: 1.0, ..Outcome::default() };
    let spreads = vec![Spread::of("rillcast", &outcome)];
    let slow_readers = vec![SlowReaders {
        server: "rillcast".into(),
        readers: 512,
        alone: measured(0.1),
        beside: measured(0.1),
        resident_mb: (20.0, 30.0),
        lost: 0,
    }];
    let findings = Findings { paired, figures, spreads, slow_readers, profile: None };
    let targets = targets::judge(&findings);
    let Findings { paired, figures, spreads, slow_readers, profile } = findings;
    let environment = Environment {
        processor: "a processor".into(),
        processors: 2,
        server_core: 0,
        client_core: 1,
        memory_mb: 1,
        load_before: 0.1,
        kernel: "6".into(),
        peers: "n".into(),
        ffmpeg: "f".into(),
        rustc: "r".into(),
        commit: "abc".into(),
    };
    let (command, failures) = ("rillcast-bench run".into(), vec!["a & b".into()]);
    Report {
        command,
        quick: true,
        environment,
        paired,
        figures,
        spreads,
        slow_readers,
        targets,
        failures,
        profile,
    }
}

#[test]
fn a_report_is_read_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let written = report();
    written.write(folder.path()).unwrap();
    let read = Report::read(folder.path()).unwrap();
    assert_eq!(read.text(), written.text());
    assert_eq!(read.markdown(), written.markdown());
}

#[test]
fn the_text_has_medians_verdicts_and_failures() {
    let text = report().text();
    let row = |key: &str| text.lines().find(|line| line.contains(key)).unwrap();
    let o2 = row("O2-segment");
    assert!(o2.contains("0.1800 s/GB") && o2.contains("0.1000 s/GB nginx static"), "{o2}");
    assert!(o2.contains("0.3000 s/GB nginx-vod") && o2.contains("1.80 x"), "{o2}");
    let o6 = row("O6-absent-front");
    assert!(o6.contains("1.15 x over: within 1.3 x") && o6.ends_with("<= 40.0 ms  met"), "{o6}");
    assert!(text.contains("O1      O1-segment") && text.contains("not run"), "{text}");
    assert!(text.contains("O3 (MPEG-TS packager)"), "{text}");
    assert!(text.contains("FAILED: a & b"), "{text}");
}

#[test]
fn the_page_stands_alone_and_escapes_what_it_shows() {
    let page = page::html(&report());
    assert!(page.contains("a &amp; b") && page.contains("video &lt;segments&gt;"));
    assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("<script"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(page.matches("<svg").count() >= 2, "bars and a distribution");
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn a_scenario_with_a_fault_is_not_judged() {
    let mut findings = Findings { paired: report().paired, ..Findings::default() };
    let o2 = |findings: &Findings| {
        targets::judge(findings).into_iter().find(|line| line.about == "O2-segment").unwrap().verdict
    };
    assert_eq!(o2(&findings), Verdict::Met);
    findings.paired[0].pairs[1].ours.first_error = Some("status 500".into());
    assert_eq!(o2(&findings), Verdict::NotRun);
}

#[test]
fn the_markdown_has_a_row_for_every_figure_of_a_target() {
    let markdown = report().markdown();
    assert!(markdown.contains("| O2 | O2-segment | 0.1800 s/GB |"), "{markdown}");
    assert!(markdown.starts_with("# Baseline\n") && !markdown.contains("O3"), "{markdown}");
}
