//! A whole file: layout, headers and sample tables.

use crate::node::{File, Node};
use crate::track::{SizeTable, Track};

/// What a file looks like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Major and compatible brands; no `ftyp` without.
    pub brands: Vec<[u8; 4]>,
    /// Ticks a second of the movie.
    pub timescale: u32,
    /// Whether headers are of version 1, with 64-bit times.
    pub wide_headers: bool,
    /// Whether `moov` comes before `mdat`.
    pub index_first: bool,
    /// Whether chunk offsets are `co64`, and `mdat` has a 64-bit size.
    pub wide_offsets: bool,
    /// The tracks.
    pub tracks: Vec<Track>,
}

impl Shape {
    /// The ordinary file: `ftyp`, `moov`, `mdat`.
    pub fn new(tracks: Vec<Track>) -> Self {
        Self {
            brands: vec![*b"isom", *b"iso2", *b"mp41"],
            timescale: 1000,
            wide_headers: false,
            index_first: true,
            wide_offsets: false,
            tracks,
        }
    }

    /// The file as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.file().bytes()
    }

    /// The file as a tree.
    pub fn file(&self) -> File {
        let mut nodes = Vec::new();
        if let Some(major) = self.brands.first() {
            let mut fields = major.to_vec();
            fields.extend_from_slice(&[0; 4]);
            self.brands.iter().for_each(|brand| fields.extend_from_slice(brand));
            nodes.push(Node::leaf(b"ftyp", fields));
        }
        let before: usize = nodes.iter().map(Node::len).sum();
        let (payload, chunks) = self.payload();
        let media = Node { large: self.wide_offsets, ..Node::leaf(b"mdat", payload) };
        if self.index_first {
            let base = before + self.index(&chunks, 0).len() + media.header_len();
            nodes.push(self.index(&chunks, base));
            nodes.push(media);
        } else {
            nodes.push(Node::leaf(b"free", []));
            let base = before + 8 + media.header_len();
            nodes.push(media);
            nodes.push(self.index(&chunks, base));
        }
        File { nodes }
    }

    /// The media bytes, chunks of all tracks in turn, and where in them each track's chunks begin.
    fn payload(&self) -> (Vec<u8>, Vec<Vec<usize>>) {
        let mut payload = Vec::new();
        let mut chunks = vec![Vec::new(); self.tracks.len()];
        let mut done = vec![0; self.tracks.len()];
        while done.iter().zip(&self.tracks).any(|(done, track)| *done < track.samples.len()) {
            for ((track, done), starts) in self.tracks.iter().zip(&mut done).zip(&mut chunks) {
                let end = (*done + track.per_chunk).min(track.samples.len());
                if *done < end {
                    starts.push(payload.len());
                }
                for index in *done..end {
                    payload.extend_from_slice(&track.sample_bytes(index));
                }
                *done = end;
            }
        }
        (payload, chunks)
    }

    fn index(&self, chunks: &[Vec<usize>], base: usize) -> Node {
        let mut fields = self.times();
        fields.extend_from_slice(&self.timescale.to_be_bytes());
        fields.extend_from_slice(&self.time(0));
        fields.extend_from_slice(&[0, 1, 0, 0, 1, 0]);
        fields.extend_from_slice(&[0; 10]);
        fields.extend_from_slice(&matrix(0));
        fields.extend_from_slice(&[0; 24]);
        fields.extend_from_slice(&99u32.to_be_bytes());
        let mut children = vec![Node::full(b"mvhd", self.version(), 0, &fields)];
        for (track, starts) in self.tracks.iter().zip(chunks) {
            children.push(self.track(track, starts, base));
        }
        Node::of(b"moov", children)
    }

    fn track(&self, track: &Track, starts: &[usize], base: usize) -> Node {
        let mut header = self.times();
        header.extend_from_slice(&track.id.to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&self.time(0));
        header.extend_from_slice(&[0; 16]);
        header.extend_from_slice(&matrix(track.rotation));
        header.extend_from_slice(&[0x03, 0xc0, 0, 0, 0x02, 0x1c, 0, 0]);
        let mut children = vec![Node::full(b"tkhd", self.version(), u32::from(track.enabled) | 6, &header)];
        if !track.edits.is_empty() {
            children.push(Node::of(b"edts", vec![self.edits(track)]));
        }
        children.push(self.media(track, starts, base));
        if let Some(title) = &track.title {
            children.push(Node::of(b"udta", vec![Node::leaf(b"name", title.clone())]));
        }
        Node::of(b"trak", children)
    }

    fn edits(&self, track: &Track) -> Node {
        let mut fields = count(track.edits.len()).to_vec();
        for edit in &track.edits {
            fields.extend_from_slice(&self.time(edit.duration));
            if self.wide_headers {
                fields.extend_from_slice(&edit.media_time.to_be_bytes());
            } else {
                let time = i32::try_from(edit.media_time).expect("a version 0 time");
                fields.extend_from_slice(&time.to_be_bytes());
            }
            fields.extend_from_slice(&edit.rate.to_be_bytes());
        }
        Node::full(b"elst", self.version(), 0, &fields)
    }

    fn media(&self, track: &Track, starts: &[usize], base: usize) -> Node {
        let mut header = self.times();
        header.extend_from_slice(&track.timescale.to_be_bytes());
        let ticks: u64 = track.samples.iter().map(|sample| u64::from(sample.duration)).sum();
        header.extend_from_slice(&self.time(ticks));
        header.extend_from_slice(&track.language.to_be_bytes());
        header.extend_from_slice(&[0; 2]);
        let mut handler = vec![0; 4];
        handler.extend_from_slice(&track.handler);
        handler.extend_from_slice(&[0; 13]);
        let mut children =
            vec![Node::full(b"mdhd", self.version(), 0, &header), Node::full(b"hdlr", 0, 0, &handler)];
        if let Some(tag) = &track.extended_language {
            children.push(Node::full(b"elng", 0, 0, tag));
        }
        let reference = Node::full(b"url ", 0, 1, &[]);
        let mut references = Node::full(b"dref", 0, 0, &count(1));
        references.children.push(reference);
        let kind = match &track.handler {
            b"vide" => Node::full(b"vmhd", 0, 1, &[0; 8]),
            b"soun" => Node::full(b"smhd", 0, 0, &[0; 4]),
            _ => Node::full(b"nmhd", 0, 0, &[]),
        };
        let tables = self.tables(track, starts, base);
        children.push(Node::of(b"minf", vec![kind, Node::of(b"dinf", vec![references]), tables]));
        Node::of(b"mdia", children)
    }

    fn tables(&self, track: &Track, starts: &[usize], base: usize) -> Node {
        let mut descriptions = Node::full(b"stsd", 0, 0, &count(1));
        descriptions.children.push(track.entry.clone());
        let samples = &track.samples;
        let mut children = vec![
            descriptions,
            Node::full(b"stts", 0, 0, &runs(samples.iter().map(|sample| sample.duration))),
        ];
        if samples.iter().any(|sample| sample.composition != 0) {
            let values = samples.iter().map(|sample| sample.composition.cast_unsigned());
            children.push(Node::full(b"ctts", track.composition_version, 0, &runs(values)));
        }
        if track.write_sync && samples.iter().any(|sample| !sample.sync) {
            let numbers: Vec<u32> = (1u32..).zip(samples).filter(|(_, s)| s.sync).map(|(n, _)| n).collect();
            let mut fields = count(numbers.len()).to_vec();
            numbers.iter().for_each(|number| fields.extend_from_slice(&number.to_be_bytes()));
            children.push(Node::full(b"stss", 0, 0, &fields));
        }
        children.push(chunk_runs(samples.len(), track.per_chunk));
        children.push(sizes(track));
        let mut fields = count(starts.len()).to_vec();
        for start in starts {
            let offset = (base + start) as u64;
            if self.wide_offsets {
                fields.extend_from_slice(&offset.to_be_bytes());
            } else {
                fields.extend_from_slice(&u32::try_from(offset).expect("a small file").to_be_bytes());
            }
        }
        children.push(Node::full(if self.wide_offsets { b"co64" } else { b"stco" }, 0, 0, &fields));
        Node::of(b"stbl", children)
    }

    fn version(&self) -> u8 {
        u8::from(self.wide_headers)
    }

    /// A time in the width of the headers.
    fn time(&self, value: u64) -> Vec<u8> {
        if self.wide_headers {
            return value.to_be_bytes().to_vec();
        }
        u32::try_from(value).expect("a version 0 time").to_be_bytes().to_vec()
    }

    /// Creation and modification time.
    fn times(&self) -> Vec<u8> {
        [self.time(0), self.time(0)].concat()
    }
}

