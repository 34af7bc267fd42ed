//! One `trak` box: gathered while it is walked, made into a [`Track`] when it is closed.

use bytes::Bytes;

use super::MAX_NEED_BYTES;
use super::boxes::{self, MediaHeader, TrackHeader};
use super::sample_entry::{self, Entry, EntryCodec};
use crate::codec::color::Color;
use crate::codec::{self, AvcConfig, Codec, CodecError, HevcConfig, unsupported_name};
use crate::cursor::Cursor;
use crate::demux::FormatError;
use crate::fourcc::FourCc;
use crate::movie::{
    AudioFormat, Edit, IgnoredTrack, RawTables, SampleTable, Track, TrackFormat, VideoFormat,
};

/// A `trak` being walked.
#[derive(Debug)]
pub(super) struct TrackRead {
    /// First byte of the `trak` box.
    offset: u64,
    /// First byte of its `stbl` box.
    tables_offset: u64,
    pub(super) tables: RawTables,
    header: Option<TrackHeader>,
    media: Option<MediaHeader>,
    extended_language: Option<String>,
    title: Option<String>,
    handler: Option<FourCc>,
    edits: Vec<Edit>,
    descriptions: Option<Descriptions>,
    /// Where a chunk run uses a sample description other than the first.
    other_description: Option<u64>,
    /// Where the media is said to be in another file.
    elsewhere: Option<u64>,
    /// Boxes that were there, to refuse a second one.
    seen: Vec<FourCc>,
}

/// The payload of `stsd`, kept until the kind of track is known.
#[derive(Debug)]
struct Descriptions {
    offset: u64,
    payload_offset: u64,
    payload: Bytes,
}

/// What a `trak` came to.
pub(super) enum TrackResult {
    Playable(Box<Track>),
    /// Its parameter sets are only in its samples.
    Bare(Box<BareTrack>),
    Ignored(IgnoredTrack),
}

/// A track that lacks parameter sets: complete when its first sample was read.
#[derive(Debug)]
pub(super) struct BareTrack {
    track: Track,
    entry_offset: u64,
    entry_fourcc: FourCc,
}

impl TrackRead {
    pub(super) fn new(offset: u64, source_len: u64) -> Self {
        Self {
            offset,
            tables_offset: offset,
            tables: RawTables::new(source_len),
            header: None,
            media: None,
            extended_language: None,
            title: None,
            handler: None,
            edits: Vec::new(),
            descriptions: None,
            other_description: None,
            elsewhere: None,
            seen: Vec::new(),
        }
    }

    /// Whether a box is read whole for a track.
    pub(super) const fn wants(fourcc: FourCc) -> bool {
        matches!(&fourcc.0, b"tkhd" | b"mdhd" | b"hdlr" | b"elng" | b"elst" | b"stsd" | b"dref")
    }

    pub(super) const fn set_tables_offset(&mut self, offset: u64) {
        self.tables_offset = offset;
    }

    /// Takes a title, unless there is one.
    pub(super) fn offer_title(&mut self, title: Option<String>) {
        self.title = self.title.take().or(title);
    }

    /// Notes a box that may be there once. Chunk offsets are one table, be they of 32 or 64 bits.
    pub(super) fn claim_once(&mut self, fourcc: FourCc, offset: u64) -> Result<(), FormatError> {
        let kind = match &fourcc.0 {
            b"co64" => FourCc(*b"stco"),
            b"stz2" => FourCc(*b"stsz"),
            _ => fourcc,
        };
        if self.seen.contains(&kind) {
            return Err(FormatError::Duplicate { fourcc, offset });
        }
        self.seen.push(kind);
        Ok(())
    }

    /// Notes which sample description a chunk run uses (§8.7.4).
    pub(super) fn claim_description(&mut self, number: u32, offset: u64) -> Result<(), FormatError> {
        if number == 0 {
            let reason = "a chunk run without sample description";
            return Err(FormatError::Field { fourcc: FourCc(*b"stsc"), offset, reason });
        }
        if number != 1 {
            self.other_description.get_or_insert(offset);
        }
        Ok(())
    }

