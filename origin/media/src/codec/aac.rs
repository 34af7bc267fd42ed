//! AAC: the AudioSpecificConfig and its codec string.
//!
//! ```text
//! object type 5 (or 5 + 6) | rate index 4 (+ 24) | channels 4 | [5, 29: SBR rate, inner object type]
//! frame length 1 | core coder 1 (+ 14) | extension 1 | [channels 0: program config] | [0x2b7: SBR, 0x548: PS]
//! ```
//!
//! SBR (which doubles the rate) and PS (which makes stereo of mono) can be stated in front (object types 5 and 29)
//! or behind, where old decoders overlook them. Both are read. A stream may also use them without saying so; then
//! this says plain LC, which every player corrects by itself.
//!
//! Spec: ISO/IEC 14496-3 clauses 1.6.2.1 (AudioSpecificConfig), 1.6.3, 4.4.1 (GASpecificConfig), 4.5.1.2
//! (program_config_element); channel configurations are table 1.19; RFC 6381 clause 3.3.

mod silence;

use bytes::Bytes;

use crate::bits::{BitReader, BitsError};

/// Longest AudioSpecificConfig read. One with a program config element and its longest comment has about 340 bytes.
pub const MAX_ASC_BYTES: usize = 512;
/// Highest sampling frequency accepted, in hertz; AAC itself ends at 96000.
pub const MAX_SAMPLE_RATE_HZ: u32 = 192_000;

const LC: u8 = 2;
const SBR: u8 = 5;
const PS: u8 = 29;

/// An AAC track's decoder configuration: a parsed AudioSpecificConfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    asc: Bytes,
    profile: AacProfile,
    core_sample_rate: u32,
    output_sample_rate: u32,
    channel_configuration: u8,
    core_channels: u8,
    samples_per_frame: u16,
}

/// The AAC flavours HLS players play; the highest tool the configuration states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AacProfile {
    /// Low complexity.
    Lc,
    /// With spectral band replication: HE-AAC.
    HeV1,
    /// With parametric stereo besides: HE-AAC v2.
    HeV2,
}

impl AacProfile {
    /// The audio object type that names it.
    #[must_use]
    pub const fn object_type(self) -> u8 {
        match self {
            Self::Lc => LC,
            Self::HeV1 => SBR,
            Self::HeV2 => PS,
        }
    }
}

/// Why an AudioSpecificConfig was refused. `Unsupported` is our choice, the rest the peer's fault; bits count from
/// its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AacError {
    /// It ends early.
    #[error("AudioSpecificConfig: {0}")]
    Bits(#[from] BitsError),
    /// It is longer than `MAX_ASC_BYTES`.
    #[error("AudioSpecificConfig of {len} bytes, limit {MAX_ASC_BYTES}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// An object type HLS players do not play.
    #[error("audio object type {object_type} ({name}) is not supported")]
    Unsupported {
        /// The audio object type.
        object_type: u8,
        /// What people call it.
        name: &'static str,
    },
    /// A reserved sampling frequency index, 0 Hz, or more than `MAX_SAMPLE_RATE_HZ`.
    #[error("bit {at_bit}: sampling frequency (index {index}, {hz} Hz) is not allowed")]
    SampleRate {
        /// Where the index starts.
        at_bit: usize,
        /// The sampling frequency index.
        index: u8,
        /// The frequency; 0 for a reserved index.
        hz: u32,
    },
    /// A reserved channel configuration, or a program config element without channels.
    #[error("bit {at_bit}: channel configuration {configuration} gives no channels")]
    Channels {
        /// Where the channel configuration or program config element starts.
        at_bit: usize,
        /// The channel configuration; 0 means the program config element.
        configuration: u8,
    },
}

impl AacError {
    /// A stable name of the reason for logs and machine-readable answers.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Bits(_) => "asc-truncated",
            Self::TooLong { .. } => "asc-length",
            Self::Unsupported { .. } => "object-type",
            Self::SampleRate { .. } => "sample-rate",
            Self::Channels { .. } => "channels",
        }
    }
}

