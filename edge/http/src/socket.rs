//! The socket under everything else: gives back what was read too early and tells [`Activity`] what moves.
//!
//! Sits below TLS, so that progress is what the kernel took, and below hyper. On plain HTTP/1.1 it is wrapped into a
//! [`ZeroCopySocket`](zero_copy::ZeroCopySocket), which sends file bytes without reading them.

pub(crate) mod zero_copy;

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    os::fd::AsFd as _,
    pin::{Pin, pin},
    rc::{Rc, Weak},
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf as _, BytesMut};
use rillcast_sys::send_queue::unacknowledged_bytes;
use rustix::net::RecvFlags;
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
    /// Shared with [`SocketView`] only, which never keeps it: the one who polls always finds it free.
    stream: Rc<RefCell<TcpStream>>,
    /// Bytes read to find out what they are, not yet given to the reader they are for.
    ahead: BytesMut,
    activity: Rc<Activity>,
    monotonic: fn() -> Instant,
}

/// A socket as seen by who does not use it. Whatever lies between hyper and the socket, the kernel knows; the socket is
/// closed when [`Socket`] goes, not when this does.
#[derive(Debug)]
pub(crate) struct SocketView(Weak<RefCell<TcpStream>>);

impl SocketView {
    /// Bytes that it has been given and its client has not acknowledged; `None` once the socket is closed. A system call.
    pub(crate) fn unacknowledged(&self) -> Option<u64> {
        let stream = self.0.upgrade()?;
        let stream = stream.try_borrow().ok()?;
        unacknowledged_bytes(stream.as_fd()).ok()
    }

    /// Ready once the client has ended its side, or the connection is broken. Nothing is taken: where bytes wait to be
    /// read, whoever reads them learns of it. A system call when something has come, and none otherwise.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = self.0.upgrade() else { return Poll::Ready(()) };
        let Ok(stream) = stream.try_borrow() else { return Poll::Pending };
        match ready!(stream.poll_peek(cx, &mut ReadBuf::new(&mut [0]))) {
            Ok(1..) => Poll::Pending,
            Ok(0) | Err(_) => Poll::Ready(()),
        }
    }
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
        Self { stream: Rc::new(RefCell::new(stream)), ahead: BytesMut::new(), activity, monotonic }
    }

    /// For who looks after it.
    pub(crate) fn view(&self) -> SocketView {
        SocketView(Rc::downgrade(&self.stream))
    }

    /// Takes the PROXY header from the front.
    pub(crate) async fn take_proxy_header(&mut self) -> Result<ProxyHeader, FrontError> {
        loop {
            if let Some(header) = proxy_protocol::parse(&self.ahead)? {
                self.ahead.advance(header.len.min(self.ahead.len()));
                return Ok(header);
            }
            self.read_ahead().await?;
        }
    }

    /// Whether the client begins with HTTP/2's preface; nothing is taken. May be dropped and called again.
    pub(crate) async fn begins_http2(&mut self) -> Result<bool, FrontError> {
        loop {
            let common = self.ahead.len().min(HTTP2_PREFACE.len());
            if self.ahead.get(..common) != HTTP2_PREFACE.get(..common) {
                return Ok(false);
            }
            if common == HTTP2_PREFACE.len() {
                return Ok(true);
            }
            self.read_ahead().await?;
        }
    }

    /// Whether the client has said something that we have not yet passed on. Asks the kernel, because a fresh
    /// socket's readiness is known to the runtime only after its next turn.
    pub(crate) fn has_word(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let stream = self.stream.borrow();
        !self.ahead.is_empty() || matches!(rustix::net::recv(&*stream, &mut [0; 1], flags), Ok((1.., _)))
    }

    async fn read_ahead(&mut self) -> io::Result<()> {
        let Self { stream, ahead, .. } = self;
        // Begun anew each time, so that nothing is borrowed while it waits.
        let read = poll_fn(|cx| pin!(stream.borrow_mut().read_buf(ahead)).poll(cx));
        match read.await? {
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
        ready!(Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.bytes_read((self.monotonic)());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut *self.stream.borrow_mut()).poll_write(cx, bytes);
        self.note_write(poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(cx, pieces);
        self.note_write(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TCP has nothing to flush; saying so to `activity` would hide a blocked write.
        Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)
    }
}
