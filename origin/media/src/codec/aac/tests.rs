//! AudioSpecificConfigs of real files, of Apple's and Fraunhofer's encoders, and made by hand from the syntax.

use super::*;
use crate::bits::writer::{BitWriter, hex};

fn config(text: &str) -> AacConfig {
    AacConfig::parse(hex(text).into()).unwrap()
}

/// Profile, core rate, output rate, channels, samples a frame.
fn facts(text: &str) -> (AacProfile, u32, u32, u8, u16) {
    let config = config(text);
    (
        config.profile(),
        config.core_sample_rate(),
        config.output_sample_rate(),
        config.channels(),
        config.samples_per_frame(),
    )
}

#[test]
fn low_complexity_is_read_with_and_without_the_sync_extension() {
    let expected = [
        ("1190", 48_000, 2),
        ("1210", 44_100, 2),
        ("1208", 44_100, 1),
        ("119056e500", 48_000, 2),
        ("118856e500", 48_000, 1),
        ("11b056e500", 48_000, 6),
        ("11b856e500", 48_000, 8),
    ];
    for (text, rate, channels) in expected {
        assert_eq!(facts(text), (AacProfile::Lc, rate, rate, channels, 1024), "{text}");
        assert_eq!(config(text).rfc6381(), "mp4a.40.2");
    }
}

#[test]
fn sbr_is_read_in_front_and_behind() {
    for text in ["2b920800", "139056e5a0"] {
        assert_eq!(facts(text), (AacProfile::HeV1, 22_050, 44_100, 2, 1024), "{text}");
        assert_eq!(config(text).rfc6381(), "mp4a.40.5");
    }
}

#[test]
fn parametric_stereo_is_read_in_front_and_behind_and_makes_two_channels() {
    for text in ["eb8a0800", "138856e5a54880"] {
        assert_eq!(facts(text), (AacProfile::HeV2, 22_050, 44_100, 2, 1024), "{text}");
        assert_eq!(
            (config(text).rfc6381().as_str(), config(text).channel_configuration()),
            ("mp4a.40.29", 1)
        );
    }
}

#[test]
fn sync_extensions_that_deny_sbr_leave_low_complexity() {
    // SBR flag 0; PS flag 0 behind SBR; another object type; another sync word.
    assert_eq!(config("139056e500").profile(), AacProfile::Lc);
    assert_eq!(config("139056e5a54800").profile(), AacProfile::HeV1);
    assert_eq!(config("139056e2a0").profile(), AacProfile::Lc);
    assert_eq!(config("139056f5a0").profile(), AacProfile::Lc);
}

#[test]
fn frequencies_outside_the_table_are_spelled_out() {
    let asc = |hz: u64| BitWriter::default().u(5, 2).u(4, 15).u(24, hz).u(4, 2).u(3, 0).bytes();
    let parse = |hz| AacConfig::parse(asc(hz).into()).map(|config| config.core_sample_rate());
    assert_eq!(parse(50_000), Ok(50_000));
    assert_eq!(parse(u64::from(MAX_SAMPLE_RATE_HZ)), Ok(MAX_SAMPLE_RATE_HZ));
    let refused = |hz| Err(AacError::SampleRate { at_bit: 5, index: 15, hz });
    assert_eq!(parse(u64::from(MAX_SAMPLE_RATE_HZ) + 1), refused(MAX_SAMPLE_RATE_HZ + 1));
    assert_eq!(parse(0), refused(0));
}

#[test]
fn reserved_frequency_indices_are_refused() {
    for index in [13_u8, 14] {
        let asc = BitWriter::default().u(5, 2).u(4, u64::from(index)).u(7, 16).bytes();
        assert_eq!(AacConfig::parse(asc.into()), Err(AacError::SampleRate { at_bit: 5, index, hz: 0 }));
    }
}

#[test]
fn channel_configurations_are_those_of_the_table() {
    let channels = |configuration: u8| {
        let asc = BitWriter::default().u(5, 2).u(4, 3).u(4, u64::from(configuration)).u(3, 0).bytes();
        AacConfig::parse(asc.into()).map(|config| config.channels())
    };
    let expected =
        [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 8), (11, 7), (12, 8), (13, 24), (14, 8)];
    for (configuration, count) in expected {
        assert_eq!(channels(configuration), Ok(count));
    }
    for configuration in [8, 9, 10, 15] {
        assert_eq!(channels(configuration), Err(AacError::Channels { at_bit: 9, configuration }));
    }
}

