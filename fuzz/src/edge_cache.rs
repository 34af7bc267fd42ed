//! The edge's cache and its flights, in any order of viewers who come and go, time, purges, and origins that answer
//! well and badly: nobody ever gets bytes that no origin sent together, or what was purged before they asked.
//!
//! Input: sixteen bytes, how the origin answers its requests in turn; then operations of two bytes.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rillcast_edge::cache::freshness::Policy;
use rillcast_edge::cache::key::{Key, KeyRules};
use rillcast_edge::cache::memory::CacheLimits;
use rillcast_edge::cache::purge::{Hardness, Meant};
use rillcast_edge::far::recent::Recent;
use rillcast_edge::far::{FarConfig, FarEdge};
use rillcast_edge::live_hold::HoldLimits;
use rillcast_edge::observe::metrics::EdgeMetrics;
use rillcast_edge::upstream::dial::{Dialing, Pipe};
use rillcast_edge::upstream::{Dial, UpstreamConfig, UpstreamMetrics, Upstreams, UpstreamsConfig};
use rillcast_http::{CompressionLimits, Compressor, Cors, Request, Responder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, advance, sleep};

/// Bytes that say how the origin answers.
const SCRIPT: usize = 16;
/// Operations of one input.
const MAX_OPERATIONS: usize = 64;
/// Things that can be asked for.
const NAMES: u8 = 8;
/// Bodies: in memory, in slabs, longer than may be stored.
const LENGTHS: [usize; 4] = [10, 1000, 65_537, 90_000];
/// Memory in which seven of the long bodies find room, and two fills of them; an eighth is the longest that is stored.
const MEMORY_BYTES: u64 = 640 << 10;

/// Bytes after which a body repeats itself.
const PERIOD: usize = 3 * 251;

/// All bodies: byte `at` of edition `edition` is `(edition * 7 + at / 3) % 251`, so that a body of two editions shows.
/// Made once: made and compared byte by byte, bodies were nine tenths of a run.
static BODIES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let longest = LENGTHS.iter().max().copied().unwrap_or_default();
    (0..longest + PERIOD).map(|at| u8::try_from(at / 3 % 251).expect("a remainder")).collect()
});

/// The first `len` bytes of edition `edition`.
fn body_of(edition: usize, len: usize) -> Option<&'static [u8]> {
    BODIES.get(edition * 7 * 3 % PERIOD..)?.get(..len)
}

/// What the origin was asked, and since when each name may not be older than which edition.
#[derive(Default)]
struct Told {
    requests: usize,
    /// The length of each edition.
    lengths: Vec<usize>,
}

/// An origin that answers by a script.
#[derive(Clone)]
struct Origin {
    script: [u8; SCRIPT],
    told: Arc<Mutex<Told>>,
}

