//! H.265 / HEVC: the `hvcC` record, its codec string, and the NAL units of a sample.
//!
//! ```text
//! hvcC: 1 | general profile, tier, level (12 bytes) | …10 bytes… | nArrays
//!       array: complete 0 type(6) | u16 count | {u16 len, NAL}…
//! ```
//!
//! HLS wants the sample entry `hvc1`: all parameter sets in the record, none needed from samples. A `hev1` track
//! becomes one by `with_parameter_sets_complete`, or by `from_parameter_sets` of what its first sample carries.
//!
//! Invariant: the NAL units of an `HevcConfig` are slices of its record, and `sps_info` is the first SPS's.
//!
//! Spec: ISO/IEC 14496-15 clause 8.3.3 (record), annex E.3 (codec string), Rec. ITU-T H.265 table 7-1.

mod sps;

use bytes::Bytes;

use crate::bits::{BitReader, BitsError};
use crate::codec::nal::{NalError, nal_units};
use crate::codec::record::{LengthSize, SetKind, VideoConfigError, read_set, write_set};
use crate::codec::sps::{SpsError, SpsInfo};

/// Most NAL units a record may hold, all arrays together. Streams have three to five; the specification would
/// allow 16 VPS, 16 SPS and 64 PPS.
pub const MAX_NALS: usize = 256;
/// Bytes of a record before its arrays.
const HEADER_BYTES: usize = 23;

/// An HEVC track's decoder configuration: a parsed `hvcC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HevcConfig {
    record: Bytes,
    profile: ProfileTierLevel,
    length_size: LengthSize,
    arrays: Vec<NalArray>,
    sps_info: Option<SpsInfo>,
}

/// NAL units of one type in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NalArray {
    /// Their type.
    pub nal_type: HevcNalType,
    /// Whether samples carry none of this type besides (`array_completeness`).
    pub complete: bool,
    /// The NAL units, header included.
    pub nals: Vec<Bytes>,
}

/// The general part of `profile_tier_level`, as record and SPS store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProfileTierLevel {
    /// `general_profile_space`, 0 to 3; 0 in every stream of today.
    pub space: u8,
    /// `general_tier_flag`.
    pub high_tier: bool,
    /// `general_profile_idc`: 1 Main, 2 Main 10, 3 Main Still Picture, 4 range extensions.
    pub profile_idc: u8,
    /// `general_profile_compatibility_flag`, flag 0 in the highest bit.
    pub compatibility: u32,
    /// The six bytes from `general_progressive_source_flag` on.
    pub constraints: [u8; 6],
    /// `general_level_idc`: thirty times the level.
    pub level_idc: u8,
}

impl HevcConfig {
    /// Reads the payload of an `hvcC` box. A record without SPS is accepted (`hev1` may carry them in samples);
    /// a first SPS that cannot be decoded is not. Cost: a vector an array; the NAL units are slices.
    pub fn parse(record: Bytes) -> Result<Self, VideoConfigError> {
        let mut reader = BitReader::new(&record);
        let header = reader.bytes(HEADER_BYTES).map_err(VideoConfigError::Record)?;
        let mut fields = BitReader::new(header);
        let version = fields.u8(8).map_err(VideoConfigError::Record)?;
        if version != 1 {
            return Err(VideoConfigError::Version { found: version });
        }
        let profile = ProfileTierLevel::read(&mut fields).map_err(VideoConfigError::Record)?;
        // Segmentation, parallelism, chroma, depths, frame rates, layers: 70 bits the SPS says better.
        fields.skip(70).map_err(VideoConfigError::Record)?;
        let length_size = LengthSize::from_minus_one(fields.u8(2).map_err(VideoConfigError::Record)?)?;
        let array_count = fields.u8(8).map_err(VideoConfigError::Record)?;
        let arrays = read_arrays(&mut reader, &record, array_count)?;
        let sps_info = nals_of(&arrays, HevcNalType::SPS).next().map(|nal| parse_sps(nal)).transpose()?;
        Ok(Self { profile, length_size, arrays, sps_info, record })
    }

    /// Builds a record with 4-byte NAL unit lengths and complete arrays from parameter sets without start codes
    /// or lengths. The first SPS gives profile, tier, level and format.
    pub fn from_parameter_sets(
        vps: &[Bytes],
        sps: &[Bytes],
        pps: &[Bytes],
    ) -> Result<Self, VideoConfigError> {
        let first = sps.first().ok_or(VideoConfigError::Missing { kind: SetKind::Sequence })?;
        let parsed = sps::parse(first)?;
        let mut record = Vec::with_capacity(HEADER_BYTES);
        record.push(1);
        record.extend_from_slice(&parsed.general);
        // Spatial segmentation and parallelism 0 say "unknown", which is true of every stream.
        record.extend_from_slice(&[0xf0, 0, 0xfc, 0xfc | parsed.info.chroma_format.idc()]);
        record.push(0xf8 | parsed.info.bit_depth_luma.saturating_sub(8));
        record.push(0xf8 | parsed.info.bit_depth_chroma.saturating_sub(8));
        let nested = if parsed.temporal_id_nested { 4 } else { 0 };
        let layers = parsed.sub_layers.wrapping_shl(3);
        record.extend_from_slice(&[0, 0, layers | nested | 3, 3]);
        let kinds = [
            (HevcNalType::VPS, SetKind::Video, vps),
            (HevcNalType::SPS, SetKind::Sequence, sps),
            (HevcNalType::PPS, SetKind::Picture, pps),
        ];
        for (nal_type, kind, nals) in kinds {
            if nals.is_empty() {
                return Err(VideoConfigError::Missing { kind });
            }
            write_array(&mut record, nal_type, true, nals)?;
        }
        Self::parse(record.into())
    }

