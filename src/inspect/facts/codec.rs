//! Codecs in words: family, profile and level as engineers call them.

use rillcast_media::codec::aac::AacProfile;
use rillcast_media::codec::sps::{ChromaFormat, SpsInfo};
use rillcast_media::codec::{AvcConfig, Codec, HevcConfig};

/// A codec in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::inspect) struct Words {
    /// `H.264`, `H.265`, `AAC`.
    pub(in crate::inspect) family: &'static str,
    /// `High`, `Main 10`, `LC`.
    pub(in crate::inspect) profile: String,
    /// `4.1`, `5.1 high tier`; `None` for sound.
    pub(in crate::inspect) level: Option<String>,
}

/// `codec` in words.
pub(in crate::inspect) fn words(codec: &Codec) -> Words {
    match codec {
        Codec::Avc(config) => Words {
            family: "H.264",
            profile: avc_profile(config.profile_idc(), config.compatibility()),
            level: Some(avc_level(config)),
        },
        Codec::Hevc(config) => Words {
            family: "H.265",
            profile: hevc_profile(config.profile().profile_idc),
            level: Some(hevc_level(config)),
        },
        Codec::Aac(config) => Words {
            family: "AAC",
            profile: match config.profile() {
                AacProfile::Lc => "LC",
                AacProfile::HeV1 => "HE-AAC",
                AacProfile::HeV2 => "HE-AAC v2",
            }
            .to_owned(),
            level: None,
        },
    }
}

/// What the codec's parameter set says, for pictures.
pub(in crate::inspect) const fn sps(codec: &Codec) -> Option<&SpsInfo> {
    match codec {
        Codec::Avc(config) => config.sps_info(),
        Codec::Hevc(config) => config.sps_info(),
        Codec::Aac(_) => None,
    }
}

/// How colour is sampled, as people write it.
pub(in crate::inspect) const fn chroma(format: ChromaFormat) -> &'static str {
    match format {
        ChromaFormat::Monochrome => "4:0:0",
        ChromaFormat::Yuv420 => "4:2:0",
        ChromaFormat::Yuv422 => "4:2:2",
        ChromaFormat::Yuv444 => "4:4:4",
    }
}

/// Profiles of Rec. ITU-T H.264 annex A.2; the flags are `constraint_set0_flag` in the highest bit on.
fn avc_profile(profile_idc: u8, flags: u8) -> String {
    let constrained = flags & 0x40 != 0;
    let intra = flags & 0x10 != 0;
    let name = match (profile_idc, constrained, intra) {
        (66, true, _) => "Constrained Baseline",
        (66, false, _) => "Baseline",
        (77, _, _) => "Main",
        (88, _, _) => "Extended",
        (100, _, _) => "High",
        (110, _, false) => "High 10",
        (110, _, true) => "High 10 Intra",
        (122, _, false) => "High 4:2:2",
        (122, _, true) => "High 4:2:2 Intra",
        (244, _, false) => "High 4:4:4 Predictive",
        (244, _, true) => "High 4:4:4 Intra",
        (44, _, _) => "CAVLC 4:4:4 Intra",
        _ => return format!("profile {profile_idc}"),
    };
    name.to_owned()
}

/// Level 1b is 11 with constraint flag 3 in the old profiles, 9 in the others (annex A.3).
fn avc_level(config: &AvcConfig) -> String {
    let old = matches!(config.profile_idc(), 66 | 77 | 88);
    match config.level_idc() {
        9 => "1b".to_owned(),
        11 if old && config.compatibility() & 0x10 != 0 => "1b".to_owned(),
        level => format!("{}.{}", level / 10, level % 10),
    }
}

/// Profiles of Rec. ITU-T H.265 annex A.3.
fn hevc_profile(profile_idc: u8) -> String {
    match profile_idc {
        1 => "Main".to_owned(),
        2 => "Main 10".to_owned(),
        3 => "Main Still Picture".to_owned(),
        4 => "Rext".to_owned(),
        9 => "Screen Content".to_owned(),
        other => format!("profile {other}"),
    }
}

fn hevc_level(config: &HevcConfig) -> String {
    let profile = config.profile();
    let (whole, tenth) = (profile.level_idc / 30, profile.level_idc % 30 / 3);
    let tier = if profile.high_tier { " high tier" } else { "" };
    format!("{whole}.{tenth}{tier}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avc_profiles_need_their_flags() {
        for (profile_idc, flags, expected) in [
            (66, 0xc0, "Constrained Baseline"),
            (66, 0x80, "Baseline"),
            (100, 0, "High"),
            (110, 0x10, "High 10 Intra"),
            (244, 0, "High 4:4:4 Predictive"),
            (118, 0, "profile 118"),
        ] {
            assert_eq!(avc_profile(profile_idc, flags), expected);
        }
    }

    #[test]
    fn every_chroma_format_is_written_as_a_ratio() {
        use ChromaFormat::{Monochrome, Yuv420, Yuv422, Yuv444};
        assert_eq!([Monochrome, Yuv420, Yuv422, Yuv444].map(chroma), ["4:0:0", "4:2:0", "4:2:2", "4:4:4"]);
    }
}
