//! The server's figures. Labels come from small closed sets: route classes, known methods, classes of statuses and
//! words of ours; nothing a client writes becomes a label.

use http::{Method, StatusCode};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector,
};

use crate::{handler::RouteClass, hot_set::HotSetMetrics, request::Transport};

/// Upper bounds of the duration histogram, in seconds: from a cached playlist to a held one and a slow segment.
const DURATION_BOUNDS_S: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// Figures of one server; cloning shares them.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    pub(crate) requests: IntCounterVec,
    pub(crate) response_bytes: IntCounterVec,
    pub(crate) durations: HistogramVec,
    pub(crate) in_flight: IntGauge,
    pub(crate) connections: IntGauge,
    pub(crate) accepted: IntCounter,
    pub(crate) refused: IntCounterVec,
    pub(crate) broken_bodies: IntCounterVec,
    pub(crate) disk_reads: IntCounter,
    pub(crate) panics: IntCounter,
    pub(crate) kernel_tls: IntGauge,
    pub(crate) hot_set: HotSetMetrics,
}

impl HttpMetrics {
    /// Makes the figures and registers them.
    ///
    /// # Errors
    /// When `registry` already has figures of these names.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let made = Self {
            requests: IntCounterVec::new(
                Opts::new("rillcast_http_requests_total", "Requests answered"),
                &["route", "method", "status", "transport"],
            )?,
            response_bytes: IntCounterVec::new(
                Opts::new("rillcast_http_response_body_bytes_total", "Body bytes handed to the transport"),
                &["route"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new("rillcast_http_request_seconds", "From the head to the last body byte")
                    .buckets(DURATION_BOUNDS_S.to_vec()),
                &["route"],
            )?,
            in_flight: IntGauge::new("rillcast_http_requests_in_flight", "Requests being answered")?,
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
        };
        for figure in made.collectors().into_iter().chain(made.hot_set.collectors()) {
            registry.register(figure)?;
        }
        Ok(made)
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.requests.clone()),
            Box::new(self.response_bytes.clone()),
            Box::new(self.durations.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.connections.clone()),
            Box::new(self.accepted.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.broken_bodies.clone()),
            Box::new(self.disk_reads.clone()),
            Box::new(self.panics.clone()),
            Box::new(self.kernel_tls.clone()),
        ]
    }

    /// Counts one finished exchange.
    pub(crate) fn finished(
        &self,
        route: RouteClass,
        method: &Method,
        status: Option<StatusCode>,
        transport: Transport,
    ) {
        let labels = [route.0, method_label(method), status_label(status), transport.as_str()];
        self.requests.with_label_values(&labels).inc();
    }

    /// Counts a connection that we ended.
    pub(crate) fn ended(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn status_label(status: Option<StatusCode>) -> &'static str {
    match status.map_or(0, |status| status.as_u16() / 100) {
        0 => "none",
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded_whatever_a_client_sends() {
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        for number in 0..100 {
            let method = Method::from_bytes(format!("BREW{number}").as_bytes()).unwrap();
            let status = StatusCode::from_u16(400 + number).ok();
            metrics.finished(RouteClass("segment"), &method, status, Transport::TlsHttp2);
        }
        let families = registry.gather();
        let requests =
            families.iter().find(|family| family.name() == "rillcast_http_requests_total").unwrap();
        // 4xx, and nothing that follows from the hundred methods.
        assert_eq!(requests.get_metric().len(), 1);
    }

    #[test]
    fn registering_twice_is_an_error_and_not_a_panic() {
        let registry = Registry::new();
        let _first = HttpMetrics::register(&registry).unwrap();
        assert!(HttpMetrics::register(&registry).is_err());
    }
}
