//! What `avcC` and `hvcC` records share: the length size, stored parameter sets, and the reasons for refusal.
//!
//! Spec: ISO/IEC 14496-15 clauses 5.3.3 (AVC) and 8.3.3 (HEVC).

use bytes::Bytes;

use crate::bits::{BitReader, BitsError};
use crate::codec::sps::SpsError;

/// How many bytes state the length of each NAL unit in a sample (`lengthSizeMinusOne + 1`). Three is not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LengthSize {
    /// One byte.
    One,
    /// Two bytes.
    Two,
    /// Four bytes, what nearly everyone writes.
    Four,
}

impl LengthSize {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    pub(super) const fn from_minus_one(value: u8) -> Result<Self, VideoConfigError> {
        match value {
            0 => Ok(Self::One),
            1 => Ok(Self::Two),
            3 => Ok(Self::Four),
            found => Err(VideoConfigError::LengthSize { found }),
        }
    }
}

/// Which parameter sets an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetKind {
    /// Video parameter sets, HEVC only.
    Video,
    /// Sequence parameter sets.
    Sequence,
    /// Picture parameter sets.
    Picture,
    /// All NAL units of a record together.
    Any,
}

impl std::fmt::Display for SetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Video => "video parameter set",
            Self::Sequence => "sequence parameter set",
            Self::Picture => "picture parameter set",
            Self::Any => "parameter set",
        })
    }
}

/// Why an `avcC` or `hvcC` record was refused, or could not be built from parameter sets. The peer's fault,
/// except `TooMany`, which names a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VideoConfigError {
    /// The record ends early; the bit counts from the record's start.
    #[error("record: {0}")]
    Record(BitsError),
    /// `configurationVersion` is not 1.
    #[error("byte 0: record version {found}, only 1 is known")]
    Version {
        /// The version found.
        found: u8,
    },
    /// `lengthSizeMinusOne` is 2.
    #[error("lengthSizeMinusOne is {found}, which is reserved")]
    LengthSize {
        /// The value found.
        found: u8,
    },
    /// The first sequence parameter set is damaged; the bit counts from the unescaped NAL unit's start.
    #[error("sequence parameter set: {0}")]
    Sps(#[from] SpsError),
    /// A kind of parameter set that is needed is absent.
    #[error("no {kind}")]
    Missing {
        /// The kind.
        kind: SetKind,
    },
    /// More parameter sets than the record format or our limit allows.
    #[error("{count} of kind {kind}, limit {limit}")]
    TooMany {
        /// The kind.
        kind: SetKind,
        /// How many there are at least.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// A parameter set is longer than the 16-bit length of a record can say.
    #[error("{kind} of {len} bytes, limit 65535")]
    TooLong {
        /// The kind.
        kind: SetKind,
        /// Its length in bytes.
        len: usize,
    },
}

impl VideoConfigError {
    /// A stable name of the reason for logs and machine-readable answers.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Record(_) => "record-truncated",
            Self::Version { .. } => "record-version",
            Self::LengthSize { .. } => "length-size",
            Self::Sps(reason) => reason.slug(),
            Self::Missing { .. } => "parameter-set-missing",
            Self::TooMany { .. } => "parameter-set-count",
            Self::TooLong { .. } => "parameter-set-length",
        }
    }
}

/// Reads a 16-bit length and that many bytes as a slice of `record`, the memory `reader` reads.
pub(super) fn read_set(reader: &mut BitReader<'_>, record: &Bytes) -> Result<Bytes, BitsError> {
    let len = reader.u16(16)?;
    Ok(record.slice_ref(reader.bytes(usize::from(len))?))
}

/// Appends a 16-bit length and the bytes.
pub(super) fn write_set(out: &mut Vec<u8>, kind: SetKind, set: &[u8]) -> Result<(), VideoConfigError> {
    let len = u16::try_from(set.len()).map_err(|_| VideoConfigError::TooLong { kind, len: set.len() })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(set);
    Ok(())
}
