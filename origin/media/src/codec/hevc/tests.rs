//! Records of real files; expected values from ffprobe and its trace of the parameter sets.

use super::*;
use crate::bits::BitsError;
use crate::bits::writer::{BitWriter, hex};
use crate::codec::color::VideoRange;
use crate::codec::sps::{ChromaFormat, Ratio};

/// Main, 1280x720, the arrays not complete; the fourth array, SEI, shortened to a stub.
const FOREMAN: &str = "0101600000008000000000005df000fcfdf8f800000f04\
    200001001840010c01ffff01600000030080000003000003005d95c0902\
    10001002842010101600000030080000003000003005da00280802d16595e4932bc040400000fa400017700202\
    2000100064401c173d18927000100044e0105ff";
/// Main, 854x480: coded as 856x480 with a conformance window.
const BFRAMES: &str = "0101600000009000000000005af000fcfdf8f800000f03\
    200001001840010c01ffff01600000030090000003000003005a95980921\
    0001002942010101600000030090000003000003005aa006b201e1d796566924cae68080000003008000000f0422\
    000100074401c172b46240";
/// Main 10, 1922x1078, PQ, two temporal sub-layers, HRD parameters.
const MAIN_10: &str = "0102200000009000000000007bf002fffdfafa00001303\
    a00001001c40010c02ffff02200000030090000003000003007b00009598acc048a1\
    0001004542010202200000030090000003000003007b0000a003c48010e7253659598acd249caf0e6a1220120800001f48\
    0007530300a4c3f00016e360002dc6dc0005b8d8000b71b1a2000100074401c172b46240";
/// 4:2:2 with 12 bits, high tier, HLG.
const REXT: &str = "01240800000099080000000096f000fcfefcfc00000f03\
    a00001001740010c01ffff2408000003009908000003000096959809a1\
    0001002d4201012408000003009908000003000096b00502016914a5959a4932bc05a81090102000000300200000030321a2\
    000100074401c172b46240";
/// A sequence of fields.
const FIELDS: &str = "0101600000004000000000003cf000fcfdf8f800000f03\
    200001001840010c01ffff01600000030040000003000003003c95980921\
    0001002a42010101600000030040000003000003003ca00a080f165959a4932bc05a1a00000300020000030032102200\
    0100074401c172b46240";

const ALL: [&str; 5] = [FOREMAN, BFRAMES, MAIN_10, REXT, FIELDS];

fn config(text: &str) -> HevcConfig {
    HevcConfig::parse(hex(text).into()).unwrap()
}

fn info(text: &str) -> SpsInfo {
    *config(text).sps_info().unwrap()
}

fn sets(config: &HevcConfig) -> [Vec<Bytes>; 3] {
    [HevcNalType::VPS, HevcNalType::SPS, HevcNalType::PPS]
        .map(|nal_type| config.nals(nal_type).cloned().collect())
}

#[test]
fn codec_strings_follow_annex_e() {
    let expected = [
        (FOREMAN, "hvc1.1.6.L93.80"),
        (BFRAMES, "hvc1.1.6.L90.90"),
        (MAIN_10, "hvc1.2.4.L123.90"),
        (REXT, "hvc1.4.10.H150.99.8"),
        (FIELDS, "hvc1.1.6.L60.40"),
    ];
    for (text, string) in expected {
        assert_eq!(config(text).rfc6381(), string);
    }
}

#[test]
fn codec_strings_of_the_standard_and_of_players_come_out() {
    let profile = ProfileTierLevel {
        space: 0,
        high_tier: false,
        profile_idc: 1,
        compatibility: 0x6000_0000,
        constraints: [0xb0, 0, 0, 0, 0, 0],
        level_idc: 93,
    };
    assert_eq!(profile.rfc6381(), "1.6.L93.B0");
    // Inner zero bytes stay, trailing ones go, all-zero ones leave nothing.
    let inner = ProfileTierLevel { constraints: [0x90, 0, 4, 0, 0, 0], ..profile };
    assert_eq!(inner.rfc6381(), "1.6.L93.90.0.4");
    let none = ProfileTierLevel { constraints: [0; 6], ..profile };
    assert_eq!(none.rfc6381(), "1.6.L93");
    let all = ProfileTierLevel { constraints: [1, 2, 3, 4, 5, 0xff], ..profile };
    assert_eq!(all.rfc6381(), "1.6.L93.1.2.3.4.5.FF");
    let space = ProfileTierLevel { space: 1, high_tier: true, compatibility: 1, ..profile };
    assert_eq!(space.rfc6381(), "A1.80000000.H93.B0");
}

