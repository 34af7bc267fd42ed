use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use rillcast_fixtures::{Edit, File, Node, Shape, SizeTable, Track};

use super::*;
use crate::demux::mp4::{Mp4Reader, read_all};
use crate::demux::{Demux, FormatError};
use crate::fourcc::FourCc;
use crate::movie::Movie;
use crate::plan::{Policy, SegmentPlan};

/// All that is known of a source.
struct Known {
    frame: Frame,
    timeline: Timeline,
    plan: SegmentPlan,
}

fn known(bytes: &[u8]) -> Result<Known, LayoutError> {
    let movie = read_all(&Bytes::copy_from_slice(bytes)).expect("a movie");
    let timeline = Timeline::of_movie(&Arc::new(movie)).expect("it is shown");
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("it is cut");
    Ok(Known { frame: survey_all(bytes)?, timeline, plan })
}

impl Known {
    fn movie(&self) -> &Movie {
        &self.timeline.clips()[0].movie
    }

    fn rewrite(&self) -> Result<Rewrite, LayoutError> {
        Rewrite::new(&self.frame, &self.timeline, &self.plan)
    }
}

/// Lays `bytes` out anew, and holds the result to all it promises.
fn relaid(bytes: &[u8]) -> Vec<u8> {
    let source = known(bytes).expect("it can be laid out");
    let rewrite = source.rewrite().expect("it can be laid out");
    let new = rewrite.bytes(bytes);
    assert_eq!(new.len() as u64, rewrite.len());
    let written = known(&new).expect("a valid file");
    let ours = (&written.frame, &written.timeline, &written.plan);
    rewrite.confirm((&source.frame, &source.timeline), ours, Policy::VOD).expect("what was meant");
    for (old, now) in source.movie().tracks.iter().zip(&written.movie().tracks) {
        let rows = old.samples.rows(0..usize::MAX).zip(now.samples.rows(0..usize::MAX));
        for (one, other) in rows {
            let at = |bytes: &[u8], offset: u64| bytes[offset as usize..][..one.size as usize].to_vec();
            assert_eq!(
                at(bytes, one.offset),
                at(&new, other.offset),
                "track {} sample {}",
                old.id,
                one.index
            );
            assert_eq!((one.size, one.pts(), one.sync), (other.size, other.pts(), other.sync));
        }
    }
    let again = written.rewrite().expect("it can be laid out");
    assert!(again.is_in_place(), "a rewrite has nothing to gain");
    assert_eq!(again.bytes(&new), new, "a rewrite of a rewrite changes nothing");
    new
}

fn contiguity(bytes: &[u8]) -> Contiguity {
    let known = known(bytes).expect("it can be laid out");
    Contiguity::of(&known.timeline, &known.plan)
}

/// Twelve seconds in two segments, with sound and text, as a writer that interleaves leaves it.
fn ordinary() -> Shape {
    let mut video = Track::avc(1, 25, 50, 300).with_b_frames();
    video.per_chunk = 1;
    let mut text = Track::text(3, 12);
    text.per_chunk = 2;
    Shape { index_first: false, ..Shape::new(vec![video, Track::aac(2, 563), text]) }
}

#[test]
fn an_interleaved_file_becomes_one_extent_a_segment_and_track() {
    let bytes = ordinary().bytes();
    let before = contiguity(&bytes);
    assert!(before.average() > 50.0 && !before.is_contiguous(), "{before:?}");
    let new = relaid(&bytes);
    assert_eq!(contiguity(&new), Contiguity { bodies: 4, extents: 4 });
    let index_first = read_all(&Bytes::from(new.clone())).expect("a movie").layout.index_first;
    assert!(index_first && new.len() < bytes.len(), "the index is smaller and padding is gone");
}

#[test]
fn tracks_of_a_segment_are_neighbours() {
    let new = relaid(&ordinary().bytes());
    let known = known(&new).expect("it can be laid out");
    let extents = |segment: usize| {
        let of_track = |track: usize| {
            let span = known.plan.span(track, segment).expect("it is there");
            let samples = crate::plan::samples(&known.timeline, track, &span);
            let body = crate::package::cmaf::segment(1, samples);
            body.iter().find_map(|slice| match slice {
                crate::slice::Slice::Extent(extent) => Some((extent.offset, extent.offset + extent.len)),
                crate::slice::Slice::Mem(_) => None,
            })
        };
        [0, 1].map(|track| of_track(track).expect("it has bytes"))
    };
    for [video, audio] in [extents(0), extents(1)] {
        assert_eq!(video.1, audio.0);
    }
}

