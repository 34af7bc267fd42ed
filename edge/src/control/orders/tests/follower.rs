//! The task at the edge, over a file and over a feed of its own process.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::control::orders::feed::SharedFeed;
use crate::control::orders::follower::Follower;
use crate::control::orders::ledger::Effect;
use crate::control::orders::metrics::OrderMetrics;
use crate::control::orders::order::{Kind, Unknown};
use crate::control::orders::source::Source;
use crate::control::orders::source::file::FileSource;
use crate::control::orders::state_file::StateFile;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
const FAR: u64 = u64::MAX;

/// A follower that runs, and what it told the edge to do.
pub(super) struct Edge {
    effects: mpsc::Receiver<Effect>,
    pub(super) metrics: OrderMetrics,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "the figures start where the test does")]
fn now() -> Instant {
    Instant::now()
}

impl Edge {
    #[expect(clippy::disallowed_methods, reason = "the test owns the task, and ends it")]
    pub(super) fn start(source: Source, state: Option<&Path>) -> Self {
        let metrics = OrderMetrics::new(now()).expect("good names");
        let (send, effects) = mpsc::channel(10_000);
        let give = move |effect| send.try_send(effect).expect("room for all of a test");
        let follower = Follower::new(source, state.map(StateFile::new), metrics.clone(), give, || 7);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(follower.run(async move { drop(stopped.await) }));
        Self { effects, metrics, stop: Some(stop), task }
    }

    /// The next effect that `is` says yes to; those before it are passed over.
    pub(super) async fn until(&mut self, what: &str, is: impl Fn(&Effect) -> bool) -> Effect {
        let found = async {
            loop {
                let effect = self.effects.recv().await.expect("the follower runs");
                if is(&effect) {
                    return effect;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {what}"))
    }

    pub(super) async fn until_revoked(&mut self, session: &str) {
        let what = Revoked::Session(name(session));
        let is = |effect: &Effect| matches!(effect, Effect::Revoke(revocation) if revocation.what == what);
        self.until(session, is).await;
    }

    /// The state is loaded: what is given from now on comes as an order.
    pub(super) async fn until_begun(&mut self) {
        self.until("state", |effect| matches!(effect, Effect::Limits(_))).await;
    }

    /// What there is to do without waiting.
    fn done_already(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.effects.try_recv().ok()).collect()
    }

    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.expect("the follower ended well");
    }
}

pub(super) fn is_blanket(effect: &Effect) -> bool {
    matches!(effect, Effect::Doubt)
}

fn shared() -> SharedFeed {
    Arc::new(OrderFeed::in_memory(feed_id("f")))
}

#[tokio::test]
async fn orders_of_this_process_are_effective_as_they_are_given() {
    let feed = shared();
    feed.append(key("k", KeyState::Active), UnixMicros(1)).expect("given");
    let mut edge = Edge::start(Source::local(Arc::clone(&feed)), None);
    edge.until("keys", |effect| matches!(effect, Effect::Keys(keys) if keys.len() == 1)).await;
    edge.until_begun().await;
    feed.append(revoke("s", FAR), UnixMicros(1)).expect("given");
    edge.until_revoked("s").await;
    assert_eq!((edge.metrics.snapshots(), edge.metrics.applied(Kind::Revoke)), (1, 1));
    assert!(!edge.done_already().iter().any(is_blanket));
    edge.stop().await;
}

#[tokio::test]
async fn an_edge_that_starts_again_knows_what_it_knew_before_the_feed_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let feed = shared();
    let mut edge = Edge::start(Source::local(Arc::clone(&feed)), Some(&state));
    edge.until_begun().await;
    feed.append(key("k", KeyState::Active), UnixMicros(1)).expect("given");
    feed.append(revoke("s", FAR), UnixMicros(1)).expect("given");
    edge.until_revoked("s").await;
    edge.stop().await;
    // A source that has nothing to say.
    let nothing = Source::File(FileSource::new(folder.path().join("none")));
    let mut edge = Edge::start(nothing, Some(&state));
    let known = edge.done_already();
    let keys = known.iter().any(|effect| matches!(effect, Effect::Keys(keys) if keys.len() == 1));
    let revoked = known.iter().any(|effect| matches!(effect, Effect::Revocations(all) if all.len() == 1));
    assert!(keys && revoked && !known.iter().any(is_blanket), "{known:?}");
    edge.stop().await;
    // And goes on from there, without a snapshot.
    let mut edge = Edge::start(Source::local(Arc::clone(&feed)), Some(&state));
    feed.append(revoke("t", FAR), UnixMicros(1)).expect("given");
    edge.until_revoked("t").await;
    assert_eq!(edge.metrics.snapshots(), 0);
    edge.stop().await;
}

#[tokio::test]
async fn another_history_is_noticed_and_all_that_is_kept_is_stale() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let feed = shared();
    feed.append(revoke("s", FAR), UnixMicros(1)).expect("given");
    let mut edge = Edge::start(Source::local(feed), Some(&state));
    edge.until("revocations", |effect| matches!(effect, Effect::Revocations(all) if all.len() == 1)).await;
    edge.stop().await;
    let other = Arc::new(OrderFeed::in_memory(feed_id("other")));
    let mut edge = Edge::start(Source::local(other), Some(&state));
    edge.until("revocations", |effect| matches!(effect, Effect::Revocations(all) if all.is_empty())).await;
    edge.until("a purge of all", is_blanket).await;
    edge.stop().await;
}

#[tokio::test]
async fn a_file_written_by_hand_is_followed_past_what_is_wrong_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders");
    fs::write(&path, "{\"v\":1,\"feed\":\"by-hand\"}\n").expect("written");
    let mut edge = Edge::start(Source::File(FileSource::new(&path)), None);
    let mut file = fs::File::options().append(true).open(&path).expect("a file");
    let line = |seq, body| Order { seq, at: UnixMicros(1), body }.to_line().expect("a line");
    writeln!(file, "{}", line(1, revoke("s", FAR))).expect("written");
    edge.until_revoked("s").await;
    writeln!(file, "oops\n{{\"v\":1,\"seq\":4,\"kind\":\"galaxy\"}}").expect("written");
    writeln!(file, "{}", line(9, revoke("t", FAR))).expect("written");
    edge.until_revoked("t").await;
    assert_eq!((edge.metrics.unreadable.get(), edge.metrics.ignored(Unknown::Kind)), (1, 1));
    assert_eq!((edge.metrics.seq.get(), edge.metrics.gaps.get()), (9, 0));
    edge.stop().await;
}

#[test]
fn the_age_of_a_feed_counts_from_when_it_was_last_heard() {
    let start = now();
    let metrics = OrderMetrics::new(start).expect("good names");
    let after = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(metrics.stale_for(after(9)), Duration::from_secs(9));
    metrics.heard(after(5));
    metrics.heard(after(4));
    assert_eq!(metrics.stale_for(after(9)), Duration::from_secs(4));
    assert_eq!(metrics.stale_for(start), Duration::ZERO);
}
