//! Keeps what we write within its bounds: the files that were not used for longest go first.
//!
//! Only files with our endings are counted and removed. A file that is open or mapped stays readable after it went.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::place::is_ours;

/// Entries of folders that are looked at; what lies behind is neither counted nor removed.
const MAX_VISITED: usize = 400_000;
/// Of the bound, so much is left when the oldest are gone: not every file written ends in a walk.
const KEPT_PERCENT: u64 = 90;

/// A file of ours.
struct Found {
    used: SystemTime,
    len: u64,
    path: PathBuf,
}

/// Removes the oldest of our files below `top` if they take more than `limit_bytes`; says what is left in bytes.
///
/// Blocks on the disk.
pub(super) fn sweep(top: &Path, limit_bytes: u64) -> u64 {
    let mut found = walk(top);
    let mut total: u64 = found.iter().map(|file| file.len).sum();
    if total <= limit_bytes {
        return total;
    }
    let kept = limit_bytes / 100 * KEPT_PERCENT;
    found.sort_unstable_by_key(|file| file.used);
    let before = total;
    for file in found {
        if total <= kept {
            break;
        }
        if fs::remove_file(&file.path).is_ok() {
            total = total.saturating_sub(file.len);
        }
    }
    tracing::info!(bytes = before.saturating_sub(total), limit_bytes, "the oldest indexes were removed");
    total
}

fn walk(top: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    let mut visited = 0usize;
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        // A folder that cannot be read has nothing that we could remove.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            visited = visited.saturating_add(1);
            if visited > MAX_VISITED {
                return found;
            }
            // Of the entry itself: links are not followed.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_file() && entry.file_name().to_str().is_some_and(is_ours) {
                let times = [metadata.accessed(), metadata.modified()];
                let used = times.into_iter().flatten().max().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push(Found { used, len: metadata.len(), path: entry.path() });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A file of `len` bytes that was used `age` seconds after the beginning of time.
    fn put(folder: &Path, name: &str, len: usize, age: u64) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![0; len]).unwrap();
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
        let times = fs::FileTimes::new().set_accessed(used).set_modified(used);
        fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        path
    }

    #[test]
    fn the_oldest_of_ours_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        let film = put(top, "film.mp4", 10_000, 1);
        let old = put(top, "a/.film.mp4.rcx", 400, 2);
        let part = put(top, ".1-1.rcpart", 400, 3);
        let newer = put(top, "b/.other.mp4.2.rcp", 300, 4);
        let newest = put(top, "b/.other.mp4.rcx", 300, 5);
        assert_eq!(sweep(top, 1400), 1400, "at the limit");
        assert!(old.exists());
        // One past it: down to 90 percent.
        assert_eq!(sweep(top, 1399), 1000);
        assert_eq!(
            [&film, &old, &part, &newer, &newest].map(|path| path.exists()),
            [true, false, true, true, true]
        );
        assert_eq!(sweep(top, 650), 300);
        assert!(newest.exists() && film.exists());
    }
}