#[test]
fn picture_sizes_are_after_the_conformance_window() {
    let sizes = ALL.map(|text| (info(text).width, info(text).height));
    assert_eq!(sizes, [(1280, 720), (854, 480), (1922, 1078), (640, 360), (320, 240)]);
}

#[test]
fn the_rest_of_the_sps_is_read() {
    let format = |text| {
        let info = info(text);
        (info.profile_idc, info.level_idc, info.chroma_format, info.bit_depth_luma, info.bit_depth_chroma)
    };
    assert_eq!(format(FOREMAN), (1, 93, ChromaFormat::Yuv420, 8, 8));
    assert_eq!(format(MAIN_10), (2, 123, ChromaFormat::Yuv420, 10, 10));
    assert_eq!(format(REXT), (4, 150, ChromaFormat::Yuv422, 12, 12));
    assert!(info(FIELDS).interlaced && !info(FOREMAN).interlaced);
    for text in ALL {
        assert_eq!((info(text).max_num_reorder, info(text).vui_damage), (Some(2), None));
    }
}

#[test]
fn the_vui_gives_rate_aspect_and_colour() {
    let rate = |num, den| Some(Ratio { num, den });
    let rates = ALL.map(|text| info(text).frame_rate);
    assert_eq!(rates, [rate(24_000, 1001), rate(30, 1), rate(60_000, 1001), rate(25, 1), rate(25, 1)]);
    assert_eq!((info(BFRAMES).sar, info(MAIN_10).sar), (None, rate(4, 3)));
    let color = info(MAIN_10).color.unwrap();
    assert_eq!((color.primaries, color.transfer, color.matrix, color.full_range), (9, 16, 9, false));
    assert_eq!(info(MAIN_10).video_range(), VideoRange::Pq);
    assert_eq!(info(REXT).video_range(), VideoRange::Hlg);
    assert_eq!(info(FOREMAN).video_range(), VideoRange::Sdr);
}

#[test]
fn records_built_from_parameter_sets_say_what_other_muxers_wrote() {
    for text in [BFRAMES, MAIN_10, REXT, FIELDS] {
        let parsed = config(text);
        let [vps, sps, pps] = sets(&parsed);
        let built = HevcConfig::from_parameter_sets(&vps, &sps, &pps).unwrap();
        assert_eq!(built.rfc6381(), parsed.rfc6381());
        let mut expected = parsed.with_parameter_sets_complete().unwrap().record().to_vec();
        // Segmentation and parallelism are not derived: 0 says that nothing is known.
        expected[13..16].copy_from_slice(&[0xf0, 0, 0xfc]);
        assert_eq!(built.record().as_ref(), expected);
    }
}

#[test]
fn completing_sets_the_flag_of_parameter_sets_only() {
    let before = config(FOREMAN);
    assert!(before.arrays().iter().all(|array| !array.complete));
    let after = before.with_parameter_sets_complete().unwrap();
    let flags: Vec<_> = after.arrays().iter().map(|array| (array.nal_type, array.complete)).collect();
    let expected = [
        (HevcNalType::VPS, true),
        (HevcNalType::SPS, true),
        (HevcNalType::PPS, true),
        (HevcNalType::SEI_PREFIX, false),
    ];
    assert_eq!(flags, expected);
    let mut flagged = hex(FOREMAN);
    for at in [23, 52, 97] {
        flagged[at] |= 0x80;
    }
    assert_eq!(after.record().as_ref(), flagged);
    assert_eq!(after.with_parameter_sets_complete().unwrap(), after);
}

#[test]
fn incomplete_records_cannot_be_completed() {
    let header = "0101600000008000000000005df000fcfdf8f800000f00";
    let empty = config(header);
    assert_eq!((empty.sps_info(), empty.rfc6381().as_str()), (None, "hvc1.1.6.L93.80"));
    let missing = VideoConfigError::Missing { kind: SetKind::Video };
    assert_eq!(empty.with_parameter_sets_complete(), Err(missing));
    let [vps, sps, _] = sets(&config(FOREMAN));
    let built = HevcConfig::from_parameter_sets(&vps, &sps, &[]);
    assert_eq!(built, Err(VideoConfigError::Missing { kind: SetKind::Picture }));
}

