//! Requests on their way to the disk thread: bounded, viewers before the rest.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    DiskLimits,
    request::{Priority, ReadError, Request},
};

/// What waits for the disk thread.
#[derive(Debug)]
pub(super) struct Queue {
    limits: DiskLimits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    viewers: VecDeque<Request>,
    background: VecDeque<Request>,
    is_closed: bool,
}

/// How many requests of each priority are with the disk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InFlight {
    pub(super) viewers: usize,
    pub(super) background: usize,
}

/// What the disk thread does next.
#[derive(Debug)]
pub(super) enum Next {
    /// This.
    Begin(Box<Request>, Priority),
    /// Nothing now.
    Wait,
    /// Nothing any more.
    End,
}

impl Queue {
    pub(super) fn new(limits: DiskLimits) -> Self {
        Self { limits, state: Mutex::default(), changed: Notify::new() }
    }

    /// Appends `request`, or refuses it.
    pub(super) fn push(&self, request: Request, priority: Priority) -> Result<(), ReadError> {
        {
            let mut state = self.state.lock();
            if state.is_closed {
                return Err(ReadError::Stopped);
            }
            let queue = match priority {
                Priority::Viewer => &mut state.viewers,
                Priority::Background => &mut state.background,
            };
            if queue.len() >= self.limits.queue {
                // Those who gave up leave their places.
                queue.retain(|request| !request.answer.is_closed());
            }
            if queue.len() >= self.limits.queue {
                return Err(ReadError::Busy { waiting: queue.len() });
            }
            queue.push_back(request);
        }
        self.changed.notify_one();
        Ok(())
    }

    /// What may begin now; a request that nobody waits for any more is passed over.
    pub(super) fn next(&self, in_flight: InFlight) -> Next {
        // Those passed over hold buffers; they go home after the lock is free.
        let mut forgotten = Vec::new();
        let mut state = self.state.lock();
        while in_flight.viewers < self.limits.depth.get()
            && let Some(request) = state.viewers.pop_front()
        {
            if !request.answer.is_closed() {
                return Next::Begin(Box::new(request), Priority::Viewer);
            }
            forgotten.push(request);
        }
        while state.viewers.is_empty()
            && in_flight.background < self.limits.background_depth.get()
            && let Some(request) = state.background.pop_front()
        {
            if !request.answer.is_closed() {
                return Next::Begin(Box::new(request), Priority::Background);
            }
            forgotten.push(request);
        }
        let is_over = state.is_closed && state.viewers.is_empty() && state.background.is_empty();
        if is_over { Next::End } else { Next::Wait }
    }

    /// Waits until [`Self::next`] may have another answer.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Requests that wait.
    pub(super) fn len(&self) -> usize {
        let state = self.state.lock();
        state.viewers.len().saturating_add(state.background.len())
    }

    /// Takes no more; who waits is told that it is over.
    pub(super) fn close(&self) {
        let dropped = {
            let mut state = self.state.lock();
            state.is_closed = true;
            (std::mem::take(&mut state.viewers), std::mem::take(&mut state.background))
        };
        // Answers are dropped, buffers go home; not under the lock.
        drop(dropped);
        self.changed.notify_one();
    }
}

/// Closes the queue when it is dropped: by the last reader, or by a disk thread that ends for whatever reason.
#[derive(Debug)]
pub(super) struct QueueGuard(pub(super) Arc<Queue>);

impl Drop for QueueGuard {
    fn drop(&mut self) {
        self.0.close();
    }
}
