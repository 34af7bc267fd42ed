//! Many viewers of one live stream: each asks for the next playlist before it is there, and when it comes, for the part it
//! lists, if so, and for the playlist after it. One thread, a connection a viewer.
//!
//! ```text
//!  Playlist(n) ──answer lists up to m ≥ n──▶ Part(n) … Part(m) ──▶ Playlist(m + 1) ──▶ …
//!                                   └─ without parts ─────────────▶ Playlist(m + 1)
//! ```
//!
//! Answers are read before anybody asks again: a thousand viewers are a thousand machines, and none of them gets its
//! playlist later because another one asks.
//!
//! Every playlist is compared with what it must be, byte for byte; parts are counted. What is measured is the time from
//! the arrival of the part at the origin to the last byte at the viewer; one who fell behind has waited all that time.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use crate::live_stream::{LiveStream, PLAYLIST};
use crate::load::connection::{connect, drop_bytes};
use crate::load::{CONNECTIONS_A_SOURCE, Request};
use crate::measure::{self, Usage};
use crate::response::Response;

/// A run with more errors than this is stopped: it measures nothing.
const ERRORS_MAX: u64 = 50;
/// Read at once: a head and a playlist.
const READ_BYTES: usize = 16 * 1024;
/// Most bytes of a part dropped in one call.
const DROP_BYTES: usize = 1 << 20;
/// Reads of one viewer before the next gets its turn.
const READS_A_TURN: usize = 16;
/// Viewers who ask before it is looked whether answers came.
const ASKS_A_TURN: usize = 32;
/// Longest wait for an event: how exact the end of the warm-up and of the run is.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Who watches what.
#[derive(Debug)]
pub(crate) struct Audience<'a> {
    /// The server.
    pub(crate) address: SocketAddr,
    /// The root of its process tree.
    pub(crate) pid: u32,
    /// The stream that it gives on.
    pub(crate) stream: &'a LiveStream,
    /// How many.
    pub(crate) viewers: usize,
    /// Whether they fetch the parts too.
    pub(crate) parts: bool,
    /// Not counted.
    pub(crate) warm_up: Duration,
    /// Counted.
    pub(crate) duration: Duration,
}

/// What they saw, warm-up left out.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From the arrival of the part that was asked for to the whole playlist, sorted, in microseconds.
    pub(crate) playlist_us: Vec<u32>,
    /// The same to the whole part.
    pub(crate) part_us: Vec<u32>,
    /// First and last part that arrived in the counted time.
    pub(crate) arrived: (u64, u64),
    /// Length of the counted time.
    pub(crate) seconds: f64,
    /// CPU seconds used, and resident memory at the end, when nearly all wait.
    pub(crate) server: Usage,
    /// CPU seconds the client used.
    pub(crate) client_cpu_s: f64,
    /// Wrong answers and broken connections; also those of the warm-up.
    pub(crate) errors: u64,
    /// What the first of them was.
    pub(crate) first_error: Option<String>,
}

/// What a viewer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// The playlist as it is.
    Now,
    /// The playlist that lists this part.
    Playlist(u64),
    /// A part, and all up to the other.
    Part(u64, u64),
}

/// One viewer.
struct Viewer {
    stream: TcpStream,
    due: Due,
    response: Response,
    /// A playlist on its way.
    body: Vec<u8>,
}

/// All of them.
struct Hall<'a> {
    audience: &'a Audience<'a>,
    epoll: OwnedFd,
    viewers: Vec<Viewer>,
    /// Who asks next.
    asking: VecDeque<usize>,
    part_bytes: u64,
    /// The playlist that was compared last, and the last part in it.
    playlist: (u64, String),
    /// For bytes that are read, and for bytes that are dropped.
    buffer: Vec<u8>,
    seen: Seen,
}

