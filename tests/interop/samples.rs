//! Every access unit of a source must come back from the server once, in order, unchanged, and at its time.
//!
//! Contents are read by ffmpeg on both sides. Times of the source are those of its sample tables, moved by its edit list
//! ([`boxes::tracks`]); ours are read from `tfdt` and `trun` ([`boxes::sample_times`]) and, a second time, by ffmpeg.
//!
//! ffmpeg presents a fragmented track later by its most negative composition offset, also in files that it made itself
//! with `-movflags +cmaf`; the comparison expects exactly that.

use std::collections::BTreeMap;

use serde_json::Value;

use super::harness::corpus::Entry;
use super::harness::server::Server;
use super::packets::{self, Stream};
use super::{boxes, fetch};

/// When the first frame of the reference track is presented, in every output.
const OFFSET_S: f64 = 10.0;
/// Times are fractions with denominators below a million; this is what floating point may add.
const ROUNDING_S: f64 = 1e-9;

/// What the comparison of one track found.
pub(crate) struct Row {
    pub(crate) file: String,
    pub(crate) track: String,
    pub(crate) samples: usize,
    /// Earliest presentation time of the output.
    pub(crate) first_pts_s: f64,
    /// Largest distance of a presentation time from the source's, moved by the file's one offset.
    pub(crate) worst_s: f64,
    /// What breaks the rule; empty when all holds.
    pub(crate) faults: Vec<String>,
}

/// A track of the source.
struct Source {
    name: String,
    stream: Stream,
    /// Added to a media time, gives the time of the movie as its edit list says.
    movie_shift_s: f64,
}

impl Source {
    fn movie_time_s(&self, pts: i64) -> f64 {
        pts as f64 / self.stream.ticks_per_s + self.movie_shift_s
    }
}

/// Compares every served track of a file, by its own playlist and through the multivariant one.
pub(crate) fn compare(entry: &Entry, server: &Server) -> Vec<Row> {
    let codec = entry.facts["tracks"].as_array().and_then(|tracks| {
        tracks.iter().find(|track| track["kind"] == "video").and_then(|track| track["codec"].as_str())
    });
    let codec = codec.unwrap_or_default();
    let sources = sources(entry, codec);
    let zero_s = first_presented_s(&sources);
    let master = server.master(&entry.name);
    let together = packets::of_playlist(&master, codec);
    let renditions = fetch::renditions(&master);
    assert_eq!(renditions.len(), sources.len(), "{}: a rendition for each track", entry.name);
    let ticks_s = sources.iter().map(|source| 1.0 / source.stream.ticks_per_s).fold(0.0, f64::max);
    let row = |source: &Source| {
        let part = format!("/{}/playlist.m3u8", source.name);
        let url = renditions.iter().find(|url| url.ends_with(&part));
        let url = url.expect("each served track has a rendition of its name");
        let mut row = compare_track(source, url, codec, OFFSET_S - zero_s, ticks_s);
        entry.name.clone_into(&mut row.file);
        let alone = packets::of_playlist(url, codec).into_values().next().unwrap_or_default();
        if !together.values().any(|stream| stream.packets == alone.packets) {
            row.faults.push("read through the multivariant playlist it differs".to_owned());
        }
        row
    };
    sources.iter().map(row).collect()
}

/// The tracks that `rillcast inspect` says are served, in the file's order.
fn sources(entry: &Entry, codec: &str) -> Vec<Source> {
    let shown = boxes::tracks(&std::fs::read(&entry.path).expect("it was inspected a moment ago"));
    let mut streams = packets::of_file(&entry.path.to_string_lossy(), codec);
    // ffmpeg numbers all video tracks, then all audio tracks.
    let of_kind =
        |kind: &[u8; 4]| shown.iter().filter(move |track| track.handler == *kind).collect::<Vec<_>>();
    let order: Vec<&boxes::Shown> = [of_kind(b"vide"), of_kind(b"soun")].concat();
    let listed = entry.facts["tracks"].as_array().expect("a list");
    let source = |facts: &Value| {
        let index =
            order.iter().position(|track| facts["id"] == track.id).expect("the track that inspect saw");
        let stream = streams.remove(&index).expect("ffmpeg sees the track too");
        Source {
            name: facts["name"].as_str().expect("a name").to_owned(),
            movie_shift_s: order[index].lead_s - order[index].media_time as f64 / stream.ticks_per_s,
            stream,
        }
    };
    listed.iter().map(source).collect()
}

/// When the first frame of the reference track is on screen, in the movie's time: the one that the edit list shows first,
/// which may have begun before it.
fn first_presented_s(sources: &[Source]) -> f64 {
    let reference = sources.iter().find(|source| source.name.starts_with('v')).unwrap_or(&sources[0]);
    let lead_s = reference.movie_shift_s.max(0.0);
    let times = || reference.stream.packets.iter().map(|packet| reference.movie_time_s(packet.pts));
    let shown = times().filter(|time| *time <= lead_s + ROUNDING_S).reduce(f64::max);
    shown.or_else(|| times().reduce(f64::min)).expect("a track has samples")
}

