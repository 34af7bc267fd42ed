//! What a sequence parameter set says of the pictures: one shape for AVC and HEVC, and the part of the VUI
//! both spell the same way.
//!
//! Sits above `bits`, below `avc` and `hevc`, which read the rest.
//!
//! Spec: H.264 annex E.1.1 and E.2.1, H.265 annex E.2.1 and E.3.1; sample aspect ratios are table E-1 of both.

use crate::bits::{BitReader, BitsError};
use crate::codec::color::{Color, UNSPECIFIED, VideoRange};

/// A positive fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    /// Above the line.
    pub num: u32,
    /// Below the line; never 0.
    pub den: u32,
}

impl Ratio {
    /// The fraction in lowest terms; `None` if a part is 0 or does not fit 32 bits.
    #[must_use]
    pub fn reduced(num: u64, den: u64) -> Option<Self> {
        let divisor = gcd(num, den);
        let num = u32::try_from(num.checked_div(divisor)?).ok()?;
        let den = u32::try_from(den.checked_div(divisor)?).ok()?;
        (num != 0 && den != 0).then_some(Self { num, den })
    }
}

const fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// How colour is sampled (`chroma_format_idc`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChromaFormat {
    /// No colour.
    Monochrome,
    /// 4:2:0.
    Yuv420,
    /// 4:2:2.
    Yuv422,
    /// 4:4:4.
    Yuv444,
}

impl ChromaFormat {
    /// `chroma_format_idc`, as records store it.
    #[must_use]
    pub const fn idc(self) -> u8 {
        match self {
            Self::Monochrome => 0,
            Self::Yuv420 => 1,
            Self::Yuv422 => 2,
            Self::Yuv444 => 3,
        }
    }

    /// Luma samples a chroma sample spans, across and down (`SubWidthC`, `SubHeightC`); 1 where there is no colour.
    pub(super) const fn subsampling(self) -> (u64, u64) {
        match self {
            Self::Monochrome | Self::Yuv444 => (1, 1),
            Self::Yuv420 => (2, 2),
            Self::Yuv422 => (2, 1),
        }
    }

    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, SpsError> {
        match read_ue_up_to(reader, "chroma_format_idc", 3)? {
            0 => Ok(Self::Monochrome),
            1 => Ok(Self::Yuv420),
            2 => Ok(Self::Yuv422),
            _ => Ok(Self::Yuv444),
        }
    }
}

/// What a sequence parameter set says of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpsInfo {
    /// Width in luma samples after cropping.
    pub width: u16,
    /// Height in luma samples after cropping.
    pub height: u16,
    /// Sample aspect ratio, lowest terms; `None` where not stated (then square is meant).
    pub sar: Option<Ratio>,
    /// `profile_idc`; for HEVC `general_profile_idc`.
    pub profile_idc: u8,
    /// `level_idc`: ten times the level in AVC; for HEVC `general_level_idc`, thirty times the level.
    pub level_idc: u8,
    /// How colour is sampled.
    pub chroma_format: ChromaFormat,
    /// Bits a luma sample, 8 to 16.
    pub bit_depth_luma: u8,
    /// Bits a chroma sample, 8 to 16.
    pub bit_depth_chroma: u8,
    /// Frames a second by the VUI's timing, lowest terms; `None` where not stated. In an HEVC sequence of fields,
    /// fields a second. Nominal: sample times decide.
    pub frame_rate: Option<Ratio>,
    /// Colour by the VUI; `None` where it has no video signal type.
    pub color: Option<Color>,
    /// Most frames that precede a frame in decoding and follow it in output order; `None` where not stated.
    pub max_num_reorder: Option<u8>,
    /// Whether pictures may be fields: AVC `frame_mbs_only_flag` is 0; HEVC `field_seq_flag` is 1 or the
    /// profile says interlaced source only.
    pub interlaced: bool,
    /// The VUI ends early or is malformed here. What precedes this bit was read, the rest is `None`. The picture
    /// size stands before the VUI, so such a stream still decodes; encoders with broken VUI exist.
    pub vui_damage: Option<BitsError>,
}

impl SpsInfo {
    /// The video range the stated colour means; SDR where none is stated.
    #[must_use]
    pub fn video_range(&self) -> VideoRange {
        self.color.map_or(VideoRange::Sdr, |color| color.video_range())
    }
}

/// Why a sequence parameter set was refused; the peer's fault. Bits count from the start of the NAL unit,
/// emulation prevention bytes removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpsError {
    /// The NAL unit is of another type.
    #[error("NAL unit type {nal_type} is not a sequence parameter set")]
    NotSps {
        /// The type found.
        nal_type: u8,
    },
    /// It ends early or holds a malformed code.
    #[error(transparent)]
    Bits(#[from] BitsError),
    /// A field has a value its specification does not allow.
    #[error("bit {at_bit}: {field} is {value}, at most {limit} is allowed")]
    OutOfRange {
        /// The field as the specification calls it.
        field: &'static str,
        /// Its value.
        value: u32,
        /// The largest allowed.
        limit: u32,
        /// Where the field starts.
        at_bit: usize,
    },
    /// The picture has no area, or a side above 65535, which a sample entry cannot state.
    #[error("picture of {width}x{height} after cropping")]
    PictureSize {
        /// Width in luma samples after cropping, 0 where cropping exceeds the picture.
        width: u64,
        /// Height likewise.
        height: u64,
    },
}

