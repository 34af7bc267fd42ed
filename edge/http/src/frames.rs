//! A body on its way out: one frame after the other, each made only when the transport asks for it.
//!
//! ```text
//!  Growing ── what has arrived of it, as below; else wait ──────────────────┐
//!  Mem, Slab ────────────────────────────────────── as it is ───────────────┤
//!  File… ─┬─ plain HTTP/1.1, large, in memory ───── an address token ────────┼─▶ frame
//!         ├─ small, or TLS, or HTTP/2, in memory ── gathered into a buffer ──┤
//!         └─ not in memory ──────────────────────── read away from the core ─┘
//! ```
//!
//! A large slab leaves as a token too, where tokens can.
//!
//! Many may have waited for a growing body, and with its head each of them has a first byte. So it begins with a pause:
//! the transport sends the head, and the others get their turn before any of the bytes leave.
//!
//! No disk ever stops a core, and bytes of a file that was changed in place are never sent under the name of the old
//! ones: the connection breaks.
//!
//! Invariant: the frames add up to the length that was promised, or the stream ends with an error.

mod cold;
mod disk;
mod mapped;
mod pooled;
mod zero_copy;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rillcast_sys::zero_copy::SendError;

use self::{
    cold::ColdRead,
    disk::{Came, DiskPieces},
    pooled::Gathered,
    zero_copy::Advice,
};
use crate::{
    access_log::Exchange,
    body::{Body, Sources},
    body_source::{BodySource, FileExtent},
    buffer_pool::BufferShare,
    cold_reads::ColdShare,
    growing::{Broken, GrowingPart},
    pause::Pause,
    socket::zero_copy::Outlet,
};

/// Longest frame cut from bytes in memory on HTTP/2, in bytes. There the flow of one stream is only seen between
/// frames; on HTTP/1 one frame of any length leaves fastest.
const HTTP2_MEMORY_FRAME_BYTES: usize = 64 * 1024;

/// Why a body ended early; the connection (HTTP/1) or the stream (HTTP/2) breaks.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The file changed under us: the operator's fault.
    #[error("the source file was changed in place")]
    Changed,
    /// The file ends before the extent does: the operator's fault.
    #[error("the source file ends at byte {offset}, {missing} bytes early")]
    Truncated {
        /// Where the read found the end.
        offset: u64,
        /// Bytes of the extent that do not exist.
        missing: u64,
    },
    /// The disk or the system.
    #[error("reading the source file failed")]
    Read(#[source] io::Error),
    /// A body that was arriving will not: the upstream's fault, or our limit.
    #[error("the rest of the body does not come: {}", .0.reason())]
    Broken(Broken),
}

impl FrameError {
    /// A word for metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Changed => "source_changed",
            Self::Truncated { .. } => "source_truncated",
            Self::Read(_) => "source_unreadable",
            Self::Broken(_) => "upstream_broken",
        }
    }
}

impl From<SendError> for FrameError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Changed => Self::Changed,
            SendError::Truncated { offset, missing } => Self::Truncated { offset, missing },
            SendError::NoToken => Self::Read(io::Error::other(error)),
            SendError::Io(error) => Self::Read(error),
        }
    }
}

/// What carries the bodies of one connection.
#[derive(Clone)]
pub(crate) struct Carrier {
    /// Where file bytes are read into.
    pub(crate) buffers: BufferShare,
    /// Reads what is not in memory; without, every core reads on threads of its own.
    pub(crate) cold: Option<ColdShare>,
    pub(crate) is_http2: bool,
    /// Makes tokens where they may be sent: on plain HTTP/1.1.
    pub(crate) outlet: Option<Outlet>,
    /// Bytes the transport keeps back without being flushed: as good as sent.
    pub(crate) backlog_bytes: usize,
}

/// The body of a response, being sent. Belongs to one connection on one core.
pub(crate) struct Frames {
    sources: Sources,
    /// Bytes left, of all sources; of an open end, as many as there can be.
    left: u64,
    /// Whether the end is not known.
    is_open: bool,
    /// Of those, bytes to be read before a token is thought of again.
    read_first: u64,
    /// Whether the others are yet to be let pass, before the first byte.
    lets_pass: bool,
    pause: Pause,
    carrier: Carrier,
    /// What the disk thread reads for this body.
    disk: Option<DiskPieces>,
    /// A read under way on a thread of this core, where the disk thread cannot.
    cold: Option<ColdRead>,
    exchange: Exchange,
}

