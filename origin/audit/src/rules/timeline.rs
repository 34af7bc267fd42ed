//! Time in the media against time in the playlists, and across renditions: lines 5, 10, 36, 38 and 39.

use crate::boxes::fragment::TrackRun;
use crate::boxes::init::{Init, Kind};
use crate::ledger::Ledger;
use crate::playlist::MediaPlaylist;
use crate::presentation::{Presentation, SegmentRead, Stream, seconds, ticks_ns};
use crate::report::Place;

/// Decimals of EXTINF below which rounding shows.
const EXTINF_DECIMALS_MIN: u32 = 5;
/// Half a unit of the fifth decimal.
const FIVE_DECIMALS_NS: u128 = 5_000;
/// Renditions that start or end this far apart do so in the source; further apart is a segment lost.
const SOURCE_SKEW_NS: u128 = 100_000_000;

pub(super) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    for (stream, list) in presentation.playlists().filter(|(stream, _)| !stream.is_iframe()) {
        continuity(stream, list, ledger);
        extinf(stream, list, ledger);
        unmarked_changes(stream, list, ledger);
    }
    coverage(presentation, ledger);
    first_presented(presentation, ledger);
    audio_alignment(presentation, ledger);
}

/// tfdt of each segment is where the one before ended, in every track.
fn continuity(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    for pair in stream.segments.windows(2) {
        let [before, after] = pair else { continue };
        let seam = list.segments.get(after.index);
        let adjacent = before.index.checked_add(1) == Some(after.index);
        if !adjacent || seam.is_none_or(|segment| segment.discontinuity) {
            continue;
        }
        let (Some(a), Some(b)) = (&before.fragment, &after.fragment) else { continue };
        for run in &b.tracks {
            let Some(previous) = a.track(run.id) else { continue };
            let expected = previous.start.saturating_add(previous.duration);
            if run.start != expected {
                let message =
                    format!("track {}: tfdt is {}, the segment before ends at {expected}", run.id, run.start);
                let place = Place::Byte { offset: 0, fourcc: "tfdt".to_owned() };
                ledger.error(36, &after.url, place, message);
            }
        }
    }
}

/// Sums of EXTINF over any run stay within a frame of the media's durations.
fn extinf(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    let (mut drift, mut lowest, mut highest) = (0_i128, 0_i128, 0_i128);
    let mut previous: Option<usize> = None;
    for read in &stream.segments {
        let Some((track, run)) = stream.pace(read) else { continue };
        let Some(segment) = list.segments.get(read.index) else { continue };
        ledger.checked(5);
        if previous.is_none_or(|at| at.checked_add(1) != Some(read.index)) {
            (drift, lowest, highest) = (0, 0, 0);
        }
        previous = Some(read.index);
        let real = ticks_ns(run.duration.into(), track.timescale);
        let off = i128::from(segment.duration.ns) - real;
        drift += off;
        lowest = lowest.min(drift);
        highest = highest.max(drift);
        let frame = ticks_ns(run.longest.into(), track.timescale);
        let printed = seconds(segment.duration.ns.into());
        if highest - lowest > frame {
            let message = format!("EXTINF {printed}, media {}: more than a frame off by now", seconds(real));
            ledger.error(5, &stream.url, Place::Line(segment.line), message);
            (drift, lowest, highest) = (0, 0, 0);
        } else if segment.duration.decimals < EXTINF_DECIMALS_MIN && off.unsigned_abs() > FIVE_DECIMALS_NS {
            let message = format!("EXTINF {printed} has too few decimals for {}", seconds(real));
            ledger.error(5, &stream.url, Place::Line(segment.line), message);
        }
    }
}

/// A new init segment that differs in its tracks needs a discontinuity.
fn unmarked_changes(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    for (at, pair) in list.segments.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        if before.map == after.map {
            continue;
        }
        ledger.checked(10);
        let (Some(old), Some(new)) = (stream.init_of(at), stream.init_of(at + 1)) else { continue };
        if old != new && !after.discontinuity {
            let message = "the init segment changes without EXT-X-DISCONTINUITY";
            ledger.error(10, &stream.url, Place::Line(after.line), message);
        }
    }
}

/// First and last segment of a playlist, when both were read and no discontinuity lies between.
fn ends(stream: &Stream) -> Option<(&SegmentRead, &SegmentRead)> {
    let list = stream.playlist.as_ref().filter(|list| list.ended && !stream.is_iframe())?;
    let (first, last) = (stream.segments.first()?, stream.segments.last()?);
    let all = first.index == 0 && last.index.checked_add(1) == Some(list.segments.len());
    let whole = all && !list.segments.iter().any(|segment| segment.discontinuity);
    whole.then_some((first, last))
}

