//! The multivariant playlist (RFC 8216 §4.3.4).

use std::fmt::Write;

use super::attributes::Attributes;
use super::{VERSION, menu, names};
use crate::codec::color::VideoRange;
use crate::movie::TrackKind;
use crate::presentation::{Bandwidth, Look, Presentation, Rendition};

/// The group of all audio renditions.
const AUDIO_GROUP: &str = "audio";
/// A player starts with the first variant: the best one below this rate comes first (Apple 1.32).
const START_BITS_PER_S: u64 = 2_500_000;

/// The multivariant playlist of `presentation`; child URIs start with `base` (such as `~1.k3jw…/`).
///
/// Cost: O(segments) for the bit rates; meant to be made once for an open asset.
pub fn multivariant(presentation: &Presentation, base: &str) -> String {
    let video: Vec<&Rendition> = presentation.of_kind(TrackKind::Video).collect();
    let audio: Vec<&Rendition> = presentation.of_kind(TrackKind::Audio).collect();
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n");
    if presentation.independent_segments {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    // Sound alone is a variant itself; several languages of it are renditions of that variant.
    let grouped = !audio.is_empty() && (!video.is_empty() || audio.len() > 1);
    if grouped {
        write_audio_group(&mut text, &audio, base);
    }
    let variants = if video.is_empty() { audio.get(..1).unwrap_or_default() } else { &video };
    let with = if grouped { audio.as_slice() } else { &[] };
    let mut rated: Vec<(&Rendition, Bandwidth)> =
        variants.iter().map(|variant| (*variant, rate(presentation, variant, with))).collect();
    sort_for_start(&mut rated);
    let has_hdr = video.iter().any(|rendition| range(rendition) != VideoRange::Sdr);
    for (variant, bandwidth) in &rated {
        write_variant(&mut text, variant, *bandwidth, with, has_hdr);
        writeln!(text, "{base}{}/{}", variant.name, names::MEDIA).expect("writing to a string");
    }
    for (variant, _) in rated.iter().filter(|(variant, _)| !variant.key_frames.is_empty()) {
        write_i_frames(&mut text, presentation, variant, has_hdr, base);
    }
    text
}

fn rate(presentation: &Presentation, variant: &Rendition, with: &[&Rendition]) -> Bandwidth {
    // A variant that is itself one of the audio renditions is not loaded twice.
    let others = with.iter().copied().filter(|other| variant.name.kind != other.name.kind);
    Bandwidth::of_variant(variant, others, presentation.target_duration_s)
}

/// The best variant below [`START_BITS_PER_S`] (else the cheapest), then the others from the best down.
fn sort_for_start(rated: &mut Vec<(&Rendition, Bandwidth)>) {
    rated.sort_by_key(|(rendition, bandwidth)| (std::cmp::Reverse(bandwidth.peak), rendition.name));
    let fitting = rated.iter().position(|(_, bandwidth)| bandwidth.peak <= START_BITS_PER_S);
    let start = fitting.unwrap_or_else(|| rated.len().saturating_sub(1));
    if start < rated.len() {
        let first = rated.remove(start);
        rated.insert(0, first);
    }
}

fn write_audio_group(text: &mut String, audio: &[&Rendition], base: &str) {
    let default = audio.iter().position(|rendition| rendition.enabled).unwrap_or(0);
    for (number, (rendition, name)) in audio.iter().zip(menu::names(audio)).enumerate() {
        let Look::Audio { channels } = rendition.look else { continue };
        Attributes::new(text, "EXT-X-MEDIA")
            .plain("TYPE", "AUDIO")
            .quoted("GROUP-ID", AUDIO_GROUP)
            .quoted("NAME", &name)
            .quoted("LANGUAGE", &rendition.language)
            .plain("DEFAULT", if number == default { "YES" } else { "NO" })
            .plain("AUTOSELECT", "YES")
            .quoted("CHANNELS", &channels.to_string())
            .quoted("URI", &format!("{base}{}/{}", rendition.name, names::MEDIA))
            .end();
    }
}

fn write_variant(
    text: &mut String,
    variant: &Rendition,
    bandwidth: Bandwidth,
    with: &[&Rendition],
    has_hdr: bool,
) {
    let mut codecs = vec![variant.codec.as_str()];
    for rendition in with {
        if !codecs.contains(&rendition.codec.as_str()) {
            codecs.push(&rendition.codec);
        }
    }
    let mut attributes = Attributes::new(text, "EXT-X-STREAM-INF")
        .plain("BANDWIDTH", bandwidth.peak)
        .plain("AVERAGE-BANDWIDTH", bandwidth.average)
        .quoted("CODECS", &codecs.join(","));
    if let Look::Video { width, height, frame_rate_milli, .. } = variant.look {
        attributes = attributes
            .plain("RESOLUTION", format_args!("{width}x{height}"))
            .plain("FRAME-RATE", format_args!("{}.{:03}", frame_rate_milli / 1000, frame_rate_milli % 1000));
        if has_hdr {
            attributes = attributes.plain("VIDEO-RANGE", range(variant).as_str());
        }
    }
    if !with.is_empty() {
        attributes = attributes.quoted("AUDIO", AUDIO_GROUP);
    }
    attributes.plain("CLOSED-CAPTIONS", "NONE").end();
}

fn write_i_frames(
    text: &mut String,
    presentation: &Presentation,
    video: &Rendition,
    has_hdr: bool,
    base: &str,
) {
    let bandwidth = Bandwidth::of_key_frames(video, presentation.target_duration_s);
    let Look::Video { width, height, .. } = video.look else { return };
    let mut attributes = Attributes::new(text, "EXT-X-I-FRAME-STREAM-INF")
        .plain("BANDWIDTH", bandwidth.peak)
        .plain("AVERAGE-BANDWIDTH", bandwidth.average)
        .quoted("CODECS", &video.codec)
        .plain("RESOLUTION", format_args!("{width}x{height}"));
    if has_hdr {
        attributes = attributes.plain("VIDEO-RANGE", range(video).as_str());
    }
    attributes.quoted("URI", &format!("{base}{}/{}", video.name, names::I_FRAMES)).end();
}

const fn range(rendition: &Rendition) -> VideoRange {
    match rendition.look {
        Look::Video { range, .. } => range,
        Look::Audio { .. } => VideoRange::Sdr,
    }
}
