//! Finished exchanges of one core into beats of sessions, without a lock.
//!
//! One for each core; whoever owns the core empties it every few seconds. Bounded in sessions: those for which there is no
//! room are added up under none, so that the sums of an environment's edge stay right.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::event::{Event, SessionBeat, Sums};
use crate::control::orders::order::{Name, UnixMicros};

/// Sessions of one core kept apart between two emptyings.
pub const SESSIONS_MAX: usize = 10_000;
/// Assets of one session kept apart; what it watches besides is added up.
pub const ASSETS_MAX: usize = 4;

/// An exchange that ended, well or not.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The token's session; exchanges without one are no beats.
    pub session: &'a str,
    /// The environment.
    pub environment: Option<&'a str>,
    /// The path prefix of the asset.
    pub asset: &'a str,
    /// What to add.
    pub sums: Sums,
}

/// What the sessions of one core did since it was emptied.
#[derive(Debug)]
pub struct Tally {
    sessions: HashMap<Box<str>, Vec<Row>, RandomState>,
    others: Sums,
    max: usize,
}

#[derive(Debug)]
struct Row {
    environment: Option<Box<str>>,
    /// None where the session has too many.
    asset: Option<Box<str>>,
    sums: Sums,
}

impl Default for Tally {
    fn default() -> Self {
        Self::new(SESSIONS_MAX)
    }
}

impl Tally {
    /// An empty one, for `max` sessions.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { sessions: HashMap::default(), others: Sums::default(), max }
    }

    /// Adds one exchange. O(1); allocates only for a session or asset that is new since it was emptied.
    pub fn add(&mut self, exchange: &Exchange<'_>) {
        if !self.sessions.contains_key(exchange.session) {
            if self.sessions.len() >= self.max {
                return self.others.add(&exchange.sums);
            }
            self.sessions.insert(exchange.session.into(), Vec::new());
        }
        let Some(rows) = self.sessions.get_mut(exchange.session) else { return };
        let known = rows.iter_mut().find(|row| {
            row.asset.as_deref() == Some(exchange.asset) && row.environment.as_deref() == exchange.environment
        });
        if let Some(row) = known {
            return row.sums.add(&exchange.sums);
        }
        let apart = rows.len() < ASSETS_MAX;
        if let Some(row) = rows.iter_mut().find(|row| !apart && row.asset.is_none()) {
            return row.sums.add(&exchange.sums);
        }
        rows.push(Row {
            environment: exchange.environment.map(Into::into),
            asset: apart.then(|| exchange.asset.into()),
            sums: exchange.sums,
        });
    }

    /// Empties it: what was done between `from` and `to`.
    pub fn beats(&mut self, from: UnixMicros, to: UnixMicros) -> Vec<Event> {
        let mut beats = Vec::with_capacity(self.sessions.len());
        let beat = |session: Option<&str>, environment: Option<&str>, asset: Option<&str>, sums| {
            Event::SessionBeat(SessionBeat {
                session: session.and_then(Name::new),
                environment: environment.and_then(Name::new),
                asset: asset.and_then(Name::new),
                from_us: from,
                to_us: to,
                sums,
            })
        };
        for (session, rows) in self.sessions.drain() {
            for row in rows {
                let (environment, asset) = (row.environment.as_deref(), row.asset.as_deref());
                beats.push(beat(Some(&session), environment, asset, row.sums));
            }
        }
        if self.others != Sums::default() {
            beats.push(beat(None, None, None, std::mem::take(&mut self.others)));
        }
        beats
    }
}
