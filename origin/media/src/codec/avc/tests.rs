//! Records of real files; expected values from ffprobe and its trace of the parameter sets.

use super::*;
use crate::bits::BitsError;
use crate::bits::writer::{BitWriter, hex};
use crate::codec::color::{Color, VideoRange};
use crate::codec::sps::{ChromaFormat, Ratio};

const FLOWER: &str = "0164001fffe1001d6764001fac56240f0117ef016a0c0c0c800001f480007530078c18c4c0\
    01000668e88ecb22c0fdf8f800";
const FRIDAY: &str = "014d401effe1001b674d401eecc0501ed350101064000003000400000300f23c58b668\
    01000568e97b2c80";
const CAR: &str = "01428016ffe100176742801696540601bd350606064000000300400000066101000468ce3520";
const BOTTLE: &str = "0164001effe1001a6764001eacd940a02ff97011000003000600000301660f162d96\
    01000668ebe24b22c0";
const LONG: &str = "0142c028ffe100196742c028d900780227e584000003000400000300f03c60c92001000568cb83cb20";
const PYRAMID: &str = "0164001fffe1001d6764001facd900c8146ffc010000b440000003004000000f23c60c6580\
    01000568ef9cb22cfdf8f800";
const TIMESTAMPS: &str = "0142c015ffe1001b6742c015da0507ec05b8283032000003000200000300f01e2c5d40\
    01000568ce0f2c80";
const CHAPTERS: &str = "01640034ffe1001367640034acb402202df2f2901010106d0a135001000568ee06f2c0";
const TINY: &str = "0164000cffe100196764000cacd941419f9f016c80000003008000000a078a14cb01000568ebecb22c";
const TOS_320: &str = "0142c00cffe1001f6742c00cd901413f9fff0a780a8f6a04040a800000030080000018078a1524\
    01000468cb8cb2";
/// High 4:2:2, 10 bits, 1922x1078, PQ.
const HIGH_422: &str = "017a002affe10024677a002ab6cd940790227888bffc0044004da848804a00000300020000\
    0300c81e30632c01000668ebe3cb22c0fefafa00";
/// High 4:4:4 Predictive, 322x182.
const HIGH_444: &str = "01f4000dffe1001b67f4000d919b282a33c7c5e022000003000200000300641e28532c\
    01000668ebe3c44844fff8f800";
/// Interlaced 720x480 with HRD parameters.
const INTERLACED: &str = "0164001effe100226764001eacd940b47b6062000007d20001d4c0c4c001e848003d09498601f14299\
    6001000768fba3cb3002c0fdf8f800";
/// Interlaced 1920x1080: cropping counts in fields.
const INTERLACED_1080: &str = "01640028ffe1001a67640028acd94078044fde0220000003002000000643e2c5b2c0\
    01000668fba3cb22c0fdf8f800";

const ALL: [&str; 14] = [
    FLOWER,
    FRIDAY,
    CAR,
    BOTTLE,
    LONG,
    PYRAMID,
    TIMESTAMPS,
    CHAPTERS,
    TINY,
    TOS_320,
    HIGH_422,
    HIGH_444,
    INTERLACED,
    INTERLACED_1080,
];

fn config(text: &str) -> AvcConfig {
    AvcConfig::parse(hex(text).into()).unwrap()
}

fn info(text: &str) -> SpsInfo {
    *config(text).sps_info().unwrap()
}

fn ratio(num: u32, den: u32) -> Option<Ratio> {
    Some(Ratio { num, den })
}

#[test]
fn codec_strings_spell_profile_flags_and_level() {
    let expected = [
        (FLOWER, "avc1.64001F"),
        (FRIDAY, "avc1.4D401E"),
        (CAR, "avc1.428016"),
        (LONG, "avc1.42C028"),
        (CHAPTERS, "avc1.640034"),
        (HIGH_422, "avc1.7A002A"),
        (HIGH_444, "avc1.F4000D"),
    ];
    for (text, string) in expected {
        assert_eq!(config(text).rfc6381(), string);
    }
}

#[test]
fn codec_strings_follow_the_sps_where_the_header_disagrees() {
    let mut record = hex(FLOWER);
    record[1..4].copy_from_slice(&[66, 0, 10]);
    let config = AvcConfig::parse(record.into()).unwrap();
    assert_eq!(config.rfc6381(), "avc1.64001F");
    assert_eq!((config.profile_idc(), config.compatibility(), config.level_idc()), (100, 0, 31));
}