    pub(super) fn read_box(
        &mut self,
        fourcc: FourCc,
        offset: u64,
        payload: &Bytes,
        payload_offset: u64,
    ) -> Result<(), FormatError> {
        self.claim_once(fourcc, offset)?;
        let mut cursor = Cursor::new(payload, payload_offset, fourcc);
        match &fourcc.0 {
            b"tkhd" => self.header = Some(boxes::read_track_header(&mut cursor)?),
            b"mdhd" => self.media = Some(boxes::read_media_header(&mut cursor, offset)?),
            b"hdlr" => self.handler = Some(boxes::read_handler(&mut cursor)?),
            b"elng" => self.extended_language = boxes::read_extended_language(&mut cursor)?,
            b"elst" => self.edits = boxes::read_edits(&mut cursor, offset)?,
            b"stsd" => {
                // Copied: what is kept of it must not keep all that was read with it.
                let payload = Bytes::copy_from_slice(payload);
                self.descriptions = Some(Descriptions { offset, payload_offset, payload });
            }
            b"dref" if boxes::refers_elsewhere(&mut cursor)? => self.elsewhere = Some(offset),
            _ => {}
        }
        Ok(())
    }

    /// Makes the track; `source_len` is that of the file.
    pub(super) fn finish(mut self, source_len: u64) -> Result<TrackResult, FormatError> {
        let missing = |fourcc| FormatError::Missing { fourcc: FourCc(fourcc), offset: self.offset };
        let header = self.header.take().ok_or_else(|| missing(*b"tkhd"))?;
        let handler = self.handler.ok_or_else(|| missing(*b"hdlr"))?;
        let samples = self.tables.sizes.len() as u64;
        let ignore = |fourcc: Option<FourCc>, name, reason| {
            Ok(TrackResult::Ignored(IgnoredTrack { id: header.id, handler, fourcc, name, reason, samples }))
        };
        if !matches!(&handler.0, b"vide" | b"soun") {
            return ignore(None, kind_name(handler), "only video and audio are served");
        }
        let media = self.media.take().ok_or_else(|| missing(*b"mdhd"))?;
        let descriptions = self.descriptions.take().ok_or_else(|| missing(*b"stsd"))?;
        let entry = descriptions.first_entry(handler, header.id)?;
        if !self.seen.contains(&FourCc(*b"stsz")) {
            return Err(FormatError::Missing { fourcc: FourCc(*b"stsz"), offset: self.tables_offset });
        }
        if samples == 0 {
            return ignore(Some(entry.fourcc), "an empty track", "it has no samples");
        }
        let config = match entry.codec {
            EntryCodec::Known(codec) => codec,
            EntryCodec::Unsupported(reason) => {
                return ignore(Some(entry.fourcc), unsupported_name(entry.fourcc.0), reason);
            }
        };
        self.check_references()?;
        let id = header.id;
        let offset = self.tables_offset;
        let samples = SampleTable::build(self.tables, source_len).map_err(|source| FormatError::Tables {
            track: id,
            offset,
            source,
        })?;
        let track = Track {
            id,
            enabled: header.enabled,
            timescale: media.timescale,
            language: self.extended_language.unwrap_or(media.language),
            title: self.title,
            format: track_format(&header, &entry.shape, &config),
            codec: config,
            edits: self.edits,
            samples,
        };
        Ok(if lacks_parameter_sets(&track.codec) {
            let (entry_offset, entry_fourcc) = (entry.offset, entry.fourcc);
            TrackResult::Bare(Box::new(BareTrack { track, entry_offset, entry_fourcc }))
        } else {
            TrackResult::Playable(Box::new(track.normalised(entry.offset)?))
        })
    }

    fn check_references(&self) -> Result<(), FormatError> {
        let unsupported =
            |what, fourcc, offset| FormatError::Unsupported { what, fourcc: FourCc(fourcc), offset };
        if let Some(offset) = self.elsewhere {
            return Err(unsupported("media in another file", *b"dref", offset));
        }
        if let Some(offset) = self.other_description {
            return Err(unsupported("a track of several sample descriptions", *b"stsc", offset));
        }
        Ok(())
    }
}

impl Descriptions {
    fn first_entry(&self, handler: FourCc, track: u32) -> Result<Entry, FormatError> {
        let mut cursor = Cursor::new(&self.payload, self.payload_offset, FourCc(*b"stsd"));
        let (version, _) = cursor.version_and_flags()?;
        cursor.u32()?;
        let none =
            FormatError::Field { fourcc: FourCc(*b"stsd"), offset: self.offset, reason: "no sample entry" };
        let (fourcc, entry) = cursor.child()?.ok_or(none)?;
        sample_entry::read(fourcc, entry, &self.payload, self.payload_offset, handler, version)
            .map_err(|error| error.into_format_error(track))
    }
}

