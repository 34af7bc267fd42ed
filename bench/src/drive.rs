//! The disk below the files: how fast it reads by itself, and how to make the kernel forget files.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::fs::{Advice, OFlags};

use crate::measure;
use crate::process::{self, ProcessError};

/// One read.
const READ_BYTES: usize = 1 << 20;
/// Direct reads begin at multiples of this, in file and memory; no disk here asks for more.
const ALIGN_BYTES: usize = 4096;
/// Readers at once; each takes the next part, from its beginning to its end. Files are parts, or are cut into as
/// many as keep all readers busy.
const READERS: usize = 8;
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

/// Reads `files` past the page cache, several at once, each from its beginning to its end. Megabytes a second.
///
/// # Errors
/// When the file system does not read past the page cache, or the disk fails.
pub(crate) fn rate(files: &[PathBuf]) -> io::Result<f64> {
    let left = Mutex::new(parts(files)?);
    let start = measure::now();
    let read: io::Result<Vec<u64>> = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read_parts(&left))).collect();
        let ended = |reader: thread::ScopedJoinHandle<'_, io::Result<u64>>| {
            reader.join().unwrap_or_else(|_| Err(io::Error::other("a reader panicked")))
        };
        readers.into_iter().map(ended).collect()
    });
    Ok(read?.iter().sum::<u64>() as f64 / 1e6 / start.elapsed().as_secs_f64().max(1e-9))
}

/// A range of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    path: PathBuf,
    from: u64,
    to: u64,
}

fn parts(files: &[PathBuf]) -> io::Result<Vec<Part>> {
    let each = READERS.div_ceil(files.len().max(1)) as u64;
    let mut parts = Vec::new();
    for path in files {
        let length = std::fs::metadata(path)?.len();
        // Whole reads, so that every part begins where a direct read may.
        let step = length.div_ceil(each).next_multiple_of(READ_BYTES as u64).max(READ_BYTES as u64);
        let starts = (0..length).step_by(usize::try_from(step).map_err(io::Error::other)?);
        parts.extend(starts.map(|from| Part { path: path.clone(), from, to: (from + step).min(length) }));
    }
    Ok(parts)
}

fn read_parts(left: &Mutex<Vec<Part>>) -> io::Result<u64> {
    let mut room = vec![0; READ_BYTES + ALIGN_BYTES];
    let skip = room.as_ptr().align_offset(ALIGN_BYTES);
    let buffer = room.get_mut(skip..skip + READ_BYTES).ok_or(io::ErrorKind::OutOfMemory)?;
    let mut total = 0;
    loop {
        let Some(part) = left.lock().map_err(|_| io::Error::other("a reader panicked"))?.pop() else {
            return Ok(total);
        };
        total += read_part(&part, buffer)?;
    }
}

fn read_part(part: &Part, buffer: &mut [u8]) -> io::Result<u64> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
    let file = File::options().read(true).custom_flags(flags).open(&part.path)?;
    let mut at = part.from;
    while at < part.to {
        let count = file.read_at(buffer, at)?;
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
        let folder = tempfile::tempdir().unwrap();
        let files = ["a", "b", "c"].map(|name| folder.path().join(name));
        for path in &files {
            File::create(path).unwrap().set_len((10 << 20) + 5).unwrap();
        }
        let cut = parts(&files).unwrap();
        assert_eq!(cut.len(), 9);
        assert!(cut.iter().all(|part| part.from.is_multiple_of(READ_BYTES as u64)));
        assert_eq!(cut.iter().map(|part| part.to - part.from).sum::<u64>(), 3 * ((10 << 20) + 5));
        assert_eq!(
            parts(&[files.clone(), files.clone(), files].concat()).unwrap().len(),
            9,
            "enough files are read whole"
        );
    }

    #[test]
    fn direct_reads_take_every_byte_and_forgotten_files_are_not_resident() {
        // In the tree, not in /tmp: a file system in memory neither reads directly nor forgets.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("f");
        let bytes = (1 << 20) + 5000;
        std::fs::write(&path, vec![7; bytes]).unwrap();
        let files = [path];
        match read_parts(&Mutex::new(parts(&files).unwrap())) {
            Ok(read) => assert_eq!(read, bytes as u64),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => panic!("{error}"),
        }
        assert!(rate(&files).unwrap() > 0.0);
        std::fs::read(&files[0]).unwrap();
        let resident = || resident_share(&files, folder.path()).unwrap();
        if resident().is_some_and(|share| share > 0.99) {
            forget(&files).unwrap();
            assert_eq!(resident(), Some(0.0));
        }
    }
}