    /// The same configuration with `array_completeness` 1 on the parameter sets, as `hvc1` demands, and 0 on all
    /// else. Refused if VPS, SPS or PPS are not in the record. Cost: a copy of the record.
    pub fn with_parameter_sets_complete(&self) -> Result<Self, VideoConfigError> {
        let kinds = [
            (HevcNalType::VPS, SetKind::Video),
            (HevcNalType::SPS, SetKind::Sequence),
            (HevcNalType::PPS, SetKind::Picture),
        ];
        for (nal_type, kind) in kinds {
            if self.nals(nal_type).next().is_none() {
                return Err(VideoConfigError::Missing { kind });
            }
        }
        let mut record = Vec::with_capacity(self.record.len());
        record.extend_from_slice(self.record.get(..HEADER_BYTES).unwrap_or_default());
        for array in &self.arrays {
            write_array(&mut record, array.nal_type, array.nal_type.is_parameter_set(), &array.nals)?;
        }
        Self::parse(record.into())
    }

    /// The record as it was read or built: the payload of an `hvcC` box.
    #[must_use]
    pub const fn record(&self) -> &Bytes {
        &self.record
    }

    /// How many bytes state a NAL unit's length in the samples.
    #[must_use]
    pub const fn length_size(&self) -> LengthSize {
        self.length_size
    }

    /// Profile, tier and level of the record.
    #[must_use]
    pub const fn profile(&self) -> &ProfileTierLevel {
        &self.profile
    }

    /// The arrays of the record, in its order.
    #[must_use]
    pub fn arrays(&self) -> &[NalArray] {
        &self.arrays
    }

    /// The record's NAL units of one type.
    pub fn nals(&self, nal_type: HevcNalType) -> impl Iterator<Item = &Bytes> {
        nals_of(&self.arrays, nal_type)
    }

    /// What the first SPS says; `None` if the record has none.
    #[must_use]
    pub const fn sps_info(&self) -> Option<&SpsInfo> {
        self.sps_info.as_ref()
    }

    /// The codec string, such as `hvc1.1.6.L93.B0`: annex E.3 of ISO/IEC 14496-15.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        format!("hvc1.{}", self.profile.rfc6381())
    }
}

impl ProfileTierLevel {
    fn read(reader: &mut BitReader<'_>) -> Result<Self, BitsError> {
        let space = reader.u8(2)?;
        let high_tier = reader.flag()?;
        let profile_idc = reader.u8(5)?;
        let compatibility = reader.u32(32)?;
        let mut constraints = [0_u8; 6];
        for byte in &mut constraints {
            *byte = reader.u8(8)?;
        }
        let level_idc = reader.u8(8)?;
        Ok(Self { space, high_tier, profile_idc, compatibility, constraints, level_idc })
    }

    /// What follows the sample entry's name in the codec string: profile, compatibility flags in reverse bit
    /// order, tier and level, and the constraint bytes without trailing zeros.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        use std::fmt::Write as _;
        let space = match self.space {
            0 => "",
            1 => "A",
            2 => "B",
            _ => "C",
        };
        let tier = if self.high_tier { 'H' } else { 'L' };
        let flags = self.compatibility.reverse_bits();
        let mut text = format!("{space}{}.{flags:X}.{tier}{}", self.profile_idc, self.level_idc);
        let zeros = self.constraints.iter().rev().take_while(|byte| **byte == 0).count();
        for byte in self.constraints.iter().take(self.constraints.len().saturating_sub(zeros)) {
            write!(text, ".{byte:X}").expect("writing to a string does not fail");
        }
        text
    }
}

fn read_arrays(
    reader: &mut BitReader<'_>,
    record: &Bytes,
    count: u8,
) -> Result<Vec<NalArray>, VideoConfigError> {
    let mut total = 0_usize;
    let mut arrays = Vec::with_capacity(usize::from(count.min(8)));
    for _ in 0..count {
        let head = reader.u8(8).map_err(VideoConfigError::Record)?;
        let nals = reader.u16(16).map_err(VideoConfigError::Record)?;
        total = total.saturating_add(usize::from(nals));
        if total > MAX_NALS {
            return Err(VideoConfigError::TooMany { kind: SetKind::Any, count: total, limit: MAX_NALS });
        }
        let nals = (0..nals).map(|_| read_set(reader, record)).collect::<Result<Vec<_>, _>>();
        let nals = nals.map_err(VideoConfigError::Record)?;
        arrays.push(NalArray { nal_type: HevcNalType(head & 0x3f), complete: head & 0x80 != 0, nals });
    }
    Ok(arrays)
}

