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
use crate::control::{
    events::{
        event::{Event, Sums},
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

    /// Gives what is due at `now`, or all there is if nothing comes after.
    pub(super) fn give(&self, now: SystemTime, is_last: bool, give: impl FnMut(Event)) {
        let mut waiting = self.waiting.borrow_mut();
        let since = self.since.get();
        // A clock that was set back must not make a session fall silent.
        let is_due =
            since.is_some_and(|since| now.duration_since(since).map_or(true, |past| past >= BEAT_EVERY));
        if is_last || (is_due && waiting.is_empty()) {
            let from = since.map_or(now, |since| since.min(now));
            waiting.extend(self.tally.borrow_mut().beats(UnixMicros::from(from), UnixMicros::from(now)));
            self.since.set(Some(now));
        } else if since.is_none() {
            self.since.set(Some(now));
        }
        let part = if is_last { waiting.len() } else { waiting.len().min(GIVE_MAX) };
        waiting.drain(..part).for_each(give);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::StatusCode;
    use rillcast_http::{RouteClass, Trace};

    use super::*;
    use crate::control::events::event::SessionBeat;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn given(beats: &Beats, seconds: u64, is_last: bool) -> Vec<SessionBeat> {
        let mut given = Vec::new();
        beats.give(at(seconds), is_last, |event| match event {
            Event::SessionBeat(beat) => given.push(beat),
            other => panic!("a beat: {other:?}"),
        });
        given
    }

    /// `number` sessions did something.
    fn watch(beats: &Beats, number: usize) {
        for nth in 0..number {
            let sums = Sums { requests: 1, ..Sums::default() };
            let session = format!("s{nth}");
            beats.tally.borrow_mut().add(&Exchange {
                session: &session,
                environment: None,
                asset: "/vod/",
                sums,
            });
        }
    }

    #[test]
    fn sessions_beat_every_five_seconds_and_once_at_the_end() {
        let beats = Beats::default();
        let mut told = Vec::new();
        for seconds in 100..=112 {
            watch(&beats, 1);
            told.extend(given(&beats, seconds, false));
        }
        told.extend(given(&beats, 113, true));
        let whiles: Vec<_> = told
            .iter()
            .map(|beat| (beat.from_us.0 / 1_000_000, beat.to_us.0 / 1_000_000, beat.sums.requests))
            .collect();
        assert_eq!(whiles, [(100, 105, 6), (105, 110, 5), (110, 113, 2)]);
        assert!(given(&beats, 114, true).is_empty());
    }

    #[test]
    fn a_crowd_is_given_away_in_parts_and_nothing_of_it_is_lost() {
        let beats = Beats::default();
        assert!(given(&beats, 100, false).is_empty());
        watch(&beats, GIVE_MAX + 1);
        assert!(given(&beats, 104, false).is_empty());
        assert_eq!(given(&beats, 105, false).len(), GIVE_MAX);
        watch(&beats, 1);
        assert_eq!(given(&beats, 110, false).len(), 1, "what waits goes first");
        assert_eq!(given(&beats, 111, false).len(), 1);
        watch(&beats, 2 * GIVE_MAX);
        assert_eq!(given(&beats, 111, true).len(), 2 * GIVE_MAX, "nothing comes after");
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nobody() {
        let beats = Beats::default();
        given(&beats, 1000, false);
        watch(&beats, 1);
        let told = given(&beats, 10, false);
        assert_eq!(told.len(), 1);
        assert!(told.iter().all(|beat| beat.from_us <= beat.to_us));
        watch(&beats, 1);
        assert!(given(&beats, 14, false).is_empty());
        assert_eq!(given(&beats, 15, false).len(), 1);
    }

    #[test]
    fn only_what_was_answered_to_a_session_counts() {
        let beats = Beats::default();
        let end = |trace: &Trace, status| {
            beats.add(&Ended {
                route: RouteClass("edge"),
                status,
                body_bytes: 7,
                duration: Duration::ZERO,
                received: at(1),
                trace,
            });
        };
        // Nobody's notes, those of a request without a session, and an answer that never came.
        end(&Trace::default(), Some(StatusCode::OK));
        end(&Notes::trace(), Some(StatusCode::OK));
        end(&Notes::trace(), None);
        assert!(given(&beats, 2, true).is_empty());
    }
}
