//! The machine: asks for documents phase by phase, reads each as it comes, compares all at the end.
//!
//! ```text
//! entry ─▶ playlists ─▶ init segments ─▶ segments, parts, deltas ─▶ HTTP probes ─▶ rules ─▶ report
//! ```
//!
//! Invariants: every id given out by `poll` is answered once by `supply` or `fail` (other ids are
//! ignored); a phase begins when the one before has no request open; answers of one phase may come in
//! any order.

mod entry;
mod intake;
mod plan;

use std::collections::{BTreeMap, VecDeque};

use crate::fetch::{FetchRequest, Method, RequestId, Response};
use crate::ledger::Ledger;
use crate::location;
use crate::presentation::{Presentation, Stream};
use crate::report::{Place, Report};
use crate::rules;
use crate::rules::http::{Kind, Probe, Seen};

/// What to audit, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Segments read of each media playlist: half from its start, half from its end. `None` reads all.
    pub max_segments_per_rendition: Option<usize>,
    /// Judge the HTTP answers too (lines 22 and 43 to 47). Switch off for files.
    pub http: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_segments_per_rendition: None, http: true }
    }
}

/// What the driver is to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this request; others may run meanwhile.
    Fetch(FetchRequest),
    /// Nothing to send until an open request is answered.
    Wait,
    /// The audit is over.
    Done(Box<Report>),
}

/// One audit of one presentation. Drive it by `poll`, `supply` and `fail`.
///
/// ```text
/// loop { match audit.poll() { Fetch(r) => send r, then supply(r.id, answer) or fail(r.id, why),
///                             Wait => await an answer, Done(report) => break } }
/// ```
#[derive(Debug)]
pub struct Audit {
    options: Options,
    entry_url: String,
    phase: Phase,
    queue: VecDeque<Job>,
    open: BTreeMap<RequestId, Job>,
    next_id: u64,
    answered: usize,
    ledger: Ledger,
    presentation: Presentation,
    seen: Vec<Seen>,
    segments_planned: usize,
    inits_planned: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Entry,
    Playlists,
    Inits,
    Segments,
    Probes,
    Over,
}

/// What a request is for.
#[derive(Debug, Clone)]
struct Job {
    target: Target,
    url: String,
    /// First and last byte.
    range: Option<(u64, u64)>,
}

#[derive(Debug, Clone)]
enum Target {
    Entry,
    Playlist(usize),
    Delta(usize),
    Init { stream: usize, map: usize },
    Segment { stream: usize, index: usize },
    Part { stream: usize, segment: Option<usize>, part: usize },
    Probe(Probe),
}

impl Audit {
    /// An audit that begins at `entry_url`: a multivariant or a media playlist, absolute.
    pub fn new(entry_url: &str, options: Options) -> Self {
        let entry = Job { target: Target::Entry, url: entry_url.to_owned(), range: None };
        Self {
            options,
            entry_url: entry_url.to_owned(),
            phase: Phase::Entry,
            queue: VecDeque::from([entry]),
            open: BTreeMap::new(),
            next_id: 0,
            answered: 0,
            ledger: Ledger::default(),
            presentation: Presentation { entry_url: entry_url.to_owned(), ..Presentation::default() },
            seen: Vec::new(),
            segments_planned: 0,
            inits_planned: 0,
        }
    }

    /// What to do next. After `Done` it keeps saying `Done` with an empty report.
    pub fn poll(&mut self) -> Step {
        loop {
            if let Some(job) = self.queue.pop_front() {
                return Step::Fetch(self.issue(job));
            }
            if !self.open.is_empty() {
                return Step::Wait;
            }
            self.phase = match self.phase {
                Phase::Entry => {
                    self.plan_playlists();
                    Phase::Playlists
                }
                Phase::Playlists => {
                    self.plan_inits();
                    Phase::Inits
                }
                Phase::Inits => {
                    self.share_inits();
                    self.plan_segments();
                    Phase::Segments
                }
                Phase::Segments => {
                    self.plan_probes();
                    Phase::Probes
                }
                Phase::Probes => {
                    self.sort_reads();
                    rules::check(&self.presentation, &mut self.ledger);
                    Phase::Over
                }
                Phase::Over => {
                    let ledger = std::mem::take(&mut self.ledger);
                    return Step::Done(Box::new(ledger.into_report(&self.entry_url)));
                }
            };
        }
    }

