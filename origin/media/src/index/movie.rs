//! A movie and its tracks.

use super::DecodeError;
use super::wire::{Reader, Writer};
use crate::codec::color::Color;
use crate::codec::{AacConfig, AvcConfig, Codec, HevcConfig};
use crate::demux::mp4::MAX_TRACKS;
use crate::movie::{AudioFormat, Edit, Layout, Movie, Track, TrackFormat, VideoFormat};
use crate::time::Timescale;

/// Bytes of a decoder configuration: boxes that are read whole have no more.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Bytes of a language tag, and of a title.
const MAX_TEXT_BYTES: u64 = 1 << 16;
/// Entries of an edit list: as many as a box that is read whole can have.
const MAX_EDITS: u64 = 1 << 17;
/// Least bytes of an entry: duration, whether it has a time, the rate.
const EDIT_BYTES: u64 = 13;
/// Least bytes of a track.
const TRACK_BYTES: u64 = 64;

pub(super) fn write(w: &mut Writer, movie: &Movie) {
    w.u32(movie.timescale.ticks_per_s());
    w.u64(movie.source_len);
    w.u64(movie.layout.index.0);
    w.u64(movie.layout.index.1);
    w.flag(movie.layout.index_first);
    w.count(movie.tracks.len());
    movie.tracks.iter().for_each(|track| write_track(w, track));
}

/// Reads a movie that can be played, without what is not served.
pub(super) fn read(r: &mut Reader) -> Result<Movie, DecodeError> {
    let timescale = read_timescale(r, "movie timescale")?;
    let source_len = r.u64("source length")?;
    let index = (r.u64("index offset")?, r.u64("index length")?);
    let index_first = r.flag("index first")?;
    let count = r.count("tracks", MAX_TRACKS, TRACK_BYTES)?;
    let mut tracks = Vec::with_capacity(count);
    for _ in 0..count {
        tracks.push(read_track(r)?);
    }
    let layout = Layout { format: "stored index", brands: Vec::new(), index, index_first };
    Ok(Movie { timescale, source_len, tracks, ignored: Vec::new(), layout })
}

pub(super) fn read_timescale(r: &mut Reader, what: &'static str) -> Result<Timescale, DecodeError> {
    let ticks = r.u32(what)?;
    Timescale::new(ticks).ok_or_else(|| r.bad(what))
}

fn write_track(w: &mut Writer, track: &Track) {
    w.u32(track.id);
    w.flag(track.enabled);
    w.u32(track.timescale.ticks_per_s());
    w.text(&track.language);
    w.flag(track.title.is_some());
    if let Some(title) = &track.title {
        w.text(title);
    }
    match &track.codec {
        Codec::Avc(config) => write_config(w, 1, config.record()),
        Codec::Hevc(config) => write_config(w, 2, config.record()),
        Codec::Aac(config) => write_config(w, 3, config.asc()),
    }
    match &track.format {
        TrackFormat::Video(video) => write_video(w, video),
        TrackFormat::Audio(audio) => {
            w.u8(2);
            w.u16(audio.channels);
            w.u32(audio.sample_rate);
        }
    }
    w.count(track.edits.len());
    for edit in &track.edits {
        w.u64(edit.duration);
        w.flag(edit.media_time.is_some());
        if let Some(time) = edit.media_time {
            w.i64(time);
        }
        w.i32(edit.rate);
    }
    w.samples(&track.samples);
}

fn write_config(w: &mut Writer, kind: u8, record: &[u8]) {
    w.u8(kind);
    w.bytes(record);
}

fn write_video(w: &mut Writer, video: &VideoFormat) {
    w.u8(1);
    w.u16(video.width);
    w.u16(video.height);
    w.u32(video.pixel_aspect.0);
    w.u32(video.pixel_aspect.1);
    w.u16(video.rotation);
    video.matrix.iter().for_each(|cell| w.i32(*cell));
    w.bytes(&video.extra);
    w.flag(video.color.is_some());
    if let Some(color) = video.color {
        w.u16(color.primaries);
        w.u16(color.transfer);
        w.u16(color.matrix);
        w.flag(color.full_range);
    }
}

fn read_track(r: &mut Reader) -> Result<Track, DecodeError> {
    let id = r.u32("track id")?;
    let enabled = r.flag("enabled")?;
    let timescale = read_timescale(r, "timescale")?;
    let language = r.text("language", MAX_TEXT_BYTES)?;
    let title = if r.flag("has title")? { Some(r.text("title", MAX_TEXT_BYTES)?) } else { None };
    let codec = read_codec(r)?;
    let format = match r.u8("kind of format")? {
        1 => TrackFormat::Video(read_video(r)?),
        2 => TrackFormat::Audio(AudioFormat {
            channels: r.u16("channels")?,
            sample_rate: r.u32("sample rate")?,
        }),
        _ => return Err(r.bad("kind of format")),
    };
    if codec.is_video() != matches!(format, TrackFormat::Video(_)) {
        return Err(r.bad("codec and format"));
    }
    let count = r.count("edits", MAX_EDITS, EDIT_BYTES)?;
    let mut edits = Vec::with_capacity(count);
    for _ in 0..count {
        edits.push(read_edit(r)?);
    }
    let samples = r.samples()?;
    Ok(Track { id, enabled, timescale, language, title, codec, format, edits, samples })
}

fn read_codec(r: &mut Reader) -> Result<Codec, DecodeError> {
    let kind = r.u8("kind of codec")?;
    let record = r.bytes("decoder configuration", MAX_CONFIG_BYTES)?;
    let codec = match kind {
        1 => AvcConfig::parse(record).ok().map(Codec::Avc),
        2 => HevcConfig::parse(record).ok().map(Codec::Hevc),
        3 => AacConfig::parse(record).ok().map(Codec::Aac),
        _ => None,
    };
    codec.ok_or_else(|| r.bad("decoder configuration"))
}

fn read_video(r: &mut Reader) -> Result<VideoFormat, DecodeError> {
    let (width, height) = (r.u16("width")?, r.u16("height")?);
    let pixel_aspect = (r.u32("pixel width")?, r.u32("pixel height")?);
    let rotation = r.u16("rotation")?;
    let mut matrix = [0; 9];
    for cell in &mut matrix {
        *cell = r.i32("matrix")?;
    }
    let extra = r.bytes("boxes of the sample entry", MAX_CONFIG_BYTES)?;
    let color = if r.flag("has colour")? {
        Some(Color {
            primaries: r.u16("colour primaries")?,
            transfer: r.u16("transfer characteristics")?,
            matrix: r.u16("matrix coefficients")?,
            full_range: r.flag("full range")?,
        })
    } else {
        None
    };
    Ok(VideoFormat { width, height, pixel_aspect, rotation, matrix, extra, color })
}

fn read_edit(r: &mut Reader) -> Result<Edit, DecodeError> {
    let duration = r.u64("edit duration")?;
    let media_time = if r.flag("has media time")? { Some(r.i64("media time")?) } else { None };
    Ok(Edit { duration, media_time, rate: r.i32("media rate")? })
}
