//! Decoder configurations and the NAL units of samples.

use bytes::Bytes;
use rillcast_media::codec::esds::{Esds, write_esds};
use rillcast_media::codec::record::LengthSize;
use rillcast_media::codec::{AacConfig, AvcConfig, Codec, HevcConfig, avc, hevc, nal};

const LENGTH_SIZES: [LengthSize; 3] = [LengthSize::One, LengthSize::Two, LengthSize::Four];

/// An `avcC` record: it is kept as it was, and its parameter sets make a record again.
pub fn avc_config(data: &[u8]) {
    let _ = avc::parse_sps(data);
    let record = Bytes::copy_from_slice(data);
    let Ok(config) = AvcConfig::parse(record.clone()) else { return };
    assert_eq!(config.record(), &record);
    assert!(config.rfc6381().starts_with("avc1.") && config.rfc6381().len() == 11);
    if let Ok(again) = AvcConfig::from_parameter_sets(config.sps(), config.pps()) {
        assert_eq!((again.sps(), again.pps()), (config.sps(), config.pps()));
        assert_eq!(again.sps_info(), config.sps_info());
    }
}

/// An `hvcC` record: making it complete changes neither codec string nor picture.
pub fn hevc_config(data: &[u8]) {
    let _ = hevc::parse_sps(data);
    let Ok(config) = HevcConfig::parse(Bytes::copy_from_slice(data)) else { return };
    assert!(config.rfc6381().starts_with("hvc1."));
    if let Ok(complete) = config.with_parameter_sets_complete() {
        assert_eq!((complete.rfc6381(), complete.sps_info()), (config.rfc6381(), config.sps_info()));
        let again = complete.with_parameter_sets_complete();
        assert_eq!(again.as_ref().map(HevcConfig::record), Ok(complete.record()));
    }
}

/// An AudioSpecificConfig: what is written into an `esds` is read back.
pub fn aac_config(data: &[u8]) {
    let asc = Bytes::copy_from_slice(data);
    let Ok(config) = AacConfig::parse(asc.clone()) else { return };
    assert!(config.channels() > 0 && config.output_sample_rate() > 0 && config.samples_per_frame() > 0);
    let esds = Esds::parse(&write_esds(&config, 1, 2).into()).expect("our own esds is right");
    assert_eq!(esds.decoder_specific, Some(asc));
    assert_eq!((esds.avg_bitrate, esds.max_bitrate), (1, 2));
}

/// An `esds` payload.
pub fn esds(data: &[u8]) {
    let payload = Bytes::copy_from_slice(data);
    if let Ok(esds) = Esds::parse(&payload) {
        assert!(esds.decoder_specific.is_none_or(|info| info.len() <= payload.len()));
    }
    if let Ok(codec) = Codec::from_esds(&payload) {
        assert!(codec.rfc6381().starts_with("mp4a.40."));
    }
}

/// A sample's NAL units: they lie in the sample in order and never overlap.
pub fn nal_units(data: &[u8]) {
    let sample = Bytes::copy_from_slice(data);
    for size in LENGTH_SIZES {
        let mut free_from = size.bytes();
        for nal in nal::nal_units(&sample, size).flatten() {
            assert!(nal.offset >= free_from && !nal.bytes.is_empty());
            assert_eq!(sample.get(nal.offset..nal.offset + nal.bytes.len()), Some(nal.bytes));
            free_from = nal.offset + nal.bytes.len() + size.bytes();
        }
        let _ = (avc::is_idr(&sample, size), hevc::picture_type(&sample, size));
        if let Ok(sets) = avc::parameter_sets(&sample, size) {
            let _ = AvcConfig::from_parameter_sets(&sets.sps, &sets.pps);
        }
        if let Ok(sets) = hevc::parameter_sets(&sample, size) {
            let _ = HevcConfig::from_parameter_sets(&sets.vps, &sets.sps, &sets.pps);
        }
    }
}
