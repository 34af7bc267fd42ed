//! A batch on disk: lines, each with its checksum, so that a torn end is known from a whole one.
//!
//! ```text
//! 0123456789abcdef {"v":1,"id":"…","node":"edge-1","made_at_us":…}      the head, once
//! 76543210fedcba98 {"event":"session_beat",…}                           an event a line
//! └ XXH3-64 of what follows the blank, hexadecimal
//! ```
//!
//! What comes after the first line that is not whole was never synced, and is not there.

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::event::{BATCH_VERSION, BatchId};
use crate::control::{
    orders::order::{Name, UnixMicros},
    version,
};

/// Digits of a checksum.
const HASH_DIGITS: usize = 16;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    v: u64,
    /// The name of the batch.
    pub id: BatchId,
    /// Who tells.
    pub node: Name,
    /// When the segment was begun.
    pub made_at_us: UnixMicros,
}

/// A segment as far as it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its first line.
    pub head: Head,
    /// The events, as JSON.
    pub events: Vec<&'a str>,
    /// Bytes from the front that are whole.
    pub len: usize,
}

/// A file that is no segment. Set aside, never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// It ends before its head does, or its head is damaged.
    #[error("its first line is damaged")]
    Head,
    /// Written by a later program.
    #[error("it is of version {0}, and this program reads {BATCH_VERSION}")]
    Version(u64),
}

impl Head {
    /// The head of a segment that begins now.
    #[must_use]
    pub const fn new(id: BatchId, node: Name, made_at_us: UnixMicros) -> Self {
        Self { v: BATCH_VERSION, id, node, made_at_us }
    }

    /// Its line.
    #[must_use]
    pub fn to_line(&self) -> String {
        line(&serde_json::to_string(self).expect("names and numbers can be written"))
    }
}

/// `json` as a line of a segment.
#[must_use]
pub fn line(json: &str) -> String {
    format!("{:016x} {json}\n", XxHash3_64::oneshot(json.as_bytes()))
}

impl<'a> Segment<'a> {
    /// Reads what is whole of `bytes`.
    ///
    /// # Errors
    /// When not even the head is, or it is of another version.
    pub fn read(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        let (head, mut len) = whole_line(bytes, 0).ok_or(SegmentError::Head)?;
        let v = version::of(head.as_bytes()).map_err(|_| SegmentError::Head)?;
        if v != BATCH_VERSION {
            return Err(SegmentError::Version(v));
        }
        let head: Head = serde_json::from_str(head).map_err(|_| SegmentError::Head)?;
        let mut events = Vec::new();
        while let Some((event, end)) = whole_line(bytes, len) {
            events.push(event);
            len = end;
        }
        Ok(Self { head, events, len })
    }

    /// The batch as it is sent. The events are the bytes that were written, whatever their kind.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let head = serde_json::to_string(&self.head).expect("names and numbers can be written");
        let open = head.strip_suffix('}').unwrap_or(&head);
        format!("{open},\"events\":[{}]}}", self.events.join(",")).into_bytes()
    }
}

/// The line at `start` without checksum and end, and where it ends; none where it is not whole.
fn whole_line(bytes: &[u8], start: usize) -> Option<(&str, usize)> {
    let rest = bytes.get(start..)?;
    let len = rest.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(rest.get(..len)?).ok()?;
    let (hash, json) = line.split_at_checked(HASH_DIGITS)?;
    let json = json.strip_prefix(' ')?;
    let matches = u64::from_str_radix(hash, 16) == Ok(XxHash3_64::oneshot(json.as_bytes()));
    matches.then(|| (json, start.saturating_add(len).saturating_add(1)))
}
