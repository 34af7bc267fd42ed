//! The socket under everything else: gives back what was read too early and tells [`Activity`] what moves.
//!
//! Sits below TLS, so that progress is what the kernel took, and below hyper. A later `sendfile` goes here.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{
    activity::Activity,
    proxy_protocol::{self, ProxyError, ProxyHeader},
};

/// What an HTTP/2 client says first (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection's socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    /// Bytes read to find out what they are, not yet given to the reader they are for.
    ahead: Bytes,
    activity: Rc<Activity>,
    monotonic: fn() -> Instant,
}

/// Why the front of a connection could not be read; the peer's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrontError {
    #[error("the connection broke")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, activity: Rc<Activity>, monotonic: fn() -> Instant) -> Self {
        Self { stream, ahead: Bytes::new(), activity, monotonic }
    }

    /// Takes the PROXY header from the front.
    pub(crate) async fn take_proxy_header(&mut self) -> Result<ProxyHeader, FrontError> {
        let mut front = BytesMut::from(std::mem::take(&mut self.ahead));
        loop {
            if let Some(header) = proxy_protocol::parse(&front)? {
                front.advance(header.len.min(front.len()));
                self.ahead = front.freeze();
                return Ok(header);
            }
            self.read_more(&mut front).await?;
        }
    }

    /// Whether the client begins with HTTP/2's preface; nothing is taken.
    pub(crate) async fn begins_http2(&mut self) -> Result<bool, FrontError> {
        let mut front = BytesMut::from(std::mem::take(&mut self.ahead));
        let is_http2 = loop {
            let common = front.len().min(HTTP2_PREFACE.len());
            if front.get(..common) != HTTP2_PREFACE.get(..common) {
                break false;
            }
            if common == HTTP2_PREFACE.len() {
                break true;
            }
            self.read_more(&mut front).await?;
        };
        self.ahead = front.freeze();
        Ok(is_http2)
    }

    async fn read_more(&mut self, front: &mut BytesMut) -> io::Result<()> {
        match self.stream.read_buf(front).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn note_write<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &poll {
            Poll::Pending => self.activity.write_blocked((self.monotonic)()),
            Poll::Ready(_) => self.activity.bytes_taken(),
        }
        poll
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let len = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(len));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.bytes_read((self.monotonic)());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.note_write(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TCP has nothing to flush; saying so to `activity` would hide a blocked write.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
