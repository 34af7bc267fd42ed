//! What is read at a time: the extents at the front of a body, with small gaps between them, as one range.
//!
//! A segment of a file as ffmpeg writes it is hundreds of extents of 20 KB with 500 bytes of another track between.
//! They are read together and cut apart in memory. A piece ends at a multiple of its size, so that the pieces of a body
//! are the same for everyone who asks for it.

use std::{sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};

use super::PIECE_BYTES;
use crate::{
    body::Sources,
    body_source::{BodySource, FileExtent, FileIdentity, SourceFile},
};

/// Widest gap that is read along, in bytes: about what a disk reads in the time of one more question.
const GAP_BYTES_MAX: u64 = 64 << 10;

/// Most sources of one piece.
const SOURCES_MAX: usize = 1024;

/// Fewest bytes an extent has on average; smaller ones are copied together, so that the buffer is soon free.
const EXTENT_BYTES_MIN: u64 = 4 << 10;

/// A range of a file.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) file: Arc<SourceFile>,
    pub(crate) start: u64,
    end: u64,
}

impl Span {
    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.end.saturating_sub(self.start)).expect("a piece is small")
    }

    /// What tells this piece from all others, also of other files and of this file before it changed.
    pub(super) fn key(&self) -> (FileIdentity, u64) {
        (self.file.identity(), self.start)
    }

    /// Whether `other` is the same range.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && (self.start, self.end) == (other.start, other.end)
    }

    /// Notes that it was read into the page cache just now.
    pub(crate) fn note_resident(&self, now: Instant) {
        self.file.note_resident(self.start, self.end.saturating_sub(self.start), now);
    }

    /// Where a piece that begins at `start` ends at the latest.
    fn limit(start: u64) -> u64 {
        let next = |at: u64| (at / PIECE_BYTES).saturating_add(1).saturating_mul(PIECE_BYTES);
        let limit = next(start);
        // A piece of a few bytes is not worth a read of its own.
        if limit.saturating_sub(start) < PIECE_BYTES / 4 { next(limit) } else { limit }
    }

    /// Whether `extent` may be read along, when it comes next.
    fn takes_in(&self, extent: &FileExtent, limit: u64) -> bool {
        Arc::ptr_eq(&self.file, extent.file())
            && extent.offset() >= self.end
            && extent.offset().saturating_sub(self.end) <= GAP_BYTES_MAX
            && extent.offset() < limit
    }
}

/// Sources taken from the front of a body, of which those in a file lie close together.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) span: Span,
    /// All in order; extents lie inside the span.
    sources: Vec<BodySource>,
}

impl Piece {
    /// Takes a piece from the front of `from`; `None`, and nothing taken, where no extent follows.
    pub(crate) fn take(from: &mut Sources) -> Option<Self> {
        let mut sources = Vec::new();
        let mut found: Option<(Span, u64)> = None;
        while sources.len() < SOURCES_MAX
            && let Some(source) = from.next()
        {
            let extent = match source {
                BodySource::File(extent) => extent,
                other @ (BodySource::Mem(_) | BodySource::Slab(_)) => {
                    sources.push(other);
                    continue;
                }
                arriving @ BodySource::Growing(_) => {
                    from.give_back(arriving);
                    break;
                }
            };
            let start = extent.offset();
            let (span, limit) = found.get_or_insert_with(|| {
                let file = Arc::clone(extent.file());
                (Span { file, start, end: start }, Span::limit(start))
            });
            if !span.takes_in(&extent, *limit) {
                from.give_back(extent);
                break;
            }
            let taken = extent.len().min(limit.saturating_sub(start));
            span.end = start.saturating_add(taken);
            sources.push(BodySource::File(extent.clone()).cut(0, taken));
            from.give_back_rest(extent, taken);
            if span.end >= *limit {
                break;
            }
        }
        match found {
            Some((span, _)) => Some(Self { span, sources }),
            None => {
                give_back(sources, from);
                None
            }
        }
    }

    /// Puts everything back in front of `to`, unread.
    pub(crate) fn give_back(self, to: &mut Sources) {
        give_back(self.sources, to);
    }

    /// Puts everything back in front of `to`, extents as what `bytes`, the whole span, holds of them.
    ///
    /// # Errors
    /// The first extent that `bytes` does not reach; then nothing is put back.
    pub(crate) fn give_back_read(self, bytes: &Bytes, to: &mut Sources) -> Result<(), FileExtent> {
        let start = self.span.start;
        let cut = |extent: &FileExtent| {
            let from = usize::try_from(extent.offset().checked_sub(start)?).ok()?;
            let end = from.checked_add(usize::try_from(extent.len()).ok()?)?;
            (end <= bytes.len()).then(|| bytes.slice(from..end))
        };
        let mut read = Vec::with_capacity(self.sources.len());
        for source in self.sources {
            read.push(match source {
                BodySource::File(extent) => cut(&extent).ok_or(extent)?.into(),
                other => other,
            });
        }
        let total = read.iter().map(BodySource::len).fold(0, u64::saturating_add);
        let count = u64::try_from(read.len()).unwrap_or(u64::MAX);
        give_back(if total < count.saturating_mul(EXTENT_BYTES_MIN) { joined(read) } else { read }, to);
        Ok(())
    }
}

/// Copies what lies in memory together.
fn joined(sources: Vec<BodySource>) -> Vec<BodySource> {
    let mut all = BytesMut::new();
    for source in sources {
        match source {
            BodySource::Mem(bytes) => all.extend_from_slice(&bytes),
            BodySource::Slab(range) => all.extend_from_slice(range.as_ref()),
            BodySource::File(_) => unreachable!("extents were just cut from what was read"),
            BodySource::Growing(_) => unreachable!("a piece ends before what is still arriving"),
        }
    }
    vec![all.freeze().into()]
}

fn give_back(sources: Vec<BodySource>, to: &mut Sources) {
    for source in sources.into_iter().rev() {
        to.give_back(source);
    }
}

#[cfg(test)]
mod tests;