#[test]
fn records_that_lie_are_refused() {
    let changed = |at: usize, value: u8| {
        let mut record = hex(FOREMAN);
        record[at] = value;
        HevcConfig::parse(record.into()).map(|_| ())
    };
    assert_eq!(changed(0, 0), Err(VideoConfigError::Version { found: 0 }));
    assert_eq!(changed(21, 0x0e), Err(VideoConfigError::LengthSize { found: 2 }));
    let too_many = VideoConfigError::TooMany { kind: SetKind::Any, count: 257, limit: MAX_NALS };
    assert_eq!(changed(24, 1), Err(too_many));
    let Err(VideoConfigError::Record(end)) = changed(22, 5) else { panic!("one array too many was read") };
    assert_eq!(end, BitsError::End { at_bit: 8 * hex(FOREMAN).len(), wanted: 8, left: 0 });
    let not_sps = VideoConfigError::Sps(SpsError::NotSps { nal_type: 32 });
    assert_eq!(changed(57, 0x40), Err(not_sps));
}

#[test]
fn as_many_nal_units_as_the_limit_are_read() {
    let mut record = hex("0101600000008000000000005df000fcfdf8f800000f01");
    record.extend([0x27, 1, 0]);
    record.extend([0, 0].repeat(MAX_NALS));
    assert_eq!(HevcConfig::parse(record.into()).unwrap().arrays()[0].nals.len(), MAX_NALS);
}

/// An SPS up to the block sizes: Main, 64x48, `max_sub_layer` with both flags set for each lower sub-layer.
fn sps_head(max_sub_layer: u8, chroma_format: u32) -> BitWriter {
    let mut writer = BitWriter::default();
    writer.u(16, 0x4201).u(4, 0).u(3, u64::from(max_sub_layer)).u(1, 0);
    writer.u(8, 1).u(32, 0x6000_0000).u(48, 0xb000_0000_0000).u(8, 93);
    for _ in 0..max_sub_layer {
        writer.u(2, 3);
    }
    if max_sub_layer > 0 {
        writer.u(2 * (8 - u32::from(max_sub_layer)), 0);
    }
    for _ in 0..max_sub_layer {
        writer.u(64, 0).u(24, 0).u(8, 60);
    }
    writer.ue(0).ue(chroma_format);
    if chroma_format == 3 {
        writer.u(1, 0);
    }
    writer.ue(64).ue(48).u(1, 0).ue(0).ue(0).ue(4).u(1, 1);
    for layer in 0..=u32::from(max_sub_layer) {
        writer.ue(4).ue(layer).ue(0);
    }
    for _ in 0..6 {
        writer.ue(1);
    }
    writer
}

/// From the temporal motion flag to the end: a VUI with nothing but timing.
fn sps_tail(writer: &mut BitWriter) -> Vec<u8> {
    writer.u(2, 3).u(1, 1).u(4, 0).u(3, 0).u(1, 0).u(1, 1).u(32, 1).u(32, 50).u(2, 0).u(2, 0).nal()
}

const FIFTY: Option<Ratio> = Some(Ratio { num: 50, den: 1 });

#[test]
fn sub_layers_are_passed_over_and_the_highest_orders() {
    for max_sub_layer in [0, 1, 6] {
        let mut writer = sps_head(max_sub_layer, 1);
        writer.u(1, 0).u(2, 0).u(1, 0).ue(0).u(1, 0);
        let info = parse_sps(&sps_tail(&mut writer)).unwrap();
        assert_eq!((info.max_num_reorder, info.frame_rate), (Some(max_sub_layer), FIFTY));
    }
    let mut writer = BitWriter::default();
    writer.u(16, 0x4201).u(4, 0).u(3, 7).u(64, 0).u(64, 0);
    let field = "sps_max_sub_layers_minus1";
    let refusal = SpsError::OutOfRange { field, value: 7, limit: 6, at_bit: 20 };
    assert_eq!(parse_sps(&writer.nal()), Err(refusal));
}

