//! Sample entries: format, size, and the codec string their configuration stands for.

use super::codec;
use super::init::Kind;
use super::{Cursor, FourCc, Mp4Box, Notes, find, name, walk};
use crate::limits::CONFIGURATION_BYTES_MAX;

/// The first sample entry of a track.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SampleEntry {
    /// Format; for protected entries the original one (`frma`).
    pub(crate) format: FourCc,
    pub(crate) protected: bool,
    /// RFC 6381 string of the configuration, when the codec is known.
    pub(crate) codec: Option<String>,
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Pixel aspect ratio, 1:1 when not stated.
    pub(crate) aspect: (u32, u32),
    pub(crate) channels: u16,
    pub(crate) sample_rate: u32,
    /// Bytes of a NAL unit length, for AVC and HEVC.
    pub(crate) nal_length: Option<u8>,
    /// Transfer characteristics of `colr`, when stated.
    pub(crate) transfer: Option<u16>,
    /// Configuration record as it lies, to notice changes.
    pub(crate) configuration: Vec<u8>,
}

const CONFIGURATIONS: [FourCc; 9] =
    [*b"avcC", *b"hvcC", *b"esds", *b"av1C", *b"vpcC", *b"dOps", *b"dfLa", *b"dac3", *b"dec3"];

/// Reads the first entry of `stsd`. `None` when there is none.
pub(super) fn parse(stsd: &Mp4Box<'_>, kind: Kind, notes: &mut Notes) -> Option<SampleEntry> {
    let (_, _, mut cursor) = stsd.full()?;
    cursor.u32()?;
    let at = stsd.body_offset().saturating_add(8);
    let entry = *walk(cursor.rest(), at, notes).first()?;
    let mut out = SampleEntry { format: entry.fourcc, aspect: (1, 1), ..SampleEntry::default() };
    let mut fields = Cursor::new(entry.body);
    fields.take(8)?;
    match kind {
        Kind::Video => {
            fields.take(16)?;
            out.width = fields.u16()?;
            out.height = fields.u16()?;
            fields.take(50)?;
        }
        Kind::Audio => {
            fields.take(8)?;
            out.channels = fields.u16()?;
            fields.take(6)?;
            out.sample_rate = fields.u32()? >> 16;
        }
        Kind::Other => {
            out.codec = [*b"stpp", *b"wvtt"].contains(&entry.fourcc).then(|| name(entry.fourcc));
            return Some(out);
        }
    }
    let inside = entry.body_offset().saturating_add((entry.body.len() - fields.rest().len()) as u64);
    let children = walk(fields.rest(), inside, notes);
    if let Some(sinf) = find(&children, *b"sinf") {
        out.protected = true;
        let frma = find(&sinf.children(notes), *b"frma");
        out.format = frma.and_then(|b| Cursor::new(b.body).fourcc()).unwrap_or(out.format);
    }
    if let Some(pasp) = find(&children, *b"pasp") {
        let mut cursor = Cursor::new(pasp.body);
        out.aspect = (cursor.u32()?.max(1), cursor.u32()?.max(1));
    }
    out.transfer = find(&children, *b"colr").and_then(|b| transfer(&b));
    if let Some(config) = children.iter().find(|b| CONFIGURATIONS.contains(&b.fourcc)) {
        let kept = config.body.len().min(CONFIGURATION_BYTES_MAX);
        out.configuration = config.body.get(..kept).unwrap_or_default().to_vec();
        codec::describe(&mut out, config, notes);
    } else {
        notes.error(37, entry.offset, entry.fourcc, "sample entry has no codec configuration");
    }
    if [*b"hev1", *b"avc3"].contains(&out.format) {
        let message = "keeps parameter sets in band; HLS wants hvc1 and avc1";
        notes.error(31, entry.offset, entry.fourcc, message);
    }
    Some(out)
}

fn transfer(colr: &Mp4Box<'_>) -> Option<u16> {
    let mut cursor = Cursor::new(colr.body);
    if cursor.fourcc()? != *b"nclx" {
        return None;
    }
    cursor.u16()?;
    cursor.u16()
}
