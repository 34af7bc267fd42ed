use rillcast_fixtures::{AVC_RECORD, Edit, Shape, Track as Made, hex};

use super::*;
use crate::demux::mp4::read_all;
use crate::package::cmaf;
use crate::plan::samples;
use crate::slice::Slices;

/// Films of every kind that is served.
fn films() -> Vec<Shape> {
    let late = Made::aac_22_2(13, 150).with_edits(&[Edit::new(7_000, -1), Edit::new(3_200, 0)]);
    let clips = |ticks: i64| [Edit::new(8_000, 0), Edit::new(4_000, ticks * 12)];
    let mut end = Shape::new(vec![Made::avc(1, 25, 50, 400).with_b_frames(), Made::aac(2, 750)]);
    (end.index_first, end.wide_offsets) = (false, true);
    vec![
        Shape::new(vec![
            Made::avc(1, 25, 50, 400).with_b_frames().with_edits(&[Edit::new(16_000, 512)]),
            Made::aac(2, 750).with_edits(&[Edit::new(16_000, 1024)]),
        ]),
        Shape::new(vec![Made::avc(1, 25, 50, 400), Made::hevc(2, 25, 50, 400), late, Made::text(20, 4)]),
        Shape::new(vec![Made::avc(1, 25, 50, 400), Made::avc(3, 25, 60, 400), Made::aac(11, 750)]),
        Shape::new(vec![
            Made::avc(1, 25, 50, 400).with_edits(&clips(12_800)),
            Made::aac(2, 750).with_edits(&clips(48_000)),
        ]),
        Shape::new(vec![Made::aac(1, 750), Made::aac(2, 750).with_title("Director's commentary")]),
        Shape::new(vec![Made::avc(1, 25, 12, 40).with_edits(&[Edit::new(790, 0)])]),
        Shape::new(vec![bare()]),
        end,
    ]
}

/// Pictures whose parameter sets are only in their first sample.
fn bare() -> Made {
    let mut bare = Made::avc(1, 25, 12, 40);
    bare.entry.fourcc = *b"avc3";
    bare.entry.children[0].fields = hex("0164001fffe000");
    bare.samples[0].size = 43;
    let sets = hex(AVC_RECORD)[8..37].to_vec();
    bare.first_bytes = [hex("0000001d"), sets, hex("0000000668e88ecb22c0")].concat();
    bare
}

fn edition(film: &Shape) -> Edition {
    let movie = read_all(&film.bytes().into()).expect("a good file");
    Edition::new(movie, Policy::VOD).expect("it is served").0
}

fn segments(of: &Edition, rendition: &ListedRendition) -> Vec<Slices> {
    let spans = of.plan.spans(rendition.track).take(rendition.segments);
    spans.map(|span| cmaf::segment(1, samples(&of.timeline, rendition.track, &span))).collect()
}

/// All that is served of it but playlists, which are rendered before.
fn served(of: &Edition) -> Vec<(Bytes, Vec<Slices>, Vec<Option<Slices>>)> {
    let movie = &of.timeline.clips()[0].movie;
    let rendition = |rendition: &ListedRendition| {
        let frame = |number| {
            let frame = rendition.key_frames.get(number)?;
            let sample = of.timeline.clips().get(frame.clip)?.sample(rendition.track, frame.position)?;
            Some(cmaf::key_frame(1, &sample, frame.pts, u32::try_from(frame.duration).unwrap_or(u32::MAX)))
        };
        let frames = (0..rendition.key_frames.len()).map(frame).collect();
        (cmaf::init(&movie.tracks[rendition.track]), segments(of, rendition), frames)
    };
    of.renditions.iter().map(rendition).collect()
}

#[test]
fn what_is_decoded_serves_the_same() {
    for film in films() {
        let made = edition(&film);
        let read = Edition::decode(made.encode().expect("one movie").into()).expect("our own bytes");
        assert_eq!(read.revision, made.revision);
        assert_eq!(read.renditions, made.renditions);
        assert_eq!((read.plan.len(), read.plan.tracks()), (made.plan.len(), made.plan.tracks()));
        for track in 0..made.plan.tracks() {
            assert_eq!(read.plan.excluded(track), made.plan.excluded(track));
            assert!(read.plan.spans(track).eq(made.plan.spans(track)));
        }
        for (one, other) in read.timeline.clips().iter().zip(made.timeline.clips()) {
            assert_eq!(one.tracks, other.tracks);
        }
        assert_eq!(served(&read), served(&made));
        assert_eq!(Revision::of(&read.timeline, Policy::VOD), made.revision, "and is named the same");
        assert_eq!(read.encode(), made.encode());
    }
}

#[test]
fn what_is_cut_or_goes_on_is_refused() {
    for film in films() {
        let bytes = Bytes::from(edition(&film).encode().expect("one movie"));
        let step = (bytes.len() / 500).max(1);
        for len in (0..bytes.len()).step_by(step) {
            assert!(Edition::decode(bytes.slice(..len)).is_err(), "{len} of {}", bytes.len());
        }
        let longer = [bytes.as_ref(), &[0]].concat();
        assert!(matches!(Edition::decode(longer.into()), Err(DecodeError::Long { left: 1, .. })));
    }
}

#[test]
fn whatever_the_bytes_all_that_is_made_of_them_ends() {
    let film = Shape::new(vec![
        Made::avc(1, 25, 5, 20).with_b_frames().with_edits(&[Edit::new(700, 1024)]),
        Made::aac(2, 30),
    ]);
    let bytes = edition(&film).encode().expect("one movie");
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            if let Ok(read) = Edition::decode(bytes.into()) {
                served(&read);
            }
        }
    }
}

#[test]
fn a_table_has_its_rows_and_no_more() {
    let made = edition(&films()[0]);
    let frames = &made.renditions[0].key_frames;
    assert!(!frames.is_empty() && frames.get(frames.len() - 1).is_some());
    assert_eq!(frames.get(frames.len()), None);
    assert_eq!(frames.get(usize::MAX), None);
}
