//! One HTTP/1.1 response, read without I/O: bytes in, body pieces and its end out.
//!
//! Only what a load client needs (RFC 9112 §4, §6, §7.1): status line, `Content-Length`, chunked
//! coding, `Connection: close`. A body of known length need not be looked at: [`Response::droppable`]
//! says how much of it may be thrown away unseen by the kernel.

/// Longest response head taken.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Longest chunk size line or trailer line taken.
const LINE_BYTES_MAX: usize = 1024;

/// Why bytes are no response we can read. The server's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseError {
    /// No HTTP/1.1 status line, or a head that is not text.
    #[error("the head is not an HTTP/1.1 response")]
    Head,
    /// A head or line past our limit.
    #[error("a line or head has more than {limit} bytes")]
    TooLong { limit: usize },
    /// Neither a length nor chunked coding.
    #[error("the body has neither a Content-Length nor chunked coding")]
    NoLength,
    /// A chunk size that is no hexadecimal number.
    #[error("a chunk has no valid size")]
    ChunkSize,
}

/// Where in a response the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body { left: u64 },
    ChunkSize,
    ChunkData { left: u64 },
    ChunkEnd,
    Trailer,
    Done,
}

/// A response being read.
#[derive(Debug)]
pub(crate) struct Response {
    state: State,
    /// The head while it arrives; then lines of a chunked body.
    text: Vec<u8>,
    /// Status code; 0 before the head is whole.
    pub(crate) status: u16,
    /// Length of the head; 0 before it is whole.
    pub(crate) head_bytes: u64,
    /// Body bytes seen or dropped so far.
    pub(crate) body_bytes: u64,
    /// Whether the connection takes another request.
    pub(crate) keep_alive: bool,
    /// `Content-Encoding` is gzip.
    pub(crate) gzip: bool,
}

impl Response {
    /// A response of which nothing arrived yet.
    pub(crate) fn new() -> Self {
        let text = Vec::with_capacity(1024);
        let state = State::Head;
        Self { state, text, status: 0, head_bytes: 0, body_bytes: 0, keep_alive: true, gzip: false }
    }

    /// Forgets the response, keeps the memory.
    pub(crate) fn reset(&mut self) {
        self.text.clear();
        *self = Self { text: std::mem::take(&mut self.text), ..Self::new() };
    }

    /// Whether the whole response arrived.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes that are body and nothing else, so that nobody need look at them.
    pub(crate) fn droppable(&self) -> Option<u64> {
        if let State::Body { left } = self.state { Some(left) } else { None }
    }

    /// Counts `bytes` of the body that were dropped; at most what [`Self::droppable`] said.
    pub(crate) fn dropped(&mut self, bytes: u64) {
        if let State::Body { left } = self.state {
            self.body_bytes += bytes.min(left);
            self.advance_body(left.saturating_sub(bytes));
        }
    }

    /// Reads on in `bytes`, hands body bytes to `body`, and returns how many bytes it took: fewer
    /// than given only when the response is done.
    ///
    /// # Errors
    /// [`ResponseError`]; the connection is then useless.
    pub(crate) fn supply(
        &mut self,
        mut bytes: &[u8],
        mut body: impl FnMut(&[u8]),
    ) -> Result<usize, ResponseError> {
        let given = bytes.len();
        while !bytes.is_empty() && !self.is_done() {
            let taken = match self.state {
                State::Head => self.take_head(bytes)?,
                State::Body { left } | State::ChunkData { left } => {
                    let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let (piece, _) = bytes.split_at(count);
                    body(piece);
                    self.body_bytes += piece.len() as u64;
                    self.advance_body(left - piece.len() as u64);
                    count
                }
                _ => self.take_line(bytes)?,
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(given - bytes.len())
    }

    fn advance_body(&mut self, left: u64) {
        self.state = match (self.state, left) {
            (State::Body { .. }, 0) => State::Done,
            (State::Body { .. }, left) => State::Body { left },
            (_, 0) => State::ChunkEnd,
            (_, left) => State::ChunkData { left },
        };
    }

    fn take_head(&mut self, bytes: &[u8]) -> Result<usize, ResponseError> {
        let before = self.text.len();
        let room = HEAD_BYTES_MAX.saturating_sub(before);
        self.text.extend(bytes.iter().take(room));
        let from = before.saturating_sub(3);
        let tail = self.text.get(from..).unwrap_or_default();
        let Some(end) = tail.windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4) else {
            let full = self.text.len() >= HEAD_BYTES_MAX;
            return if full {
                Err(ResponseError::TooLong { limit: HEAD_BYTES_MAX })
            } else {
                Ok(bytes.len())
            };
        };
        self.text.truncate(end);
        self.read_head()?;
        self.head_bytes = end as u64;
        self.text.clear();
        Ok(end - before)
    }

    fn read_head(&mut self) -> Result<(), ResponseError> {
        let text = std::str::from_utf8(&self.text).map_err(|_| ResponseError::Head)?;
        let mut lines = text.lines();
        let status_line = lines.next().unwrap_or_default();
        let code = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        self.status = code.and_then(|code| code.parse().ok()).ok_or(ResponseError::Head)?;
        let (mut length, mut chunked) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse::<u64>().ok();
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                self.keep_alive = !value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("content-encoding") {
                self.gzip = value.eq_ignore_ascii_case("gzip");
            }
        }
        self.state = match (chunked, length, self.status) {
            (true, ..) => State::ChunkSize,
            (false, Some(0), _) | (false, None, 204 | 304) => State::Done,
            (false, Some(left), _) => State::Body { left },
            (false, None, _) => return Err(ResponseError::NoLength),
        };
        Ok(())
    }

