//! Foreign input of any shape: no panic, no endless audit; order and sampling do not change the verdict.

use proptest::collection::vec;
use proptest::prelude::*;
use rillcast_audit::{Audit, Options, Response, Severity, Step, limits};

use crate::driver::{audit, error_lines, serve};
use crate::fixture::{Plan, Site};

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_documents_never_panic_the_audit(
        hits in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        live in any::<bool>(),
    ) {
        let mut site = Site::new(&Plan { low_latency: live, segments: 3, ..Plan::default() });
        let paths: Vec<String> = site.documents.keys().cloned().collect();
        for (path, at, byte) in &hits {
            let document = site.documents.get_mut(&paths[path.index(paths.len())]).expect("listed above");
            let at = at.index(document.len().min(1200));
            document[at] = *byte;
        }
        let document = site.documents.get_mut(&paths[cut.index(paths.len())]).expect("listed above");
        document.truncate(cut.index(document.len()));
        let report = audit(&site, Options::default());
        prop_assert!(report.counts.requests < 400);
    }

    #[test]
    fn arbitrary_text_is_read_without_panic(text in "(#EXT[A-Z:=,\"0-9.@-]{0,60}\n|[ -~]{0,30}\n){0,20}") {
        let mut site = Site::new(&Plan::default());
        site.documents.insert("master.m3u8".to_owned(), format!("#EXTM3U\n{text}").into_bytes());
        audit(&site, Options::default());
    }
}

#[test]
fn the_order_of_answers_does_not_matter() {
    let mut site = Site::new(&Plan::default());
    site.text("v1/list.m3u8", "2.00000,\nseg1", "2.06700,\nseg1");
    let in_order = audit(&site, Options::default());
    let mut machine = Audit::new(&site.entry, Options::default());
    let mut open = Vec::new();
    let reversed = loop {
        match machine.poll() {
            Step::Fetch(request) => open.push(request),
            Step::Wait => {
                let request = open.pop().expect("the machine waits for an open request");
                machine.supply(request.id, &serve(&site, &request));
            }
            Step::Done(report) => break report,
        }
    };
    assert_eq!(error_lines(&reversed), error_lines(&in_order));
    assert_eq!(reversed.counts, in_order.counts);
    let (done, planned) = machine.progress();
    assert!(done == planned && done as u64 == reversed.counts.requests);
}

#[test]
fn a_sampled_audit_reads_both_ends_and_says_so() {
    let plan = Plan { segments: 8, ..Plan::default() };
    let options = Options { max_segments_per_rendition: Some(3), ..Options::default() };
    let report = audit(&Site::new(&plan), options);
    assert_eq!(report.count(Severity::Error), 0, "{report}");
    assert_eq!(report.counts.segments, 6 * 3);
    assert_eq!(report.not_audited.len(), 6);
}

/// Decision 0001: an auditor that shares code with the writer shares its bugs.
#[test]
fn the_crate_depends_on_none_of_ours() {
    let manifest = include_str!("../../Cargo.toml");
    let dependencies = manifest.split("dependencies]").skip(1).collect::<String>();
    assert!(dependencies.contains("serde") && !dependencies.contains("rillcast"));
}

#[test]
fn a_hostile_ladder_is_measured_once_a_stream() {
    let mut site = Site::new(&Plan::default());
    let media = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"v1/list.m3u8\"\n";
    let variant = "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"x\",AUDIO=\"a\"\nv1/list.m3u8\n";
    let text =
        format!("#EXTM3U\n{}{}", media.repeat(limits::ENTRIES_MAX), variant.repeat(limits::ENTRIES_MAX));
    site.documents.insert("master.m3u8".to_owned(), text.into_bytes());
    let many = "#EXTINF:0.001,\nseg0.m4s\n".repeat(2_000);
    let list =
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"init.mp4\"\n{many}#EXT-X-ENDLIST\n");
    site.documents.insert("v1/list.m3u8".to_owned(), list.into_bytes());
    let report = audit(&site, Options { http: false, ..Options::default() });
    assert_eq!(report.counts.playlists, 2);
    assert!(report.findings.len() <= 100 * limits::FINDINGS_PER_LINE_MAX);
}

#[test]
fn a_report_holds_nothing_that_a_terminal_obeys() {
    let mut site = Site::new(&Plan::default());
    let foreign = format!("EXT-X-PLAYLIST-TYPE:\u{1b}[2J{}", "x".repeat(1000));
    site.text("v1/list.m3u8", "EXT-X-PLAYLIST-TYPE:VOD", &foreign);
    let report = audit(&site, Options::default());
    assert!(error_lines(&report).contains(&18));
    let text = report.to_string();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.lines().all(|line| line.len() < 500), "{text}");
}

#[test]
fn a_failed_request_is_a_finding() {
    let mut machine = Audit::new("http://origin.test/a/master.m3u8", Options::default());
    let Step::Fetch(request) = machine.poll() else { unreachable!("the entry comes first") };
    assert!(matches!(machine.poll(), Step::Wait));
    machine.fail(request.id, "connection refused");
    machine.supply(request.id, &Response::default());
    let Step::Done(report) = machine.poll() else { unreachable!("nothing is left to ask") };
    assert_eq!(error_lines(&report), [16].into());
    assert_eq!(report.counts.requests, 1);
    let json = serde_json::to_value(&report).expect("a report is plain data");
    assert_eq!(json["findings"][0]["line"], 16);
    assert_eq!(json["findings"][0]["severity"], "error");
    assert_eq!(json["not_applicable"].as_array().map(Vec::len), Some(99));
}

#[test]
fn bounds_hold_at_the_limit_and_one_past_it() {
    for (extra, gaps) in [(0, 0), (1, 1)] {
        let mut site = Site::new(&Plan::default());
        let padding = "x".repeat(limits::LINE_BYTES_MAX - 1 + extra);
        site.text("v1/list.m3u8", "#EXTINF", &format!("#{padding}\n#EXTINF"));
        let report = audit(&site, Options::default());
        assert_eq!((report.findings.len(), report.not_audited.len()), (0, gaps), "{report}");
    }
    for (extra, gaps) in [(0, 0), (1, 1)] {
        let mut site = Site::new(&Plan::default());
        let line = "#EXT-X-STREAM-INF:BANDWIDTH=1\nnone.m3u8\n";
        let text = format!("#EXTM3U\n{}", line.repeat(limits::ENTRIES_MAX + extra));
        site.documents.insert("master.m3u8".to_owned(), text.into_bytes());
        let report = audit(&site, Options::default());
        assert_eq!(report.not_audited.len(), gaps, "{report}");
        assert!(report.findings_suppressed > 0);
    }
}

#[test]
fn a_playlist_without_end_is_read_up_to_the_bound() {
    let mut site = Site::new(&Plan::default());
    let text =
        format!("#EXTM3U\n{}", "#EXT-X-MAP:URI=\"i\"\n#EXTINF:0,\n\n".repeat(limits::LINES_MAX / 3 + 9));
    site.documents.insert("v1/list.m3u8".to_owned(), text.into_bytes());
    let report = audit(&site, Options { http: false, ..Options::default() });
    assert!(report.not_audited.iter().any(|gap| gap.contains("lines after")), "{report}");
}
