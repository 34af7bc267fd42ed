//! A report of made-up figures, written, read and looked at.

use super::*;
use crate::scenario::{Measured, Pair};
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
        nginx: measured(nginx),
        ours: measured(ours),
        ratio: ours / nginx,
    });
    let paired = vec![Paired {
        key: "O2-segment".into(),
        title: "video <segments>".into(),
        urls: 60,
        body_bytes_mean: 3_800_000,
        connections: 64,
        pairs: pairs.to_vec(),
    }];
    let cold = vec![Cold { key: "O6-front".into(), title: "first".into(), last_byte_ms: vec![25.0, 21.0] }];
    let targets = targets::judge(&paired, &cold);
    let environment = Environment {
        processor: "a processor".into(),
        processors: 2,
        server_core: 0,
        client_core: 1,
        memory_mb: 1,
        load_before: 0.1,
        kernel: "6".into(),
        nginx: "n".into(),
        ffmpeg: "f".into(),
        rustc: "r".into(),
        commit: "abc".into(),
    };
    let (command, failures) = ("rillcast-bench run".into(), vec!["a & b".into()]);
    Report { command, quick: true, environment, paired, cold, targets, failures }
}

#[test]
fn a_report_is_read_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let written = report();
    written.write(folder.path()).unwrap();
    let read = Report::read(folder.path()).unwrap();
    assert_eq!(read.text(), written.text());
    assert_eq!(read.targets, written.targets);
}

#[test]
fn the_text_has_medians_verdicts_and_failures() {
    let text = report().text();
    assert!(text.contains("0.1800    1.80"), "{text}");
    assert!(text.contains("O6  not met             O6-front"), "{text}");
    assert!(text.contains("O1  not yet measurable  needs: publish layout"), "{text}");
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
