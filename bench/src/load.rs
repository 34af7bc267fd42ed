//! The load client: closed loop, HTTP/1.1 keep-alive, one thread, many connections.
//!
//! Each connection asks for the next of a list of requests as soon as its answer is whole. Bodies of
//! known length are dropped inside the kernel (`MSG_TRUNC`, tcp(7)), so that copying them is not what
//! limits a run. Status and length of every answer are checked.
//!
//! Bounds: a run ends at its deadline whatever the server does, or after [`ERRORS_MAX`] errors.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::net::RecvFlags;

use crate::measure::{self, Usage};
use crate::response::Response;

/// A run with more errors than this is stopped: it measures nothing.
const ERRORS_MAX: u64 = 50;
/// Most bytes dropped in one call. The buffer behind it is never touched.
const DROP_BYTES: usize = 1 << 20;
/// Read at once while the head is awaited; body bytes in it are copied.
const HEAD_READ_BYTES: usize = 16 * 1024;
/// Reads of one connection before the next gets its turn.
const READS_A_TURN: usize = 16;
/// Longest wait for an event: how exact the end of the warm-up and of the run is.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// One request of a load, ready to send.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Its bytes on the wire.
    pub(crate) wire: Vec<u8>,
    /// Length of the body that must come back.
    pub(crate) body_bytes: u64,
}

impl Request {
    /// A GET of `path`; the answer must have `body_bytes`.
    pub(crate) fn get(path: &str, gzip: bool, body_bytes: u64) -> Self {
        let coding = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let wire =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: rillcast-bench\r\n{coding}\r\n");
        Self { wire: wire.into_bytes(), body_bytes }
    }
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    /// The server.
    pub(crate) address: SocketAddr,
    /// The root of its process tree.
    pub(crate) pid: u32,
    /// Asked for in this order, round and round.
    pub(crate) requests: &'a [Request],
    /// Connections, all opened at the start.
    pub(crate) connections: usize,
    /// Not counted.
    pub(crate) warm_up: Duration,
    /// Counted.
    pub(crate) duration: Duration,
}

/// What came of it, warm-up left out.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Answers that were whole and right.
    pub(crate) requests: u64,
    /// Their body bytes.
    pub(crate) body_bytes: u64,
    /// Length of the counted time.
    pub(crate) seconds: f64,
    /// From sending to the last byte, sorted, in microseconds.
    pub(crate) latency_us: Vec<u32>,
    /// From sending to the first byte, sorted, in microseconds.
    pub(crate) first_byte_us: Vec<u32>,
    /// CPU seconds used, and resident memory at the end.
    pub(crate) server: Usage,
    /// CPU seconds the client used: near the counted time, the client is what limits.
    pub(crate) client_cpu_s: f64,
    /// Answers that were wrong, and broken connections; also those of the warm-up.
    pub(crate) errors: u64,
    /// What the first of them was.
    pub(crate) first_error: Option<String>,
}

/// Runs `load` and returns what it measured.
///
/// # Errors
/// When connections cannot be opened at all.
pub(crate) fn run(load: &Load<'_>) -> io::Result<Outcome> {
    let mut client = Client::connect(load)?;
    let start = measure::now();
    let warm = start + load.warm_up;
    let end = warm + load.duration;
    client.serve_until(warm)?;
    let before = (measure::usage(load.pid), measure::own_cpu_s(), measure::now());
    client.begin_counting();
    client.serve_until(end)?;
    let seconds = before.2.elapsed().as_secs_f64();
    let after = measure::usage(load.pid);
    let mut outcome = client.outcome;
    outcome.seconds = seconds;
    outcome.server = Usage { cpu_s: after.cpu_s - before.0.cpu_s, resident_bytes: after.resident_bytes };
    outcome.client_cpu_s = measure::own_cpu_s() - before.1;
    outcome.latency_us.sort_unstable();
    outcome.first_byte_us.sort_unstable();
    Ok(outcome)
}

struct Client<'a> {
    load: &'a Load<'a>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    next_request: usize,
    outcome: Outcome,
}

struct Connection {
    stream: TcpStream,
    response: Response,
    /// Length of the body that is due.
    due_bytes: u64,
    sent: Instant,
    first_byte: Option<Instant>,
}

/// What a turn of one connection came to.
enum Turn {
    /// Nothing more to read now.
    Waits,
    /// The answer is whole.
    Answered,
    /// The connection is of no more use.
    Broken(String),
}

impl<'a> Client<'a> {
    fn connect(load: &'a Load<'a>) -> io::Result<Self> {
        let mut client = Self {
            load,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(load.connections),
            buffer: vec![0; DROP_BYTES],
            next_request: 0,
            outcome: Outcome::default(),
        };
        for number in 0..load.connections {
            let connection = Connection::open(load.address)?;
            client.watch(&connection, number)?;
            client.connections.push(connection);
        }
        for number in 0..load.connections {
            client.ask(number)?;
        }
        Ok(client)
    }