#[test]
fn what_edits_hide_is_kept() {
    let video = Track::avc(1, 25, 50, 1000).with_edits(&[Edit::new(20_000, 10 * 12_800)]);
    let audio = Track::aac(2, 1875).with_edits(&[Edit::new(20_000, 10 * 48_000)]);
    relaid(&Shape::new(vec![video, audio]).bytes());
}

#[test]
fn pieces_that_an_edit_list_shows_twice_or_out_of_order_are_one_extent_each() {
    let twice = [Edit::new(8_000, 4 * 12_800), Edit::new(8_000, 6 * 12_800 + 512), Edit::new(6_000, 0)];
    let audio = [Edit::new(8_000, 4 * 48_000), Edit::new(8_000, 6 * 48_000 + 1920), Edit::new(6_000, 0)];
    let video = Track::avc(1, 25, 50, 600).with_edits(&twice);
    let new = relaid(&Shape::new(vec![video, Track::aac(2, 1125).with_edits(&audio)]).bytes());
    assert!(contiguity(&new).is_contiguous());
}

#[test]
fn a_track_left_out_for_its_codec_or_its_cuts_keeps_its_chunks() {
    // A second picture track without sync samples where the first is cut; sound of a codec not served.
    let mut other = Track::avc(2, 25, 70, 300);
    other.per_chunk = 3;
    let mut opus = Track::aac(4, 200);
    opus.entry = Node::leaf(b"Opus", [0; 28]);
    opus.sizes = SizeTable::Packed(8);
    let shape = Shape::new(vec![Track::avc(1, 25, 50, 300), other, Track::aac(3, 563), opus]);
    let bytes = shape.bytes();
    let new = relaid(&bytes);
    let movie = read_all(&Bytes::from(new.clone())).expect("a movie");
    assert_eq!(movie.ignored.len(), 1);
    let (old, now) = (known(&bytes).expect("known"), known(&new).expect("known"));
    assert!(old.plan.excluded(1).is_some(), "the case is what it says");
    let all = |known: &Known, bytes: &[u8]| {
        let places = Places::new(&known.frame, &known.timeline, &known.plan).expect("placed");
        let Some(Place::Chunks(chunks)) = places.get(3) else { return Vec::new() };
        let extents = chunks.offsets.iter_from(0).zip(chunks.lens.iter_from(0));
        extents.flat_map(|(offset, len)| bytes[offset as usize..][..len as usize].to_vec()).collect()
    };
    let expected: Vec<u8> = (0..200).flat_map(|index| shape.tracks[3].sample_bytes(index)).collect();
    assert_eq!((all(&old, &bytes), all(&now, &new)), (expected.clone(), expected));
}

#[test]
fn sizes_of_every_table_are_read_for_tracks_that_are_left_out() {
    for sizes in [SizeTable::Listed, SizeTable::Constant, SizeTable::Packed(4), SizeTable::Packed(16)] {
        let mut text = Track::text(3, 11);
        text.sizes = sizes;
        text.per_chunk = 4;
        relaid(&Shape::new(vec![Track::avc(1, 25, 50, 300), text]).bytes());
    }
}

#[test]
fn quirks_of_quicktime_and_odd_boxes_are_carried_over() {
    let mut file = ordinary().file();
    file.nodes.remove(0);
    file.nodes.insert(0, Node::leaf(b"wide", []));
    file.nodes.push(Node::leaf(b"uuid", [7; 40]));
    // A list of user data that ends with four zero bytes.
    file.at("moov")
        .children
        .push(Node { children: vec![Node::leaf(b"name", *b"x")], ..Node::leaf(b"udta", []) });
    file.at("moov/udta").children.push(Node { claims: Some(0), ..Node::leaf(&[0; 4], []) });
    let new = relaid(&file.bytes());
    let written = survey_all(&new).expect("whole boxes");
    assert_eq!((written.file_type.len(), written.kept.len()), (0, 1));
    assert_eq!(&new[4..8], b"moov");
    assert!(!new.windows(4).any(|code| code == b"wide" || code == b"free"));
}

