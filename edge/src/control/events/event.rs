//! What happened, and a batch of it as it is sent.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::control::{
    orders::order::{Name, UnixMicros},
    version,
};

/// The version of batches this program writes. The first: there is none before it to read.
pub const BATCH_VERSION: u64 = 1;
/// Bytes of one event as JSON.
pub const EVENT_BYTES_MAX: usize = 16 << 10;
/// Bytes of a batch as it is sent.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// What a session did in a while.
    SessionBeat(SessionBeat),
    /// A channel is live.
    ChannelStarted(ChannelChange),
    /// A channel is live no more.
    ChannelEnded(ChannelChange),
    /// A kind to come, or one whose fields cannot be read: counted, and nothing else.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// What a session did at this edge in a while.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionBeat {
    /// The session; none for the sum of all that there was no room to keep apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Name>,
    /// Its environment, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Name>,
    /// What it watched: the path prefix of the asset; none where there were too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<Name>,
    /// The while begins.
    pub from_us: UnixMicros,
    /// The while ends.
    pub to_us: UnixMicros,
    /// What was added up.
    #[serde(flatten)]
    pub sums: Sums,
}

/// What is added up of exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sums {
    /// Requests answered.
    pub requests: u64,
    /// Those of them that needed no origin.
    pub hits: u64,
    /// Those of them answered with a status of 400 or more.
    pub failures: u64,
    /// Bytes of bodies sent.
    pub bytes: u64,
    /// Requests that the player said belong to a start (CMCD `su`).
    pub startups: u64,
    /// Requests after a stall, as the player said (CMCD `bs`).
    pub stalls: u64,
}

impl Sums {
    /// Adds `other`.
    pub const fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.hits = self.hits.saturating_add(other.hits);
        self.failures = self.failures.saturating_add(other.failures);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.startups = self.startups.saturating_add(other.startups);
        self.stalls = self.stalls.saturating_add(other.stalls);
    }
}

/// A channel began or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelChange {
    /// The channel.
    pub channel: Name,
    /// Its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Name>,
    /// The publish session: one that ended earlier is not the one that began later.
    pub session: Name,
    /// When.
    pub at_us: UnixMicros,
}

impl Event {
    /// Reads one out of a batch; what is not understood is [`Self::Unknown`].
    #[must_use]
    pub fn of_value(value: Value) -> Self {
        serde_json::from_value(value).unwrap_or(Self::Unknown)
    }

    /// Writes it; nothing for one that is unknown, or longer than [`EVENT_BYTES_MAX`].
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        serde_json::to_string(self).ok().filter(|json| json.len() <= EVENT_BYTES_MAX)
    }
}

/// The name of a batch: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u128);

impl BatchId {
    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| digits).map(Self)
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for BatchId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BatchId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("an id has 32 hexadecimal digits"))
    }
}

/// Events of one node, sent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its name, the same however often it is sent.
    pub id: BatchId,
    /// Who tells.
    pub node: Name,
    /// When it was begun.
    pub made_at: UnixMicros,
    /// What happened, in the order in which it was told.
    pub events: Vec<Event>,
}

/// A batch that is refused. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Too large.
    #[error("a batch of {bytes} bytes; {BATCH_BYTES_MAX} is the limit")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// No batch.
    #[error("a batch that cannot be read: {0}")]
    Malformed(String),
    /// Of a version that must not be guessed at.
    #[error("a batch of version {0}, and this program reads {BATCH_VERSION}: update the control plane first")]
    Newer(u64),
}

#[derive(Deserialize)]
struct Read {
    id: BatchId,
    node: Name,
    made_at_us: UnixMicros,
    events: Vec<Value>,
}

impl Batch {
    /// Reads a batch as it is sent.
    ///
    /// # Errors
    /// When it is too large, no batch, or of a newer version.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() > BATCH_BYTES_MAX {
            return Err(BatchError::TooLarge { bytes: bytes.len() });
        }
        let malformed = |error: serde_json::Error| BatchError::Malformed(error.to_string());
        match version::of(bytes).map_err(malformed)? {
            0 => return Err(BatchError::Malformed("no version has the number 0".to_owned())),
            BATCH_VERSION => {}
            newer => return Err(BatchError::Newer(newer)),
        }
        let read: Read = serde_json::from_slice(bytes).map_err(malformed)?;
        let events = read.events.into_iter().map(Event::of_value).collect();
        Ok(Self { id: read.id, node: read.node, made_at: read.made_at_us, events })
    }
}
