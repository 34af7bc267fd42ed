//! The `esds` box: an MPEG-4 ES descriptor, which tells what an `mp4a` sample entry holds.
//!
//! ```text
//! version, flags (4 bytes)
//! 3 ES descriptor ── 4 decoder config ── 5 decoder specific info (AAC: AudioSpecificConfig)
//!                 └─ 6 sync layer config (always "MP4")
//! ```
//!
//! Each descriptor is a tag, a length of one to four bytes with seven bits each (many writers pad with 0x80), and
//! that many bytes. A child never reaches past its parent.
//!
//! Spec: ISO/IEC 14496-1 clauses 7.2.6.5, 7.2.6.6, 7.2.6.7 and 8.3.3, ISO/IEC 14496-14 clause 6.7.2.

use bytes::Bytes;

use crate::bits::{BitReader, BitsError};
use crate::codec::aac::AacConfig;

const ES_TAG: u8 = 3;
const DECODER_CONFIG_TAG: u8 = 4;
const DECODER_SPECIFIC_TAG: u8 = 5;
const SYNC_LAYER_TAG: u8 = 6;
const AUDIO_STREAM: u8 = 5;
const MPEG4_AUDIO: u8 = 0x40;

/// A parsed `esds`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Esds {
    /// What the stream is.
    pub object_type: ObjectType,
    /// Decoder buffer, in bytes; 0 where the writer did not know.
    pub buffer_size_bytes: u32,
    /// Peak bit rate within a second, in bits a second; 0 where the writer did not know.
    pub max_bitrate: u32,
    /// Mean bit rate, in bits a second; 0 where it varies or the writer did not know.
    pub avg_bitrate: u32,
    /// The decoder specific info, a slice of the payload; for AAC the AudioSpecificConfig. `None` if absent.
    pub decoder_specific: Option<Bytes>,
}

/// `objectTypeIndication`, registered by the MP4 registration authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectType(pub u8);

impl ObjectType {
    /// Whether it is AAC: MPEG-4 audio, or MPEG-2 AAC with an MPEG-4 AudioSpecificConfig.
    #[must_use]
    pub const fn is_aac(self) -> bool {
        matches!(self.0, MPEG4_AUDIO | 0x66..=0x68)
    }

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x20 => "MPEG-4 Visual",
            0x21 => "H.264",
            0x23 => "HEVC",
            MPEG4_AUDIO => "MPEG-4 Audio",
            0x60..=0x65 => "MPEG-2 Video",
            0x66 => "MPEG-2 AAC Main",
            0x67 => "MPEG-2 AAC LC",
            0x68 => "MPEG-2 AAC SSR",
            0x69 => "MPEG-2 Audio (MP3)",
            0x6a => "MPEG-1 Video",
            0x6b => "MPEG-1 Audio (MP3)",
            0x6c => "JPEG",
            0x6d => "PNG",
            0xa5 => "AC-3",
            0xa6 => "E-AC-3",
            0xa9 => "DTS",
            0xad => "Opus",
            0xc1 => "FLAC",
            0xdd => "Vorbis",
            0xe1 => "QCELP",
            _ => "an unregistered object type",
        }
    }
}

/// Why an `esds` payload was refused; the peer's fault. Bits and bytes count from the payload's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EsdsError {
    /// It ends early.
    #[error("esds: {0}")]
    Bits(#[from] BitsError),
    /// A length has more than four bytes.
    #[error("esds byte {at}: descriptor length has more than 4 bytes")]
    LengthTooLong {
        /// Where the length starts.
        at: usize,
    },
    /// A descriptor reaches past the one that holds it.
    #[error("esds byte {at}: descriptor of {len} bytes, {left} left in its parent")]
    Overrun {
        /// Where the descriptor's content starts.
        at: usize,
        /// Its length in bytes.
        len: usize,
        /// How many bytes its parent has left.
        left: usize,
    },
    /// A descriptor that must be there is not.
    #[error("esds: no descriptor with tag {tag}")]
    Missing {
        /// Its tag: 3 ES descriptor, 4 decoder config.
        tag: u8,
    },
}

impl EsdsError {
    /// A stable name of the reason for logs and machine-readable answers.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Bits(_) => "esds-truncated",
            Self::LengthTooLong { .. } => "esds-length",
            Self::Overrun { .. } => "esds-overrun",
            Self::Missing { .. } => "esds-missing",
        }
    }
}

