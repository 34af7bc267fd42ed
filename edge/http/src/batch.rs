//! What HTTP/2 writes in one turn, sent in one go.
//!
//! h2 writes and flushes each frame by itself: of TLS that makes a record and a few bytes of another for every 16 KiB,
//! and a system call that wakes the client. Here frames gather until 64 KiB are full or the connection's turn ends,
//! so that records are whole and calls few. The copy it takes is the one that rustls would make of a record whose
//! frame head and payload lie apart.
//!
//! ```text
//!  h2 ─frames─▶ Batch ── full ──────────────▶ TLS or socket
//!                 └──── Turns: end of a poll ─┘
//! ```
//!
//! Invariants: bytes leave in the order they came; none is kept when a turn ends unless the socket is full, and then
//! its readiness wakes the connection; a batch that is empty holds no memory.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a full batch: four records, as many as rustls takes at once.
const BATCH_BYTES: usize = 64 << 10;

/// A transport that sends batches.
#[derive(Debug)]
pub(crate) struct Batch<T>(Rc<RefCell<Held<T>>>);

#[derive(Debug)]
struct Held<T> {
    io: T,
    /// At most [`BATCH_BYTES`].
    bytes: BytesMut,
}

impl<T> Batch<T> {
    /// The batch for h2 to write to, and itself again, for its turns.
    pub(crate) fn new(io: T) -> (Self, Self) {
        let held = Rc::new(RefCell::new(Held { io, bytes: BytesMut::new() }));
        (Self(Rc::clone(&held)), Self(held))
    }

    /// `connection`, which writes to this batch, sending it at the end of each turn.
    pub(crate) fn turns<C>(self, connection: C) -> Turns<C, T> {
        Turns { connection, batch: self }
    }
}

impl<T: AsyncWrite + Unpin> Held<T> {
    /// Sends all that is held.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() {
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, &self.bytes))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes.advance(sent);
        }
        self.bytes = BytesMut::new();
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Makes room and takes what fits of `pieces`.
    fn poll_hold<'a>(
        &mut self,
        cx: &mut Context<'_>,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.len() >= BATCH_BYTES {
            ready!(self.poll_send(cx))?;
        }
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(BATCH_BYTES);
        }
        let mut taken: usize = 0;
        for piece in pieces {
            let room = BATCH_BYTES.saturating_sub(self.bytes.len());
            let fits = piece.get(..room).unwrap_or(piece);
            self.bytes.extend_from_slice(fits);
            taken = taken.saturating_add(fits.len());
        }
        Poll::Ready(Ok(taken))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Batch<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Batch<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_hold(cx, std::iter::once(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_hold(cx, pieces.iter().map(|piece| &**piece))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: [`Turns`] flushes.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = self.0.borrow_mut();
        ready!(held.poll_send(cx))?;
        Pin::new(&mut held.io).poll_shutdown(cx)
    }
}

/// A connection over a [`Batch`].
#[derive(Debug)]
pub(crate) struct Turns<C, T> {
    connection: C,
    batch: Batch<T>,
}

impl<C: Unpin, T> Turns<C, T> {
    pub(crate) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        Pin::new(&mut self.get_mut().connection)
    }
}

impl<C: Future + Unpin, T: AsyncWrite + Unpin> Future for Turns<C, T> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let end = self.as_mut().connection().poll(cx);
        // A broken transport is told to the connection by its next read or write.
        let _blocked_or_broken = self.batch.0.borrow_mut().poll_send(cx);
        end
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::{FutureExt as _, task::noop_waker_ref};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    /// A connection that writes `frames` in its first turn, each with a flush, and never ends.
    fn connection(
        frames: Vec<Vec<u8>>,
        pipe_bytes: usize,
    ) -> (Pin<Box<dyn Future<Output = ()>>>, DuplexStream) {
        let (ours, theirs) = duplex(pipe_bytes);
        let (mut io, batch) = Batch::new(ours);
        let write = async move {
            for frame in frames {
                io.write_all(&frame).await.unwrap();
                io.flush().await.unwrap();
            }
            std::future::pending().await
        };
        (Box::pin(batch.turns(Box::pin(write))), theirs)
    }

    fn turn(connection: &mut Pin<Box<dyn Future<Output = ()>>>) {
        assert!(connection.as_mut().poll(&mut Context::from_waker(noop_waker_ref())).is_pending());
    }

    #[tokio::test]
    async fn a_turn_sends_all_it_wrote_in_order() {
        let frames: Vec<_> = (0..20_u8).map(|number| vec![number; 10_000]).collect();
        let expected = frames.concat();
        let (mut connection, mut theirs) = connection(frames, 1 << 20);
        turn(&mut connection);
        let mut got = vec![0; expected.len()];
        theirs.read_exact(&mut got).now_or_never().expect("all of it is there").unwrap();
        assert!(got == expected);
    }

    #[tokio::test]
    async fn what_a_full_socket_does_not_take_waits_and_more_is_not_taken() {
        let frames: Vec<_> = (0..20_u8).map(|number| vec![number; 10_000]).collect();
        let expected = frames.concat();
        let (mut connection, mut theirs) = connection(frames, 1000);
        turn(&mut connection);
        let mut got = vec![0; expected.len()];
        let mut reading = Box::pin(theirs.read_exact(&mut got));
        poll_fn(|cx| {
            assert!(connection.as_mut().poll(cx).is_pending());
            reading.as_mut().poll(cx).map(|read| read.unwrap())
        })
        .await;
        drop(reading);
        assert!(got == expected);
    }

    #[test]
    fn a_batch_is_filled_to_its_limit_and_not_one_byte_past_it() {
        let (ours, _theirs) = duplex(1);
        let mut held = Held { io: ours, bytes: BytesMut::new() };
        let cx = &mut Context::from_waker(noop_waker_ref());
        let large = vec![1; BATCH_BYTES - 1];
        let pieces = [&large[..], &[2, 3]];
        assert!(matches!(held.poll_hold(cx, pieces.into_iter()), Poll::Ready(Ok(BATCH_BYTES))));
        assert_eq!(held.bytes.last(), Some(&2));
        assert!(held.poll_hold(cx, std::iter::once(&[3][..])).is_pending());
    }
}
