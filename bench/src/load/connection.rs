//! One connection of the load client, plain or TLS, one answer at a time.
//!
//! ```text
//!  plain   head read and looked at ─▶ body dropped in the kernel
//!  TLS     handshake, a small answer by rustls (tickets with it) ─▶ then record headers only, payloads
//!          dropped in the kernel; requests are still sealed by rustls
//! ```

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use rustls::{ClientConnection, StreamOwned};

use super::records::{Records, Want};
use super::{CONNECTIONS_A_SOURCE, Request, Tls};
use crate::measure;
use crate::response::Response;
use crate::tls;

/// Read at once while the head is awaited; body bytes in it are copied.
pub(super) const HEAD_READ_BYTES: usize = 16 * 1024;
/// A handshake takes less, or has failed.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// A connection and the answer it waits for.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    way: Way,
    due: Due,
    /// When the request was sent.
    pub(super) sent: Instant,
    /// When the first byte of the answer came.
    pub(super) first_byte: Option<Instant>,
    /// Bytes received in all answers, for comparing connections.
    pub(super) received_bytes: u64,
}

/// What the answer must be.
#[derive(Debug, Clone, Copy, Default)]
struct Due {
    body_bytes: u64,
    content_bytes: u64,
}

/// How answers are read.
enum Way {
    Plain(Response),
    /// Over TLS: counted, not read.
    Skimming(Box<ClientConnection>, Records),
}

/// What a turn of one connection came to.
pub(super) enum Turn {
    /// Nothing more to read now.
    Waits,
    /// The answer is whole.
    Answered,
    /// The connection is of no more use.
    Broken(String),
}

impl Connection {
    /// Opens connection `number` of a load; with `tls` it shakes hands too, and reads a small answer.
    ///
    /// # Errors
    /// When the server takes no connection.
    pub(super) fn open(address: SocketAddr, number: usize, tls: Option<&Tls<'_>>) -> io::Result<Self> {
        let stream = connect(address, number / CONNECTIONS_A_SOURCE)?;
        stream.set_nodelay(true)?;
        let (stream, way) = match tls {
            None => (stream, Way::Plain(Response::new())),
            Some(tls) => {
                stream.set_read_timeout(Some(HANDSHAKE_LIMIT))?;
                let mut shaken = tls::shake_hands(tls.client, stream)?;
                read_opening(&mut shaken, &tls.opening)?;
                (shaken.sock, Way::Skimming(Box::new(shaken.conn), Records::default()))
            }
        };
        stream.set_nonblocking(true)?;
        let sent = measure::now();
        Ok(Self { stream, way, due: Due::default(), sent, first_byte: None, received_bytes: 0 })
    }