impl Dial for Origin {
    fn dial<'a>(&'a self, _host: &'a str, _port: u16) -> Dialing<'a> {
        let origin = self.clone();
        Box::pin(async move {
            let (ours, theirs) = duplex(1 << 16);
            play(origin, theirs);
            Ok(Box::new(ours) as Box<dyn Pipe>)
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the runtime of one input owns it, and ends with it")]
fn play(origin: Origin, pipe: DuplexStream) {
    tokio::task::spawn(async move {
        // A client that goes away is no fault.
        let _: io::Result<()> = origin.play(pipe).await;
    });
}

impl Origin {
    async fn play(self, mut pipe: DuplexStream) -> io::Result<()> {
        loop {
            let mut head = Vec::with_capacity(1024);
            while !head.ends_with(b"\r\n\r\n") {
                if pipe.read_buf(&mut head).await? == 0 {
                    return Ok(());
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let (edition, act, len) = self.next();
            let tag = head.lines().find_map(|line| line.strip_prefix("if-none-match: "));
            let body = body_of(edition, len).unwrap_or_default();
            let fields = match act {
                3 => "Cache-Control: no-store\r\n".to_owned(),
                4 => String::new(),
                5 => format!("Cache-Control: max-age=2, stale-while-revalidate=3\r\nETag: \"{edition}\"\r\n"),
                _ => format!("Cache-Control: max-age=20\r\nETag: \"{edition}\"\r\nSurrogate-Key: all\r\n"),
            };
            let whole = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {len}\r\n\r\n");
            match (act, tag) {
                (7, _) => return Ok(()),
                (5, Some(tag)) => {
                    let text = format!("HTTP/1.1 304 X\r\nCache-Control: max-age=2\r\nETag: {tag}\r\n\r\n");
                    pipe.write_all(text.as_bytes()).await?;
                }
                (1, _) => {
                    let text =
                        format!("HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n{len:x}\r\n");
                    pipe.write_all(text.as_bytes()).await?;
                    pipe.write_all(body).await?;
                    pipe.write_all(b"\r\n0\r\n\r\n").await?;
                }
                (2 | 6, _) => {
                    pipe.write_all(whole.as_bytes()).await?;
                    let (front, rest) = body.split_at(len / 2);
                    pipe.write_all(front).await?;
                    sleep(Duration::from_secs(1)).await;
                    if act == 2 {
                        return Ok(());
                    }
                    pipe.write_all(rest).await?;
                }
                _ => {
                    pipe.write_all(whole.as_bytes()).await?;
                    pipe.write_all(body).await?;
                }
            }
        }
    }

    /// The number of a request, and what to do with it.
    fn next(&self) -> (usize, u8, usize) {
        let mut told = self.told.lock().expect("nobody panics with it");
        let edition = told.requests;
        told.requests += 1;
        let byte = self.script.get(edition % SCRIPT).copied().unwrap_or_default();
        let len = LENGTHS.get(usize::from(byte >> 3) % LENGTHS.len()).copied().unwrap_or(1);
        told.lengths.push(len);
        (edition, byte % 8, len)
    }
}

thread_local! {
    static START: RefCell<Option<Instant>> = const { RefCell::new(None) };
}

/// Time of day: tokio's, from a fixed moment on.
fn clock() -> SystemTime {
    let start = START.with_borrow_mut(|start| *start.get_or_insert_with(Instant::now));
    UNIX_EPOCH + Duration::from_secs(1_700_000_000) + start.elapsed()
}

/// Nothing depends on what they say, so all inputs share them.
static FIGURES: LazyLock<Option<(UpstreamMetrics, EdgeMetrics)>> = LazyLock::new(|| {
    let registry = prometheus::Registry::new();
    Some((UpstreamMetrics::register(&registry).ok()?, EdgeMetrics::register(&registry).ok()?))
});

/// The edge and what is known of it.
struct World {
    edge: FarEdge,
    recent: Recent,
    responder: Responder,
    told: Arc<Mutex<Told>>,
}

/// Runs the operations in `data`.
pub fn run(data: &[u8]) {
    let Some((script, operations)) = data.split_first_chunk::<SCRIPT>() else { return };
    START.with_borrow_mut(|start| *start = None);
    OLDEST.set(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let Ok(runtime) = runtime else { return };
    let origin = Origin { script: *script, told: Arc::default() };
    LocalSet::new().block_on(&runtime, play_all(origin, operations));
}

async fn play_all(origin: Origin, operations: &[u8]) {
    let told = Arc::clone(&origin.told);
    let Some(world) = World::new(origin, told).map(Rc::new) else { return };
    let mut viewers: Vec<JoinHandle<()>> = Vec::new();
    for [code, argument] in operations.as_chunks::<2>().0.iter().take(MAX_OPERATIONS) {
        match code % 6 {
            0 | 1 => viewers.push(view(&world, argument % NAMES, argument & 64 != 0)),
            2 if !viewers.is_empty() => {
                let leaving = viewers.swap_remove(usize::from(*argument) % viewers.len());
                leaving.abort();
                // Whoever panicked says so.
                if let Err(error) = leaving.await
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            3 => advance(Duration::from_millis(u64::from(*argument) * 50)).await,
            4 => world.purge(*argument),
            _ => world.edge.settle(),
        }
        tokio::task::yield_now().await;
    }
    for viewer in viewers {
        if let Err(error) = viewer.await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// A viewer of name `name`, who checks what comes.
fn view(world: &Rc<World>, name: u8, is_range: bool) -> JoinHandle<()> {
    let world = Rc::clone(world);
    tokio::task::spawn_local(async move { world.view(name, is_range).await })
}

impl World {
    fn new(origin: Origin, told: Arc<Mutex<Told>>) -> Option<Self> {
        let (figures, metrics) = FIGURES.as_ref()?;
        let dial: Arc<dyn Dial> = Arc::new(origin);
        let upstreams = UpstreamsConfig::new("fuzz", vec![UpstreamConfig::new("a", "http://a")]);
        let upstreams = Upstreams::with_dial(&upstreams, figures, clock, &dial).ok()?;
        let config = FarConfig {
            cache: CacheLimits { memory_bytes: MEMORY_BYTES, object_bytes_max: MEMORY_BYTES },
            policy: Policy::default(),
            rules: KeyRules::default(),
            flights_max: 8,
            holds: HoldLimits::default(),
        };
        let runtime = tokio::runtime::Handle::current();
        let edge = FarEdge::new(config, upstreams, metrics.clone(), clock, runtime).ok()?;
        let responder =
            Responder { compressor: Compressor::new(CompressionLimits::default()), cors: Cors::default() };
        Some(Self { edge, recent: Recent::default(), responder, told })
    }

    fn purge(&self, argument: u8) {
        let meant = match argument % 3 {
            0 => Meant::All,
            1 => Meant::surrogate("all"),
            _ => match Key::of(self.edge.rules(), "", &format!("/{}", argument % NAMES), None) {
                Ok(key) => Meant::Key(key),
                Err(_) => return,
            },
        };
        let hardness = if argument & 128 == 0 { Hardness::Hard } else { Hardness::Soft };
        let is_hard_and_all = hardness == Hardness::Hard && meant == Meant::All;
        self.edge.purge(meant, hardness);
        if is_hard_and_all {
            OLDEST.set(self.told.lock().expect("nobody panics with it").requests);
        }
    }

    async fn view(&self, name: u8, is_range: bool) {
        let oldest = OLDEST.get();
        let target = format!("/{name}");
        let Ok(mut request) = Request::internal(&target, clock()) else { return };
        if is_range {
            request.headers.insert(http::header::RANGE, http::HeaderValue::from_static("bytes=5-"));
        }
        let reply = self.edge.serve(&self.recent, &request, "", &target, None).await;
        let (head, body) = self.responder.respond(&request, reply).await.into_parts();
        let declared: Option<usize> =
            head.headers.get(http::header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
        let Ok(body) = body.collect(1 << 20).await else { return };
        if let Some(declared) = declared {
            assert_eq!(body.len(), declared, "what ends well is as long as it was said");
        }
        let start = match head.status.as_u16() {
            200 => 0,
            206 => 5,
            _ => return,
        };
        let told = self.told.lock().expect("nobody panics with it");
        let of = |edition: usize| {
            let len = told.lengths.get(edition).copied().unwrap_or_default();
            len == body.len() + start && body_of(edition, len).and_then(|of| of.get(start..)) == Some(&*body)
        };
        let editions: Vec<usize> = (0..told.requests).filter(|edition| of(*edition)).collect();
        assert!(!editions.is_empty(), "{} bytes that no origin sent", body.len());
        assert!(editions.last() >= Some(&oldest), "of {editions:?}, and all before {oldest} were purged");
    }
}

thread_local! {
    /// The first edition that was asked for after the last purge of everything.
    static OLDEST: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
