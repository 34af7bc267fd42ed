//! The bytes of a growing body that are held, in order.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rillcast_sys::slab::SlabRange;

use super::MEMORY_BYTES_MAX;
use crate::{body::Body, body_source::BodySource};

/// Pieces that lie together, from `start` on; what came before was let go.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// None is empty; each begins where the one before ends.
    held: VecDeque<Piece>,
    /// Where the first piece begins.
    start: u64,
    /// Where the last ends.
    end: u64,
}

#[derive(Debug)]
struct Piece {
    end: u64,
    source: BodySource,
}

impl Pieces {
    /// Bytes that have come in all.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    pub(super) fn push_memory(&mut self, bytes: Bytes) {
        self.push(bytes.into());
    }

    pub(super) fn push_slab(&mut self, range: SlabRange) {
        self.push(range.into());
    }

    fn push(&mut self, source: BodySource) {
        if !source.is_empty() {
            self.end = self.end.saturating_add(source.len());
            self.held.push_back(Piece { end: self.end, source });
        }
    }

    /// The last piece, which is a slab range, has become `longer`.
    pub(super) fn extend_slab(&mut self, longer: SlabRange) {
        if let Some(last) = self.held.pop_back() {
            self.end = last.end.saturating_sub(last.source.len());
        }
        self.push_slab(longer);
    }

    /// `range` holds all bytes that have come.
    pub(super) fn replace_all(&mut self, range: SlabRange) {
        debug_assert_eq!(u64::try_from(range.len()), Ok(self.end), "the same bytes elsewhere");
        self.held.clear();
        self.end = self.start;
        self.push_slab(range);
    }

    /// All that is held, in one piece of memory.
    pub(super) fn gathered(&self) -> Bytes {
        let mut all = BytesMut::new();
        for piece in &self.held {
            match &piece.source {
                BodySource::Mem(bytes) => all.extend_from_slice(bytes),
                BodySource::Slab(range) => all.extend_from_slice(range.as_ref()),
                BodySource::File(_) | BodySource::Growing(_) => {}
            }
        }
        all.freeze()
    }

    /// Makes one piece of a short body: it will be sent often.
    pub(super) fn settle(&mut self) {
        if self.held.len() > 1 && self.start == 0 && self.end <= MEMORY_BYTES_MAX {
            let whole = self.gathered();
            self.held.clear();
            self.held.push_back(Piece { end: self.end, source: whole.into() });
        }
    }

    /// What is held from byte `at` on, as far as it lies in one piece and in front of `to`; `None` when it is not there.
    pub(super) fn at(&self, at: u64, to: u64) -> Option<BodySource> {
        let index = self.held.partition_point(|piece| piece.end <= at);
        let piece = self.held.get(index)?;
        let piece_start = piece.end.saturating_sub(piece.source.len());
        let start = at.checked_sub(piece_start)?;
        let end = piece.end.min(to).checked_sub(piece_start)?;
        (start < end).then(|| piece.source.cut(start, end))
    }

    /// Lets go what ends at or before byte `to`.
    pub(super) fn let_go(&mut self, to: u64) {
        while self.held.front().is_some_and(|piece| piece.end <= to) {
            self.start = self.held.pop_front().map_or(self.start, |piece| piece.end);
        }
    }

    pub(super) fn to_body(&self) -> Body {
        let mut body = Body::new();
        self.held.iter().for_each(|piece| body.push(piece.source.clone()));
        body
    }
}
