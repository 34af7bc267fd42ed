//! Batches that wait on disk: one segment being written, closed ones in front of it.
//!
//! ```text
//!  FOLDER/00000000000000000041.events     closed: sent when its turn comes, deleted when it arrived
//!  FOLDER/00000000000000000042.events     being written; closed by size, by age, and by a restart
//!  FOLDER/dead/00000000000000000017.events  what the control plane refused, for the operator to look at
//! ```
//!
//! What was synced outlives a crash of the machine; what was written outlives the process. When it is full, the oldest
//! closed batch goes, and is counted. One process uses a folder. All of this blocks.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::event::{BATCH_BYTES_MAX, BatchId, Event};
use super::segment::{Head, Segment, SegmentError, line};
use crate::control::orders::order::{Name, UnixMicros};

const ENDING: &str = "events";

/// How much a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Bytes after which a segment is closed; no more than half of [`BATCH_BYTES_MAX`].
    pub segment_bytes: u64,
    /// Age at which a segment is closed.
    pub segment_age: Duration,
    /// Bytes of all closed segments.
    pub bytes: u64,
    /// Closed segments.
    pub batches: usize,
    /// Batches set aside.
    pub dead: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            segment_bytes: 256 << 10,
            segment_age: Duration::from_secs(10),
            bytes: 256 << 20,
            batches: 4096,
            dead: 64,
        }
    }
}

/// The queue of one node.
pub struct Queue {
    folder: PathBuf,
    node: Name,
    limits: QueueLimits,
    random: Box<dyn FnMut() -> u128 + Send>,
    closed: VecDeque<Closed>,
    closed_bytes: u64,
    open: Option<Open>,
    dead: VecDeque<u64>,
    next: u64,
    lost: Lost,
}

/// What did not arrive, and never will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Batches dropped because the queue was full.
    pub batches: u64,
    /// Events of them, and events too long or not written.
    pub events: u64,
    /// Batches set aside.
    pub dead: u64,
}

/// A batch whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Which segment it is.
    pub number: u64,
    /// Its name.
    pub id: BatchId,
    /// What is sent.
    pub body: Vec<u8>,
}

/// The disk's or the system's fault.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {error}", path.display())]
pub struct QueueError {
    doing: &'static str,
    path: PathBuf,
    error: io::Error,
}

#[derive(Debug)]
struct Closed {
    number: u64,
    len: u64,
    events: u64,
}

struct Open {
    number: u64,
    file: File,
    len: u64,
    events: u64,
    made_at: UnixMicros,
    /// Something was written since the last sync.
    dirty: bool,
    /// Its name is not durable yet.
    new: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Queue")
            .field("folder", &self.folder)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Opens the queue of `node` in `folder`, which is made where it is not there. Segments of an earlier process are
    /// closed, without what was torn off; files that are none are set aside. `random` gives the names of batches.
    ///
    /// # Errors
    /// When the folder cannot be made, read or repaired.
    pub fn open(
        folder: &Path,
        node: Name,
        limits: QueueLimits,
        random: impl FnMut() -> u128 + Send + 'static,
    ) -> Result<Self, QueueError> {
        let dead_folder = folder.join("dead");
        fs::create_dir_all(&dead_folder).map_err(failed("make", &dead_folder))?;
        let numbers = numbers_in(folder)?;
        let dead: VecDeque<u64> = numbers_in(&dead_folder)?.into();
        let last = numbers.iter().chain(&dead).max().copied().unwrap_or(0);
        let mut queue = Self {
            folder: folder.to_owned(),
            node,
            limits,
            random: Box::new(random),
            closed: VecDeque::new(),
            closed_bytes: 0,
            open: None,
            dead,
            next: last.saturating_add(1),
            lost: Lost::default(),
        };
        for number in numbers {
            queue.adopt(number)?;
        }
        queue.make_room()?;
        Ok(queue)
    }

