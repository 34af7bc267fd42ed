use std::{
    io::{self, Write},
    rc::Rc,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use http::{Method, StatusCode};
use prometheus::Registry;

use super::*;
use crate::{
    access_log::{Beginning, Observer},
    activity::Activity,
    handler::RouteClass,
    metrics::HttpMetrics,
    request::Transport,
    request_id::RequestId,
};

/// Bytes written, seen from outside.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no driver that reads the clock for it")]
fn clock() -> Instant {
    Instant::now()
}

/// What a handler noted: what a cache did, and why.
type Words = [Option<&'static str>; 2];

const NO_WORDS: Words = [None, None];

/// The line of one exchange.
fn ours(format: LineFormat, path: Option<&str>, words: Words, client: &str, at: Duration) -> String {
    let paper = Paper::default();
    let sheet = paper.clone();
    let take = Arc::new(move |line: &[u8]| sheet.clone().write_all(line).unwrap());
    let metrics = HttpMetrics::register(&Registry::new()).unwrap();
    let observer = Rc::new(Observer {
        ledger: metrics.ledger(),
        metrics,
        // It would tell of the end of the exchange, which is told here.
        lines: None,
        at_end: None,
        monotonic: clock,
    });
    let beginning = Beginning {
        id: RequestId::INTERNAL,
        method: Method::GET,
        client: client.parse().unwrap(),
        transport: Transport::PlainHttp1,
        received: SystemTime::UNIX_EPOCH.checked_add(at).unwrap(),
    };
    let exchange = Exchange::begin(observer, Rc::new(Activity::new(clock())), beginning);
    exchange.routed(RouteClass("segment"), path.map(str::to_owned));
    let trace = Trace::default();
    let [cache, detail] = words;
    if let Some(word) = cache {
        trace.note_cache(word);
    }
    trace.note_detail(detail);
    exchange.asked(trace);
    exchange.answered(StatusCode::OK);
    exchange.begin_body(1_048_576);
    exchange.sent(1_048_576);
    LineWriter::new(AccessLog { format, take }).write(&exchange, "complete", Duration::from_micros(1500));
    paper.text()
}

/// The same as `tracing-subscriber` writes it.
fn theirs(format: LineFormat, path: Option<&str>, [cache, detail]: Words, client: &str) -> String {
    let paper = Paper::default();
    let sheet = paper.clone();
    let builder = tracing_subscriber::fmt().with_writer(move || sheet.clone()).with_ansi(false);
    let client: IpAddr = client.parse().unwrap();
    let tell = || {
        tracing::info!(
            target: "rillcast::access",
            request_id = %RequestId::INTERNAL,
            method = %Method::GET,
            route = "segment",
            path,
            status = 200,
            bytes = 1_048_576_u64,
            duration_us = 1500_u64,
            %client,
            transport = "http1",
            outcome = "complete",
            cache,
            detail,
        );
    };
    match format {
        LineFormat::Text => tracing::subscriber::with_default(builder.with_target(false).finish(), tell),
        LineFormat::Json => {
            tracing::subscriber::with_default(builder.json().flatten_event(true).finish(), tell);
        }
    }
    paper.text()
}

const PATHS: [Option<&str>; 6] = [
    None,
    Some("/vod/a.mp4/master.m3u8"),
    Some("/vod/it's \"quoted\" \\ here"),
    Some("/vod/\u{1b}[31mred\u{7f}\n\t"),
    Some("/vod/caf\u{e9}\u{202e}"),
    Some(""),
];

const WORDS: [Words; 4] =
    [NO_WORDS, [Some("hit"), None], [Some("bypass"), Some("no_store")], [None, Some("token_expired")]];

#[test]
fn text_is_what_the_rest_of_the_log_looks_like() {
    for (path, words) in PATHS.into_iter().zip(WORDS.into_iter().cycle()) {
        for client in ["203.0.113.255", "0.0.0.0", "2001:db8::1"] {
            let ours = ours(LineFormat::Text, path, words, client, Duration::from_secs(1));
            let theirs = theirs(LineFormat::Text, path, words, client);
            let [ours, theirs] = [&ours, &theirs].map(|line| line.split_once("Z  INFO ").unwrap().1);
            assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn an_object_has_the_fields_that_the_rest_of_the_log_has() {
    for (path, words) in PATHS.into_iter().zip(WORDS.into_iter().cycle()) {
        let read = |line: String| {
            assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "{line:?}");
            let mut object: serde_json::Value = serde_json::from_str(&line).unwrap();
            let time = object.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert_eq!(time.as_str().unwrap().len(), "2026-11-21T13:59:50.635472Z".len());
            object
        };
        let ours = read(ours(LineFormat::Json, path, words, "::1", Duration::from_secs(1)));
        assert_eq!(ours, read(theirs(LineFormat::Json, path, words, "::1")));
    }
}

#[test]
fn a_line_bears_the_time_of_its_end() {
    for (at, text) in [
        (Duration::from_micros(1_795_269_590_999_999), "2026-11-21T13:59:51.001499Z"),
        (Duration::from_micros(951_782_399_000_000), "2000-02-28T23:59:59.001500Z"),
        (Duration::ZERO, "1970-01-01T00:00:00.001500Z"),
    ] {
        let line = ours(LineFormat::Text, None, NO_WORDS, "::1", at);
        assert_eq!(line.split_once(' ').unwrap().0, text);
    }
}

#[test]
fn a_second_is_written_anew_when_it_changes() {
    let take: Arc<TakeLine> = Arc::new(|_: &[u8]| {});
    let writer = LineWriter::new(AccessLog { format: LineFormat::Text, take });
    let stamp = |seconds| {
        let mut out = Vec::new();
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap();
        writer.open(&mut Line { out: &mut out, format: LineFormat::Text }, at);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(stamp(59), "1970-01-01T00:00:59.000000Z  INFO");
    assert_eq!(stamp(59), "1970-01-01T00:00:59.000000Z  INFO");
    assert_eq!(stamp(60), "1970-01-01T00:01:00.000000Z  INFO");
    assert_eq!(stamp(59), "1970-01-01T00:00:59.000000Z  INFO");
}
