//! The auditor over a hostile site: every answer is the input's.
//!
//! Input: documents, separated by the byte 0x1e. A document is a line `path status`, header lines,
//! an empty line, and the body. Status 206 stands for a server that honours ranges, 0 for no answer.

use std::collections::BTreeMap;

use rillcast_audit::{Audit, FetchRequest, Method, Options, Report, Response, Step, limits};

/// Where the site lies.
const ROOT: &str = "http://origin.test/a/";
/// Bytes of a site: a playlist of it may be asked for two hundred times over.
const MAX_SITE_BYTES: usize = 12 << 10;
/// Requests that are answered; later ones fail.
const MAX_ANSWERS: u64 = 600;
/// More requests than the limits let an audit send: the entry, playlists and their updates, init
/// segments, segments, and at most eight questions about each document that is asked about.
const MAX_REQUESTS: usize = 9 * (1 + 2 * limits::PLAYLISTS_MAX + limits::INITS_MAX) + limits::SEGMENTS_MAX;

/// The target: the audit ends within its limits, and its report is whole, bounded, fit for a
/// terminal, and the same in whatever order the answers come.
pub fn run(data: &[u8]) {
    if data.len() > MAX_SITE_BYTES {
        return;
    }
    let site = Site::read(data);
    let options = Options { max_segments_per_rendition: Some(3), http: data.len().is_multiple_of(2) };
    let report = audit(&site, options, false);
    check(&report);
    let reversed = audit(&site, options, true);
    assert_eq!(report.counts, reversed.counts);
    assert_eq!(report.checked_lines, reversed.checked_lines);
    assert_eq!(report.findings_suppressed, reversed.findings_suppressed);
    if report.findings_suppressed == 0 {
        assert_eq!(sorted(&report), sorted(&reversed));
    }
    if report.not_audited.len() < limits::FINDINGS_PER_LINE_MAX {
        assert_eq!(report.not_audited, reversed.not_audited);
    }
}

fn sorted(report: &Report) -> Vec<String> {
    let mut findings: Vec<_> =
        report.findings.iter().map(|finding| format!("{} {finding}", finding.url)).collect();
    findings.sort();
    findings
}

fn check(report: &Report) {
    let mut per_line: BTreeMap<u16, usize> = BTreeMap::new();
    for finding in &report.findings {
        *per_line.entry(finding.line).or_default() += 1;
        assert!(report.checked_lines.contains(&finding.line), "{finding}");
    }
    assert!(per_line.values().all(|count| *count <= limits::FINDINGS_PER_LINE_MAX));
    assert!(report.not_audited.len() <= limits::FINDINGS_PER_LINE_MAX);
    let mut lines = report.checked_lines.clone();
    lines.extend(report.not_applicable.iter().map(|entry| entry.line));
    lines.sort_unstable();
    assert_eq!(lines, (1..=100).collect::<Vec<_>>(), "every line once");
    let text = report.to_string();
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "a terminal obeys {text:?}");
}

/// Drives an audit to its end; `late` answers the newest of all open requests, never the oldest.
fn audit(site: &Site, options: Options, late: bool) -> Report {
    let mut audit = Audit::new(&format!("{ROOT}master.m3u8"), options);
    let (mut open, mut requests) = (Vec::new(), 0);
    loop {
        match audit.poll() {
            Step::Fetch(request) => {
                requests += 1;
                assert!(requests <= MAX_REQUESTS, "{requests} requests");
                if late {
                    open.push(request);
                } else {
                    site.answer(&mut audit, &request);
                }
            }
            Step::Wait => {
                let request = open.pop().expect("the machine waits for an open request");
                site.answer(&mut audit, &request);
            }
            Step::Done(report) => {
                let (done, planned) = audit.progress();
                assert!(open.is_empty() && done == planned && done == requests);
                return *report;
            }
        }
    }
}

struct Site {
    documents: Vec<Document>,
}

struct Document {
    path: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Site {
    fn read(data: &[u8]) -> Self {
        Self { documents: data.split(|byte| *byte == 0x1e).map(Document::read).collect() }
    }

    /// The document of that path, else any, always the same.
    fn find(&self, url: &str) -> Option<&Document> {
        let path = url.strip_prefix(ROOT).unwrap_or(url);
        let by_path = self.documents.iter().find(|document| document.path == path);
        let sum: usize = url.bytes().map(usize::from).sum();
        by_path.or_else(|| self.documents.get(sum % self.documents.len().max(1)))
    }

    fn answer(&self, audit: &mut Audit, request: &FetchRequest) {
        let document = self.find(&request.url).filter(|found| {
            found.status != 0
                && request.id.number() < MAX_ANSWERS
                && found.body.len() as u64 <= request.max_bytes
        });
        match document {
            Some(document) => audit.supply(request.id, &document.answer(request)),
            None => audit.fail(request.id, "connection\u{1b}[31m refused"),
        }
    }
}

impl Document {
    fn read(data: &[u8]) -> Self {
        let mut rest = data;
        let mut line = || {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = rest.get(end + 1..).unwrap_or_default();
            line
        };
        let first = line();
        let (path, status) = first.split_once(' ').unwrap_or((&first, "200"));
        let mut headers = Vec::new();
        loop {
            let field = line();
            let Some((name, value)) = field.split_once(": ") else { break };
            headers.push((name.to_owned(), value.to_owned()));
        }
        Self { path: path.to_owned(), status: status.parse().unwrap_or(200), headers, body: rest.to_vec() }
    }

    fn answer(&self, request: &FetchRequest) -> Response {
        let mut response = Response {
            status: self.status,
            final_url: request.url.clone(),
            redirects: u32::from(self.path.len() % 8 == 7),
            headers: self.headers.clone(),
            body: self.body.clone(),
            problem: (self.status >= 400).then(|| String::from_utf8_lossy(&self.body).into_owned()),
        };
        if self.status == 206 {
            self.cut(request, &mut response);
        }
        let length = response.body.len().to_string();
        response.headers.push(("content-length".to_owned(), length));
        if request.method == Method::Head {
            response.body.clear();
        }
        response
    }

    /// Makes `response` what a good server says: the range that was asked for, or the whole.
    fn cut(&self, request: &FetchRequest, response: &mut Response) {
        response.status = 200;
        let field = request.headers.iter().find(|(name, _)| name == "range");
        let span = field.and_then(|(_, value)| value.strip_prefix("bytes=")?.split_once('-'));
        let Some((first, last)) = span else { return };
        let (Ok(first), total) = (first.parse::<usize>(), self.body.len()) else { return };
        let end = last.parse::<usize>().map_or(total, |last| last.saturating_add(1).min(total));
        let Some(part) = self.body.get(first..end).filter(|part| !part.is_empty()) else {
            response.status = 416;
            response.headers.push(("content-range".to_owned(), format!("bytes */{total}")));
            return;
        };
        response.status = 206;
        response.body = part.to_vec();
        let value = format!("bytes {first}-{}/{total}", end - 1);
        response.headers.push(("content-range".to_owned(), value));
    }
}
