//! Each media playlist on its own: lines 2, 8, 11, 16, 18 to 22, 33 and 35.

use std::collections::BTreeMap;

use crate::ledger::{Ledger, quote};
use crate::location;
use crate::playlist::{MediaPlaylist, RenditionKind};
use crate::presentation::{Presentation, Role, Stream, seconds};
use crate::report::Place;

/// Shortest query value that is taken for a token when it turns up in a child URI.
const TOKEN_CHARS_MIN: usize = 8;

pub(super) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    child_uris(presentation, ledger);
    for (stream, list) in presentation.playlists() {
        durations(stream, list, ledger);
        discontinuities(stream, list, ledger);
        kind(stream, list, ledger);
        dates(stream, list, ledger);
        dateranges(stream, list, ledger);
        subtitles(presentation, stream, list, ledger);
    }
}

fn durations(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    let Some(target) = list.target else { return };
    ledger.checked(2);
    for segment in &list.segments {
        let rounded = segment.duration.ns.saturating_add(500_000_000) / 1_000_000_000;
        if rounded > target {
            let message =
                format!("EXTINF {} is over TARGETDURATION {target}", seconds(segment.duration.ns.into()));
            ledger.error(2, &stream.url, Place::Line(segment.line), message);
        }
    }
}

fn discontinuities(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    let Some(segment) = list.segments.iter().find(|segment| segment.discontinuity) else { return };
    ledger.checked(8);
    if list.discontinuity_sequence.is_none() {
        let message = "EXT-X-DISCONTINUITY without EXT-X-DISCONTINUITY-SEQUENCE";
        ledger.error(8, &stream.url, Place::Line(segment.line), message);
    }
}

fn kind(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    ledger.checked(18);
    ledger.checked(19);
    let url = &stream.url;
    if list.playlist_type.as_deref() == Some("VOD") && !list.ended {
        ledger.error(19, url, Place::Whole, "PLAYLIST-TYPE is VOD, but there is no EXT-X-ENDLIST");
    }
    if list.segments.is_empty() && list.ended {
        ledger.error(1, url, Place::Whole, "has ended and lists no segment");
    }
    if list.encrypted || !list.maps.is_empty() {
        ledger.checked(11);
    }
}

/// EXT-X-PROGRAM-DATE-TIME: on every live playlist, with milliseconds and zone.
fn dates(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    let live = !list.ended && list.playlist_type.is_none();
    if live || !list.dates.is_empty() {
        ledger.checked(20);
    }
    if live && list.dates.is_empty() {
        let message = "live playlist without EXT-X-PROGRAM-DATE-TIME";
        ledger.error(20, &stream.url, Place::Whole, message);
    }
    for (line, date) in &list.dates {
        if !is_exact_date(date) {
            let message = format!("`{}` lacks milliseconds or a zone", quote(date));
            ledger.error(20, &stream.url, Place::Line(*line), message);
        }
    }
    if !list.dates.is_empty() {
        for segment in list.segments.iter().filter(|segment| segment.discontinuity && !segment.dated) {
            let message = "discontinuity without EXT-X-PROGRAM-DATE-TIME in a dated playlist";
            ledger.error(20, &stream.url, Place::Line(segment.line), message);
        }
    }
}

/// `YYYY-MM-DDThh:mm:ss.sss` and `Z` or `±hh:mm`.
fn is_exact_date(date: &str) -> bool {
    let Some((front, rest)) = date.split_at_checked(19) else { return false };
    let shape = front.bytes().zip("dddd-dd-ddTdd:dd:dd".bytes()).all(|(b, shape)| match shape {
        b'd' => b.is_ascii_digit(),
        exact => b == exact,
    });
    let Some(fraction) = rest.strip_prefix('.') else { return false };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let zone = fraction.get(digits..).unwrap_or_default();
    let offset = zone.strip_prefix(['+', '-']).unwrap_or_default();
    let zoned = zone == "Z" || (offset.len() >= 4 && offset.bytes().all(|b| b.is_ascii_digit() || b == b':'));
    shape && digits >= 3 && zoned
}

