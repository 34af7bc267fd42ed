//! The URL that was asked for gives nothing to audit: one finding says why, and nothing else is asked.

use rillcast_audit::{Audit, Finding, Options, Response, Step, limits};

use crate::driver::audit;
use crate::fixture::{ENTRY, Plan, Site};

/// The one finding of an audit whose entry is answered by `response`.
fn refused(response: &Response) -> Finding {
    let mut machine = Audit::new(ENTRY, Options::default());
    let Step::Fetch(request) = machine.poll() else { unreachable!("the entry comes first") };
    machine.supply(request.id, response);
    let Step::Done(report) = machine.poll() else { unreachable!("nothing is left to ask") };
    assert_eq!(report.findings.len(), 1, "{report}");
    report.nothing_audited().expect("there was nothing to audit").clone()
}

fn answer(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Response {
    let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
    Response { status, headers, body: body.into(), ..Response::default() }
}

#[test]
fn an_error_is_told_with_its_status_and_in_the_words_of_the_server() {
    let most = "x".repeat(limits::PROBLEM_CHARS_MAX);
    let cases = [
        (None, String::new()),
        (Some("No\u{1b}: it is short".to_owned()), ": No\u{fffd}: it is short".to_owned()),
        (Some(most.clone()), format!(": {most}")),
        (Some(format!("{most}x")), format!(": {most}…")),
    ];
    for (problem, words) in cases {
        let finding = refused(&Response { problem, ..answer(422, "text/html", "no") });
        let expected = format!("cannot be loaded: it answers with status 422{words}");
        assert_eq!((finding.line, finding.message), (16, expected));
    }
}

#[test]
fn the_words_of_the_server_are_told_of_listed_documents_too() {
    let mut site = Site::new(&Plan::default());
    site.tamper = |request, response| {
        if request.url.ends_with("en/seg1.m4s") {
            (response.status, response.problem) = (503, Some("come again".to_owned()));
        }
    };
    let report = audit(&site, Options::default());
    let told = report.findings.iter().any(|finding| {
        finding.line == 16 && finding.message == "is listed, but answers with status 503: come again"
    });
    assert!(told && report.nothing_audited().is_none(), "{report}");
}

#[test]
fn what_is_no_playlist_is_told_once() {
    let cases: [(&[u8], &str); 4] = [
        (b"\n<!DOCTYPE html>\n<title>Hi</title>\n#EXTRA\n<p> x \n", "it begins with `<!DOCTYPE html>`"),
        (b"\0\0\0\x18ftyp\xff", "it is not UTF-8 from byte 8 on"),
        (b"", "it is empty"),
        (b"#EXTM3U\n#EXT-X-VERSION:6\nsong.mp3\n", "it begins with `#EXTM3U`, and no tag"),
    ];
    for (body, why) in cases {
        let finding = refused(&answer(200, "text/html", body));
        let expected = format!("this is not a playlist: {why}");
        assert!(finding.line == 1 && finding.message.starts_with(&expected), "{finding}");
    }
}

#[test]
fn a_listed_document_that_is_no_playlist_is_told_once_and_the_rest_is_audited() {
    let mut site = Site::new(&Plan::default());
    site.documents.insert("v0/iframes.m3u8".to_owned(), b"<html>\n<body> \n".to_vec());
    let report = audit(&site, Options::default());
    let about_it = report.findings.iter().filter(|finding| finding.line == 1);
    assert_eq!(about_it.count(), 1, "{report}");
    assert!(report.nothing_audited().is_none() && report.counts.segments > 0, "{report}");
}

#[test]
fn a_broken_playlist_is_still_audited() {
    let mut site = Site::new(&Plan::default());
    site.text("master.m3u8", "#EXTM3U\n", "");
    let report = audit(&site, Options::default());
    assert!(report.nothing_audited().is_none() && report.counts.segments > 0, "{report}");
}

#[test]
fn the_text_ends_its_last_line() {
    let report = audit(&Site::new(&Plan::default()), Options::default()).to_string();
    assert!(report.ends_with(" requests\n") && !report.ends_with("\n\n"), "{report:?}");
}
