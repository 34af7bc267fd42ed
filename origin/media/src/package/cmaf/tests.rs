//! Segments read back by a second reader, over every mixture of defaults.

use std::sync::Arc;

use proptest::prelude::*;
use rillcast_fixtures::{Fragment, Shape, Track as Made};

use super::*;
use crate::demux::mp4::read_all;
use crate::plan::{Policy, SegmentPlan, samples};
use crate::slice::Slice;
use crate::timeline::Timeline;

fn sample(duration: u32, composition_offset: i32, sync: bool, payload: Vec<u8>) -> Sample<Bytes> {
    Sample { dts: 0, duration, composition_offset, sync, payload: payload.into() }
}

/// The bytes of a body of memory.
fn bytes(body: &Slices) -> Vec<u8> {
    let part = |slice: &Slice| match slice {
        Slice::Mem(bytes) => bytes.to_vec(),
        Slice::Extent(_) => panic!("an extent"),
    };
    body.iter().flat_map(part).collect()
}

fn any_sample() -> impl Strategy<Value = Sample<Bytes>> {
    // Few values, so that runs of equal ones are met as often as mixtures.
    let payload = prop::collection::vec(any::<u8>(), 1..40);
    (prop::sample::select(vec![512u32, 513, 0]), -1..2i32, any::<bool>(), payload)
        .prop_map(|(duration, composition, sync, payload)| sample(duration, composition * 512, sync, payload))
}

proptest! {
    #[test]
    fn a_segment_says_what_its_samples_are(
        samples in prop::collection::vec(any_sample(), 1..30),
        start in 0..1i64 << 60,
        sequence in any::<u32>(),
    ) {
        let mut placed = samples;
        let mut dts = start;
        for sample in &mut placed {
            sample.dts = dts;
            dts += i64::from(sample.duration);
        }
        let file = bytes(&segment(sequence, placed.iter().cloned()));
        let read = Fragment::read(&file);
        prop_assert_eq!((read.sequence, read.track), (sequence, TRACK_ID));
        prop_assert_eq!((read.decode_time, read.end()), (start.cast_unsigned(), dts.cast_unsigned()));
        prop_assert_eq!(read.samples.len(), placed.len());
        for (read, sample) in read.samples.iter().zip(&placed) {
            prop_assert_eq!((read.duration, read.composition), (sample.duration, sample.composition_offset));
            prop_assert_eq!(read.sync(), sample.sync);
            prop_assert_eq!(&file[read.offset..read.offset + read.size], &sample.payload[..]);
        }
        let commons = Commons::of(placed.iter().cloned());
        prop_assert_eq!(header_bytes(&commons) + commons.bytes, file.len() as u64);
    }
}

#[test]
fn segments_of_a_track_follow_each_other_to_the_tick() {
    let file: Bytes =
        Shape::new(vec![Made::avc(1, 30, 45, 1000).with_b_frames(), Made::aac(2, 1563)]).bytes().into();
    let movie = Arc::new(read_all(&file).expect("a good file"));
    let timeline = Timeline::of_movie(&movie).expect("a timeline");
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
    for track in 0..2 {
        let mut next = None;
        for (number, span) in plan.spans(track).enumerate() {
            let sequence = u32::try_from(number).expect("few") + 1;
            let body = segment(sequence, samples(&timeline, track, &span));
            let bytes: Vec<u8> = body
                .iter()
                .flat_map(|slice| match slice {
                    Slice::Mem(bytes) => bytes.clone(),
                    Slice::Extent(at) => file.slice(at.offset as usize..(at.offset + at.len) as usize),
                })
                .collect();
            assert_eq!(body.len(), bytes.len() as u64);
            let read = Fragment::read(&bytes);
            assert_eq!(read.sequence, sequence);
            assert_eq!(next.unwrap_or(read.decode_time), read.decode_time, "segment {number}");
            next = Some(read.end());
            // The payloads are those of the file, byte by byte.
            let made = if track == 0 { Made::avc(1, 30, 45, 1000) } else { Made::aac(2, 1563) };
            for (read, index) in read.samples.iter().zip(span.samples.clone()) {
                assert_eq!(bytes[read.offset..read.offset + read.size], made.sample_bytes(index));
            }
        }
    }
}

#[test]
fn a_segment_past_four_gibibytes_has_a_wide_media_box() {
    let huge = Extent { source: crate::slice::SourceIndex(0), offset: 0, len: u64::from(u32::MAX) };
    let behind = Extent { offset: huge.len, len: 1, ..huge };
    let [one, two] = [huge, behind].map(|extent| Sample {
        dts: 0,
        duration: 1,
        composition_offset: 0,
        sync: true,
        payload: Slice::Extent(extent),
    });
    let body = segment(1, [one, two].into_iter());
    let Some(Slice::Mem(header)) = body.iter().next() else { panic!("a header") };
    let mdat = &header[header.len() - 16..];
    assert_eq!(mdat[..8], [0, 0, 0, 1, b'm', b'd', b'a', b't']);
    assert_eq!(mdat[8..], (huge.len + 1 + 16).to_be_bytes());
    assert_eq!(body.len(), header.len() as u64 + huge.len + 1);
}

#[test]
fn a_key_frame_stands_alone() {
    let shown = sample(512, 1024, false, vec![1, 2, 3]);
    let read = Fragment::read(&bytes(&key_frame(7, &shown, 128_000, 25_600)));
    assert_eq!((read.sequence, read.decode_time, read.end()), (7, 128_000, 153_600));
    assert_eq!(
        read.samples.iter().map(|sample| (sample.composition, sample.sync())).collect::<Vec<_>>(),
        [(0, true)]
    );
}

#[test]
fn an_init_segment_begins_with_its_brands() {
    let movie = read_all(&Shape::new(vec![Made::avc(1, 30, 45, 3)]).bytes().into()).expect("a good file");
    assert!(init(&movie.tracks[0]).starts_with(b"\0\0\0\x24ftypiso6"));
}
