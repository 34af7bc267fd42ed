//! The load client: closed loop, HTTP/1.1 keep-alive, one thread, many connections, plain or TLS.
//!
//! Each connection asks for the next of a list of requests as soon as its answer is whole. Bodies of
//! known length are dropped inside the kernel (`MSG_TRUNC`, tcp(7)), so that copying them is not what
//! limits a run; over TLS they are not decrypted either (see [`connection`]). Status and length of every
//! answer are checked; over TLS the length of head and body together.
//!
//! Bounds: a run ends at its deadline whatever the server does, or after [`ERRORS_MAX`] errors.

pub(crate) mod connection;
mod records;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustls::ClientConfig;

use crate::measure::{self, Usage};
use connection::{Connection, HEAD_READ_BYTES, Turn};

/// A run with more errors than this is stopped: it measures nothing.
const ERRORS_MAX: u64 = 50;
/// Connections from one loopback address: servers limit them, ours at 256.
pub(crate) const CONNECTIONS_A_SOURCE: usize = 200;
/// Most bytes dropped in one call. The buffer behind it is never touched.
const DROP_BYTES: usize = 1 << 20;
/// A turn in which a connection reads all there is.
pub(crate) const LONG_TURN_BYTES: usize = 16 * DROP_BYTES;
/// A turn after which none has waited for long.
pub(crate) const SHORT_TURN_BYTES: usize = 128 * 1024;
/// Longest wait for an event: how exact the end of the warm-up and of the run is.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// One request of a load, ready to send.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Its bytes on the wire.
    pub(crate) wire: Vec<u8>,
    /// Length of the body that must come back.
    pub(crate) body_bytes: u64,
    /// Length of head and body together, as this server answers; needed over TLS only, else 0.
    pub(crate) answer_bytes: u64,
}

impl Request {
    /// A GET of `path`; the answer must have `body_bytes`.
    pub(crate) fn get(path: &str, gzip: bool, body_bytes: u64) -> Self {
        let coding = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let wire =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: rillcast-bench\r\n{coding}\r\n");
        Self { wire: wire.into_bytes(), body_bytes, answer_bytes: 0 }
    }
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Span {
    /// After a time; the requests go round and round.
    For {
        /// Not counted.
        warm_up: Duration,
        /// Counted.
        duration: Duration,
    },
    /// When every request was answered once, all counted; or, failing that, at the limit.
    Once {
        /// A server that needs longer has failed.
        limit: Duration,
    },
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    /// The server.
    pub(crate) address: SocketAddr,
    /// The root of its process tree.
    pub(crate) pid: u32,
    /// Asked for in this order.
    pub(crate) requests: &'a [Request],
    /// Connections, all opened at the start.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) span: Span,
    /// Most bytes that a connection reads before the next gets its turn: few where it matters when a byte is seen, many
    /// where the client shall be cheap.
    pub(crate) turn_bytes: usize,
    /// Over TLS, if so; every request must then know [`Request::answer_bytes`].
    pub(crate) tls: Option<&'a Tls<'a>>,
}

/// How a load goes over TLS.
#[derive(Debug, Clone)]
pub(crate) struct Tls<'a> {
    /// As this client.
    pub(crate) client: &'a Arc<ClientConfig>,
    /// Asked for first on every connection, decrypted, and not timed: something small.
    pub(crate) opening: Request,
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
    /// When the last of the first bytes came.
    pub(crate) last_first_byte: Option<Instant>,
    /// CPU seconds used, and resident memory at the end.
    pub(crate) server: Usage,
    /// CPU seconds the client used: near the counted time, the client is what limits.
    pub(crate) client_cpu_s: f64,
    /// Bytes that each connection received, sorted; of connections that stayed open.
    pub(crate) connection_bytes: Vec<u64>,
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
    let (warm_up, duration) = match load.span {
        Span::For { warm_up, duration } => (warm_up, duration),
        Span::Once { limit } => (Duration::ZERO, limit),
    };
    let warm = measure::now() + warm_up;
    client.serve_until(warm)?;
    let before = (measure::usage(load.pid), measure::own_cpu_s(), measure::now());
    client.begin_counting();
    if matches!(load.span, Span::Once { .. }) {
        client.ask_all()?;
    }
    client.serve_until(warm.max(before.2) + duration)?;
    let seconds = before.2.elapsed().as_secs_f64();
    if let (Span::Once { limit }, true) = (load.span, client.waiting > 0) {
        client.fail(format!("{} answers were missing after {} s", client.waiting, limit.as_secs()));
    }
    let after = measure::usage(load.pid);
    let Client { connections, outcome, .. } = client;
    let mut outcome = outcome;
    outcome.seconds = seconds;
    outcome.server = Usage { cpu_s: after.cpu_s - before.0.cpu_s, resident_bytes: after.resident_bytes };
    outcome.client_cpu_s = measure::own_cpu_s() - before.1;
    outcome.connection_bytes = connections.iter().map(|connection| connection.received_bytes).collect();
    outcome.connection_bytes.sort_unstable();
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
    /// Connections whose answer is due.
    waiting: usize,
    outcome: Outcome,
}

