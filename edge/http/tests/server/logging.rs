//! One line a request, at the end of its body; and who does the work.

use std::{
    fmt::Write as _,
    num::NonZeroUsize,
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
    harness::{End, PATIENCE, Rig, block_on, media, wait_until, write_file},
};

/// What a server logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Has the server of `config` log here.
    fn of(&self, config: &mut ServerConfig) {
        self.in_format(LineFormat::Text, config);
    }

    /// Has it log here in this form.
    fn in_format(&self, format: LineFormat, config: &mut ServerConfig) {
        let lines = Arc::clone(&self.0);
        let take = move |line: &[u8]| lines.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
        config.access_log = Some(AccessLog { format, take: Arc::new(take) });
    }

    /// The lines about the request of this name, as soon as there is one.
    fn about(&self, id: &str) -> Vec<String> {
        let names = [format!("request_id={id} "), format!("\"request_id\":\"{id}\"")];
        let is_about = |line: &&String| names.iter().any(|name| line.contains(name));
        let find = || -> Vec<String> { self.0.lock().unwrap().iter().filter(is_about).cloned().collect() };
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

#[test]
fn what_a_handler_notes_stands_in_the_line() {
    for (format, expected) in [
        (LineFormat::Text, " outcome=\"complete\" cache=\"bypass\" detail=\"no_store\"\n"),
        (LineFormat::Json, ",\"outcome\":\"complete\",\"cache\":\"bypass\",\"detail\":\"no_store\"}\n"),
    ] {
        let log = Lines::default();
        let rig = Rig::start(|config| log.in_format(format, config));
        let mut client = Client::connect(rig.address());
        client.get("/noted", &["X-Request-Id: log-5"]);
        client.get("/memory", &["X-Request-Id: log-6"]);
        assert!(log.about("log-5")[0].ends_with(expected), "{}", log.about("log-5")[0]);
        assert!(!log.about("log-6")[0].contains("cache"), "{}", log.about("log-6")[0]);
    }
}

#[test]
fn a_handler_is_told_of_the_end_of_what_it_was_given_and_of_nothing_else() {
    let rig = Rig::start(|_| {});
    let ends = || rig.stage.ended.lock().unwrap().clone();
    let mut client = Client::connect(rig.address());
    client.get("/noted", &[]);
    client.send(request("OPTIONS", "/memory", &[]));
    client.read_answer(false);
    // What it notes is its own: a path of which nothing is logged, too.
    client.get("/secret", &[]);
    wait_until("two ends", || ends().len() == 2);
    let mut early = Client::connect(rig.address());
    early.send(request("GET", "/held", &[]));
    wait_until("the request to be held", || rig.arrived() == 1);
    drop(early);
    wait_until("three ends", || ends().len() == 3);
    let end = |status, body_bytes, cache, path: &str| End {
        route: "other",
        status,
        body_bytes,
        cache,
        path: path.to_owned(),
    };
    let not_found = ends()[1].body_bytes;
    assert!(not_found > 0);
    assert_eq!(
        ends(),
        [
            end(Some(200), 5, Some("bypass"), "/noted"),
            end(Some(404), not_found, None, "/secret"),
            end(None, 0, None, "/held"),
        ]
    );
}

#[test]
fn a_panic_at_the_end_of_a_request_costs_nobody_anything() {
    let rig = Rig::start(|_| {});
    let mut client = Client::connect(rig.address());
    assert_eq!(client.get("/panic-at-end", &[]).status, 404);
    assert_eq!(client.get("/memory", &[]).status, 200);
    let families = rig.registry.gather();
    let panics = families.iter().find(|family| family.name() == "rillcast_http_panics_total").unwrap();
    assert!((panics.get_metric()[0].get_counter().get_value() - 1.0).abs() < 0.1);
}

#[test]
fn a_core_is_tended_from_its_start_and_once_more_after_its_last_request() {
    let rig = Rig::start(|config| config.cores = NonZeroUsize::MIN);
    let mut client = Client::connect(rig.address());
    client.send(request("GET", "/held", &[]));
    wait_until("the request to be held", || rig.arrived() == 1);
    wait_until("the core to be tended", || rig.stage.tended.lock().unwrap().contains(&false));
    let Rig { server, stage, .. } = rig;
    let draining = std::thread::spawn(move || block_on(server.drain(PATIENCE)));
    assert!(!stage.tended.lock().unwrap().contains(&true));
    stage.gate.add_permits(1);
    assert_eq!(client.read_answer(false).text(), "let go");
    draining.join().unwrap();
    assert_eq!(stage.ended.lock().unwrap().len(), 1);
    let tended = stage.tended.lock().unwrap();
    assert_eq!((tended.last(), tended.iter().filter(|is_last| **is_last).count()), (Some(&true), 1));
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
