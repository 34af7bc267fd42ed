//! The life of a request at the edge, on one screen: authorize, name it, ask whoever has it.
//!
//! ```text
//!  request ─ authorize ─ limits ─▶ environment, path ─┬─ the origin is here: ask it (`Near`)
//!                                                     └─ it is elsewhere: the cache, then the upstreams (`far`)
//! ```
//!
//! Where the origin is in this process it is called directly: its bodies are files and memory of this machine, and
//! keeping them again would only cost.

mod beats;
pub(crate) mod notes;
mod personal;

use std::{borrow::Cow, time::SystemTime};

use rillcast_http::{Ended, Fields, Problem, Reply, Request, Trace};
use rillcast_token::{claims::DEFAULT_ENVIRONMENT, token_path::TOKEN_PATH_START};

pub use self::beats::{BEAT_EVERY, GIVE_MAX};
use self::{beats::Beats, notes::Notes, personal::Personal};
use crate::{
    admission::{
        authorize::{Admitted, Gate, Instead, TokenNames},
        protect::{Asking, Held, Protection},
    },
    control::events::sender::Sink,
    far::{FarEdge, recent::Recent},
    observe::{
        cache_status::{CacheStatus, Outcome},
        cmcd::Cmcd,
        metrics::EdgeMetrics,
    },
};

/// What the cache does where there is none in between.
const DIRECT: CacheStatus = CacheStatus::new(Outcome::Direct);

/// An origin in this process.
pub trait Near: Send + Sync + 'static {
    /// What it keeps on each core.
    type Local: 'static;

    /// What it keeps on a core that starts now.
    fn local(&self) -> Self::Local;

    /// Answers `request` for `path`, from which all that a token may have said is taken out.
    fn serve(&self, local: &Self::Local, request: &Request, path: &str) -> impl Future<Output = Reply>;
}

/// Where an edge has its responses from.
pub enum Source<N> {
    /// This process.
    Near(N),
    /// Other machines.
    Far(Box<FarEdge>),
}

/// The edge role.
pub struct Edge<N> {
    gate: Gate,
    protection: Protection,
    source: Source<N>,
    metrics: EdgeMetrics,
    /// Takes the beats of sessions.
    beats: Option<Sink>,
}

/// What an edge keeps on each core.
pub struct EdgeLocal<L> {
    near: Option<L>,
    recent: Recent,
    names: TokenNames,
    beats: Beats,
    personal: Personal,
    /// What the cache did where there is none in between.
    direct: Fields,
}

impl<L> EdgeLocal<L> {
    /// `path`, of any request, as logs may show it: without tokens.
    pub fn redacted<'a>(&self, path: &'a str) -> Cow<'a, str> {
        // Short for something that is asked about with every request: what is plain has none.
        let may_carry = path.starts_with(TOKEN_PATH_START)
            || path.starts_with("//")
            || path.contains('%')
            || path.contains("eyJ");
        if may_carry { Cow::Owned(self.names.redact(path)) } else { Cow::Borrowed(path) }
    }

    /// What an origin in this process keeps on this core.
    pub fn near(&self) -> Option<&L> {
        self.near.as_ref()
    }
}

impl<N: Near> Edge<N> {
    /// An edge in front of `source`, behind `gate` and `protection`.
    pub fn new(gate: Gate, protection: Protection, source: Source<N>, metrics: EdgeMetrics) -> Self {
        Self { gate, protection, source, metrics, beats: None }
    }

    /// The same, which tells `sink` every few seconds what sessions did.
    #[must_use]
    pub fn with_beats(self, sink: Sink) -> Self {
        Self { beats: Some(sink), ..self }
    }

    /// What it keeps on a core that starts now.
    pub fn local(&self) -> EdgeLocal<N::Local> {
        let near = match &self.source {
            Source::Near(near) => Some(near.local()),
            Source::Far(_) => None,
        };
        EdgeLocal {
            near,
            recent: Recent::default(),
            names: TokenNames::default(),
            beats: Beats::default(),
            personal: Personal::default(),
            direct: DIRECT.to_fields(),
        }
    }

    /// The origin in this process, if it is there.
    pub fn near(&self) -> Option<&N> {
        match &self.source {
            Source::Near(near) => Some(near),
            Source::Far(_) => None,
        }
    }

    /// What judges tokens.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What limits how much is asked.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// The cache, if the origins are elsewhere.
    pub fn far(&self) -> Option<&FarEdge> {
        match &self.source {
            Source::Near(_) => None,
            Source::Far(far) => Some(far),
        }
    }

