//! A client that sends exactly the bytes a test wants and reads exactly one response.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::harness::PATIENCE;

/// An HTTP/1 connection by hand.
pub(crate) struct Client<S = TcpStream> {
    stream: S,
    /// Bytes read beyond the last response.
    ahead: Vec<u8>,
}

/// A response, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// Sends `bytes` as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends `bytes`, not minding if the server has closed meanwhile.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = self.stream.write_all(bytes.as_ref());
    }

    /// Sends a request with these further lines and reads the answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str, lines: &[&str]) -> Answer {
        self.send(request(method, target, lines));
        self.read_answer(method == "HEAD")
    }

    pub(crate) fn get(&mut self, target: &str, lines: &[&str]) -> Answer {
        self.ask("GET", target, lines)
    }

    /// Reads one response; panics when the connection ends within it.
    pub(crate) fn read_answer(&mut self, is_head: bool) -> Answer {
        let (status, headers) = self.read_head();
        let len = headers.get("content-length").map_or(0, |len| len.to_str().unwrap().parse().unwrap());
        let body = if is_head || status == 304 { Vec::new() } else { self.read_exact(len).unwrap() };
        Answer { status, headers, body }
    }

    /// Reads the head of one response.
    pub(crate) fn read_head(&mut self) -> (u16, HeaderMap) {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(
                self.read_more().unwrap() > 0,
                "closed within the head: {:?}",
                String::from_utf8_lossy(&self.ahead)
            );
        };
        let head = String::from_utf8(self.ahead.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| (line.trim_end_matches(':'), ""));
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        (status, headers)
    }

    /// Reads `len` bytes of a body.
    pub(crate) fn read_exact(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < len {
            if self.read_more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.ahead.drain(..len).collect())
    }

    /// Whether the server closes, or resets, without sending another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && matches!(self.read_more(), Ok(0) | Err(_))
    }

    /// Everything until the end, or what came before a reset.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while self.read_more().is_ok_and(|read| read > 0) {}
        std::mem::take(&mut self.ahead)
    }

    fn read_more(&mut self) -> io::Result<usize> {
        let mut buffer = vec![0; 64 * 1024];
        let read = self.stream.read(&mut buffer)?;
        self.ahead.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

/// A request without body.
pub(crate) fn request(method: &str, target: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{lines}\r\n")
}
