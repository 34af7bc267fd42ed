//! I-frame playlists: line 32.

use crate::boxes::init::Kind;
use crate::ledger::Ledger;
use crate::playlist::MediaPlaylist;
use crate::presentation::{Presentation, Role, Stream, seconds, ticks_ns};
use crate::report::Place;

/// Printing a duration to five decimals may round it by this much, twice.
const PRINT_NS: i128 = 1_000_000;

pub(super) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    for (stream, list) in presentation.playlists() {
        if stream.role == Role::IFrame && !list.iframes_only {
            let message = "has no EXT-X-I-FRAMES-ONLY";
            ledger.error(32, &stream.url, Place::Whole, message);
        }
        if list.iframes_only {
            ledger.checked(32);
            entries(stream, ledger);
            durations(stream, list, ledger);
        }
    }
}

/// Each entry holds one sync sample, whole, and no other.
fn entries(stream: &Stream, ledger: &mut Ledger) {
    for read in &stream.segments {
        let Some(fragment) = &read.fragment else { continue };
        if fragment.moofs == 1 && fragment.complete_samples != 1 {
            let message = format!("I-frame range holds {} whole samples, not one", fragment.complete_samples);
            ledger.error(32, &read.url, Place::Whole, message);
        }
    }
}

/// EXTINF of an entry is the time to the next I-frame, in decode or presentation order.
fn durations(stream: &Stream, list: &MediaPlaylist, ledger: &mut Ledger) {
    for pair in stream.segments.windows(2) {
        let [a, b] = pair else { continue };
        let discontinuity = list.segments.get(b.index).is_none_or(|segment| segment.discontinuity);
        if a.index.checked_add(1) != Some(b.index) || discontinuity {
            continue;
        }
        let (Some((track, here)), Some((_, next))) =
            (stream.run_of(a, Kind::Video), stream.run_of(b, Kind::Video))
        else {
            continue;
        };
        let Some(segment) = list.segments.get(a.index) else { continue };
        let shown = i128::from(next.first_sample_presented) - i128::from(here.first_sample_presented);
        let decoded = i128::from(next.start) - i128::from(here.start);
        let (shown, decoded) = (ticks_ns(shown, track.timescale), ticks_ns(decoded, track.timescale));
        let printed = i128::from(segment.duration.ns);
        if (printed - shown).abs() > PRINT_NS && (printed - decoded).abs() > PRINT_NS {
            let message =
                format!("EXTINF is {}, the next I-frame comes after {}", seconds(printed), seconds(shown));
            ledger.error(32, &stream.url, Place::Line(segment.line), message);
        }
    }
}
