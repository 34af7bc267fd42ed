//! The lines to one upstream, and how many requests may be on them.
//!
//! ```text
//!  acquire ─▶ [place: at most `in_flight_max`; `waiting_max` wait] ─▶ line: an idle one, a share of one, or a new one
//!      ▲                                                                                              │
//!      └────────── HTTP/1.1: back to the idle ones, when its body was read to the end ────────────────┘
//! ```
//!
//! Invariants: no more than `in_flight_max` requests have a place; a line is used by one request at a time, unless it
//! speaks HTTP/2; what ended in the middle of a body is never used again.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::{Instant, timeout, timeout_at},
};

use super::{
    config::{Speech, UpstreamName},
    error::{Stage, UpstreamError},
    line::{Line, Maker, STREAMS_MAX, Shared},
    metrics::PoolMetrics,
};

/// What was spoken last, so that HTTP/2 connections are opened one at a time, and others are not held up.
const UNKNOWN: u8 = 0;
const HTTP1: u8 = 1;
const HTTP2: u8 = 2;

/// A pool; shared by reference count with the bodies it feeds.
pub(super) struct Pool {
    pub(super) name: UpstreamName,
    pub(super) maker: Maker,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    limits: PoolLimits,
    spoken: AtomicU8,
    /// Held by whoever opens a connection that many may share.
    opening: Semaphore,
    lines: Mutex<Lines>,
    metrics: PoolMetrics,
}

/// The pool's share of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolLimits {
    pub(super) in_flight_max: usize,
    pub(super) waiting_max: usize,
    pub(super) connect: Duration,
    pub(super) keep: Duration,
}

#[derive(Default)]
struct Lines {
    /// The most recently used last.
    idle: Vec<(Line, Instant)>,
    shared: Vec<(Arc<Shared>, Instant)>,
}

/// One of the requests in flight. Given back by dropping it.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    in_flight: prometheus::IntGauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

/// Whether a line was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It may have been ended by the other side in the meantime, without a fault.
    Used,
    New,
}

/// Whether to wait for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until this time, at the latest.
    Until(Instant),
    /// Not at all.
    None,
}

impl Pool {
    pub(super) fn new(name: UpstreamName, maker: Maker, limits: PoolLimits, metrics: PoolMetrics) -> Self {
        Self {
            name,
            places: Arc::new(Semaphore::new(limits.in_flight_max)),
            waiting: AtomicUsize::new(0),
            spoken: AtomicU8::new(match (maker.speech, &maker.tls) {
                (Speech::Http2, _) => HTTP2,
                (Speech::Negotiated, Some(_)) => UNKNOWN,
                _ => HTTP1,
            }),
            opening: Semaphore::new(1),
            lines: Mutex::default(),
            maker,
            limits,
            metrics,
        }
    }

