//! The task that writes events down and sends batches.
//!
//! ```text
//!  Sink ─▶ channel ─▶ queue on disk ─┬─ synced every SYNC_EVERY
//!   full: counted                    └─ oldest batch ─▶ outlet ─┬─ 2xx, 409: deleted
//!                                                               ├─ 400, 413, 415, 422, …: set aside
//!                                                               └─ 401 403 404 408 425 429, 5xx, no answer: again, later
//! ```

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use tokio::sync::mpsc;

use super::event::{Batch, Event};
use super::metrics::{EventMetrics, Outcome};
use super::queue::{Due, Lost, Queue, QueueError};
use crate::control::backoff::Backoff;
use crate::control::link::ControlLink;
use crate::control::orders::order::UnixMicros;

/// How often what was written is synced, and the oldest batch looked for: what a crash of the machine loses at most.
pub const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Events on their way to the queue.
pub const SINK_EVENTS_MAX: usize = 16_384;
/// Events written in one go.
const WRITE_EVENTS_MAX: usize = 1024;

/// Where events are given. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub struct Sink {
    events: mpsc::Sender<Event>,
    metrics: EventMetrics,
}

impl Sink {
    /// Gives one event. Where there is no room, it is lost and counted: a viewer does not wait for it.
    pub fn give(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.metrics.lose_before_queue();
        }
    }
}

/// Where batches go.
pub enum Outlet {
    /// Nowhere: they stay in the queue, until that is full.
    Nowhere,
    /// `POST` to the base of a link.
    Http(Box<ControlLink>),
    /// A control plane in this process.
    Local(Box<dyn FnMut(Batch) -> Verdict + Send>),
}

impl fmt::Debug for Outlet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => out.write_str("Nowhere"),
            Self::Http(link) => out.debug_tuple("Http").field(link).finish(),
            Self::Local(_) => out.write_str("Local"),
        }
    }
}

/// What the control plane says to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has it.
    Arrived,
    /// It will never take it; why.
    Refused(String),
    /// It does not take it now; why.
    Later(String),
}

impl Verdict {
    /// What a status means.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::CONFLICT => Self::Arrived,
            status if status.is_success() => Self::Arrived,
            // A secret that is wrong is put right, and then these are wanted.
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS => Self::Later(status.to_string()),
            status if status.is_client_error() => Self::Refused(status.to_string()),
            status => Self::Later(status.to_string()),
        }
    }
}

/// Writes events down and sends them.
#[derive(Debug)]
pub struct Sender<R> {
    /// None only while another thread has it.
    queue: Option<Queue>,
    events: mpsc::Receiver<Event>,
    /// None only while a batch is being sent.
    outlet: Option<Outlet>,
    random: R,
    metrics: EventMetrics,
    backoff: Backoff,
    reported: Lost,
    complaint: Option<String>,
}

impl<R: FnMut() -> u64 + Send> Sender<R> {
    /// A sender, and where to give it events; `random` gives any numbers.
    pub fn new(queue: Queue, outlet: Outlet, metrics: EventMetrics, random: R) -> (Sink, Self) {
        let (send, events) = mpsc::channel(SINK_EVENTS_MAX);
        let sink = Sink { events: send, metrics: metrics.clone() };
        let backoff = Backoff::default();
        metrics.measure(&queue, Lost::default());
        let reported = queue.lost();
        let (queue, outlet) = (Some(queue), Some(outlet));
        (sink, Self { queue, events, outlet, random, metrics, backoff, reported, complaint: None })
    }