/// Where a stream starts and ends on the presentation timeline, nanoseconds.
fn span(stream: &Stream) -> Option<(i128, i128)> {
    let (first, last) = ends(stream)?;
    let (track, start) = stream.pace(first)?;
    let (_, end) = stream.pace(last)?;
    let edit = i128::from(track.edit_start);
    let end = i128::from(end.start) + i128::from(end.duration) - edit;
    Some((ticks_ns(i128::from(start.start) - edit, track.timescale), ticks_ns(end, track.timescale)))
}

/// All renditions cover the same range.
fn coverage(presentation: &Presentation, ledger: &mut Ledger) {
    let mut spans = presentation.streams.iter().filter_map(|stream| Some((stream, span(stream)?)));
    let Some((first, (start, end))) = spans.next() else { return };
    let target = first.playlist.as_ref().map_or(0, MediaPlaylist::target_ns);
    for (stream, (from, to)) in spans {
        for (what, ours, theirs) in [("starts", start, from), ("ends", end, to)] {
            let apart = (theirs - ours).unsigned_abs();
            let message = format!("{what} at {}, {} in {}", seconds(theirs), seconds(ours), first.url);
            if apart > u128::from(target) / 2 {
                ledger.error(36, &stream.url, Place::Whole, message);
            } else if apart > SOURCE_SKEW_NS {
                ledger.warning(36, &stream.url, Place::Whole, message);
            }
        }
    }
}

/// The first presented frame stands at the same time in all video renditions.
fn first_presented(presentation: &Presentation, ledger: &mut Ledger) {
    let mut known: Option<(&Stream, i128, i128)> = None;
    for (stream, _) in presentation.playlists().filter(|(stream, list)| list.ended && !stream.is_iframe()) {
        let Some(read) = stream.segments.first().filter(|read| read.index == 0) else { continue };
        let Some((track, run)) = stream.run_of(read, Kind::Video) else { continue };
        let at = ticks_ns(i128::from(run.first_presented) - i128::from(track.edit_start), track.timescale);
        let tick = ticks_ns(1, track.timescale);
        match known {
            None => known = Some((stream, at, tick)),
            Some((first, other, other_tick)) if (at - other).abs() > tick.max(other_tick) => {
                let message = format!(
                    "first frame is presented at {}, {} in {}",
                    seconds(at),
                    seconds(other),
                    first.url
                );
                ledger.error(38, &stream.url, Place::Whole, message);
            }
            Some(_) => {}
        }
    }
}

/// Audio of one codec and rate: same priming, and segments cut at the same sample. Recordings whose frames do not
/// begin together differ by less than a frame, whatever is done.
fn audio_alignment(presentation: &Presentation, ledger: &mut Ledger) {
    let audio = |stream: &&Stream| stream.has(Kind::Audio) && !stream.has(Kind::Video);
    let streams: Vec<&Stream> = presentation.streams.iter().filter(audio).collect();
    for (at, stream) in streams.iter().enumerate() {
        let Some(track) = stream.first_init().and_then(|init| init.first(Kind::Audio)) else { continue };
        let twin = streams.iter().take(at).find(|other| {
            let theirs = other.first_init().and_then(|init: &Init| init.first(Kind::Audio));
            theirs.is_some_and(|t| t.entry.codec == track.entry.codec && t.timescale == track.timescale)
        });
        let Some(twin) = twin else { continue };
        ledger.checked(39);
        let theirs = twin.first_init().and_then(|init| init.first(Kind::Audio)).map(|track| track.edit_start);
        if theirs != Some(track.edit_start) {
            let message = format!("edit list trims {} ticks, another in {}", track.edit_start, twin.url);
            ledger.error(39, &stream.url, Place::Whole, message);
            continue;
        }
        let live = |stream: &Stream| stream.playlist.as_ref().is_some_and(|list| !list.ended);
        if live(stream) || live(twin) {
            continue;
        }
        let uneven = stream.segments.iter().zip(&twin.segments).find(|(a, b)| {
            let starts = (stream.run_of(a, Kind::Audio), twin.run_of(b, Kind::Audio));
            let apart = |x: &TrackRun, y: &TrackRun| x.start.abs_diff(y.start) >= x.shortest.max(1);
            a.index == b.index && matches!(starts, (Some((_, x)), Some((_, y))) if apart(x, y))
        });
        if let Some((read, _)) = uneven {
            let message = format!("starts at another sample than the same segment of {}", twin.url);
            ledger.error(39, &read.url, Place::Whole, message);
        }
    }
}