#[test]
fn picture_sizes_are_after_cropping() {
    let expected = [
        (FLOWER, (960, 540)),
        (FRIDAY, (640, 480)),
        (CAR, (768, 432)),
        (BOTTLE, (640, 360)),
        (LONG, (1920, 1080)),
        (PYRAMID, (800, 640)),
        (TIMESTAMPS, (320, 240)),
        (CHAPTERS, (1080, 720)),
        (TINY, (320, 180)),
        (TOS_320, (320, 132)),
        (HIGH_422, (1922, 1078)),
        (HIGH_444, (322, 182)),
        (INTERLACED, (720, 480)),
        (INTERLACED_1080, (1920, 1080)),
    ];
    for (text, size) in expected {
        let info = info(text);
        assert_eq!((info.width, info.height), size, "{text}");
        assert_eq!(info.vui_damage, None, "{text}");
    }
}

#[test]
fn frame_rates_count_frames_not_fields() {
    let expected = [
        (FLOWER, ratio(30_000, 1001)),
        (FRIDAY, ratio(30, 1)),
        (CAR, ratio(25, 2)),
        (BOTTLE, ratio(179, 6)),
        (TIMESTAMPS, ratio(60, 1)),
        (CHAPTERS, None),
        (TINY, ratio(10, 1)),
        (INTERLACED, ratio(30_000, 1001)),
        (INTERLACED_1080, ratio(25, 1)),
    ];
    for (text, rate) in expected {
        assert_eq!(info(text).frame_rate, rate, "{text}");
    }
}

#[test]
fn sample_aspect_ratios_come_from_the_table_or_are_spelled_out() {
    let expected = [
        (FRIDAY, None),
        (FLOWER, ratio(1, 1)),
        (PYRAMID, ratio(64, 45)),
        (TOS_320, ratio(2680, 2703)),
        (HIGH_422, ratio(17, 19)),
        (INTERLACED, ratio(10, 11)),
    ];
    for (text, sar) in expected {
        assert_eq!(info(text).sar, sar, "{text}");
    }
}

#[test]
fn colour_comes_from_the_video_signal_type() {
    let color = |text| info(text).color.map(|c| (c.primaries, c.transfer, c.matrix, c.full_range));
    assert_eq!(color(FLOWER), Some((6, 6, 6, false)));
    assert_eq!(color(FRIDAY), Some((1, 1, 6, false)));
    assert_eq!(color(TIMESTAMPS), Some((5, 6, 6, true)));
    assert_eq!(color(TINY), Some((2, 2, 2, true)));
    assert_eq!(color(TOS_320), Some((2, 2, 5, false)));
    assert_eq!(color(LONG), None);
    assert_eq!(color(HIGH_422), Some((9, 16, 9, false)));
    assert_eq!(info(HIGH_422).video_range(), VideoRange::Pq);
    assert_eq!(info(LONG).video_range(), VideoRange::Sdr);
}

#[test]
fn formats_depths_fields_and_reordering_are_read() {
    let format = |text| {
        let info = info(text);
        (info.chroma_format, info.bit_depth_luma, info.bit_depth_chroma)
    };
    assert_eq!(format(FLOWER), (ChromaFormat::Yuv420, 8, 8));
    assert_eq!(format(HIGH_422), (ChromaFormat::Yuv422, 10, 10));
    assert_eq!(format(HIGH_444), (ChromaFormat::Yuv444, 8, 8));
    assert!(info(INTERLACED).interlaced && info(INTERLACED_1080).interlaced && !info(FLOWER).interlaced);
    // x264 states two; a POC type of 2 means none; this camera states nothing.
    assert_eq!(info(FLOWER).max_num_reorder, Some(2));
    assert_eq!(info(LONG).max_num_reorder, Some(0));
    assert_eq!(info(CAR).max_num_reorder, None);
}

#[test]
fn records_built_from_parameter_sets_are_what_other_muxers_wrote() {
    for text in ALL {
        let parsed = config(text);
        let built = AvcConfig::from_parameter_sets(parsed.sps(), parsed.pps()).unwrap();
        // The muxers of these files left the extension of the High profiles out.
        let extension = if [BOTTLE, CHAPTERS, TINY].contains(&text) { "fdf8f800" } else { "" };
        assert_eq!(built.record().as_ref(), hex(&format!("{text}{extension}")), "{text}");
        assert_eq!((built.sps(), built.pps()), (parsed.sps(), parsed.pps()));
    }
}

/// The head of a High SPS up to the scaling matrix flag.
fn high_sps(chroma_format: u32) -> BitWriter {
    let mut writer = BitWriter::default();
    writer.u(8, 0x67).u(8, 100).u(8, 0).u(8, 40).ue(0).ue(chroma_format);
    if chroma_format == 3 {
        writer.u(1, 0);
    }
    writer.ue(0).ue(0).u(1, 0);
    writer
}

