//! BANDWIDTH and AVERAGE-BANDWIDTH against measured segment sizes: lines 27 and 28.

use std::collections::BTreeMap;

use crate::boxes::init::Kind;
use crate::ledger::Ledger;
use crate::playlist::{RenditionKind, Variant};
use crate::presentation::{Presentation, Stream};
use crate::report::Place;

/// Segments of one peak window looked at; more only fit when durations are absurd.
const WINDOW_SEGMENTS_MAX: usize = 256;

/// Measured rates of a stream, bits per second.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    peak: u64,
    average: u64,
    /// Every segment was measured, and the list is final.
    whole: bool,
}

pub(super) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    let Some((url, list)) = &presentation.multivariant else { return };
    // Measured once a stream: a hostile list may name one stream a thousand times.
    let rates: BTreeMap<&str, Rate> =
        presentation.streams.iter().filter_map(|stream| Some((stream.url.as_str(), rate(stream)?))).collect();
    let rate = |stream: &Stream| rates.get(stream.url.as_str()).copied();
    for (at, variant) in list.variants.iter().enumerate() {
        let Some(mut sum) = presentation.variant_stream(at).and_then(rate) else { continue };
        for kind in [RenditionKind::Audio, RenditionKind::Video, RenditionKind::Subtitles] {
            let own = presentation.variant_stream(at).map(|stream| stream.url.as_str());
            let members: Vec<&Stream> = presentation
                .group_streams(variant, kind)
                .into_iter()
                .filter(|stream| Some(stream.url.as_str()) != own)
                .collect();
            // Text weighs next to nothing and is not read in full.
            let rates: Vec<Rate> = members.iter().filter_map(|stream| rate(stream)).collect();
            sum.whole &= kind == RenditionKind::Subtitles
                || (rates.len() == members.len() && rates.iter().all(|rate| rate.whole));
            let peak = rates.iter().map(|rate| rate.peak).max().unwrap_or(0);
            let average = rates.iter().map(|rate| rate.average).max().unwrap_or(0);
            let replaces = kind == RenditionKind::Audio
                && presentation.variant_stream(at).is_some_and(|stream| !stream.has(Kind::Video));
            if replaces {
                // Where the variant is nothing but sound, another takes its place.
                (sum.peak, sum.average) = (sum.peak.max(peak), sum.average.max(average));
            } else {
                sum.peak = sum.peak.saturating_add(peak);
                sum.average = sum.average.saturating_add(average);
            }
        }
        compare(url, variant, sum, ledger);
    }
    for (at, variant) in list.iframes.iter().enumerate() {
        if let Some(rate) = presentation.iframe_stream(at).and_then(rate) {
            compare(url, variant, rate, ledger);
        }
    }
}

/// Declared against measured: within a tenth for finished lists, at most a quarter over for others.
fn compare(url: &str, variant: &Variant, rate: Rate, ledger: &mut Ledger) {
    let pairs = [(27, "BANDWIDTH", rate.peak), (28, "AVERAGE-BANDWIDTH", rate.average)];
    for (line, name, measured) in pairs {
        let Some(declared) = variant.attributes.int(name) else { continue };
        ledger.checked(line);
        let (declared, measured) = (u128::from(declared), u128::from(measured));
        let within = if rate.whole {
            measured * 10 >= declared * 9 && measured * 10 <= declared * 11
        } else {
            measured * 4 <= declared * 5
        };
        if !within {
            let message = format!("{name} is {declared} b/s, measured {measured} b/s");
            ledger.error(line, url, Place::Line(variant.line), message);
        }
    }
}

/// Peak is the largest rate of any run of segments that lasts 0.5 to 1.5 target durations (§4.1).
fn rate(stream: &Stream) -> Option<Rate> {
    let list = stream.playlist.as_ref()?;
    let target = u128::from(list.target_ns());
    let measured: Vec<(usize, u128, u128)> = stream
        .segments
        .iter()
        .filter_map(|read| {
            let segment = list.segments.get(read.index)?;
            Some((read.index, u128::from(read.size) * 8, u128::from(segment.duration.ns)))
        })
        .collect();
    let bits: u128 = measured.iter().map(|(_, bits, _)| bits).sum();
    let ns: u128 = measured.iter().map(|(_, _, ns)| ns).sum();
    let average = per_second(bits, ns)?;
    let mut peak = 0;
    for start in 0..measured.len() {
        let (mut bits, mut ns) = (0_u128, 0_u128);
        let mut expected: Option<usize> = None;
        for (index, more, length) in measured.iter().skip(start).take(WINDOW_SEGMENTS_MAX) {
            if expected.is_some_and(|expected| expected != *index) {
                break;
            }
            expected = index.checked_add(1);
            bits += more;
            ns += length;
            if ns * 2 > target * 3 {
                break;
            }
            if ns * 2 >= target {
                peak = peak.max(per_second(bits, ns).unwrap_or(0));
            }
        }
    }
    let whole = list.ended && measured.len() == list.segments.len();
    // Everything is shorter than half a target duration: the whole is the only window there is.
    Some(Rate { peak: if peak == 0 { average } else { peak }, average, whole })
}

fn per_second(bits: u128, ns: u128) -> Option<u64> {
    bits.saturating_mul(1_000_000_000).checked_div(ns).and_then(|rate| u64::try_from(rate).ok())
}
