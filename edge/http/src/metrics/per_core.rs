//! What one core counts. Every figure has one writer; [`super::book`] adds up the cores' on a scrape.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};

use super::tally::{Spread, Tally};
use crate::{handler::RouteClass, request::Transport};

/// Upper bounds of the duration histogram, in seconds: from a cached playlist to a held one and a slow segment.
const DURATION_BOUNDS_S: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// Upper bounds of the CPU time of a poll, in seconds: a playlist to a core that nobody else gets to.
const POLL_BOUNDS_S: [f64; 10] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1];

/// Labels of methods; the last stands for all others.
const METHODS: [&str; 8] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "other"];
/// Labels of statuses, by hundreds; the first stands for requests that got none.
const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Labels of transports.
const TRANSPORTS: [Transport; 5] = [
    Transport::PlainHttp1,
    Transport::PlainHttp2,
    Transport::TlsHttp1,
    Transport::TlsHttp2,
    Transport::Internal,
];
const REQUEST_CELLS: usize = METHODS.len() * STATUSES.len() * TRANSPORTS.len();

/// What a core counts apart from routes.
#[derive(Debug, Default)]
pub(super) struct CoreTally {
    /// Requests that began.
    pub(super) began: Tally,
    /// Requests that ended.
    pub(super) ended: Tally,
    pub(super) polls: Arc<PollTally>,
}

/// What the watchdog saw of one core.
#[derive(Debug)]
pub(crate) struct PollTally {
    /// CPU time of the polls that were timed.
    pub(super) cpu: Spread,
    /// Time in which they stood still.
    pub(super) blocked_ns: Tally,
}

impl Default for PollTally {
    fn default() -> Self {
        Self { cpu: Spread::new(&POLL_BOUNDS_S), blocked_ns: Tally::default() }
    }
}

impl PollTally {
    /// One poll in so many is timed: three system calls each.
    pub(crate) const ONE_IN: u32 = 64;

    /// Counts a poll that was timed.
    pub(crate) fn observe(&self, cpu: Duration, blocked: Duration) {
        self.cpu.observe(cpu);
        self.blocked_ns.add(u64::try_from(blocked.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Polls, their CPU time, and the time they stood still.
    #[cfg(test)]
    pub(crate) fn told(&self) -> (u64, Duration, Duration) {
        let mut sum = super::tally::SpreadSum::default();
        sum.add(&self.cpu);
        let told = sum.to_proto();
        let cpu = Duration::from_secs_f64(told.get_sample_sum());
        (told.get_sample_count(), cpu, Duration::from_nanos(self.blocked_ns.read()))
    }
}

/// What a core counts of one class of routes.
#[derive(Debug)]
pub(super) struct RouteTally {
    pub(super) route: RouteClass,
    /// By method, status and transport; see [`Self::requests`].
    requests: [Tally; REQUEST_CELLS],
    pub(super) body_bytes: Tally,
    pub(super) durations: Spread,
}

/// One finished request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished<'a> {
    pub(crate) route: RouteClass,
    pub(crate) method: &'a Method,
    pub(crate) status: Option<StatusCode>,
    pub(crate) transport: Transport,
    pub(crate) body_bytes: u64,
    pub(crate) duration: Duration,
}

impl RouteTally {
    pub(super) fn new(route: RouteClass) -> Self {
        Self {
            route,
            requests: std::array::from_fn(|_| Tally::default()),
            body_bytes: Tally::default(),
            durations: Spread::new(&DURATION_BOUNDS_S),
        }
    }

    pub(super) fn finished(&self, request: Finished<'_>) {
        if let Some(cell) = self.requests.get(cell(request.method, request.status, request.transport)) {
            cell.add(1);
        }
        self.body_bytes.add(request.body_bytes);
        self.durations.observe(request.duration);
    }

    /// Method, status, transport and count of the requests that there were.
    pub(super) fn requests(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> {
        let labels = METHODS.iter().flat_map(|method| {
            STATUSES.iter().flat_map(move |status| {
                TRANSPORTS.iter().map(move |transport| [*method, *status, transport.as_str()])
            })
        });
        let counts = self.requests.iter().map(Tally::read);
        labels.zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// Where [`RouteTally::requests`] counts such a request.
fn cell(method: &Method, status: Option<StatusCode>, transport: Transport) -> usize {
    let method = match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::OPTIONS => 2,
        Method::POST => 3,
        Method::PUT => 4,
        Method::PATCH => 5,
        Method::DELETE => 6,
        _ => 7,
    };
    let status = usize::from(status.map_or(0, |status| status.as_u16() / 100)).min(STATUSES.len() - 1);
    let transport = match transport {
        Transport::PlainHttp1 => 0,
        Transport::PlainHttp2 => 1,
        Transport::TlsHttp1 => 2,
        Transport::TlsHttp2 => 3,
        Transport::Internal => 4,
    };
    (method * STATUSES.len() + status) * TRANSPORTS.len() + transport
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted_under_its_own_labels() {
        let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "BREW"];
        let statuses = [None, Some(100), Some(206), Some(304), Some(404), Some(503)];
        for (method_label, method) in METHODS.iter().zip(methods) {
            for (status_label, status) in STATUSES.iter().zip(statuses) {
                for transport in TRANSPORTS {
                    let tally = RouteTally::new(RouteClass("segment"));
                    let method = Method::from_bytes(method.as_bytes()).expect("a token");
                    let status = status.map(|status| StatusCode::from_u16(status).expect("a status"));
                    tally.finished(Finished {
                        route: tally.route,
                        method: &method,
                        status,
                        transport,
                        body_bytes: 7,
                        duration: Duration::ZERO,
                    });
                    let labels = [*method_label, *status_label, transport.as_str()];
                    assert_eq!(tally.requests().collect::<Vec<_>>(), [(labels, 1)]);
                }
            }
        }
    }
}
