//! The task that follows a feed: what a source says goes to the ledger, what follows from it to the edge.
//!
//! ```text
//!  state file ─▶ ledger ◀─ source      each order: ledger, then effects, at once
//!      ▲            │
//!      └─ saved ────┴─▶ effects        the file: at most once a SAVE_EVERY, and at the end
//! ```
//!
//! A process that is killed starts from the last state saved, and is given the orders since then again by the feed.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::Instant as Tick;

use super::ledger::{Applied, Effect, Ledger};
use super::metrics::OrderMetrics;
use super::order::{Order, UnixMicros};
use super::source::{Heard, Source};
use super::state_file::StateFile;
use crate::control::backoff::Backoff;

/// How long a change may be in memory only.
pub const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Follows one feed.
pub struct Follower<E, R> {
    source: Source,
    ledger: Ledger,
    saver: Saver,
    effects: E,
    random: R,
    metrics: OrderMetrics,
    backoff: Backoff,
    /// The last complaint, so that a lasting one is told once.
    complaint: Option<String>,
}

impl<E, R> std::fmt::Debug for Follower<E, R> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Follower").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<E: FnMut(Effect) + Send, R: FnMut() -> u64 + Send> Follower<E, R> {
    /// A follower of `source` whose state is in `state`, if it is kept. `effects` is called with each thing to be done, in
    /// sequence, and must not wait; `random` gives any numbers. The effects of the state that is kept are given at once,
    /// before the feed is asked. Blocks while the file is read.
    pub fn new(
        source: Source,
        state: Option<StateFile>,
        metrics: OrderMetrics,
        effects: E,
        random: R,
    ) -> Self {
        let mut follower = Self {
            source,
            ledger: Ledger::new(),
            saver: Saver { file: state, due: None },
            effects,
            random,
            metrics,
            backoff: Backoff::default(),
            complaint: None,
        };
        match follower.saver.file.as_ref().map(StateFile::load) {
            Some(Ok(Some(snapshot))) => {
                let effects = follower.ledger.load(snapshot, wall());
                follower.give(effects);
            }
            Some(Err(error)) => tracing::warn!(%error, "orders start from nothing"),
            Some(Ok(None)) | None => {}
        }
        follower.measure();
        follower
    }

    /// Follows the feed until `stop`, and keeps the state at the end.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        loop {
            let heard = {
                let Self { source, ledger, saver, backoff, random, metrics, complaint, .. } = &mut self;
                let next = async {
                    let heard = source.next(ledger.position()).await;
                    if let Err(error) = &heard {
                        metrics.failures.inc();
                        let words = error.to_string();
                        if complaint.as_ref() != Some(&words) {
                            tracing::warn!(error = words, "no orders are heard; what is known goes on");
                            *complaint = Some(words);
                        }
                        tokio::time::sleep(backoff.after_failure(random())).await;
                    }
                    heard
                };
                let mut next = pin!(next);
                loop {
                    tokio::select! {
                        () = &mut stop => break None,
                        heard = &mut next => break Some(heard),
                        () = saver.due() => saver.save(ledger, metrics).await,
                    }
                }
            };
            match heard {
                Some(Ok(heard)) => self.take(heard),
                Some(Err(_)) => {}
                None => break,
            }
        }
        if self.saver.due.is_some() {
            self.saver.save(&self.ledger, &self.metrics).await;
        }
    }

    fn take(&mut self, heard: Vec<Heard>) {
        if heard.is_empty() {
            return;
        }
        self.metrics.heard(mono());
        self.backoff.reset();
        if self.complaint.take().is_some() {
            tracing::info!("orders are heard again");
        }
        for one in heard {
            let loads = matches!(one, Heard::Snapshot(_) | Heard::Beginning(_));
            let seq = |ledger: &Ledger| ledger.position().map(|(_, seq)| seq);
            let before = seq(&self.ledger);
            let goes_on = self.take_one(one);
            if loads || seq(&self.ledger) != before {
                self.saver.changed();
            }
            if !goes_on {
                break;
            }
        }
        self.measure();
    }

    /// Says whether what comes after it is of use.
    fn take_one(&mut self, heard: Heard) -> bool {
        let now = wall();
        match heard {
            Heard::Snapshot(snapshot) => {
                self.count_snapshot(snapshot.ignored);
                let effects = self.ledger.load(snapshot, now);
                self.give(effects);
            }
            Heard::Beginning(snapshot) => {
                let ignored = snapshot.ignored;
                let effects = self.ledger.begin(snapshot, now);
                if !effects.is_empty() {
                    self.count_snapshot(ignored);
                }
                self.give(effects);
            }
            Heard::Order(order) => return self.take_order(order, now),
            Heard::Unreadable(error) => {
                self.metrics.unreadable.inc();
                tracing::warn!(error, "a line of the feed is no order");
                if !self.source.is_whole() {
                    self.source.want_snapshot();
                    return false;
                }
            }
            Heard::Alive => {}
        }
        true
    }

    fn take_order(&mut self, order: Order, now: UnixMicros) -> bool {
        if self.source.is_whole() {
            self.ledger.skip_to(order.seq);
        }
        let (kind, seq) = (order.body.kind(), order.seq);
        match self.ledger.apply(order, now) {
            Applied::Now(effects) => {
                if let Some(kind) = kind {
                    self.metrics.count_applied(kind);
                }
                self.give(effects);
            }
            Applied::Ignored(why) => {
                self.metrics.count_ignored(why);
                tracing::warn!(seq, reason = why.word(), "an order is not understood and passed over");
            }
            Applied::Full(limit) => {
                self.metrics.full.inc();
                tracing::warn!(seq, ?limit, "an order meets a limit of this edge and is not applied");
            }
            Applied::Duplicate => {}
            Applied::Gap { expected } => {
                self.metrics.gaps.inc();
                tracing::info!(seq, expected, "orders were missed; the snapshot is taken");
                self.source.want_snapshot();
                return false;
            }
        }
        true
    }

    fn count_snapshot(&self, ignored: u64) {
        self.metrics.snapshots.inc();
        if ignored > 0 {
            tracing::warn!(ignored, "entries of a snapshot are not understood and passed over");
        }
    }

    fn give(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            (self.effects)(effect);
        }
    }

    fn measure(&self) {
        let seq = self.ledger.position().map_or(0, |(_, seq)| seq);
        self.metrics.seq.set(i64::try_from(seq).unwrap_or(i64::MAX));
        self.metrics.revocations.set(i64::try_from(self.ledger.revocations()).unwrap_or(i64::MAX));
        self.metrics.given_up.set(i64::try_from(self.ledger.given_up()).unwrap_or(i64::MAX));
    }
}

/// Keeps the state, not more often than it must.
#[derive(Debug)]
struct Saver {
    file: Option<StateFile>,
    due: Option<Tick>,
}

impl Saver {
    /// The state is another than the one kept.
    fn changed(&mut self) {
        if self.file.is_some() && self.due.is_none() {
            self.due = Some(tick() + SAVE_EVERY);
        }
    }

    /// Comes when the state is to be kept.
    async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    async fn save(&mut self, ledger: &Ledger, metrics: &OrderMetrics) {
        self.due = None;
        let (Some(file), Some(snapshot)) = (self.file.clone(), ledger.snapshot()) else { return };
        let path = file.path().to_owned();
        let saved = tokio::task::spawn_blocking(move || file.save(&snapshot)).await;
        let error = match saved {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // The next change is saved with it.
        metrics.not_saved.inc();
        tracing::warn!(error, path = %path.display(), "the state of orders is not kept");
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver reads the clock for the ledger")]
fn wall() -> UnixMicros {
    SystemTime::now().into()
}

#[expect(clippy::disallowed_methods, reason = "the driver reads the clock for the figures")]
fn mono() -> Instant {
    Instant::now()
}

fn tick() -> Tick {
    Tick::now()
}
