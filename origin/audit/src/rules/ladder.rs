//! What EXT-X-STREAM-INF and EXT-X-I-FRAME-STREAM-INF say, against the media: lines 23, 25, 26, 28, 31, 32, 34.

use crate::boxes::codec::same;
use crate::boxes::init::{Init, Kind, Track};
use crate::boxes::name;
use crate::ledger::{Ledger, quote};
use crate::limits::INITS_MAX;
use crate::playlist::lexer::resolution;
use crate::playlist::{Multivariant, RenditionKind, Variant};
use crate::presentation::{Presentation, Stream};
use crate::report::Place;

/// Items of one CODECS list looked at.
const CODECS_MAX: usize = 32;
/// What a first variant should be near, bits per second [A 1.32].
const FIRST_VARIANT_BPS: u64 = 2_000_000;

pub(super) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    let Some((url, list)) = &presentation.multivariant else {
        independent_segments(presentation, None, ledger);
        return;
    };
    independent_segments(presentation, Some((url, list)), ledger);
    for (at, variant) in list.variants.iter().enumerate() {
        let mut streams: Vec<&Stream> = presentation.variant_stream(at).into_iter().collect();
        let own = streams.first().and_then(|stream| stream.first_init());
        let video = own.and_then(|init| init.first(Kind::Video));
        for kind in [RenditionKind::Audio, RenditionKind::Video, RenditionKind::Subtitles] {
            streams.extend(presentation.group_streams(variant, kind));
        }
        codecs(url, variant, &streams, 25, ledger);
        ledger.checked(26);
        if let Some(track) = video {
            picture(url, &list.variants, variant, track, 26, ledger);
            frame_rate(url, variant, streams.first().copied(), ledger);
        }
        ledger.checked(28);
        if variant.attributes.value("AVERAGE-BANDWIDTH").is_none() {
            let message = "EXT-X-STREAM-INF has no AVERAGE-BANDWIDTH";
            ledger.error(28, url, Place::Line(variant.line), message);
        }
    }
    for (at, variant) in list.iframes.iter().enumerate() {
        ledger.checked(32);
        let streams: Vec<&Stream> = presentation.iframe_stream(at).into_iter().collect();
        codecs(url, variant, &streams, 32, ledger);
        for name in ["RESOLUTION"].into_iter().filter(|name| variant.attributes.value(name).is_none()) {
            let message = format!("EXT-X-I-FRAME-STREAM-INF has no {name}");
            ledger.error(32, url, Place::Line(variant.line), message);
        }
        let init = streams.first().and_then(|stream| stream.first_init());
        if let Some(track) = init.and_then(|init| init.first(Kind::Video)) {
            picture(url, &list.iframes, variant, track, 32, ledger);
        }
    }
    scores(url, list, ledger);
    first_variant(url, list, ledger);
}

/// CODECS lists the formats of all referenced renditions, and no other.
fn codecs(url: &str, variant: &Variant, streams: &[&Stream], line: u16, ledger: &mut Ledger) {
    ledger.checked(line);
    let place = || Place::Line(variant.line);
    let Some(text) = variant.attributes.text("CODECS") else {
        ledger.error(line, url, place(), "has no CODECS");
        return;
    };
    let declared: Vec<&str> = text.split(',').take(CODECS_MAX).map(str::trim).collect();
    let inits: Vec<&Init> = streams.iter().flat_map(|stream| distinct(stream)).collect();
    let complete = !streams.is_empty() && streams.iter().all(|stream| stream.first_init().is_some());
    let tracks: Vec<&Track> = inits.iter().flat_map(|init| &init.tracks).collect();
    for track in &tracks {
        let Some(measured) = track.entry.codec.as_deref() else { continue };
        if !declared.iter().any(|declared| same(declared, measured)) {
            let message = format!("CODECS `{}` does not list {measured}", quote(text));
            ledger.error(line, url, place(), message);
        }
    }
    let readable = tracks.iter().all(|track| track.entry.codec.is_some());
    for extra in declared.iter().filter(|_| complete && readable) {
        let used = tracks.iter().filter_map(|track| track.entry.codec.as_deref()).any(|m| same(extra, m));
        if !used && *extra != "wvtt" {
            let message = format!("CODECS lists `{}`, which no rendition has", quote(extra));
            ledger.error(line, url, place(), message);
        }
    }
    let hevc = declared.iter().any(|codec| codec.starts_with("hvc1") || codec.starts_with("hev1"));
    if hevc {
        ledger.checked(31);
        if streams.iter().any(|stream| !stream.segments.is_empty() && stream.inits.is_empty()) {
            ledger.error(31, url, place(), "HEVC in segments that are not fMP4");
        }
    }
}

/// The init segments of a stream, a repeated one once per run of repeats.
fn distinct(stream: &Stream) -> Vec<&Init> {
    let mut inits: Vec<&Init> = stream.inits.iter().flatten().map(AsRef::as_ref).collect();
    inits.dedup_by(|a, b| std::ptr::eq(*a, *b));
    inits.truncate(INITS_MAX);
    inits
}

