//! An HTTP/1.1 client that sends what it is told, byte for byte, and can stop reading in the middle.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// After this a test is stuck.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A response that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order of the wire.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The field `name`, empty when it is not there; it must not be there twice.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut fields = self.headers.iter().filter(|(field, _)| field == name);
        let value = fields.next().map_or("", |(_, value)| value.as_str());
        assert_eq!(fields.next(), None, "{name} twice in {self:?}");
        value
    }

    /// The fields that say something of the representation, not of this message.
    pub(crate) fn description(&self) -> Vec<(String, String)> {
        let of_message = ["date", "x-request-id", "connection"];
        self.headers.iter().filter(|(name, _)| !of_message.contains(&name.as_str())).cloned().collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A response whose body is read piece by piece.
pub(crate) struct Transfer {
    status: u16,
    headers: Vec<(String, String)>,
    is_head: bool,
    reader: BufReader<TcpStream>,
    read: Vec<u8>,
}

impl Transfer {
    /// Sends a request and reads the head of its answer.
    pub(crate) fn begin(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).expect("the server reads");
        let mut reader = BufReader::with_capacity(4096, socket);
        let status_line = line(&mut reader);
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{status_line:?} to {method} {path}"));
        let mut fields = Vec::new();
        loop {
            let field = line(&mut reader);
            let Some((name, value)) = field.split_once(':') else { break };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Self { status, headers: fields, is_head: method == "HEAD", reader, read: Vec::new() }
    }

    /// Reads `count` more bytes of the body.
    pub(crate) fn read(&mut self, count: usize) {
        let start = self.read.len();
        self.read.resize(start + count, 0);
        self.reader.read_exact(&mut self.read[start..]).expect("so many bytes are there");
    }

    /// The status, and the length of the body by its head.
    pub(crate) fn promise(&self) -> (u16, usize) {
        let length = self.headers.iter().find(|(name, _)| name == "content-length");
        (self.status, length.and_then(|(_, value)| value.parse().ok()).expect("a length"))
    }

    /// Bytes of the body so far.
    pub(crate) fn so_far(&self) -> &[u8] {
        &self.read
    }

    /// Reads on until the connection ends; whether the body is whole is not asked.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        let result = self.reader.read_to_end(&mut self.read).map(|_| ());
        let stuck = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        assert!(!result.as_ref().is_err_and(stuck), "the server neither sends nor closes");
        result
    }

    /// Reads to the end; a body of another length than promised fails the test.
    pub(crate) fn finish(mut self) -> Answer {
        self.drain().expect("the transfer ends well");
        let mut answer = Answer { status: self.status, headers: self.headers, body: self.read };
        if answer.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            answer.body = unchunked(&answer.body);
            return answer;
        }
        let has_body = !self.is_head && !matches!(answer.status, 204 | 304);
        let promised = answer.header("content-length").parse().ok().filter(|_| has_body).unwrap_or(0);
        assert_eq!(answer.body.len(), promised, "{} {:?}", answer.status, answer.headers);
        answer
    }
}

/// The body in `chunks` (RFC 9112 §7.1), which caches in front of us send where they do not know a length; a body without
/// its last chunk fails the test.
fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let size = line(&mut chunks);
        let size = size.split(';').next().and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
        let (chunk, rest) = chunks.split_at(size.expect("the size of a chunk"));
        body.extend_from_slice(chunk);
        chunks = rest;
        assert_eq!(line(&mut chunks), "", "a chunk is as long as it says");
        if chunk.is_empty() {
            return body;
        }
    }
}

fn line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a head of text");
    line.trim_end().to_owned()
}

/// Sends a request and reads the whole answer.
pub(crate) fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    Transfer::begin(address, method, path, headers).finish()
}

pub(crate) fn get(address: &str, path: &str) -> Answer {
    send(address, "GET", path, &[])
}

/// Asks again until `is_done`, or fails at the deadline.
#[expect(clippy::disallowed_methods, reason = "a deadline needs a clock")]
pub(crate) fn wait_until(what: &str, mut is_done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(start.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::yield_now();
    }
}