    /// Works until `stop`; then writes down what was given, syncs it, and ends without sending more.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut ticks = tokio::time::interval(SYNC_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut events, mut are_given) = (Vec::new(), true);
        let (mut sending, mut wait): (Option<Sending>, _) = (None, Duration::ZERO);
        loop {
            if sending.is_none() {
                sending = self.send_next(wait).await;
            }
            tokio::select! {
                () = &mut stop => break,
                (outlet, due, verdict) = ended(&mut sending) => {
                    sending = None;
                    self.outlet = Some(outlet);
                    wait = self.sent(&due, verdict).await;
                }
                taken = self.events.recv_many(&mut events, WRITE_EVENTS_MAX), if are_given => {
                    are_given = taken > 0;
                    self.write(std::mem::take(&mut events)).await;
                }
                _ = ticks.tick() => self.tick().await,
            }
        }
        self.finish().await;
    }

    /// Begins to send the oldest batch after `wait`, if there is one.
    async fn send_next(&mut self, wait: Duration) -> Option<Sending> {
        let waiting = self.queue.as_ref().is_some_and(|queue| queue.batches() > 0);
        if !waiting || matches!(self.outlet, Some(Outlet::Nowhere)) {
            return None;
        }
        let due = self.on_disk(Queue::due).await.flatten()?;
        let mut outlet = self.outlet.take()?;
        Some(Box::pin(async move {
            tokio::time::sleep(wait).await;
            let verdict = outlet.send(&due).await;
            (outlet, due, verdict)
        }))
    }

    async fn write(&mut self, events: Vec<Event>) {
        let (count, now) = (events.len() as u64, wall());
        if self.on_disk(move |queue| queue.append(&events, now)).await.is_some() {
            self.metrics.taken.inc_by(count);
        }
    }

    async fn tick(&mut self) {
        let now = wall();
        self.on_disk(move |queue| {
            queue.close_if_old(now)?;
            queue.sync()
        })
        .await;
    }

    /// Says how long to wait before the next batch.
    async fn sent(&mut self, due: &Due, verdict: Verdict) -> Duration {
        let number = due.number;
        match verdict {
            Verdict::Arrived => {
                self.metrics.count_sent(Outcome::Arrived);
                self.backoff.reset();
                self.complaint = None;
                self.on_disk(move |queue| queue.delivered(number)).await;
                Duration::ZERO
            }
            Verdict::Refused(why) => {
                self.metrics.count_sent(Outcome::Refused);
                self.backoff.reset();
                tracing::warn!(id = %due.id, why, "a batch of events is refused and set aside");
                self.on_disk(move |queue| queue.set_aside(number)).await;
                Duration::ZERO
            }
            Verdict::Later(why) => {
                self.metrics.count_sent(Outcome::Failed);
                if self.complaint.as_ref() != Some(&why) {
                    tracing::warn!(why, "events do not arrive; they are kept");
                    self.complaint = Some(why);
                }
                self.backoff.after_failure((self.random)())
            }
        }
    }

    async fn finish(&mut self) {
        self.events.close();
        let mut events = Vec::new();
        while let Some(event) = self.events.recv().await {
            events.push(event);
        }
        self.write(events).await;
        self.on_disk(Queue::close).await;
    }

    /// Does `work` where it may block, and tells of what goes wrong.
    async fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Queue) -> Result<T, QueueError> + Send + 'static,
    ) -> Option<T> {
        let mut queue = self.queue.take()?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut queue);
            (queue, done)
        });
        let (queue, done) = match done.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends.
                Err(_) => return None,
            },
        };
        self.metrics.measure(&queue, self.reported);
        self.reported = queue.lost();
        self.queue = Some(queue);
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                let words = error.to_string();
                if self.complaint.as_ref() != Some(&words) {
                    tracing::warn!(error = words, "the queue of events");
                    self.complaint = Some(words);
                }
                None
            }
        }
    }
}

/// A batch on its way; gives back what it took.
type Sending = Pin<Box<dyn Future<Output = (Outlet, Due, Verdict)> + Send>>;

/// Comes when a batch that is on its way has ended.
async fn ended(sending: &mut Option<Sending>) -> (Outlet, Due, Verdict) {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

impl Outlet {
    async fn send(&mut self, due: &Due) -> Verdict {
        match self {
            Self::Nowhere => std::future::pending().await,
            Self::Local(take) => match Batch::parse(&due.body) {
                Ok(batch) => take(batch),
                Err(error) => Verdict::Refused(error.to_string()),
            },
            Self::Http(link) => {
                let mut headers = HeaderMap::new();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let id = HeaderValue::from_str(&due.id.to_string()).expect("hexadecimal digits");
                headers.insert("idempotency-key", id);
                let body = Bytes::copy_from_slice(&due.body);
                match link.send(Method::POST, "", headers, body, Duration::ZERO).await {
                    Ok(answer) => Verdict::of_status(answer.status()),
                    Err(error) => Verdict::Later(error.to_string()),
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver reads the clock for the queue")]
fn wall() -> UnixMicros {
    SystemTime::now().into()
}
