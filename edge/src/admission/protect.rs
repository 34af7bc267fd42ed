//! How much one party may ask of an edge.
//!
//! ```text
//!  admitted ─ token: rate, at once ─ client: rate, at once ─▶ served, counted while it is (`Held`)
//!                          429 ◀┴─────────────── 429 ◀┘
//! ```
//!
//! Two parties pay for a request: its token (the session, or the token itself where it names none), and its client (the
//! network its address is in). A token that is past its limit costs its neighbours at the same address nothing, because
//! the client pays last. A request counts "at once" until its last byte is sent or its client is gone; one that came over
//! no connection, until it is answered.
//!
//! The limits of parties are exact over all cores. They cost two locks that hardly anybody shares, see `table`.
//! Invariants: memory is what [`PARTIES_MAX`] says from the start; a request that is refused takes nothing from a bucket
//! of the party that refused it; no name of a session gets further than its hash.

mod allowance;
mod party;
mod table;

use std::time::{Duration, Instant};

use http::StatusCode;
use rillcast_http::{Networks, Problem};
use rillcast_token::Grant;

pub use self::{
    allowance::{Allowance, BURST_MAX},
    party::Prefixes,
};
use self::{
    party::Namer,
    table::{Place, Refused, Table},
};
use crate::{control::orders::ordered_limits::Ordered, observe::metrics::EdgeMetrics};

/// Tokens, and clients, that are remembered at the same time.
pub const PARTIES_MAX: usize = 1 << 16;
/// When to come back after too much at once: nobody knows when something ends.
const AT_ONCE_RETRY: Duration = Duration::from_secs(1);

/// What an edge is told of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskLimits {
    /// Of one token.
    pub token: Allowance,
    /// Of one client.
    pub client: Allowance,
    /// Clients that have no limit as clients: edges that ask this one, monitoring.
    pub exempt: Networks,
    /// What one client is.
    pub prefixes: Prefixes,
}

impl Default for AskLimits {
    /// A player asks 20 times a second when it changes between renditions with parts; a token has ten of them, and a
    /// client a hundred, as behind a home's or an office's address.
    fn default() -> Self {
        Self {
            token: Allowance { requests_per_s: 200, burst: 1000, at_once: 128 },
            client: Allowance { requests_per_s: 2000, burst: 10_000, at_once: 1024 },
            exempt: Networks::default(),
            prefixes: Prefixes::default(),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The tenant, as cache keys name it.
    pub environment: &'a str,
    /// What its token allows.
    pub grant: Option<&'a Grant>,
    /// Its address.
    pub client: std::net::IpAddr,
    /// What orders say of its environment, in place of the configuration.
    pub ordered: Ordered,
    /// The time.
    pub now: Instant,
}

/// Which of the two that pay for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payer {
    Token,
    Client,
}

/// The limits, and who has used what of them.
pub struct Protection {
    limits: AskLimits,
    namer: Namer,
    tokens: Table,
    clients: Table,
    metrics: EdgeMetrics,
}

/// A request that counts until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Held<'a> {
    /// Named by what each has in its table.
    token: Option<(&'a Table, u128)>,
    client: Option<(&'a Table, u128)>,
}

/// The same, for who gives it to [`Protection::release`] in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    token: Option<u128>,
    client: Option<u128>,
}

impl Held<'_> {
    /// Keeps it past this value's life.
    pub(crate) fn keep(mut self) -> Kept {
        let (token, client) = (self.token.take(), self.client.take());
        Kept { token: token.map(|(_, party)| party), client: client.map(|(_, party)| party) }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for (table, party) in [self.token, self.client].into_iter().flatten() {
            table.release(party);
        }
    }
}

impl Protection {
    /// Nobody has asked yet; no time before `start` will be passed in.
    pub fn new(limits: AskLimits, metrics: EdgeMetrics, start: Instant) -> Self {
        Self {
            limits,
            namer: Namer::default(),
            tokens: Table::new(PARTIES_MAX, start),
            clients: Table::new(PARTIES_MAX, start),
            metrics,
        }
    }

    /// Lets a request pass and counts it, or says why not.
    ///
    /// Cost: no allocation; a hash, a lock and a look at one or two lines of memory for each payer that has a limit.
    /// `rillcast-bench checks` tells the nanoseconds.
    ///
    /// # Errors
    /// A 429 that says who asked too much, and when to come back.
    pub fn admit(&self, asking: &Asking<'_>) -> Result<Held<'_>, Box<Problem>> {
        let token = self.limits.token.but(asking.ordered.token);
        let client = self.limits.client.but(asking.ordered.client);
        let mut held = Held { token: None, client: None };
        if let Some(grant) = asking.grant
            && token.is_limit()
        {
            let party = self.namer.token(asking.environment, grant);
            held.token = self.charge(Payer::Token, &self.tokens, party, token, asking.now)?;
        }
        if client.is_limit() && !self.limits.exempt.contains(asking.client) {
            let party = self.namer.client(asking.environment, asking.client, self.limits.prefixes);
            held.client = self.charge(Payer::Client, &self.clients, party, client, asking.now)?;
        }
        Ok(held)
    }

    /// Ends what was kept.
    pub(crate) fn release(&self, kept: Kept) {
        drop(Held {
            token: kept.token.map(|party| (&self.tokens, party)),
            client: kept.client.map(|party| (&self.clients, party)),
        });
    }

    /// Has `party` pay; what must be given back at the end.
    fn charge<'a>(
        &self,
        payer: Payer,
        table: &'a Table,
        party: u128,
        allowance: Allowance,
        now: Instant,
    ) -> Result<Option<(&'a Table, u128)>, Box<Problem>> {
        match table.charge(party, allowance, now) {
            Ok(Place::Held) => Ok(Some((table, party))),
            Ok(Place::Passed) => Ok(None),
            Ok(Place::Unknown) => {
                self.metrics.untracked.inc();
                Ok(None)
            }
            Err(refused) => {
                let problem = problem(payer, refused, allowance);
                self.metrics.limited.with_label_values(&[problem.slug, payer.as_str()]).inc();
                Err(problem)
            }
        }
    }
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Who asked is nobody's business.
        f.debug_struct("Protection").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Payer {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Client => "client",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Token => "this token",
            Self::Client => "your address",
        }
    }
}

/// The refusal as an answer: never stored, with a time to come back.
#[cold]
fn problem(payer: Payer, refused: Refused, allowance: Allowance) -> Box<Problem> {
    let (who, status) = (payer.in_words(), StatusCode::TOO_MANY_REQUESTS);
    let problem = match refused {
        Refused::Rate { wait } => {
            let (rate, burst) = (allowance.requests_per_s, allowance.burst);
            let detail = format!("{who} may ask {rate} times a second, and {burst} times at a stretch");
            Problem::new(status, "too_many_requests", "Too many requests", detail).with_retry_after(wait)
        }
        Refused::AtOnce => {
            let detail = format!("{who} may wait for {} answers at once", allowance.at_once);
            Problem::new(status, "too_many_at_once", "Too many requests at once", detail)
                .with_retry_after(AT_ONCE_RETRY)
        }
    };
    Box::new(problem.with_extra("limit", payer.as_str()))
}

#[cfg(test)]
mod tests;
