//! What the edge notes about a request until its end: what the cache did, whose viewing it is, what the player said.

use std::{
    cell::{Cell, OnceCell},
    sync::Arc,
};

use rillcast_http::Trace;
use rillcast_token::Grant;

use crate::{
    admission::protect::Kept,
    observe::{
        cache_status::{CacheStatus, Outcome},
        cmcd::Cmcd,
        metrics::EdgeMetrics,
    },
};

/// Notes about one request. It belongs to its core.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    outcome: Cell<Option<Outcome>>,
    viewing: OnceCell<Viewing>,
    is_startup: Cell<bool>,
    is_stall: Cell<bool>,
    held: Cell<Option<Kept>>,
}

/// A request of a session.
#[derive(Debug)]
struct Viewing {
    grant: Arc<Grant>,
    /// Which of its prefixes covers the path.
    prefix: Option<usize>,
}

/// Who views what, in words of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Viewed<'a> {
    pub(crate) session: &'a str,
    pub(crate) environment: &'a str,
    /// Path prefix of the asset; empty where it is no text.
    pub(crate) asset: &'a str,
}

impl Notes {
    /// Notes about a request, with which its trace begins.
    pub(crate) fn trace() -> Trace {
        Trace::with(Self::default())
    }

    /// Those in `trace`, if they are ours.
    pub(crate) fn of(trace: &Trace) -> Option<&Self> {
        trace.own()
    }

    /// `path` is asked for with `grant`. Only one with a session is kept.
    pub(crate) fn is_viewing(&self, grant: &Arc<Grant>, path: &str) {
        if grant.session().is_some() {
            let viewing = Viewing { prefix: grant.covering(path), grant: Arc::clone(grant) };
            let _only_the_first = self.viewing.set(viewing);
        }
    }

    /// The player said so.
    pub(crate) fn says(&self, cmcd: &Cmcd) {
        self.is_startup.set(cmcd.startup);
        self.is_stall.set(cmcd.buffer_starved);
    }

    /// It counts for limits until its end.
    pub(crate) fn holds(&self, kept: Kept) {
        self.held.set(Some(kept));
    }

    /// What counts for limits, once.
    pub(crate) fn held(&self) -> Option<Kept> {
        self.held.take()
    }

    /// Whose viewing it is; `None` without a session.
    pub(crate) fn viewed(&self) -> Option<Viewed<'_>> {
        let Viewing { grant, prefix } = self.viewing.get()?;
        let asset = prefix.and_then(|nth| grant.prefix(nth)).unwrap_or_default();
        Some(Viewed { session: grant.session()?, environment: grant.environment(), asset })
    }

    /// Whether no origin was needed.
    pub(crate) fn is_hit(&self) -> bool {
        self.outcome.get().is_some_and(Outcome::is_hit)
    }

    /// Whether the player said that it starts.
    pub(crate) fn is_startup(&self) -> bool {
        self.is_startup.get()
    }

    /// Whether the player said that it had stalled.
    pub(crate) fn is_stall(&self) -> bool {
        self.is_stall.get()
    }
}

/// Counts what the cache did for a request and notes it for the request's end.
pub(crate) fn count(metrics: &EdgeMetrics, trace: &Trace, status: &CacheStatus) {
    metrics.count(status.outcome);
    trace.note_cache(status.outcome.as_str());
    trace.note_detail(status.detail);
    if let Some(notes) = Notes::of(trace) {
        notes.outcome.set(Some(status.outcome));
    }
}
