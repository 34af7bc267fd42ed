//! The disk below the files: how fast it reads by itself, and how to make the kernel forget files.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rillcast_sys::buffers::{Buffer, BufferLimits, BufferPool};
use rustix::fs::{Advice, OFlags};

use crate::measure;
use crate::process::{self, ProcessError};

/// One read.
const READ_BYTES: usize = 1 << 20;
/// Direct reads begin at multiples of this; no disk here asks for more.
const ALIGN_BYTES: usize = 4096;
/// Readers from beginning to end; each takes the next part. Files are parts, or are cut into as many as keep all
/// readers busy.
const READERS: usize = 8;
/// Reads that are with the disk at a time, where single reads are taken in turn. No disk here gives more with 64.
const DEPTHS: [usize; 4] = [1, 4, 16, 32];
/// Says what of a file is in memory (util-linux).
const FINCORE: &str = "/usr/bin/fincore";
/// It takes less.
const FINCORE_LIMIT: Duration = Duration::from_secs(20);

/// Writes back and forgets the pages of `files`.
///
/// # Errors
/// When a file cannot be opened or written back.
pub(crate) fn forget(files: &[PathBuf]) -> io::Result<()> {
    for path in files {
        let file = File::open(path)?;
        // Pages that are not on the disk yet cannot be forgotten.
        file.sync_data()?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// The share of `files` that is in the page cache, as `fincore` (util-linux) sees it; nothing without it.
///
/// # Errors
/// When it fails.
pub(crate) fn resident_share(files: &[PathBuf], scratch: &Path) -> Result<Option<f64>, ProcessError> {
    if !Path::new(FINCORE).exists() {
        return Ok(None);
    }
    let mut command = process::command(FINCORE);
    command.args(["--bytes", "--noheadings", "--raw", "--output", "RES,SIZE"]).args(files);
    let said = process::run_to_end("fincore", command, &scratch.join("fincore.log"), FINCORE_LIMIT)?;
    let lines = said.lines().filter_map(|line| line.split_once(' '));
    let numbers =
        lines.filter_map(|(there, size)| Some((there.parse::<u64>().ok()?, size.parse::<u64>().ok()?)));
    let (there, size) = numbers.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    Ok((size > 0).then(|| there as f64 / size as f64))
}

/// What the disk gives, in megabytes a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    /// The most, of all ways that were tried.
    pub(crate) best: f64,
    /// Read from beginning to end by several readers.
    pub(crate) sequential: f64,
}

/// Reads `files` past the page cache in each way, and tells the rates.
///
/// Each way reads every byte once more, so a host below a virtual disk may have them in its memory after the first: what
/// is measured behind this is not faster for that alone.
///
/// # Errors
/// When the file system does not read past the page cache, or the disk fails.
pub(crate) fn rates(files: &[PathBuf]) -> io::Result<Rates> {
    let sequential = rate(parts(files, READERS)?, READERS)?;
    let mut best = sequential;
    for depth in DEPTHS {
        // Whole reads that are taken in turn: so many are with the disk at any time until the last.
        best = best.max(rate(reads(files)?, depth)?);
    }
    Ok(Rates { best, sequential })
}

/// Has `readers` threads read `parts`, the last first. Megabytes a second.
fn rate(parts: Vec<Part>, readers: usize) -> io::Result<f64> {
    let buffers = buffers(readers)?;
    let left = Mutex::new(parts);
    let (read, took) = thread::scope(|scope| {
        let start = measure::now();
        let readers: Vec<_> =
            buffers.into_iter().map(|buffer| scope.spawn(|| read_parts(&left, buffer))).collect();
        let ended = |reader: thread::ScopedJoinHandle<'_, io::Result<u64>>| {
            reader.join().unwrap_or_else(|_| Err(io::Error::other("a reader panicked")))
        };
        let read: io::Result<Vec<u64>> = readers.into_iter().map(ended).collect();
        (read, start.elapsed())
    });
    Ok(read?.iter().sum::<u64>() as f64 / 1e6 / took.as_secs_f64().max(1e-9))
}

/// A range of a file.
#[derive(Debug, Clone)]
struct Part {
    file: Arc<File>,
    from: u64,
    to: u64,
}

/// `files` in about as many parts as keep `readers` busy, or one a file.
fn parts(files: &[PathBuf], readers: usize) -> io::Result<Vec<Part>> {
    let each = readers.div_ceil(files.len().max(1)) as u64;
    cut(files, |length| length.div_ceil(each))
}

