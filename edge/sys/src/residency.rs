//! Whether bytes of a file are in the page cache, so that sending them will not wait for a disk.
//!
//! A chunk of 128 KiB is asked for by reading two bytes of it with `RWF_NOWAIT`. That costs about a microsecond,
//! a tenth of what sending the chunk costs, so the answer is remembered: a chunk seen in memory is believed to be
//! there for a second, and one that is not is not asked about again for a tenth of that: asking makes the kernel read
//! the page that is asked for, and of a chunk asked about often enough both would be there and the rest would not.
//! Who has read a chunk into memory says so ([`Residency::note_resident`]). (`cachestat` takes longer for the same range when pages are small, counts pages that are still
//! being read, and is refused to all but the file's owner.)
//!
//! It is a guess by design: the kernel may drop a page between the question and the use. Then one read waits; the
//! bytes are right all the same.

use std::{
    io::IoSliceMut,
    os::fd::BorrowedFd,
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

use rustix::io::{Errno, ReadWriteFlags};

/// Bytes that one question answers for.
const CHUNK_BYTES: u64 = 128 << 10;
/// Bytes between the places that may be asked for: a page, or a part of one.
const PAGE_BYTES: u64 = 4096;
/// How long a chunk seen in memory is believed to be there, in milliseconds.
const PRESENT_FOR_MS: u32 = 1000;
/// How long a chunk that was not in memory is believed not to be, in milliseconds.
const ABSENT_FOR_MS: u32 = 100;

/// What is known of one open file.
#[derive(Debug, Default)]
pub struct Residency {
    seen: OnceLock<Seen>,
}

#[derive(Debug)]
struct Seen {
    epoch: Instant,
    /// What was last found of each chunk: milliseconds after the epoch (they wrap in twelve days), times four, plus
    /// [`PRESENT`] or [`ABSENT`]; 0 is never.
    chunks: Box<[AtomicU32]>,
}

const PRESENT: u32 = 1;
const ABSENT: u32 = 2;
const STATE_BITS: u32 = 2;

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
            let is_present = seen.believed(chunk, now_ms).unwrap_or_else(|| {
                let is_present = is_chunk_in_memory(file, chunk, file_len);
                seen.note(chunk, now_ms, is_present);
                is_present
            });
            if !is_present {
                break;
            }
            at = chunk.saturating_add(1).saturating_mul(CHUNK_BYTES).min(end);
        }
        at.min(end).saturating_sub(offset)
    }

    /// Notes that the `len` bytes from `offset` on were read into memory just now.
    ///
    /// Cost: an atomic write for each chunk that they fill.
    pub fn note_resident(&self, file_len: u64, offset: u64, len: u64, now: Instant) {
        let seen = self.seen.get_or_init(|| Seen::new(file_len, now));
        let now_ms = seen.milliseconds(now);
        let end = offset.saturating_add(len).min(file_len);
        // The last chunk of a file is a short one.
        let past = if end == file_len { end.div_ceil(CHUNK_BYTES) } else { end / CHUNK_BYTES };
        for chunk in offset.div_ceil(CHUNK_BYTES)..past {
            seen.note(chunk, now_ms, true);
        }
    }
}

impl Seen {
    fn new(file_len: u64, epoch: Instant) -> Self {
        let chunks = (0..file_len.div_ceil(CHUNK_BYTES)).map(|_| AtomicU32::new(0)).collect();
        Self { epoch, chunks }
    }

    fn milliseconds(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.epoch).as_millis() % (1 << (32 - STATE_BITS));
        u32::try_from(since).expect("thirty bits")
    }

    fn chunk(&self, chunk: u64) -> Option<&AtomicU32> {
        self.chunks.get(usize::try_from(chunk).ok()?)
    }

    /// Whether `chunk` is taken to be in memory; `None` when it has to be asked about.
    fn believed(&self, chunk: u64, now_ms: u32) -> Option<bool> {
        let found = self.chunk(chunk)?.load(Ordering::Relaxed);
        // Shifted up, differences wrap as the milliseconds do.
        let age_ms = (now_ms << STATE_BITS).wrapping_sub(found & !(PRESENT | ABSENT)) >> STATE_BITS;
        match found & (PRESENT | ABSENT) {
            PRESENT if age_ms < PRESENT_FOR_MS => Some(true),
            ABSENT if age_ms < ABSENT_FOR_MS => Some(false),
            _ => None,
        }
    }

    fn note(&self, chunk: u64, now_ms: u32, is_present: bool) {
        if let Some(found) = self.chunk(chunk) {
            let state = if is_present { PRESENT } else { ABSENT };
            found.store(now_ms << STATE_BITS | state, Ordering::Relaxed);
        }
    }
}