    /// Sends `request`. The answer before it must be whole.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub(super) fn ask(&mut self, request: &Request) -> io::Result<()> {
        self.due = Due { body_bytes: request.body_bytes, content_bytes: request.answer_bytes };
        self.first_byte = None;
        self.sent = measure::now();
        // A request is far smaller than an empty send buffer, so it goes out whole.
        let sealed = match &mut self.way {
            Way::Plain(response) => {
                response.reset();
                return self.stream.write_all(&request.wire);
            }
            Way::Skimming(sealed, records) => {
                records.restart();
                sealed
            }
        };
        sealed.writer().write_all(&request.wire)?;
        while sealed.wants_write() {
            sealed.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// What is wrong with the whole answer, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        match &self.way {
            Way::Plain(response) => {
                let (status, length) = (response.status, response.body_bytes);
                let right = status == 200 && length == self.due.body_bytes;
                let due = self.due.body_bytes;
                (!right).then(|| format!("status {status} with {length} bytes, not 200 with {due}"))
            }
            Way::Skimming(_, records) => {
                let (came, due) = (records.content_bytes, self.due.content_bytes);
                (came != due).then(|| format!("an answer of {came} bytes where {due} were due"))
            }
        }
    }

    /// Whether another request may follow.
    pub(super) fn keeps_alive(&self) -> bool {
        match &self.way {
            Way::Plain(response) => response.keep_alive,
            Way::Skimming(..) => true,
        }
    }

    /// Body bytes of the whole answer.
    pub(super) fn body_bytes(&self) -> u64 {
        self.due.body_bytes
    }

    /// Reads what there is, within a turn, which ends with the read that makes it `turn_bytes`.
    pub(super) fn read(&mut self, buffer: &mut [u8], turn_bytes: usize) -> Turn {
        let mut turn = 0;
        while turn < turn_bytes {
            match self.read_once(buffer) {
                Ok(0) => return Turn::Broken("the connection ended inside an answer".to_owned()),
                Ok(count) => {
                    self.received_bytes += count as u64;
                    turn += count;
                    self.first_byte.get_or_insert_with(measure::now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::Waits,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Turn::Broken(error.to_string()),
            }
            if self.is_answered() {
                return Turn::Answered;
            }
        }
        Turn::Waits
    }

    fn is_answered(&mut self) -> bool {
        match &mut self.way {
            Way::Plain(response) => response.is_done(),
            Way::Skimming(_, records) => {
                records.is_between() && records.content_bytes >= self.due.content_bytes
            }
        }
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.way {
            Way::Plain(response) => read_plain(&mut self.stream, response, buffer),
            Way::Skimming(_, records) => skim(&self.stream, records, buffer),
        }
    }
}

fn read_plain(stream: &mut TcpStream, response: &mut Response, buffer: &mut [u8]) -> io::Result<usize> {
    if let Some(left) = response.droppable() {
        let count = drop_bytes(stream, left, buffer)?;
        response.dropped(count as u64);
        return Ok(count);
    }
    let target = buffer.get_mut(..HEAD_READ_BYTES).unwrap_or_default();
    let count = stream.read(target)?;
    if response.supply(target.get(..count).unwrap_or_default(), |_| {}).map_err(io::Error::other)? < count {
        return Err(io::Error::other("bytes after the end of an answer"));
    }
    Ok(count)
}

/// Asks for something small and decrypts the answer: with it come all records that are no answer, such as
/// session tickets, and only answers follow.
fn read_opening(stream: &mut StreamOwned<ClientConnection, TcpStream>, opening: &Request) -> io::Result<()> {
    stream.write_all(&opening.wire)?;
    let (mut response, mut buffer) = (Response::new(), vec![0; HEAD_READ_BYTES]);
    while !response.is_done() {
        let count = stream.read(&mut buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if count == 0 || response.supply(bytes, |_| {}).map_err(io::Error::other)? < count {
            return Err(io::Error::other("the first answer over TLS is not one answer"));
        }
    }
    match (response.status, response.body_bytes) {
        (200, length) if length == opening.body_bytes => Ok(()),
        (status, length) => Err(io::Error::other(format!(
            "the first answer over TLS has status {status} with {length} bytes, not 200 with {}",
            opening.body_bytes
        ))),
    }
}

fn skim(stream: &TcpStream, records: &mut Records, buffer: &mut [u8]) -> io::Result<usize> {
    match records.want() {
        Want::Payload(left) => {
            let count = drop_bytes(stream, left, buffer)?;
            records.payload(count as u64);
            Ok(count)
        }
        Want::Header(most) => {
            let target = buffer.get_mut(..most).unwrap_or_default();
            let (count, _) = rustix::net::recv(stream, &mut *target, RecvFlags::empty())?;
            records.header(target.get(..count).unwrap_or_default()).map_err(io::Error::other)?;
            Ok(count)
        }
    }
}

/// Has the kernel throw away up to `left` bytes unseen (tcp(7), `MSG_TRUNC`).
pub(crate) fn drop_bytes(stream: &TcpStream, left: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    let target = buffer.get_mut(..want).unwrap_or_default();
    let (_, count) = rustix::net::recv(stream, target, RecvFlags::TRUNC)?;
    Ok(count)
}

/// Connects from loopback address number `source`, so that no server takes all for one client.
pub(crate) fn connect(address: SocketAddr, source: usize) -> io::Result<TcpStream> {
    let SocketAddr::V4(_) = address else { return TcpStream::connect(address) };
    let host = u8::try_from(source + 1).map_err(io::Error::other)?;
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)))?;
    rustix::net::connect(&socket, &address)?;
    Ok(TcpStream::from(socket))
}
