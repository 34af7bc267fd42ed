//! Good files of every shape, and the rule that cuts do not matter. Bad ones: [`hostile`].

mod cuts;
mod hostile;

use rillcast_fixtures::{Edit, Node, Sample, Shape, SizeTable, Track as Made, hex};

use super::*;
use crate::codec::Codec;
use crate::movie::{SampleRow, SyncSamples, TrackKind, Unplayable};

fn read(bytes: Vec<u8>) -> Movie {
    read_all(&bytes.into()).expect("a good file")
}

/// Asserts that `track` is what `made` says, and that each row points to the bytes of its sample.
fn assert_track(file: &[u8], track: &Track, made: &Made) {
    assert_eq!((track.id, track.timescale.ticks_per_s()), (made.id, made.timescale));
    let rows: Vec<SampleRow> = track.samples.rows(0..usize::MAX).collect();
    assert_eq!(rows.len(), made.samples.len());
    let mut dts = 0;
    for (row, sample) in rows.iter().zip(&made.samples) {
        let Sample { size, duration, composition, sync } = *sample;
        assert_eq!((row.size, row.duration, row.composition_offset), (size, duration, composition));
        assert_eq!((row.dts, row.sync), (dts, sync), "sample {}", row.index);
        dts += i64::from(duration);
        let at = row.offset as usize;
        assert_eq!(file[at..at + size as usize], made.sample_bytes(row.index), "sample {}", row.index);
    }
}

fn ordinary() -> Shape {
    Shape::new(vec![Made::avc(1, 25, 12, 40).with_b_frames(), Made::aac(2, 60)])
}

#[test]
fn every_layout_gives_the_samples_that_were_written() {
    let quick_time = Shape::new(vec![Made::avc(1, 25, 12, 40), Made::quicktime_aac(2, 60)]);
    let shapes = [
        ordinary(),
        Shape { index_first: false, ..ordinary() },
        Shape { wide_offsets: true, ..ordinary() },
        Shape { wide_headers: true, ..ordinary() },
        Shape { brands: Vec::new(), ..quick_time },
        Shape::new(vec![Made::hevc(3, 30, 30, 31)]),
    ];
    for shape in shapes {
        let file = shape.bytes();
        let movie = read(file.clone());
        assert_eq!(movie.playable(), Ok(()));
        assert_eq!(movie.layout.index_first, shape.index_first);
        assert_eq!(movie.layout.format, if shape.brands.is_empty() { "QuickTime" } else { "MP4" });
        for (track, made) in movie.tracks.iter().zip(&shape.tracks) {
            assert_track(&file, track, made);
        }
    }
}

#[test]
fn sizes_may_be_listed_equal_or_packed() {
    for (table, size) in [
        (SizeTable::Listed, 9),
        (SizeTable::Constant, 9),
        (SizeTable::Packed(4), 15),
        (SizeTable::Packed(8), 255),
        (SizeTable::Packed(16), 300),
    ] {
        for count in [1, 2, 59, 60] {
            let mut made = Made::aac(1, count);
            made.sizes = table;
            made.samples.iter_mut().for_each(|sample| sample.size = size);
            let file = Shape::new(vec![made.clone()]).bytes();
            assert_track(&file, &read(file.clone()).tracks[0], &made);
        }
    }
}

#[test]
fn composition_offsets_are_signed_in_both_versions() {
    for version in [0, 1] {
        let mut made = Made::avc(1, 25, 12, 40).with_b_frames();
        made.composition_version = version;
        made.samples.iter_mut().for_each(|sample| sample.composition -= 512);
        let file = Shape::new(vec![made.clone()]).bytes();
        assert_track(&file, &read(file.clone()).tracks[0], &made);
    }
}

#[test]
fn without_a_list_every_sample_is_a_sync_sample() {
    let mut made = Made::avc(1, 25, 12, 40);
    made.write_sync = false;
    let movie = read(Shape::new(vec![made]).bytes());
    assert_eq!(movie.tracks[0].samples.sync(), &SyncSamples::All);
}

#[test]
fn languages_come_from_the_tag_then_from_the_code() {
    let with = |code, tag: Option<&[u8]>| {
        let mut made = Made::aac(1, 3);
        (made.language, made.extended_language) = (code, tag.map(<[u8]>::to_vec));
        read(Shape::new(vec![made]).bytes()).tracks[0].language.clone()
    };
    let deu = rillcast_fixtures::packed_language(b"deu");
    assert_eq!(with(deu, None), "deu");
    assert_eq!(with(deu, Some(b"pt-BR\0")), "pt-BR");
    // Bad UTF-8, an empty tag, a code of no letters, a Macintosh code.
    assert_eq!(with(deu, Some(b"\xff\xfe\0")), "deu");
    assert_eq!(with(deu, Some(b"\0")), "deu");
    assert_eq!([with(0x7c00, None), with(11, None)], ["und", "jpn"]);
}

