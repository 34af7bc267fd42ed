//! Answers for operators, for the composition root to mount: alive, ready, figures.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{HeaderValue, StatusCode};
use prometheus::{Registry, TextEncoder};

use crate::{
    problem::Problem,
    reply::{RawReply, Reply},
};

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Whether new requests should be sent here. Starts as not ready; cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether new requests are welcome; the first thing a drain sets to false.
    pub fn set(&self, is_ready: bool) {
        self.0.store(is_ready, Ordering::Relaxed);
    }

    /// Whether new requests are welcome.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// `/healthz`: the process answers.
pub fn healthz() -> Reply {
    RawReply::ok(PLAIN_TEXT, "ok\n").into()
}

/// `/readyz`: 200 when ready, 503 when starting or draining.
pub fn readyz(readiness: &Readiness) -> Reply {
    if readiness.is_ready() {
        return RawReply::ok(PLAIN_TEXT, "ready\n").into();
    }
    let detail = "starting or draining: send requests elsewhere";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "Not ready", detail).into()
}

/// `/metrics`: the figures of `registry` in Prometheus' text format.
pub fn metrics(registry: &Registry) -> Reply {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => RawReply::ok(PROMETHEUS_TEXT, text).into(),
        Err(error) => {
            tracing::error!(%error, "the figures cannot be written");
            Problem::internal().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_shows_in_the_status() {
        let readiness = Readiness::default();
        assert!(matches!(readyz(&readiness), Reply::Problem(problem) if problem.status == 503));
        readiness.set(true);
        assert!(matches!(readyz(&readiness), Reply::Raw(raw) if raw.status == 200));
    }

    #[test]
    fn figures_are_written_as_text() {
        let registry = Registry::new();
        crate::metrics::HttpMetrics::register(&registry).unwrap().accepted.inc();
        let Reply::Raw(raw) = metrics(&registry) else { panic!("not a plain answer") };
        let text = raw.body.read_blocking(1 << 20).unwrap();
        assert!(String::from_utf8_lossy(&text).contains("rillcast_http_connections_total 1"));
    }
}