/// Compares one track with its media playlist: contents, order and times.
fn compare_track(source: &Source, url: &str, codec: &str, offset_s: f64, tick_s: f64) -> Row {
    let streams = packets::of_playlist(url, codec);
    let mut row = Row {
        file: String::new(),
        track: source.name.clone(),
        samples: source.stream.packets.len(),
        first_pts_s: f64::NAN,
        worst_s: f64::NAN,
        faults: Vec::new(),
    };
    let (ours, times) = (only(streams), times(url));
    let theirs = &source.stream;
    if let Some(fault) = unequal(theirs, &ours) {
        row.faults.push(fault);
        return row;
    }
    if times.len() != theirs.packets.len() {
        row.faults.push(format!("{} samples in trun boxes, {} in the source", times.len(), row.samples));
        return row;
    }
    let seconds = |ticks: i64| ticks as f64 / ours.ticks_per_s;
    row.first_pts_s = times.iter().map(|(_, pts)| seconds(*pts)).fold(f64::MAX, f64::min);
    let pairs = || theirs.packets.iter().zip(&times);
    let wrong = pairs().map(|(theirs, (_, pts))| seconds(*pts) - source.movie_time_s(theirs.pts) - offset_s);
    row.worst_s = wrong.map(f64::abs).fold(0.0, f64::max);
    if row.worst_s > tick_s + ROUNDING_S {
        row.faults.push(format!("presented {:.6} s away from the source", row.worst_s));
    }
    let decoded: Vec<f64> = pairs()
        .map(|(theirs, (dts, _))| seconds(*dts) - theirs.dts as f64 / source.stream.ticks_per_s)
        .collect();
    let moved_s = decoded.iter().map(|moved| (moved - decoded[0]).abs()).fold(0.0, f64::max);
    if moved_s > tick_s + ROUNDING_S {
        row.faults.push(format!("decode times move by {moved_s:.6} s against each other"));
    }
    row.faults.extend(misread(&ours, &times));
    row
}

fn only(streams: BTreeMap<usize, Stream>) -> Stream {
    assert_eq!(streams.len(), 1, "a media playlist has one stream");
    streams.into_values().next().unwrap_or_default()
}

/// The first difference in content or order.
fn unequal(theirs: &Stream, ours: &Stream) -> Option<String> {
    let hashes =
        |stream: &Stream| stream.packets.iter().map(|packet| packet.hash.clone()).collect::<Vec<_>>();
    let (theirs, ours) = (hashes(theirs), hashes(ours));
    if theirs == ours {
        return None;
    }
    let at = theirs
        .iter()
        .zip(&ours)
        .position(|(one, other)| one != other)
        .unwrap_or_else(|| theirs.len().min(ours.len()));
    Some(format!(
        "{} samples of the source, {} of ours, different from number {at} on",
        theirs.len(),
        ours.len()
    ))
}

/// How ffmpeg's times differ from those written, beyond what is known of it.
fn misread(read: &Stream, written: &[(i64, i64)]) -> Option<String> {
    let late = written.iter().map(|(dts, pts)| dts - pts).max().unwrap_or(0).max(0);
    let same = |(packet, (dts, pts)): (&packets::Packet, &(i64, i64))| {
        (packet.dts, packet.pts) == (*dts, *pts + late)
    };
    let at = read.packets.iter().zip(written).position(|pair| !same(pair))?;
    let (read, written) = (&read.packets[at], written[at]);
    Some(format!(
        "ffmpeg reads ({}, {}) for sample {at}, {written:?} and {late} late expected",
        read.dts, read.pts
    ))
}

/// Times of all samples of a media playlist, from the boxes of its segments.
fn times(url: &str) -> Vec<(i64, i64)> {
    let (_, segments) = fetch::segments(url);
    segments.iter().flat_map(|url| boxes::sample_times(&fetch::get(url))).collect()
}

/// The rows as a table for people.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "| {:<30} | {:<5} | {:>7} | {:>13} | {:>11} | equal |\n|{:-<32}|{:-<7}|{:->9}|{:->15}|{:->13}|{:-<7}|\n",
        "file", "track", "samples", "first pts (s)", "max Δpts (s)", "", "", ":", ":", ":", ""
    );
    for row in rows {
        let equal = if row.faults.is_empty() { "yes".to_owned() } else { row.faults.join("; ") };
        text += &format!(
            "| {:<30} | {:<5} | {:>7} | {:>13.6} | {:>11.9} | {equal:<5} |\n",
            row.file, row.track, row.samples, row.first_pts_s, row.worst_s
        );
    }
    text
}
