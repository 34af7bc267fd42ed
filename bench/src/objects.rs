//! Objects for caches to keep: bodies that all differ, made of one block of noise, and the truth about each without
//! asking anybody.

use std::thread;
use std::time::Duration;

use bytes::Bytes;

use crate::scripted::{Script, Scripted};
use crate::truth::Piece;

/// Bytes by which the body of one object begins later in the block than that of the one before.
const STEP_BYTES: usize = 64;
/// Most objects of a kind; the block is as much longer than a body.
const COUNT_MAX: usize = 4096;
/// Seed of the noise: any number, the same every time.
const NOISE_SEED: u64 = 0x2545_f491_4f6c_dd1d;
/// Fresh for eleven days, of which one is over: `Age` and what is left keep their number of digits for long.
const FRESHNESS: &str = "Cache-Control: public, max-age=1000000\r\nAge: 100000\r\n";

/// Objects of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// First name of their paths.
    folder: &'static str,
    /// Length of each.
    bytes: usize,
    /// How many there are.
    count: usize,
    /// How long the origin thinks before it answers.
    delay: Duration,
}

/// As a media segment.
pub(crate) const LARGE: Kind = Kind { folder: "large", bytes: 1_500_000, count: 600, delay: Duration::ZERO };
/// As a playlist or a part.
pub(crate) const SMALL: Kind = Kind { folder: "small", bytes: 10_000, count: 1000, delay: Duration::ZERO };
/// The same for those who have a token.
pub(crate) const GUARDED: Kind =
    Kind { folder: "guarded", bytes: 10_000, count: 1000, delay: Duration::ZERO };
/// As a segment that everybody wants and no cache has: no two herds ask for the same.
pub(crate) const HERD: Kind =
    Kind { folder: "herd", bytes: 1_500_000, count: 64, delay: Duration::from_millis(200) };

/// As a part of 200 ms at 4 Mb/s. No path leads to them here.
pub(crate) const PART: Kind = Kind { folder: "part", bytes: 100_000, count: 1024, delay: Duration::ZERO };

/// All objects; an origin gives them out.
#[derive(Debug)]
pub(crate) struct Objects {
    noise: Bytes,
}

impl Kind {
    /// The path of object `number`.
    pub(crate) fn path(self, number: usize) -> String {
        format!("/{}/{number}.m4s", self.folder)
    }

    /// What all their paths begin with.
    pub(crate) fn prefix(self) -> String {
        format!("/{}/", self.folder)
    }

    /// The number in a path of this kind.
    fn number(self, path: &str) -> Option<usize> {
        let name = path.strip_prefix('/')?.strip_prefix(self.folder)?.strip_prefix('/')?;
        let number = name.strip_suffix(".m4s")?.parse().ok()?;
        (number < self.count && self.path(number) == path).then_some(number)
    }
}

impl Objects {
    /// Makes the noise.
    pub(crate) fn make() -> Self {
        let longest = LARGE.bytes.max(SMALL.bytes).max(HERD.bytes);
        let length = longest + COUNT_MAX * STEP_BYTES;
        let (mut noise, mut state) = (Vec::with_capacity(length + 8), NOISE_SEED);
        while noise.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.extend(state.to_le_bytes());
        }
        Self { noise: noise.into() }
    }

    /// What every object of `kind` must be.
    pub(crate) fn pieces(&self, kind: Kind) -> Vec<Piece> {
        (0..kind.count).map(|number| self.piece(kind, number)).collect()
    }

    /// What object `number` of `kind` must be.
    pub(crate) fn piece(&self, kind: Kind, number: usize) -> Piece {
        Piece::of(&kind.path(number), &self.body(kind, number))
    }

    /// The body of object `number` of `kind`.
    pub(crate) fn body(&self, kind: Kind, number: usize) -> Bytes {
        let from = number.min(COUNT_MAX) * STEP_BYTES;
        self.noise.slice(from..from + kind.bytes)
    }
}

impl Script for Objects {
    fn answer(&self, target: &str) -> Option<Scripted> {
        let (kind, number) =
            [LARGE, SMALL, GUARDED, HERD].into_iter().find_map(|kind| Some((kind, kind.number(target)?)))?;
        if !kind.delay.is_zero() {
            thread::sleep(kind.delay);
        }
        let fields = format!("Content-Type: video/mp4\r\nETag: \"{}-{number}\"\r\n{FRESHNESS}", kind.folder);
        Some(Scripted { fields, body: self.body(kind, number) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_a_body_of_its_own_and_the_path_it_is_found_at() {
        let objects = Objects::make();
        for kind in [LARGE, SMALL, GUARDED, HERD] {
            let last = kind.count - 1;
            assert_eq!(kind.number(&kind.path(last)), Some(last));
            assert_eq!(kind.number(&kind.path(kind.count)), None, "one past the last");
            assert!(kind.count <= COUNT_MAX);
            let (first, second) = (objects.body(kind, 0), objects.body(kind, 1));
            assert_eq!((first.len(), second.len()), (kind.bytes, kind.bytes));
            assert_ne!(first, second);
            assert_eq!(objects.body(kind, last).len(), kind.bytes);
        }
        for odd in ["", "/", "/large/", "/large/x.m4s", "/large/1", "/large/01.m4s", "/other/1.m4s"] {
            assert!(objects.answer(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn what_is_given_out_is_what_must_come_back() {
        let objects = Objects::make();
        let pieces = objects.pieces(SMALL);
        assert_eq!(pieces.len(), 1000);
        let piece = &pieces[7];
        let answer = objects.answer(&piece.path).unwrap();
        assert_eq!(Piece::of(&piece.path, &answer.body), *piece);
        assert!(answer.fields.ends_with("\r\n") && answer.fields.contains("max-age"));
    }
}