    /// Takes on a segment of an earlier process.
    fn adopt(&mut self, number: u64) -> Result<(), QueueError> {
        let path = self.path(number);
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        match Segment::read(&bytes) {
            Ok(segment) if segment.events.is_empty() => self.remove(number),
            Ok(segment) => {
                if segment.len < bytes.len() {
                    let file = File::options().write(true).open(&path).map_err(failed("repair", &path))?;
                    let cut = file.set_len(segment.len as u64).and_then(|()| file.sync_all());
                    cut.map_err(failed("repair", &path))?;
                }
                self.push_closed(Closed {
                    number,
                    len: segment.len as u64,
                    events: segment.events.len() as u64,
                });
                Ok(())
            }
            // It was made, and nothing was written into it.
            Err(SegmentError::Head) if bytes.len() < BATCH_BYTES_MAX && !bytes.contains(&b'\n') => {
                self.remove(number)
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a segment of events is set aside");
                self.bury(number)
            }
        }
    }

    /// Writes `events` at the time `now`. They outlive the process from then on, and the machine after [`Self::sync`].
    /// One that is unknown or too long is counted as lost.
    ///
    /// # Errors
    /// When they could not be written; they are counted as lost then.
    pub fn append(&mut self, events: &[Event], now: UnixMicros) -> Result<(), QueueError> {
        let mut left = events;
        while let Some((event, rest)) = left.split_first() {
            let Some(json) = event.to_json() else {
                self.lost.events = self.lost.events.saturating_add(1);
                left = rest;
                continue;
            };
            if let Err(error) = self.append_line(&line(&json), now) {
                self.lost.events = self.lost.events.saturating_add(left.len() as u64);
                return Err(error);
            }
            left = rest;
        }
        Ok(())
    }

