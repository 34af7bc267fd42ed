//! EXT-X-PART: lines 49 to 51, 53 and 54.

use crate::boxes::init::Kind;
use crate::ledger::Ledger;
use crate::playlist::{MediaPlaylist, Part};
use crate::presentation::{PartRead, Stream, seconds};
use crate::report::Place;

pub(super) fn check(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    let Some(target) = list.part_target else { return };
    [49, 50].into_iter().for_each(|line| ledger.checked(line));
    for segment in &list.segments {
        lengths(stream, &segment.parts, target.ns, true, ledger);
        sums(stream, segment.line, segment.duration.ns, &segment.parts, ledger);
    }
    lengths(stream, &list.open_parts, target.ns, false, ledger);
    listing(stream, list, ledger);
    for read in &stream.parts {
        independence(stream, list, read, ledger);
    }
    unions(stream, list, ledger);
}

/// No part longer than PART-TARGET; none shorter than 85 % of it without a reason.
fn lengths(stream: &Stream, parts: &[Part], target_ns: u64, closed: bool, ledger: &mut Ledger) {
    for (at, part) in parts.iter().enumerate() {
        let printed = seconds(part.duration.ns.into());
        if part.duration.ns > target_ns {
            let message = format!("part of {printed} is longer than PART-TARGET");
            ledger.error(49, &stream.url, Place::Line(part.line), message);
        }
        let next = parts.get(at + 1);
        let last_of_parent = closed && next.is_none();
        let excused = part.independent || part.gap || last_of_parent || next.is_some_and(|next| next.gap);
        let short = u128::from(part.duration.ns) * 100 < u128::from(target_ns) * 85;
        if short && !excused {
            let message = format!("part of {printed} is shorter than 85 % of PART-TARGET");
            ledger.error(50, &stream.url, Place::Line(part.line), message);
        }
    }
}

/// Durations of a parent's parts add up to the parent's.
fn sums(stream: &Stream, line: u32, parent_ns: u64, parts: &[Part], ledger: &mut Ledger) {
    if parts.is_empty() {
        return;
    }
    ledger.checked(53);
    let sum = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.duration.ns));
    // Each printed duration may be cut by a unit of its last decimal, at worst the third.
    let slack = 1_000_000_u64.saturating_mul(parts.len() as u64 + 1);
    if sum.abs_diff(parent_ns) > slack {
        let (sum, parent) = (seconds(sum.into()), seconds(parent_ns.into()));
        let message = format!("parts add up to {sum}, their parent lasts {parent}");
        ledger.error(53, &stream.url, Place::Line(line), message);
    }
}

/// Parts are listed near the live edge only.
fn listing(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    ledger.checked(54);
    let mut behind = list.open_parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.duration.ns));
    for segment in list.segments.iter().rev() {
        if behind > list.target_ns().saturating_mul(3) && !segment.parts.is_empty() {
            let message = format!("parts are still listed {} from the edge", seconds(behind.into()));
            ledger.error(54, &stream.url, Place::Line(segment.line), message);
            return;
        }
        behind = behind.saturating_add(segment.duration.ns);
    }
}

/// INDEPENDENT=YES exactly where a part holds a random access picture at its start.
fn independence(stream: &Stream, list: &MediaPlaylist, read: &PartRead, ledger: &mut Ledger) {
    let parts = match read.segment {
        Some(at) => list.segments.get(at).map(|segment| &segment.parts),
        None => Some(&list.open_parts),
    };
    let Some(part) = parts.and_then(|parts| parts.get(read.part)) else { return };
    let init = stream.first_init();
    let Some(track) = init.and_then(|init| init.first(Kind::Video)) else { return };
    let Some(run) = read.fragment.track(track.id) else { return };
    ledger.checked(51);
    if run.starts_sync != part.independent {
        let message = if part.independent {
            "INDEPENDENT=YES, but the part starts with a dependent picture"
        } else {
            "the part starts with a random access picture, but lacks INDEPENDENT=YES"
        };
        ledger.error(51, &stream.url, Place::Line(part.line), message);
    }
}

/// The samples of a parent's parts are the parent's samples.
fn unions(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    for read in &stream.segments {
        let Some(segment) = list.segments.get(read.index) else { continue };
        let Some(fragment) = &read.fragment else { continue };
        let start = stream.parts.partition_point(|part| part.segment.is_some_and(|at| at < read.index));
        let parts: Vec<&PartRead> =
            stream.parts.iter().skip(start).take_while(|part| part.segment == Some(read.index)).collect();
        if parts.is_empty() || parts.len() != segment.parts.len() {
            continue;
        }
        for run in &fragment.tracks {
            let of_track = || parts.iter().filter_map(|part| part.fragment.track(run.id));
            let samples: u64 = of_track().map(|run| run.samples).sum();
            let duration = of_track().fold(0_u64, |sum, run| sum.saturating_add(run.duration));
            if samples != run.samples || duration != run.duration {
                let message =
                    format!("track {}: parts hold {samples} samples, their parent {}", run.id, run.samples);
                ledger.error(53, &stream.url, Place::Line(segment.line), message);
            }
        }
    }
}
