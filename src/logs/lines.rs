//! Where log lines go: the access log's wait a moment for others, all the rest is written at once.
//!
//! ```text
//!  access line ─▶ pending ── every 100 ms, or when 64 KiB wait ──▶ thread ──▶ standard error
//!  other line ──────────────────────────────── behind what is pending ──────▶ standard error
//! ```
//!
//! A core that answers a hundred thousand requests a second must not make as many system calls for its log, nor wait for
//! who reads it. Invariants: lines leave in the order they came; at most [`PENDING_BYTES`] wait, what comes beyond is
//! counted, and told of when there is room again.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long they wait at most, where the reader keeps up.
const WAIT: Duration = Duration::from_millis(100);
/// So many bytes do not wait.
const BATCH_BYTES: usize = 64 << 10;
/// Room that is kept for the next batch.
const SPARE_BYTES: usize = 2 * BATCH_BYTES;
/// Bytes that wait for a reader that does not keep up.
const PENDING_BYTES: usize = 4 << 20;

/// The lines of a process, on their way to `W`. Cloning shares them.
pub(super) struct Lines<W>(Arc<Shared<W>>);

struct Shared<W> {
    pending: Mutex<Pending>,
    /// Tells the thread of a full batch or of the end.
    wake: Condvar,
    /// Taken before `pending`, so that lines stay in order.
    out: Mutex<Out<W>>,
}

struct Out<W> {
    sink: W,
    /// Room for the lines that come while those before them are written: new memory for each batch would cost more than
    /// the lines.
    spare: Vec<u8>,
}

#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Lines that found no room.
    lost: u64,
    /// Nobody empties this any more: lines are written at once.
    is_closed: bool,
}

/// Writes what waits, until dropped; then it writes the rest.
pub(super) struct Flusher<W: Write + Send + 'static> {
    lines: Lines<W>,
    thread: Option<JoinHandle<()>>,
}

impl<W> Clone for Lines<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> Lines<W> {
    /// Lines for `out`.
    pub(super) fn new(out: W) -> Self {
        let out = Mutex::new(Out { sink: out, spare: Vec::new() });
        Self(Arc::new(Shared { pending: Mutex::default(), wake: Condvar::new(), out }))
    }

    /// Starts the thread that writes what waits.
    ///
    /// # Errors
    /// When there can be no thread; lines wait for the next that may not, then.
    pub(super) fn flush_in_background(&self) -> io::Result<Flusher<W>> {
        let lines = self.clone();
        let thread =
            std::thread::Builder::new().name("log".to_owned()).spawn(move || lines.flush_until_closed())?;
        Ok(Flusher { lines: self.clone(), thread: Some(thread) })
    }

    fn flush_until_closed(&self) {
        loop {
            let pending = self.pending();
            let waited = self.0.wake.wait_timeout_while(pending, WAIT, |pending| {
                pending.bytes.len() < BATCH_BYTES && !pending.is_closed
            });
            let is_closed = waited.unwrap_or_else(PoisonError::into_inner).0.is_closed;
            self.write_out(&[]);
            if is_closed {
                return;
            }
        }
    }

    /// Writes what waits, and `line` behind it.
    fn write_out(&self, line: &[u8]) {
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { sink: out, spare } = &mut *out;
        let (mut bytes, lost) = {
            let mut pending = self.pending();
            let lost = std::mem::take(&mut pending.lost);
            (std::mem::replace(&mut pending.bytes, std::mem::take(spare)), lost)
        };
        // Where the log itself cannot be written, there is nobody to tell.
        let _ = out.write_all(&bytes);
        if lost > 0 {
            let _ = writeln!(out, "{lost} lines of the access log were lost: its reader is too slow");
        }
        let _ = out.write_all(line);
        let _ = out.flush();
        bytes.clear();
        bytes.shrink_to(SPARE_BYTES);
        *spare = bytes;
    }

    /// Takes a line of the access log, which may wait.
    pub(super) fn push(&self, line: &[u8]) {
        let mut pending = self.pending();
        if pending.is_closed {
            drop(pending);
            return self.write_out(line);
        }
        if pending.bytes.len().saturating_add(line.len()) > PENDING_BYTES {
            pending.lost = pending.lost.saturating_add(1);
            return;
        }
        let before = pending.bytes.len();
        pending.bytes.extend_from_slice(line);
        if before < BATCH_BYTES && pending.bytes.len() >= BATCH_BYTES {
            self.0.wake.notify_one();
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Send + 'static> Drop for Flusher<W> {
    fn drop(&mut self) {
        self.lines.pending().is_closed = true;
        self.lines.0.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, what waits is written all the same.
            let _ = thread.join();
        }
        self.lines.write_out(&[]);
    }
}

/// Takes the lines that do not wait.
pub(super) struct AtOnce<'a, W>(&'a Lines<W>);

impl<W: Write + Send + 'static> Write for AtOnce<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_out(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + Send + 'static> MakeWriter<'a> for Lines<W> {
    type Writer = AtOnce<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        AtOnce(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, seen from outside.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().expect("nobody panicked")).into_owned()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn access_lines_wait_and_leave_before_the_next_other_line() {
        let paper = Paper::default();
        let lines = Lines::new(paper.clone());
        lines.push(b"one\n");
        lines.push(b"two\n");
        assert_eq!(paper.text(), "");
        lines.write_out(b"a warning\n");
        assert_eq!(paper.text(), "one\ntwo\na warning\n");
    }

    #[test]
    fn nothing_is_lost_at_the_end_nor_behind_it() {
        let paper = Paper::default();
        let lines = Lines::new(paper.clone());
        let flusher = lines.flush_in_background().expect("a thread");
        lines.push(b"one\n");
        drop(flusher);
        assert_eq!(paper.text(), "one\n");
        lines.push(b"late\n");
        assert_eq!(paper.text(), "one\nlate\n");
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told() {
        let paper = Paper::default();
        let lines = Lines::new(paper.clone());
        lines.push(&vec![b'x'; PENDING_BYTES]);
        lines.push(b"y");
        lines.push(b"z");
        lines.write_out(b"");
        let text = paper.text();
        let told = text.trim_start_matches('x');
        assert_eq!(text.len() - told.len(), PENDING_BYTES);
        assert_eq!(told, "2 lines of the access log were lost: its reader is too slow\n");
        lines.push(b"room again\n");
        lines.write_out(b"");
        assert!(paper.text().ends_with("slow\nroom again\n"));
    }
}
