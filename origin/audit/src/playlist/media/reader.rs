//! One pass over the lines of a media playlist.

use super::{Map, MediaPlaylist, Part, Segment};
use crate::ledger::{Ledger, quote};
use crate::playlist::attributes::{Attributes, ByteRange, Seconds};
use crate::playlist::lexer::Line;
use crate::report::Place;

/// State between two lines: what is in force, and what belongs to the next URI.
pub(super) struct Reader<'a> {
    url: &'a str,
    ledger: &'a mut Ledger,
    list: MediaPlaylist,
    extinf: Option<(u32, Seconds)>,
    range: Option<ByteRange>,
    /// Resource and end of the last range, for ranges without offset.
    last_range: Option<(String, u64)>,
    map: Option<usize>,
    discontinuity: bool,
    gap: bool,
    dated: bool,
    sealed: bool,
    sealed_without_iv: bool,
    parts: Vec<Part>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(url: &'a str, ledger: &'a mut Ledger) -> Self {
        Self {
            url,
            ledger,
            list: MediaPlaylist { version_needed: 1, ..MediaPlaylist::default() },
            extinf: None,
            range: None,
            last_range: None,
            map: None,
            discontinuity: false,
            gap: false,
            dated: false,
            sealed: false,
            sealed_without_iv: false,
            parts: Vec::new(),
        }
    }

    pub(super) fn read(mut self, lines: &[Line<'_>]) -> MediaPlaylist {
        for line in lines {
            match line {
                Line::Tag { number, name, value, attributes } => {
                    if !self.playlist_tag(*number, name, value, attributes) {
                        self.segment_tag(*number, name, value, attributes);
                    }
                }
                Line::Uri { number, text } => self.uri(*number, text),
            }
        }
        if let Some((line, _)) = self.extinf {
            self.error(1, line, "EXTINF is not followed by a URI line");
        }
        self.list.open_parts = std::mem::take(&mut self.parts);
        if self.list.iframes_only && self.list.version_needed == 6 {
            // EXT-X-MAP needs 6 in general, 5 where EXT-X-I-FRAMES-ONLY stands (§8).
            self.list.version_needed = 5;
        }
        if self.list.target.is_none() {
            self.ledger.error(2, self.url, Place::Whole, "has no readable EXT-X-TARGETDURATION");
        }
        self.list
    }

    fn error(&mut self, line: u16, number: u32, message: impl Into<String>) {
        self.ledger.error(line, self.url, Place::Line(number), message);
    }

    fn needs(&mut self, version: u64) {
        self.list.version_needed = self.list.version_needed.max(version);
    }

    /// Tags about the playlist as a whole. Returns whether `name` was one.
    fn playlist_tag(&mut self, number: u32, name: &str, value: &str, attributes: &Attributes) -> bool {
        let list = &mut self.list;
        match name {
            "EXT-X-VERSION" => list.version = value.parse().ok(),
            "EXT-X-TARGETDURATION" => list.target = value.parse().ok(),
            "EXT-X-INDEPENDENT-SEGMENTS" => list.independent_segments = true,
            "EXT-X-ENDLIST" => list.ended = true,
            "EXT-X-PART-INF" => list.part_target = attributes.seconds("PART-TARGET"),
            "EXT-X-SERVER-CONTROL" => list.server_control = Some((number, attributes.clone())),
            "EXT-X-PRELOAD-HINT" => list.hints.push((number, attributes.clone())),
            "EXT-X-RENDITION-REPORT" => list.reports.push((number, attributes.clone())),
            "EXT-X-DATERANGE" => list.dateranges.push((number, attributes.clone())),
            "EXT-X-DEFINE" => self.needs(if attributes.value("QUERYPARAM").is_some() { 11 } else { 8 }),
            "EXT-X-MEDIA-SEQUENCE" | "EXT-X-DISCONTINUITY-SEQUENCE" => self.sequence(number, name, value),
            "EXT-X-PLAYLIST-TYPE" => {
                list.playlist_type = Some(value.to_owned());
                if !["VOD", "EVENT"].contains(&value) {
                    let message = format!("EXT-X-PLAYLIST-TYPE is `{}`, not VOD or EVENT", quote(value));
                    self.error(18, number, message);
                }
            }
            "EXT-X-I-FRAMES-ONLY" => {
                list.iframes_only = true;
                self.needs(4);
            }
            "EXT-X-SKIP" => {
                list.skip = attributes.int("SKIPPED-SEGMENTS").map(|count| (number, count));
                self.needs(if attributes.value("RECENTLY-REMOVED-DATERANGES").is_some() { 10 } else { 9 });
            }
            _ => return false,
        }
        true
    }

    fn sequence(&mut self, number: u32, name: &str, value: &str) {
        let first_segment_seen = !self.list.segments.is_empty() || !self.parts.is_empty();
        if name == "EXT-X-MEDIA-SEQUENCE" {
            self.list.media_sequence = value.parse().unwrap_or(0);
            if first_segment_seen {
                self.error(7, number, "EXT-X-MEDIA-SEQUENCE stands after the first segment");
            }
        } else {
            self.list.discontinuity_sequence = value.parse().ok();
            if first_segment_seen || self.discontinuity {
                self.error(8, number, "EXT-X-DISCONTINUITY-SEQUENCE stands after a segment or discontinuity");
            }
        }
    }

    /// Tags about the segments that follow.
    fn segment_tag(&mut self, number: u32, name: &str, value: &str, attributes: &Attributes) {
        if self.extinf.is_some() && ["EXTINF", "EXT-X-PART", "EXT-X-PROGRAM-DATE-TIME"].contains(&name) {
            let (line, what) = match name {
                "EXTINF" => (1, "a second EXTINF without a URI line between"),
                "EXT-X-PART" => (52, "EXT-X-PART stands after the EXTINF of its parent segment"),
                _ => (20, "EXT-X-PROGRAM-DATE-TIME stands after EXTINF"),
            };
            self.error(line, number, what);
        }
        match name {
            "EXTINF" => self.extinf(number, value),
            "EXT-X-BYTERANGE" => {
                self.needs(4);
                self.range = ByteRange::parse(value);
                if self.range.is_none() {
                    self.error(22, number, format!("EXT-X-BYTERANGE is `{}`, not n@o", quote(value)));
                }
            }
            "EXT-X-DISCONTINUITY" => self.discontinuity = true,
            "EXT-X-GAP" => self.gap = true,
            "EXT-X-PROGRAM-DATE-TIME" => {
                if !self.parts.is_empty() && self.extinf.is_none() {
                    self.error(
                        20,
                        number,
                        "EXT-X-PROGRAM-DATE-TIME stands after the segment's first EXT-X-PART",
                    );
                }
                self.dated = true;
                self.list.dates.push((number, value.to_owned()));
            }
            "EXT-X-KEY" => self.key(attributes),
            "EXT-X-MAP" => self.map(number, attributes),
            "EXT-X-PART" => self.part(number, attributes),
            _ => {}
        }
    }

    fn extinf(&mut self, number: u32, value: &str) {
        let Some((duration, _title)) = value.split_once(',') else {
            self.error(1, number, "EXTINF has no comma after the duration");
            self.extinf = Seconds::parse(value).map(|seconds| (number, seconds));
            return;
        };
        match Seconds::parse(duration) {
            Some(seconds) => {
                if seconds.decimals > 0 {
                    self.needs(3);
                }
                self.extinf = Some((number, seconds));
            }
            None => {
                self.error(
                    5,
                    number,
                    format!("EXTINF duration is `{}`, not a decimal number", quote(duration)),
                );
                self.extinf = Some((number, Seconds::guess(duration)));
            }
        }
    }

    fn key(&mut self, attributes: &Attributes) {
        let method = attributes.text("METHOD").unwrap_or("NONE");
        self.sealed = method == "AES-128";
        self.sealed_without_iv = self.sealed && attributes.value("IV").is_none();
        self.list.encrypted |= method != "NONE";
        if attributes.value("IV").is_some() {
            self.needs(2);
        }
        if attributes.value("KEYFORMAT").is_some() || attributes.value("KEYFORMATVERSIONS").is_some() {
            self.needs(5);
        }
        if self.sealed {
            self.ledger.checked(12);
        }
    }

    fn map(&mut self, number: u32, attributes: &Attributes) {
        self.needs(6);
        if self.sealed_without_iv {
            self.error(12, number, "EXT-X-MAP is under AES-128 without IV");
        }
        let Some(uri) = attributes.text("URI") else { return };
        let range = attributes.text("BYTERANGE").and_then(ByteRange::parse);
        if attributes.value("BYTERANGE").is_some() && range.is_none_or(|range| range.offset.is_none()) {
            self.error(22, number, "BYTERANGE of EXT-X-MAP is not n@o");
        }
        self.list.maps.push(Map { line: number, uri: uri.to_owned(), range });
        self.map = self.list.maps.len().checked_sub(1);
    }

    fn part(&mut self, number: u32, attributes: &Attributes) {
        let (Some(uri), Some(duration)) = (attributes.text("URI"), attributes.seconds("DURATION")) else {
            return;
        };
        let range = attributes.text("BYTERANGE").and_then(ByteRange::parse);
        let range = range.map(|range| self.with_offset(uri, range));
        self.parts.push(Part {
            line: number,
            uri: uri.to_owned(),
            duration,
            range,
            independent: attributes.is_yes("INDEPENDENT"),
            gap: attributes.is_yes("GAP"),
        });
    }

    fn uri(&mut self, number: u32, text: &str) {
        let Some((line, duration)) = self.extinf.take() else {
            self.error(1, number, "URI line without EXTINF before it");
            return;
        };
        let range = self.range.take();
        if let Some(range) = range
            && range.offset.is_none()
        {
            self.error(22, number, "EXT-X-BYTERANGE without an explicit offset");
        }
        let range = range.map(|range| self.with_offset(text, range));
        self.list.segments.push(Segment {
            line,
            duration,
            uri: text.to_owned(),
            range,
            map: self.map,
            discontinuity: std::mem::take(&mut self.discontinuity),
            gap: std::mem::take(&mut self.gap),
            dated: std::mem::take(&mut self.dated),
            sealed: self.sealed,
            parts: std::mem::take(&mut self.parts),
        });
    }

    /// Fills in the offset that the previous range of the same resource implies (§4.4.4.2).
    fn with_offset(&mut self, uri: &str, range: ByteRange) -> ByteRange {
        let follows = self.last_range.as_ref().filter(|(last, _)| last == uri).map_or(0, |(_, end)| *end);
        let offset = range.offset.unwrap_or(follows);
        self.last_range = Some((uri.to_owned(), offset.saturating_add(range.length)));
        ByteRange { length: range.length, offset: Some(offset) }
    }
}