#[test]
fn a_title_is_read_and_the_name_of_the_handler_is_none() {
    let titled = Made::aac(2, 3).with_title("Director’s commentary");
    let mut file = Shape::new(vec![Made::aac(1, 3), titled]).file();
    for path in ["moov/trak/mdia/hdlr", "moov/trak.1/mdia/hdlr"] {
        file.at(path).fields.extend(b"SoundHandler\0");
    }
    let titles: Vec<_> = read(file.bytes()).tracks.into_iter().map(|track| track.title).collect();
    assert_eq!(titles, [None, Some("Director’s commentary".to_owned())]);
}

#[test]
fn user_data_are_read_up_to_a_limit_and_never_an_error() {
    let titled =
        || Shape { index_first: false, ..Shape::new(vec![Made::aac(1, 3).with_title("Main")]) }.file();
    let title = |file: &rillcast_fixtures::File| read(file.bytes()).tracks.remove(0).title;
    let with_filler = |filler: usize| {
        let mut file = titled();
        let user_data = file.at("moov/trak/udta");
        user_data.children.insert(0, Node::leaf(b"free", vec![0; filler]));
        user_data.children.push(Node::leaf(b"junk", [7; 90_000]));
        title(&file)
    };
    // Two headers of 8 bytes and a title of 4.
    let most = title::MAX_USER_DATA_BYTES as usize - 8 - 12;
    assert_eq!(with_filler(most).as_deref(), Some("Main"));
    assert_eq!(with_filler(most + 1), None);
    for claims in [0, 1, 7, 13, u32::MAX] {
        let mut file = titled();
        file.at("moov/trak/udta/name").claims = Some(claims);
        assert_eq!(title(&file), None, "a size of {claims}");
    }
    let mut file = titled();
    file.duplicate("moov/trak/udta");
    file.at("moov/trak/udta.1/name").fields = b"Other".to_vec();
    assert_eq!(title(&file).as_deref(), Some("Main"));
    file.at("moov/trak/udta").children.clear();
    assert_eq!(title(&file).as_deref(), Some("Other"));
}

#[test]
fn edits_are_kept_as_written() {
    let edits = [Edit::new(40, -1), Edit::new(1000, 512)];
    for wide_headers in [false, true] {
        let shape = Shape { wide_headers, ..Shape::new(vec![Made::avc(1, 25, 12, 40).with_edits(&edits)]) };
        let kept: Vec<_> =
            read(shape.bytes()).tracks[0].edits.iter().map(|e| (e.duration, e.media_time, e.rate)).collect();
        assert_eq!(kept, [(40, None, 0x1_0000), (1000, Some(512), 0x1_0000)]);
    }
}

#[test]
fn rotation_comes_from_the_matrix() {
    for rotation in [0, 90, 180, 270] {
        let mut made = Made::avc(1, 25, 12, 4);
        made.rotation = rotation;
        let movie = read(Shape::new(vec![made]).bytes());
        let crate::movie::TrackFormat::Video(video) = &movie.tracks[0].format else { panic!("video") };
        assert_eq!(video.rotation, rotation);
        assert_eq!(video.display_size(), if rotation % 180 == 90 { (540, 960) } else { (960, 540) });
    }
}

#[test]
fn parameter_sets_may_be_in_the_first_sample() {
    let record = hex(rillcast_fixtures::AVC_RECORD);
    let mut made = Made::avc(1, 25, 12, 4);
    made.entry.fourcc = *b"avc3";
    made.entry.children[0].fields = hex("0164001fffe000");
    made.samples[0].size = 60;
    made.first_bytes =
        [&[0, 0, 0, 29], &record[8..37], &[0, 0, 0, 6], &record[40..46], &[0, 0, 0, 13, 0x65]].concat();
    let movie = read(Shape::new(vec![made.clone(), Made::aac(2, 5)]).bytes());
    assert_eq!(movie.tracks.iter().map(|track| track.id).collect::<Vec<_>>(), [1, 2]);
    let Codec::Avc(config) = &movie.tracks[0].codec else { panic!("AVC") };
    assert_eq!((config.sps().len(), config.pps().len()), (1, 1));
    assert_eq!(movie.tracks[0].codec.rfc6381(), "avc1.64001F");
}

#[test]
fn other_tracks_are_left_out_by_name() {
    let mut opus = Made::aac(4, 5);
    opus.entry = Node::leaf(b"Opus", [0; 40]);
    let movie = read(Shape::new(vec![Made::avc(1, 25, 12, 40), Made::text(3, 2), opus]).bytes());
    let ignored: Vec<_> = movie.ignored.iter().map(|track| (track.id, track.name, track.samples)).collect();
    assert_eq!(ignored, [(3, "text", 2), (4, "Opus", 5)]);
    assert_eq!(
        movie.playable(),
        Err(Unplayable::Codec {
            kind: "audio",
            name: "Opus (`Opus`)".to_owned(),
            reason: "this codec is not supported yet"
        })
    );
}

#[test]
fn a_track_without_samples_is_left_out() {
    let movie = read(Shape::new(vec![Made::avc(1, 25, 12, 40), Made::aac(2, 0)]).bytes());
    assert_eq!(movie.tracks.len(), 1);
    assert_eq!(movie.ignored[0].reason, "it has no samples");
    assert_eq!(movie.tracks_of(TrackKind::Audio).count(), 0);
}
