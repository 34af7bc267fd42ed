//! What opening a file takes: measured as the growth of this process's largest memory, in a child.
//!
//! The files are never made whole: a source is parts, each bytes or a table of entries computed as
//! they are read.

use std::ops::Range;
use std::process::Command;

use rillcast_fixtures::{Node, Sample, Shape, Track};
use rillcast_media::demux::mp4::Mp4Reader;
use rillcast_media::demux::{Demux, FormatError};
use rillcast_media::movie::Movie;

/// 10 hours of 60 pictures a second.
const FRAMES: u64 = 10 * 3600 * 60;
/// 10 hours of AAC at 48 kHz.
const SOUNDS: u64 = 10 * 3600 * 48_000 / 1024;
/// What opening such a file may take.
const MOST_BYTES: u64 = 50 << 20;
/// The media of a picture and its place in the file.
const SLOT_BYTES: u64 = 64 << 10;

/// A piece of a source.
enum Part {
    Bytes(Vec<u8>),
    /// So many entries of so many bytes (at most 8): the low bytes of a function of the number.
    Table {
        count: u64,
        entry_bytes: usize,
        entry: fn(u64) -> u64,
    },
    /// Media that is never read.
    Hole(u64),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Table { count, entry_bytes, .. } => count * *entry_bytes as u64,
            Self::Hole(len) => *len,
        }
    }

    /// Appends the bytes of `range`.
    fn read(&self, range: Range<u64>, bytes: &mut Vec<u8>) {
        match self {
            Self::Bytes(all) => bytes.extend_from_slice(&all[range.start as usize..range.end as usize]),
            Self::Table { entry_bytes, entry, .. } => {
                let width = *entry_bytes as u64;
                for number in range.start / width..range.end.div_ceil(width) {
                    let start = number * width;
                    let inside = range.start.max(start) - start..range.end.min(start + width) - start;
                    let value = entry(number).to_be_bytes();
                    let low = &value[8 - entry_bytes..];
                    bytes.extend_from_slice(&low[inside.start as usize..inside.end as usize]);
                }
            }
            Self::Hole(_) => bytes.resize(bytes.len() + (range.end - range.start) as usize, 0),
        }
    }
}

struct Source(Vec<Part>);

impl Source {
    fn len(&self) -> u64 {
        self.0.iter().map(Part::len).sum()
    }

    fn read(&self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
        let mut start = 0;
        for part in &self.0 {
            let end = start + part.len();
            let inside = range.start.max(start)..range.end.min(end);
            if !inside.is_empty() {
                part.read(inside.start - start..inside.end - start, &mut bytes);
            }
            start = end;
        }
        bytes
    }

    fn open(&self) -> Result<Movie, FormatError> {
        let mut reader = Mp4Reader::new(self.len());
        loop {
            match reader.poll()? {
                Demux::Ready(movie) => return Ok(*movie),
                Demux::Need(range) => reader.supply(range.start, self.read(range.clone()).into()),
            }
        }
    }
}

