//! The media of the new file as a stream of bytes, read from the source in large pieces.
//!
//! ```text
//!  source   [ v a v a v a v a ] one batch: read whole when it fits a window
//!              │
//!  window   v a v a v a v a ──▶ block  v v v v a a a a ──▶ sink (offset in the new file, bytes)
//! ```
//!
//! Memory: a window of at most 32 MiB and a block of 4 MiB, whatever the size of the file.

use std::ops::Range;

use rillcast_media::layout::{Piece, Rewrite};
use rillcast_media::slice::Extent;

use super::PublishError;
use super::source::{Source, read_at};

/// Most of the source that is read at once.
const WINDOW_BYTES: u64 = 32 << 20;
/// Bytes that a sink is given at once.
const BLOCK_BYTES: usize = 4 << 20;
/// A window is worth its reads when no more than this many times the bytes wanted is read.
const MAX_WASTE: u64 = 4;

/// Takes consecutive bytes of the new file: where the first one lies, and the bytes.
pub(super) trait Sink {
    fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), PublishError>;
}

/// Feeds `sink` the media of `rewrite` from byte `from` of the new file on.
pub(super) fn gather(
    source: &Source,
    rewrite: &Rewrite,
    from: u64,
    sink: &mut impl Sink,
) -> Result<(), PublishError> {
    let start = from.max(rewrite.head().len() as u64);
    let mut gather = Gather {
        source,
        window: Vec::new(),
        window_start: 0,
        block: Vec::with_capacity(BLOCK_BYTES),
        at: start,
        sink,
    };
    for batch in rewrite.pieces().chunk_by(|one, other| one.batch == other.batch) {
        gather.batch(rewrite, batch)?;
    }
    gather.flush()
}

struct Gather<'a, S> {
    source: &'a Source,
    window: Vec<u8>,
    /// Where the window begins in the source.
    window_start: u64,
    /// Bytes of the new file that the sink has not taken yet.
    block: Vec<u8>,
    /// Where the block ends in the new file.
    at: u64,
    sink: &'a mut S,
}

impl<S: Sink> Gather<'_, S> {
    fn batch(&mut self, rewrite: &Rewrite, batch: &[Piece]) -> Result<(), PublishError> {
        let wanted: Vec<&Piece> = batch.iter().filter(|piece| piece.end() > self.at).collect();
        self.window.clear();
        let (mut start, mut end, mut bytes) = (u64::MAX, 0u64, 0u64);
        for extent in wanted.iter().flat_map(|piece| rewrite.extents(piece)) {
            start = start.min(extent.offset);
            end = end.max(extent.offset.saturating_add(extent.len));
            bytes = bytes.saturating_add(extent.len);
        }
        let len = end.saturating_sub(start);
        if len > 0 && len <= WINDOW_BYTES && len <= bytes.saturating_mul(MAX_WASTE) {
            self.window.resize(usize::try_from(len).expect("at most a window"), 0);
            self.window_start = start;
            read_at(&self.source.file, &self.source.path, &mut self.window, start)?;
        }
        for piece in wanted {
            let mut skip = self.at.saturating_sub(piece.start);
            for extent in rewrite.extents(piece) {
                let skipped = skip.min(extent.len);
                skip = skip.saturating_sub(skipped);
                self.extent(Extent {
                    offset: extent.offset.saturating_add(skipped),
                    len: extent.len.saturating_sub(skipped),
                    ..extent
                })?;
            }
        }
        Ok(())
    }

    /// Appends an extent of the source to the new file.
    fn extent(&mut self, extent: Extent) -> Result<(), PublishError> {
        let (mut offset, mut left) = (extent.offset, extent.len);
        while left > 0 {
            let room = BLOCK_BYTES.saturating_sub(self.block.len());
            let len = usize::try_from(left).map_or(room, |left| left.min(room));
            let filled = self.block.len();
            if let Some(bytes) = self.window.get(self.in_window(offset, len)) {
                self.block.extend_from_slice(bytes);
            } else {
                self.block.resize(filled.saturating_add(len), 0);
                let rest = self.block.get_mut(filled..).unwrap_or_default();
                read_at(&self.source.file, &self.source.path, rest, offset)?;
            }
            offset = offset.saturating_add(len as u64);
            left = left.saturating_sub(len as u64);
            self.at = self.at.saturating_add(len as u64);
            if self.block.len() >= BLOCK_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Where `len` bytes at `offset` of the source are in the window; outside it where they are not.
    fn in_window(&self, offset: u64, len: usize) -> Range<usize> {
        let distance = offset.checked_sub(self.window_start).and_then(|at| usize::try_from(at).ok());
        let start = distance.unwrap_or(usize::MAX);
        start..start.saturating_add(len)
    }

    fn flush(&mut self) -> Result<(), PublishError> {
        if !self.block.is_empty() {
            self.sink.take(self.at.saturating_sub(self.block.len() as u64), &self.block)?;
            self.block.clear();
        }
        Ok(())
    }
}
