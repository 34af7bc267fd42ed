//! The pieces of one body that the disk thread reads: the one that is wanted now, and the one after it.
//!
//! While a piece is being sent, the next is read. What was read goes back into the sources as bytes in memory, and
//! leaves as those do.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;

use super::FrameError;
use crate::{
    body::Sources,
    body_source::FileExtent,
    cold_reads::{
        ColdShare, Fetch, Fetched,
        piece::{Piece, Span},
    },
};

/// The disk's part in one body.
pub(super) struct DiskPieces {
    share: ColdShare,
    wanted: Option<(Piece, Fetch)>,
    ahead: Option<(Span, Fetch)>,
    /// Where a piece began that was read into the page cache.
    warmed: Option<u64>,
}

/// What to do now that a piece has come.
pub(super) enum Came {
    /// Look at the sources again.
    Look,
    /// Read what comes next on a thread of this core: the disk thread cannot.
    ReadOtherwise,
}

impl DiskPieces {
    pub(super) fn new(share: ColdShare) -> Self {
        Self { share, wanted: None, ahead: None, warmed: None }
    }

    /// Whether a piece is under way that is wanted now.
    pub(super) fn is_waiting(&self) -> bool {
        self.wanted.is_some()
    }

    /// Begins to read the front of `sources` if that is `extent` and it is not in memory, or is being read already.
    pub(super) fn begin(&mut self, extent: &FileExtent, sources: &mut Sources, now: Instant) -> bool {
        let is_next = |span: &Span| Arc::ptr_eq(&span.file, extent.file()) && span.start == extent.offset();
        let ahead = self.ahead.take_if(|(span, _)| is_next(span));
        if ahead.is_none() && extent.file().resident_len(extent.offset(), 1, now) > 0 {
            return false;
        }
        let Some(piece) = Piece::take(sources) else { return false };
        let was_warmed = self.warmed == Some(piece.span.start);
        let fetch = match ahead {
            Some((span, fetch)) if span.is(&piece.span) => fetch,
            _ => self.share.fetch(piece.span.clone(), was_warmed, now),
        };
        self.wanted = Some((piece, fetch));
        true
    }

    /// Waits for the piece that is wanted.
    pub(super) fn poll(
        &mut self,
        sources: &mut Sources,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Came, FrameError>> {
        let Some((_, fetch)) = &mut self.wanted else { return Poll::Ready(Ok(Came::Look)) };
        let fetched = ready!(fetch.as_mut().poll(cx)).map_err(FrameError::Read);
        let Some((piece, _)) = self.wanted.take() else { return Poll::Ready(Ok(Came::Look)) };
        Poll::Ready(match fetched {
            Ok(Fetched::Bytes(bytes)) => self.take_in(piece, &bytes, sources, now),
            Ok(Fetched::Cached) => {
                self.warmed = Some(piece.span.start);
                piece.span.note_resident(now);
                piece.give_back(sources);
                Ok(Came::Look)
            }
            Ok(Fetched::Unavailable) => {
                piece.give_back(sources);
                Ok(Came::ReadOtherwise)
            }
            Err(error) => Err(error),
        })
    }

    /// Checks what was read, begins to read what follows, and gives the bytes to `sources`.
    fn take_in(
        &mut self,
        piece: Piece,
        bytes: &Bytes,
        sources: &mut Sources,
        now: Instant,
    ) -> Result<Came, FrameError> {
        let span = piece.span.clone();
        let checked = match span.file.is_unchanged() {
            Ok(true) => Ok(()),
            Ok(false) => Err(FrameError::Changed),
            Err(error) => Err(FrameError::Read(error)),
        };
        if checked.is_ok() {
            self.read_ahead(sources, now);
        }
        let taken = checked.and_then(|()| {
            piece.give_back_read(bytes, sources).map_err(|missing| FrameError::truncated(&missing))
        });
        if taken.is_err() {
            self.share.forget(&span);
        }
        taken.map(|()| Came::Look)
    }

    /// Begins to read the piece that `sources` begin with.
    fn read_ahead(&mut self, sources: &mut Sources, now: Instant) {
        let Some(next) = Piece::take(sources) else { return };
        let span = next.span.clone();
        next.give_back(sources);
        self.ahead = self.share.fetch_ahead(span.clone(), now).map(|fetch| (span, fetch));
    }
}
