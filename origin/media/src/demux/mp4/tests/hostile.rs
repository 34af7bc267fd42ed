//! Files that lie: each lie has its own error, with the box and its first byte.

use rillcast_fixtures::File;

use super::*;
use crate::movie::TableError;

const STBL: &str = "moov/trak/mdia/minf/stbl";

/// Video alone: 40 samples of 24 chunks or so, enough for each table to have entries.
fn plain() -> File {
    Shape::new(vec![Made::avc(1, 25, 12, 40).with_b_frames()]).file()
}

/// The same with the index behind the media, so that a change of the index moves no sample.
fn plain_index_last() -> File {
    Shape { index_first: false, ..Shape::new(vec![Made::avc(1, 25, 12, 40).with_b_frames()]) }.file()
}

fn error(file: &File) -> FormatError {
    read_all(&file.bytes().into()).expect_err("a lie")
}

fn cc(code: &str) -> FourCc {
    FourCc(code.as_bytes().try_into().expect("four letters"))
}

/// The last code of a path.
fn code_of(path: &str) -> FourCc {
    cc(&path.rsplit('/').next().unwrap_or(path)[..4])
}

#[test]
fn an_empty_file_is_empty() {
    assert_eq!(read_all(&Bytes::new()).expect_err("empty"), FormatError::Empty);
}

