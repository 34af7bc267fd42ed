//! A whole edge behind a server on a socket, in front of a scripted origin, with everything that it writes kept.

use std::{
    borrow::Cow,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use prometheus::{Registry, TextEncoder};
use rillcast_edge::{
    admission::{
        authorize::{Gate, KeysAwaited, inner_path},
        private_paths::PrivatePaths,
        protect::{AskLimits, Protection},
        territory::Territory,
    },
    cache::{
        freshness::Policy,
        key::{KeyRules, TRACKING},
    },
    control::{
        events::{
            event::{Event, SessionBeat},
            metrics::EventMetrics,
            queue::{Queue, QueueLimits},
            sender::{Outlet, Sender, Sink, Verdict},
        },
        orders::{order::Name, ordered_limits::OrderedLimits},
    },
    edge::{Edge, EdgeLocal, Near, Source},
    far::{FarConfig, FarEdge},
    live_hold::HoldLimits,
    observe::metrics::EdgeMetrics,
    upstream::{Dial, UpstreamMetrics, Upstreams},
};
use rillcast_http::{
    AccessLog, Ended, Handler, HttpMetrics, LineFormat, Listener, Reply, Request, RouteClass, Server,
    ServerConfig, Trace,
};
use rillcast_token::{
    Algorithm, Claims, GrantLimits, Grants, HashKey, KeyFile, KeyRecord, NumericDate, sign,
};
use tempfile::TempDir;
use tokio::{runtime::Handle, sync::oneshot, task::JoinSet};

use crate::{
    harness::origin::{Act, Asked, Origin, Town},
    setting::config,
    world::CACHE,
};

/// How long a condition may take before a test gives up; never reached by a test that passes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The cookie that may hold a token.
pub(crate) const COOKIE: &str = "viewing";

/// No origin is in this process.
struct Nobody;

impl Near for Nobody {
    type Local = ();

    fn local(&self) -> Self::Local {}

    async fn serve(&self, (): &(), _: &Request, path: &str) -> Reply {
        panic!("nobody is asked for {path}")
    }
}

/// An edge as a handler, and nothing beside it.
struct Door(Edge<Nobody>);

impl Handler for Door {
    type Local = EdgeLocal<()>;

    fn local(&self) -> Self::Local {
        self.0.local()
    }

    async fn handle(&self, local: &Self::Local, request: &mut Request) -> Reply {
        self.0.serve(local, request).await
    }

    fn route(&self, _: &Self::Local, path: &str) -> RouteClass {
        RouteClass(if inner_path(path).starts_with("/vod/") { "vod" } else { "other" })
    }

    fn logged_path<'a>(&self, local: &Self::Local, path: &'a str) -> Option<Cow<'a, str>> {
        Some(local.redacted(path))
    }

    fn trace(&self) -> Trace {
        self.0.trace()
    }

    fn ended(&self, local: &Self::Local, ended: &Ended<'_>) {
        self.0.ended(local, ended);
    }

    fn tend(&self, local: &Self::Local, now: SystemTime, is_last: bool) {
        self.0.tend(local, now, is_last);
    }
}

/// The edge and all that it writes.
pub(crate) struct House {
    server: Server,
    pub(crate) origin: Origin,
    pub(crate) registry: Registry,
    /// What orders say of limits.
    pub(crate) limits: OrderedLimits,
    keys: KeyFile,
    lines: Arc<Mutex<Vec<String>>>,
    events: Arc<Mutex<Vec<Event>>>,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
    _folder: TempDir,
}