    /// The answer to request `id`. An unknown id is ignored. Cost: O(body).
    pub fn supply(&mut self, id: RequestId, response: &Response) {
        let Some(job) = self.open.remove(&id) else { return };
        self.answered += 1;
        self.ledger.counts.requests += 1;
        self.ledger.counts.bytes = self.ledger.counts.bytes.saturating_add(response.body.len() as u64);
        self.take(&job, response);
    }

    /// Request `id` got no answer, or one longer than its bound: a finding on line 16.
    pub fn fail(&mut self, id: RequestId, message: &str) {
        let Some(job) = self.open.remove(&id) else { return };
        self.answered += 1;
        self.ledger.counts.requests += 1;
        let what = if matches!(job.target, Target::Entry) { "cannot be loaded: " } else { "" };
        let message = format!("{what}no answer: {}", crate::ledger::quote(message));
        self.ledger.error(16, &job.url, Place::Whole, message);
    }

    /// Requests answered, and requests planned so far; the second grows as playlists are read.
    pub fn progress(&self) -> (usize, usize) {
        (self.answered, self.answered + self.open.len() + self.queue.len())
    }

    fn issue(&mut self, job: Job) -> FetchRequest {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let mut headers = vec![("origin".to_owned(), rules::http::ORIGIN.to_owned())];
        let mut method = Method::Get;
        let mut coding = "identity";
        if let Some((first, last)) = job.range {
            headers.push(("range".to_owned(), format!("bytes={first}-{last}")));
        }
        if let Target::Probe(probe) = &job.target {
            match probe {
                Probe::Gzip => coding = "gzip",
                Probe::Head => method = Method::Head,
                Probe::Range(range) => headers.push(("range".to_owned(), range.field())),
                Probe::Missing => {}
            }
        }
        headers.push(("accept-encoding".to_owned(), coding.to_owned()));
        let request =
            FetchRequest { id, url: job.url.clone(), method, headers, max_bytes: job.target.max_bytes() };
        self.open.insert(id, job);
        request
    }

    /// Queues `uri`, met in `stream`'s playlist at `line`; a URI that does not resolve is a finding.
    fn queue_child(
        &mut self,
        stream: usize,
        uri: &str,
        line: u32,
        range: Option<(u64, u64)>,
        target: Target,
    ) {
        let Some(base) = self.presentation.streams.get(stream).map(|s: &Stream| s.base.clone()) else {
            return;
        };
        match location::resolve(&base, uri) {
            Some(url) => self.queue.push_back(Job { target, url, range }),
            None => self.unresolved(&base, line, uri),
        }
    }

    fn unresolved(&mut self, document: &str, line: u32, uri: &str) {
        let message = format!("URI `{}` is no URI reference", crate::ledger::quote(uri));
        self.ledger.error(35, document, Place::Line(line), message);
    }
}

impl Target {
    fn max_bytes(&self) -> u64 {
        use crate::limits::{INIT_BYTES_MAX, PLAYLIST_BYTES_MAX, SEGMENT_BYTES_MAX};
        match self {
            Self::Entry | Self::Playlist(_) | Self::Delta(_) => PLAYLIST_BYTES_MAX,
            Self::Init { .. } => INIT_BYTES_MAX,
            Self::Segment { .. } | Self::Part { .. } | Self::Probe(_) => SEGMENT_BYTES_MAX,
        }
    }

    /// What HTTP rules may expect of the answer.
    fn kind(&self, presentation: &Presentation) -> Kind {
        match self {
            Self::Entry => Kind::Entry,
            Self::Playlist(_) | Self::Delta(_) => Kind::Playlist,
            Self::Init { .. } => Kind::Init,
            Self::Segment { stream, .. } | Self::Part { stream, .. } => {
                let mapped = presentation.streams.get(*stream).is_some_and(|stream| !stream.inits.is_empty());
                if mapped { Kind::Segment } else { Kind::Foreign }
            }
            Self::Probe(_) => Kind::Probe,
        }
    }
}
