//! A reader of a growing body: a byte range of it, from which it takes what is there and then waits.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{Broken, Growing, Growth, Shared};
use crate::body_source::BodySource;

/// A byte range of a [`Growing`] body, some of which may not be there yet.
#[derive(Debug)]
pub struct GrowingPart {
    growing: Growing,
    at: u64,
    /// Where it ends; at the end of the body, wherever that will be, without.
    end: Option<u64>,
    /// The number under which it waits, once it has.
    follower: Option<Follower>,
}

impl Clone for GrowingPart {
    /// Another reader at the same place.
    fn clone(&self) -> Self {
        Self { growing: self.growing.clone(), at: self.at, end: self.end, follower: None }
    }
}

impl GrowingPart {
    /// All of `growing`.
    pub(super) fn whole(growing: Growing) -> Self {
        Self { at: 0, end: growing.len(), growing, follower: None }
    }

    /// Whether its end is not known.
    pub(crate) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// Length in bytes; where the end is not known, as many as there can be.
    pub(crate) fn len(&self) -> u64 {
        self.end.unwrap_or(u64::MAX).saturating_sub(self.at)
    }

    /// The bytes from `start` to `end`, counted from its start.
    pub(crate) fn cut(&self, start: u64, end: u64) -> Self {
        let at = self.at.saturating_add(start);
        let to_the_end = end == self.len();
        let end = if to_the_end { self.end } else { Some(self.at.saturating_add(end)) };
        Self { growing: self.growing.clone(), at, end, follower: None }
    }

    /// What comes next of it, taken from its front; `None` at its end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodySource, Broken>>> {
        let to = self.end.unwrap_or(u64::MAX);
        if self.at >= to {
            return Poll::Ready(None);
        }
        let shared = Arc::clone(self.growing.shared());
        let mut state = shared.state.lock();
        let next = state.pieces.at(self.at, to);
        self.at = self.at.saturating_add(next.as_ref().map_or(0, BodySource::len));
        if shared.window.is_some() {
            // Also what lies before the first byte that is wanted.
            state.pieces.let_go(self.at);
            if let Some(writer) = state.writer.take() {
                writer.wake();
            }
        }
        if let Some(source) = next {
            return Poll::Ready(Some(Ok(source)));
        }
        match state.growth {
            Growth::Complete => Poll::Ready(None),
            Growth::Broken(why) => Poll::Ready(Some(Err(why))),
            Growth::Arriving => {
                let follower = self.follower.get_or_insert_with(|| Follower::new(&shared));
                state.waiting.insert(follower.number, cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Waits until nothing more will come.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Growth> {
        let shared = Arc::clone(self.growing.shared());
        let mut state = shared.state.lock();
        match state.growth {
            Growth::Arriving => {
                let follower = self.follower.get_or_insert_with(|| Follower::new(&shared));
                state.waiting.insert(follower.number, cx.waker().clone());
                Poll::Pending
            }
            ended => Poll::Ready(ended),
        }
    }
}

/// A number under which a reader waits. Dropped, it waits no more.
#[derive(Debug)]
struct Follower {
    shared: Arc<Shared>,
    number: u64,
}

impl Follower {
    fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), number: shared.follower_number() }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.state.lock().waiting.remove(&self.number);
    }
}
