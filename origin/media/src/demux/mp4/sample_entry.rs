//! Sample entries (`stsd`, ISO/IEC 14496-12 §8.5.2, 14496-14, 14496-15; QuickTime sound descriptions).

use bytes::{Bytes, BytesMut};

use crate::codec::aac::AacError;
use crate::codec::color::Color;
use crate::codec::{AvcConfig, Codec, CodecError, HevcConfig};
use crate::cursor::Cursor;
use crate::demux::FormatError;
use crate::fourcc::FourCc;

/// Bytes of colour and shape boxes that are kept for the output; an ICC profile may be large and is
/// of no use to a player.
const MAX_EXTRA_BYTES: usize = 1024;
/// QuickTime nests `wave` boxes once.
const MAX_WAVE_DEPTH: u8 = 2;

/// A sample entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) fourcc: FourCc,
    /// First byte of its box, for errors.
    pub(super) offset: u64,
    pub(super) codec: EntryCodec,
    pub(super) shape: Shape,
}

/// What decodes the samples.
#[derive(Debug)]
pub(super) enum EntryCodec {
    Known(Codec),
    /// Not served, with the reason.
    Unsupported(&'static str),
}

/// Fields beside the codec.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) channels: u16,
    pub(super) pixel_aspect: Option<(u32, u32)>,
    pub(super) color: Option<Color>,
    /// `pasp`, `colr`, `mdcv` and `clli`, whole.
    pub(super) extra: Bytes,
}

/// An error of an entry, with the place where a codec's own error belongs.
#[derive(Debug)]
pub(super) enum EntryError {
    Format(FormatError),
    Codec { fourcc: FourCc, offset: u64, source: CodecError },
}

impl EntryError {
    pub(super) fn into_format_error(self, track: u32) -> FormatError {
        match self {
            Self::Format(error) => error,
            Self::Codec { fourcc, offset, source } => FormatError::Codec { track, fourcc, offset, source },
        }
    }
}

impl From<FormatError> for EntryError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

/// Reads the entry `fourcc` whose payload is under `cursor`; `all` is the buffer that it points into.
pub(super) fn read(
    fourcc: FourCc,
    mut cursor: Cursor<'_>,
    all: &Bytes,
    all_offset: u64,
    handler: FourCc,
    stsd_version: u8,
) -> Result<Entry, EntryError> {
    let place = Place { all, all_offset };
    let offset = cursor.offset().saturating_sub(8);
    let mut shape = Shape::default();
    cursor.skip(8)?;
    let codec = match (&handler.0, &fourcc.0) {
        (b"vide", b"avc1" | b"avc3" | b"hvc1" | b"hev1") => {
            read_picture_fields(&mut cursor, &mut shape)?;
            read_video(fourcc, cursor, place, &mut shape)?
        }
        (b"soun", b"mp4a") => {
            read_sound_fields(&mut cursor, &mut shape, stsd_version)?;
            read_audio(cursor, place, 0)?.ok_or(FormatError::Missing { fourcc: FourCc(*b"esds"), offset })?
        }
        (_, b"encv" | b"enca") => EntryCodec::Unsupported("it is encrypted and there is no key"),
        _ => EntryCodec::Unsupported("this codec is not supported yet"),
    };
    Ok(Entry { fourcc, offset, codec, shape })
}

/// The buffer that cursors point into: payloads are kept as slices of it.
#[derive(Clone, Copy)]
struct Place<'a> {
    all: &'a Bytes,
    all_offset: u64,
}

impl Place<'_> {
    /// What `cursor` has left, without copying.
    fn rest(self, cursor: &Cursor<'_>) -> Bytes {
        let start = usize::try_from(cursor.offset().saturating_sub(self.all_offset)).unwrap_or(usize::MAX);
        let start = start.min(self.all.len());
        let end = start.saturating_add(cursor.rest().len()).min(self.all.len());
        self.all.slice(start..end)
    }
}

/// `VisualSampleEntry` (§12.1.3) after the data reference index.
fn read_picture_fields(cursor: &mut Cursor<'_>, shape: &mut Shape) -> Result<(), FormatError> {
    cursor.skip(16)?;
    shape.width = cursor.u16()?;
    shape.height = cursor.u16()?;
    cursor.skip(4 + 4 + 4 + 2 + 32 + 2 + 2)
}