/// From `log2_max_frame_num_minus4` to the cropping flag: POC type 1 with two offsets, 64x48, frames only.
fn poc_cycle_and_size(writer: &mut BitWriter) {
    writer.ue(0).ue(1).u(1, 0).se(-1).se(1).ue(2).se(-2).se(2);
    writer.ue(1).u(1, 0).ue(3).ue(2).u(1, 1).u(1, 0);
}

#[test]
fn scaling_lists_are_passed_over() {
    for (chroma_format, lists) in [(1, 8), (3, 12)] {
        let mut writer = high_sps(chroma_format);
        writer.u(1, 1);
        for list in 0..lists {
            let size = if list < 6 { 16 } else { 64 };
            match list % 3 {
                0 => writer.u(1, 0),
                // Ends early: the next scale becomes 8 - 8 = 0.
                1 => writer.u(1, 1).se(-8),
                _ => (0..size).fold(writer.u(1, 1), |writer, _| writer.se(1)),
            };
        }
        poc_cycle_and_size(&mut writer);
        writer.u(1, 1).ue(1).ue(2).ue(3).ue(0).u(1, 0);
        let info = parse_sps(&writer.nal()).unwrap();
        let unit = if chroma_format == 1 { 2 } else { 1 };
        assert_eq!((info.width, info.height), (64 - 3 * unit, 48 - 3 * unit));
        assert_eq!(info.max_num_reorder, None);
    }
}

#[test]
fn an_extended_aspect_ratio_of_zero_is_unspecified() {
    for (num, den, expected) in [(0, 5, None), (5, 0, None), (8, 6, ratio(4, 3))] {
        let mut writer = high_sps(1);
        writer.u(1, 0);
        poc_cycle_and_size(&mut writer);
        writer.u(1, 0).u(1, 1).u(1, 1).u(8, 255).u(16, num).u(16, den).u(9, 0);
        let info = parse_sps(&writer.nal()).unwrap();
        assert_eq!((info.sar, info.vui_damage), (expected, None));
    }
}

#[test]
fn a_broken_vui_keeps_the_size_and_says_where_it_broke() {
    let mut writer = high_sps(1);
    writer.u(1, 0);
    poc_cycle_and_size(&mut writer);
    writer.u(1, 0).u(1, 1).u(1, 1).u(8, 1).u(1, 0).u(1, 0).u(1, 0).u(1, 1).u(8, 0);
    let info = parse_sps(&writer.bytes()).unwrap();
    assert_eq!((info.width, info.height, info.sar), (64, 48, ratio(1, 1)));
    assert!(matches!(info.vui_damage, Some(BitsError::End { wanted: 32, .. })), "{:?}", info.vui_damage);
}

#[test]
fn fields_out_of_range_are_named() {
    let out_of_range = |nal: &[u8]| match parse_sps(nal) {
        Err(SpsError::OutOfRange { field, value, .. }) => (field, value),
        other => panic!("{other:?}"),
    };
    assert_eq!(out_of_range(&high_sps(4).nal()), ("chroma_format_idc", 4));
    let mut writer = high_sps(1);
    writer.u(1, 0).ue(13);
    assert_eq!(out_of_range(&writer.nal()), ("log2_max_frame_num_minus4", 13));
    let mut writer = high_sps(1);
    writer.u(1, 0).ue(0).ue(2).ue(1).u(1, 0).ue(4096);
    assert_eq!(out_of_range(&writer.nal()), ("pic_width_in_mbs_minus1", 4096));
    let mut writer = high_sps(1);
    writer.u(1, 0).ue(0).ue(1).u(1, 0).se(0).se(0).ue(256);
    assert_eq!(out_of_range(&writer.nal()), ("num_ref_frames_in_pic_order_cnt_cycle", 256));
}

#[test]
fn cropping_the_whole_picture_away_is_refused() {
    let mut writer = high_sps(1);
    writer.u(1, 0);
    poc_cycle_and_size(&mut writer);
    writer.u(1, 1).ue(16).ue(16).ue(0).ue(0).u(1, 0);
    assert_eq!(parse_sps(&writer.nal()), Err(SpsError::PictureSize { width: 0, height: 48 }));
}

#[test]
fn records_that_lie_are_refused() {
    let parse = |record: &[u8]| AvcConfig::parse(Bytes::copy_from_slice(record));
    let changed = |at: usize, value: u8| {
        let mut record = hex(FLOWER);
        record[at] = value;
        AvcConfig::parse(record.into()).map(|_| ())
    };
    assert_eq!(changed(0, 0), Err(VideoConfigError::Version { found: 0 }));
    assert_eq!(changed(4, 0xfe), Err(VideoConfigError::LengthSize { found: 2 }));
    assert_eq!(changed(8, 0x68), Err(VideoConfigError::Sps(SpsError::NotSps { nal_type: 8 })));
    let cut = BitsError::End { at_bit: 64, wanted: 29 * 8, left: 24 };
    assert_eq!(parse(&hex(FLOWER)[..11]), Err(VideoConfigError::Record(cut)));
    assert_eq!(VideoConfigError::Record(cut).slug(), "record-truncated");
    let empty = [1, 100, 0, 31, 0xff, 0xe1, 0, 0, 0];
    assert!(matches!(parse(&empty), Err(VideoConfigError::Sps(SpsError::Bits(BitsError::End { .. })))));
}