impl AacConfig {
    /// Reads an AudioSpecificConfig. Padding behind it is kept in `asc`, unread. Cost: no allocation.
    pub fn parse(asc: Bytes) -> Result<Self, AacError> {
        if asc.len() > MAX_ASC_BYTES {
            return Err(AacError::TooLong { len: asc.len() });
        }
        let mut reader = BitReader::new(&asc);
        let outer = read_object_type(&mut reader)?;
        let core_sample_rate = read_sample_rate(&mut reader)?;
        let channels_at = reader.position();
        let channel_configuration = reader.u8(4)?;
        let mut extension = Extension::default();
        let mut object_type = outer;
        if matches!(outer, SBR | PS) {
            extension = Extension { sbr_rate: Some(read_sample_rate(&mut reader)?), ps: outer == PS };
            object_type = read_object_type(&mut reader)?;
        }
        if object_type != LC {
            let name = object_type_name(object_type);
            return Err(AacError::Unsupported { object_type, name });
        }
        let ga = read_ga_header(&mut reader)?;
        let core_channels = match channel_configuration {
            0 => read_program_config(&mut reader)?,
            configuration => {
                channels_of(configuration).ok_or(AacError::Channels { at_bit: channels_at, configuration })?
            }
        };
        if ga.extended {
            reader.skip(1)?;
        }
        if extension.sbr_rate.is_none() {
            extension = read_sync_extension(&mut reader)?;
        }
        Ok(Self {
            asc,
            profile: extension.profile(),
            core_sample_rate,
            output_sample_rate: extension.sbr_rate.unwrap_or(core_sample_rate),
            channel_configuration,
            core_channels,
            samples_per_frame: if ga.short_frames { 960 } else { 1024 },
        })
    }

    /// The AudioSpecificConfig as it was read.
    #[must_use]
    pub const fn asc(&self) -> &Bytes {
        &self.asc
    }

    /// The flavour it states.
    #[must_use]
    pub const fn profile(&self) -> AacProfile {
        self.profile
    }

    /// The core coder's sampling frequency in hertz: what `samples_per_frame` and track times count in.
    #[must_use]
    pub const fn core_sample_rate(&self) -> u32 {
        self.core_sample_rate
    }

    /// The sampling frequency in hertz a decoder puts out: with SBR usually twice the core's.
    #[must_use]
    pub const fn output_sample_rate(&self) -> u32 {
        self.output_sample_rate
    }

    /// Channels a decoder puts out, low frequency channels included: with PS two where the core has one.
    #[must_use]
    pub const fn channels(&self) -> u8 {
        match self.profile {
            AacProfile::HeV2 if self.core_channels == 1 => 2,
            _ => self.core_channels,
        }
    }

    /// `channelConfiguration`; 0 where a program config element lists the channels.
    #[must_use]
    pub const fn channel_configuration(&self) -> u8 {
        self.channel_configuration
    }

    /// Samples an access unit holds at the core's sampling frequency, a channel: 1024 or 960.
    #[must_use]
    pub const fn samples_per_frame(&self) -> u16 {
        self.samples_per_frame
    }

    /// An access unit of silence: what a decoder of this configuration needs to put out zeros; `None` for
    /// channels that a program config element lists, and for 22.2.
    #[must_use]
    pub fn silent_frame(&self) -> Option<Bytes> {
        silence::frame(self.channel_configuration)
    }

    /// The codec string: `mp4a.40.2`, `mp4a.40.5` or `mp4a.40.29`.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        format!("mp4a.40.{}", self.profile.object_type())
    }
}

/// What is stated beside the core.
#[derive(Debug, Clone, Copy, Default)]
struct Extension {
    /// The rate SBR puts out.
    sbr_rate: Option<u32>,
    ps: bool,
}

impl Extension {
    const fn profile(self) -> AacProfile {
        match (self.sbr_rate, self.ps) {
            (None, _) => AacProfile::Lc,
            (Some(_), false) => AacProfile::HeV1,
            (Some(_), true) => AacProfile::HeV2,
        }
    }
}

fn read_object_type(reader: &mut BitReader<'_>) -> Result<u8, BitsError> {
    const ESCAPE: u8 = 31;
    let short = reader.u8(5)?;
    if short == ESCAPE { Ok(reader.u8(6)?.saturating_add(32)) } else { Ok(short) }
}

fn read_sample_rate(reader: &mut BitReader<'_>) -> Result<u32, AacError> {
    /// Indices 0 to 12; 13 and 14 are reserved, 15 is followed by the frequency itself.
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    const EXPLICIT: u8 = 15;
    let at_bit = reader.position();
    let index = reader.u8(4)?;
    let hz =
        if index == EXPLICIT { reader.u32(24)? } else { RATES.get(usize::from(index)).copied().unwrap_or(0) };
    if hz == 0 || hz > MAX_SAMPLE_RATE_HZ { Err(AacError::SampleRate { at_bit, index, hz }) } else { Ok(hz) }
}

