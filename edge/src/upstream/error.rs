//! What can go wrong between us and an upstream. Never shown to viewers: it names machines of the operator.

use std::{fmt, io, time::Duration};

use super::config::UpstreamName;

/// Why there is no response, or no more of its body.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection came about; nobody did any work.
    #[error("{upstream}: no connection: {cause}")]
    Connect {
        /// Where.
        upstream: UpstreamName,
        /// Why.
        cause: ConnectError,
    },
    /// Something did not come in time.
    #[error("{upstream}: no {stage} within {} ms", limit.as_millis())]
    Timeout {
        /// Where.
        upstream: UpstreamName,
        /// What did not come.
        stage: Stage,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The connection ended before the head came.
    #[error("{upstream}: the connection ended before a response: {cause}")]
    Reset {
        /// Where.
        upstream: UpstreamName,
        /// In hyper's words.
        cause: String,
    },
    /// What came is not what HTTP allows.
    #[error("{upstream}: {what}")]
    Protocol {
        /// Where.
        upstream: UpstreamName,
        /// Which rule was broken.
        what: Violation,
    },
    /// The body ended early, and the rest could not be had.
    #[error("{upstream}: the body ended after {received} of {} bytes: {why}", Length(*expected))]
    Broken {
        /// Who sent what came last.
        upstream: UpstreamName,
        /// Bytes delivered, all of them right.
        received: u64,
        /// Bytes that there should have been, where known.
        expected: Option<u64>,
        /// Why it ended.
        why: Break,
    },
    /// Our own limit: as many requests as may wait do so already.
    #[error("{upstream}: {limit} requests wait already")]
    TooManyWaiting {
        /// Where.
        upstream: UpstreamName,
        /// How many may wait.
        limit: usize,
    },
}

/// Who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The upstream, or the network to it.
    Upstream,
    /// A limit of ours.
    OurLimit,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A place among the requests in flight.
    Place,
    /// A connection.
    Connection,
    /// The head of a response.
    Head,
    /// The next piece of a body.
    Body,
}

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("the name has no address")]
    NoAddress,
    /// Resolving the name, or the connection itself.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// TLS: most often a certificate.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// The start of HTTP/2.
    #[error("HTTP: {0}")]
    Handshake(hyper::Error),
}

/// A rule of HTTP, or a limit of ours, that a response broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// What came is no HTTP.
    #[error("the response is no HTTP")]
    Malformed,
    /// More header fields, or longer ones, than we take.
    #[error("the head of the response is too large")]
    HeadTooLarge,
    /// An interim response in place of a final one.
    #[error("an interim status came as a final one")]
    Interim,
    /// A part that nobody asked for.
    #[error("a part came without being asked for")]
    UnaskedPart,
    /// A part that does not say which.
    #[error("a part came whose Content-Range says nothing usable")]
    BadContentRange,
}

/// Why a body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// The connection was reset, or ended.
    #[error("the connection ended")]
    Ended,
    /// Nothing came for too long.
    #[error("nothing more came")]
    Idle,
    /// More came than was announced.
    #[error("more came than was announced")]
    TooLong,
    /// The object is another one by now: start again.
    #[error("the rest is of another edition")]
    Changed,
}

impl UpstreamError {
    /// In one word, for figures and `Cache-Status`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Timeout { stage, .. } => match stage {
                Stage::Place => "place-timeout",
                Stage::Connection => "connect-timeout",
                Stage::Head => "head-timeout",
                Stage::Body => "idle-timeout",
            },
            Self::Reset { .. } => "reset",
            Self::Protocol { .. } => "protocol",
            Self::Broken { .. } => "broken",
            Self::TooManyWaiting { .. } => "too-many-waiting",
        }
    }

    /// Who is to blame.
    pub fn fault(&self) -> Fault {
        match self {
            Self::TooManyWaiting { .. } | Self::Timeout { stage: Stage::Place, .. } => Fault::OurLimit,
            _ => Fault::Upstream,
        }
    }

    /// Which upstream it was.
    pub fn upstream(&self) -> &UpstreamName {
        match self {
            Self::Connect { upstream, .. }
            | Self::Timeout { upstream, .. }
            | Self::Reset { upstream, .. }
            | Self::Protocol { upstream, .. }
            | Self::Broken { upstream, .. }
            | Self::TooManyWaiting { upstream, .. } => upstream,
        }
    }

    /// Whether no request went out, so that asking another doubles nobody's work.
    pub(super) fn cost_nothing(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::TooManyWaiting { .. }
                | Self::Timeout { stage: Stage::Place | Stage::Connection, .. }
        )
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Place => "place among the requests in flight",
            Self::Connection => "connection",
            Self::Head => "head of a response",
            Self::Body => "more of the body",
        })
    }
}

struct Length(Option<u64>);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(len) => write!(f, "{len}"),
            None => f.write_str("unknown many"),
        }
    }
}