/// `files` in single reads.
fn reads(files: &[PathBuf]) -> io::Result<Vec<Part>> {
    cut(files, |_| READ_BYTES as u64)
}

/// `files` in parts of about as many bytes as `step` says of a length.
fn cut(files: &[PathBuf], step: impl Fn(u64) -> u64) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for path in files {
        let flags = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
        let file = Arc::new(File::options().read(true).custom_flags(flags).open(path)?);
        let length = file.metadata()?.len();
        // Whole reads, so that every part begins where a direct read may.
        let step = step(length).next_multiple_of(READ_BYTES as u64).max(READ_BYTES as u64);
        let starts = (0..length).step_by(usize::try_from(step).map_err(io::Error::other)?);
        parts.extend(starts.map(|from| Part {
            file: Arc::clone(&file),
            from,
            to: (from + step).min(length),
        }));
    }
    // They are taken from the end.
    parts.reverse();
    Ok(parts)
}

/// A buffer for each of `readers`, in huge pages where the system has them: a read into memory that is scattered is cut up on
/// its way to the disk, which halves the rate of some.
fn buffers(readers: usize) -> io::Result<Vec<Buffer>> {
    let sizes = (NonZeroUsize::new(READ_BYTES), NonZeroUsize::new(readers));
    let (Some(buffer_bytes), Some(buffers)) = sizes else { return Ok(Vec::new()) };
    let pool = BufferPool::new(BufferLimits { buffer_bytes, buffers, waiting: 0 })?;
    Ok((0..readers).filter_map(|_| pool.try_take(0)).collect())
}

fn read_parts(left: &Mutex<Vec<Part>>, mut buffer: Buffer) -> io::Result<u64> {
    let mut total = 0;
    loop {
        let Some(part) = left.lock().map_err(|_| io::Error::other("a reader panicked"))?.pop() else {
            return Ok(total);
        };
        total += read_part(&part, buffer.bytes_mut())?;
    }
}

fn read_part(part: &Part, buffer: &mut [u8]) -> io::Result<u64> {
    let mut at = part.from;
    while at < part.to {
        let count = part.file.read_at(buffer, at)?;
        at += count as u64;
        // Only the last read of a file ends in the middle of a block; the next would not begin at one.
        if count == 0 || !at.is_multiple_of(ALIGN_BYTES as u64) {
            break;
        }
    }
    Ok(at - part.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_are_cut_so_that_every_reader_has_a_part() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let files = ["a", "b", "c"].map(|name| folder.path().join(name));
        for path in &files {
            File::create(path).unwrap().set_len((10 << 20) + 5).unwrap();
        }
        let cut = parts(&files, 8).unwrap();
        assert_eq!(cut.len(), 9);
        assert!(cut.iter().all(|part| part.from.is_multiple_of(READ_BYTES as u64)));
        assert_eq!(cut.iter().map(|part| part.to - part.from).sum::<u64>(), 3 * ((10 << 20) + 5));
        assert_eq!(
            parts(&[files.clone(), files.clone(), files.clone()].concat(), 8).unwrap().len(),
            9,
            "enough files are read whole"
        );
        let single = reads(&files).unwrap();
        assert_eq!(single.len(), 33);
        assert_eq!(single.last().map(|part| (part.from, part.to)), Some((0, 1 << 20)), "it is taken first");
    }

    #[test]
    fn direct_reads_take_every_byte_and_forgotten_files_are_not_resident() {
        // In the tree, not in /tmp: a file system in memory neither reads directly nor forgets.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("f");
        let bytes = (1 << 20) + 5000;
        std::fs::write(&path, vec![7; bytes]).unwrap();
        let files = [path];
        let read = |parts: io::Result<Vec<Part>>| read_parts(&Mutex::new(parts?), buffers(1)?.remove(0));
        match read(parts(&files, 8)) {
            Ok(read) => assert_eq!(read, bytes as u64),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(read(reads(&files)).unwrap(), bytes as u64);
        let rates = rates(&files).unwrap();
        assert!(rates.sequential > 0.0 && rates.best >= rates.sequential);
        std::fs::read(&files[0]).unwrap();
        let resident = || resident_share(&files, folder.path()).unwrap();
        if resident().is_some_and(|share| share > 0.99) {
            forget(&files).unwrap();
            assert_eq!(resident(), Some(0.0));
        }
    }
}