/// What a client got: all of the head, and the body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl House {
    /// One whose `/vod/` needs tokens, with lines of this form and an origin that plays `script`.
    pub(crate) fn new(format: LineFormat, script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let (origin, town, registry) = (Origin::new(script), Town::default(), Registry::new());
        town.settle("a", &origin);
        let mut keys = KeyFile::default();
        keys.add(Algorithm::EdDSA, None, now()).unwrap();
        let (folder, mut tasks, events) = (TempDir::new().unwrap(), JoinSet::new(), Arc::default());
        let (stop, stopped) = oneshot::channel();
        let limits = OrderedLimits::default();
        let (sink, sender) = sender(&folder, &events);
        tasks.spawn(sender.run(async move { drop(stopped.await) }));
        let door = Arc::new(Door(edge(&town, &registry, &keys, &limits).with_beats(sink)));
        let mut server = ServerConfig::new(vec![Listener::plain("127.0.0.1:0".parse().unwrap())]);
        server.cores = NonZeroUsize::MIN;
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let sheet = Arc::clone(&lines);
        let take = move |line: &[u8]| sheet.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
        server.access_log = Some(AccessLog { format, take: Arc::new(take) });
        let server = Server::start(server, &door, HttpMetrics::register(&registry).unwrap()).unwrap();
        Self { server, origin, registry, limits, keys, lines, events, stop, tasks, _folder: folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    /// A token that says `claims`, signed with our key.
    pub(crate) fn token(&self, claims: &Claims) -> String {
        sign(claims, self.key()).unwrap()
    }

    /// The key that signs.
    pub(crate) fn key(&self) -> &KeyRecord {
        &self.keys.records()[0]
    }

    /// What is answered on a connection of its own to GET with these fields.
    pub(crate) fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", target, fields)
    }

    /// The same for any method.
    pub(crate) fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let asked = format!("{method} {target} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(asked.as_bytes()).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let all = String::from_utf8_lossy(&all);
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{target}: {all:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The lines so far, as soon as there are so many.
    pub(crate) fn lines(&self, count: usize) -> Vec<String> {
        wait_until("the lines", || self.lines.lock().unwrap().len() >= count);
        self.lines.lock().unwrap().clone()
    }

    /// All figures as a scrape shows them.
    pub(crate) fn figures(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }

    /// The value of the figure that stands in a scrape under this name with its labels; 0 where it does not.
    pub(crate) fn figure(&self, series: &str) -> u64 {
        let figures = self.figures();
        let value = figures.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until so many objects have come and been stored: a viewer has all bytes a moment before, and whoever asks
    /// in that moment joins the fill instead of hitting.
    pub(crate) fn wait_for_fills(&self, count: u64) {
        let come = || self.figure("rillcast_edge_fills_total{outcome=\"complete\"}");
        wait_until("the fills", || come() >= count);
    }

    /// Ends the server, and then says what was sent of `requests` of sessions. How many beats that is depends on how
    /// long they took: each beat's time is up after a few seconds, whatever the test does meanwhile.
    pub(crate) async fn close(mut self, requests: u64) -> Vec<Event> {
        self.server.drain(PATIENCE).await;
        let events = Arc::clone(&self.events);
        let arrived = move || {
            let told = beats(&events.lock().unwrap()).iter().map(|beat| beat.sums.requests).sum::<u64>();
            told >= requests
        };
        tokio::task::spawn_blocking(move || wait_until("the events", arrived)).await.unwrap();
        drop(self.stop);
        while self.tasks.join_next().await.is_some() {}
        self.events.lock().unwrap().clone()
    }
}

/// The beats of `events`.
pub(crate) fn beats(events: &[Event]) -> Vec<&SessionBeat> {
    let beats = events.iter().map(|event| match event {
        Event::SessionBeat(beat) => beat,
        other => panic!("a beat: {other:?}"),
    });
    beats.collect()
}

/// Claims for `paths` that are good for ever, of session `s-1`.
pub(crate) fn claims(paths: &[&str]) -> Claims {
    Claims {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        exp: NumericDate::MAX,
        sid: Some("s-1".to_owned()),
        ..Claims::default()
    }
}

fn edge(town: &Town, registry: &Registry, keys: &KeyFile, limits: &OrderedLimits) -> Edge<Nobody> {
    let figures = UpstreamMetrics::register(registry).unwrap();
    let dial: Arc<dyn Dial> = Arc::new(town.clone());
    let upstreams = Upstreams::with_dial(&config(&["a"]), &figures, now, &dial).unwrap();
    let far = FarConfig {
        cache: CACHE,
        policy: Policy::default(),
        rules: KeyRules::new(TRACKING).unwrap(),
        flights_max: 1000,
        holds: HoldLimits::default(),
    };
    let metrics = EdgeMetrics::register(registry).unwrap();
    let far = FarEdge::new(far, upstreams, metrics.clone(), now, Handle::current()).unwrap();
    let keys = keys.key_set().unwrap();
    let gate = Gate {
        grants: Arc::new(Grants::new(&GrantLimits::default(), HashKey::random(), keys)),
        private: PrivatePaths::new(["/vod/"]).unwrap(),
        cookie: COOKIE.to_owned(),
        places: None,
        territory: Territory::default(),
        keys: KeysAwaited::default(),
        limits: limits.clone(),
        monotonic,
    };
    let protection = Protection::new(AskLimits::default(), metrics.clone(), monotonic());
    Edge::new(gate, protection, Source::Far(Box::new(far)), metrics)
}

/// Sends each event at once, as a batch of its own.
fn sender(folder: &TempDir, events: &Arc<Mutex<Vec<Event>>>) -> (Sink, Sender<fn() -> u64>) {
    let limits = QueueLimits { segment_bytes: 1, segment_age: Duration::ZERO, ..QueueLimits::default() };
    let mut next = 0;
    let names = move || {
        next += 1;
        next
    };
    let queue = Queue::open(folder.path(), Name::new("edge-1").unwrap(), limits, names).unwrap();
    let events = Arc::clone(events);
    let outlet = Outlet::Local(Box::new(move |batch| {
        events.lock().unwrap().extend(batch.events);
        Verdict::Arrived
    }));
    Sender::new(queue, outlet, EventMetrics::new().unwrap(), || 1)
}

/// Waits until `is_met`, giving way to others meanwhile.
#[expect(clippy::disallowed_methods, reason = "the guard against a test that never ends needs a clock")]
pub(crate) fn wait_until(what: &str, mut is_met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_met() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

#[expect(clippy::disallowed_methods, reason = "a server on a socket lives in the time of this machine")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "a server on a socket lives in the time of this machine")]
fn monotonic() -> Instant {
    Instant::now()
}
