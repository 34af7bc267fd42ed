//! A live stream that nobody encodes: low-latency HLS (draft-pantos-hls-rfc8216bis) by the clock, as an origin that
//! answers blocking requests when the part is there, and as the truth about every playlist.
//!
//! ```text
//!  part      0 … 59 │ 60       61         62     …    INITIAL parts are there when it begins
//!  arrives   before │ + part  + 2 parts  + 3 parts    part k is number k mod 10 of segment FIRST_MSN + k div 10
//! ```

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::measure;
use crate::objects::{self, Objects};
use crate::scripted::{Script, Scripted};
use crate::truth::Piece;

/// Where the playlist is.
pub(crate) const PLAYLIST: &str = "/live/stream.m3u8";
/// Parts of a segment.
const PARTS: u64 = 10;
/// Parts that are there when the stream begins: six segments.
const INITIAL: u64 = 6 * PARTS;
/// Media sequence number of the first segment.
const FIRST_MSN: u64 = 1000;
/// Complete segments that a playlist lists, and those of them whose parts it lists.
const LISTED: u64 = 6;
const LISTED_WITH_PARTS: u64 = 3;
/// Parts ahead of the last one that are waited for: fifteen make three seconds.
const AHEAD_MAX: u64 = 15;
/// A playlist without directives is old when the next part comes; one that was waited for never changes.
const PLAYLIST_FIELDS: &str = "Content-Type: application/vnd.apple.mpegurl\r\nCache-Control: max-age=1\r\n";
const PART_FIELDS: &str = "Content-Type: video/mp4\r\nCache-Control: max-age=60\r\n";

/// The stream.
#[derive(Debug)]
pub(crate) struct LiveStream {
    began: Instant,
    /// Time that a part covers, and from one part to the next.
    part: Duration,
    objects: Objects,
    /// Requests for playlists that had to wait, by the part they waited for.
    waits: Mutex<HashMap<u64, u64>>,
}

impl LiveStream {
    /// A stream with parts of length `part` that begins now.
    pub(crate) fn begin(part: Duration) -> Self {
        Self { began: measure::now(), part, objects: Objects::make(), waits: Mutex::default() }
    }

    /// When part `index` arrives at the origin.
    pub(crate) fn arrival(&self, index: u64) -> Instant {
        let after = index.saturating_add(1).saturating_sub(INITIAL);
        self.began + self.part * u32::try_from(after).unwrap_or(u32::MAX)
    }

    /// The last part that is there at `now`.
    pub(crate) fn newest(&self, now: Instant) -> u64 {
        let parts = now.saturating_duration_since(self.began).as_millis() / self.part.as_millis().max(1);
        (INITIAL - 1).saturating_add(u64::try_from(parts).unwrap_or(u64::MAX))
    }

    /// The path of a request that is answered when part `index` is listed.
    pub(crate) fn blocking(index: u64) -> String {
        format!("{PLAYLIST}?_HLS_msn={}&_HLS_part={}", FIRST_MSN + index / PARTS, index % PARTS)
    }

    /// The path of part `index`.
    pub(crate) fn part_path(index: u64) -> String {
        format!("/live/{index}.m4s")
    }

    /// What part `index` must be.
    pub(crate) fn part(&self, index: u64) -> Piece {
        Piece::of(&Self::part_path(index), &self.part_body(index))
    }

    /// Length of every part.
    pub(crate) fn part_bytes(&self) -> u64 {
        self.part_body(0).len() as u64
    }

    /// The playlist in which part `newest` is the last.
    pub(crate) fn playlist(&self, newest: u64) -> String {
        let open = newest.saturating_add(1) / PARTS;
        let first = open.saturating_sub(LISTED);
        let (part_s, segment_s) = (self.part.as_secs_f64(), self.part.as_secs_f64() * PARTS as f64);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{segment_s:.0}\n#EXT-X-PART-INF:PART-TARGET={part_s:.3}\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.3}\n#EXT-X-MEDIA-SEQUENCE:{}\n\
             #EXT-X-MAP:URI=\"init.mp4\"\n",
            3.0 * part_s,
            FIRST_MSN + first
        );
        for segment in first..=open {
            if segment + LISTED_WITH_PARTS >= open {
                for index in (segment * PARTS..(segment + 1) * PARTS).take_while(|index| *index <= newest) {
                    let independent = if index % PARTS == 0 { ",INDEPENDENT=YES" } else { "" };
                    writeln!(text, "#EXT-X-PART:DURATION={part_s:.3},URI=\"{index}.m4s\"{independent}")
                        .expect("writing to a string");
                }
            }
            if segment < open {
                writeln!(text, "#EXTINF:{segment_s:.3},\ns{segment}.m4s").expect("writing to a string");
            }
        }
        text + &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}.m4s\"\n", newest + 1)
    }

    /// The last part that the playlist `text` lists: the one before the part it announces.
    pub(crate) fn last_listed(text: &[u8]) -> Option<u64> {
        let line = text.strip_suffix(b".m4s\"\n")?;
        let digits = line.rsplit(|byte| *byte == b'"').next()?;
        std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?.checked_sub(1)
    }

    /// How many requests waited at the origin, a playlist, for parts `from` to `to`; each call forgets all before.
    pub(crate) fn take_waits(&self, from: u64, to: u64) -> f64 {
        let waits = std::mem::take(&mut *self.waits.lock().unwrap_or_else(PoisonError::into_inner));
        let held: u64 = (from..=to).filter_map(|index| waits.get(&index)).sum();
        held as f64 / (to.saturating_sub(from) + 1) as f64
    }

    fn part_body(&self, index: u64) -> Bytes {
        self.objects.body(objects::PART, usize::try_from(index % 1024).unwrap_or(0))
    }

    /// Counts a request for a playlist that came at `now`, if it has to wait.
    fn count(&self, asked: Option<u64>, now: Instant) {
        if let Some(index) = asked.filter(|index| *index > self.newest(now)) {
            *self.waits.lock().unwrap_or_else(PoisonError::into_inner).entry(index).or_default() += 1;
        }
    }

    /// Waits until part `index` is there; nothing if that is too far ahead.
    fn wait_for(&self, index: u64) -> Option<()> {
        let now = measure::now();
        if index > self.newest(now).saturating_add(AHEAD_MAX) {
            return None;
        }
        thread::sleep(self.arrival(index).saturating_duration_since(now));
        Some(())
    }

    fn answer_playlist(&self, query: &str) -> Option<Scripted> {
        let asked = asked_part(query);
        self.count(asked, measure::now());
        if let Some(index) = asked {
            self.wait_for(index)?;
        }
        // Not older than what was waited for, even where a sleep ended early.
        let newest = self.newest(measure::now()).max(asked.unwrap_or(0));
        Some(Scripted { fields: PLAYLIST_FIELDS.to_owned(), body: self.playlist(newest).into() })
    }
}

