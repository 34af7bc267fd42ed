//! The demuxer against another: the `mp4` crate reads the same files, and both must see the same samples.
//!
//! Besides generated files it reads the sample media of `RILLCAST_CORPUS` (else `shared/corpus` beside
//! the workspace), where there are any.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rillcast_fixtures::{Edit, Shape, Track};
use rillcast_media::demux::mp4::read_all;
use rillcast_media::package::cmaf;
use rillcast_media::plan::{Policy, SegmentPlan, samples};
use rillcast_media::slice::{Slice, Slices};
use rillcast_media::timeline::Timeline;

/// Samples of a track that are compared: the other reader walks its tables anew for each.
const COMPARED: usize = 200;

/// Compares all tracks of `file`; returns how many.
fn compare(name: &str, file: &Bytes) -> usize {
    let movie = read_all(file).unwrap_or_else(|error| unreachable!("{name}: {error}"));
    let size = file.len() as u64;
    let mut theirs = mp4::Mp4Reader::read_header(Cursor::new(file), size).expect("a good file");
    for track in &movie.tracks {
        let of_them = &theirs.tracks()[&track.id];
        assert_eq!(track.timescale.ticks_per_s(), of_them.timescale(), "{name}");
        let count = theirs.sample_count(track.id).expect("a track") as usize;
        assert_eq!(track.samples.len(), count, "{name}: track {}", track.id);
        let step = count.div_ceil(COMPARED).max(1);
        for row in track.samples.rows(0..count).step_by(step) {
            let number = u32::try_from(row.index).expect("few samples") + 1;
            let sample = theirs.read_sample(track.id, number).expect("readable").expect("there");
            let at = row.offset as usize;
            let place = format!("{name}: track {}, sample {}", track.id, row.index);
            assert_eq!(file.slice(at..at + row.size as usize), sample.bytes, "{place}");
            assert_eq!(
                (row.dts, row.duration),
                (sample.start_time.cast_signed(), sample.duration),
                "{place}"
            );
            assert_eq!(
                (row.composition_offset, row.sync),
                (sample.rendering_offset, sample.is_sync),
                "{place}"
            );
        }
    }
    movie.tracks.len()
}

#[test]
fn generated_files_are_read_alike() {
    let video = || Track::avc(1, 25, 12, 400).with_b_frames().with_edits(&[Edit::new(16_000, 512)]);
    let plain = || Shape::new(vec![video(), Track::aac(2, 700)]);
    let shapes = [
        ("plain", plain()),
        ("index last", Shape { index_first: false, ..plain() }),
        ("wide", Shape { wide_headers: true, wide_offsets: true, ..plain() }),
        ("hevc", Shape::new(vec![Track::hevc(1, 30, 30, 100)])),
    ];
    for (name, shape) in shapes {
        assert_eq!(compare(name, &shape.bytes().into()), shape.tracks.len());
    }
}

/// Files of the corpus that can be played, and of how many tracks.
const PLAYABLE: [(&str, usize); 16] = [
    ("flower.mp4", 2),
    ("friday.mp4", 2),
    ("car-detection.mp4", 2),
    ("bottle-detection.mp4", 1),
    ("long_1080p_lowbitrate.mp4", 2),
    ("sample_offset_audio.mp4", 2),
    ("bbb_b_pyramid.mp4", 1),
    ("visible_timestamps_60fps.mp4", 2),
    ("bbb_prog_10s.mp4", 2),
    ("audio_only_15s.mp4", 1),
    ("h265_bframes.mp4", 1),
    ("foreman_hevc_hev1.mp4", 1),
    ("tiny_av.mp4", 2),
    ("one_frame.mp4", 2),
    ("tos_800.mp4", 2),
    ("tos_multi_audio_subs.mp4", 3),
];

fn corpus() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    std::env::var_os("RILLCAST_CORPUS").map_or(beside, PathBuf::from)
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_corpus_is_read_alike() {
    let folder = corpus();
    for (name, tracks) in PLAYABLE {
        let Ok(bytes) = fs::read(folder.join(name)) else {
            eprintln!("skipped: no {name} in {}", folder.display());
            continue;
        };
        assert_eq!(compare(name, &bytes.into()), tracks, "{name}");
    }
}

/// The bytes of `body`, its extents read from `file`.
fn read_body(body: &Slices, file: &Bytes) -> Vec<u8> {
    let part = |slice: &Slice| match slice {
        Slice::Mem(bytes) => bytes.clone(),
        Slice::Extent(at) => file.slice(at.offset as usize..(at.offset + at.len) as usize),
    };
    body.iter().flat_map(part).collect()
}

#[test]
fn init_and_first_segment_are_a_file_to_others() {
    let made = [Track::avc(1, 25, 12, 100).with_b_frames(), Track::aac(2, 188)];
    let file: Bytes = Shape::new(made.to_vec()).bytes().into();
    let movie = Arc::new(read_all(&file).expect("a good file"));
    let timeline = Timeline::of_movie(&movie).expect("a timeline");
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
    for (index, made) in made.iter().enumerate() {
        let span = plan.span(index, 0).expect("a segment");
        let mut bytes = cmaf::init(&movie.tracks[index]).to_vec();
        bytes.extend(read_body(&cmaf::segment(1, samples(&timeline, index, &span)), &file));
        let size = bytes.len() as u64;
        let mut reader = mp4::Mp4Reader::read_header(Cursor::new(bytes), size).expect("a fragmented file");
        assert!(reader.is_fragmented());
        assert_eq!(reader.tracks()[&1].timescale(), made.timescale);
        assert_eq!(reader.sample_count(1).expect("our track") as usize, made.samples.len());
        for (number, sample) in (1u32..).zip(samples(&timeline, index, &span)) {
            let theirs = reader.read_sample(1, number).expect("readable").expect("there");
            // Of fragments the other reader knows no times and no offsets, only the sizes.
            assert_eq!(theirs.bytes.len() as u64, sample.payload.len(), "sample {number}");
        }
    }
}