/// Lets `audience` watch.
///
/// # Errors
/// When connections cannot be opened at all.
pub(crate) fn watch(audience: &Audience<'_>) -> io::Result<Seen> {
    let mut hall = Hall {
        audience,
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        viewers: Vec::with_capacity(audience.viewers),
        asking: VecDeque::with_capacity(audience.viewers),
        part_bytes: audience.stream.part_bytes(),
        playlist: (0, String::new()),
        buffer: vec![0; DROP_BYTES],
        seen: Seen::default(),
    };
    hall.seat_all()?;
    hall.serve_until(measure::now() + audience.warm_up)?;
    let before = (measure::usage(audience.pid), measure::own_cpu_s(), measure::now());
    let Seen { errors, first_error, .. } = std::mem::take(&mut hall.seen);
    hall.seen = Seen { errors, first_error, ..Seen::default() };
    hall.serve_until(before.2 + audience.duration)?;
    let (after, end) = (measure::usage(audience.pid), measure::now());
    let mut seen = hall.seen;
    seen.arrived = (audience.stream.newest(before.2) + 1, audience.stream.newest(end));
    seen.seconds = end.duration_since(before.2).as_secs_f64();
    seen.server = Usage { cpu_s: after.cpu_s - before.0.cpu_s, resident_bytes: after.resident_bytes };
    seen.client_cpu_s = measure::own_cpu_s() - before.1;
    seen.playlist_us.sort_unstable();
    seen.part_us.sort_unstable();
    Ok(seen)
}

impl Hall<'_> {
    /// Opens all connections; each viewer who comes asks for the playlist, and is served while others come.
    fn seat_all(&mut self) -> io::Result<()> {
        for number in 0..self.audience.viewers {
            let stream = connect(self.audience.address, number / CONNECTIONS_A_SOURCE)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN | epoll::EventFlags::RDHUP)?;
            self.viewers.push(Viewer { stream, due: Due::Now, response: Response::new(), body: Vec::new() });
            self.asking.push_back(number);
            if number % ASKS_A_TURN == 0 {
                self.serve_once()?;
            }
        }
        Ok(())
    }

    fn serve_until(&mut self, end: Instant) -> io::Result<()> {
        while measure::now() < end && self.seen.errors <= ERRORS_MAX {
            self.serve_once()?;
        }
        Ok(())
    }

    /// Reads what has come; when nothing has, lets some ask.
    fn serve_once(&mut self) -> io::Result<()> {
        let wait = if self.asking.is_empty() { WAIT } else { Timespec::default() };
        let mut events = Vec::with_capacity(1024);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            self.turn(event.data.u64() as usize)?;
        }
        if events.is_empty() {
            for number in (0..ASKS_A_TURN).map_while(|_| self.asking.pop_front()).collect::<Vec<_>>() {
                self.ask(number);
            }
        }
        Ok(())
    }

    fn turn(&mut self, number: usize) -> io::Result<()> {
        let Some(viewer) = self.viewers.get_mut(number) else { return Ok(()) };
        match viewer.read(&mut self.buffer) {
            Ok(false) => {}
            Ok(true) => match self.take(number) {
                Ok(next) => {
                    if let Some(viewer) = self.viewers.get_mut(number) {
                        viewer.due = next;
                    }
                    self.asking.push_back(number);
                }
                Err(reason) => self.fail(number, reason)?,
            },
            Err(error) => self.fail(number, error.to_string())?,
        }
        Ok(())
    }

    /// Looks at the whole answer of viewer `number`; what to ask for next.
    fn take(&mut self, number: usize) -> Result<Due, String> {
        let viewer = self.viewers.get(number).ok_or("a viewer who is not there")?;
        let (status, bytes) = (viewer.response.status, viewer.response.body_bytes);
        if status != 200 {
            return Err(format!("status {status} for {:?}", viewer.due));
        }
        let now = measure::now();
        match viewer.due {
            Due::Part(index, last) => {
                if bytes != self.part_bytes {
                    return Err(format!("a part of {bytes} bytes, not {}", self.part_bytes));
                }
                self.seen.part_us.push(self.since_arrival(index, now));
                Ok(if index < last { Due::Part(index + 1, last) } else { Due::Playlist(last + 1) })
            }
            Due::Now | Due::Playlist(_) => {
                let last = self.compare(number)?;
                let Due::Playlist(index) = self.viewers.get(number).map_or(Due::Now, |viewer| viewer.due)
                else {
                    return Ok(Due::Playlist(last + 1));
                };
                if last < index {
                    return Err(format!("a playlist that ends with part {last}, before part {index}"));
                }
                self.seen.playlist_us.push(self.since_arrival(index, now));
                Ok(if self.audience.parts { Due::Part(index, last) } else { Due::Playlist(last + 1) })
            }
        }
    }

    /// The last part of the playlist of viewer `number`, if the playlist is what it must be.
    fn compare(&mut self, number: usize) -> Result<u64, String> {
        let body = self.viewers.get(number).map_or(&[] as &[u8], |viewer| &viewer.body);
        let last = LiveStream::last_listed(body).ok_or("an answer that is not the playlist")?;
        if self.playlist.0 != last {
            self.playlist = (last, self.audience.stream.playlist(last));
        }
        let right = self.playlist.1.as_bytes() == body;
        if right { Ok(last) } else { Err(format!("another playlist than that of part {last}")) }
    }

    fn since_arrival(&self, index: u64, now: Instant) -> u32 {
        let waited = now.saturating_duration_since(self.audience.stream.arrival(index));
        u32::try_from(waited.as_micros()).unwrap_or(u32::MAX)
    }

    fn ask(&mut self, number: usize) {
        let Some(viewer) = self.viewers.get_mut(number) else { return };
        let path = match viewer.due {
            Due::Now => PLAYLIST.to_owned(),
            Due::Playlist(index) => LiveStream::blocking(index),
            Due::Part(index, _) => LiveStream::part_path(index),
        };
        viewer.response.reset();
        viewer.body.clear();
        // A request is far smaller than an empty send buffer, so it goes out whole; a connection that the server closed
        // shows when it is read.
        let _ = viewer.stream.write_all(&Request::get(&path, false, 0).wire);
    }

    /// Counts a fault; the viewer comes again.
    fn fail(&mut self, number: usize, reason: String) -> io::Result<()> {
        self.seen.errors += 1;
        self.seen.first_error.get_or_insert(reason);
        let stream = connect(self.audience.address, number / CONNECTIONS_A_SOURCE)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN | epoll::EventFlags::RDHUP)?;
        if let Some(viewer) = self.viewers.get_mut(number) {
            (viewer.stream, viewer.due) = (stream, Due::Now);
        }
        self.asking.push_back(number);
        Ok(())
    }
}

