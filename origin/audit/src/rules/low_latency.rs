//! Low-latency tags on one look at a live playlist: lines 48 to 54, 56, 64, 67 and 69.

mod parts;

use crate::ledger::Ledger;
use crate::location;
use crate::playlist::MediaPlaylist;
use crate::presentation::{Presentation, Role, Stream};
use crate::report::Place;

pub(super) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    controls_agree(presentation, ledger);
    for (stream, list) in presentation.playlists() {
        control(stream, list, ledger);
        delta(stream, list, ledger);
        if list.is_low_latency() {
            parts::check(stream, list, ledger);
            hints(stream, list, ledger);
            reports(presentation, stream, list, ledger);
        }
    }
}

/// EXT-X-SERVER-CONTROL is the same in all media playlists.
fn controls_agree(presentation: &Presentation, ledger: &mut Ledger) {
    let lists = || presentation.playlists().filter(|(stream, _)| stream.role != Role::IFrame);
    let Some((first, list)) = lists().next() else { return };
    let attributes =
        |list: &MediaPlaylist| list.server_control.as_ref().map(|(_, attributes)| attributes.clone());
    for (stream, other) in lists().skip(1) {
        if attributes(other) != attributes(list) {
            let message = format!("EXT-X-SERVER-CONTROL differs from {}", first.url);
            ledger.error(56, &stream.url, Place::Whole, message);
        }
    }
}

/// Distances in EXT-X-SERVER-CONTROL against target durations.
fn control(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    let hold_back = list.server_control.as_ref().and_then(|(_, control)| control.seconds("PART-HOLD-BACK"));
    if let Some(part) = list.part_target {
        ledger.checked(48);
        let wanted = part.ns.saturating_mul(3);
        match hold_back {
            None => ledger.error(48, &stream.url, Place::Whole, "EXT-X-PART-INF without PART-HOLD-BACK"),
            Some(back) if back.ns < wanted => {
                let message = "PART-HOLD-BACK is less than three PART-TARGETs";
                ledger.error(48, &stream.url, Place::Whole, message);
            }
            Some(_) => {}
        }
    }
    let Some((line, control)) = &list.server_control else { return };
    ledger.checked(56);
    for (name, times) in [("CAN-SKIP-UNTIL", 6), ("HOLD-BACK", 3)] {
        let short =
            control.seconds(name).is_some_and(|value| value.ns < list.target_ns().saturating_mul(times));
        if short {
            let message = format!("{name} is less than {times} target durations");
            ledger.error(56, &stream.url, Place::Line(*line), message);
        }
    }
}

/// The answer to `_HLS_skip=YES`, against the full playlist fetched before it.
fn delta(stream: &Stream, full: &MediaPlaylist, ledger: &mut Ledger) {
    let Some(delta) = &stream.delta else { return };
    ledger.checked(64);
    let url = &stream.url;
    let skippable = full
        .server_control
        .as_ref()
        .and_then(|(_, control)| control.seconds("CAN-SKIP-UNTIL"))
        .is_some_and(|until| full.duration_ns() > until.ns.saturating_add(full.target_ns()));
    let Some((line, skipped)) = delta.skip else {
        if skippable && !delta.ended {
            ledger.error(64, url, Place::Whole, "_HLS_skip=YES is answered without EXT-X-SKIP");
        }
        return;
    };
    let place = || Place::Line(line);
    let last = |list: &MediaPlaylist, skipped: u64| {
        list.media_sequence.saturating_add(skipped).saturating_add(list.segments.len() as u64)
    };
    let (before, now) = (last(full, 0), last(delta, skipped));
    let moved = delta.media_sequence.checked_sub(full.media_sequence);
    if moved.is_none() || now < before {
        ledger.error(64, url, place(), "the delta ends before the full playlist fetched earlier");
        return;
    }
    let first = moved.and_then(|moved| usize::try_from(moved.saturating_add(skipped)).ok());
    let same = first.and_then(|at| full.segments.get(at)).zip(delta.segments.first());
    if same.is_some_and(|(full, delta)| full.uri != delta.uri) {
        let message = format!("SKIPPED-SEGMENTS={skipped} does not lead to the segment that follows");
        ledger.error(64, url, place(), message);
    }
    if !full.maps.is_empty() && delta.maps.is_empty() {
        ledger.error(64, url, place(), "the delta does not restate EXT-X-MAP");
    }
}

/// One hint for the next part while live, none after the end.
fn hints(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    ledger.checked(67);
    let parts: Vec<_> = list.hints.iter().filter(|(_, hint)| hint.text("TYPE") == Some("PART")).collect();
    let wanted = usize::from(!list.ended);
    if parts.len() != wanted {
        let message = format!("{} EXT-X-PRELOAD-HINT of TYPE=PART, {wanted} wanted", parts.len());
        ledger.error(67, &stream.url, Place::Whole, message);
        return;
    }
    let listed = |uri: &str| list.open_parts.iter().any(|part| part.uri == uri && part.range.is_none());
    for (line, hint) in parts {
        if hint.text("URI").is_some_and(listed) {
            ledger.error(67, &stream.url, Place::Line(*line), "the hinted part is already listed");
        }
    }
}

/// A report for every other rendition, no older than this playlist.
fn reports(presentation: &Presentation, stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    if list.ended {
        return;
    }
    let reported: Vec<String> = list
        .reports
        .iter()
        .filter_map(|(_, report)| location::resolve(&stream.base, report.text("URI")?))
        .collect();
    for (other, _) in presentation.playlists() {
        if other.url == stream.url || other.role == Role::IFrame {
            continue;
        }
        ledger.checked(69);
        if !reported.contains(&other.url) && !reported.contains(&other.base) {
            let message = format!("no EXT-X-RENDITION-REPORT for {}", other.url);
            ledger.error(69, &stream.url, Place::Whole, message);
        }
    }
    let next = list.media_sequence.saturating_add(list.segments.len() as u64);
    // LAST-MSN may be the open segment; one segment behind is a source that delivers unevenly.
    let oldest = next.saturating_sub(2);
    for (line, report) in &list.reports {
        match report.int("LAST-MSN") {
            Some(msn) if msn < oldest => {
                let message =
                    format!("LAST-MSN={msn} is older than this playlist's {}", next.saturating_sub(1));
                ledger.error(69, &stream.url, Place::Line(*line), message);
            }
            Some(_) => {}
            None => ledger.error(69, &stream.url, Place::Line(*line), "has no LAST-MSN"),
        }
    }
}
