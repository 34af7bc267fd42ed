//! The state of a feed at a number: what an edge needs that has not seen the orders before.
//!
//! ```text
//! {"v":1,"feed":"9f0c…","seq":41,"keys":[{"kid":…,"environment":…?,"state":…,"jwk":{…}}],"revocations":[{"what":…,"id":…,"until_us":…}],"limits":[…]}
//! ```
//!
//! Purges are no state. An edge that skips orders by loading a snapshot doubts all it keeps instead.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::order::{KeyRecord, Limits, Name, Revocation};
use crate::control::version;

/// The version of feeds (snapshots, tails and log files) this program speaks. The first: there is none before it.
pub const FEED_VERSION: u64 = 1;
/// Bytes of a snapshot.
pub const SNAPSHOT_BYTES_MAX: usize = 96 << 20;

/// Which history of orders this is: random, made with the history. Numbers of one feed say nothing of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeedId(Name);

impl FeedId {
    /// The id made of 128 random bits.
    #[must_use]
    pub fn of_random(bits: u128) -> Self {
        Self(Name::new(&format!("{bits:032x}")).expect("32 digits are a name"))
    }

    /// Takes what a feed calls itself, if it can be an id: letters, digits, `-`, `_`, `.`, so that it fits a URL.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        Name::new(text).filter(|_| plain).map(Self)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The state of a feed after the order `seq`.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Of which feed.
    pub feed: FeedId,
    /// The last order that is in it; 0 before the first.
    pub seq: u64,
    /// All keys.
    pub keys: Vec<KeyRecord>,
    /// What is revoked.
    pub revocations: Vec<Revocation>,
    /// The limits of each environment.
    pub limits: Vec<Limits>,
    /// Entries that this version does not understand and left out; 0 in what it writes.
    pub ignored: u64,
}

/// A snapshot that cannot be used. The control plane's fault, or that of whoever wrote the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Too large.
    #[error("a snapshot of {bytes} bytes; {SNAPSHOT_BYTES_MAX} is the limit")]
    TooLarge {
        /// Its length, or more than may be.
        bytes: usize,
    },
    /// Not JSON, or without a field that every version has.
    #[error("a snapshot that cannot be read: {0}")]
    Malformed(String),
    /// Of a version that this program must not guess at.
    #[error(
        "a feed of version {0}, and this program reads up to {FEED_VERSION}: update it, or the control plane writes too new a feed"
    )]
    Newer(u64),
}

#[derive(Deserialize)]
struct Read {
    feed: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    keys: Vec<Value>,
    #[serde(default)]
    revocations: Vec<Value>,
    #[serde(default)]
    limits: Vec<Value>,
}

#[derive(Serialize)]
struct Write<'a> {
    v: u64,
    feed: &'a FeedId,
    seq: u64,
    keys: &'a [KeyRecord],
    revocations: &'a [Revocation],
    limits: &'a [Limits],
}

impl Snapshot {
    /// The state of a feed that has given no order yet.
    #[must_use]
    pub const fn empty(feed: FeedId) -> Self {
        Self { feed, seq: 0, keys: Vec::new(), revocations: Vec::new(), limits: Vec::new(), ignored: 0 }
    }

    /// Reads one. Entries of a kind to come are left out and counted.
    ///
    /// # Errors
    /// When it is too large, no snapshot, or of a newer version.
    pub fn parse(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge { bytes: bytes.len() });
        }
        // Only place and kind: the message of a wrong value would quote it, and it may be a key.
        let malformed = |error: serde_json::Error| {
            SnapshotError::Malformed(format!("{:?} at column {}", error.classify(), error.column()))
        };
        // Of a newer version only the number is believed, so that is looked at first.
        let v = version::of(bytes).map_err(malformed)?;
        if v > FEED_VERSION {
            return Err(SnapshotError::Newer(v));
        }
        if v == 0 {
            return Err(SnapshotError::Malformed("no version has the number 0".to_owned()));
        }
        let read: Read = serde_json::from_slice(bytes).map_err(malformed)?;
        let feed = FeedId::parse(&read.feed)
            .ok_or_else(|| SnapshotError::Malformed("`feed` is no id".to_owned()))?;
        let mut ignored = 0;
        Ok(Self {
            feed,
            seq: read.seq,
            keys: understood(read.keys, &mut ignored),
            revocations: understood(read.revocations, &mut ignored),
            limits: understood(read.limits, &mut ignored),
            ignored,
        })
    }

    /// Writes it as one line without a line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let Self { feed, seq, keys, revocations, limits, ignored: _ } = self;
        let write = Write { v: FEED_VERSION, feed, seq: *seq, keys, revocations, limits };
        serde_json::to_string(&write).expect("maps with text as keys can be written")
    }
}

fn understood<T: serde::de::DeserializeOwned>(entries: Vec<Value>, ignored: &mut u64) -> Vec<T> {
    let mut read = Vec::with_capacity(entries.len());
    for entry in entries {
        match serde_json::from_value(entry) {
            Ok(entry) => read.push(entry),
            Err(_) => *ignored = ignored.saturating_add(1),
        }
    }
    read
}