impl<'a> Client<'a> {
    fn connect(load: &'a Load<'a>) -> io::Result<Self> {
        if load.requests.is_empty() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "a load needs at least one request"));
        }
        let mut client = Self {
            load,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(load.connections),
            buffer: vec![0; DROP_BYTES.min(load.turn_bytes.max(HEAD_READ_BYTES))],
            next_request: 0,
            waiting: 0,
            outcome: Outcome::default(),
        };
        for number in 0..load.connections {
            let connection = Connection::open(load.address, number, load.tls)?;
            client.watch(&connection, number)?;
            client.connections.push(connection);
        }
        if matches!(load.span, Span::For { .. }) {
            client.ask_all()?;
        }
        Ok(client)
    }

    fn watch(&self, connection: &Connection, number: usize) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        Ok(epoll::add(&self.epoll, &connection.stream, data, flags)?)
    }

    fn begin_counting(&mut self) {
        let Outcome { errors, first_error, .. } = std::mem::take(&mut self.outcome);
        self.outcome = Outcome { errors, first_error, ..Outcome::default() };
        for connection in &mut self.connections {
            connection.received_bytes = 0;
        }
    }

    fn serve_until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = Vec::with_capacity(self.load.connections.max(1));
        while measure::now() < end && self.outcome.errors <= ERRORS_MAX && self.waiting > 0 {
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
        match connection.read(&mut self.buffer, self.load.turn_bytes) {
            Turn::Waits => Ok(()),
            Turn::Answered => {
                let (wrong, keeps_alive) = (connection.fault(), connection.keeps_alive());
                match wrong {
                    Some(wrong) => self.fail(wrong),
                    None => self.count(number),
                }
                self.waiting = self.waiting.saturating_sub(1);
                if keeps_alive { self.ask(number) } else { self.reopen(number) }
            }
            Turn::Broken(reason) => {
                self.fail(reason);
                self.waiting = self.waiting.saturating_sub(1);
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
        outcome.body_bytes += connection.body_bytes();
        outcome.latency_us.push(micros(measure::now()));
        outcome.first_byte_us.push(connection.first_byte.map_or(0, micros));
        outcome.last_first_byte = outcome.last_first_byte.max(connection.first_byte);
    }

    fn fail(&mut self, reason: String) {
        self.outcome.errors += 1;
        self.outcome.first_error.get_or_insert(reason);
    }

    fn reopen(&mut self, number: usize) -> io::Result<()> {
        let fresh = Connection::open(self.load.address, number, self.load.tls)?;
        self.watch(&fresh, number)?;
        if let Some(connection) = self.connections.get_mut(number) {
            *connection = fresh;
        }
        self.ask(number)
    }

    fn ask_all(&mut self) -> io::Result<()> {
        (0..self.connections.len()).try_for_each(|number| self.ask(number))
    }

    fn ask(&mut self, number: usize) -> io::Result<()> {
        let requests = self.load.requests;
        if matches!(self.load.span, Span::For { .. }) {
            self.next_request %= requests.len().max(1);
        }
        let (Some(request), Some(connection)) =
            (requests.get(self.next_request), self.connections.get_mut(number))
        else {
            return Ok(());
        };
        self.next_request += 1;
        self.waiting += 1;
        // A connection that the server closed shows when it is read.
        if connection.ask(request).is_err() {
            self.fail("a request could not be sent".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;
    use crate::tls::Identity;

    fn outcome(address: SocketAddr, body_bytes: u64) -> Outcome {
        let requests = [Request::get("/x", false, body_bytes)];
        let load = Load {
            address,
            pid: std::process::id(),
            requests: &requests,
            connections: 3,
            span: Span::For { warm_up: Duration::from_millis(20), duration: Duration::from_millis(80) },
            turn_bytes: LONG_TURN_BYTES,
            tls: None,
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
    fn answers_over_tls_are_counted_without_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::make(folder.path()).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let address = canned::tls_server(&identity, answer);
        let mut request = Request::get("/x", false, 5);
        request.answer_bytes = answer.len() as u64;
        let run_with = |request: &Request| {
            let span = Span::Once { limit: Duration::from_secs(30) };
            let requests = vec![request.clone(); 9];
            let opening = Request::get("/first", false, 5);
            let (pid, tls) = (std::process::id(), Tls { client: &identity.client, opening });
            run(&Load {
                address,
                pid,
                requests: &requests,
                connections: 2,
                span,
                turn_bytes: 1,
                tls: Some(&tls),
            })
            .unwrap()
        };
        let right = run_with(&request);
        assert_eq!((right.requests, right.body_bytes, right.first_error), (9, 45, None));
        request.answer_bytes -= 1;
        let wrong = run_with(&request);
        assert_eq!(wrong.requests, 0);
        assert!(wrong.first_error.unwrap().contains("43 bytes where 42"), "skimmed lengths are checked");
    }

    #[test]
    fn a_load_of_once_asks_for_everything_once() {
        let address = canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        let requests: Vec<Request> = (0..7).map(|_| Request::get("/x", false, 5)).collect();
        let span = Span::Once { limit: Duration::from_secs(30) };
        let pid = std::process::id();
        let load = Load { address, pid, requests: &requests, connections: 3, span, turn_bytes: 1, tls: None };
        let outcome = run(&load).unwrap();
        assert_eq!((outcome.requests, outcome.body_bytes, outcome.errors), (7, 35, 0));
        assert_eq!(outcome.connection_bytes.len(), 3);
        assert!(outcome.last_first_byte.is_some_and(|last| last <= measure::now()));
        assert!(run(&Load { requests: &[], ..load }).is_err());
    }

    #[test]
    fn answers_that_never_come_are_an_error_at_the_limit() {
        let address = canned::server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
        let requests = [Request::get("/x", false, 5)];
        let span = Span::Once { limit: Duration::from_millis(50) };
        let pid = std::process::id();
        let load = Load {
            address,
            pid,
            requests: &requests,
            connections: 1,
            span,
            turn_bytes: LONG_TURN_BYTES,
            tls: None,
        };
        let outcome = run(&load).unwrap();
        assert!(outcome.first_error.unwrap().contains("missing"));
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
