//! Init segments: tracks, codecs, defaults (ISO/IEC 14496-12 §8.2 to §8.8).

use super::sample_entry::{self, SampleEntry};
use super::{Cursor, FourCc, Mp4Box, Notes, find, name, walk};
use crate::limits::TRACKS_MAX;

/// What a track carries, by its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Video,
    Audio,
    Other,
}

/// Defaults of a `trex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Defaults {
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

/// One track of an init segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Track {
    pub(crate) id: u32,
    pub(crate) kind: Kind,
    /// Ticks per second; never 0.
    pub(crate) timescale: u32,
    pub(crate) entry: SampleEntry,
    pub(crate) defaults: Defaults,
    /// Media time at which presentation starts, from `elst`; 0 without one. Track ticks.
    pub(crate) edit_start: i64,
    /// Whether the matrix of `tkhd` turns the picture by a quarter, either way.
    pub(crate) is_turned: bool,
}

/// An init segment as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Init {
    pub(crate) tracks: Vec<Track>,
}

impl Init {
    pub(crate) fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }

    pub(crate) fn first(&self, kind: Kind) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == kind)
    }
}

/// Reads an init segment. What is missing or odd becomes notes (lines 31, 37, 38).
pub(crate) fn parse(data: &[u8], notes: &mut Notes) -> Init {
    let top = walk(data, 0, notes);
    check_brands(&top, notes);
    let Some(moov) = find(&top, *b"moov") else {
        notes.error(38, 0, *b"moov", "init segment has no moov");
        return Init::default();
    };
    if let Some(stray) = top.iter().find(|b| [*b"moof", *b"mdat"].contains(&b.fourcc)) {
        notes.error(38, stray.offset, stray.fourcc, "init segment holds media");
    }
    let children = moov.children(notes);
    let mvex = find(&children, *b"mvex");
    if mvex.is_none() {
        notes.error(38, moov.offset, *b"moov", "has no mvex: players take the file for unfragmented");
    }
    let trexes = mvex.map(|mvex| mvex.children(notes)).unwrap_or_default();
    let movie_timescale = find(&children, *b"mvhd").and_then(|b| timescale(&b)).unwrap_or(0);
    let mut init = Init::default();
    for trak in children.iter().filter(|b| b.fourcc == *b"trak").take(TRACKS_MAX) {
        match track(trak, movie_timescale, notes) {
            Some(mut track) => {
                match defaults(&trexes, track.id) {
                    Some(defaults) => track.defaults = defaults,
                    None if mvex.is_some() => {
                        notes.error(38, trak.offset, *b"trak", format!("track {} has no trex", track.id));
                    }
                    None => {}
                }
                init.tracks.push(track);
            }
            None => notes.error(38, trak.offset, *b"trak", "lacks tkhd, mdhd, hdlr or a sample entry"),
        }
    }
    if init.tracks.is_empty() {
        notes.error(38, moov.offset, *b"moov", "has no readable track");
    }
    init
}