fn count(entries: usize) -> [u8; 4] {
    u32::try_from(entries).expect("a small table").to_be_bytes()
}

/// Runs of equal values with their count.
fn runs(values: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((length, same)) if *same == value => *length += 1,
            _ => runs.push((1, value)),
        }
    }
    let mut fields = count(runs.len()).to_vec();
    for (length, value) in runs {
        fields.extend_from_slice(&length.to_be_bytes());
        fields.extend_from_slice(&value.to_be_bytes());
    }
    fields
}

fn chunk_runs(samples: usize, per_chunk: usize) -> Node {
    let (whole, rest) = (samples / per_chunk, samples % per_chunk);
    let mut entries: Vec<(usize, usize)> = Vec::new();
    if whole > 0 {
        entries.push((1, per_chunk));
    }
    if rest > 0 {
        entries.push((whole + 1, rest));
    }
    let mut fields = count(entries.len()).to_vec();
    for (first, length) in entries {
        for value in [count(first), count(length), count(1)] {
            fields.extend_from_slice(&value);
        }
    }
    Node::full(b"stsc", 0, 0, &fields)
}

fn sizes(track: &Track) -> Node {
    let all = count(track.samples.len());
    let listed = track.samples.iter().map(|sample| sample.size);
    match track.sizes {
        SizeTable::Listed => {
            let mut fields = vec![0; 4];
            fields.extend_from_slice(&all);
            listed.for_each(|size| fields.extend_from_slice(&size.to_be_bytes()));
            Node::full(b"stsz", 0, 0, &fields)
        }
        SizeTable::Constant => {
            let size = track.samples.first().map_or(0, |sample| sample.size);
            let mut fields = size.to_be_bytes().to_vec();
            fields.extend_from_slice(&all);
            Node::full(b"stsz", 0, 0, &fields)
        }
        SizeTable::Packed(bits) => {
            let mut fields = vec![0, 0, 0, bits];
            fields.extend_from_slice(&all);
            fields.extend(packed(listed, bits));
            Node::full(b"stz2", 0, 0, &fields)
        }
    }
}

fn packed(sizes: impl Iterator<Item = u32>, bits: u8) -> Vec<u8> {
    let low = |size: u32| size.to_be_bytes()[3];
    let sizes: Vec<u32> = sizes.collect();
    match bits {
        4 => {
            sizes.chunks(2).map(|pair| low(pair[0]) << 4 | pair.get(1).map_or(0, |size| low(*size))).collect()
        }
        8 => sizes.into_iter().map(low).collect(),
        _ => sizes.into_iter().flat_map(|size| [size.to_be_bytes()[2], low(size)]).collect(),
    }
}

/// The transformation matrix of a rotation.
fn matrix(rotation: u16) -> Vec<u8> {
    let cells: [i32; 4] = match rotation {
        90 => [0, 0x1_0000, -0x1_0000, 0],
        180 => [-0x1_0000, 0, 0, -0x1_0000],
        270 => [0, -0x1_0000, 0x1_0000, 0],
        _ => [0x1_0000, 0, 0, 0x1_0000],
    };
    let [a, b, c, d] = cells;
    [a, b, 0, c, d, 0, 0, 0, 0x4000_0000].into_iter().flat_map(i32::to_be_bytes).collect()
}