impl Frames {
    /// `body` as frames; `exchange` is told of each and ends when the last is sent.
    pub(crate) fn new(body: Body, carrier: Carrier, exchange: Exchange) -> Self {
        exchange.begin_body(body.len());
        let is_of_many = body.is_growing();
        if let Some(outlet) = &carrier.outlet {
            outlet.begin(is_of_many);
        }
        Self {
            left: body.len(),
            is_open: body.is_open(),
            read_first: 0,
            lets_pass: is_of_many,
            pause: Pause::default(),
            sources: body.into_sources(),
            disk: carrier.cold.clone().map(DiskPieces::new),
            carrier,
            cold: None,
            exchange,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, FrameError>>> {
        loop {
            let mut may_ask_disk = true;
            if let Some(disk) = self.disk.as_mut().filter(|disk| disk.is_waiting()) {
                match ready!(disk.poll(&mut self.sources, self.exchange.now(), cx)) {
                    Ok(Came::Look) => continue,
                    Ok(Came::ReadOtherwise) => may_ask_disk = false,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            if let Some(cold) = &mut self.cold {
                let read = ready!(cold.poll(&mut self.sources, cx));
                self.cold = None;
                return Poll::Ready(Some(read));
            }
            match self.sources.next() {
                None => return Poll::Ready(None),
                Some(BodySource::Mem(bytes)) => return Poll::Ready(Some(Ok(self.cut_memory(bytes)))),
                Some(BodySource::Slab(range)) => {
                    self.sources.give_back(range);
                    return Poll::Ready(Some(Ok(self.next_of_slab())));
                }
                Some(BodySource::Growing(part)) => match self.poll_growing(part, cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                },
                Some(BodySource::File(extent)) => {
                    self.sources.give_back(extent.clone());
                    if may_ask_disk && self.ask_disk(&extent) {
                        continue;
                    }
                }
            }
            if let Some(token) = self.next_token() {
                return Poll::Ready(Some(Ok(token)));
            }
            match pooled::gather(&mut self.sources, self.carrier.buffers.take(), self.exchange.now()) {
                Ok(Gathered::Frame(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Ok(Gathered::Cold(extent, buffer)) => {
                    self.exchange.spilled_to_disk();
                    self.cold = Some(ColdRead::begin(extent, buffer));
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Puts what has arrived of `part` in front of its rest.
    fn poll_growing(&mut self, mut part: GrowingPart, cx: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        let next = part.poll_next(cx);
        match next {
            Poll::Ready(None) => Poll::Ready(Ok(())),
            Poll::Ready(Some(Ok(source))) => {
                self.sources.give_back(part);
                self.sources.give_back(source);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Some(Err(why))) => Poll::Ready(Err(FrameError::Broken(why))),
            Poll::Pending => {
                self.sources.give_back(part);
                Poll::Pending
            }
        }
    }

    /// The front of the sources, which begin with a slab: as a token where that is worth it, else its bytes.
    fn next_of_slab(&mut self) -> Bytes {
        if let Some(token) = self.next_token() {
            return token;
        }
        match self.sources.next() {
            Some(BodySource::Slab(range)) => self.cut_memory(Bytes::from_owner(range)),
            _ => Bytes::new(),
        }
    }

    /// Whether the disk thread reads `extent`, with which the sources begin.
    fn ask_disk(&mut self, extent: &FileExtent) -> bool {
        let Some(disk) = &mut self.disk else { return false };
        let is_asked = disk.begin(extent, &mut self.sources, self.exchange.now());
        if is_asked {
            self.exchange.spilled_to_disk();
        }
        is_asked
    }

    /// One frame of bytes in memory; what is beyond it waits.
    fn cut_memory(&mut self, mut bytes: Bytes) -> Bytes {
        if self.carrier.is_http2 && bytes.len() > HTTP2_MEMORY_FRAME_BYTES {
            self.sources.give_back(bytes.split_off(HTTP2_MEMORY_FRAME_BYTES));
        }
        bytes
    }

    /// A token for the extents that come next, where tokens can be sent and it is worth it.
    fn next_token(&mut self) -> Option<Bytes> {
        let outlet = self.carrier.outlet.as_ref().filter(|_| self.read_first == 0)?;
        match zero_copy::advise(&mut self.sources, outlet, self.exchange.now()) {
            Advice::Token(token) => Some(token),
            Advice::Read(len) => {
                self.read_first = len;
                None
            }
        }
    }

    /// Bytes handed to the transport as tokens, which it has not sent.
    fn queued(&self) -> u64 {
        self.carrier.outlet.as_ref().map_or(0, Outlet::queued)
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = FrameError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FrameError>>> {
        if std::mem::take(&mut self.lets_pass) {
            self.pause.begin(cx);
        }
        ready!(self.pause.poll(cx));
        let next = ready!(self.poll_next(cx));
        Poll::Ready(match next {
            Some(Ok(bytes)) => {
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.left = self.left.saturating_sub(len);
                self.read_first = self.read_first.saturating_sub(len);
                self.exchange.sent(len);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                self.exchange.fail(error.reason(), &error);
                Some(Err(error))
            }
            None => {
                if std::mem::take(&mut self.is_open) {
                    self.left = 0;
                    self.exchange.open_body_ended();
                }
                None
            }
        })
    }

    /// Not before the tokens are sent: the exchange ends, and is logged, with what became of them.
    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.queued() == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_open { SizeHint::default() } else { SizeHint::with_exact(self.left) }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let Some(outlet) = &self.carrier.outlet else { return };
        let queued = outlet.queued();
        if usize::try_from(queued).is_ok_and(|queued| queued > self.carrier.backlog_bytes) {
            self.exchange.unsent(queued);
        }
        if let Some(error) = outlet.take_failure() {
            let error = FrameError::from(error);
            self.exchange.fail(error.reason(), &error);
        }
    }
}

#[cfg(test)]
mod tests;