#[test]
fn other_formats_are_named() {
    let mut ts = vec![0u8; 400];
    (ts[0], ts[188]) = (0x47, 0x47);
    let cases: [(&[u8], &str); 18] = [
        (b"\x1aE\xdf\xa3 a film", "Matroska or WebM"),
        (b"FLV\x01\x05\0\0\0\x09", "FLV"),
        (b"ID3\x04\0\0\0\0", "MP3 or AAC with an ID3 tag"),
        (b"OggS\0\x02\0\0", "Ogg"),
        (b"RIFF\0\0\0\0AVI ", "RIFF (AVI or WAV)"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"\x00\x00\x01\xba\x44\0\x04\0", "MPEG program stream"),
        (b"#EXTM3U\n#EXTINF", "an HLS playlist"),
        (b"WEBVTT\n\n00:00", "WebVTT"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff\xe0\0\x10JF", "a JPEG image"),
        (b"PK\x03\x04\x14\0\0\0", "a ZIP archive"),
        (b"<!DOCTYPE html>", "XML or HTML"),
        (&ts, "MPEG-TS"),
        (b"\xff\xf1\x50\x80\x02\x1f\xfc\xde", "AAC (ADTS)"),
        (b"\xff\xfb\x90\x64\0\0\0\0", "MP3"),
        (b"\0\0\0\0\0\0\0\0\0\0", "bytes `\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00`"),
        (b"hello, world", "bytes `hello, w`"),
    ];
    for (bytes, name) in cases {
        let found = read_all(&Bytes::copy_from_slice(bytes)).expect_err("not MP4");
        assert_eq!(found, FormatError::NotMp4 { looks_like: name.to_owned() });
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_the_same_movie() {
    for index_first in [true, false] {
        let bytes = Bytes::from(Shape { index_first, ..ordinary() }.bytes());
        let whole = read_all(&bytes).expect("a good file");
        for len in 0..bytes.len() {
            if let Ok(movie) = read_all(&bytes.slice(..len)) {
                cuts::assert_same(&movie, &whole);
                panic!("all {} bytes belong to the file, {len} were enough", bytes.len());
            }
        }
    }
}

#[test]
fn where_a_file_is_cut_decides_the_error() {
    let file = plain();
    let bytes = file.bytes();
    let moov = file.offset("moov");
    let cut = |len: u64| read_all(&Bytes::copy_from_slice(&bytes[..len as usize])).expect_err("cut");
    let source_len = moov;
    assert_eq!(cut(moov), FormatError::NoIndex { source_len });
    assert_eq!(cut(moov + 3), FormatError::Truncated { offset: moov, source_len: moov + 3 });
    let size = file.offset("mdat") - moov;
    assert_eq!(cut(moov + 9), FormatError::BoxOverrun { fourcc: cc("moov"), offset: moov, size, left: 9 });
    let end = bytes.len() as u64;
    let FormatError::Tables { track: 1, offset, source: TableError::Outside { sample: 39, .. } } =
        cut(end - 1)
    else {
        panic!("the last sample is cut: {}", cut(end - 1));
    };
    assert_eq!(offset, file.offset(STBL));
}

#[test]
fn boxes_that_must_be_there_are_missed() {
    for (path, holder) in [
        ("moov/mvhd", "moov"),
        ("moov/trak/tkhd", "moov/trak"),
        ("moov/trak/mdia/hdlr", "moov/trak"),
        ("moov/trak/mdia/mdhd", "moov/trak"),
        ("moov/trak/mdia/minf/stbl/stsd", "moov/trak"),
        ("moov/trak/mdia/minf/stbl/stsz", "moov/trak/mdia/minf/stbl"),
    ] {
        let mut file = plain_index_last();
        file.remove(path);
        assert_eq!(error(&file), FormatError::Missing { fourcc: code_of(path), offset: file.offset(holder) });
    }
    let mut file = plain_index_last();
    file.at("moov/trak/mdia/minf/stbl/stsd/avc1").children.clear();
    let offset = file.offset("moov/trak/mdia/minf/stbl/stsd/avc1") + 8 + 78;
    assert_eq!(error(&file), FormatError::Missing { fourcc: cc("avcC"), offset });
}

#[test]
fn a_second_box_is_refused() {
    let single = ["tkhd", "mdia/mdhd", "mdia/hdlr", "mdia/minf/stbl", "mdia/minf", "mdia"];
    let tables = ["stsd", "stts", "ctts", "stss", "stsc", "stsz", "stco"];
    for part in single {
        let mut file = plain();
        file.duplicate(&format!("moov/trak/{part}"));
        let FormatError::Duplicate { fourcc, offset } = error(&file) else {
            panic!("{part}: {}", error(&file))
        };
        // Of a doubled container the first doubled box inside is named.
        let inner = match part {
            "mdia/minf/stbl" => "mdia/minf/stbl.1/stsd",
            "mdia/minf" => "mdia/minf.1/dinf/dref",
            "mdia" => "mdia.1/mdhd",
            "tkhd" => "tkhd.1",
            "mdia/mdhd" => "mdia/mdhd.1",
            _ => "mdia/hdlr.1",
        };
        let path = format!("moov/trak/{inner}");
        assert_eq!((fourcc, offset), (code_of(&path), file.offset(&path)), "{part}");
    }
    for table in tables {
        let mut file = plain();
        file.duplicate(&format!("{STBL}/{table}"));
        let offset = file.offset(&format!("{STBL}/{table}.1"));
        assert_eq!(error(&file), FormatError::Duplicate { fourcc: cc(table), offset });
    }
    let mut file = plain();
    file.duplicate("moov/mvhd");
    assert_eq!(
        error(&file),
        FormatError::Duplicate { fourcc: cc("mvhd"), offset: file.offset("moov/mvhd.1") }
    );
    // 32-bit and 64-bit offsets are one table.
    let mut file = plain();
    file.at("moov/trak/mdia/minf/stbl").children.push(Node::full(b"co64", 0, 0, &[0; 4]));
    let offset = file.offset(&format!("{STBL}/co64"));
    assert_eq!(error(&file), FormatError::Duplicate { fourcc: cc("co64"), offset });
}

#[test]
fn sizes_of_boxes_are_checked_against_their_parents() {
    for path in ["moov", "moov/trak", "moov/trak/mdia/mdhd", "moov/trak/mdia/minf/stbl/stsz"] {
        for size in [2, 7] {
            let mut file = plain();
            file.at(path).claims = Some(size);
            let expected = FormatError::BoxTooSmall {
                fourcc: code_of(path),
                offset: file.offset(path),
                size: u64::from(size),
            };
            assert_eq!(error(&file), expected);
        }
        let mut file = plain();
        file.at(path).claims = Some(0x7fff_ffff);
        let FormatError::BoxOverrun { fourcc, offset, size: 0x7fff_ffff, left } = error(&file) else {
            panic!("{path}: {}", error(&file));
        };
        assert_eq!((fourcc, offset), (code_of(path), file.offset(path)));
        assert!(left < 0x7fff_ffff);
    }
    // A 64-bit size of fewer bytes than its header has, and one past all.
    for (size, too_small) in [(15u64, true), (u64::MAX, false)] {
        let mut file = plain();
        let node = file.at("moov/trak/tkhd");
        node.claims = Some(1);
        node.fields.splice(0..0, size.to_be_bytes());
        let offset = file.offset("moov/trak/tkhd");
        let left = file.at("moov/trak").len() as u64 - 8;
        let fourcc = cc("tkhd");
        let expected = if too_small {
            FormatError::BoxTooSmall { fourcc, offset, size }
        } else {
            FormatError::BoxOverrun { fourcc, offset, size, left }
        };
        assert_eq!(error(&file), expected);
    }
}

#[test]
fn counts_are_checked_before_anything_is_taken() {
    let lying: [(&str, usize, u64); 7] = [
        ("stts", 4, 8),
        ("ctts", 4, 8),
        ("stss", 4, 4),
        ("stsc", 4, 12),
        ("stsz", 8, 4),
        ("stco", 4, 4),
        ("elst", 4, 12),
    ];
    for (table, at, entry_bytes) in lying {
        let made = Made::avc(1, 25, 12, 40).with_b_frames().with_edits(&[Edit::new(1000, 512)]);
        let path = if table == "elst" { "moov/trak/edts/elst".to_owned() } else { format!("{STBL}/{table}") };
        let mut file = Shape::new(vec![made]).file();
        let left = (file.at(&path).fields.len() - at - 4) as u64;
        let entries = left / entry_bytes + 1;
        file.at(&path).set_u32(at, entries as u32);
        let (fourcc, offset) = (cc(table), file.offset(&path));
        assert_eq!(error(&file), FormatError::TableOverrun { fourcc, offset, entries, entry_bytes, left });
        if table == "elst" {
            continue;
        }
        // Four thousand million entries in some kilobytes.
        file.at(&path).set_u32(at, u32::MAX);
        let (what, value, limit) =
            ("entries of a sample table", u64::from(u32::MAX), crate::movie::MAX_SAMPLES);
        assert_eq!(error(&file), FormatError::Limit { what, value, limit, offset });
    }
}

#[test]
fn a_count_of_equal_samples_is_checked_against_the_file() {
    // No table of entries backs a constant size: the file's length has to.
    let mut made = Made::aac(1, 60);
    made.sizes = SizeTable::Constant;
    let mut file = Shape::new(vec![made]).file();
    file.at(&format!("{STBL}/stsz")).set_u32(4, 1);
    for table in ["stsz", "stts"] {
        file.at(&format!("{STBL}/{table}")).set_u32(8, 1 << 26);
    }
    let source_len = file.bytes().len() as u64;
    let source = TableError::Outside { sample: source_len, end: source_len + 1, source_len };
    assert_eq!(error(&file), FormatError::Tables { track: 1, offset: file.offset(STBL), source });
}

/// Changes one table and expects the tables to be refused.
fn check_tables(table: &str, change: impl FnOnce(&mut Node), source: TableError) {
    let mut file = plain();
    change(file.at(&format!("{STBL}/{table}")));
    assert_eq!(error(&file), FormatError::Tables { track: 1, offset: file.offset(STBL), source }, "{table}");
}

#[test]
fn tables_that_contradict_each_other_are_refused() {
    let count = |table, count| TableError::Count { table, count, samples: 40 };
    check_tables("stts", |stts| stts.set_u32(8, 41), count("stts", 41));
    check_tables("stts", |stts| stts.set_u32(8, 39), count("stts", 39));
    check_tables("stts", |stts| stts.set_u32(8, u32::MAX), count("stts", u64::from(u32::MAX)));
    check_tables("ctts", |ctts| ctts.set_u32(8, 2), count("ctts", 41));
    check_tables("stsc", |stsc| stsc.set_u32(12, 6), count("stsc", 48));
    check_tables("stsz", |stsz| stsz.set_u32(8, 39), count("stts", 40).with_samples(39));
    check_tables("stsz", |stsz| stsz.set_u32(12 + 4 * 7, 0), TableError::Empty { sample: 7 });
    check_tables("stss", |stss| stss.set_u32(8, 0), TableError::Sync { number: 0, samples: 40 });
    check_tables("stss", |stss| stss.set_u32(8, 41), TableError::Sync { number: 41, samples: 40 });
    let run = |run, reason| TableError::ChunkRun { run, reason };
    check_tables("stsc", |stsc| stsc.set_u32(8, 2), run(0, "the first run does not start at chunk 1"));
    check_tables("stsc", |stsc| stsc.set_u32(12, 0), run(0, "chunks without samples"));
}

impl TableError {
    /// The same disagreement against another count of sizes.
    fn with_samples(self, samples: u64) -> Self {
        match self {
            Self::Count { table, count, .. } => Self::Count { table, count, samples },
            other => other,
        }
    }
}

#[test]
fn chunks_outside_the_file_or_over_each_other_are_refused() {
    let file = plain();
    let source_len = file.bytes().len() as u64;
    let mdat = file.offset("mdat") + 8;
    let outside = TableError::Outside { sample: 0, end: u64::from(u32::MAX) + 40, source_len };
    check_tables("stco", |stco| stco.set_u32(8, u32::MAX), outside);
    let last = TableError::Outside { sample: 35, end: source_len + 1, source_len };
    check_tables("stco", |stco| stco.set_u32(8 + 4 * 7, source_len as u32 - 39), last);
    // The second chunk moved over the first.
    let overlap = TableError::Overlap { offset: mdat + 1 };
    check_tables("stco", |stco| stco.set_u32(8 + 4, mdat as u32 + 1), overlap);
}

#[test]
fn offsets_of_64_bits_do_not_wrap() {
    let made = Made::avc(1, 25, 12, 40);
    let mut file = Shape { wide_offsets: true, ..Shape::new(vec![made]) }.file();
    let table = file.at(&format!("{STBL}/co64"));
    table.set_u32(8, u32::MAX);
    table.set_u32(12, u32::MAX);
    let source_len = file.bytes().len() as u64;
    let source = TableError::Outside { sample: 0, end: u64::MAX, source_len };
    assert_eq!(error(&file), FormatError::Tables { track: 1, offset: file.offset(STBL), source });
}

#[test]
fn fields_without_sense_are_refused() {
    let field = |file: &File, path: &str, reason| FormatError::Field {
        fourcc: code_of(path),
        offset: file.offset(path),
        reason,
    };
    for (path, at) in [("moov/mvhd", 12), ("moov/trak/mdia/mdhd", 12)] {
        let mut file = plain();
        file.at(path).set_u32(at, 0);
        assert_eq!(error(&file), field(&file, path, "the timescale is zero"));
    }
    let twins = Shape::new(vec![Made::avc(1, 25, 12, 4), Made::aac(1, 5)]);
    let mut file = Shape { index_first: false, ..twins }.file();
    assert_eq!(
        error(&file),
        FormatError::Field {
            fourcc: cc("tkhd"),
            offset: file.offset("moov"),
            reason: "two tracks have the same id"
        }
    );
    file.at("moov/trak.1/mdia/minf/stbl/stsd").children.clear();
    assert_eq!(error(&file), field(&file, "moov/trak.1/mdia/minf/stbl/stsd", "no sample entry"));
    let mut packed = Made::aac(1, 5);
    packed.sizes = SizeTable::Packed(12);
    let file = Shape::new(vec![packed]).file();
    let path = format!("{STBL}/stz2");
    assert_eq!(error(&file), field(&file, &path, "sizes of neither 4, 8 nor 16 bits"));
}

#[test]
fn shapes_that_are_not_served_are_named() {
    let unsupported = |file: &File, what, path: &str| {
        assert_eq!(
            error(file),
            FormatError::Unsupported { what, fourcc: code_of(path), offset: file.offset(path) }
        );
        assert!(error(file).is_unsupported());
    };
    let mut file = plain();
    file.at("moov").children.push(Node::of(b"mvex", vec![]));
    unsupported(&file, "a fragmented file", "moov/mvex");
    let mut file = plain();
    file.at("moov").children.insert(0, Node::of(b"cmov", vec![]));
    unsupported(&file, "a compressed index", "moov/cmov");
    let mut file = plain();
    file.nodes.insert(1, Node::of(b"moof", vec![]));
    unsupported(&file, "a file of fragments without an index", "moof");
    let mut file = plain();
    file.at("moov/trak/mdia/minf/dinf/dref").children[0].fields = vec![0; 4];
    unsupported(&file, "media in another file", "moov/trak/mdia/minf/dinf/dref");
    let mut file = plain();
    file.at(&format!("{STBL}/stsc")).set_u32(16, 2);
    let offset = file.offset(&format!("{STBL}/stsc")) + 16;
    let what = "a track of several sample descriptions";
    assert_eq!(error(&file), FormatError::Unsupported { what, fourcc: cc("stsc"), offset });
}

#[test]
fn a_description_number_of_zero_is_refused() {
    let mut file = plain();
    let path = format!("{STBL}/stsc");
    file.at(&path).set_u32(16, 0);
    let expected = FormatError::Field {
        fourcc: cc("stsc"),
        offset: file.offset(&path) + 16,
        reason: "a chunk run without sample description",
    };
    assert_eq!(error(&file), expected);
}

#[test]
fn configurations_that_are_broken_name_the_track() {
    let mut file = plain();
    let path = format!("{STBL}/stsd/avc1/avcC");
    file.at(&path).fields[0] = 2;
    let FormatError::Codec { track: 1, fourcc, offset, source } = error(&file) else { panic!("codec") };
    assert_eq!(
        (fourcc, offset, source.slug().as_str()),
        (cc("avcC"), file.offset(&path), "avc/record-version")
    );
    let mut file = Shape::new(vec![Made::aac(5, 3)]).file();
    let path = format!("{STBL}/stsd/mp4a/esds");
    file.at(&path).fields.truncate(10);
    let FormatError::Codec { track: 5, fourcc, offset, .. } = error(&file) else { panic!("codec") };
    assert_eq!((fourcc, offset), (cc("esds"), file.offset(&path)));
    let mut file = Shape::new(vec![Made::aac(5, 3)]).file();
    file.remove(&path);
    let offset = file.offset(&format!("{STBL}/stsd/mp4a"));
    assert_eq!(error(&file), FormatError::Missing { fourcc: cc("esds"), offset });
}

#[test]
fn small_boxes_that_end_early_say_where() {
    for (path, keep, need) in [
        ("ftyp", 5, 4),
        ("moov/mvhd", 10, 4),
        ("moov/trak/tkhd", 60, 4),
        ("moov/trak/mdia/mdhd", 3, 4),
        ("moov/trak/mdia/hdlr", 8, 4),
        ("moov/trak/mdia/minf/stbl/stts", 7, 8),
        ("moov/trak/mdia/minf/stbl/stsz", 11, 12),
    ] {
        let mut file = plain();
        file.at(path).fields.truncate(keep);
        let FormatError::ShortBox { fourcc, offset, need: wanted, left } = error(&file) else {
            panic!("{path}: {}", error(&file));
        };
        let payload = file.offset(path) + 8;
        assert_eq!((fourcc, wanted), (code_of(path), need), "{path}");
        assert_eq!(offset + left, payload + keep as u64, "{path}: what is left is the box's rest");
    }
}

#[test]
fn containers_do_not_nest_where_they_have_no_place() {
    // A bomb of a thousand levels: boxes that are no containers here are passed over, not entered.
    let mut bomb = Node::of(b"moov", vec![]);
    for _ in 0..1000 {
        bomb = Node::of(b"moov", vec![bomb]);
    }
    let mut file = plain();
    file.at("moov").children.push(bomb.clone());
    file.at("moov/trak/mdia").children.push(bomb);
    assert_eq!(read_all(&file.bytes().into()).expect("passed over").tracks[0].samples.len(), 40);
    // QuickTime's `wave` nests once, not a thousand times.
    let mut file = Shape::new(vec![Made::quicktime_aac(1, 5)]).file();
    let path = format!("{STBL}/stsd/mp4a/wave");
    let mut wave = file.remove(&path);
    for _ in 0..1000 {
        wave = Node::of(b"wave", vec![wave]);
    }
    file.at(&format!("{STBL}/stsd/mp4a")).children.push(wave);
    let offset = file.offset(&format!("{STBL}/stsd/mp4a"));
    assert_eq!(error(&file), FormatError::Missing { fourcc: cc("esds"), offset });
}

#[test]
fn numbers_of_boxes_and_tracks_have_limits() {
    let with_tracks = |count: u32| Shape::new((1..=count).map(|id| Made::aac(id, 1)).collect()).file();
    let limit = MAX_TRACKS as u32;
    assert_eq!(read(with_tracks(limit).bytes()).tracks.len() as u64, MAX_TRACKS);
    let file = with_tracks(limit + 1);
    let refusal = |what, limit, offset| FormatError::Limit { what, value: limit + 1, limit, offset };
    let offset = file.offset(&format!("moov/trak.{limit}"));
    assert_eq!(error(&file), refusal("number of tracks", MAX_TRACKS, offset));

    let with_free = |count: u64| {
        let mut file = plain();
        file.nodes.splice(1..1, std::iter::repeat_n(Node::leaf(b"free", []), count as usize));
        file
    };
    let file = with_free(MAX_TOP_BOXES - 1);
    assert_eq!(error(&file), refusal("number of boxes before `moov`", MAX_TOP_BOXES, file.offset("moov")));
    assert_eq!(read_all(&with_free(MAX_TOP_BOXES - 2).bytes().into()).map(|movie| movie.tracks.len()), Ok(1));

    let with_junk = |count: u64| {
        let mut file = plain();
        file.at("moov").children.splice(0..0, std::iter::repeat_n(Node::leaf(b"free", []), count as usize));
        file
    };
    let mut file = with_junk(MAX_INDEX_BOXES);
    let last = file.offset("moov/mvhd");
    assert_eq!(error(&file), refusal("number of boxes in `moov`", MAX_INDEX_BOXES, last));
    // Without the rest, as many as are allowed: the walk ends at what is missing.
    file.at("moov").children.truncate(MAX_INDEX_BOXES as usize);
    assert_eq!(error(&file), FormatError::Missing { fourcc: cc("mvhd"), offset: file.offset("moov") });
}
