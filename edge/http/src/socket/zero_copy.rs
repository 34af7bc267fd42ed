//! A socket that takes address tokens: the transport of plain HTTP/1.1, and of nothing else.
//!
//! [`ZeroCopySocket`] and [`Outlet`] are made together: who has an outlet has a socket below that knows what its tokens
//! mean, with neither TLS nor HTTP/2 in between to read them. The outlet is the capability to make tokens.
//!
//! hyper writes until it is told to wait, and with a fast client that could be for ever; so a connection that has
//! sent its share of bytes gives the core to the others before it goes on.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::AsFd as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use rillcast_sys::{
    token::Run,
    zero_copy::{Courier, Pace, SendError, Sent},
};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::Socket;
use crate::{body_source::SourceFile, pause::Pause};

/// Bytes a connection may send before others get their turn.
const TURN_BYTES: usize = 1 << 20;
/// The same for the first turn of a body that many have waited for: each of them gets a first byte before anybody gets much.
const FIRST_TURN_BYTES: usize = 64 << 10;
/// Bytes that the kernel may hold unsent of a connection that has sent a token (`TCP_NOTSENT_LOWAT`). They are the page
/// cache's own, so that they cost no memory; with 128 KiB a slow client cost a third more, by being looked at so often.
const UNSENT_BYTES: u32 = 1 << 20;
/// The same for a body that many have waited for.
const UNSENT_BYTES_OF_MANY: u32 = 256 << 10;

/// What sends the tokens of one core.
pub(crate) type CoreCourier = Rc<RefCell<Courier<SourceFile>>>;

/// A socket below hyper that sends tokens by `sendfile`.
pub(crate) struct ZeroCopySocket {
    socket: Socket,
    outlet: Outlet,
    pace: Pace,
    /// Bytes sent in this turn.
    turn_bytes: usize,
    /// What the kernel was told to hold unsent, as far as it was told.
    unsent_bytes: Option<Unsent>,
}

/// Makes tokens for one connection and knows what became of them.
#[derive(Clone)]
pub(crate) struct Outlet {
    courier: CoreCourier,
    state: Rc<OutletState>,
}

/// Bytes that the kernel may hold unsent of a connection.
#[derive(Clone, Copy)]
struct Unsent {
    /// As it was set up.
    least: u32,
    /// As it is now.
    now: u32,
}

#[derive(Default)]
struct OutletState {
    /// Whether the body under way is one that many have waited for.
    is_of_many: Cell<bool>,
    /// Whether it has yet to have its first turn.
    is_first_turn: Cell<bool>,
    /// Bytes of tokens made and not yet sent.
    queued: Cell<u64>,
    /// Why a token could not be sent; the connection has ended with it.
    failure: RefCell<Option<SendError>>,
}

impl Outlet {
    /// Bytes that stand for `run`; `None` when too many tokens are alive.
    pub(crate) fn issue(&self, run: Run<SourceFile>) -> Option<Bytes> {
        let token = self.courier.borrow().issue(run)?;
        let len = u64::try_from(token.len()).unwrap_or(u64::MAX);
        self.state.queued.set(self.state.queued.get().saturating_add(len));
        Some(token)
    }

    /// A body begins, which perhaps many have waited for.
    pub(crate) fn begin(&self, is_of_many: bool) {
        self.state.is_of_many.set(is_of_many);
        self.state.is_first_turn.set(is_of_many);
    }

    /// Bytes of tokens that the kernel has not yet taken.
    pub(crate) fn queued(&self) -> u64 {
        self.state.queued.get()
    }

    /// Why sending failed, if it did and nobody has asked yet.
    pub(crate) fn take_failure(&self) -> Option<SendError> {
        self.state.failure.take()
    }

    /// Bytes that may be sent in this turn.
    fn turn_bytes(&self) -> usize {
        if self.state.is_first_turn.get() { FIRST_TURN_BYTES } else { TURN_BYTES }
    }