fn write_array(
    out: &mut Vec<u8>,
    nal_type: HevcNalType,
    complete: bool,
    nals: &[Bytes],
) -> Result<(), VideoConfigError> {
    let count = nals.len();
    let too_many = VideoConfigError::TooMany { kind: SetKind::Any, count, limit: MAX_NALS };
    let count = u16::try_from(count).map_err(|_| too_many)?;
    out.push(if complete { 0x80 } else { 0 } | nal_type.value());
    out.extend_from_slice(&count.to_be_bytes());
    for nal in nals {
        write_set(out, SetKind::Any, nal)?;
    }
    Ok(())
}

fn nals_of(arrays: &[NalArray], nal_type: HevcNalType) -> impl Iterator<Item = &Bytes> {
    arrays.iter().filter(move |array| array.nal_type == nal_type).flat_map(|array| &array.nals)
}

/// A NAL unit's type, `nal_unit_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HevcNalType(u8);

impl HevcNalType {
    /// A slice of an IDR picture that may have decodable leading pictures.
    pub const IDR_W_RADL: Self = Self(19);
    /// A slice of an IDR picture without leading pictures.
    pub const IDR_N_LP: Self = Self(20);
    /// A slice of a clean random access picture.
    pub const CRA: Self = Self(21);
    /// Video parameter set.
    pub const VPS: Self = Self(32);
    /// Sequence parameter set.
    pub const SPS: Self = Self(33);
    /// Picture parameter set.
    pub const PPS: Self = Self(34);
    /// Access unit delimiter.
    pub const AUD: Self = Self(35);
    /// Filler data.
    pub const FILLER: Self = Self(38);
    /// Supplemental enhancement information before the picture.
    pub const SEI_PREFIX: Self = Self(39);
    /// Supplemental enhancement information behind the picture.
    pub const SEI_SUFFIX: Self = Self(40);

    /// The type of a NAL unit; `None` if it is empty.
    #[must_use]
    pub fn of(nal: &[u8]) -> Option<Self> {
        nal.first().map(|header| Self(header.wrapping_shr(1) & 0x3f))
    }

    /// The number the specification gives it, 0 to 63.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether it carries picture data (types 0 to 31).
    #[must_use]
    pub const fn is_vcl(self) -> bool {
        self.0 < 32
    }

    /// Whether it belongs to a picture at which decoding can start (types 16 to 23).
    #[must_use]
    pub const fn is_irap(self) -> bool {
        matches!(self.0, 16..=23)
    }

    /// Whether it belongs to an IDR picture: nothing behind it refers to what stands before it.
    #[must_use]
    pub const fn is_idr(self) -> bool {
        matches!(self.0, 19 | 20)
    }

    /// Whether it belongs to a broken link access picture (types 16 to 18).
    #[must_use]
    pub const fn is_bla(self) -> bool {
        matches!(self.0, 16..=18)
    }

    /// Whether it is a video, sequence or picture parameter set.
    #[must_use]
    pub const fn is_parameter_set(self) -> bool {
        matches!(self.0, 32..=34)
    }
}

/// The type of a sample's picture, from its first NAL unit with picture data; `None` if it has none.
/// `is_irap` of the answer says whether decoding can start at the sample.
pub fn picture_type(payload: &[u8], length_size: LengthSize) -> Result<Option<HevcNalType>, NalError> {
    for nal in nal_units(payload, length_size) {
        match HevcNalType::of(nal?.bytes) {
            Some(kind) if kind.is_vcl() => return Ok(Some(kind)),
            _ => {}
        }
    }
    Ok(None)
}

/// Parameter sets found inside a sample, in order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HevcParameterSets {
    /// Video parameter sets, NAL header included.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets, NAL header included.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, NAL header included.
    pub pps: Vec<Bytes>,
}

/// Gathers the parameter sets a sample carries itself, as `hev1` tracks do. At most 64 of a kind are kept, what
/// the specification allows. Cost: the sets are slices of `sample`.
pub fn parameter_sets(sample: &Bytes, length_size: LengthSize) -> Result<HevcParameterSets, NalError> {
    const MAX_OF_A_KIND: usize = 64;
    let mut found = HevcParameterSets::default();
    for nal in nal_units(sample, length_size) {
        let nal = nal?.bytes;
        let list = match HevcNalType::of(nal) {
            Some(HevcNalType::VPS) => &mut found.vps,
            Some(HevcNalType::SPS) => &mut found.sps,
            Some(HevcNalType::PPS) => &mut found.pps,
            _ => continue,
        };
        if list.len() < MAX_OF_A_KIND && !list.iter().any(|known| *known == nal) {
            list.push(sample.slice_ref(nal));
        }
    }
    Ok(found)
}

/// Reads a sequence parameter set (NAL unit with header, escaped as in the stream).
pub fn parse_sps(nal: &[u8]) -> Result<SpsInfo, SpsError> {
    sps::parse(nal).map(|parsed| parsed.info)
}

#[cfg(test)]
mod tests;