impl SpsError {
    /// A stable name of the reason for logs and machine-readable answers.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::NotSps { .. } => "sps-type",
            Self::Bits(BitsError::End { .. } | BitsError::Unaligned { .. }) => "sps-truncated",
            Self::Bits(BitsError::GolombTooLong { .. }) => "sps-golomb",
            Self::Bits(BitsError::RbspTooLong { .. }) => "sps-length",
            Self::OutOfRange { .. } => "sps-range",
            Self::PictureSize { .. } => "sps-picture-size",
        }
    }
}

/// What a VUI adds; fields stay `None` where it is silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Vui {
    pub(super) sar: Option<Ratio>,
    pub(super) color: Option<Color>,
    pub(super) frame_rate: Option<Ratio>,
    pub(super) max_num_reorder: Option<u8>,
    pub(super) field_seq: bool,
}

/// A picture's size before cropping and what cropping takes away, all in luma samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) crop_x: u64,
    pub(super) crop_y: u64,
}

impl Frame {
    pub(super) fn cropped(self) -> Result<(u16, u16), SpsError> {
        let width = self.width.saturating_sub(self.crop_x);
        let height = self.height.saturating_sub(self.crop_y);
        let refusal = SpsError::PictureSize { width, height };
        if width == 0 || height == 0 {
            return Err(refusal);
        }
        match (u16::try_from(width), u16::try_from(height)) {
            (Ok(width), Ok(height)) => Ok((width, height)),
            _ => Err(refusal),
        }
    }
}

/// Reads ue(v) and refuses values above `limit`.
pub(super) fn read_ue_up_to(
    reader: &mut BitReader<'_>,
    field: &'static str,
    limit: u32,
) -> Result<u32, SpsError> {
    let at_bit = reader.position();
    let value = reader.ue()?;
    if value > limit { Err(SpsError::OutOfRange { field, value, limit, at_bit }) } else { Ok(value) }
}

/// Reads a `bit_depth_…_minus8`, at most 8, and returns the depth.
pub(super) fn read_bit_depth(reader: &mut BitReader<'_>, field: &'static str) -> Result<u8, SpsError> {
    let over = read_ue_up_to(reader, field, 8)?;
    Ok(u8::try_from(over).expect("at most 8 was read").saturating_add(8))
}

/// Four crop offsets (left, right, top, bottom) as luma samples taken away across and down.
pub(super) fn read_crop(reader: &mut BitReader<'_>, unit: (u64, u64)) -> Result<(u64, u64), BitsError> {
    let across = u64::from(reader.ue()?).saturating_add(u64::from(reader.ue()?));
    let down = u64::from(reader.ue()?).saturating_add(u64::from(reader.ue()?));
    Ok((across.saturating_mul(unit.0), down.saturating_mul(unit.1)))
}

/// The first part of a VUI, which AVC and HEVC share: aspect ratio, overscan, video signal type, chroma location.
pub(super) fn read_vui_front(reader: &mut BitReader<'_>, vui: &mut Vui) -> Result<(), BitsError> {
    if reader.flag()? {
        vui.sar = read_sar(reader)?;
    }
    if reader.flag()? {
        reader.skip(1)?;
    }
    if reader.flag()? {
        vui.color = Some(read_video_signal(reader)?);
    }
    if reader.flag()? {
        reader.ue()?;
        reader.ue()?;
    }
    Ok(())
}

fn read_sar(reader: &mut BitReader<'_>) -> Result<Option<Ratio>, BitsError> {
    const EXTENDED_SAR: u8 = 255;
    /// `aspect_ratio_idc` 1 to 16.
    const TABLE: [(u32, u32); 16] = [
        (1, 1),
        (12, 11),
        (10, 11),
        (16, 11),
        (40, 33),
        (24, 11),
        (20, 11),
        (32, 11),
        (80, 33),
        (18, 11),
        (15, 11),
        (64, 33),
        (160, 99),
        (4, 3),
        (3, 2),
        (2, 1),
    ];
    let idc = reader.u8(8)?;
    if idc == EXTENDED_SAR {
        let num = reader.u32(16)?;
        let den = reader.u32(16)?;
        return Ok(Ratio::reduced(u64::from(num), u64::from(den)));
    }
    let row = usize::from(idc).checked_sub(1).and_then(|row| TABLE.get(row));
    Ok(row.map(|&(num, den)| Ratio { num, den }))
}

fn read_video_signal(reader: &mut BitReader<'_>) -> Result<Color, BitsError> {
    reader.skip(3)?;
    let full_range = reader.flag()?;
    let described = reader.flag()?;
    let mut point = || if described { reader.u16(8) } else { Ok(UNSPECIFIED) };
    Ok(Color { primaries: point()?, transfer: point()?, matrix: point()?, full_range })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_reduce_and_refuse_zero() {
        assert_eq!(Ratio::reduced(60_000, 2002), Some(Ratio { num: 30_000, den: 1001 }));
        assert_eq!(Ratio::reduced(0, 5), None);
        assert_eq!(Ratio::reduced(5, 0), None);
        assert_eq!(Ratio::reduced(0, 0), None);
        assert_eq!(Ratio::reduced(u64::from(u32::MAX), 2), Some(Ratio { num: u32::MAX, den: 2 }));
        assert_eq!(Ratio::reduced(1 << 32, 3), None);
    }

    #[test]
    fn cropping_to_nothing_or_beyond_sixteen_bits_is_refused() {
        let frame = |width, crop_x| Frame { width, height: 16, crop_x, crop_y: 0 }.cropped();
        assert_eq!(frame(16, 15), Ok((1, 16)));
        assert_eq!(frame(16, 16), Err(SpsError::PictureSize { width: 0, height: 16 }));
        assert_eq!(frame(65_536, 1), Ok((65_535, 16)));
        assert_eq!(frame(65_536, 0), Err(SpsError::PictureSize { width: 65_536, height: 16 }));
    }
}
