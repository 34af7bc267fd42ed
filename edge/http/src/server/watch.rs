//! Who looks after one connection: drives it to its end, drops it when it idles or stalls, and ends it for a drain.

use std::{future::poll_fn, pin::Pin, rc::Rc, task::Poll, time::Instant};

use futures_util::FutureExt as _;

use super::drain::DrainWatch;
use crate::{
    activity::{Activity, Verdict},
    limits::Limits,
    socket::SocketView,
};

/// Looks after one connection while it speaks HTTP.
pub(super) struct Watch<'a> {
    pub(super) activity: Rc<Activity>,
    pub(super) socket: SocketView,
    pub(super) limits: &'a Limits,
    pub(super) monotonic: fn() -> Instant,
    pub(super) drain: DrainWatch,
}

impl Watch<'_> {
    /// Drives `connection` to its end; says why when it was ours. It comes in a box: passed as it is, it would be kept
    /// room for in every future that it passes through.
    pub(super) async fn drive(mut self, mut connection: Pin<Box<impl Drainable>>) -> Option<&'static str> {
        let mut is_draining = false;
        let mut why = None;
        // Reads what is there before any drain: hyper would close a connection unread.
        if let Some(result) = connection.as_mut().now_or_never() {
            return reason_of(result);
        }
        loop {
            let now = (self.monotonic)();
            let look_again = match self.activity.verdict(self.limits, now, || self.socket.unacknowledged()) {
                Verdict::LookAgain(at) => at,
                Verdict::Drop(reason) => return Some(reason),
                Verdict::Idle => {
                    connection.as_mut().begin_drain();
                    self.activity.closing(now);
                    (is_draining, why) = (true, Some("idle"));
                    now
                }
            };
            tokio::select! {
                // The drain first: a response that becomes ready together with it must say that it is the last.
                biased;
                _ = self.drain.begun(), if !is_draining => {
                    connection.as_mut().begin_drain();
                    self.activity.closing((self.monotonic)());
                    (is_draining, why) = (true, Some("draining"));
                }
                result = connection.as_mut() => return why.or_else(|| reason_of(result)),
                () = gone(&self.activity, &self.socket) => return why,
                () = tokio::time::sleep_until(look_again.into()) => {}
            }
        }
    }
}

/// Ready when the client has gone away while it was being answered. hyper finds out by reading, for which every connection
/// that waits for an answer would hold a buffer of 8 KiB.
async fn gone(activity: &Activity, socket: &SocketView) {
    poll_fn(|cx| if activity.is_answering_unread() { socket.poll_gone(cx) } else { Poll::Pending }).await;
}

/// A connection that can be asked to end after what is under way.
pub(super) trait Drainable: Future<Output = Result<(), hyper::Error>> {
    fn begin_drain(self: Pin<&mut Self>);
}

/// Why a connection ended by itself, where that is worth counting.
fn reason_of(result: Result<(), hyper::Error>) -> Option<&'static str> {
    let error = result.err()?;
    tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
    error.is_parse().then_some("bad_http")
}