fn check_brands(top: &[Mp4Box<'_>], notes: &mut Notes) {
    let Some(ftyp) = find(top, *b"ftyp") else {
        notes.error(38, 0, *b"ftyp", "init segment has no ftyp");
        return;
    };
    let mut cursor = Cursor::new(ftyp.body);
    let mut brands: Vec<FourCc> = Vec::new();
    while let Some(brand) = cursor.fourcc() {
        brands.push(brand);
    }
    // Minor version is not a brand.
    if brands.len() > 1 {
        brands.remove(1);
    }
    // default-base-is-moof and signed composition offsets come with iso5 and iso6; CMAF implies both.
    let fit = [*b"iso5", *b"iso6", *b"iso7", *b"iso8", *b"iso9", *b"cmfc", *b"cmf2", *b"cmff", *b"hlsf"];
    if !brands.iter().any(|brand| fit.contains(brand)) {
        let list = brands.iter().map(|brand| name(*brand)).collect::<Vec<_>>().join(" ");
        notes.error(38, ftyp.offset, *b"ftyp", format!("brands `{list}` allow no default-base-is-moof"));
    }
    if top.first().is_some_and(|first| first.fourcc != *b"ftyp") {
        notes.error(38, ftyp.offset, *b"ftyp", "is not the first box");
    }
}

fn track(trak: &Mp4Box<'_>, movie_timescale: u32, notes: &mut Notes) -> Option<Track> {
    let children = trak.children(notes);
    let (version, _, mut tkhd) = find(&children, *b"tkhd")?.full()?;
    tkhd.take(if version == 0 { 8 } else { 16 })?;
    let id = tkhd.u32()?;
    // Reserved, duration, reserved, layer, group, volume, reserved; then the matrix.
    tkhd.take(4 + if version == 0 { 4 } else { 8 } + 8 + 2 + 2 + 2 + 2)?;
    let (a, b, _, c, d) = (tkhd.u32()?, tkhd.u32()?, tkhd.u32()?, tkhd.u32()?, tkhd.u32()?);
    let is_turned = a == 0 && d == 0 && b != 0 && c != 0;
    let mdia = find(&children, *b"mdia")?.children(notes);
    let timescale = timescale(&find(&mdia, *b"mdhd")?)?;
    let (_, _, mut hdlr) = find(&mdia, *b"hdlr")?.full()?;
    hdlr.take(4)?;
    let kind = match &hdlr.fourcc()? {
        b"vide" => Kind::Video,
        b"soun" => Kind::Audio,
        _ => Kind::Other,
    };
    if timescale == 0 {
        notes.error(38, trak.offset, *b"mdhd", "timescale is 0");
        return None;
    }
    let minf = find(&mdia, *b"minf")?.children(notes);
    let stbl = find(&minf, *b"stbl")?;
    let stsd = find(&stbl.children(notes), *b"stsd")?;
    let entry = sample_entry::parse(&stsd, kind, notes)?;
    let edit_start = match find(&children, *b"edts") {
        Some(edts) => edit(&edts, movie_timescale, timescale, notes),
        None => 0,
    };
    Some(Track { id, kind, timescale, entry, defaults: Defaults::default(), edit_start, is_turned })
}

/// Timescale of `mvhd` or `mdhd`.
fn timescale(full: &Mp4Box<'_>) -> Option<u32> {
    let (version, _, mut cursor) = full.full()?;
    cursor.take(if version == 0 { 8 } else { 16 })?;
    cursor.u32()
}

/// Reads `edts`, and judges it: one edit that trims the front is what players agree on; anything else is not.
fn edit(edts: &Mp4Box<'_>, movie_timescale: u32, timescale: u32, notes: &mut Notes) -> i64 {
    let Some(elst) = find(&edts.children(notes), *b"elst") else { return 0 };
    let entries = read_edits(&elst).unwrap_or_default();
    let trims = entries.iter().find(|(_, media)| *media >= 0).map_or(0, |(_, media)| *media);
    let delay: u64 = entries.iter().take_while(|(_, media)| *media < 0).map(|(length, _)| *length).sum();
    let real = entries.iter().filter(|(_, media)| *media >= 0).count();
    if delay > 0 || real > 1 {
        let message =
            format!("{} edits with an empty edit of {delay} ticks: players disagree", entries.len());
        notes.error(38, elst.offset, *b"elst", message);
    }
    let scaled = u128::from(delay) * u128::from(timescale) / u128::from(movie_timescale.max(1));
    trims.saturating_sub(i64::try_from(scaled).unwrap_or(i64::MAX))
}

/// (duration in movie ticks, media time) of at most 16 edits.
fn read_edits(elst: &Mp4Box<'_>) -> Option<Vec<(u64, i64)>> {
    let (version, _, mut cursor) = elst.full()?;
    let count = cursor.u32()?.min(16);
    let mut entries = Vec::new();
    for _ in 0..count {
        let duration = cursor.sized(version)?.min(u64::from(u32::MAX));
        let media = if version == 0 { i64::from(cursor.i32()?) } else { cursor.i64()? };
        cursor.take(4)?;
        entries.push((duration, media));
    }
    Some(entries)
}

fn defaults(trexes: &[Mp4Box<'_>], id: u32) -> Option<Defaults> {
    trexes.iter().filter(|b| b.fourcc == *b"trex").find_map(|trex| {
        let (_, _, mut cursor) = trex.full()?;
        let track = cursor.u32()?;
        cursor.u32()?;
        let defaults = Defaults { duration: cursor.u32()?, size: cursor.u32()?, flags: cursor.u32()? };
        (track == id).then_some(defaults)
    })
}