#[test]
fn media_in_several_boxes_and_up_to_the_end_of_the_file_is_found() {
    let shape = ordinary();
    let plain = relaid(&shape.bytes());
    // The media box says «to the end of the file»: the index then comes before it.
    let mut file = Shape { index_first: true, ..shape.clone() }.file();
    file.at("mdat").claims = Some(0);
    assert_eq!(relaid(&file.bytes()), plain);
    // The media up to some chunk lies in a box of its own.
    let mut file = shape.file();
    let base = u32::try_from(file.offset("mdat") + 8).expect("a small file");
    let tables = |trak: usize| format!("moov/trak.{trak}/mdia/minf/stbl/stco");
    let place = |entry: &[u8]| u32::from_be_bytes(entry.try_into().expect("four bytes"));
    let border = place(&file.at(&tables(0)).fields[8 + 4 * 100..][..4]);
    let media = file.at("mdat").fields.split_off((border - base) as usize);
    let behind = file.nodes.iter().position(|node| node.fourcc == *b"mdat").expect("it is there") + 1;
    file.nodes.insert(behind, Node::leaf(b"mdat", media));
    for trak in 0..3 {
        for entry in file.at(&tables(trak)).fields[8..].chunks_exact_mut(4) {
            let moved = place(entry) + if place(entry) < border { 0 } else { 8 };
            entry.copy_from_slice(&moved.to_be_bytes());
        }
    }
    assert_eq!(relaid(&file.bytes()), plain);
}

#[test]
fn boxes_of_64_bits_are_read_and_places_become_narrow_again() {
    let new = relaid(&Shape { wide_offsets: true, wide_headers: true, ..ordinary() }.bytes());
    assert!(new.windows(4).any(|code| code == b"stco") && !new.windows(4).any(|code| code == b"co64"));
}

/// A file of which only the head exists: 300 pictures of 30 MB.
fn large() -> (Vec<u8>, u64) {
    let mut video = Track::avc(1, 25, 50, 300);
    video.sizes = SizeTable::Constant;
    video.per_chunk = 300;
    video.samples.iter_mut().for_each(|sample| sample.size = 1);
    let shape = Shape { wide_offsets: true, ..Shape::new(vec![video]) };
    let mut file = shape.file();
    file.at("moov/trak/mdia/minf/stbl/stsz").set_u32(4, 30_000_000);
    let mut bytes = file.bytes();
    bytes.truncate(bytes.len() - 300);
    let size_at = bytes.len() - 8;
    let media = 300 * 30_000_000u64;
    bytes[size_at..].copy_from_slice(&(media + 16).to_be_bytes());
    let len = bytes.len() as u64 + media;
    (bytes, len)
}

#[test]
fn places_past_4_gib_take_64_bits() {
    let (head, len) = large();
    let part = |range: Range<u64>| {
        let at = |offset: u64| head.len().min(usize::try_from(offset).expect("small"));
        Bytes::copy_from_slice(&head[at(range.start)..at(range.end)])
    };
    let mut reader = Mp4Reader::new(len);
    let movie = loop {
        match reader.poll().expect("a movie") {
            Demux::Ready(movie) => break *movie,
            Demux::Need(range) => reader.supply(range.start, part(range)),
        }
    };
    let mut survey = Survey::new(len);
    let frame = loop {
        match survey.poll().expect("whole boxes") {
            Surveying::Ready(frame) => break *frame,
            Surveying::Need(range) => {
                let bytes = part(range.clone());
                assert!(!bytes.is_empty(), "media is not read: {range:?}");
                survey.supply(range.start, &bytes);
            }
        }
    };
    let timeline = Timeline::of_movie(&Arc::new(movie)).expect("it is shown");
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("it is cut");
    let rewrite = Rewrite::new(&frame, &timeline, &plan).expect("it can be laid out");
    assert!(rewrite.len() > 9_000_000_000);
    let head = rewrite.head();
    let table = head.windows(4).position(|code| code == b"co64").expect("wide places");
    let place = |index: usize| {
        let at = table + 12 + index * 8;
        u64::from_be_bytes(head[at..at + 8].try_into().expect("eight bytes"))
    };
    assert_eq!((place(0), place(1)), (head.len() as u64, head.len() as u64 + 150 * 30_000_000));
    assert!(rewrite.is_in_place());
}

fn refusal(file: &File) -> LayoutError {
    match known(&file.bytes()).and_then(|known| known.rewrite()) {
        Err(error) => error,
        Ok(_) => panic!("it was laid out"),
    }
}

fn unmovable(file: &File) -> (String, u64) {
    match refusal(file) {
        LayoutError::Unmovable { fourcc, offset, .. } => (fourcc.text(), offset),
        other => panic!("{other}"),
    }
}

