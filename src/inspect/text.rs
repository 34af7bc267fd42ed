//! The report as text for people: aligned, at most 96 columns.
//!
//! What comes from the file (names, languages, titles, brands) is printed without control characters, so that
//! a file cannot move the cursor of who inspects it.

mod lines;
mod sparkline;
mod track;
mod units;

use std::io::{self, Write};

use self::lines::Lines;
pub(crate) use self::units::printable;
use self::units::{bit_rate, bytes, seconds};
use super::refusal::Refused;
use super::report::{Container, Content, Report, Segments};

/// Writes `report`.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Lines::default();
    lines.heading(&printable(&report.file));
    if let Some(content) = &report.content {
        write_container(content, &mut lines);
        for one in &content.tracks {
            track::write(one, &mut lines);
        }
        for ignored in &content.ignored_tracks {
            let entry = ignored.sample_entry.as_deref().unwrap_or(&ignored.handler);
            let (id, name, samples) = (ignored.id, ignored.name, ignored.sample_count);
            lines.gap();
            lines.row(
                &format!("- track {id}"),
                &format!("{name} (`{}`), {samples} samples", printable(entry)),
            );
            lines.row("left out", ignored.reason);
        }
        if let Some(segments) = &content.segments {
            write_segments(segments, &mut lines);
        }
    }
    lines.gap();
    write_verdict(report, &mut lines);
    out.write_all(lines.finish().as_bytes())
}

fn write_container(content: &Content, lines: &mut Lines) {
    let Container { format, brands, size_bytes, .. } = &content.container;
    let brands =
        if brands.is_empty() { String::new() } else { format!(" ({})", printable(&brands.join(" "))) };
    lines.row("container", &format!("{format}{brands}"));
    let rate = if content.duration_s > 0.0 {
        format!(", {}", bit_rate((bits(*size_bytes) / content.duration_s).round()))
    } else {
        String::new()
    };
    lines.row("size", &format!("{}, {}{rate}", bytes(*size_bytes), seconds(content.duration_s)));
    let Container { index_offset_bytes, index_size_bytes, index_first, read_bytes, .. } = &content.container;
    let place = if *index_first { "before the media (fast start)" } else { "after the media" };
    let size = bytes(*index_size_bytes);
    lines.row("index", &format!("{size} at byte {index_offset_bytes}, {place}; read {}", bytes(*read_bytes)));
    if let Some(revision) = &content.revision {
        lines.row("revision", revision);
    }
}

#[expect(clippy::cast_precision_loss, reason = "printed with three digits")]
const fn bits(bytes: u64) -> f64 {
    bytes.saturating_mul(8) as f64
}

fn write_segments(segments: &Segments, lines: &mut Lines) {
    lines.gap();
    let Segments { count, target_duration_s, cut_by_track, min_s, average_s, max_s, .. } = segments;
    let plural = if *count == 1 { "segment" } else { "segments" };
    lines.row(
        "plan",
        &format!("{count} {plural} cut by {cut_by_track}, target duration {target_duration_s} s"),
    );
    let longest =
        format!("longest is number {} at {}", segments.longest_number, seconds(segments.longest_start_s));
    lines.row("durations", &format!("{min_s:.3} min, {average_s:.3} avg, {max_s:.3} s max; {longest}"));
    if *count > 1 {
        lines.row("", &sparkline::of(&segments.durations_s));
    }
    lines.row("layout", &layout(segments));
    for rate in &segments.playlist_rates {
        let (peak, average) = (rounded(rate.peak_bits_per_s), rounded(rate.average_bits_per_s));
        lines.row(
            "bandwidth",
            &format!("{}: peak {peak}, average {average}, as playlists state it", rate.track),
        );
    }
    if *count > 1 {
        lines.row("", &sparkline::of(&rates(segments)));
    }
}

/// How many pieces of the file a segment of a track is, and what makes it one.
fn layout(segments: &Segments) -> String {
    if segments.contiguous {
        return "segment-contiguous: each segment of a track is one piece of the file".to_owned();
    }
    let average = segments.extents_average;
    format!("interleaved, {average:.1} pieces of the file a segment; `rillcast optimize` makes it 1")
}

#[expect(clippy::cast_precision_loss, reason = "printed with three digits")]
fn rounded(bits_per_s: u64) -> String {
    bit_rate(bits_per_s as f64)
}

/// Bits a second of each segment.
fn rates(segments: &Segments) -> Vec<f64> {
    let rate = |(size, duration): (&u64, &f64)| if *duration > 0.0 { bits(*size) / duration } else { 0.0 };
    segments.sizes_bytes.iter().zip(&segments.durations_s).map(rate).collect()
}

fn write_verdict(report: &Report, lines: &mut Lines) {
    for suspicion in report.content.iter().flat_map(|content| &content.suspicious) {
        let track = suspicion.track.as_ref().map_or_else(String::new, |track| format!("{track}: "));
        lines.row("suspicious", &format!("{} - {track}{}", suspicion.slug, suspicion.message));
    }
    match &report.refused {
        None => lines.row("verdict", "playable"),
        Some(refused) => write_refusal(refused, lines),
    }
}

fn write_refusal(refused: &Refused, lines: &mut Lines) {
    let place = match (&refused.fourcc, refused.offset) {
        (Some(fourcc), Some(offset)) => format!(", box `{}` at byte {offset}", printable(fourcc)),
        (Some(fourcc), None) => format!(", box `{}`", printable(fourcc)),
        (None, Some(offset)) => format!(", at byte {offset}"),
        (None, None) => String::new(),
    };
    lines.row("refused", &format!("{}{place}", refused.kind));
    lines.row("", &printable(&refused.message));
    if let Some(advice) = refused.advice {
        lines.row("advice", advice);
    }
}

#[cfg(test)]
mod tests;
