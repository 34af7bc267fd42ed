//! One exchange of request and response, from the head to the last byte; one log line and one count at its end.

mod line;

use std::{
    cell::{Cell, OnceCell, RefCell},
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::{Instant, SystemTime},
};

use http::{Method, StatusCode};

pub(crate) use self::line::LineWriter;
pub use self::line::{AccessLog, LineFormat, TakeLine};
use crate::{
    activity::Activity,
    handler::RouteClass,
    metrics::{Finished, HttpMetrics, Ledger},
    request::Transport,
    request_id::RequestId,
    trace::{Ended, Trace},
};

/// Who wants to know of exchanges that have ended: the handler, with what it keeps on this core.
pub(crate) trait AtEnd {
    fn ended(&self, ended: &Ended<'_>);
}

/// Where the exchanges of one core are reported, and by which clock.
pub(crate) struct Observer {
    pub(crate) metrics: HttpMetrics,
    pub(crate) ledger: Ledger,
    /// Nobody wants lines without.
    pub(crate) lines: Option<LineWriter>,
    pub(crate) at_end: Option<Rc<dyn AtEnd>>,
    pub(crate) monotonic: fn() -> Instant,
}

/// What is known of a request when it begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) id: RequestId,
    pub(crate) method: Method,
    pub(crate) client: IpAddr,
    pub(crate) transport: Transport,
    /// Time of day.
    pub(crate) received: SystemTime,
}

/// An exchange under way. Dropping it ends it: after the last byte, or when the client has gone away.
pub(crate) struct Exchange {
    observer: Rc<Observer>,
    activity: Rc<Activity>,
    beginning: Beginning,
    started: Instant,
    route: Cell<RouteClass>,
    path: RefCell<Option<String>>,
    status: Cell<Option<StatusCode>>,
    /// Length of the body, once it is being sent.
    promised: Cell<Option<u64>>,
    sent: Cell<u64>,
    failure: Cell<Option<&'static str>>,
    /// None when no handler was asked.
    trace: OnceCell<Trace>,
}

impl Exchange {
    pub(crate) fn begin(observer: Rc<Observer>, activity: Rc<Activity>, beginning: Beginning) -> Self {
        activity.request_began();
        observer.ledger.began();
        Self {
            started: (observer.monotonic)(),
            observer,
            activity,
            beginning,
            route: Cell::new(RouteClass::REFUSED),
            path: RefCell::default(),
            status: Cell::new(None),
            promised: Cell::new(None),
            sent: Cell::new(0),
            failure: Cell::new(None),
            trace: OnceCell::new(),
        }
    }

    /// Whether anybody reads what may be logged of the path.
    pub(crate) fn is_logged(&self) -> bool {
        self.observer.lines.is_some()
    }

    /// The handler said what class of route it is and what of the path may be logged.
    pub(crate) fn routed(&self, route: RouteClass, path: Option<String>) {
        self.route.set(route);
        *self.path.borrow_mut() = path;
    }

    /// The handler is asked, and notes what it does in `trace`.
    pub(crate) fn asked(&self, trace: Trace) {
        let _only_the_first = self.trace.set(trace);
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        self.status.set(Some(status));
    }

    pub(crate) fn begin_body(&self, len: u64) {
        self.promised.set(Some(len));
        self.activity.body_began(|| self.now());
    }

    /// The body, whose length was not known, has ended where it is.
    pub(crate) fn open_body_ended(&self) {
        self.promised.set(Some(self.sent.get()));
    }

    /// `len` bytes of the body were handed to the transport.
    pub(crate) fn sent(&self, len: u64) {
        self.sent.set(self.sent.get().saturating_add(len));
        self.activity.frame_sent(|| self.now());
    }

    /// Of what was handed to the transport, `len` bytes will not be sent.
    pub(crate) fn unsent(&self, len: u64) {
        self.sent.set(self.sent.get().saturating_sub(len));
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        (self.observer.monotonic)()
    }

    pub(crate) fn spilled_to_disk(&self) {
        self.observer.metrics.disk_reads.inc();
    }

    pub(crate) fn panicked(&self) {
        self.observer.metrics.panics.inc();
        tracing::error!(request_id = %self.beginning.id, "a handler panicked: this is a bug");
    }

    /// The body ends early, for `reason` in a word.
    pub(crate) fn fail(&self, reason: &'static str, error: &(dyn std::error::Error + 'static)) {
        self.failure.set(Some(reason));
        tracing::error!(request_id = %self.beginning.id, error, "the body was broken off");
    }

    /// How it ended, in a word.
    fn outcome(&self) -> &'static str {
        match (self.failure.get(), self.promised.get()) {
            (Some(reason), _) => reason,
            (None, Some(promised)) if self.sent.get() >= promised => "complete",
            _ => "client_gone",
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = (self.observer.monotonic)();
        self.activity.request_ended(self.promised.get().is_some(), now);
        let (route, status, outcome) = (self.route.get(), self.status.get(), self.outcome());
        let duration = now.saturating_duration_since(self.started);
        self.observer.ledger.finished(Finished {
            route,
            method: &self.beginning.method,
            status,
            transport: self.beginning.transport,
            body_bytes: self.sent.get(),
            duration,
        });
        if outcome != "complete" {
            self.observer.metrics.broken_bodies.with_label_values(&[outcome]).inc();
        }
        if let Some(lines) = &self.observer.lines {
            lines.write(self, outcome, duration);
        }
        if let (Some(at_end), Some(trace)) = (&self.observer.at_end, self.trace.get()) {
            let (body_bytes, received) = (self.sent.get(), self.beginning.received);
            let ended = Ended { route, status, body_bytes, duration, received, trace };
            // A bug there must not cost the other streams of the connection theirs.
            if catch_unwind(AssertUnwindSafe(|| at_end.ended(&ended))).is_err() {
                self.panicked();
            }
        }
    }
}
