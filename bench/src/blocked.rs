//! How much of the time the threads that serve connections wait for a disk: seen from outside, by looking
//! at their state many times a second (proc(5), `D`). It asks nothing of the server, so it cannot flatter it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Names of the threads that serve connections begin so.
const CORE_THREADS: &str = "http-core-";
/// Between two looks; a look takes some microseconds of the client's core.
const EVERY: Duration = Duration::from_micros(500);

/// Someone who looks.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<Looks>,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Looks {
    all: u64,
    blocked: u64,
}

impl Watch {
    /// Begins to look at the threads of process `pid`, which must have some that serve connections.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) fn begin(pid: u32) -> io::Result<Self> {
        let stats = core_threads(pid)?;
        if stats.is_empty() {
            return Err(io::Error::other(format!("process {pid} has no thread called {CORE_THREADS}…")));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let asked_to_stop = Arc::clone(&stop);
        let looking = thread::spawn(move || {
            let mut looks = Looks::default();
            while !asked_to_stop.load(Ordering::Relaxed) {
                // A thread that ended is not blocked.
                for state in stats.iter().filter_map(|stat| state(&fs::read_to_string(stat).ok()?)) {
                    looks.all += 1;
                    looks.blocked += u64::from(state == 'D');
                }
                thread::sleep(EVERY);
            }
            looks
        });
        Ok(Self { stop, looking })
    }

    /// The share of the looks that found a thread waiting for a disk.
    pub(crate) fn end(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        let looks = self.looking.join().unwrap_or_default();
        looks.blocked as f64 / looks.all.max(1) as f64
    }
}

/// The `stat` files of the threads that serve connections.
fn core_threads(pid: u32) -> io::Result<Vec<PathBuf>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?.flatten().map(|entry| entry.path());
    let serves = |thread: &PathBuf| {
        fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with(CORE_THREADS))
    };
    Ok(threads.filter(serves).map(|thread| thread.join("stat")).collect())
}

/// The state in a line of `/proc/PID/task/TID/stat`: after the name, which may hold anything.
fn state(line: &str) -> Option<char> {
    line.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_the_last_parenthesis() {
        assert_eq!(state("7 (http-core-0) D 1 1"), Some('D'));
        assert_eq!(state("7 (a) R (x) S 1 1"), Some('S'));
        assert_eq!(state(""), None);
    }

    #[test]
    fn only_threads_that_serve_are_looked_at() {
        let pid = std::process::id();
        let (begin, end) = std::sync::mpsc::sync_channel::<()>(0);
        let named = thread::Builder::new().name("http-core-7".into());
        let thread = named.spawn(move || end.recv().is_err()).unwrap();
        // The name is set by the new thread itself, soon.
        while core_threads(pid).unwrap().is_empty() {
            thread::yield_now();
        }
        assert_eq!(core_threads(pid).unwrap().len(), 1);
        let watch = Watch::begin(pid).unwrap();
        assert_eq!(watch.end(), 0.0, "it waits for us, not for a disk");
        drop(begin);
        assert!(thread.join().unwrap());
        assert!(core_threads(pid).unwrap().is_empty());
        assert!(Watch::begin(pid).is_err());
    }
}
