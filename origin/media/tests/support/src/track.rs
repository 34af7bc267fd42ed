//! One track of a test file: what its samples are, and how its tables are written.

use crate::node::Node;

/// A real `avcC` record: High, 960x540.
pub const AVC_RECORD: &str = "0164001fffe1001d6764001fac56240f0117ef016a0c0c0c800001f480007530078c18c4c0\
    01000668e88ecb22c0fdf8f800";
/// A real `hvcC` record: Main, 854x480.
pub const HEVC_RECORD: &str = "0101600000009000000000005af000fcfdf8f800000f03\
    200001001840010c01ffff01600000030090000003000003005a95980921\
    0001002942010101600000030090000003000003005aa006b201e1d796566924cae68080000003008000000f0422\
    000100074401c172b46240";
/// A real `esds` payload: AAC LC, 48 kHz, stereo.
pub const ESDS: &str =
    "000000000380808022000000048080801440150002ab000400000000000005808080021190068080800102";

/// Bytes of a hex text.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok()).unwrap_or(0);
    digits.chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Bytes.
    pub size: u32,
    /// Ticks.
    pub duration: u32,
    /// Presentation less decode time, in ticks.
    pub composition: i32,
    /// Whether decoding can start here.
    pub sync: bool,
}

/// How sizes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeTable {
    /// `stsz`, one entry a sample.
    Listed,
    /// `stsz` with one size for all: that of the first sample.
    Constant,
    /// `stz2` with 4, 8 or 16 bits.
    Packed(u8),
}

/// An entry of the edit list; a media time of -1 is an empty edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// Ticks of the movie.
    pub duration: u64,
    /// Ticks of the track.
    pub media_time: i64,
    /// 16.16 fixed point.
    pub rate: i32,
}

impl Edit {
    /// An edit at normal speed.
    pub const fn new(duration: u64, media_time: i64) -> Self {
        Self { duration, media_time, rate: 0x1_0000 }
    }
}

/// One track.
#[derive(Debug, Clone)]
pub struct Track {
    /// Track id.
    pub id: u32,
    /// `tkhd` flag 1.
    pub enabled: bool,
    /// Handler type.
    pub handler: [u8; 4],
    /// Ticks a second.
    pub timescale: u32,
    /// Packed language code of `mdhd`.
    pub language: u16,
    /// `elng`, if there is one.
    pub extended_language: Option<Vec<u8>>,
    /// `name` in the user data, if there is one.
    pub title: Option<Vec<u8>>,
    /// The only sample entry.
    pub entry: Node,
    /// The edit list; none is written when empty.
    pub edits: Vec<Edit>,
    /// Samples in decode order.
    pub samples: Vec<Sample>,
    /// Samples of a chunk.
    pub per_chunk: usize,
    /// How sizes are written.
    pub sizes: SizeTable,
    /// Version of `ctts`.
    pub composition_version: u8,
    /// Whether sync samples are listed when not all are; without a list all count as sync.
    pub write_sync: bool,
    /// What the first sample begins with.
    pub first_bytes: Vec<u8>,
    /// Clockwise rotation in the track header's matrix.
    pub rotation: u16,
}

impl Track {
    /// A track of `samples` with nothing special.
    pub fn new(id: u32, handler: &[u8; 4], timescale: u32, entry: Node, samples: Vec<Sample>) -> Self {
        Self {
            id,
            enabled: true,
            handler: *handler,
            timescale,
            language: packed_language(b"und"),
            extended_language: None,
            title: None,
            entry,
            edits: Vec::new(),
            samples,
            per_chunk: 5,
            sizes: SizeTable::Listed,
            composition_version: 0,
            write_sync: true,
            first_bytes: Vec::new(),
            rotation: 0,
        }
    }

    /// AVC at `fps` frames a second (timescale `fps * 512`), a sync sample every `gop` frames, no reordering.
    pub fn avc(id: u32, fps: u32, gop: usize, frames: usize) -> Self {
        let samples = (0..frames).map(|number| Sample {
            size: 40 + u32::try_from(number % 7).unwrap_or(0) * 11,
            duration: 512,
            composition: 0,
            sync: number % gop == 0,
        });
        Self::new(id, b"vide", fps * 512, video_entry(b"avc1", b"avcC", AVC_RECORD), samples.collect())
    }

