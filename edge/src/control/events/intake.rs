//! The side of the control plane: batches are taken in once, however often they come.

use std::collections::{HashSet, VecDeque};

use http::StatusCode;

use super::event::{Batch, BatchError, BatchId};

/// Names of batches that are remembered by default: a day of a hundred edges that send one every minute and a half.
pub const SEEN_MAX: usize = 100_000;

/// Names of batches that came before; the oldest are forgotten.
#[derive(Debug)]
pub struct Seen {
    ids: HashSet<BatchId>,
    order: VecDeque<BatchId>,
    max: usize,
}

impl Seen {
    /// None, with room for `max`.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), max }
    }

    /// Whether `id` came before.
    #[must_use]
    pub fn knows(&self, id: BatchId) -> bool {
        self.ids.contains(&id)
    }

    /// Remembers `id`, and says whether it is new.
    pub fn insert(&mut self, id: BatchId) -> bool {
        let new = self.ids.insert(id);
        if new {
            self.order.push_back(id);
            if self.order.len() > self.max
                && let Some(oldest) = self.order.pop_front()
            {
                self.ids.remove(&oldest);
            }
        }
        new
    }
}

/// What becomes of a batch that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is new: to be counted, then answered with [`Self::status`].
    New(Batch),
    /// It was counted before.
    Again,
    /// It is refused.
    Refused(BatchError),
}

impl Taken {
    /// What the sender is told.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::New(_) => StatusCode::ACCEPTED,
            Self::Again => StatusCode::CONFLICT,
            Self::Refused(BatchError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(BatchError::Malformed(_)) => StatusCode::BAD_REQUEST,
            Self::Refused(BatchError::Newer(_)) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

impl Seen {
    /// Takes the body of a request in.
    pub fn take(&mut self, body: &[u8]) -> Taken {
        match Batch::parse(body) {
            Ok(batch) if self.insert(batch.id) => Taken::New(batch),
            Ok(_) => Taken::Again,
            Err(error) => Taken::Refused(error),
        }
    }
}