    fn sent(&self, of_tokens: usize) {
        let sent = u64::try_from(of_tokens).unwrap_or(u64::MAX);
        self.state.queued.set(self.state.queued.get().saturating_sub(sent));
    }

    /// Keeps what is not the client's doing for the log; hyper gets an error to end the connection with.
    fn fail(&self, error: SendError) -> io::Error {
        match error {
            SendError::Io(error) if is_client_gone(&error) => error,
            error => {
                let told = io::Error::other(error.to_string());
                self.state.failure.replace(Some(error));
                told
            }
        }
    }
}

/// Whether the client, or the way to it, broke the connection.
fn is_client_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut)
}

impl Socket {
    /// This socket as one that takes tokens, and the capability to make them.
    pub(crate) fn into_zero_copy(self, courier: &CoreCourier) -> (ZeroCopySocket, Outlet) {
        let outlet = Outlet { courier: Rc::clone(courier), state: Rc::default() };
        let socket = ZeroCopySocket {
            socket: self,
            outlet: outlet.clone(),
            pace: Pace::default(),
            turn_bytes: 0,
            unsent_bytes: None,
        };
        (socket, outlet)
    }
}

impl ZeroCopySocket {
    /// One attempt to send what the socket seems to be ready for; `None` when it was not.
    fn try_send(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<Option<usize>> {
        let Self { socket, outlet, pace, turn_bytes, .. } = self;
        let allowance = outlet.turn_bytes().saturating_sub(*turn_bytes).max(1);
        let stream = socket.stream.borrow();
        let mut result = Ok(Sent::default());
        let attempt = stream.try_io(Interest::WRITABLE, || {
            result = outlet.courier.borrow_mut().send(stream.as_fd(), slices, allowance, pace);
            // The one answer that tells the runtime to wait for the socket.
            match &result {
                Ok(sent) if sent.is_blocked => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        let sent = result.map_err(|error| outlet.fail(error))?;
        outlet.sent(sent.of_tokens);
        *turn_bytes = turn_bytes.saturating_add(sent.bytes);
        match attempt {
            Err(_) if sent.bytes == 0 => Ok(None),
            _ => Ok(Some(sent.bytes)),
        }
    }

    /// Has the kernel hold as much unsent as is good for the body under way.
    fn make_room(&mut self) -> io::Result<()> {
        let wanted = if self.outlet.state.is_of_many.get() { UNSENT_BYTES_OF_MANY } else { UNSENT_BYTES };
        let stream = self.socket.stream.borrow();
        let socket = SockRef::from(&*stream);
        let unsent = match self.unsent_bytes {
            Some(unsent) => unsent,
            None => {
                let least = socket.tcp_notsent_lowat()?;
                Unsent { least, now: least }
            }
        };
        let now = wanted.max(unsent.least);
        if now != unsent.now {
            socket.set_tcp_notsent_lowat(now)?;
        }
        self.unsent_bytes = Some(Unsent { now, ..unsent });
        Ok(())
    }

    fn end_turn(&mut self) {
        self.turn_bytes = 0;
        self.outlet.state.is_first_turn.set(false);
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.make_room()?;
        if self.turn_bytes >= self.outlet.turn_bytes() {
            self.end_turn();
            // hyper asks once more in this turn of the connection, so that it has two of ours: one that ended at once
            // made long bodies a fifth dearer (decision 0005).
            Pause::default().begin(cx);
            return Poll::Pending;
        }
        loop {
            let Poll::Ready(ready) = self.socket.stream.borrow().poll_write_ready(cx) else {
                self.end_turn();
                return self.socket.note_write(Poll::Pending);
            };
            ready?;
            if let Some(bytes) = self.try_send(slices)? {
                return self.socket.note_write(Poll::Ready(Ok(bytes)));
            }
        }
    }
}

impl AsyncRead for ZeroCopySocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ZeroCopySocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let is_memory = self.outlet.courier.borrow().is_memory(pieces);
        if is_memory {
            return Pin::new(&mut self.socket).poll_write_vectored(cx, pieces);
        }
        self.poll_send(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
