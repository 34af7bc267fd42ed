//! Requests of sessions that have ended, added up on each core and given to the control plane every few seconds.
//!
//! ```text
//!  ended ─▶ Tally ─ every BEAT_EVERY ─▶ waiting ─ GIVE_MAX with each look ─▶ Sink
//! ```
//!
//! All sessions of a core beat at the same time; they are handed on in parts, so that the way to the queue, which all
//! cores share, is not flooded. While some wait, the tally goes on adding up, and nothing is lost.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use rillcast_http::Ended;

use super::notes::Notes;
use crate::{
    events::{
        event::{Event, Sums},
        sender::Sink,
        tally::{Exchange, Tally},
    },
    orders::order::UnixMicros,
};

/// How often a session beats.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);
/// Beats that a core gives away in one go.
pub const GIVE_MAX: usize = 2048;

/// The beats of one core.
#[derive(Debug, Default)]
pub(super) struct Beats {
    tally: RefCell<Tally>,
    /// Since when the tally adds up.
    since: Cell<Option<SystemTime>>,
    waiting: RefCell<VecDeque<Event>>,
}

impl Beats {
    /// Adds one request, if it was a session's.
    pub(super) fn add(&self, ended: &Ended<'_>) {
        let (Some(notes), Some(status)) = (Notes::of(ended.trace), ended.status) else { return };
        let Some(viewed) = notes.viewed() else { return };
        let sums = Sums {
            requests: 1,
            hits: notes.is_hit().into(),
            failures: (status.as_u16() >= 400).into(),
            bytes: ended.body_bytes,
            startups: notes.is_startup().into(),
            stalls: notes.is_stall().into(),
        };
        self.tally.borrow_mut().add(&Exchange {
            session: viewed.session,
            environment: Some(viewed.environment),
            asset: viewed.asset,
            sums,
        });
    }

    /// Gives `sink` what is due at `now`, or all there is if nothing comes after.
    pub(super) fn give(&self, sink: &Sink, now: SystemTime, is_last: bool) {
        let mut waiting = self.waiting.borrow_mut();
        let since = self.since.get();
        // A clock that was set back must not make a session fall silent.
        let is_due =
            since.is_some_and(|since| now.duration_since(since).map_or(true, |for_| for_ >= BEAT_EVERY));
        if is_last || (is_due && waiting.is_empty()) {
            let from = since.map_or(now, |since| since.min(now));
            waiting.extend(self.tally.borrow_mut().beats(UnixMicros::from(from), UnixMicros::from(now)));
            self.since.set(Some(now));
        } else if since.is_none() {
            self.since.set(Some(now));
        }
        let part = if is_last { waiting.len() } else { waiting.len().min(GIVE_MAX) };
        waiting.drain(..part).for_each(|event| sink.give(event));
    }
}
