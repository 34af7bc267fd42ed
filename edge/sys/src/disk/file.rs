//! A file as the disk thread knows it: open as it came, and open once more for reads past the page cache.

use std::{
    fs::File,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, open, statx};

/// Alignment where the file system does not say its own (`STATX_DIOALIGN` is of Linux 6.1), in bytes: a block of
/// nearly every disk.
const USUAL_ALIGNMENT: u32 = 4096;

/// Largest alignment we round to, in bytes.
const ALIGNMENT_MAX: u32 = 64 * 1024;

/// The bit of `statx(2)` that asks for the alignment of direct reads.
const STATX_DIOALIGN: StatxFlags = StatxFlags::from_bits_retain(0x2000);

/// An open file. The second descriptor, for direct reads, is opened with the first such read.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    direct: OnceLock<Option<Direct>>,
    /// Set when the file system took the open and then refused the reads.
    refuses_direct: AtomicBool,
}

/// The file once more, opened with `O_DIRECT`.
#[derive(Debug)]
struct Direct {
    file: File,
    alignment: usize,
}

impl DiskFile {
    /// Takes a file that is open for reading.
    pub fn new(file: File) -> Self {
        Self { file, direct: OnceLock::new(), refuses_direct: AtomicBool::new(false) }
    }

    /// The file as it came.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The alignment that direct reads need, in bytes; `None` where there are none. The first call opens the file
    /// once more.
    pub(super) fn direct_alignment(&self) -> Option<usize> {
        if self.refuses_direct.load(Ordering::Relaxed) {
            return None;
        }
        let direct = self.direct.get_or_init(|| Direct::open(&self.file)).as_ref();
        direct.map(|direct| direct.alignment)
    }

    /// Reads no more past the page cache.
    pub(super) fn refuse_direct(&self) {
        self.refuses_direct.store(true, Ordering::Relaxed);
    }

    /// The descriptor to read from.
    pub(super) fn descriptor(&self, is_direct: bool) -> BorrowedFd<'_> {
        match self.direct.get() {
            Some(Some(direct)) if is_direct => direct.file.as_fd(),
            _ => self.file.as_fd(),
        }
    }
}

impl Direct {
    /// Opens `file` once more; `None` where that is refused: by tmpfs, by some overlays, without /proc.
    fn open(file: &File) -> Option<Self> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = File::from(open(path, flags, Mode::empty()).ok()?);
        let alignment = alignment(&file)?;
        Some(Self { file, alignment })
    }
}

/// What direct reads of `file` must be multiples of; `None` when there can be none, or none from our buffers.
fn alignment(file: &File) -> Option<usize> {
    let asked = statx(file, "", AtFlags::EMPTY_PATH, STATX_DIOALIGN);
    let said = asked.ok().filter(|stat| StatxFlags::from_bits_retain(stat.stx_mask).contains(STATX_DIOALIGN));
    let (memory, offset) = match said {
        Some(stat) => (stat.stx_dio_mem_align, stat.stx_dio_offset_align),
        None => (USUAL_ALIGNMENT, USUAL_ALIGNMENT),
    };
    let memory = usize::try_from(memory).ok()?;
    let works = offset.is_power_of_two() && offset <= ALIGNMENT_MAX && memory <= crate::page::page_bytes();
    works.then(|| usize::try_from(offset).ok()).flatten()
}
