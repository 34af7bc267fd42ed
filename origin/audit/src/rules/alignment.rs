//! Media playlists against each other: lines 4, 6, 9, 18, 19, 20 and 21.

use crate::ledger::{Ledger, quote};
use crate::playlist::{MediaPlaylist, RenditionKind};
use crate::presentation::{Presentation, Role, Stream, seconds};
use crate::report::Place;

/// How far apart the same discontinuity may lie in two playlists: audio is cut at whole audio frames.
const SAME_POINT_NS: u64 = 200_000_000;

pub(super) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    versions(presentation, ledger);
    let mut lists = presentation.playlists();
    let Some(first) = lists.next() else { return };
    for other in lists {
        kinds(first, other, ledger);
        if !is_iframe(other) {
            discontinuities(first, other, ledger);
            datedness(first, other, ledger);
        }
    }
    targets(presentation, ledger);
}

fn is_iframe((stream, list): (&Stream, &MediaPlaylist)) -> bool {
    stream.role == Role::IFrame || list.iframes_only
}

/// EXT-X-VERSION: enough for the playlist, no more than the presentation needs, the same in all.
fn versions(presentation: &Presentation, ledger: &mut Ledger) {
    ledger.checked(6);
    let mut stated: Vec<(&str, u64, u64)> = Vec::new();
    if let Some((url, list)) = &presentation.multivariant {
        stated.push((url, list.version.unwrap_or(1), list.version_needed()));
    }
    for (stream, list) in presentation.playlists() {
        stated.push((&stream.url, list.version.unwrap_or(1), list.version_needed));
    }
    let floor = stated.iter().map(|(_, _, needed)| *needed).max().unwrap_or(1);
    let common = stated.first().map_or(1, |(_, version, _)| *version);
    for (url, version, needed) in stated {
        if version < needed {
            let message = format!("EXT-X-VERSION is {version}, its tags need {needed}");
            ledger.error(6, url, Place::Whole, message);
        } else if version > floor {
            let message =
                format!("EXT-X-VERSION is {version}, nothing in the presentation needs more than {floor}");
            ledger.error(6, url, Place::Whole, message);
        } else if version != common {
            let message = format!("EXT-X-VERSION is {version}, {common} in the entry playlist");
            ledger.error(6, url, Place::Whole, message);
        }
    }
}

/// PLAYLIST-TYPE and ENDLIST are equal across playlists.
fn kinds(first: (&Stream, &MediaPlaylist), other: (&Stream, &MediaPlaylist), ledger: &mut Ledger) {
    if first.1.playlist_type != other.1.playlist_type {
        let words =
            |list: &MediaPlaylist| list.playlist_type.as_deref().map_or_else(|| "absent".to_owned(), quote);
        let message =
            format!("PLAYLIST-TYPE is {} here, {} in {}", words(other.1), words(first.1), first.0.url);
        ledger.error(18, &other.0.url, Place::Whole, message);
    }
    let unfinished = [first, other].into_iter().find(|(_, list)| !list.ended);
    if first.1.ended != other.1.ended
        && let Some((stream, list)) = unfinished
        && list.playlist_type.as_deref() != Some("VOD")
    {
        ledger.error(19, &stream.url, Place::Whole, "EXT-X-ENDLIST is missing here and present elsewhere");
    }
}

/// Time from the playlist's start to each discontinuity, nanoseconds.
fn marks(list: &MediaPlaylist) -> Vec<u64> {
    let mut at = 0_u64;
    let mut marks = Vec::new();
    for segment in &list.segments {
        if segment.discontinuity {
            marks.push(at);
        }
        at = at.saturating_add(segment.duration.ns);
    }
    marks
}

fn discontinuities(first: (&Stream, &MediaPlaylist), other: (&Stream, &MediaPlaylist), ledger: &mut Ledger) {
    let (ours, theirs) = (marks(first.1), marks(other.1));
    if ours.is_empty() && theirs.is_empty() {
        return;
    }
    ledger.checked(9);
    // Live playlists were fetched one after another: their windows may differ by a segment.
    if !first.1.ended || !other.1.ended {
        return;
    }
    let apart = ours.iter().zip(&theirs).find(|(a, b)| a.abs_diff(**b) > SAME_POINT_NS);
    let url = &other.0.url;
    if ours.len() != theirs.len() {
        let message = format!("{} discontinuities here, {} in {}", theirs.len(), ours.len(), first.0.url);
        ledger.error(9, url, Place::Whole, message);
    } else if let Some((a, b)) = apart {
        let (a, b) = (seconds((*a).into()), seconds((*b).into()));
        ledger.error(9, url, Place::Whole, format!("discontinuity at {b} here, at {a} in {}", first.0.url));
    } else if first.1.discontinuity_sequence.unwrap_or(0) != other.1.discontinuity_sequence.unwrap_or(0) {
        let message = format!("EXT-X-DISCONTINUITY-SEQUENCE differs from {}", first.0.url);
        ledger.error(9, url, Place::Whole, message);
    }
}

/// Dates in one playlist, dates in all.
fn datedness(first: (&Stream, &MediaPlaylist), other: (&Stream, &MediaPlaylist), ledger: &mut Ledger) {
    let live = !other.1.ended && other.1.playlist_type.is_none();
    if first.1.dates.is_empty() != other.1.dates.is_empty() && !live {
        let message = "EXT-X-PROGRAM-DATE-TIME stands in some playlists only";
        ledger.error(20, &other.0.url, Place::Whole, message);
    }
    if !first.1.dateranges.is_empty() && !other.1.dateranges.is_empty() {
        let ids = |list: &MediaPlaylist| -> Vec<String> {
            let mut ids: Vec<String> =
                list.dateranges.iter().filter_map(|(_, a)| a.text("ID").map(str::to_owned)).collect();
            ids.sort();
            ids.dedup();
            ids
        };
        if ids(first.1) != ids(other.1) {
            let message = format!("EXT-X-DATERANGE ids differ from {}", first.0.url);
            ledger.error(21, &other.0.url, Place::Whole, message);
        }
    }
}

/// One TARGETDURATION for all; VOD subtitles and I-frames are free.
fn targets(presentation: &Presentation, ledger: &mut Ledger) {
    let bound = |(stream, list): &(&Stream, &MediaPlaylist)| {
        let text = stream.role == Role::Rendition(RenditionKind::Subtitles) && list.ended;
        !text && !is_iframe((stream, list)) && list.target.is_some()
    };
    let mut lists = presentation.playlists().filter(bound);
    let Some((first, list)) = lists.next() else { return };
    ledger.checked(4);
    for (stream, other) in lists {
        if other.target != list.target {
            let (here, there) = (other.target.unwrap_or(0), list.target.unwrap_or(0));
            let message = format!("TARGETDURATION is {here} here, {there} in {}", first.url);
            ledger.error(4, &stream.url, Place::Whole, message);
        }
    }
}
