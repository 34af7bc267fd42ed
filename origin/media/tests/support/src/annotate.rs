//! A file as text that a person can review: each box with its place, its size and its bytes.

use std::fmt::Write;

/// Boxes that hold boxes, and the bytes of their own before them.
const CONTAINERS: [(&[u8; 4], usize); 14] = [
    (b"moov", 0),
    (b"trak", 0),
    (b"mdia", 0),
    (b"minf", 0),
    (b"dinf", 0),
    (b"stbl", 0),
    (b"mvex", 0),
    (b"moof", 0),
    (b"traf", 0),
    (b"stsd", 8),
    (b"dref", 8),
    (b"avc1", 78),
    (b"hvc1", 78),
    (b"mp4a", 28),
];

/// `bytes` as a tree of boxes in hex. The rest after the last whole box is given as it is.
pub fn annotate(bytes: &[u8]) -> String {
    let mut text = String::new();
    boxes(&mut text, bytes, 0, 0);
    text
}

fn boxes(text: &mut String, mut bytes: &[u8], mut offset: usize, depth: usize) {
    while let Some((head, _)) = bytes.split_first_chunk::<8>() {
        let [s0, s1, s2, s3, name @ ..] = *head;
        let size = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
        let Some((inside, rest)) = bytes.split_at_checked(size).filter(|_| size >= 8) else { break };
        let indent = depth * 2;
        writeln!(text, "{:indent$}{} at {offset}, {size} bytes", "", name.escape_ascii())
            .expect("writing to a string");
        let own = CONTAINERS.iter().find(|(container, _)| **container == name).map(|(_, own)| *own);
        let fields = own.unwrap_or(size - 8).min(size - 8);
        hex(text, &inside[8..8 + fields], indent + 4);
        if own.is_some() {
            boxes(text, &inside[8 + fields..], offset + 8 + fields, depth + 1);
        }
        offset += size;
        bytes = rest;
    }
    hex(text, bytes, depth * 2 + 4);
}

fn hex(text: &mut String, bytes: &[u8], indent: usize) {
    for line in bytes.chunks(16) {
        let words: Vec<String> =
            line.chunks(4).map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
        writeln!(text, "{:indent$}{}", "", words.join(" ")).expect("writing to a string");
    }
}