/// The part that a query asks for.
fn asked_part(query: &str) -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let segment = number("_HLS_msn")?.checked_sub(FIRST_MSN)?;
    // Without a part, the whole segment: its last part.
    segment.checked_mul(PARTS)?.checked_add(number("_HLS_part").unwrap_or(PARTS - 1))
}

impl Script for LiveStream {
    fn answer(&self, target: &str) -> Option<Scripted> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path == PLAYLIST {
            return self.answer_playlist(query);
        }
        let index = path.strip_prefix("/live/")?.strip_suffix(".m4s")?.parse().ok()?;
        self.wait_for(index)?;
        Some(Scripted { fields: PART_FIELDS.to_owned(), body: self.part_body(index) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> LiveStream {
        LiveStream::begin(Duration::from_millis(200))
    }

    #[test]
    fn a_playlist_says_which_part_is_its_last() {
        let stream = stream();
        for newest in [59, 60, 68, 69, 70, 12345] {
            let text = stream.playlist(newest);
            assert_eq!(LiveStream::last_listed(text.as_bytes()), Some(newest));
            let part = format!("#EXT-X-PART:DURATION=0.200,URI=\"{newest}.m4s\"");
            assert_eq!(text.matches(&part).count(), 1, "{text}");
        }
        assert_eq!(LiveStream::last_listed(b"#EXTM3U\n"), None);
        assert_eq!(LiveStream::last_listed(b""), None);
    }

    #[test]
    fn a_segment_is_listed_as_whole_with_its_last_part() {
        let (open, whole) = (stream().playlist(68), stream().playlist(69));
        assert!(!open.contains("s6.m4s") && whole.contains("s6.m4s"));
        assert!(
            open.contains("#EXT-X-MEDIA-SEQUENCE:1000\n") && whole.contains("#EXT-X-MEDIA-SEQUENCE:1001\n")
        );
        assert_eq!(whole.matches("#EXTINF").count(), 6);
    }

    #[test]
    fn a_request_for_a_part_finds_its_place() {
        let query = |index| LiveStream::blocking(index).split_once('?').map(|(_, query)| asked_part(query));
        assert_eq!(query(60), Some(Some(60)));
        assert_eq!(query(69), Some(Some(69)));
        assert_eq!(asked_part("_HLS_msn=1006"), Some(69), "the whole segment");
        assert_eq!(asked_part("_HLS_part=1"), None);
        assert_eq!(asked_part("_HLS_msn=1&_HLS_part=1"), None);
    }

    #[test]
    fn what_is_there_is_answered_at_once_and_what_comes_is_waited_for() {
        let stream = stream();
        let newest = stream.newest(stream.began);
        assert_eq!((newest, stream.arrival(newest)), (INITIAL - 1, stream.began));
        assert_eq!(stream.newest(stream.arrival(INITIAL)), INITIAL);
        let text = |target: &str| stream.answer(target).unwrap().body;
        assert!(LiveStream::last_listed(&text(PLAYLIST)).unwrap() >= newest);
        let next = stream.newest(measure::now()) + 1;
        assert!(LiveStream::last_listed(&text(&LiveStream::blocking(next))).unwrap() >= next);
        assert!(measure::now() >= stream.arrival(next));
        assert!(stream.answer(&LiveStream::blocking(next + 1000)).is_none());
        let part = stream.answer(&LiveStream::part_path(0)).unwrap();
        assert_eq!(Piece::of(&LiveStream::part_path(0), &part.body), stream.part(0));
    }

    #[test]
    fn only_requests_that_come_before_their_part_are_waits() {
        let stream = stream();
        let at = stream.arrival(70);
        for asked in [None, Some(69), Some(70), Some(71), Some(72), Some(71)] {
            stream.count(asked, at);
        }
        assert_eq!(stream.take_waits(71, 72), 1.5);
        assert_eq!(stream.take_waits(71, 72), 0.0, "taken");
    }
}
