//! What players say of themselves (CTA-5004 and its second version), from the query or from headers.
//!
//! ```text
//!  ?CMCD=bl%3D2100%2Cbr%3D3200%2Cbs%2Cot%3Dv%2Csid%3D%226e2f…%22
//!  CMCD-Object: br=3200,ot=v      CMCD-Request: bl=2100,mtp=25400      CMCD-Status: bs      CMCD-Session: sid="6e2f…"
//! ```
//!
//! Nothing here is believed: it is counted. Every word is one of a few, so that it can label a metric; every number has
//! a maximum; identifiers are for beacons and never for labels. What cannot be read is left out and counted
//! ([`Cmcd::ignored`]), and keys that we do not use are passed over: players send more than any server reads.
//!
//! In version 2 a figure may be a list with a value for each kind of media, as in `bl=(2100;v 800;a)`. Of a rate the
//! greatest counts, of a time left the smallest: that is the one that hurts.

mod figures;
mod members;
#[cfg(test)]
mod tests;
mod words;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

pub(crate) use figures::CmcdMetrics;
use members::{Member, Members};
pub use words::{ObjectType, PlayerState, StreamType, StreamingFormat, Version};

/// Bytes that are looked at, decoded, of all fields together.
pub const MAX_BYTES: usize = 4096;
/// Members that are looked at.
pub const MAX_MEMBERS: usize = 64;
/// Bytes of an identifier of a session or of content.
pub const MAX_ID_BYTES: usize = 128;
/// The greatest rate that is believed, in kilobits a second: a terabit.
pub const MAX_RATE_KBPS: u32 = 1_000_000_000;
/// The greatest time that is believed, in milliseconds: a day.
pub const MAX_TIME_MS: u32 = 24 * 3600 * 1000;

/// The parameter that carries all keys.
const PARAMETER: &str = "CMCD";

/// The headers that carry them otherwise.
const HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("cmcd-object"),
    HeaderName::from_static("cmcd-request"),
    HeaderName::from_static("cmcd-session"),
    HeaderName::from_static("cmcd-status"),
];

/// How the names of those begin.
const HEADERS_START: &str = "cmcd-";

/// What a player says with one request. All of it may be missing, and wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cmcd {
    /// `v`; 1 when it is missing.
    pub version: Version,
    /// `ot`: what is asked for.
    pub object_type: Option<ObjectType>,
    /// `sf`.
    pub streaming_format: Option<StreamingFormat>,
    /// `st`.
    pub stream_type: Option<StreamType>,
    /// `sta`, since version 2: what the player is doing.
    pub player_state: Option<PlayerState>,
    /// `su`: the object is needed urgently, because playing starts, seeks or recovers.
    pub startup: bool,
    /// `bs`: the buffer ran empty since the last request.
    pub buffer_starved: bool,
    /// `br`: encoded bit rate of the object, in kilobits a second.
    pub bitrate_kbps: Option<u32>,
    /// `tb`: the highest bit rate that the player could play.
    pub top_bitrate_kbps: Option<u32>,
    /// `mtp`: throughput that the player has measured.
    pub measured_throughput_kbps: Option<u32>,
    /// `rtp`: throughput that is enough for it.
    pub requested_throughput_kbps: Option<u32>,
    /// `bl`: media in the buffer, in milliseconds.
    pub buffer_length_ms: Option<u32>,
    /// `dl`: time until the object is needed.
    pub deadline_ms: Option<u32>,
    /// `d`: duration of the object.
    pub duration_ms: Option<u32>,
    /// `ltc`, since version 2: how far behind the live edge it plays.
    pub live_latency_ms: Option<u32>,
    /// `msd`, since version 2: how long playing took to start.
    pub start_delay_ms: Option<u32>,
    /// `bsd`, since version 2: how long the buffer was empty.
    pub starvation_ms: Option<u32>,
    /// `sid`: names the playing, by the player's own choice.
    pub session_id: Option<Box<str>>,
    /// `cid`: names the content.
    pub content_id: Option<Box<str>>,
    /// Members that could not be read, or went beyond our limits.
    pub ignored: u32,
}

