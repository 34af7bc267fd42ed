//! Whether bytes of a file are in the page cache, so that sending them will not wait for a disk.
//!
//! A chunk of 128 KiB is asked for by reading two bytes of it with `RWF_NOWAIT`. That costs about a microsecond,
//! a tenth of what sending the chunk costs, so the answer is remembered: a chunk seen in memory is believed to be
//! there for a second. (`cachestat` takes longer for the same range when pages are small, counts pages that are still
//! being read, and is refused to all but the file's owner.)
//!
//! It is a guess by design: the kernel may drop a page between the question and the use. Then one read waits; the
//! bytes are right all the same.

use std::{
    io::IoSliceMut,
    os::fd::BorrowedFd,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::io::{Errno, ReadWriteFlags};

/// Bytes that one question answers for.
const CHUNK_BYTES: u64 = 128 << 10;
/// Bytes between the places that may be asked for: a page, or a part of one.
const PAGE_BYTES: u64 = 4096;
/// How long a chunk seen in memory is believed to be there.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// What is known of one open file.
#[derive(Debug, Default)]
pub struct Residency {
    seen: OnceLock<Seen>,
}

#[derive(Debug)]
struct Seen {
    epoch: Instant,
    /// For each chunk, when it was last seen in memory: milliseconds after the epoch, plus one; 0 is never.
    chunks: Box<[AtomicU32]>,
}

impl Residency {
    /// How many of the `len` bytes from `offset` on seem to be in memory at the time `now`, up to the first that is
    /// not. `file_len` must not change between calls; nothing lies beyond it.
    ///
    /// Cost: an atomic read for each chunk of 128 KiB, and a system call for each not seen within the last second.
    pub fn resident_len(
        &self,
        file: BorrowedFd<'_>,
        file_len: u64,
        offset: u64,
        len: u64,
        now: Instant,
    ) -> u64 {
        let seen = self.seen.get_or_init(|| Seen::new(file_len, now));
        let now_ms = seen.milliseconds(now);
        let (mut at, end) = (offset, offset.saturating_add(len).min(file_len));
        while at < end {
            let chunk = at / CHUNK_BYTES;
            if !seen.is_believed(chunk, now_ms) {
                if !is_chunk_in_memory(file, chunk, file_len, now_ms) {
                    break;
                }
                seen.note(chunk, now_ms);
            }
            at = chunk.saturating_add(1).saturating_mul(CHUNK_BYTES).min(end);
        }
        at.min(end).saturating_sub(offset)
    }
}

impl Seen {
    fn new(file_len: u64, epoch: Instant) -> Self {
        let chunks = (0..file_len.div_ceil(CHUNK_BYTES)).map(|_| AtomicU32::new(0)).collect();
        Self { epoch, chunks }
    }

    fn milliseconds(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.epoch).as_millis();
        u32::try_from(since.saturating_add(1)).unwrap_or(u32::MAX)
    }

    fn chunk(&self, chunk: u64) -> Option<&AtomicU32> {
        self.chunks.get(usize::try_from(chunk).ok()?)
    }

    fn is_believed(&self, chunk: u64, now_ms: u32) -> bool {
        let seen_ms = self.chunk(chunk).map_or(0, |seen| seen.load(Ordering::Relaxed));
        let age = Duration::from_millis(now_ms.saturating_sub(seen_ms).into());
        seen_ms != 0 && age < BELIEVED_FOR
    }

    fn note(&self, chunk: u64, now_ms: u32) {
        if let Some(seen) = self.chunk(chunk) {
            seen.store(now_ms, Ordering::Relaxed);
        }
    }
}

/// Whether two pages of `chunk` are in memory.
///
/// Asking for a page that is not makes the kernel read it (Linux 6.12 and newer, at least). Asked for the same page the
/// next time, it would say yes for a chunk of which the rest is still on disk; so it is asked for pages that follow
/// from the time, and for two.
fn is_chunk_in_memory(file: BorrowedFd<'_>, chunk: u64, file_len: u64, now_ms: u32) -> bool {
    let start = chunk.saturating_mul(CHUNK_BYTES);
    let pages = file_len.saturating_sub(start).min(CHUNK_BYTES).div_ceil(PAGE_BYTES).max(1);
    let dice = (u64::from(now_ms) ^ chunk.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let is_in =
        |dice: u64| is_in_memory(file, start.saturating_add((dice % pages).saturating_mul(PAGE_BYTES)));
    is_in(dice >> 48) && is_in(dice >> 32 & 0xFFFF)
}

/// Reads one byte if that needs no disk. A file system that cannot tell (`OPNOTSUPP`) might wait: so no.
fn is_in_memory(file: BorrowedFd<'_>, at: u64) -> bool {
    let mut byte = [0; 1];
    loop {
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) {
            Err(Errno::INTR) => {}
            result => return result == Ok(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::fd::AsFd as _};

    use super::*;

    const FILE_BYTES: u64 = 1 << 20;

    fn file() -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 1 << 20]).unwrap();
        file.sync_all().unwrap();
        file
    }

    /// Takes the file out of the page cache; whether the file system has a disk below to read it from again.
    fn evict(file: &std::fs::File) -> bool {
        rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        !is_in_memory(file.as_fd(), 0)
    }

    #[expect(clippy::disallowed_methods, reason = "an instant can only be made by the clock; any will do")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn what_was_just_written_is_there_and_nothing_is_behind_the_end() {
        let (file, residency, now) = (file(), Residency::default(), start());
        let ask = |offset, len| residency.resident_len(file.as_fd(), FILE_BYTES, offset, len, now);
        assert_eq!(ask(0, FILE_BYTES), FILE_BYTES);
        assert_eq!(ask(5, 10), 10);
        assert_eq!(ask(CHUNK_BYTES - 1, 2), 2);
        assert_eq!(ask(5, 0), 0);
        assert_eq!(ask(FILE_BYTES - 3, 10), 3);
        assert_eq!(ask(u64::MAX, u64::MAX), 0);
    }

    #[test]
    fn a_chunk_is_believed_to_be_there_for_a_second_and_then_asked_again() {
        let (file, residency, now) = (file(), Residency::default(), start());
        let ask = |len, at_ms| {
            residency.resident_len(file.as_fd(), FILE_BYTES, 5, len, now + Duration::from_millis(at_ms))
        };
        assert_eq!(ask(10, 0), 10);
        if !evict(&file) {
            return;
        }
        assert_eq!(ask(100, 999), 100, "the whole chunk was answered for");
        assert_eq!(ask(CHUNK_BYTES, 999), CHUNK_BYTES - 5, "the next was not");
        assert_eq!(ask(10, 1000), 0);
    }
}