#[test]
fn boxes_that_would_be_wrong_are_refused_with_their_place() {
    let items = || {
        let mut meta = Node::full(b"meta", 0, 0, &[]);
        meta.children = vec![Node::leaf(b"hdlr", [0; 24]), Node::full(b"iloc", 0, 0, &[0x44, 0, 0, 1, 0, 0])];
        meta
    };
    let mut none = items();
    none.children[1] = Node::full(b"iloc", 2, 0, &[0x44, 0, 0, 0, 0, 0]);
    let cases: [(&str, Node); 4] = [
        ("moov", items()),
        ("moov/trak", items()),
        ("moov/trak", Node::of(b"udta", vec![items()])),
        ("moov/trak/mdia/minf/stbl", Node::full(b"saio", 0, 0, &[0; 8])),
    ];
    for (parent, node) in cases {
        let mut file = ordinary().file();
        let code = node.fourcc;
        file.at(parent).children.push(node);
        let inner = if code == *b"udta" { "/meta" } else { "" };
        let path = format!("{parent}/{}{inner}", String::from_utf8_lossy(&code));
        let (found, offset) = unmovable(&file);
        assert!(path.ends_with(&found), "{path}: {found}");
        assert_eq!(offset, file.offset(&path), "{path}");
    }
    for node in [
        items(),
        Node::leaf(b"sidx", [0; 24]),
        Node::leaf(b"mfra", []),
        Node::leaf(b"uuid", *b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81manifest"),
    ] {
        let mut file = ordinary().file();
        let code = String::from_utf8_lossy(&node.fourcc).into_owned();
        file.nodes.push(node);
        assert_eq!(unmovable(&file), (code.clone(), file.offset(&code)));
    }
    let mut file = ordinary().file();
    file.nodes.push(none);
    relaid(&file.bytes());
}

#[test]
fn a_left_out_track_with_its_media_elsewhere_or_of_unknown_size_is_refused() {
    let mut file = ordinary().file();
    file.at("moov/trak.2/mdia/minf/dinf/dref/url ").fields[3] = 0;
    assert_eq!(unmovable(&file).0, "dref");
    let mut sound = Track::aac(4, 100);
    sound.entry = Node::leaf(b"sowt", [0; 28]);
    sound.sizes = SizeTable::Constant;
    sound.samples.iter_mut().for_each(|sample| sample.size = 4);
    let file = Shape::new(vec![Track::avc(1, 25, 50, 300), Track::aac(2, 563), sound]).file();
    assert_eq!(unmovable(&file).0, "stsz");
}

#[test]
fn broken_tables_of_a_left_out_track_are_refused() {
    let tables = "moov/trak.2/mdia/minf/stbl";
    let changes = [("stco", 8, u32::MAX - 7), ("stsc", 12, 50), ("stsc", 8, 2), ("stsz", 8, 3)];
    for (code, at, value) in changes {
        let mut file = ordinary().file();
        file.at(&format!("{tables}/{code}")).set_u32(at, value);
        let error = refusal(&file);
        assert!(matches!(error, LayoutError::Format(_)), "{code} {at}: {error}");
        assert!(!error.is_unsupported(), "{error}");
    }
}

#[test]
fn what_does_not_reach_the_end_of_the_file_in_boxes_is_refused() {
    let mut file = ordinary().file();
    file.nodes.push(Node { claims: Some(900), ..Node::leaf(b"uuid", []) });
    assert!(matches!(refusal(&file), LayoutError::Format(FormatError::BoxOverrun { size: 900, .. })));
    let mut bytes = ordinary().bytes();
    bytes.extend(*b"end");
    assert!(matches!(survey_all(&bytes), Err(LayoutError::Format(FormatError::Truncated { .. }))));
    let mut bytes = ordinary().bytes();
    bytes.extend([0; 5]);
    relaid(&bytes);
    let mut file = ordinary().file();
    file.duplicate("moov");
    let second = FourCc::new(b"moov");
    assert!(
        matches!(refusal(&file), LayoutError::Format(FormatError::Duplicate { fourcc, .. }) if fourcc == second)
    );
}

#[test]
fn tracks_that_share_bytes_are_copied_apart_up_to_a_limit() {
    // Every chunk of text is the same byte range; many of them are more than the source twice over.
    let shared = |chunks: usize| {
        let mut text = Track::text(3, chunks);
        text.per_chunk = 1;
        text.samples.iter_mut().for_each(|sample| sample.size = 15);
        let mut file = Shape::new(vec![Track::avc(1, 25, 50, 300), text]).file();
        file.at("moov/trak.1/mdia/minf/stbl/stsz").set_u32(4, 9_000);
        for entry in file.at("moov/trak.1/mdia/minf/stbl/stco").fields[8..].chunks_exact_mut(4) {
            entry.copy_from_slice(&100u32.to_be_bytes());
        }
        file
    };
    relaid(&shared(2).bytes());
    assert!(matches!(refusal(&shared(40)), LayoutError::Shared { .. }));
}

#[test]
fn the_limit_on_what_is_kept_is_named() {
    let walk = |size: u32| {
        let mut survey = Survey::new(1 << 40);
        let mut header = size.to_be_bytes().to_vec();
        header.extend(b"uuid");
        header.extend([0; 24]);
        assert!(matches!(survey.poll(), Ok(Surveying::Need(_))));
        survey.supply(0, &header);
        survey.poll()
    };
    let most = u32::try_from(MAX_KEPT_BYTES).expect("below 4 GiB");
    assert!(matches!(walk(most), Ok(Surveying::Need(_))));
    assert!(matches!(
        walk(most + 1),
        Err(LayoutError::Format(FormatError::Limit { limit: MAX_KEPT_BYTES, .. }))
    ));
}

#[test]
fn a_file_that_is_not_what_was_meant_is_found_out() {
    let bytes = ordinary().bytes();
    let source = known(&bytes).expect("known");
    let rewrite = source.rewrite().expect("it can be laid out");
    let new = rewrite.bytes(&bytes);
    let confirm = |changed: &[u8]| {
        let written = known(changed).expect("a movie");
        let ours = (&written.frame, &written.timeline, &written.plan);
        rewrite.confirm((&source.frame, &source.timeline), ours, Policy::VOD)
    };
    assert_eq!(confirm(&new), Ok(()));
    let with = |code: &[u8; 4], skip: usize, change: &dyn Fn(&mut [u8])| {
        let mut changed = new.clone();
        let at = changed.windows(4).position(|word| word == code).expect("it is there");
        change(&mut changed[at + skip..]);
        confirm(&changed)
    };
    assert!(matches!(with(b"stts", 19, &|at| at[0] ^= 1), Err(Difference::Revision { .. })));
    assert_eq!(with(b"mvhd", 12, &|at| at[0] ^= 1), Err(Difference::Boxes));
    // Two samples of the first segment one byte further on.
    assert!(matches!(with(b"stco", 15, &|at| at[0] ^= 1), Err(Difference::Place { trak: 0, .. })));
    assert!(matches!(confirm(&bytes), Err(Difference::Apart { .. })));
}

fn any_track(id: u32, frames: usize) -> impl Strategy<Value = Track> {
    let kind = prop_oneof![Just(0), Just(1), Just(2), Just(3)];
    (kind, 1..40usize, 10..80usize, 0..3usize).prop_map(move |(kind, per_chunk, gop, sizes)| {
        let mut track = match kind {
            0 => Track::avc(id, 25, gop, frames),
            1 => Track::avc(id, 25, gop, frames).with_b_frames(),
            2 => Track::aac(id, frames * 2),
            _ => Track::text(id, frames / 25 + 1),
        };
        track.per_chunk = per_chunk;
        track.sizes = if sizes == 0 { SizeTable::Packed(16) } else { SizeTable::Listed };
        track
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_movie_is_laid_out_anew_with_every_byte(
        frames in 1..700usize,
        first in any_track(1, 300),
        others in proptest::collection::vec(any_track(0, 400), 0..4),
        edit in proptest::option::of((0..10_000u64, 0..90_000i64)),
        index_first in any::<bool>(),
        wide_offsets in any::<bool>(),
    ) {
        let video = Track::avc(9, 25, 25, frames);
        let video = match edit {
            Some((duration, start)) => video.with_edits(&[Edit::new(duration, start)]),
            None => video,
        };
        let mut tracks = vec![first, video];
        tracks.extend((2..).zip(others).map(|(id, track)| Track { id, ..track }));
        let bytes = Shape { index_first, wide_offsets, ..Shape::new(tracks) }.bytes();
        let movie = read_all(&Bytes::copy_from_slice(&bytes)).expect("a movie");
        if Timeline::of_movie(&Arc::new(movie)).is_ok() {
            relaid(&bytes);
        }
    }
}