impl BareTrack {
    /// Where the first sample starts, and how much of it is read: parameter sets come first.
    pub(super) fn first_sample(&self) -> (u64, u64) {
        let row = self.track.samples.row(0);
        row.map_or((0, 0), |row| (row.offset, u64::from(row.size).min(MAX_NEED_BYTES)))
    }

    /// Takes the parameter sets out of the first sample.
    pub(super) fn complete(mut self, sample: &Bytes) -> Result<Track, FormatError> {
        let (fourcc, offset, id) = (self.entry_fourcc, self.entry_offset, self.track.id);
        let with_place = |source| FormatError::Codec { track: id, fourcc, offset, source };
        let length_size = match &self.track.codec {
            Codec::Avc(config) => config.length_size(),
            Codec::Hevc(config) => config.length_size(),
            Codec::Aac(_) => return Ok(self.track),
        };
        if length_size.bytes() != 4 {
            let what = "NAL unit lengths of other than 4 bytes without parameter sets in the index";
            return Err(FormatError::Unsupported { what, fourcc, offset });
        }
        self.track.codec = match &self.track.codec {
            Codec::Hevc(_) => {
                let sets =
                    codec::hevc::parameter_sets(sample, length_size).map_err(|e| with_place(e.into()))?;
                let config = HevcConfig::from_parameter_sets(&sets.vps, &sets.sps, &sets.pps);
                Codec::Hevc(config.map_err(|source| with_place(CodecError::Hevc(source)))?)
            }
            _ => {
                let sets =
                    codec::avc::parameter_sets(sample, length_size).map_err(|e| with_place(e.into()))?;
                let config = AvcConfig::from_parameter_sets(&sets.sps, &sets.pps);
                Codec::Avc(config.map_err(|source| with_place(CodecError::Avc(source)))?)
            }
        };
        self.track.normalised(offset)
    }
}

impl Track {
    /// The configuration as `hvc1` wants it, whatever the source's sample entry was: complete in
    /// the entry (conformance: HEVC only as `hvc1`).
    fn normalised(mut self, offset: u64) -> Result<Self, FormatError> {
        if let Codec::Hevc(config) = &self.codec {
            let complete = config.with_parameter_sets_complete().map_err(|source| FormatError::Codec {
                track: self.id,
                fourcc: FourCc(*b"hvcC"),
                offset,
                source: CodecError::Hevc(source),
            })?;
            self.codec = Codec::Hevc(complete);
        }
        Ok(self)
    }
}

fn lacks_parameter_sets(codec: &Codec) -> bool {
    match codec {
        Codec::Avc(config) => config.sps().is_empty() || config.pps().is_empty(),
        Codec::Hevc(config) => config.with_parameter_sets_complete().is_err(),
        Codec::Aac(_) => false,
    }
}

/// What the sample entry and the configuration say of the picture or sound.
fn track_format(header: &TrackHeader, shape: &sample_entry::Shape, codec: &Codec) -> TrackFormat {
    let info = match codec {
        Codec::Aac(config) => {
            let channels = match config.channels() {
                0 => shape.channels,
                channels => u16::from(channels),
            };
            return TrackFormat::Audio(AudioFormat { channels, sample_rate: config.output_sample_rate() });
        }
        Codec::Avc(config) => config.sps_info(),
        Codec::Hevc(config) => config.sps_info(),
    };
    let color: Option<Color> = shape.color.or_else(|| info.and_then(|info| info.color));
    let from_stream = info.and_then(|info| info.sar).map(|sar| (sar.num, sar.den));
    TrackFormat::Video(VideoFormat {
        width: if shape.width > 0 { shape.width } else { info.map_or(0, |info| info.width) },
        height: if shape.height > 0 { shape.height } else { info.map_or(0, |info| info.height) },
        pixel_aspect: shape.pixel_aspect.or(from_stream).unwrap_or((1, 1)),
        rotation: boxes::rotation(&header.matrix),
        matrix: header.matrix,
        extra: shape.extra.clone(),
        color,
    })
}

const fn kind_name(handler: FourCc) -> &'static str {
    match &handler.0 {
        b"text" | b"sbtl" | b"subt" | b"clcp" => "text",
        b"tmcd" => "a time code",
        b"hint" => "a streaming hint",
        b"meta" | b"mdta" => "metadata",
        _ => "data",
    }
}