#[test]
fn program_config_elements_list_the_channels() {
    // Written by ffmpeg for layouts without a channel configuration, with its comment and the sync extension.
    let expected = [
        ("118004c4010020000d4c61766335392e33372e31303056e500", 3),
        ("118004c4040021100d4c61766335392e33372e31303056e500", 4),
        ("118004c808002008840d4c61766335392e33372e31303056e500", 6),
        ("118004c848002000c6400d4c61766335392e33372e31303056e500", 8),
    ];
    for (text, channels) in expected {
        assert_eq!(facts(text), (AacProfile::Lc, 48_000, 48_000, channels, 1024), "{text}");
        assert_eq!(config(text).channel_configuration(), 0);
    }
}

/// An AudioSpecificConfig with a program config element: `front` pairs, two LFE, mix-downs, data and coupling
/// elements, a comment of `comment` bytes, then SBR behind.
fn with_program_config(front: u32, lfe: u64, comment: u64) -> Vec<u8> {
    let mut writer = BitWriter::default();
    writer.u(5, 2).u(4, 7).u(4, 0).u(3, 0);
    writer.u(4, 0).u(2, 1).u(4, 7).u(4, u64::from(front)).u(4, 0).u(4, 0).u(2, lfe).u(3, 1).u(4, 1);
    writer.u(1, 1).u(4, 0).u(1, 1).u(4, 0).u(1, 1).u(3, 5);
    for tag in 0..front {
        writer.u(1, 1).u(4, u64::from(tag));
    }
    writer.u(4 * u32::try_from(lfe).unwrap(), 0).u(4, 0).u(5, 0);
    let mut asc = writer.bytes();
    asc.push(comment.try_into().unwrap());
    asc.extend(std::iter::repeat_n(0x2b, comment.try_into().unwrap()));
    asc.extend(hex("56e5a0"));
    asc
}

#[test]
fn all_parts_of_a_program_config_element_are_passed_over() {
    for comment in [0, 1, 255] {
        let config = AacConfig::parse(with_program_config(2, 2, comment).into()).unwrap();
        assert_eq!(
            (config.channels(), config.profile(), config.output_sample_rate()),
            (6, AacProfile::HeV1, 44_100)
        );
    }
    let empty = AacConfig::parse(with_program_config(0, 0, 0).into());
    assert_eq!(empty, Err(AacError::Channels { at_bit: 16, configuration: 0 }));
}

#[test]
fn short_frames_core_coder_and_extension_flags_are_read() {
    let asc = BitWriter::default().u(5, 2).u(4, 3).u(4, 2).u(1, 1).u(1, 1).u(14, 99).u(1, 1).u(1, 0).bytes();
    assert_eq!(AacConfig::parse(asc.into()).unwrap().samples_per_frame(), 960);
}

#[test]
fn object_types_players_do_not_play_are_named() {
    let parse = |writer: &mut BitWriter| AacConfig::parse(writer.u(40, 0).bytes().into());
    for (object_type, name) in [(1, "AAC Main"), (3, "AAC SSR"), (4, "AAC LTP"), (23, "ER AAC LD")] {
        let parsed = parse(BitWriter::default().u(5, u64::from(object_type)).u(4, 3).u(4, 2));
        assert_eq!(parsed, Err(AacError::Unsupported { object_type, name }));
    }
    for (object_type, name) in [(39_u8, "ER AAC ELD"), (42, "USAC, xHE-AAC"), (34, "MPEG-1 Layer 3")] {
        let escape = u64::from(object_type) - 32;
        let parsed = parse(BitWriter::default().u(5, 31).u(6, escape).u(4, 3).u(4, 2));
        assert_eq!(parsed, Err(AacError::Unsupported { object_type, name }));
    }
    // SBR over something else than LC.
    let parsed = parse(BitWriter::default().u(5, 5).u(4, 6).u(4, 2).u(4, 3).u(5, 17));
    assert_eq!(parsed, Err(AacError::Unsupported { object_type: 17, name: "ER AAC LC" }));
}

#[test]
fn every_prefix_is_survived() {
    let pce = with_program_config(2, 2, 3);
    for asc in [hex("2b920800"), hex("138856e5a54880"), hex("eb8a0800"), pce] {
        let asc = Bytes::from(asc);
        for len in 0..asc.len() {
            if let Ok(config) = AacConfig::parse(asc.slice(..len)) {
                assert!(config.channels() > 0 && len >= 2);
            }
        }
    }
    assert_eq!(AacConfig::parse(Bytes::new()), Err(BitsError::End { at_bit: 0, wanted: 5, left: 0 }.into()));
}

#[test]
fn the_length_limit_is_exact() {
    let mut asc = hex("1190");
    asc.resize(MAX_ASC_BYTES, 0);
    assert!(AacConfig::parse(asc.clone().into()).is_ok());
    asc.push(0);
    assert_eq!(AacConfig::parse(asc.into()), Err(AacError::TooLong { len: MAX_ASC_BYTES + 1 }));
}
