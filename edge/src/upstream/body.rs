//! The body of a response, and its rest from elsewhere when it breaks.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    config::{RESUME_EARNED_BYTES, UpstreamName},
    edition::{Edition, Mismatch},
    error::{Break, UpstreamError},
    exchange::{Ask, Patient, Stream},
    fleet::{Fleet, Member},
    health::{Outcome, Standing},
};

/// A body as it comes from an upstream. Dropped before its end, it ends the transfer.
pub struct ResponseBody {
    /// What it comes from; none between a break and the next attempt to go on.
    stream: Option<Stream>,
    received: u64,
    expected: Option<u64>,
    /// Why it broke off last.
    why: Break,
    is_over: bool,
    source: Source,
    rest: Option<Rest>,
}

/// Where the bytes come from.
struct Source {
    fleet: Arc<Fleet>,
    /// Who sends them.
    upstream: UpstreamName,
    affinity: u64,
}

/// What is needed to ask for the rest.
struct Rest {
    ask: Ask,
    edition: Edition,
    /// Attempts left.
    left: u32,
    /// Bytes that have come and not earned an attempt yet.
    unpaid_bytes: u64,
    /// Attempts since the last byte.
    in_vain: usize,
    /// Whether it was silence that broke it off last.
    is_silent: bool,
}

impl ResponseBody {
    /// A body that can be gone on with when it is of an edition.
    pub(super) fn new(
        stream: Stream,
        expected: Option<u64>,
        fleet: &Arc<Fleet>,
        affinity: u64,
        edition: Option<(Ask, Edition)>,
    ) -> Self {
        let left = fleet.retry.resumes_max;
        Self {
            received: 0,
            expected,
            why: Break::Ended,
            is_over: false,
            source: Source { fleet: Arc::clone(fleet), upstream: stream.upstream().clone(), affinity },
            rest: edition.map(|(ask, edition)| Rest {
                ask,
                edition,
                left,
                unpaid_bytes: 0,
                in_vain: 0,
                is_silent: false,
            }),
            stream: Some(stream),
        }
    }

    /// Bytes of the whole body, when they are known. No more are ever delivered, and fewer only with an error.
    pub fn expected_len(&self) -> Option<u64> {
        self.expected
    }

    /// Bytes delivered so far.
    pub fn received_len(&self) -> u64 {
        self.received
    }

    /// The next piece, never empty; `None` after the last one. After an error nothing more comes. Dropping the
    /// future loses no byte.
    ///
    /// # Errors
    /// When the body ended early, and no upstream had the rest of the same edition.
    pub async fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        let mut silent = Duration::ZERO;
        while !self.is_over {
            let Some(stream) = &mut self.stream else {
                silent = Duration::ZERO;
                match self.go_on().await {
                    Ok(()) => continue,
                    Err(error) => return Some(Err(error)),
                }
            };
            let left = stream.idle().saturating_sub(silent);
            let silence = self.source.silence().min(left);
            match stream.next(silence).await {
                // Others are asked for the rest sooner than it is waited for where there are none. There may be some later.
                Some(Err(Break::Idle)) if silence < left && !self.may_switch() => {
                    silent = silent.saturating_add(silence);
                }
                Some(Ok(piece)) if piece.is_empty() => silent = Duration::ZERO,
                Some(Ok(piece)) if self.takes(&piece) => return Some(Ok(piece)),
                Some(Ok(_)) => return Some(Err(self.broken(Break::TooLong))),
                // Without a length the end is where it is said to be; with one, it is there and nowhere else.
                None if self.expected.is_none() => self.end(),
                _ if self.expected == Some(self.received) => self.end(),
                Some(Err(why)) => self.break_off(why),
                None => self.break_off(Break::Ended),
            }
        }
        None
    }

    /// Whether another upstream may be asked for the rest, of what is known to be there.
    fn may_switch(&self) -> bool {
        let has_rest = |rest: &Rest| rest.left > 0 && rest.edition.is_known_everywhere();
        self.expected.is_some() && self.rest.as_ref().is_some_and(has_rest) && self.source.has_other()
    }

    /// Counts a piece; whether there may be so many bytes.
    fn takes(&mut self, piece: &Bytes) -> bool {
        let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let received = self.received.saturating_add(len);
        let fits = self.expected.is_none_or(|expected| received <= expected);
        if fits {
            self.received = received;
            if let Some(rest) = &mut self.rest {
                rest.in_vain = 0;
                rest.earn(len, self.source.fleet.retry.resumes_max);
            }
        }
        fits
    }

    fn end(&mut self) {
        (self.is_over, self.stream) = (true, None);
    }

    fn break_off(&mut self, why: Break) {
        // Its place goes to others before a place for the rest is waited for.
        (self.why, self.stream) = (why, None);
        if let Some(rest) = &mut self.rest {
            rest.is_silent = why == Break::Idle;
        }
        if let Some(member) = self.source.member() {
            member.tell(Outcome::Failed);
        }
    }

    fn broken(&mut self, why: Break) -> UpstreamError {
        self.end();
        UpstreamError::Broken {
            upstream: self.source.upstream.clone(),
            received: self.received,
            expected: self.expected,
            why,
        }
    }

    /// One attempt to go on.
    async fn go_on(&mut self) -> Result<(), UpstreamError> {
        let why = self.why;
        let Some(rest) = self.rest.as_mut().filter(|rest| rest.left > 0) else {
            return Err(self.broken(why));
        };
        rest.left = rest.left.saturating_sub(1);
        let Some(member) = self.source.next(rest) else { return Err(self.broken(why)) };
        rest.in_vain = rest.in_vain.saturating_add(1);
        // One on trial is tried by this.
        member.admit();
        let mut patient = member.patient(None, false);
        if rest.is_silent && self.source.has_others() && *member.name() == self.source.upstream {
            // It has been waited for already.
            patient.head = patient.head.min(member.config.timeouts.silence);
        }
        let outcome = rest.ask_for(self.received, &self.source.fleet, member, patient).await;
        let label = match &outcome {
            Ok(_) => "resumed",
            Err(reason) => reason,
        };
        self.source.fleet.metrics.resumed(member.name(), label);
        tracing::debug!(upstream = %member.name(), received = self.received, outcome = label, "a body broke");
        match outcome {
            Ok(stream) => {
                self.source.upstream = member.name().clone();
                self.expected = rest.edition.len();
                self.stream = Some(stream);
            }
            Err(CHANGED) => self.why = Break::Changed,
            Err(_) => {}
        }
        Ok(())
    }
}