    fn watch(&self, connection: &Connection, number: usize) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        Ok(epoll::add(
            &self.epoll,
            &connection.stream,
            data,
            epoll::EventFlags::IN | epoll::EventFlags::RDHUP,
        )?)
    }

    fn begin_counting(&mut self) {
        let Outcome { errors, first_error, .. } = std::mem::take(&mut self.outcome);
        self.outcome = Outcome { errors, first_error, ..Outcome::default() };
    }

    fn serve_until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = Vec::with_capacity(self.load.connections.max(1));
        while measure::now() < end && self.outcome.errors <= ERRORS_MAX {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&WAIT)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.turn(event.data.u64() as usize)?;
            }
        }
        Ok(())
    }

    fn turn(&mut self, number: usize) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(number) else { return Ok(()) };
        match connection.read(&mut self.buffer) {
            Turn::Waits => Ok(()),
            Turn::Answered => {
                let wrong = connection.fault();
                let keep_alive = connection.response.keep_alive;
                match wrong {
                    Some(wrong) => self.fail(wrong),
                    None => self.count(number),
                }
                if keep_alive { self.ask(number) } else { self.reopen(number) }
            }
            Turn::Broken(reason) => {
                self.fail(reason);
                self.reopen(number)
            }
        }
    }

    fn count(&mut self, number: usize) {
        let Some(connection) = self.connections.get(number) else { return };
        let micros = |until: Instant| {
            u32::try_from(until.duration_since(connection.sent).as_micros()).unwrap_or(u32::MAX)
        };
        let outcome = &mut self.outcome;
        outcome.requests += 1;
        outcome.body_bytes += connection.response.body_bytes;
        outcome.latency_us.push(micros(measure::now()));
        outcome.first_byte_us.push(connection.first_byte.map_or(0, micros));
    }

    fn fail(&mut self, reason: String) {
        self.outcome.errors += 1;
        self.outcome.first_error.get_or_insert(reason);
    }

    fn reopen(&mut self, number: usize) -> io::Result<()> {
        let fresh = Connection::open(self.load.address)?;
        self.watch(&fresh, number)?;
        if let Some(connection) = self.connections.get_mut(number) {
            *connection = fresh;
        }
        self.ask(number)
    }

    fn ask(&mut self, number: usize) -> io::Result<()> {
        let count = self.load.requests.len().max(1);
        let request = self.load.requests.get(self.next_request % count);
        self.next_request = (self.next_request + 1) % count;
        let (Some(request), Some(connection)) = (request, self.connections.get_mut(number)) else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "a load needs at least one request"));
        };
        connection.response.reset();
        connection.due_bytes = request.body_bytes;
        connection.first_byte = None;
        connection.sent = measure::now();
        // A request is far smaller than an empty send buffer, so it goes out whole; a connection that
        // the server closed shows when it is read.
        if connection.stream.write_all(&request.wire).is_err() {
            self.fail("a request could not be sent".to_owned());
        }
        Ok(())
    }
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, response: Response::new(), due_bytes: 0, sent: measure::now(), first_byte: None })
    }

    /// What is wrong with the whole answer, if anything.
    fn fault(&self) -> Option<String> {
        let (status, length) = (self.response.status, self.response.body_bytes);
        let right = status == 200 && length == self.due_bytes;
        (!right).then(|| format!("status {status} with {length} bytes, not 200 with {}", self.due_bytes))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Turn {
        for _ in 0..READS_A_TURN {
            match self.read_once(buffer) {
                Ok(0) => return Turn::Broken("the connection ended inside an answer".to_owned()),
                Ok(_) if self.response.is_done() => return Turn::Answered,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Turn::Waits,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Turn::Broken(error.to_string()),
            }
        }
        Turn::Waits
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(left) = self.response.droppable() {
            let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let target = buffer.get_mut(..want).unwrap_or_default();
            let (_, count) = rustix::net::recv(&self.stream, target, RecvFlags::TRUNC)?;
            self.response.dropped(count as u64);
            return Ok(count);
        }
        let target = buffer.get_mut(..HEAD_READ_BYTES).unwrap_or_default();
        let count = self.stream.read(target)?;
        if count > 0 {
            self.first_byte.get_or_insert_with(measure::now);
            let bytes = target.get(..count).unwrap_or_default();
            let taken = self.response.supply(bytes, |_| {}).map_err(io::Error::other)?;
            if taken < count {
                return Err(io::Error::other("bytes after the end of an answer"));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    fn outcome(address: SocketAddr, body_bytes: u64) -> Outcome {
        let requests = [Request::get("/x", false, body_bytes)];
        let load = Load {
            address,
            pid: std::process::id(),
            requests: &requests,
            connections: 3,
            warm_up: Duration::from_millis(20),
            duration: Duration::from_millis(80),
        };
        run(&load).unwrap()
    }

    #[test]
    fn right_answers_are_counted_with_their_bytes() {
        let outcome = outcome(canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), 5);
        assert_eq!((outcome.errors, outcome.first_error), (0, None));
        assert!(outcome.requests > 0);
        assert_eq!(outcome.body_bytes, outcome.requests * 5);
        assert_eq!(outcome.latency_us.len() as u64, outcome.requests);
        assert!(outcome.latency_us.is_sorted());
    }

    #[test]
    fn a_wrong_length_or_status_is_an_error_and_ends_the_run() {
        let short = outcome(canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), 6);
        assert_eq!(short.requests, 0);
        assert!(short.errors > 0 && short.first_error.unwrap().contains("5 bytes"));
        let refused = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert!(outcome(canned::server(refused), 0).first_error.unwrap().contains("503"));
    }
}