fn dateranges(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (line, attributes) in &list.dateranges {
        ledger.checked(21);
        let (Some(id), Some(start)) = (attributes.text("ID"), attributes.text("START-DATE")) else {
            continue;
        };
        if *known.entry(id).or_insert(start) != start {
            let message = format!("EXT-X-DATERANGE ID `{}` is used for two ranges", quote(id));
            ledger.error(21, &stream.url, Place::Line(*line), message);
        }
    }
}

fn subtitles(presentation: &Presentation, stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    if stream.role != Role::Rendition(RenditionKind::Subtitles) {
        return;
    }
    ledger.checked(33);
    let url = &stream.url;
    let longest = presentation
        .playlists()
        .filter(|(other, _)| other.role == Role::Variant)
        .map(|(_, list)| list.duration_ns())
        .max()
        .unwrap_or(0);
    let short = longest.saturating_sub(list.duration_ns());
    if list.ended && short > list.target_ns().max(1_000_000_000) {
        let message = format!("subtitles end {} before the video", seconds(short.into()));
        ledger.error(33, url, Place::Whole, message);
    }
    if let Some(text) = &stream.first_text {
        let text = text.trim_start_matches('\u{feff}');
        if !text.starts_with("WEBVTT") {
            ledger.error(33, url, Place::Whole, "first segment does not begin with WEBVTT");
        } else if !text.contains("X-TIMESTAMP-MAP=") {
            ledger.error(33, url, Place::Whole, "first segment has no X-TIMESTAMP-MAP");
        }
    }
}

/// URIs of children are relative and hold nothing of the entry URL's query.
fn child_uris(presentation: &Presentation, ledger: &mut Ledger) {
    ledger.checked(35);
    let query = presentation.entry_url.split_once('?').map_or("", |(_, query)| query);
    let secrets: Vec<&str> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(_, value)| value)
        .filter(|value| value.len() >= TOKEN_CHARS_MIN)
        .collect();
    let mut judge = |document: &str, line: u32, uri: &str| {
        if location::scheme(uri).is_some() || uri.starts_with('/') {
            let message = format!("URI `{}` is not relative", quote(uri));
            ledger.error(35, document, Place::Line(line), message);
        } else if secrets.iter().any(|secret| uri.contains(secret)) {
            ledger.error(
                35,
                document,
                Place::Line(line),
                "a query value of the entry URL is copied into a child URI",
            );
        }
    };
    if let Some((url, list)) = &presentation.multivariant {
        list.variants.iter().chain(&list.iframes).for_each(|variant| judge(url, variant.line, &variant.uri));
        for rendition in &list.renditions {
            rendition.uri.iter().for_each(|uri| judge(url, rendition.line, uri));
        }
    }
    for (stream, list) in presentation.playlists() {
        list.maps.iter().for_each(|map| judge(&stream.url, map.line, &map.uri));
        for segment in &list.segments {
            judge(&stream.url, segment.line, &segment.uri);
            segment.parts.iter().for_each(|part| judge(&stream.url, part.line, &part.uri));
        }
        list.open_parts.iter().for_each(|part| judge(&stream.url, part.line, &part.uri));
    }
}

#[cfg(test)]
mod tests {
    use super::is_exact_date;

    #[test]
    fn dates_have_milliseconds_and_a_zone() {
        for good in
            ["2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05.678+02:00", "2024-01-02T03:04:05.6789-0200"]
        {
            assert!(is_exact_date(good), "{good}");
        }
        for bad in [
            "",
            "2024-01-02T03:04:05Z",
            "2024-01-02T03:04:05.67Z",
            "2024-01-02T03:04:05.678",
            "é".repeat(12).as_str(),
        ] {
            assert!(!is_exact_date(bad), "{bad}");
        }
    }
}