impl Cmcd {
    /// What a request says, in its raw query or, if nothing is there, in its headers. `None` when it says nothing.
    ///
    /// Cost: nothing but a search in the query and a look at the names of the headers when there is nothing.
    pub fn of(query: Option<&str>, headers: &HeaderMap) -> Option<Self> {
        let encoded = query.and_then(parameter);
        // Four look-ups would hash four names.
        if encoded.is_none() && !headers.keys().any(|name| name.as_str().starts_with(HEADERS_START)) {
            return None;
        }
        let mut cmcd = Self::default();
        let mut budget = MAX_BYTES;
        if let Some(encoded) = encoded {
            let decoded: Cow<'_, [u8]> = percent_encoding::percent_decode_str(encoded).into();
            cmcd.read(&decoded, &mut budget);
            return Some(cmcd);
        }
        let mut is_there = false;
        for field in HEADERS.iter().flat_map(|name| headers.get_all(name)) {
            is_there = true;
            cmcd.read(field.as_bytes(), &mut budget);
        }
        is_there.then_some(cmcd)
    }

    /// Reads one list of members, as far as the budget goes.
    fn read(&mut self, text: &[u8], budget: &mut usize) {
        let read = match text.get(..*budget) {
            // A member that is cut off would be read as another.
            Some(head) if head.len() < text.len() => {
                self.count_ignored();
                let last_end = head.iter().rposition(|byte| *byte == b',').unwrap_or_default();
                head.get(..last_end).unwrap_or_default()
            }
            _ => text,
        };
        *budget = budget.saturating_sub(text.len());
        for (count, member) in Members::of(read).enumerate() {
            if count >= MAX_MEMBERS {
                self.count_ignored();
                return;
            }
            if self.take(&member).is_none() {
                self.count_ignored();
            }
        }
    }

    fn count_ignored(&mut self) {
        self.ignored = self.ignored.saturating_add(1);
    }

    /// Takes over one member; `None` when it cannot be read.
    fn take(&mut self, member: &Member<'_>) -> Option<()> {
        let rate = || member.greatest(MAX_RATE_KBPS);
        match member.key {
            b"v" => self.version = Version::of(member.value?)?,
            b"ot" => self.object_type = Some(ObjectType::of(member.value?)?),
            b"sf" => self.streaming_format = Some(StreamingFormat::of(member.value?)?),
            b"st" => self.stream_type = Some(StreamType::of(member.value?)?),
            b"sta" => self.player_state = Some(PlayerState::of(member.value?)?),
            b"su" => self.startup = member.truth()?,
            b"bs" => self.buffer_starved = member.truth()?,
            b"br" => self.bitrate_kbps = Some(rate()?),
            b"tb" => self.top_bitrate_kbps = Some(rate()?),
            b"mtp" => self.measured_throughput_kbps = Some(rate()?),
            b"rtp" => self.requested_throughput_kbps = Some(rate()?),
            b"bl" => self.buffer_length_ms = Some(member.least(MAX_TIME_MS)?),
            b"dl" => self.deadline_ms = Some(member.least(MAX_TIME_MS)?),
            b"d" => self.duration_ms = Some(member.greatest(MAX_TIME_MS)?),
            b"ltc" => self.live_latency_ms = Some(member.greatest(MAX_TIME_MS)?),
            b"msd" => self.start_delay_ms = Some(member.greatest(MAX_TIME_MS)?),
            b"bsd" => self.starvation_ms = Some(member.greatest(MAX_TIME_MS)?),
            b"sid" => self.session_id = Some(member.text(MAX_ID_BYTES)?),
            b"cid" => self.content_id = Some(member.text(MAX_ID_BYTES)?),
            key => return members::is_key(key).then_some(()),
        }
        Some(())
    }
}

/// The value of the parameter, encoded.
fn parameter(query: &str) -> Option<&str> {
    // Nearly no query has one.
    if !query.contains(PARAMETER) {
        return None;
    }
    query.split('&').find_map(|pair| pair.strip_prefix(PARAMETER)?.strip_prefix('='))
}