#[test]
fn scaling_lists_and_pcm_are_passed_over() {
    let mut writer = sps_head(0, 3);
    writer.u(1, 1).u(1, 1);
    for (matrices, coefficients, has_dc) in [(6, 16, false), (6, 64, false), (6, 64, true), (2, 64, true)] {
        for matrix in 0..matrices {
            if matrix % 2 == 0 {
                writer.u(1, 0).ue(0);
                continue;
            }
            writer.u(1, 1);
            for _ in 0..coefficients + i32::from(has_dc) {
                writer.se(-1);
            }
        }
    }
    writer.u(2, 3).u(1, 1).u(8, 0x77).ue(0).ue(1).u(1, 1).ue(0).u(1, 0);
    assert_eq!(parse_sps(&sps_tail(&mut writer)).unwrap().frame_rate, FIFTY);
}

#[test]
fn predicted_reference_sets_are_as_long_as_the_flags_say() {
    let mut writer = sps_head(0, 1);
    writer.u(1, 0).u(2, 0).u(1, 0).ue(3);
    // The first: two before, one behind.
    writer.ue(2).ue(1).ue(0).u(1, 1).ue(1).u(1, 1).ue(0).u(1, 0);
    // The second, from its three pictures and itself: used, unused, used later, used makes three.
    writer.u(1, 1).u(1, 0).ue(0).u(1, 1).u(2, 0b00).u(2, 0b01).u(1, 1);
    // The third, from those three and itself.
    writer.u(1, 1).u(1, 1).ue(3).u(4, 0b1111);
    // Two long-term pictures with POC bits 8 wide.
    writer.u(1, 1).ue(2).u(9, 0x1ff).u(9, 0);
    assert_eq!(parse_sps(&sps_tail(&mut writer)).unwrap().frame_rate, FIFTY);
}

#[test]
fn too_many_reference_sets_are_named() {
    let mut writer = sps_head(0, 1);
    writer.u(1, 0).u(2, 0).u(1, 0).ue(65);
    let refusal = parse_sps(&writer.nal()).unwrap_err();
    let SpsError::OutOfRange { field, value: 65, limit: 64, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!((field, refusal.slug()), ("num_short_term_ref_pic_sets", "sps-range"));
}

fn sample(nals: &[&[u8]]) -> Bytes {
    let mut payload = Vec::new();
    for nal in nals {
        payload.extend_from_slice(&u32::try_from(nal.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(nal);
    }
    payload.into()
}

#[test]
fn the_first_slice_gives_the_picture_type() {
    let aud: &[u8] = &[0x46, 1, 0x50];
    for nal_type in 0..32 {
        let payload = sample(&[aud, &[nal_type << 1, 1, 0x80], &[0x02, 1]]);
        let found = picture_type(&payload, LengthSize::Four).unwrap().unwrap();
        assert_eq!(found.value(), nal_type);
        assert_eq!(found.is_irap(), (16..=23).contains(&nal_type));
        assert_eq!(found.is_idr(), nal_type == 19 || nal_type == 20);
        assert_eq!(found.is_bla(), (16..=18).contains(&nal_type));
    }
    assert_eq!(picture_type(&sample(&[aud]), LengthSize::Four), Ok(None));
}

#[test]
fn parameter_sets_of_a_sample_make_a_record() {
    let parsed = config(BFRAMES);
    let [vps, sps, pps] = sets(&parsed);
    let payload = sample(&[&vps[0], &sps[0], &pps[0], &vps[0], &[0x26, 1, 0xaf]]);
    let found = parameter_sets(&payload, LengthSize::Four).unwrap();
    assert_eq!([&found.vps, &found.sps, &found.pps], [&vps, &sps, &pps]);
    let built = HevcConfig::from_parameter_sets(&found.vps, &found.sps, &found.pps).unwrap();
    assert_eq!(built, parsed.with_parameter_sets_complete().unwrap());
}

#[test]
fn every_prefix_and_every_changed_byte_is_survived() {
    for text in ALL {
        let record = Bytes::from(hex(text));
        for len in 0..record.len() {
            assert!(HevcConfig::parse(record.slice(..len)).is_err(), "{text} cut to {len}");
        }
        for at in 0..record.len() {
            for value in [0, 0xff, record[at] ^ 0x80, record[at].wrapping_add(1)] {
                let mut changed = record.to_vec();
                changed[at] = value;
                if let Ok(config) = HevcConfig::parse(changed.into()) {
                    assert!(config.rfc6381().starts_with("hvc1."));
                }
            }
        }
    }
}
