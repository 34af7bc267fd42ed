//! A server with a handler that has one path for each thing a test wants to see.

use std::{
    cell::RefCell,
    io::Write as _,
    num::NonZeroUsize,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Barrier, Mutex},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use prometheus::Registry;
use rillcast_http::{
    Body, BodySource, ContentId, Encoding, Ended, Entity, EntityTag, FileExtent, FileIdentity, Growing,
    Handler, HttpMetrics, Listener, Problem, RawReply, Reply, Request, RouteClass, Server, ServerConfig,
    SourceFile, Trace,
};
use rillcast_sys::address_space::Access;
use tokio::sync::Semaphore;

/// How long a condition may take before a test gives up; never reached by a test that passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const METHODS_WITH_POST: &[Method] = &[Method::GET, Method::HEAD, Method::POST];

/// Media of every test: a block whose length is prime, so that no frame or buffer begins where another does.
pub(crate) fn media(len: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..65_537_usize).map(|at| (at / 7 + at / 251) as u8).collect();
    let mut bytes = block.repeat(len / block.len() + 1);
    bytes.truncate(len);
    bytes
}

/// Writes `bytes` to a new file of `directory`.
pub(crate) fn write_file(directory: &Path, bytes: &[u8]) -> PathBuf {
    let path = directory.join("media.mp4");
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

/// What the handler serves and waits for.
pub(crate) struct Stage {
    /// Served at `/file`, and at `/hot` with a name for its content.
    pub(crate) file: Option<PathBuf>,
    /// `/held` answers once it can take a permit.
    pub(crate) gate: Semaphore,
    /// `/block` stops its whole core here until a test comes.
    pub(crate) barrier: Barrier,
    /// Requests that wait at the gate, or have passed it.
    pub(crate) arrived: Mutex<usize>,
    /// Served at `/growing`.
    pub(crate) growing: Mutex<Option<Growing>>,
    /// Requests that have ended, as the handler is told.
    pub(crate) ended: Mutex<Vec<End>>,
    /// How often the core was to be tended, and whether for the last time.
    pub(crate) tended: Mutex<Vec<bool>>,
}

/// A request that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) route: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) body_bytes: u64,
    pub(crate) cache: Option<&'static str>,
    /// The path, which the handler has noted for itself.
    pub(crate) path: String,
}

impl Handler for Stage {
    type Local = ();

    fn local(&self) -> Self::Local {}

    async fn handle(&self, (): &(), request: &mut Request) -> Reply {
        *request.trace.own::<RefCell<String>>().unwrap().borrow_mut() = request.path().to_owned();
        match request.path() {
            "/memory" => text("hello").into(),
            "/noted" => {
                request.trace.note_cache("bypass");
                request.trace.note_detail(Some("no_store"));
                text("noted").into()
            }
            "/playlist" => Entity { encoding: Encoding::Compress, ..text(&playlist()) }.into(),
            "/large" => text(&"x".repeat(8 << 20)).into(),
            "/file" => self.file_entity().into(),
            "/hot" => self.hot_entity().into(),
            "/pieces" => self.pieces_entity(pieces).into(),
            "/crumbs" => self.pieces_entity(crumbs).into(),
            "/growing" => {
                let growing = self.growing.lock().unwrap().clone().unwrap();
                Entity::new(HeaderValue::from_static("video/mp4"), growing.body()).into()
            }
            "/held" => {
                *self.arrived.lock().unwrap() += 1;
                self.gate.acquire().await.unwrap().forget();
                text("let go").into()
            }
            "/block" => {
                *self.arrived.lock().unwrap() += 1;
                self.barrier.wait();
                text("on we go").into()
            }
            "/who" => {
                let line = format!("{} {}", request.client.ip, request.transport.as_str());
                RawReply::ok(HeaderValue::from_static("text/plain"), line).into()
            }
            "/upload" => match request.body.collect(10, PATIENCE).await {
                Ok(bytes) => RawReply::ok(HeaderValue::from_static("text/plain"), bytes).into(),
                Err(error) => Problem::bad_request(error.to_string()).into(),
            },
            "/core" => {
                let name = std::thread::current().name().unwrap_or_default().to_owned();
                RawReply::ok(HeaderValue::from_static("text/plain"), name).into()
            }
            "/panic" => panic!("on purpose"),
            _ => Problem::not_found().into(),
        }
    }

    fn route(&self, (): &(), path: &str) -> RouteClass {
        RouteClass(if path == "/file" { "segment" } else { "other" })
    }

    fn allowed_methods(&self, path: &str) -> &'static [Method] {
        if path == "/upload" { METHODS_WITH_POST } else { rillcast_http::READ_METHODS }
    }

    fn logged_path<'a>(&self, (): &(), path: &'a str) -> Option<std::borrow::Cow<'a, str>> {
        (!path.starts_with("/secret")).then(|| path.into())
    }

    fn trace(&self) -> Trace {
        Trace::with(RefCell::new(String::new()))
    }

    fn ended(&self, (): &(), ended: &Ended<'_>) {
        let path = ended.trace.own::<RefCell<String>>().unwrap().borrow().clone();
        assert_ne!(path, "/panic-at-end", "on purpose");
        self.ended.lock().unwrap().push(End {
            route: ended.route.0,
            status: ended.status.map(|status| status.as_u16()),
            body_bytes: ended.body_bytes,
            cache: ended.trace.cache(),
            path,
        });
    }

    fn tend(&self, (): &(), _: SystemTime, is_last: bool) {
        self.tended.lock().unwrap().push(is_last);
    }
}

impl Stage {
    fn file_entity(&self) -> Entity {
        let file = self.open();
        let modified = file.identity().modified();
        Entity {
            etag: Some(EntityTag::strong("file-1").unwrap()),
            last_modified: Some(modified),
            body: FileExtent::whole(file).into(),
            ..Entity::new(HeaderValue::from_static("video/mp4"), "")
        }
    }

