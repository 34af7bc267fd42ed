use proptest::prelude::*;

use super::*;
use crate::bits::BitsError;
use crate::bits::writer::hex;
use crate::codec::record::LengthSize;
use crate::codec::sps::SpsInfo;

const AVC: &str = "0164001fffe1001d6764001fac56240f0117ef016a0c0c0c800001f480007530078c18c4c0\
    01000668e88ecb22c0fdf8f800";
const HEVC: &str = "0101600000009000000000005af000fcfdf8f800000f03\
    200001001840010c01ffff01600000030090000003000003005a95980921\
    0001002942010101600000030090000003000003005aa006b201e1d796566924cae68080000003008000000f0422\
    000100074401c172b46240";
const ESDS: &str = "000000000380808022000000048080801440150002ab000400000000000005808080021190068080800102";

#[test]
fn a_codec_knows_its_string_and_sample_entry() {
    let avc = Codec::Avc(AvcConfig::parse(hex(AVC).into()).unwrap());
    let hevc = Codec::Hevc(HevcConfig::parse(hex(HEVC).into()).unwrap());
    let aac = Codec::from_esds(&hex(ESDS).into()).unwrap();
    for (codec, string, is_video) in
        [(avc, "avc1.64001F", true), (hevc, "hvc1.1.6.L90.90", true), (aac, "mp4a.40.2", false)]
    {
        assert_eq!((codec.rfc6381().as_str(), codec.is_video()), (string, is_video));
        assert!(string.as_bytes().starts_with(&codec.sample_entry()));
    }
}

#[test]
fn refusals_have_stable_slugs() {
    let mp3 = Codec::from_esds(&hex("000000000315000100040d6b150000000001f4000001f400060102").into());
    let error = mp3.unwrap_err();
    assert_eq!(error.slug(), "aac/esds-object-type");
    assert_eq!(error.to_string(), "mp4a with object type 0x6b (MPEG-1 Audio (MP3)) is not supported");
    let silent = Codec::from_esds(&hex("000000000315000100040d40150000000001f4000001f400060102").into());
    assert_eq!(silent.unwrap_err().slug(), "aac/esds-no-asc");
    let avc = CodecError::Avc(AvcConfig::parse(hex("0164").into()).unwrap_err());
    assert_eq!(avc.slug(), "avc/record-truncated");
    assert_eq!(avc.to_string(), "avcC: record: bit 16: 8 bits needed, 0 left");
    let hevc = CodecError::Hevc(HevcConfig::parse(hex("01").into()).unwrap_err());
    assert_eq!(hevc.slug(), "hevc/record-truncated");
    assert_eq!(
        CodecError::from(AacError::Bits(BitsError::Unaligned { at_bit: 1 })).slug(),
        "aac/asc-truncated"
    );
}

#[test]
fn sample_entries_not_carried_have_names() {
    let expected = [
        (b"av01", "AV1"),
        (b"vp09", "VP9"),
        (b"vp08", "VP8"),
        (b"ac-3", "AC-3"),
        (b"ec-3", "E-AC-3"),
        (b"Opus", "Opus"),
        (b"fLaC", "FLAC"),
        (b".mp3", "MP3"),
        (b"mp4v", "MPEG-4 Visual"),
        (b"dvh1", "Dolby Vision"),
        (b"encv", "encrypted"),
        (b"enca", "encrypted"),
        (b"tx3g", "timed text"),
        (b"wvtt", "WebVTT"),
        (b"stpp", "TTML"),
        (b"c608", "CEA-608 captions"),
        (b"dtsc", "DTS"),
        (b"apch", "ProRes"),
        (b"jpeg", "Motion JPEG"),
        (b"rle ", "QuickTime Animation"),
        (b"sowt", "PCM"),
        (b"samr", "AMR"),
        (b"\0\0\0\0", "unknown codec"),
        (b"avc1", "unknown codec"),
    ];
    for (fourcc, name) in expected {
        assert_eq!(unsupported_name(*fourcc), name);
    }
}

/// Reads bytes in every way there is; what comes out must hold its promises.
fn read_everything(bytes: &Bytes) {
    if let Ok(config) = AvcConfig::parse(bytes.clone()) {
        assert_eq!(config.record(), bytes);
        assert_eq!(config.rfc6381().len(), 11);
        check_info(config.sps_info());
    }
    if let Ok(config) = HevcConfig::parse(bytes.clone()) {
        check_info(config.sps_info());
        if let Ok(complete) = config.with_parameter_sets_complete() {
            assert_eq!(complete.rfc6381(), config.rfc6381());
        }
    }
    check_info(avc::parse_sps(bytes).ok().as_ref());
    check_info(hevc::parse_sps(bytes).ok().as_ref());
    if let Ok(config) = AacConfig::parse(bytes.clone()) {
        assert!(config.channels() > 0 && config.output_sample_rate() > 0);
        let esds = Esds::parse(&esds::write_esds(&config, 1, 2).into()).unwrap();
        assert_eq!(esds.decoder_specific.as_ref(), Some(bytes));
    }
    let _ = Codec::from_esds(bytes);
    let _ = color::Color::parse_colr(bytes);
    for length_size in [LengthSize::One, LengthSize::Two, LengthSize::Four] {
        let total: usize = nal::nal_units(bytes, length_size).flatten().map(|nal| nal.bytes.len()).sum();
        assert!(total <= bytes.len());
        let _ = (avc::is_idr(bytes, length_size), hevc::picture_type(bytes, length_size));
        if let Ok(sets) = avc::parameter_sets(bytes, length_size) {
            let _ = AvcConfig::from_parameter_sets(&sets.sps, &sets.pps);
        }
        if let Ok(sets) = hevc::parameter_sets(bytes, length_size) {
            let _ = HevcConfig::from_parameter_sets(&sets.vps, &sets.sps, &sets.pps);
        }
    }
}

fn check_info(info: Option<&SpsInfo>) {
    let Some(info) = info else { return };
    assert!(info.width > 0 && info.height > 0);
    assert!((8..=16).contains(&info.bit_depth_luma) && (8..=16).contains(&info.bit_depth_chroma));
    assert!([info.sar, info.frame_rate].into_iter().flatten().all(|ratio| ratio.num > 0 && ratio.den > 0));
}

/// A real start, so that random bytes get past the first check.
fn seed() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        vec![],
        hex(AVC),
        hex(HEVC),
        hex(ESDS),
        hex("6764001f"),
        hex("42010101600000009000000000005a"),
        hex("118004c4010020000d4c61766335392e33372e31303056e500"),
    ])
}

proptest! {
    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&bytes.into());
    }

    #[test]
    fn real_starts_with_random_ends_are_survived(
        seed in seed(),
        keep in any::<prop::sample::Index>(),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = seed;
        bytes.truncate(keep.index(bytes.len() + 1));
        bytes.extend(rest);
        read_everything(&bytes.into());
    }

    #[test]
    fn real_bytes_with_random_changes_are_survived(
        seed in seed(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = seed;
        for (at, value) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        read_everything(&bytes.into());
    }
}
