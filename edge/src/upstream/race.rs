//! One fetch at the upstreams: one is asked, and beside it another if the first is silent, until one has answered well.
//!
//! ```text
//!  start ─▶ [running] ─┬─ a good head: the others are dropped ────────────▶ it
//!              ▲       ├─ a failure, and nobody is running: the next ──┐
//!              │       └─ silence, and another is well: it as well ────┤
//!              └───────────────────────────────────────────────────────┘
//! ```
//!
//! Whoever was silent for its whole time while another answered has failed, as far as health is concerned: of a
//! machine that swallows everything only the first viewers notice anything. What is asked to be held is never raced.

use std::{
    future::{Future, pending},
    pin::Pin,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{
    error::UpstreamError,
    exchange::{Answer, Ask},
    fleet::{Fleet, Member},
    health::Outcome,
    route::Route,
};

/// How often somebody else is looked for while those that are asked are silent.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// Asking one upstream.
type Run<'a> = Pin<Box<dyn Future<Output = Finish<'a>> + Send + 'a>>;

/// What came of one.
pub(super) struct Finish<'a> {
    member: &'a Member,
    pub(super) answered: Result<Answer, UpstreamError>,
    pub(super) times: Times,
}

/// When a request went out, and when the head of its response had come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) requested: SystemTime,
    pub(super) received: SystemTime,
}

/// What a fetch has so far that is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// Nothing that takes a place anywhere.
    Nothing,
    /// A response that says that it cannot, with its place.
    Response,
}

/// One fetch.
pub(super) struct Race<'a> {
    fleet: &'a Fleet,
    ask: &'a Ask,
    /// When the head must be there, where the upstream is asked to hold the request.
    until: Option<Instant>,
    running: FuturesUnordered<Run<'a>>,
    /// Who is running, and since when it is silent for too long.
    runners: Vec<(&'a Member, Instant)>,
    pub(super) attempts: u32,
}

impl<'a> Race<'a> {
    pub(super) fn new(fleet: &'a Fleet, ask: &'a Ask, until: Option<Instant>) -> Self {
        let (running, runners) = (FuturesUnordered::new(), Vec::new());
        Self { fleet, ask, until, running, runners, attempts: 0 }
    }

    /// Whether nobody is being asked.
    pub(super) fn is_idle(&self) -> bool {
        self.runners.is_empty()
    }

    /// Asks `member` as well.
    pub(super) fn start(&mut self, member: &'a Member, holding: Holding) {
        self.attempts = self.attempts.saturating_add(1);
        // Two fetches could wait for each other's place.
        let is_holding = holding == Holding::Response || !self.is_idle();
        let patient = member.patient(self.until, is_holding);
        let (fleet, ask) = (self.fleet, self.ask);
        self.runners.push((member, Instant::now() + member.config.timeouts.silence));
        self.running.push(Box::pin(async move {
            let requested = (fleet.clock)();
            let answered = fleet.ask(member, ask, patient).await;
            Finish { member, answered, times: Times { requested, received: (fleet.clock)() } }
        }));
    }

    /// What comes of the next that finishes. While all are silent for too long, others on the `route` are asked as well.
    /// Somebody must be running.
    pub(super) async fn finish(&mut self, route: &mut Route<'a>) -> Finish<'a> {
        let mut again = None;
        loop {
            let silent = self.runners.iter().map(|(_, silent)| *silent).max().max(again);
            let silent = silent.filter(|_| self.until.is_none());
            let silence = async {
                match silent {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(finish) = self.running.next() => {
                    self.runners.retain(|(member, _)| member.name() != finish.member.name());
                    return finish;
                }
                () = silence => match route.another(self.fleet, self.attempts) {
                    Some(member) => self.start(member, Holding::Nothing),
                    // One that is left alone now may be asked later.
                    None => again = Some(Instant::now() + LOOK_AGAIN_EVERY),
                },
            }
        }
    }

    /// Another has answered: what is running ends, and who was silent for too long has failed.
    pub(super) fn end(self) {
        let now = Instant::now();
        for (member, _) in self.runners.iter().filter(|(_, silent)| now >= *silent) {
            self.fleet.metrics.attempted(member.name(), "overtaken");
            member.tell(Outcome::Failed);
        }
    }
}
