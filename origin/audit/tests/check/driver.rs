//! A well-behaved HTTP server in memory, and the loop that drives an audit against it.

use std::collections::BTreeSet;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use rillcast_audit::{Audit, FetchRequest, Method, Options, Report, Response, Severity, Step};

use crate::fixture::Site;

/// Audits `site` to the end, answering in the order asked.
pub(crate) fn audit(site: &Site, options: Options) -> Report {
    let mut audit = Audit::new(&site.entry, options);
    loop {
        match audit.poll() {
            Step::Fetch(request) => audit.supply(request.id, &serve(site, &request)),
            Step::Wait => unreachable!("every request is answered at once"),
            Step::Done(report) => return *report,
        }
    }
}

pub(crate) fn error_lines(report: &Report) -> BTreeSet<u16> {
    report.findings.iter().filter(|f| f.severity == Severity::Error).map(|f| f.line).collect()
}

pub(crate) fn content_type(path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or_default();
    match path.rsplit('.').next() {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("vtt") => "text/vtt",
        Some("ts") => "video/mp2t",
        _ => "video/mp4",
    }
}

/// The answer of a good server, with the site's tampering.
pub(crate) fn serve(site: &Site, request: &FetchRequest) -> Response {
    let path = Site::path_of(&request.url);
    let found = site.documents.get(path).or_else(|| site.documents.get(path.split('?').next()?));
    let mut response = match found {
        Some(document) => found_answer(path, document, request),
        None => answer(404, &[("content-type", "text/plain")], b"not found".to_vec()),
    };
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "Content-Length, Content-Range, Date, Age"),
        ("vary", "Accept-Encoding"),
    ] {
        response.headers.push((name.to_owned(), value.to_owned()));
    }
    let length = response.body.len().to_string();
    response.headers.push(("content-length".to_owned(), length));
    if request.method == Method::Head {
        response.body.clear();
    }
    response.final_url.clone_from(&request.url);
    (site.tamper)(request, &mut response);
    response
}

fn answer(status: u16, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body, ..Response::default() }
}

fn field<'a>(request: &'a FetchRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn found_answer(path: &str, document: &[u8], request: &FetchRequest) -> Response {
    let kind = content_type(path);
    let total = document.len();
    if let Some(range) = field(request, "range").and_then(|range| range.strip_prefix("bytes=")) {
        if range.contains(',') {
            return answer(200, &[("content-type", kind)], document.to_vec());
        }
        let (from, to) = range.split_once('-').expect("the auditor asks for ranges");
        let (first, end) = match (from.parse::<usize>().ok(), to.parse::<usize>().ok()) {
            (Some(first), last) => (first, last.map_or(total, |last| (last + 1).min(total))),
            (None, suffix) => (total - suffix.unwrap_or(0).min(total), total),
        };
        if first >= total {
            let unsatisfied = format!("bytes */{total}");
            return answer(416, &[("content-range", &unsatisfied)], Vec::new());
        }
        let value = format!("bytes {first}-{}/{total}", end - 1);
        let headers = [("content-type", kind), ("content-range", value.as_str())];
        return answer(206, &headers, document[first..end].to_vec());
    }
    if field(request, "accept-encoding") == Some("gzip") && kind.ends_with("mpegurl") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(document).expect("memory takes bytes");
        let body = encoder.finish().expect("memory takes bytes");
        return answer(200, &[("content-type", kind), ("content-encoding", "gzip")], body);
    }
    answer(200, &[("content-type", kind)], document.to_vec())
}
