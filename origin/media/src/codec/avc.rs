//! H.264 / AVC: the `avcC` record, its codec string, and the NAL units of a sample.
//!
//! ```text
//! avcC: 1 | profile | compat | level | 111111 len-1 | 111 nSPS | {u16 len, SPS}… | nPPS | {u16 len, PPS}… | ext
//! ```
//!
//! Invariant: the parameter sets of an `AvcConfig` are slices of its record, and `sps_info` is the first SPS's.
//!
//! Spec: ISO/IEC 14496-15 clause 5.3.3 (record), RFC 6381 clause 3.3 (codec string), Rec. ITU-T H.264 table 7-1.

mod sps;

use bytes::Bytes;

use crate::bits::BitReader;
use crate::codec::nal::{NalError, nal_units};
use crate::codec::record::{LengthSize, SetKind, VideoConfigError, read_set, write_set};
use crate::codec::sps::{SpsError, SpsInfo};

/// Most sequence parameter sets a record can hold (5 bits).
pub const MAX_SPS: usize = 31;
/// Most picture parameter sets a record can hold (8 bits).
pub const MAX_PPS: usize = 255;

/// An AVC track's decoder configuration: a parsed `avcC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    record: Bytes,
    profile: [u8; 3],
    length_size: LengthSize,
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
    sps_info: Option<SpsInfo>,
}

impl AvcConfig {
    /// Reads the payload of an `avcC` box. A record without SPS is accepted (`avc3` may carry them in samples);
    /// a first SPS that cannot be decoded is not. Bytes behind the PPS list are kept in the record, unread.
    /// Cost: two small vectors; the sets are slices.
    pub fn parse(record: Bytes) -> Result<Self, VideoConfigError> {
        let mut reader = BitReader::new(&record);
        let mut byte = || reader.u8(8).map_err(VideoConfigError::Record);
        let version = byte()?;
        if version != 1 {
            return Err(VideoConfigError::Version { found: version });
        }
        let header = [byte()?, byte()?, byte()?];
        let length_size = LengthSize::from_minus_one(byte()? & 3)?;
        let sps_count = byte()? & 0x1f;
        let sps = read_sets(&mut reader, &record, sps_count)?;
        let pps_count = reader.u8(8).map_err(VideoConfigError::Record)?;
        let pps = read_sets(&mut reader, &record, pps_count)?;
        let sps_info = sps.first().map(|nal| sps::parse(nal)).transpose()?;
        let profile = sps.first().and_then(|nal| profile_bytes(nal)).unwrap_or(header);
        Ok(Self { profile, length_size, sps, pps, sps_info, record })
    }

    /// Builds a record with 4-byte NAL unit lengths from parameter sets without start codes or lengths. The first
    /// SPS gives profile, level and, for the High profiles, the extension fields.
    pub fn from_parameter_sets(sps: &[Bytes], pps: &[Bytes]) -> Result<Self, VideoConfigError> {
        let first = sps.first().ok_or(VideoConfigError::Missing { kind: SetKind::Sequence })?;
        if pps.is_empty() {
            return Err(VideoConfigError::Missing { kind: SetKind::Picture });
        }
        let info = sps::parse(first)?;
        let [profile, compat, level] = profile_bytes(first).unwrap_or([info.profile_idc, 0, info.level_idc]);
        let mut record = vec![1, profile, compat, level, 0xff];
        record.push(0xe0 | count_of(SetKind::Sequence, sps, MAX_SPS)?);
        for set in sps {
            write_set(&mut record, SetKind::Sequence, set)?;
        }
        record.push(count_of(SetKind::Picture, pps, MAX_PPS)?);
        for set in pps {
            write_set(&mut record, SetKind::Picture, set)?;
        }
        if !matches!(profile, 66 | 77 | 88) {
            let luma = info.bit_depth_luma.saturating_sub(8);
            let chroma = info.bit_depth_chroma.saturating_sub(8);
            record.extend_from_slice(&[0xfc | info.chroma_format.idc(), 0xf8 | luma, 0xf8 | chroma, 0]);
        }
        Self::parse(record.into())
    }

    /// The record as it was read or built: the payload of an `avcC` box.
    #[must_use]
    pub const fn record(&self) -> &Bytes {
        &self.record
    }

    /// How many bytes state a NAL unit's length in the samples.
    #[must_use]
    pub const fn length_size(&self) -> LengthSize {
        self.length_size
    }

    /// Sequence parameter sets, NAL header included.
    #[must_use]
    pub fn sps(&self) -> &[Bytes] {
        &self.sps
    }

    /// Picture parameter sets, NAL header included.
    #[must_use]
    pub fn pps(&self) -> &[Bytes] {
        &self.pps
    }

