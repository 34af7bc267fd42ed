//! What the codecs say of themselves: configuration records, codec strings, picture and sound formats.
//!
//! Sits above `bits`, below demuxers, packagers and playlists. Pure: bytes in, values out. Every reader takes
//! hostile bytes: it ends, does not panic, and allocates no more than a small multiple of its input.
//!
//! ```text
//! avcC ─ avc ──┬─ sps (picture) ─ color        esds ─ esds ─ aac (AudioSpecificConfig)
//! hvcC ─ hevc ─┴─ record, nal (what both share)        else ─ unsupported (a name to refuse by)
//! ```
//!
//! Spec: each module names its own; codec strings are RFC 6381.

pub mod aac;
pub mod avc;
pub mod color;
pub mod esds;
pub mod hevc;
pub mod nal;
pub mod record;
pub mod sps;
mod unsupported;

pub use aac::AacConfig;
pub use avc::AvcConfig;
pub use hevc::HevcConfig;
pub use unsupported::unsupported_name;

use bytes::Bytes;

use aac::AacError;
use color::ColorError;
use esds::{Esds, EsdsError, ObjectType};
use nal::NalError;
use record::VideoConfigError;

/// A track's codec with its decoder configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    Avc(AvcConfig),
    /// H.265.
    Hevc(HevcConfig),
    /// AAC LC, HE-AAC, HE-AAC v2.
    Aac(AacConfig),
}

impl Codec {
    /// The codec string for CODECS and `codecs`, RFC 6381.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        match self {
            Self::Avc(config) => config.rfc6381(),
            Self::Hevc(config) => config.rfc6381(),
            Self::Aac(config) => config.rfc6381(),
        }
    }

    /// The sample entry the codec string names, which is the one to write.
    #[must_use]
    pub const fn sample_entry(&self) -> [u8; 4] {
        match self {
            Self::Avc(_) => *b"avc1",
            Self::Hevc(_) => *b"hvc1",
            Self::Aac(_) => *b"mp4a",
        }
    }

    /// Whether it codes pictures.
    #[must_use]
    pub const fn is_video(&self) -> bool {
        matches!(self, Self::Avc(_) | Self::Hevc(_))
    }

    /// Reads the payload of an `esds` box as an AAC configuration.
    pub fn from_esds(payload: &Bytes) -> Result<Self, CodecError> {
        let esds = Esds::parse(payload)?;
        if !esds.object_type.is_aac() {
            return Err(CodecError::NotAac { object_type: esds.object_type });
        }
        let asc = esds.decoder_specific.ok_or(CodecError::NoAsc)?;
        Ok(Self::Aac(AacConfig::parse(asc)?))
    }
}

/// Why a codec configuration or a sample was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// An `avcC` record; the peer's fault.
    #[error("avcC: {0}")]
    Avc(#[source] VideoConfigError),
    /// An `hvcC` record; the peer's fault.
    #[error("hvcC: {0}")]
    Hevc(#[source] VideoConfigError),
    /// An AudioSpecificConfig; the peer's fault, or a flavour we do not carry.
    #[error(transparent)]
    Aac(#[from] AacError),
    /// An `esds` payload; the peer's fault.
    #[error(transparent)]
    Esds(#[from] EsdsError),
    /// An `esds` of something else than AAC, which we do not carry.
    #[error("mp4a with object type {:#04x} ({}) is not supported", .object_type.0, .object_type.name())]
    NotAac {
        /// What it is.
        object_type: ObjectType,
    },
    /// An `esds` of AAC without AudioSpecificConfig; the peer's fault.
    #[error("esds has no AudioSpecificConfig")]
    NoAsc,
    /// A `colr` payload; the peer's fault.
    #[error(transparent)]
    Color(#[from] ColorError),
    /// A sample's NAL units; the peer's fault.
    #[error(transparent)]
    Nal(#[from] NalError),
}

impl CodecError {
    /// A stable name of the reason for logs and machine-readable answers, such as `avc/record-truncated`.
    #[must_use]
    pub fn slug(&self) -> String {
        let (area, reason) = match self {
            Self::Avc(error) => ("avc", error.slug()),
            Self::Hevc(error) => ("hevc", error.slug()),
            Self::Aac(error) => ("aac", error.slug()),
            Self::Esds(error) => ("aac", error.slug()),
            Self::NotAac { .. } => ("aac", "esds-object-type"),
            Self::NoAsc => ("aac", "esds-no-asc"),
            Self::Color(_) => ("color", "colr-truncated"),
            Self::Nal(error) => ("sample", error.slug()),
        };
        format!("{area}/{reason}")
    }
}

#[cfg(test)]
mod tests;