    fn pieces_entity(&self, pieces: fn(u64) -> Vec<Piece>) -> Entity {
        let file = self.open();
        let mut body = Body::new();
        for piece in pieces(file.len()) {
            match piece {
                Piece::Memory(bytes) => body.push(Bytes::from(bytes)),
                Piece::File(range) => body
                    .push(FileExtent::new(Arc::clone(&file), range.start, range.end - range.start).unwrap()),
            }
        }
        Entity::new(HeaderValue::from_static("video/mp4"), body)
    }

    fn open(&self) -> Arc<SourceFile> {
        Arc::new(SourceFile::open(self.file.as_ref().unwrap()).unwrap())
    }
}

/// A piece of the body at `/pieces`.
enum Piece {
    Memory(Vec<u8>),
    File(Range<u64>),
}

/// A body as packagers make them of a file of `len` bytes: heads in memory, then extents of every size with gaps
/// between, in stretches of large ones, of small ones and of both.
fn pieces(len: u64) -> Vec<Piece> {
    let sizes: [&[u64]; 4] = [&[40_000, 9_000, 8_000, 150_000], &[300, 451], &[70_000, 20, 5], &[1_300_000]];
    let mut pieces = Vec::new();
    let mut at = 1;
    for (number, stretch) in (0..).zip(sizes.iter().cycle()) {
        pieces.push(Piece::Memory(vec![b'a' + number % 26; 100 + usize::from(number)]));
        for size in stretch.iter().cycle().take(stretch.len() * 30) {
            let end = at + size;
            if end > len {
                return pieces;
            }
            pieces.push(Piece::File(at..end));
            at = end + size % 541;
        }
    }
    pieces
}

/// A body as audio between video is: small extents only, all over a file of `len` bytes.
fn crumbs(len: u64) -> Vec<Piece> {
    (7..len.saturating_sub(300)).step_by(700).map(|at| Piece::File(at..at + 300)).collect()
}

/// What `/pieces` says when `file` is in the file.
pub(crate) fn joined_pieces(file: &[u8]) -> Vec<u8> {
    joined(pieces(file.len() as u64), file)
}

/// What `/crumbs` says when `file` is in the file.
pub(crate) fn joined_crumbs(file: &[u8]) -> Vec<u8> {
    joined(crumbs(file.len() as u64), file)
}

fn joined(pieces: Vec<Piece>, file: &[u8]) -> Vec<u8> {
    let bytes = pieces.into_iter().flat_map(|piece| match piece {
        Piece::Memory(bytes) => bytes,
        Piece::File(range) => file[range.start as usize..range.end as usize].to_vec(),
    });
    bytes.collect()
}

impl Stage {
    /// The file, and what names its bytes: which file it is and how it was opened.
    fn hot_entity(&self) -> Entity {
        let mut entity = self.file_entity();
        let BodySource::File(extent) = entity.body.sources().next().unwrap() else { panic!("a file") };
        let FileIdentity { device, inode, len, modified_ns } = extent.file().identity();
        let (low, high) = (device.to_le_bytes(), inode.to_le_bytes());
        let of = [&low[..], &high, &modified_ns.to_le_bytes()].concat();
        let piece = u128::from(len).to_le_bytes();
        entity.content = Some(ContentId::new(of.try_into().unwrap(), piece));
        entity.etag = Some(EntityTag::strong("hot-1").unwrap());
        entity
    }
}

pub(crate) fn playlist() -> String {
    "#EXTINF:4.0,\nsegment.m4s\n".repeat(200)
}

fn text(body: &str) -> Entity {
    Entity {
        etag: Some(EntityTag::strong("text-1").unwrap()),
        cache_control: HeaderValue::from_static("max-age=60"),
        ..Entity::new(HeaderValue::from_static("text/plain"), body.to_owned())
    }
}

/// A running server and what belongs to it.
pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) stage: Arc<Stage>,
    pub(crate) registry: Registry,
}

impl Rig {
    /// A server on two cores, plain HTTP on 127.0.0.1, with changes to its settings.
    pub(crate) fn start(change: impl FnOnce(&mut ServerConfig)) -> Self {
        Self::with_file(None, change)
    }

    pub(crate) fn with_file(file: Option<PathBuf>, change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::new(vec![Listener::plain("127.0.0.1:0".parse().unwrap())]);
        config.cores = NonZeroUsize::new(2).unwrap();
        // Whoever reads the bytes of a token ends the test.
        config.delivery.stray_read = Access::Fault;
        change(&mut config);
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        let stage = Arc::new(Stage {
            file,
            gate: Semaphore::new(0),
            barrier: Barrier::new(2),
            arrived: Mutex::new(0),
            growing: Mutex::default(),
            ended: Mutex::default(),
            tended: Mutex::default(),
        });
        let server = Server::start(config, &stage, metrics).unwrap();
        Self { server, stage, registry }
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.server.addresses()[0]
    }

    /// The sum of all figures of `name` of which some label has the value `label`.
    pub(crate) fn figure(&self, name: &str, label: &str) -> u64 {
        let families = self.registry.gather();
        let metrics =
            families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
        metrics
            .filter(|metric| metric.get_label().iter().any(|pair| pair.value() == label))
            .map(|metric| metric.get_counter().get_value() as u64)
            .sum()
    }

    pub(crate) fn arrived(&self) -> usize {
        *self.stage.arrived.lock().unwrap()
    }
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

/// Runs what the server offers as a future.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The names of header fields that tests look at.
pub(crate) const REQUEST_ID: header::HeaderName = rillcast_http::request_id::X_REQUEST_ID;
