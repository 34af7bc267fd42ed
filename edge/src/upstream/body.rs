//! The body of a response.

use bytes::Bytes;

use super::{
    error::{Break, UpstreamError},
    exchange::Stream,
};

/// A body as it comes from an upstream. Dropped before its end, it ends the transfer.
pub struct ResponseBody {
    stream: Stream,
    received: u64,
    expected: Option<u64>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Over,
}

impl ResponseBody {
    pub(super) fn new(stream: Stream, expected: Option<u64>) -> Self {
        Self { stream, received: 0, expected, state: State::Running }
    }

    /// Bytes of the whole body, when the upstream said so. No more are ever delivered, and fewer only with an error.
    pub fn expected_len(&self) -> Option<u64> {
        self.expected
    }

    /// Bytes delivered so far.
    pub fn received_len(&self) -> u64 {
        self.received
    }

    /// The next piece, never empty; `None` after the last one. After an error nothing more comes. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// When the body ended early.
    pub async fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        while self.state == State::Running {
            match self.stream.next().await {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => match self.count(&piece) {
                    Ok(()) => return Some(Ok(piece)),
                    Err(why) => return Some(Err(self.broken(why))),
                },
                Some(Err(why)) => return Some(Err(self.broken(why))),
                None if self.expected.is_none_or(|expected| expected == self.received) => {
                    self.state = State::Over;
                }
                None => return Some(Err(self.broken(Break::Ended))),
            }
        }
        None
    }

    fn count(&mut self, piece: &Bytes) -> Result<(), Break> {
        let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let received = self.received.saturating_add(len);
        if self.expected.is_some_and(|expected| received > expected) {
            return Err(Break::TooLong);
        }
        self.received = received;
        Ok(())
    }

    fn broken(&mut self, why: Break) -> UpstreamError {
        self.state = State::Over;
        UpstreamError::Broken {
            upstream: self.stream.pool().name.clone(),
            received: self.received,
            expected: self.expected,
            why,
        }
    }
}
