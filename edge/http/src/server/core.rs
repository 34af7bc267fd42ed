//! What the connections of a core live on: its own things, and what all cores share.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use rillcast_sys::token::TokenTable;

use crate::{
    access_log::{AccessLog, AtEnd, LineWriter, Observer},
    body_source::SourceFile,
    buffer_pool::BufferPool,
    client_address::TrustedProxies,
    cold_reads::ColdReads,
    connection_count::ConnectionCount,
    handler::Handler,
    hot_set::HotSet,
    limits::Limits,
    metrics::HttpMetrics,
    request_id::RequestIds,
    respond::Responder,
    trace::Ended,
    wakes::Wakes,
    watchdog::{ThreadFigures, Watchdog},
};

/// What all cores share.
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) trusted_proxies: TrustedProxies,
    pub(super) responder: Responder,
    pub(super) hot_set: HotSet,
    /// The disk thread; without, every core reads on threads of its own.
    pub(super) cold_reads: Option<Arc<ColdReads>>,
    pub(super) metrics: HttpMetrics,
    pub(super) access_log: Option<AccessLog>,
    pub(super) monotonic: fn() -> Instant,
    pub(super) thread: ThreadFigures,
    pub(super) connections: ConnectionCount,
    pub(super) time_of_day: fn() -> SystemTime,
}

/// What a core is started with.
pub(super) struct Seed<H> {
    pub(super) handler: Arc<H>,
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Arc<BufferPool>,
    /// What address tokens of this core stand for; without, all file bytes are read.
    pub(super) tokens: Option<Arc<TokenTable<SourceFile>>>,
}

/// What one core has.
pub(super) struct Core<H: Handler> {
    pub(super) hosted: Rc<Hosted<H>>,
    pub(super) observer: Rc<Observer>,
    pub(super) watchdog: Rc<Watchdog>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) ids: RequestIds,
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Arc<BufferPool>,
}

/// A handler, and its own things on this core.
pub(super) struct Hosted<H: Handler> {
    pub(super) handler: Arc<H>,
    pub(super) local: H::Local,
}

impl<H: Handler> AtEnd for Hosted<H> {
    fn ended(&self, ended: &Ended<'_>) {
        self.handler.ended(&self.local, ended);
    }
}

impl<H: Handler> Core<H> {
    /// The core of the thread that calls.
    pub(super) fn new(seed: Seed<H>) -> Self {
        let Seed { handler, shared, pool, tokens: _ } = seed;
        let (metrics, monotonic) = (shared.metrics.clone(), shared.monotonic);
        let ledger = metrics.ledger();
        let watchdog = Rc::new(Watchdog::new(monotonic, shared.thread, Arc::clone(ledger.polls())));
        let lines = shared.access_log.clone().map(LineWriter::new);
        let hosted = Rc::new(Hosted { local: handler.local(), handler });
        let at_end: Rc<dyn AtEnd> = Rc::<Hosted<H>>::clone(&hosted);
        let observer = Rc::new(Observer { ledger, lines, at_end: Some(at_end), metrics, monotonic });
        Self { hosted, observer, watchdog, wakes: Arc::default(), ids: RequestIds::default(), shared, pool }
    }

    /// Lets the handler put its things on this core in order.
    pub(super) fn tend(&self, is_last: bool) {
        let Hosted { handler, local } = &*self.hosted;
        handler.tend(local, (self.shared.time_of_day)(), is_last);
    }
}
