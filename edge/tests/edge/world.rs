//! An edge in front of scripted origins, all in memory, with a clock of its own.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use prometheus::Registry;
use rillcast_edge::{
    cache::{
        freshness::Policy,
        key::{KeyRules, TRACKING},
        memory::CacheLimits,
    },
    far::{FarConfig, FarEdge, recent::Recent},
    live_hold::HoldLimits,
    observe::metrics::EdgeMetrics,
    upstream::{Dial, UpstreamMetrics, Upstreams},
};
use rillcast_http::{CompressionLimits, Compressor, Cors, Request, Responder};
use tokio::{runtime::Handle, time::Instant};

use crate::{
    harness::origin::{Act, Asked, Origin, Town},
    setting::config,
};

/// Longest body of a test.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;

thread_local! {
    /// When the test's time began, and how far the wall clock was set off since, in seconds.
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
    static SET_OFF: Cell<i64> = const { Cell::new(0) };
}

/// Time of day in a test: it runs with tokio's, and can be set.
pub(crate) fn clock() -> SystemTime {
    let start = START.get().unwrap_or_else(Instant::now);
    START.set(Some(start));
    let seconds = 1_700_000_000_i64 + SET_OFF.get();
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()) + start.elapsed()
}

/// Sets the clock forward, or back.
pub(crate) fn set_clock_off(seconds: i64) {
    SET_OFF.set(SET_OFF.get() + seconds);
}

/// An edge and its surroundings.
pub(crate) struct World {
    pub(crate) town: Town,
    pub(crate) edge: Arc<FarEdge>,
    pub(crate) registry: Registry,
    pub(crate) recent: Recent,
    responder: Responder,
}

/// What a viewer got.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body, or a word for how it broke off.
    pub(crate) body: Result<Bytes, String>,
}

impl Got {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Our member of `Cache-Status`.
    pub(crate) fn cache(&self) -> &str {
        self.field("cache-status").trim_start_matches("rillcast; ")
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_ref().unwrap()).unwrap()
    }
}

/// Limits of the cache in most tests.
pub(crate) const CACHE: CacheLimits = CacheLimits { memory_bytes: 64 << 20, object_bytes_max: 4 << 20 };

impl World {
    /// One origin called `a`, which plays `script`.
    pub(crate) fn of(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> (Self, Origin) {
        let origin = Origin::new(script);
        let world = Self::new(&["a"], &CACHE);
        world.town.settle("a", &origin);
        (world, origin)
    }

    /// Origins of these names, still to be settled.
    pub(crate) fn new(names: &[&str], cache: &CacheLimits) -> Self {
        let (town, registry) = (Town::default(), Registry::new());
        let figures = UpstreamMetrics::register(&registry).unwrap();
        let dial: Arc<dyn Dial> = Arc::new(town.clone());
        let upstreams = Upstreams::with_dial(&config(names), &figures, clock, &dial).unwrap();
        let config = FarConfig {
            cache: cache.clone(),
            policy: Policy::default(),
            rules: KeyRules::new(TRACKING).unwrap(),
            flights_max: 1000,
            holds: HoldLimits::default(),
        };
        let metrics = EdgeMetrics::register(&registry).unwrap();
        let edge = Arc::new(FarEdge::new(config, upstreams, metrics, clock, Handle::current()).unwrap());
        let responder =
            Responder { compressor: Compressor::new(CompressionLimits::default()), cors: Cors::default() };
        Self { town, edge, registry, recent: Recent::default(), responder }
    }

    /// What a viewer gets at `target`, with these fields in the request.
    pub(crate) async fn get_with(&self, target: &str, fields: &[(&'static str, &'static str)]) -> Got {
        let mut request = Request::internal(target, clock()).unwrap();
        for (name, value) in fields {
            request.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let (path, query) = (request.path(), request.query());
        let reply = self.edge.serve(&self.recent, &request, "", path, query).await;
        let (head, body) = self.responder.respond(&request, reply).await.into_parts();
        let declared =
            head.headers.get("content-length").map(|len| len.to_str().unwrap().parse::<u64>().unwrap());
        let body = body.collect(BODY_BYTES_MAX).await.map_err(|error| error.to_string());
        if let (Some(declared), Ok(body)) = (declared, &body) {
            assert_eq!(body.len() as u64, declared, "what arrives is as long as it was said");
        }
        Got { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// What a viewer gets at `target`.
    pub(crate) async fn get(&self, target: &str) -> Got {
        self.get_with(target, &[]).await
    }

    /// The figure `name` whose labels have this value.
    pub(crate) fn figure(&self, name: &str, label: &str) -> u64 {
        let families = self.registry.gather();
        let metrics =
            families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
        metrics
            .filter(|metric| label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label))
            .map(|metric| metric.get_counter().get_value() as u64 + metric.get_gauge().get_value() as u64)
            .sum()
    }
}

/// A 200 that may be kept for so many seconds.
pub(crate) fn fresh(seconds: u64, body: &[u8]) -> Act {
    Act::respond(200, &format!("Cache-Control: max-age={seconds}\r\nContent-Type: video/mp4\r\n"), body)
}