/// RESOLUTION and VIDEO-RANGE against the sample entry.
fn picture(
    url: &str,
    siblings: &[Variant],
    variant: &Variant,
    track: &Track,
    line: u16,
    ledger: &mut Ledger,
) {
    let place = || Place::Line(variant.line);
    let entry = &track.entry;
    let (width, height) = (u64::from(entry.width), u64::from(entry.height));
    let (across, down) = entry.aspect;
    let stretched = width * u64::from(across) / u64::from(down);
    let fits = |w: u64, h: u64| h == height && (w == width || w.abs_diff(stretched) <= 1);
    match variant.attributes.text("RESOLUTION").map(resolution) {
        // A picture that the track header turns by a quarter is declared as it is seen: the other way round.
        Some(Some((w, h))) if !(fits(w, h) || track.is_turned && fits(h, w)) => {
            let message = format!("RESOLUTION is {w}x{h}, {} says {width}x{height}", name(entry.format));
            ledger.error(line, url, place(), message);
        }
        Some(_) => {}
        None if line == 26 => ledger.error(26, url, place(), "video without RESOLUTION"),
        None => {}
    }
    let range = variant.attributes.text("VIDEO-RANGE");
    let measured = match entry.transfer {
        Some(16) => "PQ",
        Some(18) => "HLG",
        _ => "SDR",
    };
    let mixed = siblings.iter().any(|variant| variant.attributes.value("VIDEO-RANGE").is_some());
    if range.unwrap_or("SDR") != measured && entry.transfer.is_some() {
        let message = format!("VIDEO-RANGE is {}, colr says {measured}", quote(range.unwrap_or("absent")));
        ledger.error(line, url, place(), message);
    } else if mixed && range.is_none() {
        ledger.error(line, url, place(), "VIDEO-RANGE stands on other variants, not here");
    }
}

/// FRAME-RATE is the highest rate of the video, to three decimals.
fn frame_rate(url: &str, variant: &Variant, stream: Option<&Stream>, ledger: &mut Ledger) {
    let place = || Place::Line(variant.line);
    let Some(declared) = variant.attributes.seconds("FRAME-RATE") else {
        if variant.attributes.value("FRAME-RATE").is_none() {
            ledger.error(26, url, place(), "video without FRAME-RATE");
        }
        return;
    };
    let Some(stream) = stream else { return };
    let (mut samples, mut ticks, mut scale) = (0_u128, 0_u128, 1_u128);
    for read in &stream.segments {
        if let Some((track, run)) = stream.run_of(read, Kind::Video) {
            samples += u128::from(run.steady_samples);
            ticks = ticks.saturating_add(u128::from(run.steady_duration));
            scale = u128::from(track.timescale);
        }
    }
    if samples == 0 || ticks == 0 {
        return;
    }
    let average_milli = samples.saturating_mul(scale).saturating_mul(1000) / ticks;
    let declared_milli = u128::from(declared.ns) / 1_000_000;
    // The average may lie below the maximum that is declared, but hardly by half; above it never.
    if average_milli > declared_milli + declared_milli / 100 || average_milli * 2 < declared_milli {
        let message =
            format!("FRAME-RATE is {declared_milli}/1000, the media has {average_milli}/1000 on average");
        ledger.error(26, url, place(), message);
    }
}

/// EXT-X-INDEPENDENT-SEGMENTS in the multivariant playlist, else in each media playlist.
fn independent_segments(
    presentation: &Presentation,
    multivariant: Option<(&String, &Multivariant)>,
    ledger: &mut Ledger,
) {
    let video = |stream: &&Stream| stream.has(Kind::Video) && !stream.segments.is_empty();
    let mut all_independent = true;
    let mut any = false;
    for stream in presentation.streams.iter().filter(video) {
        for read in &stream.segments {
            any = true;
            all_independent &= stream.run_of(read, Kind::Video).is_none_or(|(_, run)| run.starts_sync);
        }
    }
    if !any || !all_independent {
        return;
    }
    ledger.checked(23);
    let message = "all segments start with a sync sample, but EXT-X-INDEPENDENT-SEGMENTS is missing";
    match multivariant {
        Some((_, list)) if list.independent_segments => {}
        Some((url, _)) => ledger.error(23, url, Place::Whole, message),
        None => {
            for (stream, list) in presentation.playlists().filter(|(_, list)| !list.independent_segments) {
                if list.iframes_only {
                    continue;
                }
                ledger.error(23, &stream.url, Place::Whole, message);
            }
        }
    }
}

fn scores(url: &str, list: &Multivariant, ledger: &mut Ledger) {
    ledger.checked(34);
    let scored = list.variants.iter().filter(|variant| variant.attributes.value("SCORE").is_some()).count();
    if scored != 0 && scored != list.variants.len() {
        let message = format!("SCORE stands on {scored} of {} variants", list.variants.len());
        ledger.error(34, url, Place::Whole, message);
    }
}

fn first_variant(url: &str, list: &Multivariant, ledger: &mut Ledger) {
    let distance =
        |variant: &Variant| variant.attributes.int("BANDWIDTH").unwrap_or(0).abs_diff(FIRST_VARIANT_BPS);
    let (Some(first), Some(nearest)) = (list.variants.first(), list.variants.iter().map(distance).min())
    else {
        return;
    };
    if distance(first) > nearest {
        let message = "the first variant is not the one nearest to 2 Mb/s; players start with it";
        ledger.warning(34, url, Place::Line(first.line), message);
    }
}
