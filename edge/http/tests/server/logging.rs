//! One line a request, at the end of its body.

use std::{
    fmt::Write as _,
    sync::{Mutex, OnceLock},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _};

use crate::{
    client::{Client, request},
    harness::{Rig, media, wait_until, write_file},
};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What bodies were compressed, and by which thread.
static COMPRESSED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Writes the access log of all servers of this process into [`LINES`], and what they compress into [`COMPRESSED`].
struct Capture;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        if event.metadata().target() == "rillcast::access" {
            LINES.lock().unwrap().push(line.0);
        } else if line.0.contains("compressed") {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            COMPRESSED.lock().unwrap().push((thread, line.0));
        }
    }
}

fn capture() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Capture)).unwrap();
    });
}

/// The lines about the request of this name, as soon as there is one.
fn lines_of(id: &str) -> Vec<String> {
    let find = || -> Vec<String> {
        LINES
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.contains(&format!("request_id={id} ")))
            .cloned()
            .collect()
    };
    wait_until("the log line", || !find().is_empty());
    find()
}

#[test]
fn a_request_is_one_line_with_what_was_sent() {
    capture();
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    client.get("/memory?token=abc", &["X-Request-Id: log-1"]);
    let lines = lines_of("log-1");
    assert_eq!(lines.len(), 1);
    for part in [
        "method=GET",
        "route=\"other\"",
        "path=\"/memory\"",
        "status=200",
        "bytes=5",
        "client=127.0.0.1",
        "outcome=\"complete\"",
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert!(!lines[0].contains("abc"), "a query is not logged");
    client.get("/secret/eyJhbGciOi", &["X-Request-Id: log-2"]);
    assert!(!lines_of("log-2")[0].contains("eyJ"), "the handler decides what of a path is logged");
}

#[test]
fn a_client_that_leaves_is_logged_with_what_it_took() {
    capture();
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::with_file(Some(write_file(directory.path(), &media(48 << 20))), |_| {});
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/file", &["X-Request-Id: log-3"]));
    client.read_head();
    drop(client);
    let mut early = Client::connect(rig.address());
    early.send(request("GET", "/held", &["X-Request-Id: log-4"]));
    wait_until("the request to be held", || rig.arrived() == 1);
    drop(early);
    assert!(lines_of("log-3")[0].contains("outcome=\"client_gone\""));
    assert!(lines_of("log-3")[0].contains("route=\"segment\""));
    let unanswered = &lines_of("log-4")[0];
    assert!(unanswered.contains("status=0") && unanswered.contains("bytes=0"), "{unanswered}");
}

#[test]
fn no_core_compresses() {
    capture();
    let rig = Rig::start(|_| {});
    for coding in ["gzip", "br"] {
        let accept = format!("Accept-Encoding: {coding}");
        let answer = Client::connect(rig.address()).get("/playlist", &[&accept]);
        assert_eq!(answer.field("content-encoding"), coding);
    }
    let compressed = COMPRESSED.lock().unwrap();
    assert!(compressed.len() >= 2, "{compressed:?}");
    assert!(compressed.iter().all(|(thread, _)| thread.starts_with("http-disk-")), "{compressed:?}");
}