fn read_video(
    entry: FourCc,
    mut cursor: Cursor<'_>,
    place: Place<'_>,
    shape: &mut Shape,
) -> Result<EntryCodec, EntryError> {
    let entry_offset = cursor.offset();
    let mut codec = None;
    let mut extra = BytesMut::new();
    while let Some((fourcc, child)) = cursor.child()? {
        let offset = child.offset().saturating_sub(8);
        let with_place = |source| EntryError::Codec { fourcc, offset, source };
        let payload = place.rest(&child);
        match &fourcc.0 {
            b"avcC" => {
                let config = AvcConfig::parse(payload).map_err(|e| with_place(CodecError::Avc(e)))?;
                codec = Some(Codec::Avc(config));
            }
            b"hvcC" => {
                let config = HevcConfig::parse(payload).map_err(|e| with_place(CodecError::Hevc(e)))?;
                codec = Some(Codec::Hevc(config));
            }
            b"pasp" | b"colr" | b"mdcv" | b"clli" => {
                read_look(fourcc, child, shape).map_err(|source| with_place(source.into()))??;
                keep(&mut extra, fourcc, &payload);
            }
            _ => {}
        }
    }
    shape.extra = extra.freeze();
    let wanted = if matches!(&entry.0, b"avc1" | b"avc3") { *b"avcC" } else { *b"hvcC" };
    let missing = FormatError::Missing { fourcc: FourCc(wanted), offset: entry_offset };
    Ok(EntryCodec::Known(codec.ok_or(missing)?))
}

/// Pixel shape and colour. The outer error is of the colour box, the inner one of the container.
fn read_look(
    fourcc: FourCc,
    mut child: Cursor<'_>,
    shape: &mut Shape,
) -> Result<Result<(), FormatError>, crate::codec::color::ColorError> {
    match &fourcc.0 {
        b"colr" => shape.color = Color::parse_colr(child.rest())?.or(shape.color),
        b"pasp" => match (child.u32(), child.u32()) {
            (Ok(h), Ok(v)) if h > 0 && v > 0 => shape.pixel_aspect = Some((h, v)),
            (Ok(_), Ok(_)) => {}
            (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
        },
        _ => {}
    }
    Ok(Ok(()))
}

/// Keeps a box for the output: QuickTime's colour type has no place in MP4, an ICC profile no use.
fn keep(extra: &mut BytesMut, fourcc: FourCc, payload: &Bytes) {
    let foreign = fourcc.0 == *b"colr" && !payload.starts_with(b"nclx");
    let Ok(size) = u32::try_from(payload.len().saturating_add(8)) else { return };
    if foreign || extra.len().saturating_add(size as usize) > MAX_EXTRA_BYTES {
        return;
    }
    extra.extend_from_slice(&size.to_be_bytes());
    extra.extend_from_slice(&fourcc.0);
    extra.extend_from_slice(payload);
}

/// `AudioSampleEntry` (§12.2.3) after the data reference index; QuickTime's versions 1 and 2 have
/// more fields (only where `stsd` itself is version 0).
fn read_sound_fields(
    cursor: &mut Cursor<'_>,
    shape: &mut Shape,
    stsd_version: u8,
) -> Result<(), FormatError> {
    let version = cursor.u16()?;
    cursor.skip(6)?;
    shape.channels = cursor.u16()?;
    cursor.skip(2 + 2 + 2 + 4)?;
    match version {
        1 if stsd_version == 0 => cursor.skip(16),
        2 if stsd_version == 0 => cursor.skip(36),
        _ => Ok(()),
    }
}

/// Looks for `esds` among the boxes of the entry, and in QuickTime's `wave`.
fn read_audio(mut cursor: Cursor<'_>, place: Place<'_>, depth: u8) -> Result<Option<EntryCodec>, EntryError> {
    while let Some((fourcc, child)) = cursor.child()? {
        let offset = child.offset().saturating_sub(8);
        match &fourcc.0 {
            b"esds" => {
                return match Codec::from_esds(&place.rest(&child)) {
                    Ok(codec) => Ok(Some(EntryCodec::Known(codec))),
                    Err(CodecError::NotAac { object_type }) => {
                        Ok(Some(EntryCodec::Unsupported(if matches!(object_type.0, 0x69 | 0x6b) {
                            "MP3 in MP4 is not supported yet"
                        } else {
                            "its audio object type is not supported"
                        })))
                    }
                    Err(CodecError::Aac(AacError::Unsupported { .. })) => {
                        Ok(Some(EntryCodec::Unsupported("this kind of AAC is not supported")))
                    }
                    Err(source) => Err(EntryError::Codec { fourcc, offset, source }),
                };
            }
            b"wave" if depth < MAX_WAVE_DEPTH => {
                if let Some(found) = read_audio(child, place, depth.saturating_add(1))? {
                    return Ok(Some(found));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}
