//! The MP4 reader fed in pieces: however the bytes come, the result is that of the whole file.
//!
//! The first byte is the number of cuts; as many bytes follow, each a rule for one supply, used in
//! turn; the rest is the file.

use bytes::Bytes;
use rillcast_media::demux::mp4::{Mp4Reader, read_all};
use rillcast_media::demux::{Demux, FormatError};
use rillcast_media::movie::Movie;

/// Bytes of a file that is cut: with single bytes the work is quadratic.
const MAX_FILE_BYTES: usize = 16 << 10;

/// The target.
pub fn run(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let Some((rules, file)) = rest.split_at_checked(usize::from(*count)) else { return };
    if file.len() > MAX_FILE_BYTES {
        return;
    }
    let file = Bytes::copy_from_slice(file);
    assert_same(&read_cut(&file, rules), &read_all(&file));
}

/// Reads `file` with a driver that obeys each need by the next of `rules`.
///
/// # Errors
/// As the reader.
pub fn read_cut(file: &Bytes, rules: &[u8]) -> Result<Movie, FormatError> {
    let mut reader = Mp4Reader::new(file.len() as u64);
    let mut rules = rules.iter().copied().cycle();
    let most = file.len() * 4 + 1000;
    for _ in 0..most {
        match reader.poll()? {
            Demux::Ready(movie) => return Ok(*movie),
            Demux::Need(range) => {
                let at = |offset: u64| usize::try_from(offset).expect("a small file").min(file.len());
                let (start, end) = (at(range.start), at(range.end));
                assert!(start < end, "need lies in the source");
                let rule = rules.next().unwrap_or(0);
                let size = usize::from(rule & 0x3f) + 1;
                match rule >> 6 {
                    // All of it; some of it; some of it and of what is before; nonsense, then some of it.
                    0 => reader.supply(range.start, file.slice(start..end)),
                    1 => reader.supply(range.start, file.slice(start..(start + size).min(end))),
                    2 => {
                        let before = start.saturating_sub(size);
                        reader.supply(before as u64, file.slice(before..(start + size).min(file.len())));
                    }
                    _ => {
                        let other = (start * 7 + size * 131) % file.len();
                        reader.supply(other as u64, file.slice(other..(other + size).min(file.len())));
                        reader.supply(range.start, file.slice(start..(start + size).min(end)));
                    }
                }
            }
        }
    }
    unreachable!("a file of {} bytes takes more than {most} reads", file.len());
}

/// Asserts that two readings came to the same.
///
/// # Panics
/// If they did not.
pub fn assert_same(one: &Result<Movie, FormatError>, other: &Result<Movie, FormatError>) {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            assert_eq!((&one.layout, &one.ignored), (&other.layout, &other.ignored));
            assert_eq!((one.timescale, one.tracks.len()), (other.timescale, other.tracks.len()));
            for (one, other) in one.tracks.iter().zip(&other.tracks) {
                assert_eq!((one.id, &one.codec, &one.format), (other.id, &other.codec, &other.format));
                assert_eq!((&one.language, &one.title), (&other.language, &other.title));
                assert_eq!(one.edits, other.edits);
                let rows = |track: &rillcast_media::movie::Track| {
                    track.samples.rows(0..usize::MAX).collect::<Vec<_>>()
                };
                assert_eq!(rows(one), rows(other));
            }
        }
        (one, other) => assert_eq!(one.as_ref().err(), other.as_ref().err()),
    }
}
