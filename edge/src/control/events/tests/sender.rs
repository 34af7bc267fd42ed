//! The task, over a socket and within the process.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::*;
use crate::control::events::intake::{Seen, Taken};
use crate::control::events::metrics::{EventMetrics, Outcome};
use crate::control::events::queue::{Queue, QueueLimits};
use crate::control::events::sender::{Outlet, SINK_EVENTS_MAX, Sender, Sink, Verdict};
use crate::control::link::{ControlLink, Secret};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    sink: Sink,
    metrics: EventMetrics,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Each event is a batch.
fn queue(folder: &Path) -> Queue {
    let limits = QueueLimits { segment_bytes: 1, segment_age: Duration::ZERO, ..QueueLimits::default() };
    let mut next = 0;
    let names = move || {
        next += 1;
        next
    };
    Queue::open(folder, name("edge-1"), limits, names).expect("a queue")
}

impl Running {
    #[expect(clippy::disallowed_methods, reason = "the test owns the task, and ends it")]
    fn start(folder: &Path, outlet: Outlet) -> Self {
        let metrics = EventMetrics::new().expect("good names");
        let (sink, sender) = Sender::new(queue(folder), outlet, metrics.clone(), || 1);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(sender.run(async move { drop(stopped.await) }));
        Self { sink, metrics, stop, task }
    }

    async fn stop(self) {
        drop(self.stop);
        self.task.await.expect("the sender ended well");
    }
}

/// A control plane that listens, answers first as told, then well, and tells of what it took.
async fn control(answers: Vec<u16>) -> (ControlLink, mpsc::Receiver<Vec<u64>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/events", listener.local_addr().expect("an address"));
    let secret = Secret::new("edge-secret").expect("a secret");
    let link = ControlLink::new(&url, Some(&secret), None).expect("a link");
    let (tell, told) = mpsc::channel(100);
    let state = Arc::new(Mutex::new((Seen::new(100), VecDeque::from(answers))));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (state, tell, secret) = (Arc::clone(&state), tell.clone(), secret.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (state, tell) = (Arc::clone(&state), tell.clone());
                assert!(secret.is_in(request.headers()) && request.headers().contains_key("idempotency-key"));
                async move {
                    let body = request.into_body().collect().await.expect("a body").to_bytes();
                    let answer = state.lock().1.pop_front();
                    // Taken, and the answer is lost: what 599 stands for.
                    let taken = match answer {
                        None | Some(599) => Some(state.lock().0.take(&body)),
                        Some(_) => None,
                    };
                    let status = match (answer, &taken) {
                        (Some(status), _) => status.try_into().expect("a status"),
                        (None, Some(taken)) => taken.status(),
                        (None, None) => StatusCode::IM_A_TEAPOT,
                    };
                    if let Some(Taken::New(batch)) = taken {
                        let numbers = batch.events.iter().map(number_of).collect();
                        tell.try_send(numbers).expect("room for all of a test");
                    }
                    let mut response = Response::new(Full::new(Bytes::new()));
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }
            });
            connections.spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    (link, told, tasks)
}

async fn next(told: &mut mpsc::Receiver<Vec<u64>>) -> Vec<u64> {
    let next = tokio::time::timeout(PATIENCE, told.recv()).await;
    next.expect("a batch in time").expect("the control plane is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_sent_until_they_arrive_and_counted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    // Not now, then taken without the edge hearing of it, then 409 for the same batch.
    let (link, mut told, _tasks) = control(vec![503, 599]).await;
    let running = Running::start(folder.path(), Outlet::Http(Box::new(link)));
    running.sink.give(beat(1));
    assert_eq!(next(&mut told).await, [1]);
    running.sink.give(beat(2));
    assert_eq!(next(&mut told).await, [2]);
    while running.metrics.sent(Outcome::Arrived) < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.metrics.sent(Outcome::Failed), 2);
    running.stop().await;
    assert!(told.try_recv().is_err(), "nothing was told twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_does_not_hold_up_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let (link, mut told, _tasks) = control(vec![422]).await;
    let running = Running::start(folder.path(), Outlet::Http(Box::new(link)));
    running.sink.give(beat(1));
    while running.metrics.sent(Outcome::Refused) < 1 {
        tokio::task::yield_now().await;
    }
    running.sink.give(beat(2));
    assert_eq!(next(&mut told).await, [2]);
    running.stop().await;
    assert_eq!(std::fs::read_dir(folder.path().join("dead")).expect("a folder").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_before_the_end_is_sent_by_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = Running::start(folder.path(), Outlet::Nowhere);
    for number in 1..=3 {
        running.sink.give(beat(number));
    }
    running.stop().await;
    let (tell, mut told) = mpsc::channel(100);
    let take = move |batch: crate::control::events::event::Batch| {
        tell.try_send(batch.events.iter().map(number_of).collect()).expect("room for all of a test");
        Verdict::Arrived
    };
    let running = Running::start(folder.path(), Outlet::Local(Box::new(take)));
    let mut numbers = Vec::new();
    while numbers.len() < 3 {
        numbers.extend(next(&mut told).await);
    }
    assert_eq!(numbers, [1, 2, 3]);
    running.stop().await;
}

#[tokio::test]
async fn events_without_room_are_counted_and_nobody_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let metrics = EventMetrics::new().expect("good names");
    let (sink, _sender) = Sender::new(queue(folder.path()), Outlet::Nowhere, metrics.clone(), || 1);
    for number in 0..SINK_EVENTS_MAX as u64 {
        sink.give(beat(number));
    }
    assert_eq!(metrics.lost_before_queue(), 0);
    sink.give(beat(0));
    assert_eq!(metrics.lost_before_queue(), 1);
}