    fn append_line(&mut self, line: &str, now: UnixMicros) -> Result<(), QueueError> {
        if self.open.as_ref().is_some_and(|open| open.is_full(&self.limits)) {
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let open = self.begin(now)?;
                self.open.insert(open)
            }
        };
        if let Err(error) = open.file.write_all(line.as_bytes()) {
            let path = self.folder.join(file_name(open.number));
            // What is torn at its end is not read; the next event begins another.
            self.close()?;
            return Err(failed("write", &path)(error));
        }
        open.len = open.len.saturating_add(line.len() as u64);
        open.events = open.events.saturating_add(1);
        open.dirty = true;
        Ok(())
    }

    fn begin(&mut self, now: UnixMicros) -> Result<Open, QueueError> {
        let number = self.next;
        let path = self.path(number);
        let head = Head::new(BatchId((self.random)()), self.node.clone(), now).to_line();
        let made = File::options().write(true).create_new(true).open(&path);
        let mut file = made.map_err(failed("make", &path))?;
        self.next = self.next.saturating_add(1);
        file.write_all(head.as_bytes()).map_err(failed("write", &path))?;
        Ok(Open { number, file, len: head.len() as u64, events: 0, made_at: now, dirty: true, new: true })
    }

    /// What was written until now outlives a crash of the machine.
    ///
    /// # Errors
    /// When the disk does not say so.
    pub fn sync(&mut self) -> Result<(), QueueError> {
        let Some(open) = self.open.as_mut().filter(|open| open.dirty) else { return Ok(()) };
        let path = self.folder.join(file_name(open.number));
        open.file.sync_data().map_err(failed("sync", &path))?;
        if open.new {
            File::open(&self.folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed("sync", &self.folder))?;
        }
        open.dirty = false;
        open.new = false;
        Ok(())
    }

    /// Closes the segment being written if it is old enough at `now`.
    ///
    /// # Errors
    /// As [`Self::close`].
    pub fn close_if_old(&mut self, now: UnixMicros) -> Result<(), QueueError> {
        let age = self.limits.segment_age;
        let old = |open: &Open| open.made_at.plus(age) <= now || now < open.made_at;
        if self.open.as_ref().is_some_and(old) { self.close() } else { Ok(()) }
    }

    /// Closes the segment being written, so that it is sent.
    ///
    /// # Errors
    /// When what is in it may not outlive a crash, or the oldest could not be removed. It is closed all the same.
    pub fn close(&mut self) -> Result<(), QueueError> {
        let synced = self.sync();
        if let Some(open) = self.open.take() {
            if open.events == 0 {
                return self.remove(open.number);
            }
            self.push_closed(Closed { number: open.number, len: open.len, events: open.events });
            self.make_room()?;
        }
        synced
    }

    /// The oldest closed batch. What cannot be read any more is set aside.
    ///
    /// # Errors
    /// When it could not be set aside.
    pub fn due(&mut self) -> Result<Option<Due>, QueueError> {
        while let Some(closed) = self.closed.front() {
            let (number, path) = (closed.number, self.path(closed.number));
            let bytes = fs::read(&path).unwrap_or_default();
            match Segment::read(&bytes) {
                Ok(segment) => return Ok(Some(Due { number, id: segment.head.id, body: segment.to_body() })),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a segment of events is set aside");
                    self.set_aside(number)?;
                }
            }
        }
        Ok(None)
    }

    /// The batch arrived.
    ///
    /// # Errors
    /// When its file could not be removed; it will be sent once more after a restart.
    pub fn delivered(&mut self, number: u64) -> Result<(), QueueError> {
        self.forget(number);
        self.remove(number)
    }

    /// The batch is refused, and kept for the operator as long as there is room.
    ///
    /// # Errors
    /// When its file could not be moved.
    pub fn set_aside(&mut self, number: u64) -> Result<(), QueueError> {
        self.forget(number);
        self.bury(number)
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.closed_bytes.saturating_add(self.open.as_ref().map_or(0, |open| open.len))
    }

    /// Closed batches that wait.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.closed.len()
    }

    /// What was lost since it was opened.
    #[must_use]
    pub const fn lost(&self) -> Lost {
        self.lost
    }

    /// Counts events that never came here.
    pub const fn lose(&mut self, events: u64) {
        self.lost.events = self.lost.events.saturating_add(events);
    }

    fn push_closed(&mut self, closed: Closed) {
        self.closed_bytes = self.closed_bytes.saturating_add(closed.len);
        self.closed.push_back(closed);
    }

    /// Takes the batch out of the list, if it is in it.
    fn forget(&mut self, number: u64) {
        if let Some(at) = self.closed.iter().position(|closed| closed.number == number)
            && let Some(closed) = self.closed.remove(at)
        {
            self.closed_bytes = self.closed_bytes.saturating_sub(closed.len);
        }
    }

    fn make_room(&mut self) -> Result<(), QueueError> {
        while self.closed.len() > self.limits.batches || self.closed_bytes > self.limits.bytes {
            let Some(oldest) = self.closed.pop_front() else { break };
            self.closed_bytes = self.closed_bytes.saturating_sub(oldest.len);
            self.lost.batches = self.lost.batches.saturating_add(1);
            self.lost.events = self.lost.events.saturating_add(oldest.events);
            self.remove(oldest.number)?;
        }
        Ok(())
    }

    fn bury(&mut self, number: u64) -> Result<(), QueueError> {
        let (from, to) = (self.path(number), self.folder.join("dead").join(file_name(number)));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("set aside", &from)(error));
            }
            _ => {}
        }
        self.lost.dead = self.lost.dead.saturating_add(1);
        self.dead.push_back(number);
        while self.dead.len() > self.limits.dead {
            let Some(oldest) = self.dead.pop_front() else { break };
            let path = self.folder.join("dead").join(file_name(oldest));
            gone(fs::remove_file(&path)).map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    fn remove(&self, number: u64) -> Result<(), QueueError> {
        let path = self.path(number);
        gone(fs::remove_file(&path)).map_err(failed("remove", &path))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(file_name(number))
    }
}

impl Open {
    const fn is_full(&self, limits: &QueueLimits) -> bool {
        self.len >= limits.segment_bytes
    }
}

fn file_name(number: u64) -> String {
    format!("{number:020}.{ENDING}")
}

/// The numbers of the segments in `folder`, rising.
fn numbers_in(folder: &Path) -> Result<Vec<u64>, QueueError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let name = entry.map_err(failed("read", folder))?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(ENDING)?.strip_suffix('.'));
        numbers.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> QueueError {
    let path = path.to_owned();
    move |error| QueueError { doing, path, error }
}
