//! CMAF: fragmented MP4 with one track a file (ISO/IEC 23000-19, ISO/IEC 14496-12 §8.8).
//!
//! ```text
//!  init.mp4   ftyp │ moov ┬ mvhd
//!                         ├ trak … stbl ┬ stsd (the decoder's configuration)
//!                         │             └ stts stsc stsz stco, all empty
//!                         └ mvex ─ trex
//!  42.m4s     moof ┬ mfhd  sequence number           │ mdat  the samples' own bytes, in decode order
//!                  └ traf ┬ tfhd  defaults           │
//!                         ├ tfdt  decode time        │
//!                         └ trun  sizes, and what differs from the defaults
//! ```
//!
//! There is no edit list: times are those of the output timeline (offset included), composition
//! offsets are signed (`trun` version 1), so the first presented frame is at the same time in every
//! rendition. `tfdt` is exact: it is the sum of all durations before.

use bytes::Bytes;

use super::boxes::BoxWriter;
use super::sample_entry;
use crate::movie::{Track, TrackFormat};
use crate::plan::{self, InSource, Span};
use crate::sample::{Commons, Payload, Sample};
use crate::slice::{Extent, Slices};
use crate::timeline::Timeline;

/// The id of the only track of every file we make.
const TRACK_ID: u32 = 1;
/// Unity transformation (§8.2.2).
const UNITY_MATRIX: [i32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// Flags of a sample that depends on no other (§8.8.3.1).
const SYNC_FLAGS: u32 = 0x0200_0000;
/// Flags of a sample that depends on others and is no sync sample.
const NON_SYNC_FLAGS: u32 = 0x0101_0000;

/// Pieces of a body for which memory is taken at once; more of them take it as they come.
const MAX_PARTS_RESERVED: usize = 512;

/// The init segment of `track`.
///
/// Cost: a few hundred bytes; meant to be built once for an open asset.
pub fn init(track: &Track) -> Bytes {
    let mut w = BoxWriter::with_capacity(1024);
    w.nest(b"ftyp", |w| {
        w.raw(b"iso6");
        w.u32(0);
        for brand in [b"iso6", b"cmf2", b"cmfc", b"dash", b"mp41"] {
            w.raw(brand);
        }
    });
    w.nest(b"moov", |w| {
        write_mvhd(w, track);
        w.nest(b"trak", |w| write_trak(w, track));
        w.nest(b"mvex", |w| {
            w.full(b"trex", 0, 0, |w| {
                for value in [TRACK_ID, 1, 0, 0, 0] {
                    w.u32(value);
                }
            });
        });
    });
    w.finish().into()
}

fn write_mvhd(w: &mut BoxWriter, track: &Track) {
    w.full(b"mvhd", 0, 0, |w| {
        w.zeros(8);
        w.u32(track.timescale.ticks_per_s());
        w.u32(0);
        w.u32(0x1_0000);
        w.u16(0x0100);
        w.zeros(10);
        UNITY_MATRIX.into_iter().for_each(|cell| w.i32(cell));
        w.zeros(24);
        w.u32(TRACK_ID + 1);
    });
}

fn write_trak(w: &mut BoxWriter, track: &Track) {
    // Enabled, in the movie, in the preview.
    w.full(b"tkhd", 0, 7, |w| {
        w.zeros(8);
        w.u32(TRACK_ID);
        w.zeros(4 + 4 + 8 + 2 + 2);
        let (volume, matrix, width, height) = match &track.format {
            TrackFormat::Video(video) => {
                let (h, v) = video.pixel_aspect;
                let wide = (u64::from(video.width) << 16) * u64::from(h) / u64::from(v.max(1));
                let width = u32::try_from(wide).unwrap_or_else(|_| u32::from(video.width) << 16);
                (0, video.matrix, width, u32::from(video.height) << 16)
            }
            TrackFormat::Audio(_) => (0x0100, UNITY_MATRIX, 0, 0),
        };
        w.u16(volume);
        w.u16(0);
        matrix.into_iter().for_each(|cell| w.i32(cell));
        w.u32(width);
        w.u32(height);
    });
    w.nest(b"mdia", |w| {
        w.full(b"mdhd", 0, 0, |w| {
            w.zeros(8);
            w.u32(track.timescale.ticks_per_s());
            w.u32(0);
            w.u16(packed_language(&track.language));
            w.u16(0);
        });
        let (handler, name): (&[u8; 4], &[u8]) = match &track.format {
            TrackFormat::Video(_) => (b"vide", b"video\0"),
            TrackFormat::Audio(_) => (b"soun", b"audio\0"),
        };
        w.full(b"hdlr", 0, 0, |w| {
            w.u32(0);
            w.raw(handler);
            w.zeros(12);
            w.raw(name);
        });
        w.nest(b"minf", |w| write_minf(w, track));
    });
}

fn write_minf(w: &mut BoxWriter, track: &Track) {
    match &track.format {
        TrackFormat::Video(_) => w.full(b"vmhd", 0, 1, |w| w.zeros(8)),
        TrackFormat::Audio(_) => w.full(b"smhd", 0, 0, |w| w.zeros(4)),
    }
    w.nest(b"dinf", |w| {
        w.full(b"dref", 0, 0, |w| {
            w.u32(1);
            w.full(b"url ", 0, 1, |_| {});
        });
    });
    w.nest(b"stbl", |w| {
        w.full(b"stsd", 0, 0, |w| {
            w.u32(1);
            sample_entry::write(w, track);
        });
        for table in [b"stts", b"stsc", b"stco"] {
            w.full(table, 0, 0, |w| w.u32(0));
        }
        w.full(b"stsz", 0, 0, |w| w.zeros(8));
    });
}

/// Three letters in five bits each (§8.4.2.3); `und` for what has no such code.
fn packed_language(language: &str) -> u16 {
    let letters = match language.as_bytes() {
        letters @ [_, _, _] if letters.iter().all(u8::is_ascii_lowercase) => letters,
        _ => b"und",
    };
    letters.iter().fold(0, |code, letter| (code << 5) | u16::from(letter - 0x60))
}

/// A media segment of one fragment: `samples` in decode order, numbered `sequence` (from 1).
///
/// The header is some 20 bytes and 4 to 16 a sample; the payloads follow as they are.
///
/// Cost: O(samples), two passes; no payload is touched.
pub fn segment<D: Payload>(sequence: u32, samples: impl Iterator<Item = Sample<D>> + Clone) -> Slices {
    segment_of(sequence, &Commons::of(samples.clone()), samples)
}

/// The same of samples whose `commons` are known, as a plan knows them.
///
/// Cost: O(samples), one pass.
pub fn segment_of<D: Payload>(
    sequence: u32,
    commons: &Commons,
    samples: impl Iterator<Item = Sample<D>>,
) -> Slices {
    fragment(sequence, commons, |w, fragment| {
        samples.for_each(|sample| {
            if fragment.count == 0 {
                fragment.decode_time = sample.dts;
            }
            let size = u32::try_from(sample.payload.len()).unwrap_or(u32::MAX);
            fragment.write_entry(w, sample.duration, size, sample.sync, sample.composition_offset);
            sample.payload.push_to(&mut fragment.payload);
        });
    })
}

/// The media segment of `span` of `track`, numbered `sequence` (from 1): what [`segment`] makes of its samples.
///
/// Cost: O(log chunks + samples): some 60 instructions each where the source has them as the segment does.
pub fn segment_of_span(sequence: u32, timeline: &Timeline, track: usize, span: &Span) -> Slices {
    let Some(InSource { run, source, decode_time, decode_delay }) = plan::in_source(timeline, track, span)
    else {
        return segment_of(sequence, &span.commons, plan::samples(timeline, track, span));
    };
    fragment(sequence, &span.commons, |w, fragment| {
        fragment.decode_time = decode_time;
        run.each_entry(|entry| {
            let composition = i32::try_from(entry.composition.wrapping_sub(decode_delay)).unwrap_or(0);
            fragment.write_entry(w, entry.duration, entry.size, entry.sync, composition);
        });
        run.each_extent(|offset, len| fragment.payload.push_extent(Extent { source, offset, len }));
    })
}

/// A fragment whose samples `fill` writes, behind the header that their `commons` ask for.
fn fragment(sequence: u32, commons: &Commons, fill: impl FnOnce(&mut BoxWriter, &mut Fragment)) -> Slices {
    let header = header_bytes(commons);
    let mut w = BoxWriter::with_capacity(usize::try_from(header).unwrap_or_default());
    let mut fragment = Fragment::new(commons);
    let mut data_offset = 0;
    w.nest(b"moof", |w| {
        w.full(b"mfhd", 0, 0, |w| w.u32(sequence));
        w.nest(b"traf", |w| {
            write_tfhd(w, commons);
            let mut decode_time = 0;
            w.full(b"tfdt", 1, 0, |w| {
                decode_time = w.position();
                w.u64(0);
            });
            data_offset = write_trun(w, commons, &mut fragment, fill);
            w.set_u64(decode_time, u64::try_from(fragment.decode_time).unwrap_or(0));
        });
    });
    let bytes = fragment.payload.len();
    if let Ok(size) = u32::try_from(bytes.saturating_add(8)) {
        w.u32(size);
        w.raw(b"mdat");
    } else {
        w.u32(1);
        w.raw(b"mdat");
        w.u64(bytes.saturating_add(16));
    }
    let payload = u32::try_from(w.position()).expect("headers stay below 4 GiB");
    w.set_u32(data_offset, payload);
    fragment.payload.prepend(w.finish().into());
    fragment.payload
}

/// Bytes that [`segment`] takes before the payload of samples with these `commons`.
pub fn header_bytes(commons: &Commons) -> u64 {
    let optional = |present: bool| if present { 4 } else { 0 };
    let (moof, mfhd, traf, tfdt) = (8, 16, 8, 20);
    let tfhd = 16 + optional(commons.duration.is_some()) + optional(commons.rest_sync.is_some());
    let trun = 20 + optional(first_differs(commons)) + commons.count as u64 * entry_bytes(commons);
    let mdat = if commons.bytes + 8 > u64::from(u32::MAX) { 16 } else { 8 };
    moof + mfhd + traf + tfhd + tfdt + trun + mdat
}

/// Bytes a sample takes in `trun`.
const fn entry_bytes(commons: &Commons) -> u64 {
    let duration = if commons.duration.is_some() { 0 } else { 4 };
    let flags = if commons.rest_sync.is_some() { 0 } else { 4 };
    4 + duration + flags + if commons.has_composition { 4 } else { 0 }
}

/// Whether the first sample needs flags of its own beside the default.
fn first_differs(commons: &Commons) -> bool {
    commons.rest_sync.is_some_and(|rest| rest != commons.first_sync)
}

const fn flags(sync: bool) -> u32 {
    if sync { SYNC_FLAGS } else { NON_SYNC_FLAGS }
}

/// `tfhd` (§8.8.7): default-base-is-moof, and the defaults there are.
fn write_tfhd(w: &mut BoxWriter, commons: &Commons) {
    let mut present = 0x02_0000;
    if commons.duration.is_some() {
        present |= 0x08;
    }
    if commons.rest_sync.is_some() {
        present |= 0x20;
    }
    w.full(b"tfhd", 0, present, |w| {
        w.u32(TRACK_ID);
        commons.duration.into_iter().for_each(|duration| w.u32(duration));
        commons.rest_sync.into_iter().for_each(|sync| w.u32(flags(sync)));
    });
}

/// What was written of a fragment, and which fields its entries have.
struct Fragment {
    /// Of the first sample.
    decode_time: i64,
    count: u32,
    payload: Slices,
    durations: bool,
    flags: bool,
    compositions: bool,
}

impl Fragment {
    fn new(commons: &Commons) -> Self {
        Self {
            decode_time: 0,
            count: 0,
            payload: Slices::with_capacity(commons.count.min(MAX_PARTS_RESERVED)),
            durations: commons.duration.is_none(),
            flags: commons.rest_sync.is_none(),
            compositions: commons.has_composition,
        }
    }

    /// Writes a sample's entry of `trun`: what is not said for all.
    #[inline]
    fn write_entry(&mut self, w: &mut BoxWriter, duration: u32, size: u32, sync: bool, composition: i32) {
        self.count = self.count.saturating_add(1);
        if self.durations {
            w.u32(duration);
        }
        w.u32(size);
        if self.flags {
            w.u32(flags(sync));
        }
        if self.compositions {
            w.i32(composition);
        }
    }
}

/// `trun` (§8.8.8), version 1, with entries by `fill`; returns where its data offset stands.
fn write_trun(
    w: &mut BoxWriter,
    commons: &Commons,
    fragment: &mut Fragment,
    fill: impl FnOnce(&mut BoxWriter, &mut Fragment),
) -> usize {
    let first_differs = first_differs(commons);
    // Data offset and sizes are always there.
    let mut present = 0x001 | 0x200;
    for (bit, needed) in [
        (0x004, first_differs),
        (0x100, fragment.durations),
        (0x400, fragment.flags),
        (0x800, fragment.compositions),
    ] {
        if needed {
            present |= bit;
        }
    }
    let mut data_offset = 0;
    w.full(b"trun", 1, present, |w| {
        let count = w.position();
        w.u32(0);
        data_offset = w.position();
        w.u32(0);
        if first_differs {
            w.u32(flags(commons.first_sync));
        }
        fill(w, fragment);
        w.set_u32(count, fragment.count);
    });
    data_offset
}

/// A trick-play segment: one sync sample, presented at `pts` for `duration` ticks.
pub fn key_frame<D: Payload + Clone>(sequence: u32, sample: &Sample<D>, pts: i64, duration: u32) -> Slices {
    let shown =
        Sample { dts: pts, duration, composition_offset: 0, sync: true, payload: sample.payload.clone() };
    segment(sequence, std::iter::once(shown))
}

#[cfg(test)]
mod tests;