/// Channels of a channel configuration, low frequency channels included; `None` for reserved ones.
const fn channels_of(configuration: u8) -> Option<u8> {
    match configuration {
        1..=6 => Some(configuration),
        11 => Some(7),
        7 | 12 | 14 => Some(8),
        13 => Some(24),
        _ => None,
    }
}

/// The head of a GASpecificConfig.
struct GaHeader {
    /// Frames hold 960 samples (`frameLengthFlag`).
    short_frames: bool,
    /// For object type 2: one more flag follows the program config element (`extensionFlag`).
    extended: bool,
}

fn read_ga_header(reader: &mut BitReader<'_>) -> Result<GaHeader, BitsError> {
    let short_frames = reader.flag()?;
    if reader.flag()? {
        reader.skip(14)?;
    }
    Ok(GaHeader { short_frames, extended: reader.flag()? })
}

/// The channels a program_config_element lists. Bytes align to the start of the AudioSpecificConfig.
fn read_program_config(reader: &mut BitReader<'_>) -> Result<u8, AacError> {
    let at_bit = reader.position();
    reader.skip(10)?;
    let front = reader.u8(4)?;
    let side = reader.u8(4)?;
    let back = reader.u8(4)?;
    let lfe = reader.u8(2)?;
    let data = reader.u8(3)?;
    let coupling = reader.u8(4)?;
    // Mono, stereo and matrix mix-down: a flag each, then an element number or a coefficient.
    for bits in [4, 4, 3] {
        if reader.flag()? {
            reader.skip(bits)?;
        }
    }
    let mut channels = lfe;
    for _ in 0..front.saturating_add(side).saturating_add(back) {
        let pair = reader.flag()?;
        reader.skip(4)?;
        channels = channels.saturating_add(if pair { 2 } else { 1 });
    }
    reader.skip(u32::from(lfe.saturating_add(data)).saturating_mul(4))?;
    reader.skip(u32::from(coupling).saturating_mul(5))?;
    reader.byte_align();
    let comment = reader.u8(8)?;
    reader.skip(u32::from(comment).saturating_mul(8))?;
    if channels == 0 { Err(AacError::Channels { at_bit, configuration: 0 }) } else { Ok(channels) }
}

/// Backward compatible signalling: SBR and PS behind the configuration, where old decoders do not look.
fn read_sync_extension(reader: &mut BitReader<'_>) -> Result<Extension, AacError> {
    const SBR_SYNC: u16 = 0x2b7;
    const PS_SYNC: u16 = 0x548;
    let mut extension = Extension::default();
    if reader.remaining() < 16 || reader.u16(11)? != SBR_SYNC {
        return Ok(extension);
    }
    if read_object_type(reader)? != SBR || !reader.flag()? {
        return Ok(extension);
    }
    extension.sbr_rate = Some(read_sample_rate(reader)?);
    if reader.remaining() >= 12 && reader.u16(11)? == PS_SYNC {
        extension.ps = reader.flag()?;
    }
    Ok(extension)
}

/// What people call an audio object type.
const fn object_type_name(object_type: u8) -> &'static str {
    match object_type {
        1 => "AAC Main",
        2 => "AAC LC",
        3 => "AAC SSR",
        4 => "AAC LTP",
        5 => "SBR",
        6 => "AAC Scalable",
        7 => "TwinVQ",
        8 => "CELP",
        9 => "HVXC",
        17 => "ER AAC LC",
        19 => "ER AAC LTP",
        20 => "ER AAC Scalable",
        21 => "ER TwinVQ",
        22 => "ER BSAC",
        23 => "ER AAC LD",
        29 => "PS",
        30 => "MPEG Surround",
        32 => "MPEG-1 Layer 1",
        33 => "MPEG-1 Layer 2",
        34 => "MPEG-1 Layer 3",
        36 => "ALS",
        37 | 38 => "SLS",
        39 => "ER AAC ELD",
        42 => "USAC, xHE-AAC",
        _ => "no audio object type of AAC",
    }
}

#[cfg(test)]
mod tests;