impl Esds {
    /// Reads the payload of an `esds` box: version, flags, then the ES descriptor. Cost: no allocation.
    pub fn parse(payload: &Bytes) -> Result<Self, EsdsError> {
        let mut outer = Scope { reader: BitReader::new(payload) };
        outer.reader.skip(32)?;
        let mut es = outer.find(ES_TAG)?.ok_or(EsdsError::Missing { tag: ES_TAG })?;
        es.skip_es_header()?;
        let mut config =
            es.find(DECODER_CONFIG_TAG)?.ok_or(EsdsError::Missing { tag: DECODER_CONFIG_TAG })?;
        let object_type = ObjectType(config.reader.u8(8)?);
        config.reader.skip(8)?;
        let buffer_size_bytes = config.reader.u32(24)?;
        let max_bitrate = config.reader.u32(32)?;
        let avg_bitrate = config.reader.u32(32)?;
        let specific = config.find(DECODER_SPECIFIC_TAG)?;
        let specific = specific.map(|mut info| info.reader.bytes(info.left())).transpose()?;
        let decoder_specific = specific.map(|bytes| payload.slice_ref(bytes));
        Ok(Self { object_type, buffer_size_bytes, max_bitrate, avg_bitrate, decoder_specific })
    }
}

/// A reader that stands inside a descriptor and ends with it.
struct Scope<'a> {
    reader: BitReader<'a>,
}

impl Scope<'_> {
    const fn at(&self) -> usize {
        self.reader.position() >> 3
    }

    const fn left(&self) -> usize {
        self.reader.remaining() >> 3
    }

    /// The next child with `tag`, or `None` if there is none; others are passed over.
    fn find(&mut self, tag: u8) -> Result<Option<Self>, EsdsError> {
        while self.left() > 0 {
            let found = self.reader.u8(8)?;
            let len = self.read_length()?;
            let (at, left) = (self.at(), self.left());
            if len > left {
                return Err(EsdsError::Overrun { at, len, left });
            }
            if found == tag {
                return Ok(Some(Self { reader: self.reader.up_to(at.saturating_add(len)) }));
            }
            self.reader.bytes(len)?;
        }
        Ok(None)
    }

    /// `sizeOfInstance`: seven bits a byte, the highest bit says that another byte follows.
    fn read_length(&mut self) -> Result<usize, EsdsError> {
        let at = self.at();
        let mut len = 0_usize;
        for _ in 0..4 {
            let more = self.reader.flag()?;
            len = len.wrapping_shl(7) | usize::from(self.reader.u8(7)?);
            if !more {
                return Ok(len);
            }
        }
        Err(EsdsError::LengthTooLong { at })
    }

    /// ES_ID, flags, and the fields the flags announce.
    fn skip_es_header(&mut self) -> Result<(), EsdsError> {
        self.reader.skip(16)?;
        let depends_on = self.reader.flag()?;
        let url = self.reader.flag()?;
        let clock_reference = self.reader.flag()?;
        self.reader.skip(5)?;
        if depends_on {
            self.reader.skip(16)?;
        }
        if url {
            let len = self.reader.u8(8)?;
            self.reader.bytes(usize::from(len))?;
        }
        if clock_reference {
            self.reader.skip(16)?;
        }
        Ok(())
    }
}

/// The payload of an `esds` box for an AAC track, shortest lengths; bit rates in bits a second, 0 if unknown.
#[must_use]
pub fn write_esds(config: &AacConfig, avg_bitrate: u32, max_bitrate: u32) -> Vec<u8> {
    /// A decoder holds 6144 bits a channel: ISO/IEC 14496-3 clause 4.5.3.
    const BUFFER_BYTES_A_CHANNEL: u32 = 768;
    let buffer = u32::from(config.channels()).saturating_mul(BUFFER_BYTES_A_CHANNEL);
    let [_, b0, b1, b2] = buffer.to_be_bytes();
    let mut decoder = vec![MPEG4_AUDIO, AUDIO_STREAM << 2 | 1, b0, b1, b2];
    decoder.extend_from_slice(&max_bitrate.to_be_bytes());
    decoder.extend_from_slice(&avg_bitrate.to_be_bytes());
    write_descriptor(&mut decoder, DECODER_SPECIFIC_TAG, config.asc());
    // ES_ID 0: the track's id stands in its header (ISO/IEC 14496-14 clause 3.1.2). No flags.
    let mut es = vec![0, 0, 0];
    write_descriptor(&mut es, DECODER_CONFIG_TAG, &decoder);
    write_descriptor(&mut es, SYNC_LAYER_TAG, &[2]);
    let mut payload = vec![0, 0, 0, 0];
    write_descriptor(&mut payload, ES_TAG, &es);
    payload
}

fn write_descriptor(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let len = content.len();
    for shift in [21, 14, 7] {
        if len >> shift != 0 {
            out.push(0x80 | seven_bits(len >> shift));
        }
    }
    out.push(seven_bits(len));
    out.extend_from_slice(content);
}

fn seven_bits(len: usize) -> u8 {
    u8::try_from(len & 0x7f).expect("seven bits fit a byte")
}

#[cfg(test)]
mod tests;
