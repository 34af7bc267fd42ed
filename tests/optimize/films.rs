//! Films for the tests: a small one, and one large enough to be caught in the middle.

use std::io::{BufWriter, Write};
use std::path::Path;

use rillcast_fixtures::{Shape, SizeTable, Track};

/// Pictures of [`large`], and bytes of each.
const PICTURES: usize = 300;
const PICTURE_BYTES: u32 = 640 << 10;

/// Twelve seconds in two segments, every picture a chunk of its own, with sound and text; the index at the end.
pub(crate) fn interleaved() -> Shape {
    let mut video = Track::avc(1, 25, 50, 300).with_b_frames();
    video.per_chunk = 1;
    video.samples.iter_mut().for_each(|sample| sample.size *= 20);
    let shape = Shape::new(vec![video, Track::aac(2, 563), Track::text(3, 12)]);
    Shape { index_first: false, ..shape }
}

/// Writes a film of some 190 MB in two segments, every picture a chunk of its own, at `path`.
///
/// Its index is made for pictures of one byte and then told what they are: making every byte one by one would
/// take the time of all other tests together.
pub(crate) fn large(path: &Path) {
    let mut video = Track::avc(1, 25, 50, PICTURES);
    video.per_chunk = 1;
    video.sizes = SizeTable::Constant;
    video.samples.iter_mut().for_each(|sample| sample.size = 1);
    let mut sound = Track::aac(2, 563);
    sound.per_chunk = 2;
    let shape = Shape::new(vec![video, sound]);
    let mut file = shape.file();
    file.at("moov/trak/mdia/minf/stbl/stsz").set_u32(4, PICTURE_BYTES);
    let base = u32::try_from(file.offset("mdat") + 8).expect("a small index");
    let mut at = base;
    let mut chunks = Vec::new();
    let sound_chunks = shape.tracks[1].samples.len().div_ceil(2);
    for number in 0..PICTURES.max(sound_chunks) {
        let entry = 8 + 4 * number;
        if number < PICTURES {
            file.at("moov/trak/mdia/minf/stbl/stco").set_u32(entry, at);
            chunks.push(PICTURE_BYTES);
            at += PICTURE_BYTES;
        }
        if number < sound_chunks {
            file.at("moov/trak.1/mdia/minf/stbl/stco").set_u32(entry, at);
            let samples = shape.tracks[1].samples.iter().skip(2 * number).take(2);
            let len = samples.map(|sample| sample.size).sum();
            chunks.push(len);
            at += len;
        }
    }
    file.at("mdat").fields.clear();
    file.at("mdat").claims = Some(at - base + 8);
    let mut out = BufWriter::new(std::fs::File::create(path).expect("the directory is ours"));
    out.write_all(&file.bytes()).expect("there is room");
    let mut noise = 0x9e37_79b9_7f4a_7c15u64;
    let mut block = vec![0; PICTURE_BYTES as usize];
    for len in chunks {
        // A new start in every chunk, and noise behind it that no other chunk has at the same place.
        for word in block.chunks_exact_mut(4096) {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            word[..8].copy_from_slice(&noise.to_le_bytes());
        }
        out.write_all(&block[..len as usize]).expect("there is room");
    }
    out.flush().expect("there is room");
}
