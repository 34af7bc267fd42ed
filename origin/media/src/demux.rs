//! Containers in, [`Movie`] out, without I/O.
//!
//! A demuxer is a machine: [`poll`](mp4::Mp4Reader::poll) says which bytes it needs next, or hands
//! over the movie; `supply` feeds it. One driver reads files, another an object store, tests feed
//! slices, a fuzzer cuts the input anywhere: the movie is the same.
//!
//! ```text
//!   poll ─▶ Need(range) ─▶ (driver reads) ─▶ supply(offset, bytes) ─┐
//!     ▲                                                            │
//!     └────────────────────────────────────────────────────────────┘   … ─▶ Ready(Movie)
//! ```

mod error;
pub mod mp4;

use std::ops::Range;

pub use self::error::FormatError;
use crate::movie::Movie;

/// Most bytes a demuxer asks for at once; larger tables are streamed.
pub const MAX_NEED_BYTES: u64 = 1 << 20;

/// What a demuxer wants next.
#[derive(Debug)]
pub enum Demux {
    /// Bytes of the source: never empty, at most [`MAX_NEED_BYTES`], inside the source.
    /// A part of them from the start is enough to go on; more than asked for is welcome.
    Need(Range<u64>),
    /// The whole movie. The demuxer is spent.
    Ready(Box<Movie>),
}

/// What bytes that are not an MP4 look like, by their first bytes.
///
/// Only for the error message: a container is chosen by what it is, never by a file's name.
pub(crate) fn sniff(head: &[u8]) -> Option<&'static str> {
    let starts: [(&[u8], &str); 13] = [
        (b"\x1aE\xdf\xa3", "Matroska or WebM"),
        (b"FLV\x01", "FLV"),
        (b"ID3", "MP3 or AAC with an ID3 tag"),
        (b"OggS", "Ogg"),
        (b"RIFF", "RIFF (AVI or WAV)"),
        (b"fLaC", "FLAC"),
        (b"\x00\x00\x01\xba", "MPEG program stream"),
        (b"#EXTM3U", "an HLS playlist"),
        (b"WEBVTT", "WebVTT"),
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"<", "XML or HTML"),
    ];
    if let Some((_, name)) = starts.iter().find(|(start, _)| head.starts_with(start)) {
        return Some(name);
    }
    if head.first() == Some(&0x47) && head.get(188) == Some(&0x47) {
        return Some("MPEG-TS");
    }
    match head.get(..2) {
        Some([0xff, 0xf1 | 0xf9]) => Some("AAC (ADTS)"),
        Some([0xff, second]) if second & 0xe0 == 0xe0 => Some("MP3"),
        _ => None,
    }
}
