//! The ways in which orders reach an edge.

pub mod file;
pub mod http;
pub mod lines;
pub mod sse;

use std::time::Duration;

use self::file::{FileError, FileSource, POLL_EVERY};
use self::http::{HttpError, HttpSource};
use super::feed::{SharedFeed, Tail};
use super::order::Order;
use super::snapshot::{FeedId, Snapshot};

/// Orders taken from a feed of this process at a time.
const LOCAL_ORDERS_MAX: usize = 1000;
/// How often a feed of this process that has nothing to say is asked whether it is there.
const LOCAL_ALIVE_EVERY: Duration = Duration::from_secs(10);

/// What a source says.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The state to go on from, whatever there was before.
    Snapshot(Snapshot),
    /// The beginning of a file: all orders after it follow.
    Beginning(Snapshot),
    /// An order.
    Order(Order),
    /// A line that is no order; the source goes on behind it. In words.
    Unreadable(String),
    /// It is there and has nothing to say.
    Alive,
}

/// Where orders come from.
#[derive(Debug)]
pub enum Source {
    /// A file on this machine.
    File(FileSource),
    /// A control plane on another.
    Http(Box<HttpSource>),
    /// A control plane in this process.
    Local(LocalSource),
}

/// A feed of this process.
#[derive(Debug)]
pub struct LocalSource {
    feed: SharedFeed,
    wants_snapshot: bool,
}

/// Why nothing was heard; to be tried again after a wait.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Of a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Of a control plane on another machine.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl Source {
    /// The feed of a control plane in this process.
    #[must_use]
    pub const fn local(feed: SharedFeed) -> Self {
        Self::Local(LocalSource { feed, wants_snapshot: false })
    }

    /// What comes after `position`, as soon as there is something. When it is dropped, nothing is lost. A file is read on
    /// the calling thread, a quarter of a megabyte at a time.
    ///
    /// # Errors
    /// When nothing can be heard now; to be tried again.
    pub async fn next(&mut self, position: Option<(&FeedId, u64)>) -> Result<Vec<Heard>, SourceError> {
        match self {
            Self::File(file) => {
                let heard = file.poll()?;
                if heard.is_empty() {
                    tokio::time::sleep(POLL_EVERY).await;
                    return Ok(vec![Heard::Alive]);
                }
                Ok(heard)
            }
            Self::Http(http) => Ok(http.next(position).await?),
            Self::Local(local) => Ok(local.next(position).await),
        }
    }

    /// Whether it holds all that it will ever say, so that there is nothing to ask for when a number is missing.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// The next thing said is a snapshot, from those that have one to give.
    pub fn want_snapshot(&mut self) {
        match self {
            Self::File(_) => {}
            Self::Http(http) => http.want_snapshot(),
            Self::Local(local) => local.wants_snapshot = true,
        }
    }
}

impl LocalSource {
    async fn next(&mut self, position: Option<(&FeedId, u64)>) -> Vec<Heard> {
        let mut latest = self.feed.latest();
        let after = |feed, seq| self.feed.after(feed, seq, LOCAL_ORDERS_MAX);
        let tail = position.filter(|_| !self.wants_snapshot).map(|(feed, seq)| (seq, after(feed, seq)));
        let Some((seq, Tail::Orders(orders))) = tail else {
            self.wants_snapshot = false;
            return vec![Heard::Snapshot(self.feed.snapshot())];
        };
        if orders.is_empty() {
            let came = latest.wait_for(|latest| *latest > seq);
            // Whether it came or not is seen with the next call.
            drop(tokio::time::timeout(LOCAL_ALIVE_EVERY, came).await);
            return vec![Heard::Alive];
        }
        let read = |line: &str| {
            Order::parse(line.as_bytes())
                .map_or_else(|error| Heard::Unreadable(error.to_string()), Heard::Order)
        };
        orders.iter().map(|order| read(&order.line)).collect()
    }
}
