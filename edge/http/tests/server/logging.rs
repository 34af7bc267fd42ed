//! One line a request, at the end of its body; and who does the work.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use rillcast_http::{AccessLog, LineFormat, ServerConfig};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _};

use crate::{
    client::{Client, request},
    harness::{Rig, media, wait_until, write_file},
};

/// What a server logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Has the server of `config` log here.
    fn of(&self, config: &mut ServerConfig) {
        let lines = Arc::clone(&self.0);
        let take = move |line: &[u8]| lines.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
        config.access_log = Some(AccessLog { format: LineFormat::Text, take: Arc::new(take) });
    }

    /// The lines about the request of this name, as soon as there is one.
    fn about(&self, id: &str) -> Vec<String> {
        let name = format!("request_id={id} ");
        let find = || -> Vec<String> {
            self.0.lock().unwrap().iter().filter(|line| line.contains(&name)).cloned().collect()
        };
        wait_until("the log line", || !find().is_empty());
        find()
    }
}

#[test]
fn a_request_is_one_line_with_what_was_sent() {
    let log = Lines::default();
    let rig = Rig::start(|config| log.of(config));
    let mut client = Client::connect(rig.address());
    client.get("/memory?token=abc", &["X-Request-Id: log-1"]);
    let lines = log.about("log-1");
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
    assert!(!log.about("log-2")[0].contains("eyJ"), "the handler decides what of a path is logged");
}

#[test]
fn a_client_that_leaves_is_logged_with_what_it_took() {
    let log = Lines::default();
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::with_file(Some(write_file(directory.path(), &media(48 << 20))), |config| log.of(config));
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/file", &["X-Request-Id: log-3"]));
    client.read_head();
    drop(client);
    let mut early = Client::connect(rig.address());
    early.send(request("GET", "/held", &["X-Request-Id: log-4"]));
    wait_until("the request to be held", || rig.arrived() == 1);
    drop(early);
    assert!(log.about("log-3")[0].contains("outcome=\"client_gone\""));
    assert!(log.about("log-3")[0].contains("route=\"segment\""));
    let unanswered = &log.about("log-4")[0];
    assert!(unanswered.contains("status=0") && unanswered.contains("bytes=0"), "{unanswered}");
}

/// Writes down which threads of this process compress what.
struct Compressions;

/// What bodies were compressed, and by which thread.
static COMPRESSED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Compressions {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        if fields.0.contains("compressed") {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            COMPRESSED.lock().unwrap().push((thread, fields.0));
        }
    }
}

#[test]
fn no_core_compresses() {
    // No other test of this program sets one.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Compressions)).unwrap();
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
