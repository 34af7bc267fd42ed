//! Payloads of real files, expected values from ffprobe and a walk by hand.

use super::*;
use crate::bits::writer::hex;

/// Lengths of one byte.
const CAR: &str = "000000000319000010041140150006000001eab90001e9bf05021190060102";
/// Lengths padded with 0x80 to four bytes.
const FLOWER: &str = "000000000380808022000000048080801440150002ab000400000000000005808080021190068080800102";
const AC3_PLUS_AAC: &str =
    "000000000380808025000200048080801740150000000000bc930000bc930580808005119056e500068080800102";
const SIDX: &str = "00000000031c0000000414401500022100023a38000216200505120856e500060102";

fn parse(text: &str) -> Result<Esds, EsdsError> {
    Esds::parse(&hex(text).into())
}

#[test]
fn short_and_padded_lengths_mean_the_same() {
    let esds = |buffer_size_bytes, max_bitrate, avg_bitrate, asc: &str| Esds {
        object_type: ObjectType(0x40),
        buffer_size_bytes,
        max_bitrate,
        avg_bitrate,
        decoder_specific: Some(hex(asc).into()),
    };
    assert_eq!(parse(CAR), Ok(esds(1536, 125_625, 125_375, "1190")));
    assert_eq!(parse(FLOWER), Ok(esds(683, 262_144, 0, "1190")));
    assert_eq!(parse(AC3_PLUS_AAC), Ok(esds(0, 48_275, 48_275, "119056e500")));
    assert_eq!(parse(SIDX), Ok(esds(545, 145_976, 136_736, "120856e500")));
}

#[test]
fn optional_fields_and_strange_descriptors_are_passed_over() {
    // All three flags; a tag 0x14 before the decoder specific info.
    let text =
        "00000000 0324 0001e0 0002 03616263 0005 0414 40150000000000000000000000 1401ff 05021190 060102";
    assert_eq!(parse(text).unwrap().decoder_specific.unwrap().as_ref(), [0x11, 0x90]);
}

#[test]
fn the_specific_info_may_be_absent() {
    let mp3 = "00000000 0315 000100 040d 6b15000000 0001f400 0001f400 060102";
    let esds = parse(mp3).unwrap();
    assert_eq!((esds.object_type.name(), esds.decoder_specific), ("MPEG-1 Audio (MP3)", None));
    assert!(!esds.object_type.is_aac() && ObjectType(0x67).is_aac());
}

#[test]
fn lies_about_lengths_are_refused() {
    assert_eq!(parse("00000000 03 8080808001"), Err(EsdsError::LengthTooLong { at: 5 }));
    assert_eq!(parse("00000000 03 04 000100"), Err(EsdsError::Overrun { at: 6, len: 4, left: 3 }));
    // The decoder config reaches past the ES descriptor although the payload goes on.
    let overrun = EsdsError::Overrun { at: 11, len: 13, left: 0 };
    assert_eq!(parse("00000000 03 05 000100 040d 40150000000000000000000000"), Err(overrun));
    // The decoder config is too short for its fields, although the payload goes on.
    let cut = BitsError::End { at_bit: 13 * 8, wanted: 24, left: 0 };
    let short = "00000000 030d 000100 0402 4015 060102060102 0000";
    assert_eq!(parse(short), Err(EsdsError::Bits(cut)));
    assert_eq!(parse("00000000 060102"), Err(EsdsError::Missing { tag: 3 }));
    assert_eq!(parse("00000000 0306 000100 060102"), Err(EsdsError::Missing { tag: 4 }));
}

#[test]
fn what_is_written_reads_back() {
    for (asc, max, avg) in [("1190", 128_000, 96_000), ("eb8a0800", 0, 0)] {
        let config = AacConfig::parse(hex(asc).into()).unwrap();
        let esds = Esds::parse(&write_esds(&config, avg, max).into()).unwrap();
        assert_eq!((esds.max_bitrate, esds.avg_bitrate, esds.buffer_size_bytes), (max, avg, 1536));
        assert_eq!(esds.decoder_specific.as_ref(), Some(config.asc()));
    }
}

#[test]
fn the_canonical_form_is_golden() {
    let config = AacConfig::parse(hex("1190").into()).unwrap();
    let golden = "00000000 0319 000000 0411 40 15 000600 0001eab9 0001e9bf 05021190 060102";
    assert_eq!(write_esds(&config, 125_375, 125_625), hex(golden));
}

#[test]
fn long_configurations_take_lengths_of_two_bytes() {
    let mut asc = hex("1190");
    asc.resize(300, 0);
    let config = AacConfig::parse(asc.into()).unwrap();
    let payload = write_esds(&config, 0, 0);
    assert_eq!(payload[4..7], [0x03, 0x82, 0x45]);
    assert_eq!(Esds::parse(&payload.into()).unwrap().decoder_specific.as_ref(), Some(config.asc()));
}

#[test]
fn every_prefix_is_survived() {
    for text in [CAR, FLOWER, AC3_PLUS_AAC, SIDX] {
        let payload = Bytes::from(hex(text));
        for len in 0..payload.len() {
            assert!(Esds::parse(&payload.slice(..len)).is_err(), "{text} cut to {len}");
        }
    }
}