    /// Takes bytes up to the end of a line of chunked framing.
    fn take_line(&mut self, bytes: &[u8]) -> Result<usize, ResponseError> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(bytes.len(), |at| at + 1);
        self.text.extend(bytes.iter().take(taken));
        if self.text.len() > LINE_BYTES_MAX {
            return Err(ResponseError::TooLong { limit: LINE_BYTES_MAX });
        }
        if end.is_none() {
            return Ok(taken);
        }
        let line = self.text.trim_ascii();
        self.state = match self.state {
            State::ChunkSize => {
                let digits = std::str::from_utf8(line).ok().and_then(|line| line.split(';').next());
                let size = digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
                match size.ok_or(ResponseError::ChunkSize)? {
                    0 => State::Trailer,
                    left => State::ChunkData { left },
                }
            }
            State::ChunkEnd => State::ChunkSize,
            State::Trailer if line.is_empty() => State::Done,
            other => other,
        };
        self.text.clear();
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in pieces of `step` bytes; gives status, body and what was left over.
    fn read(wire: &[u8], step: usize) -> Result<(u16, Vec<u8>, usize), ResponseError> {
        let (mut response, mut body, mut taken) = (Response::new(), Vec::new(), 0);
        for piece in wire.chunks(step) {
            if response.is_done() {
                break;
            }
            taken += response.supply(piece, |bytes| body.extend_from_slice(bytes))?;
        }
        assert!(response.is_done(), "the response must end");
        assert_eq!(response.body_bytes, body.len() as u64);
        Ok((response.status, body, wire.len() - taken))
    }

    #[test]
    fn any_cut_of_the_wire_gives_the_same_response() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".as_slice();
        let chunked =
            b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n"
                .as_slice();
        for step in 1..chunked.len() {
            assert_eq!(read(plain, step), Ok((200, b"hello".to_vec(), 0)), "step {step}");
            assert_eq!(read(chunked, step), Ok((404, b"hello".to_vec(), 0)), "step {step}");
        }
    }

    #[test]
    fn bytes_after_the_end_are_not_taken() {
        let wire = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP";
        assert_eq!(read(wire, wire.len()), Ok((200, b"x".to_vec(), 4)));
        let empty = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(read(empty, 7), Ok((200, Vec::new(), 0)));
    }

    #[test]
    fn a_dropped_body_counts_and_ends() {
        let mut response = Response::new();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nab";
        response.supply(head, |_| {}).unwrap();
        assert_eq!((response.droppable(), response.keep_alive), (Some(8), false));
        response.dropped(8);
        assert!(response.is_done());
        assert_eq!(response.body_bytes, 10);
        response.reset();
        assert_eq!((response.status, response.droppable(), response.keep_alive), (0, None, true));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        let cases: [(&[u8], ResponseError); 4] = [
            (b"SSH-2.0-x\r\n\r\n", ResponseError::Head),
            (b"HTTP/1.1 2x0 OK\r\n\r\n", ResponseError::Head),
            (b"HTTP/1.1 200 OK\r\n\r\n", ResponseError::NoLength),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ResponseError::ChunkSize),
        ];
        for (wire, error) in cases {
            assert_eq!(Response::new().supply(wire, |_| {}), Err(error));
        }
        let endless = vec![b'a'; HEAD_BYTES_MAX];
        let refused = Err(ResponseError::TooLong { limit: HEAD_BYTES_MAX });
        assert_eq!(Response::new().supply(&endless, |_| {}), refused);
        assert_eq!(Response::new().supply(&endless[1..], |_| {}), Ok(HEAD_BYTES_MAX - 1));
    }
}
