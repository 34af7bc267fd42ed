//! Runs every committed input of every target, on stable, in ordinary CI.
//!
//! `UPDATE_CORPUS=1` writes the generated seeds anew (names starting with `shape-`); what a fuzzer
//! found is added by hand, named after what was wrong.

use std::fs;
use std::path::{Path, PathBuf};

use rillcast_fixtures::{AVC_RECORD, ESDS, Edit, HEVC_RECORD, Shape, SizeTable, Track, hex};
use rillcast_fuzz::TARGETS;
use rillcast_media::demux::mp4::read_all;
use rillcast_media::index::Edition;
use rillcast_media::plan::Policy;
use rillcast_origin::index::file;

/// Bytes of one input.
const MAX_INPUT_BYTES: usize = 20 << 10;
/// Bytes of all inputs together.
const MAX_CORPUS_BYTES: usize = 400 << 10;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The inputs of `target` by name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = corpus(target);
    let entries = fs::read_dir(&folder).expect("every target has a corpus");
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a readable file"))
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn every_input_is_survived() {
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        write_seeds();
    }
    let mut total = 0;
    for (target, run) in TARGETS {
        let inputs = inputs(target);
        assert!(!inputs.is_empty(), "target {target} has no corpus");
        for (name, bytes) in inputs {
            assert!(bytes.len() <= MAX_INPUT_BYTES, "{target}/{name} is too large");
            total += bytes.len();
            run(&bytes);
        }
    }
    assert!(total <= MAX_CORPUS_BYTES, "the corpus has {total} bytes");
}

#[test]
fn every_target_has_a_wrapper_and_every_folder_a_target() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(here.join("libfuzzer/Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        let wrapper = here.join(format!("libfuzzer/fuzz_targets/{target}.rs"));
        assert!(wrapper.exists(), "no {}", wrapper.display());
        assert!(manifest.contains(&format!("name = \"{target}\"")), "no [[bin]] for {target}");
    }
    for entry in fs::read_dir(here.join("corpus")).unwrap() {
        let name = entry.expect("a readable folder").file_name();
        assert!(TARGETS.iter().any(|(target, _)| name == *target), "corpus of no target: {}", name.display());
    }
}

fn write_seeds() {
    for (name, bytes) in shapes() {
        write_seed("mp4", &name, &bytes);
        write_seed("layout", &name, &bytes);
        for (way, rules) in [("single", vec![0x40]), ("mixed", vec![0x00, 0x47, 0x9f, 0xc3, 0x40])] {
            let mut cut = vec![u8::try_from(rules.len()).expect("a few rules")];
            cut.extend(rules);
            cut.extend(&bytes);
            write_seed("mp4_cuts", &format!("{name}-{way}"), &cut);
        }
    }
    for (name, bytes) in shapes() {
        if let Some(edition) = edition(bytes).filter(|_| ["edits", "clips", "hevc", "bare"].contains(&&*name))
        {
            write_seed("index", &name, &edition);
            write_seed("index", &format!("{name}-file"), &file::of_edition(edition, Policy::VOD));
        }
    }
    write_seed("avc_config", "high", &hex(AVC_RECORD));
    write_seed("hevc_config", "main", &hex(HEVC_RECORD));
    write_seed("esds", "lc", &hex(ESDS));
    for (name, asc) in [
        ("lc", "119056e500"),
        ("he", "2b118800"),
        ("pce", "118004c4010020000d4c61766335392e33372e31303056e500"),
    ] {
        write_seed("aac_config", name, &hex(asc));
    }
    let avc = hex(AVC_RECORD);
    let mut sample = vec![0, 0, 0, 29];
    sample.extend(&avc[8..37]);
    sample.extend([0, 0, 0, 6]);
    sample.extend(&avc[40..46]);
    sample.extend([0, 0, 0, 2, 0x65, 0x88]);
    write_seed("nal_units", "idr", &sample);
    write_seed("revision", "one", b"1.0123456789abcdef");
    write_seed("track_name", "video", b"v1");
    write_seed("track_name", "audio", b"a4294967295");
}

/// One small file of each shape that the reader knows.
fn shapes() -> Vec<(String, Vec<u8>)> {
    let video = || Track::avc(1, 25, 12, 40).with_b_frames();
    let audio = || Track::aac(2, 60);
    let plain = || Shape::new(vec![video(), audio()]);
    let mut bare = Track::avc(1, 25, 12, 40);
    bare.entry.fourcc = *b"avc3";
    bare.entry.children[0].fields = hex("0164001fffe000");
    bare.samples[0].size = 60;
    bare.first_bytes =
        [hex("0000001d"), hex(AVC_RECORD)[8..37].to_vec(), hex("0000000668e88ecb22c0")].concat();
    let mut packed = audio();
    packed.sizes = SizeTable::Packed(4);
    let mut constant = audio();
    constant.sizes = SizeTable::Constant;
    let edited = video().with_edits(&[Edit::new(40, -1), Edit::new(1500, 512)]);
    let two = [Edit::new(480, 0), Edit::new(480, 512 * 24)];
    let shapes = [
        ("plain", plain()),
        ("index-last", Shape { index_first: false, ..plain() }),
        ("wide", Shape { wide_offsets: true, wide_headers: true, ..plain() }),
        ("edits", Shape::new(vec![edited, audio().with_edits(&[Edit::new(1200, 1024)])])),
        ("clips", Shape::new(vec![Track::avc(1, 25, 12, 40).with_edits(&two)])),
        ("quicktime", Shape { brands: Vec::new(), ..Shape::new(vec![video(), Track::quicktime_aac(2, 60)]) }),
        ("stz2", Shape::new(vec![packed])),
        ("constant", Shape::new(vec![constant])),
        ("hevc", Shape::new(vec![Track::hevc(1, 25, 12, 40), Track::text(3, 2)])),
        ("bare", Shape::new(vec![bare])),
        (
            "titles",
            Shape::new(vec![audio().with_title("Stereo"), Track::aac(3, 60).with_title("{$\"\n\u{fffd}")]),
        ),
        ("two-videos", Shape::new(vec![video(), Track::avc(7, 25, 12, 40), Track::avc(8, 30, 10, 40)])),
    ];
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape.bytes())).collect()
}

/// The edition of a film as bytes.
fn edition(film: Vec<u8>) -> Option<Vec<u8>> {
    let movie = read_all(&film.into()).ok()?;
    Edition::new(movie, Policy::VOD).ok()?.0.encode()
}

fn write_seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = corpus(target);
    fs::create_dir_all(&folder).expect("a writable folder");
    fs::write(folder.join(format!("shape-{name}")), bytes).expect("a writable folder");
}