impl Viewer {
    /// Reads what there is, within a turn: whether the answer is whole.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        for _ in 0..READS_A_TURN {
            match self.read_once(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) if self.response.is_done() => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let (Due::Part(..), Some(left)) = (self.due, self.response.droppable()) {
            let count = drop_bytes(&self.stream, left, buffer)?;
            self.response.dropped(count as u64);
            return Ok(count);
        }
        let target = buffer.get_mut(..READ_BYTES).unwrap_or_default();
        let count = self.stream.read(target)?;
        let (bytes, body) = (target.get(..count).unwrap_or_default(), &mut self.body);
        let keep = matches!(self.due, Due::Now | Due::Playlist(_));
        let taken = self.response.supply(bytes, |piece| {
            if keep {
                body.extend_from_slice(piece);
            }
        });
        if taken.map_err(io::Error::other)? < count {
            return Err(io::Error::other("bytes after the end of an answer"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::canned;
    use crate::measure::Cores;
    use crate::scripted::Origin;

    fn audience(address: SocketAddr, stream: &LiveStream, parts: bool) -> Audience<'_> {
        let (warm_up, duration) = (Duration::from_millis(20), Duration::from_millis(500));
        Audience { address, pid: std::process::id(), stream, viewers: 3, parts, warm_up, duration }
    }

    #[test]
    fn viewers_of_the_origin_itself_see_every_playlist_and_part() {
        let stream = Arc::new(LiveStream::begin(Duration::from_millis(200)));
        let core = Cores::of_this_machine().unwrap().client;
        let origin = Origin::start(Arc::clone(&stream), core).unwrap();
        for parts in [false, true] {
            // A busy machine may need more than one look.
            let looks = (0..100).map(|_| watch(&audience(origin.address, &stream, parts)).unwrap());
            let mut looks = looks.filter(|seen| seen.playlist_us.len() >= 3);
            let seen = looks.next().unwrap();
            assert_eq!((seen.errors, seen.first_error), (0, None));
            assert!(seen.playlist_us.is_sorted());
            assert!(parts || seen.part_us.is_empty());
            assert!(seen.arrived.0 <= seen.arrived.1);
        }
    }

    #[test]
    fn a_playlist_that_is_none_or_another_is_an_error() {
        let stream = LiveStream::begin(Duration::from_millis(200));
        let refused = canned::server(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n");
        let error = watch(&audience(refused, &stream, false)).unwrap().first_error.unwrap();
        assert!(error.contains("status 400"), "{error}");
        let other = canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n#EXTM3U\"77.m4s\"\n!");
        let error = watch(&audience(other, &stream, false)).unwrap().first_error.unwrap();
        assert!(error.contains("not the playlist"), "{error}");
        let other = canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n#EXTM3U\"77.m4s\"\n");
        let error = watch(&audience(other, &stream, false)).unwrap().first_error.unwrap();
        assert!(error.contains("another playlist"), "{error}");
    }
}