    /// A place among the requests in flight.
    pub(super) async fn place(&self, patience: Patience) -> Result<Place, UpstreamError> {
        let full =
            || UpstreamError::TooManyWaiting { upstream: self.name.clone(), limit: self.limits.waiting_max };
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => return Ok(self.taken(permit)),
            Err(TryAcquireError::Closed) => return Err(full()),
            Err(TryAcquireError::NoPermits) => {}
        }
        let Patience::Until(until) = patience else { return Err(full()) };
        let Some(_waiting) = Waiting::enter(&self.waiting, self.limits.waiting_max, &self.metrics.waiting)
        else {
            return Err(full());
        };
        let start = Instant::now();
        match timeout_at(until, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.taken(permit)),
            Ok(Err(_)) => Err(full()),
            Err(_) => Err(UpstreamError::Timeout {
                upstream: self.name.clone(),
                stage: Stage::Place,
                limit: start.elapsed(),
            }),
        }
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Place {
        self.metrics.in_flight.inc();
        Place { _permit: permit, in_flight: self.metrics.in_flight.clone() }
    }

    /// A line to send a request on.
    pub(super) async fn line(&self, until: Instant) -> Result<(Line, Age), UpstreamError> {
        self.within(until, self.find_or_open()).await
    }

    /// A line for a request that failed on a used one: new, or a shared one that is not the failed one.
    pub(super) async fn fresh_line(&self, until: Instant) -> Result<Line, UpstreamError> {
        if self.spoken.load(Ordering::Relaxed) == HTTP2 {
            // Many requests fail with a shared connection; they need not open one each.
            return Ok(self.line(until).await?.0);
        }
        self.within(until, self.open()).await
    }

    async fn within<T>(
        &self,
        until: Instant,
        opening: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let limit = self.limits.connect.min(until.saturating_duration_since(Instant::now()));
        let upstream = || self.name.clone();
        let late = |_| UpstreamError::Timeout { upstream: upstream(), stage: Stage::Connection, limit };
        timeout(limit, opening).await.map_err(late)?
    }

    async fn find_or_open(&self) -> Result<(Line, Age), UpstreamError> {
        if let Some(line) = self.find().await {
            return Ok((line, Age::Used));
        }
        if self.spoken.load(Ordering::Relaxed) == HTTP1 {
            return Ok((self.open().await?, Age::New));
        }
        let turn = self.opening.acquire().await;
        // Another may have opened one while we waited.
        if let Some(line) = self.find().await {
            return Ok((line, Age::Used));
        }
        if self.spoken.load(Ordering::Relaxed) == HTTP1 {
            // By now it is known that nothing can be shared, so that nobody need wait.
            drop(turn);
        }
        Ok((self.open().await?, Age::New))
    }

    async fn find(&self) -> Option<Line> {
        if let Some(shared) = self.share() {
            return Some(Line::Http2(shared));
        }
        loop {
            let (line, since) = self.lines.lock().idle.pop()?;
            let Line::Http1(mut sender) = line else { continue };
            // One whose end has been seen is not ready and never will be.
            if since.elapsed() < self.limits.keep && sender.ready().await.is_ok() {
                return Some(Line::Http1(sender));
            }
        }
    }

    /// The least busy of the shared connections.
    fn share(&self) -> Option<Arc<Shared>> {
        let mut lines = self.lines.lock();
        lines.shared.retain(|(shared, _)| !shared.is_closed());
        let least = lines.shared.iter_mut().min_by_key(|(shared, _)| Arc::strong_count(shared))?;
        // The pool's own reference is no request.
        if u32::try_from(Arc::strong_count(&least.0)).is_ok_and(|count| count > STREAMS_MAX) {
            return None;
        }
        least.1 = Instant::now();
        Some(Arc::clone(&least.0))
    }

    async fn open(&self) -> Result<Line, UpstreamError> {
        let opened = self.maker.make().await;
        self.metrics.opened(opened.is_ok());
        let line = opened.map_err(|cause| UpstreamError::Connect { upstream: self.name.clone(), cause })?;
        self.spoken.store(if line.is_http2() { HTTP2 } else { HTTP1 }, Ordering::Relaxed);
        if let Line::Http2(shared) = &line {
            self.lines.lock().shared.push((Arc::clone(shared), Instant::now()));
        }
        Ok(line)
    }

    /// Takes back a line whose last body was read to the end.
    pub(super) fn put_back(&self, line: Line) {
        let is_open = matches!(&line, Line::Http1(sender) if !sender.is_closed());
        let mut lines = self.lines.lock();
        if is_open && lines.idle.len() < self.limits.in_flight_max {
            lines.idle.push((line, Instant::now()));
        }
    }

    /// Gives no further request to a connection that does not answer.
    pub(super) fn retire(&self, silent: &Weak<Shared>) {
        self.lines.lock().shared.retain(|(shared, _)| Arc::as_ptr(shared) != silent.as_ptr());
    }

    /// Ends connections that nobody has used for a while.
    pub(super) fn sweep(&self) {
        let mut lines = self.lines.lock();
        let keep = self.limits.keep;
        lines.idle.retain(|(line, since)| {
            let is_closed = matches!(line, Line::Http1(sender) if sender.is_closed());
            !is_closed && since.elapsed() < keep
        });
        lines.shared.retain(|(shared, since)| {
            let is_idle = Arc::strong_count(shared) == 1 && since.elapsed() >= keep;
            !is_idle && !shared.is_closed()
        });
    }
}

/// Counts one that waits.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    gauge: &'a prometheus::IntGauge,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, max: usize, gauge: &'a prometheus::IntGauge) -> Option<Self> {
        let one_more = |now: usize| (now < max).then(|| now.saturating_add(1));
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        gauge.inc();
        Some(Self { count, gauge })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.gauge.dec();
    }
}