/// A number without pattern.
const fn scattered(number: u64) -> u64 {
    let mixed = (number ^ (number >> 7)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed >> 40
}

/// A table box of `count` entries behind `head`.
fn table(name: &[u8; 4], head: &[u8], count: u64, entry_bytes: usize, entry: fn(u64) -> u64) -> [Part; 2] {
    let size = 8 + head.len() as u64 + count * entry_bytes as u64;
    let mut start = u32::try_from(size).expect("a table below 4 GiB").to_be_bytes().to_vec();
    start.extend_from_slice(name);
    start.extend_from_slice(head);
    [Part::Bytes(start), Part::Table { count, entry_bytes, entry }]
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn count(value: u64) -> u32 {
    u32::try_from(value).expect("a count of 32 bits")
}

/// The sample tables of a track whose every sample is its own chunk, behind its `stsd`.
fn tables(samples: u64, duration: u32, sizes: fn(u64) -> u64, offsets: fn(u64) -> u64) -> Vec<Part> {
    let times = Node::full(b"stts", 0, 0, &words(&[1, count(samples), duration]));
    let runs = Node::full(b"stsc", 0, 0, &words(&[1, 1, 1, 1]));
    let small = rillcast_fixtures::File { nodes: vec![times, runs] };
    let mut parts = vec![Part::Bytes(small.bytes())];
    parts.extend(table(b"stsz", &words(&[0, 0, count(samples)]), samples, 4, sizes));
    parts.extend(table(b"co64", &words(&[0, count(samples)]), samples, 8, offsets));
    parts
}

/// `trak` of `made` with `more` in place of its sample tables but `stsd`.
fn track(made: Track, more: Vec<Part>) -> Vec<Part> {
    let mut file = Shape::new(vec![made]).file();
    let tables = &mut file.at("moov/trak/mdia/minf/stbl").children;
    tables.truncate(1);
    let trak = file.remove("moov/trak");
    let added: u64 = more.iter().map(Part::len).sum();
    // `stbl` is the last box of each container it lies in, so that the rest can follow.
    let mut bytes = rillcast_fixtures::File { nodes: vec![trak] }.bytes();
    for name in [b"trak", b"mdia", b"minf", b"stbl"] {
        let at = bytes.windows(4).position(|window| window == name).expect("in the track") - 4;
        let size = u32::from_be_bytes(*bytes[at..].first_chunk().expect("a size"));
        bytes[at..at + 4].copy_from_slice(&(size + count(added)).to_be_bytes());
    }
    let mut parts = vec![Part::Bytes(bytes)];
    parts.extend(more);
    parts
}

/// A film of 10 hours with every sample its own chunk and its own composition offset.
fn long_film() -> Source {
    let one = |mut made: Track| {
        made.samples.truncate(1);
        made
    };
    let mut video = tables(FRAMES, 512, |n| 500 + scattered(n) % 60_000, |n| (1 << 30) + n * SLOT_BYTES);
    let entry: fn(u64) -> u64 = |n| (1 << 32) | ((scattered(n) % 4) * 512);
    video.extend(table(b"ctts", &words(&[0, count(FRAMES)]), FRAMES, 8, entry));
    video.extend(table(b"stss", &words(&[0, count(FRAMES / 120)]), FRAMES / 120, 4, |n| n * 120 + 1));
    let sound =
        tables(SOUNDS, 1024, |n| 200 + scattered(n) % 200, |n| (1 << 30) + FRAMES * SLOT_BYTES + n * 400);
    let mut index = vec![Part::Bytes({
        let mut file = Shape::new(Vec::new()).file();
        rillcast_fixtures::File { nodes: vec![file.remove("moov/mvhd")] }.bytes()
    })];
    index.extend(track(one(Track::avc(1, 60, 120, 1)), video));
    index.extend(track(one(Track::aac(2, 1)), sound));
    let size = index.iter().map(Part::len).sum::<u64>() + 8;
    let mut head = Node::leaf(b"ftyp", *b"isom\0\0\0\0isom").fields;
    head.splice(0..0, [&words(&[20])[..], b"ftyp"].concat());
    head.extend(words(&[count(size)]));
    head.extend(b"moov");
    let mut parts = vec![Part::Bytes(head)];
    parts.extend(index);
    let media = FRAMES * SLOT_BYTES + SOUNDS * 400 + (1 << 30);
    parts.push(Part::Bytes([&words(&[1])[..], b"mdat", &(media + 16).to_be_bytes()].concat()));
    parts.push(Part::Hole(media));
    Source(parts)
}

/// A file of a kilobyte that claims as many samples as can be written, in the cheapest ways.
fn lies() -> Vec<(&'static str, Source)> {
    let shape = || {
        let sample = Sample { size: 1, duration: 1, composition: 0, sync: true };
        let mut made = Track::aac(1, 0);
        (made.samples, made.sizes) = (vec![sample; 3], rillcast_fixtures::SizeTable::Constant);
        Shape::new(vec![made]).file()
    };
    let claims = [u32::MAX, 1 << 26, (1 << 26) + 1];
    let mut all = Vec::new();
    for claim in claims {
        let mut file = shape();
        for (table, at) in [("stsz", 8), ("stts", 8)] {
            file.at(&format!("moov/trak/mdia/minf/stbl/{table}")).set_u32(at, claim);
        }
        all.push(("constant sizes", file));
        for (table, at) in [("stsz", 8), ("stts", 4), ("stco", 4), ("stsc", 4)] {
            let mut file = shape();
            let node = file.at(&format!("moov/trak/mdia/minf/stbl/{table}"));
            if table == "stsz" {
                node.set_u32(4, 0);
            }
            node.set_u32(at, claim);
            all.push((table, file));
        }
    }
    all.into_iter().map(|(name, file)| (name, Source(vec![Part::Bytes(file.bytes())]))).collect()
}

/// The largest memory this process ever had, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("a number") << 10
}

/// Runs test `name` of this binary in a child alone, where `measure` is called; fails if it fails.
#[expect(clippy::print_stderr, reason = "the figure is the point")]
fn in_child(name: &str, measure: fn()) {
    const MARK: &str = "RILLCAST_MEMORY_CHILD";
    if std::env::var_os(MARK).is_some() {
        measure();
        return;
    }
    let program = std::env::current_exe().expect("a test binary");
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(MARK, "1")
        .output()
        .expect("a child");
    let text = String::from_utf8_lossy(&output.stderr);
    eprintln!("{text}");
    assert!(output.status.success(), "{text}");
}

#[test]
fn ten_hours_open_within_fifty_megabytes() {
    in_child("ten_hours_open_within_fifty_megabytes", measure_long_film);
}

#[expect(clippy::print_stderr, reason = "the figure is the point")]
fn measure_long_film() {
    let source = long_film();
    let before = peak_bytes();
    let movie = source.open().expect("a good file");
    let grown = peak_bytes() - before;
    let counts: Vec<u64> = movie.tracks.iter().map(|track| track.samples.len() as u64).collect();
    assert_eq!(counts, [FRAMES, SOUNDS]);
    let last = movie.tracks[0].samples.row(count(FRAMES - 1) as usize).expect("the last frame");
    assert_eq!(
        (last.offset, last.dts),
        ((1 << 30) + (FRAMES - 1) * SLOT_BYTES, 512 * (FRAMES - 1).cast_signed())
    );
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    eprintln!(
        "{counts:?} samples, index of {:.1} MiB: opening took {:.1} MiB at most, {:.1} MiB stay",
        mib(movie.layout.index.1),
        mib(grown),
        mib(movie.memory_bytes() as u64)
    );
    assert!(grown <= MOST_BYTES, "opening took {grown} bytes");
}

#[test]
fn lies_about_counts_cost_nothing() {
    in_child("lies_about_counts_cost_nothing", measure_lies);
}

fn measure_lies() {
    let sources = lies();
    let before = peak_bytes();
    for (name, source) in &sources {
        assert!(source.open().is_err(), "{name}");
    }
    let grown = peak_bytes() - before;
    assert!(grown <= 1 << 20, "{} lies took {grown} bytes", sources.len());
}