#[test]
fn length_sizes_are_one_two_and_four() {
    for (bits, size) in [(0xfc, LengthSize::One), (0xfd, LengthSize::Two), (0xff, LengthSize::Four)] {
        let mut record = hex(FLOWER);
        record[4] = bits;
        assert_eq!(AvcConfig::parse(record.into()).unwrap().length_size(), size);
    }
}

#[test]
fn a_record_without_sets_is_that_of_an_avc3_track() {
    let config = config("014d401effe000");
    assert_eq!((config.sps_info(), config.rfc6381().as_str()), (None, "avc1.4D401E"));
}

#[test]
fn building_needs_both_kinds_and_keeps_their_limits() {
    let parsed = config(FLOWER);
    let (sps, pps) = (parsed.sps(), parsed.pps());
    let missing = |kind| Err(VideoConfigError::Missing { kind });
    assert_eq!(AvcConfig::from_parameter_sets(&[], pps), missing(SetKind::Sequence));
    assert_eq!(AvcConfig::from_parameter_sets(sps, &[]), missing(SetKind::Picture));
    let many = |sps_count: usize, pps_count: usize| {
        AvcConfig::from_parameter_sets(&vec![sps[0].clone(); sps_count], &vec![pps[0].clone(); pps_count])
    };
    assert!(many(MAX_SPS, MAX_PPS).is_ok());
    let too_many = |kind, limit| Err(VideoConfigError::TooMany { kind, count: limit + 1, limit });
    assert_eq!(many(MAX_SPS + 1, 1), too_many(SetKind::Sequence, MAX_SPS));
    assert_eq!(many(1, MAX_PPS + 1), too_many(SetKind::Picture, MAX_PPS));
    let long = Bytes::from(vec![0x68; 65_536]);
    let too_long = VideoConfigError::TooLong { kind: SetKind::Picture, len: 65_536 };
    assert_eq!(AvcConfig::from_parameter_sets(sps, &[long]), Err(too_long));
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
fn the_first_slice_decides_whether_a_sample_is_idr() {
    let aud: &[u8] = &[0x09, 0xf0];
    let is_idr = |nals: &[&[u8]]| is_idr(&sample(nals), LengthSize::Four);
    assert_eq!(is_idr(&[aud, &[0x06, 1], &[0x65, 0x88]]), Ok(true));
    assert_eq!(is_idr(&[aud, &[0x41, 0x9a], &[0x65, 0x88]]), Ok(false));
    assert_eq!(is_idr(&[aud]), Ok(false));
    let cut = sample(&[aud, &[0x65]]).slice(..10);
    assert_eq!(super::is_idr(&cut, LengthSize::Four), Err(NalError::Overrun { offset: 10, len: 1, left: 0 }));
}

#[test]
fn parameter_sets_of_a_sample_make_a_record() {
    let parsed = config(FLOWER);
    let (sps, pps) = (&parsed.sps()[0], &parsed.pps()[0]);
    let payload = sample(&[&[0x09, 0xf0], sps, pps, sps, &[0x65, 0x88]]);
    let found = parameter_sets(&payload, LengthSize::Four).unwrap();
    assert_eq!((found.sps.len(), found.pps.len()), (1, 1));
    assert_eq!(AvcConfig::from_parameter_sets(&found.sps, &found.pps).unwrap(), parsed);
}

#[test]
fn every_prefix_and_every_changed_byte_is_survived() {
    for text in ALL {
        let record = Bytes::from(hex(text));
        for len in 0..record.len() {
            let parsed = AvcConfig::parse(record.slice(..len));
            assert!(parsed.is_err() || len + 4 >= record.len(), "{text} cut to {len}");
        }
        for at in 0..record.len() {
            for value in [0, 0xff, record[at] ^ 0x80, record[at].wrapping_add(1)] {
                let mut changed = record.to_vec();
                changed[at] = value;
                if let Ok(config) = AvcConfig::parse(changed.into()) {
                    assert!(config.rfc6381().starts_with("avc1."));
                }
            }
        }
    }
}

#[test]
fn colour_of_a_vui_is_that_of_the_colr_box_beside_it() {
    let colr = Color::parse_colr(&hex("6e636c7800050006000680")).unwrap();
    assert_eq!(colr, info(TIMESTAMPS).color);
}