/// Whether two pages of `chunk` are in memory.
///
/// Asking for a page that is not makes the kernel read it (Linux 6.12 and newer, at least). Asked for the same page the
/// next time, it would say yes for a chunk of which the rest is still on disk; so it is asked for other pages each time,
/// and for two.
fn is_chunk_in_memory(file: BorrowedFd<'_>, chunk: u64, file_len: u64) -> bool {
    static QUESTIONS: AtomicU64 = AtomicU64::new(1);
    let start = chunk.saturating_mul(CHUNK_BYTES);
    let pages = file_len.saturating_sub(start).min(CHUNK_BYTES).div_ceil(PAGE_BYTES).max(1);
    // Steps of the golden ratio: what follows one another lies far apart.
    let dice = QUESTIONS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
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
    use std::{io::Write as _, os::fd::AsFd as _, time::Duration};

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
        use rustix::fs::{Advice, fadvise};
        // What the question makes the kernel read is then one page, in a chunk that no test asks about.
        fadvise(file, 0, None, Advice::Random).unwrap();
        fadvise(file, 0, None, Advice::DontNeed).unwrap();
        !is_in_memory(file.as_fd(), 5 * CHUNK_BYTES)
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

    #[test]
    fn a_chunk_that_is_not_there_is_asked_about_again_after_a_while_or_when_it_was_read() {
        let (file, residency, now) = (file(), Residency::default(), start());
        let at = |at_ms| now + Duration::from_millis(at_ms);
        let ask =
            |offset, at_ms| residency.resident_len(file.as_fd(), FILE_BYTES, offset, CHUNK_BYTES, at(at_ms));
        if !evict(&file) {
            return;
        }
        let note = |offset, len| residency.note_resident(FILE_BYTES, offset, len, at(20));
        assert_eq!((ask(0, 0), ask(CHUNK_BYTES, 0), ask(FILE_BYTES - 5, 0)), (0, 0, 0));
        let is_all_read = std::os::unix::fs::FileExt::read_exact_at(&file, &mut vec![0; 1 << 20], 0).is_ok();
        assert!(is_all_read);
        assert_eq!((ask(0, 99), ask(0, 100)), (0, CHUNK_BYTES));
        // The second chunk is not filled by what ends in it, nor by what begins in it.
        note(0, 2 * CHUNK_BYTES - 1);
        note(CHUNK_BYTES + 1, CHUNK_BYTES);
        assert_eq!(ask(CHUNK_BYTES, 20), 0);
        note(CHUNK_BYTES, CHUNK_BYTES);
        assert_eq!(ask(CHUNK_BYTES, 20), CHUNK_BYTES);
        // The end of the file is the end of a chunk.
        note(FILE_BYTES - CHUNK_BYTES, CHUNK_BYTES + 10);
        assert_eq!(ask(FILE_BYTES - 5, 20), 5);
    }

    #[test]
    fn what_was_found_counts_across_the_wrap_of_the_milliseconds() {
        let (file, residency, now) = (file(), Residency::default(), start());
        let wrap_ms = 1 << (32 - STATE_BITS);
        let ask = |at_ms| {
            let at = now + Duration::from_millis(at_ms);
            residency.resident_len(file.as_fd(), FILE_BYTES, 0, 10, at)
        };
        assert_eq!((ask(0), ask(wrap_ms - 500)), (10, 10));
        if !evict(&file) {
            return;
        }
        assert_eq!((ask(wrap_ms + 499), ask(wrap_ms + 500)), (10, 0));
    }
}
