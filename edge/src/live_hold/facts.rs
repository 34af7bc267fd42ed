//! What the hold needs to know of a media playlist, and not a line more.

use std::time::Duration;

/// Bytes of a playlist that is read: some 40,000 segments.
pub const MAX_PLAYLIST_BYTES: usize = 4 << 20;
/// Bytes of the URI of a preload hint.
pub const MAX_HINT_BYTES: usize = 2048;

/// What a live media playlist says about its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `EXT-X-TARGETDURATION`.
    pub target_duration: Duration,
    /// `PART-TARGET` of `EXT-X-PART-INF`; without one there are no parts.
    pub part_target: Option<Duration>,
    /// Media sequence number of the segment that is not complete: one more than the last that is.
    pub next_msn: u64,
    /// Parts listed of the last complete segment; 0 when they are listed no longer.
    pub last_parts: u64,
    /// Parts listed of the segment that is not complete.
    pub open_parts: u64,
    /// `CAN-BLOCK-RELOAD=YES`.
    pub can_block: bool,
    /// `CAN-SKIP-UNTIL`.
    pub can_skip_until: Option<Duration>,
    /// `EXT-X-ENDLIST`.
    pub has_ended: bool,
    /// URI of the part that is announced with `EXT-X-PRELOAD-HINT`, as it is written, unless it is a range of a
    /// resource that may exist already.
    pub hint: Option<Box<str>>,
}

/// Why bytes are no media playlist that can be held. The origin's fault, or nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMedia {
    /// They do not begin with `#EXTM3U`.
    #[error("not a playlist")]
    NotAPlaylist,
    /// It lists other playlists.
    #[error("a multivariant playlist")]
    Multivariant,
    /// It has no valid target duration, which every media playlist has.
    #[error("a playlist without a target duration")]
    NoTargetDuration,
    /// A number or an URI in it cannot be.
    #[error("a playlist with an impossible {0}")]
    Malformed(&'static str),
    /// Longer than our limit.
    #[error("a playlist of more than {MAX_PLAYLIST_BYTES} bytes")]
    TooLong,
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    target_duration: Option<Duration>,
    part_target: Option<Duration>,
    media_sequence: u64,
    skipped: u64,
    complete: u64,
    last_parts: u64,
    open_parts: u64,
    has_extinf: bool,
    can_block: bool,
    can_skip_until: Option<Duration>,
    has_ended: bool,
    hint: Option<Box<str>>,
}

impl Facts {
    /// Reads a whole media playlist, or a delta of one.
    ///
    /// Cost: one look at each byte; no allocation but the hint's.
    ///
    /// # Errors
    /// [`NotMedia`].
    pub fn read(text: &[u8]) -> Result<Self, NotMedia> {
        if text.len() > MAX_PLAYLIST_BYTES {
            return Err(NotMedia::TooLong);
        }
        let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        if lines.next() != Some(b"#EXTM3U") {
            return Err(NotMedia::NotAPlaylist);
        }
        let mut reading = Reading::default();
        for line in lines {
            reading.take(line)?;
        }
        let counted = reading.skipped.checked_add(reading.complete);
        let next_msn = counted.and_then(|count| reading.media_sequence.checked_add(count));
        Ok(Self {
            target_duration: reading.target_duration.ok_or(NotMedia::NoTargetDuration)?,
            part_target: reading.part_target,
            next_msn: next_msn.ok_or(NotMedia::Malformed("media sequence number"))?,
            last_parts: reading.last_parts,
            open_parts: reading.open_parts,
            can_block: reading.can_block,
            can_skip_until: reading.can_skip_until,
            has_ended: reading.has_ended,
            hint: reading.hint.filter(|_| !reading.has_ended),
        })
    }
}