impl Source {
    fn member(&self) -> Option<&Member> {
        self.fleet.members.iter().find(|member| *member.name() == self.upstream)
    }

    /// How long who sends may be silent while others are well.
    fn silence(&self) -> Duration {
        self.member().map_or(Duration::MAX, |member| member.config.timeouts.silence)
    }

    /// Whether there is another that may be asked now.
    fn has_other(&self) -> bool {
        let is_other = |member: &&Member| *member.name() != self.upstream;
        self.fleet.members.iter().filter(is_other).any(|member| member.standing() != Standing::Out)
    }

    /// Whether there is any other.
    fn has_others(&self) -> bool {
        self.fleet.members.len() > 1
    }

    /// Whom to ask for the rest: who sent the start, and then the others in the order of the key, those that are left
    /// alone last. Who fell silent is asked after those that are well: it would most likely be waited for once more.
    fn next(&self, rest: &Rest) -> Option<&Member> {
        let first = self.member()?;
        if !rest.edition.is_known_everywhere() {
            return Some(first);
        }
        let others = self.fleet.candidates(self.affinity);
        let others = others.into_iter().filter(|member| member.name() != first.name());
        let (well, unwell): (Vec<_>, Vec<_>) = others.partition(|member| member.standing() != Standing::Out);
        let (soon, late) = if rest.is_silent { (None, Some(first)) } else { (Some(first), None) };
        let order: Vec<_> = soon.into_iter().chain(well).chain(late).chain(unwell).collect();
        order.into_iter().cycle().nth(rest.in_vain)
    }
}

/// What the outcome is called when the rest is of another edition.
const CHANGED: &str = "changed";

impl Rest {
    /// Counts `len` bytes that have come: however long a body is, each stretch of it has its attempts.
    fn earn(&mut self, len: u64, max: u32) {
        self.unpaid_bytes = self.unpaid_bytes.saturating_add(len);
        let earned = self.unpaid_bytes / RESUME_EARNED_BYTES;
        self.unpaid_bytes %= RESUME_EARNED_BYTES;
        self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(max);
    }

    /// The rest after `received` bytes, or in a word why not.
    async fn ask_for(
        &mut self,
        received: u64,
        fleet: &Fleet,
        member: &Member,
        patient: Patient,
    ) -> Result<Stream, &'static str> {
        let mut ask = self.ask.clone();
        self.edition.ask_for_rest(&mut ask.headers, received);
        let answer = fleet.ask(member, &ask, patient).await;
        let answer = answer.map_err(|error| error.reason())?;
        match self.edition.continues(received, answer.status, &answer.headers) {
            Ok(()) => Ok(answer.stream),
            Err(Mismatch::Changed) => Err(CHANGED),
            Err(Mismatch::NoPart) => Err("no-part"),
        }
    }
}
