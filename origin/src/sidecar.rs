//! Packed sound: the segments of an audio track made once, headers and all, so that each is one extent.
//!
//! Where sound lies between pictures, as ffmpeg writes it, 98 kB of sound are some 280 pieces of a file. A copy of the
//! track beside the index costs a hundredth of the film and makes them one, and nothing is computed for a request:
//!
//! ```text
//!  source    ♪ ▒▒▒▒ ♪ ▒▒▒▒ ♪ ▒▒▒▒ ♪ ▒▒▒▒ ♪ ▒▒▒▒          a segment of sound: header + a piece a frame
//!  sidecar   head │ table │ header ♪♪♪♪♪ │ header ♪♪♪♪♪ │ … a segment of sound: one piece
//! ```
//!
//! ```text
//!  segment asked for ─┬─ no sidecar ────────▶ source, and [`pack`] on the index thread: found, else made
//!                     ├─ not verified yet ──▶ source, and verified on the index thread, with those that follow
//!                     └─ verified ──────────▶ sidecar
//! ```
//!
//! Invariants: no byte of a sidecar is sent whose checksum was not seen right since it was opened; whatever is wrong
//! with it, the source is used. It belongs to one stamp of the source: not even a touched source shares it.

mod file;
mod pack;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rillcast_http::{FileExtent, SourceFile};
use twox_hash::XxHash3_64;

pub(crate) use self::file::PackedFault;
use self::file::{Belongs, Row, read_rows};
pub(crate) use self::pack::{PackError, pack, told};

/// Segments that are verified at once: who plays one asks for the next soon.
const VERIFIED_AT_ONCE: usize = 8;

/// An open sidecar.
#[derive(Debug)]
pub(crate) struct Packed {
    file: Arc<SourceFile>,
    rows: Vec<Row>,
    /// A bit a segment.
    verified: Vec<AtomicU64>,
    /// Whether a verification is under way.
    verifying: AtomicBool,
    /// Whether a segment was wrong: then none is used any more.
    wrong: AtomicBool,
}

/// The sidecar of one track of an open asset, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    packed: OnceLock<Packed>,
    /// Whether it is being looked for, or was.
    asked: AtomicBool,
}

impl Slot {
    /// The sidecar, once it was found.
    pub(crate) fn get(&self) -> Option<&Packed> {
        self.packed.get()
    }

    /// Whether nobody has asked for it before.
    pub(crate) fn ask(&self) -> bool {
        !self.asked.swap(true, Ordering::Relaxed)
    }

    /// Lets it be asked for again.
    pub(crate) fn forget(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }

    pub(crate) fn fill(&self, packed: Packed) {
        // Of two that were found, one is as good as the other.
        let _ = self.packed.set(packed);
    }
}

impl Packed {
    /// The sidecar in `file`, if it is what `belongs` says. Nothing of it is verified yet.
    pub(crate) fn open(file: File, belongs: &Belongs) -> Result<Self, PackedFault> {
        let file = SourceFile::from_file(file)?;
        let rows = read_rows(file.file(), file.len(), belongs)?;
        let verified = (0..rows.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let [verifying, wrong] = [false; 2].map(AtomicBool::new);
        Ok(Self { file: Arc::new(file), rows, verified, verifying, wrong })
    }

    /// The bytes of segment `number`; none before they were verified, nor of what is a gap.
    pub(crate) fn extent(&self, number: usize) -> Option<FileExtent> {
        let row = self.rows.get(number).filter(|row| row.len > 0)?;
        if !self.is_verified(number) || self.wrong.load(Ordering::Relaxed) {
            return None;
        }
        FileExtent::new(Arc::clone(&self.file), row.offset, row.len).ok()
    }

    /// Whether segment `number` should be verified, and nothing else is just being verified. Who gets a yes calls
    /// [`verify`](Self::verify) or [`give_up`](Self::give_up).
    pub(crate) fn claim(&self, number: usize) -> bool {
        number < self.rows.len()
            && !self.is_verified(number)
            && !self.wrong.load(Ordering::Relaxed)
            && !self.verifying.swap(true, Ordering::Relaxed)
    }

    /// Leaves the verification to whoever comes next.
    pub(crate) fn give_up(&self) {
        self.verifying.store(false, Ordering::Relaxed);
    }

    /// This one, with what was verified of `same`, another opening of the same file.
    fn verified_as(self, same: &Self) -> Self {
        if self.file.identity() == same.file.identity() {
            for (own, other) in self.verified.iter().zip(&same.verified) {
                own.store(other.load(Ordering::Acquire), Ordering::Release);
            }
        }
        self
    }

    /// Verifies segment `number` and some behind it. Blocks on the disk.
    ///
    /// # Errors
    /// [`PackedFault`]: from then on the source is used.
    pub(crate) fn verify(&self, number: usize) -> Result<(), PackedFault> {
        self.give_up();
        for at in number..self.rows.len().min(number.saturating_add(VERIFIED_AT_ONCE)) {
            if self.is_verified(at) {
                continue;
            }
            if let Err(fault) = self.verify_one(at) {
                self.wrong.store(true, Ordering::Relaxed);
                return Err(fault);
            }
        }
        Ok(())
    }

    fn verify_one(&self, number: usize) -> Result<(), PackedFault> {
        let (Some(row), Some(word)) = (self.rows.get(number), self.verified.get(number / 64)) else {
            return Ok(());
        };
        let len = usize::try_from(row.len).map_err(|_| PackedFault::Table)?;
        let mut bytes = vec![0; len];
        self.file.file().read_exact_at(&mut bytes, row.offset)?;
        if XxHash3_64::oneshot(&bytes) != row.sum {
            return Err(PackedFault::Segment { number });
        }
        word.fetch_or(1 << (number % 64), Ordering::Release);
        Ok(())
    }

    fn is_verified(&self, number: usize) -> bool {
        let word = self.verified.get(number / 64);
        word.is_some_and(|word| word.load(Ordering::Acquire) & (1 << (number % 64)) != 0)
    }
}

#[cfg(test)]
mod tests;