impl Reading {
    fn take(&mut self, line: &[u8]) -> Result<(), NotMedia> {
        let Some(tag) = line.strip_prefix(b"#") else {
            if !line.is_empty() && std::mem::take(&mut self.has_extinf) {
                self.complete = self.complete.saturating_add(1);
                self.last_parts = std::mem::take(&mut self.open_parts);
            }
            return Ok(());
        };
        let mut halves = tag.splitn(2, |byte| *byte == b':');
        let name = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default();
        match name {
            b"EXTINF" => self.has_extinf = true,
            b"EXT-X-PART" => self.open_parts = self.open_parts.saturating_add(1),
            b"EXT-X-TARGETDURATION" => {
                let seconds = number(value).filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
                self.target_duration = Some(Duration::from_secs(seconds.ok_or(NotMedia::NoTargetDuration)?));
            }
            b"EXT-X-MEDIA-SEQUENCE" => {
                self.media_sequence = number(value).ok_or(NotMedia::Malformed("media sequence number"))?;
            }
            b"EXT-X-SKIP" => {
                let count = attribute(value, b"SKIPPED-SEGMENTS").and_then(number);
                self.skipped = count.ok_or(NotMedia::Malformed("number of skipped segments"))?;
            }
            b"EXT-X-PART-INF" => {
                let target = attribute(value, b"PART-TARGET").and_then(seconds);
                let target = target.filter(|target| !target.is_zero());
                self.part_target = Some(target.ok_or(NotMedia::Malformed("part target"))?);
            }
            b"EXT-X-SERVER-CONTROL" => {
                self.can_block = attribute(value, b"CAN-BLOCK-RELOAD") == Some(b"YES");
                self.can_skip_until = attribute(value, b"CAN-SKIP-UNTIL").and_then(seconds);
            }
            b"EXT-X-PRELOAD-HINT" => self.take_hint(value)?,
            b"EXT-X-ENDLIST" => self.has_ended = true,
            b"EXT-X-STREAM-INF" | b"EXT-X-I-FRAME-STREAM-INF" | b"EXT-X-MEDIA" => {
                return Err(NotMedia::Multivariant);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_hint(&mut self, value: &[u8]) -> Result<(), NotMedia> {
        if attribute(value, b"TYPE") != Some(b"PART") || attribute(value, b"BYTERANGE-START").is_some() {
            return Ok(());
        }
        let uri = attribute(value, b"URI").filter(|uri| (1..=MAX_HINT_BYTES).contains(&uri.len()));
        let uri = uri.and_then(|uri| std::str::from_utf8(uri).ok());
        self.hint = Some(uri.ok_or(NotMedia::Malformed("preload hint"))?.into());
        Ok(())
    }
}

/// The largest number of seconds that any duration here can be; beyond it there is no live stream.
const MAX_SECONDS: u64 = 1_000_000_000;

fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal)
}

/// A decimal number of seconds, as far as nanoseconds.
fn seconds(text: &[u8]) -> Option<Duration> {
    let mut halves = text.splitn(2, |byte| *byte == b'.');
    let whole = number(halves.next()?).filter(|whole| *whole <= MAX_SECONDS)?;
    let mut nanos: u32 = 0;
    let mut place: u32 = 100_000_000;
    for digit in halves.next().unwrap_or_default() {
        let digit = char::from(*digit).to_digit(10)?;
        nanos = nanos.saturating_add(digit.saturating_mul(place));
        place /= 10;
    }
    Some(Duration::new(whole, nanos))
}

/// The value of the attribute `name` in an attribute list (RFC 8216 §4.2), without quotes.
fn attribute<'a>(mut list: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    while !list.is_empty() {
        let name_end = list.iter().position(|byte| *byte == b'=')?;
        let (found, rest) = list.split_at_checked(name_end)?;
        let rest = rest.get(1..)?;
        let (value, after) = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = quoted.iter().position(|byte| *byte == b'"')?;
                (quoted.get(..end)?, quoted.get(end.checked_add(1)?..)?)
            }
            None => {
                rest.split_at_checked(rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len()))?
            }
        };
        if found.trim_ascii() == name {
            return Some(value.trim_ascii());
        }
        list = match after.iter().position(|byte| *byte == b',') {
            Some(comma) => after.get(comma.checked_add(1)?..)?,
            None => return None,
        };
    }
    None
}
