//! Sample entries of the output (ISO/IEC 14496-12 §12.1.3 and §12.2.3, 14496-14, 14496-15).

use super::boxes::BoxWriter;
use crate::codec::Codec;
use crate::codec::esds::write_esds;
use crate::movie::{Track, TrackFormat};

/// Writes the one sample entry of `track`.
pub(super) fn write(w: &mut BoxWriter, track: &Track) {
    w.nest(&track.codec.sample_entry(), |w| {
        w.zeros(6);
        w.u16(1);
        match &track.format {
            TrackFormat::Video(video) => {
                w.zeros(16);
                w.u16(video.width);
                w.u16(video.height);
                // 72 dpi, one frame a sample, no name, 24 bits of depth.
                w.u32(0x0048_0000);
                w.u32(0x0048_0000);
                w.u32(0);
                w.u16(1);
                w.zeros(32);
                w.u16(24);
                w.i16(-1);
            }
            TrackFormat::Audio(audio) => {
                w.zeros(8);
                w.u16(audio.channels);
                w.u16(16);
                w.u32(0);
                // 16.16 fixed point: a rate past 65,535 Hz does not fit and is only in the configuration.
                w.u32(u16::try_from(audio.sample_rate).map_or(0, |rate| u32::from(rate) << 16));
            }
        }
        write_configuration(w, track);
        if let TrackFormat::Video(video) = &track.format {
            w.raw(&video.extra);
        }
    });
}

fn write_configuration(w: &mut BoxWriter, track: &Track) {
    match &track.codec {
        Codec::Avc(config) => w.nest(b"avcC", |w| w.raw(config.record())),
        Codec::Hevc(config) => w.nest(b"hvcC", |w| w.raw(config.record())),
        Codec::Aac(config) => {
            let bitrate = average_bitrate(track);
            w.nest(b"esds", |w| w.raw(&write_esds(config, bitrate, bitrate)));
        }
    }
}

/// Bits a second of the whole track, rounded down.
fn average_bitrate(track: &Track) -> u32 {
    let ticks = u128::try_from(track.samples.total_duration()).unwrap_or(0).max(1);
    let bits = u128::from(track.samples.total_bytes()) * 8 * u128::from(track.timescale.ticks_per_s());
    u32::try_from(bits / ticks).unwrap_or(u32::MAX)
}
