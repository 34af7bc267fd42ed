//! The server's figures. Labels come from small closed sets: route classes, known methods, classes of statuses and
//! words of ours; nothing a client writes becomes a label.
//!
//! What every request counts is counted by its core alone, in a `Ledger`, and added up when somebody asks; what is
//! rare is an ordinary counter.

mod book;
mod ledger;
mod per_core;
mod tally;

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};

use self::book::Book;
pub(crate) use self::{
    ledger::Ledger,
    per_core::{Finished, PollTally},
};

use crate::{cold_reads::ColdFigures, hot_set::HotSetMetrics};

/// Figures of one server; cloning shares them.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    book: Book,
    pub(crate) connections: IntGauge,
    pub(crate) accepted: IntCounter,
    pub(crate) refused: IntCounterVec,
    pub(crate) broken_bodies: IntCounterVec,
    pub(crate) disk_reads: IntCounter,
    pub(crate) panics: IntCounter,
    pub(crate) kernel_tls: IntGauge,
    pub(crate) hot_set: HotSetMetrics,
    pub(crate) cold: ColdFigures,
}

impl HttpMetrics {
    /// Makes the figures and registers them.
    ///
    /// # Errors
    /// When `registry` already has figures of these names.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let made = Self {
            book: Book::new()?,
            connections: IntGauge::new("rillcast_http_connections", "Connections open")?,
            accepted: IntCounter::new("rillcast_http_connections_total", "Connections accepted")?,
            refused: IntCounterVec::new(
                Opts::new("rillcast_http_connections_ended_total", "Connections ended by us, by reason"),
                &["reason"],
            )?,
            broken_bodies: IntCounterVec::new(
                Opts::new("rillcast_http_broken_bodies_total", "Bodies that ended early, by reason"),
                &["reason"],
            )?,
            disk_reads: IntCounter::new(
                "rillcast_http_disk_reads_total",
                "File reads that were not in the page cache",
            )?,
            panics: IntCounter::new("rillcast_http_panics_total", "Handlers that panicked: bugs of ours")?,
            kernel_tls: IntGauge::new("rillcast_http_kernel_tls", "Whether the kernel has TLS; not used")?,
            hot_set: HotSetMetrics::new()?,
            cold: ColdFigures::new()?,
        };
        for figure in
            made.collectors().into_iter().chain(made.hot_set.collectors()).chain(made.cold.collectors())
        {
            registry.register(figure)?;
        }
        Ok(made)
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.book.clone()),
            Box::new(self.connections.clone()),
            Box::new(self.accepted.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.broken_bodies.clone()),
            Box::new(self.disk_reads.clone()),
            Box::new(self.panics.clone()),
            Box::new(self.kernel_tls.clone()),
        ]
    }

    /// The ledger of a core that starts.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(&self.book)
    }

    /// Counts a connection that we ended.
    pub(crate) fn ended(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Method, StatusCode};
    use prometheus::TextEncoder;

    use super::*;
    use crate::{handler::RouteClass, request::Transport};

    #[test]
    fn labels_are_bounded_whatever_a_client_sends_and_cores_add_up() {
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        let cores = [metrics.ledger(), metrics.ledger()];
        for number in 0..100 {
            let method = Method::from_bytes(format!("BREW{number}").as_bytes()).unwrap();
            let core = &cores[usize::from(number % 2)];
            core.began();
            core.finished(Finished {
                route: RouteClass("segment"),
                method: &method,
                status: StatusCode::from_u16(400 + number).ok(),
                transport: Transport::TlsHttp2,
                body_bytes: 10,
                duration: Duration::from_millis(1),
            });
        }
        cores[0].began();
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "rillcast_http_requests_total{method=\"other\",route=\"segment\",status=\"4xx\",transport=\"https2\"} 100",
            "rillcast_http_response_body_bytes_total{route=\"segment\"} 1000",
            "rillcast_http_request_seconds_bucket{route=\"segment\",le=\"0.0005\"} 0",
            "rillcast_http_request_seconds_bucket{route=\"segment\",le=\"0.001\"} 100",
            "rillcast_http_request_seconds_count{route=\"segment\"} 100",
            "rillcast_http_requests_in_flight 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in\n{text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("rillcast_http_requests_total")).count(), 1);
    }

    #[test]
    fn registering_twice_is_an_error_and_not_a_panic() {
        let registry = Registry::new();
        let _first = HttpMetrics::register(&registry).unwrap();
        assert!(HttpMetrics::register(&registry).is_err());
    }
}