    /// HEVC, else as [`avc`](Self::avc).
    pub fn hevc(id: u32, fps: u32, gop: usize, frames: usize) -> Self {
        Self { entry: video_entry(b"hev1", b"hvcC", HEVC_RECORD), ..Self::avc(id, fps, gop, frames) }
    }

    /// AAC at 48 kHz: 1024 ticks a sample.
    pub fn aac(id: u32, frames: usize) -> Self {
        let samples = (0..frames).map(|number| Sample {
            size: 9 + u32::try_from(number % 3).unwrap_or(0),
            duration: 1024,
            composition: 0,
            sync: true,
        });
        Self::new(
            id,
            b"soun",
            48_000,
            audio_entry(0, vec![Node::leaf(b"esds", hex(ESDS))]),
            samples.collect(),
        )
    }

    /// AAC of 22.2 channels (channel configuration 13), for which nobody makes a silent frame.
    pub fn aac_22_2(id: u32, frames: usize) -> Self {
        let esds = hex(&ESDS.replacen("1190", "11e8", 1));
        Self { entry: audio_entry(0, vec![Node::leaf(b"esds", esds)]), ..Self::aac(id, frames) }
    }

    /// AAC as QuickTime writes it: a version 1 sound description with a `wave` box.
    pub fn quicktime_aac(id: u32, frames: usize) -> Self {
        let wave = Node::of(
            b"wave",
            vec![
                Node::leaf(b"frma", *b"mp4a"),
                Node::leaf(b"mp4a", [0; 4]),
                Node::leaf(b"esds", hex(ESDS)),
                Node::leaf(&[0; 4], []),
            ],
        );
        Self { entry: audio_entry(1, vec![wave]), ..Self::aac(id, frames) }
    }

    /// Timed text: a track that is not served.
    pub fn text(id: u32, count: usize) -> Self {
        let samples = vec![Sample { size: 6, duration: 1000, composition: 0, sync: true }; count];
        Self::new(id, b"text", 1000, Node::leaf(b"tx3g", [0; 38]), samples)
    }

    /// Reorders: of every three frames the second is presented after the third, and all one frame late.
    #[must_use]
    pub fn with_b_frames(mut self) -> Self {
        for (number, sample) in self.samples.iter_mut().enumerate() {
            let frames = match number % 3 {
                0 => 1,
                1 => 2,
                _ => 0,
            };
            sample.composition = frames * 512;
        }
        self
    }

    /// The same with `edits`.
    #[must_use]
    pub fn with_edits(mut self, edits: &[Edit]) -> Self {
        self.edits = edits.to_vec();
        self
    }

    /// The same with a title, as FFmpeg writes it.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<Vec<u8>>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// The bytes of sample `index`.
    pub fn sample_bytes(&self, index: usize) -> Vec<u8> {
        let size = self.samples[index].size as usize;
        let first = if index == 0 { self.first_bytes.as_slice() } else { &[] };
        let seed = self.id.wrapping_mul(37).wrapping_add(u32::try_from(index).unwrap_or(0).wrapping_mul(11));
        let filler = (0u32..).map(|at| seed.wrapping_add(at).to_be_bytes()[3]);
        first.iter().copied().chain(filler.skip(first.len())).take(size).collect()
    }
}

/// Three lower case letters in five bits each.
pub fn packed_language(letters: &[u8; 3]) -> u16 {
    letters.iter().fold(0, |code, letter| (code << 5) | u16::from(letter - 0x60))
}

/// A `VisualSampleEntry` of 960x540 with one configuration box.
fn video_entry(fourcc: &[u8; 4], config: &[u8; 4], record: &str) -> Node {
    let mut fields = vec![0; 78];
    fields[7] = 1;
    fields[24..28].copy_from_slice(&[0x03, 0xc0, 0x02, 0x1c]);
    Node { fields, children: vec![Node::leaf(config, hex(record))], ..Node::leaf(fourcc, []) }
}

/// An `AudioSampleEntry` or QuickTime sound description.
fn audio_entry(version: u16, children: Vec<Node>) -> Node {
    let mut fields = vec![0; 28];
    fields[7] = 1;
    fields[8..10].copy_from_slice(&version.to_be_bytes());
    fields[17] = 2;
    fields[19] = 16;
    fields[24..26].copy_from_slice(&48_000u16.to_be_bytes());
    if version == 1 {
        fields.extend_from_slice(&[0; 16]);
    }
    Node { fields, children, ..Node::leaf(b"mp4a", []) }
}