    /// Answers `request`.
    pub async fn serve(&self, local: &EdgeLocal<N::Local>, request: &Request) -> Reply {
        let admitted = match self.gate.admit(request) {
            Ok(admitted) => admitted,
            Err(instead) => return self.refuse(request, instead),
        };
        let _held = match self.hold(request, &admitted) {
            Ok(held) => held,
            Err(problem) => return self.limit(request, problem),
        };
        self.note(request, &admitted);
        let reply = self.ask(local, request, &admitted).await;
        if admitted.is_for_some { local.personal.lead_on(reply, request.path()) } else { reply }
    }

    /// The answer of whoever has it, for those who may see it.
    async fn ask(&self, local: &EdgeLocal<N::Local>, request: &Request, admitted: &Admitted<'_>) -> Reply {
        let path = admitted.path;
        match (&self.source, &local.near) {
            (Source::Near(near), Some(near_local)) => {
                notes::count(&self.metrics, &request.trace, &DIRECT);
                let reply = near.serve(near_local, request, path).await;
                reply.with_added(&local.direct)
            }
            (Source::Far(far), _) => {
                far.serve(&local.recent, request, admitted.environment(), path, request.query()).await
            }
            (Source::Near(_), None) => Problem::internal().into(),
        }
    }

    /// Lets `request` pass for something that is open to all, and not the edge's to answer, or refuses it by the rules of
    /// countries.
    ///
    /// # Errors
    /// The refusal, which is counted.
    pub fn admit_open(&self, request: &Request) -> Result<(), Reply> {
        let located = self.gate.locate(request, "", request.path()).map(drop);
        located.map_err(|problem| self.refuse(request, Instead::Elsewhere(problem)))
    }

    /// Whether the rules of countries let the client of `request` see what is at `path` and public.
    pub fn shows(&self, request: &Request, path: &str) -> bool {
        self.gate.locate(request, "", path).is_ok()
    }

    /// Counts a request for its token and its client until it has ended; what is left over counts until it is dropped.
    fn hold(&self, request: &Request, admitted: &Admitted<'_>) -> Result<Option<Held<'_>>, Box<Problem>> {
        // Cache keys have no word for it.
        let environment = Some(admitted.environment()).filter(|name| !name.is_empty());
        let held = self.protection.admit(&Asking {
            environment: admitted.environment(),
            grant: admitted.grant.as_deref(),
            client: request.client.ip,
            ordered: self.gate.limits.of(environment.unwrap_or(DEFAULT_ENVIRONMENT)),
            now: (self.gate.monotonic)(),
        })?;
        Ok(match Notes::of(&request.trace) {
            Some(notes) => {
                notes.holds(held.keep());
                None
            }
            // Nobody will tell us of its end.
            None => Some(held),
        })
    }

    fn limit(&self, request: &Request, problem: Box<Problem>) -> Reply {
        self.metrics.refuse(problem.slug);
        let status = CacheStatus { detail: Some(problem.slug), ..CacheStatus::new(Outcome::Local) };
        notes::count(&self.metrics, &request.trace, &status);
        problem.into()
    }

    fn refuse(&self, request: &Request, instead: Instead) -> Reply {
        let code = match &instead {
            Instead::Refusal(error) => Some(error.code()),
            Instead::Elsewhere(problem) => Some(problem.slug),
            Instead::Exchange(_) => None,
        };
        if let Some(code) = code {
            self.metrics.refuse(code);
        }
        let status = CacheStatus { detail: code, ..CacheStatus::new(Outcome::Local) };
        notes::count(&self.metrics, &request.trace, &status);
        instead.into()
    }

    /// Notes whose request it is and what the player says with it.
    fn note(&self, request: &Request, admitted: &Admitted<'_>) {
        let notes = Notes::of(&request.trace);
        // Beats are what it is noted for.
        if let (Some(notes), Some(grant), Some(_)) = (notes, &admitted.grant, &self.beats) {
            notes.is_viewing(grant, admitted.path);
        }
        if let Some(cmcd) = Cmcd::of(request.query(), &request.headers) {
            self.metrics.cmcd.count(&cmcd);
            if let Some(notes) = notes {
                notes.says(&cmcd);
            }
        }
    }
}

/// What the server tells the edge beside requests.
impl<N: Near> Edge<N> {
    /// What the notes about a request begin with.
    pub fn trace(&self) -> Trace {
        Notes::trace()
    }

    /// A request has ended, on the core of `local`.
    pub fn ended(&self, local: &EdgeLocal<N::Local>, ended: &Ended<'_>) {
        if let Some(kept) = Notes::of(ended.trace).and_then(Notes::held) {
            self.protection.release(kept);
        }
        if self.beats.is_some() {
            local.beats.add(ended);
        }
    }

    /// Gives the beats that are due away; all of them, if it is the core's last time.
    pub fn tend(&self, local: &EdgeLocal<N::Local>, now: SystemTime, is_last: bool) {
        if let Some(sink) = &self.beats {
            local.beats.give(now, is_last, |event| sink.give(event));
        }
    }
}