    /// What the first SPS says; `None` if the record has none.
    #[must_use]
    pub const fn sps_info(&self) -> Option<&SpsInfo> {
        self.sps_info.as_ref()
    }

    /// `profile_idc` of the first SPS, or of the record if it has none.
    #[must_use]
    pub const fn profile_idc(&self) -> u8 {
        self.profile[0]
    }

    /// The constraint flags beside the profile (`profile_compatibility`).
    #[must_use]
    pub const fn compatibility(&self) -> u8 {
        self.profile[1]
    }

    /// `level_idc`: ten times the level (11 with constraint flag 3 in Baseline to Extended means 1b).
    #[must_use]
    pub const fn level_idc(&self) -> u8 {
        self.profile[2]
    }

    /// The codec string `avc1.PPCCLL`, from the SPS where the record's header disagrees with it.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        let [profile, compat, level] = self.profile;
        format!("avc1.{profile:02X}{compat:02X}{level:02X}")
    }
}

fn read_sets(reader: &mut BitReader<'_>, record: &Bytes, count: u8) -> Result<Vec<Bytes>, VideoConfigError> {
    (0..count).map(|_| read_set(reader, record).map_err(VideoConfigError::Record)).collect()
}

fn count_of(kind: SetKind, sets: &[Bytes], limit: usize) -> Result<u8, VideoConfigError> {
    let count = sets.len();
    let refusal = VideoConfigError::TooMany { kind, count, limit };
    if count > limit { Err(refusal) } else { u8::try_from(count).map_err(|_| refusal) }
}

/// Profile, constraint flags and level stand behind the NAL header. No emulation prevention can precede them:
/// it needs two zero bytes first, and `profile_idc` 0 is not a profile.
fn profile_bytes(sps: &[u8]) -> Option<[u8; 3]> {
    sps.get(1..4)?.try_into().ok()
}

/// A NAL unit's type, `nal_unit_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AvcNalType(u8);

impl AvcNalType {
    /// A slice of a picture that is not IDR.
    pub const SLICE: Self = Self(1);
    /// A slice of an IDR picture.
    pub const IDR: Self = Self(5);
    /// Supplemental enhancement information.
    pub const SEI: Self = Self(6);
    /// Sequence parameter set.
    pub const SPS: Self = Self(7);
    /// Picture parameter set.
    pub const PPS: Self = Self(8);
    /// Access unit delimiter.
    pub const AUD: Self = Self(9);
    /// Filler data.
    pub const FILLER: Self = Self(12);

    /// The type of a NAL unit; `None` if it is empty.
    #[must_use]
    pub fn of(nal: &[u8]) -> Option<Self> {
        nal.first().map(|header| Self(header & 0x1f))
    }

    /// The number the specification gives it, 0 to 31.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether it carries picture data (types 1 to 5).
    #[must_use]
    pub const fn is_vcl(self) -> bool {
        matches!(self.0, 1..=5)
    }
}

/// Whether a sample is an IDR picture: decided by its first NAL unit with picture data; false if it has none.
pub fn is_idr(payload: &[u8], length_size: LengthSize) -> Result<bool, NalError> {
    for nal in nal_units(payload, length_size) {
        match AvcNalType::of(nal?.bytes) {
            Some(kind) if kind.is_vcl() => return Ok(kind == AvcNalType::IDR),
            _ => {}
        }
    }
    Ok(false)
}

/// Parameter sets found inside a sample, in order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AvcParameterSets {
    /// Sequence parameter sets, NAL header included; at most `MAX_SPS`.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, NAL header included; at most `MAX_PPS`.
    pub pps: Vec<Bytes>,
}

/// Gathers the parameter sets a sample carries itself, as `avc3` tracks do. Sets beyond what a record can hold
/// are left out. Cost: the sets are slices of `sample`.
pub fn parameter_sets(sample: &Bytes, length_size: LengthSize) -> Result<AvcParameterSets, NalError> {
    let mut found = AvcParameterSets::default();
    for nal in nal_units(sample, length_size) {
        let nal = nal?.bytes;
        let (list, limit) = match AvcNalType::of(nal) {
            Some(AvcNalType::SPS) => (&mut found.sps, MAX_SPS),
            Some(AvcNalType::PPS) => (&mut found.pps, MAX_PPS),
            _ => continue,
        };
        if list.len() < limit && !list.iter().any(|known| *known == nal) {
            list.push(sample.slice_ref(nal));
        }
    }
    Ok(found)
}

/// Reads a sequence parameter set (NAL unit with header, escaped as in the stream).
pub fn parse_sps(nal: &[u8]) -> Result<SpsInfo, SpsError> {
    sps::parse(nal)
}

#[cfg(test)]
mod tests;
