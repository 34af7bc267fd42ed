//! Whether a file that was written is what it was meant to be, by its own index read anew.

use super::index::rewrite;
use super::places::Places;
use super::{Contiguity, Frame, LayoutError, Rewrite};
use crate::demux::FormatError;
use crate::plan::{Policy, SegmentPlan};
use crate::revision::Revision;
use crate::slice::{Extent, SourceIndex};
use crate::timeline::Timeline;

/// What a written file has that it should not. A fault of ours, or of what it was written to.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Difference {
    /// It cannot be laid out itself, so it is not what was meant.
    #[error("its index is not one we wrote: {0}")]
    Layout(#[from] LayoutError),
    /// A box other than `stsc`, `stco` and `co64` is not what it was.
    #[error("its boxes are not those of the source")]
    Boxes,
    /// The revision is another.
    #[error("its revision is {found}, that of the source {expected}")]
    Revision {
        /// That of the source.
        expected: Revision,
        /// That of the file.
        found: Revision,
    },
    /// A segment is not one extent.
    #[error("{bodies} bodies of segments are {extents} pieces of it")]
    Apart {
        /// Bodies of segments.
        bodies: u64,
        /// Extents they are made of.
        extents: u64,
    },
    /// Samples are not where they were put.
    #[error("track number {trak} is not at byte {offset} where it was put")]
    Place {
        /// The number of its `trak` box, from zero.
        trak: usize,
        /// Where it was put.
        offset: u64,
    },
}

impl Rewrite {
    /// Checks that the file around `written`, with its own timeline and plan, shows what `frame` and `timeline` of the
    /// source show, and that every sample lies where it was put. What then is left to compare are the
    /// bytes: those of [`pieces`](Self::pieces) with those of the source.
    ///
    /// Cost: as making it; both indexes in memory.
    ///
    /// # Errors
    /// [`Difference`].
    pub fn confirm(
        &self,
        (frame, timeline): (&Frame, &Timeline),
        (written, new_timeline, new_plan): (&Frame, &Timeline, &SegmentPlan),
        policy: Policy,
    ) -> Result<(), Difference> {
        let (expected, found) = (Revision::of(timeline, policy), Revision::of(new_timeline, policy));
        if expected != found {
            return Err(Difference::Revision { expected, found });
        }
        if frame.file_type != written.file_type
            || frame.kept != written.kept
            || without_places(frame)? != without_places(written)?
        {
            return Err(Difference::Boxes);
        }
        let Contiguity { bodies, extents } = Contiguity::of(new_timeline, new_plan);
        if bodies != extents {
            return Err(Difference::Apart { bodies, extents });
        }
        let places = Places::new(written, new_timeline, new_plan)?;
        let source = SourceIndex::default();
        for piece in self.pieces() {
            let expected = Extent { source, offset: piece.start, len: piece.len };
            let found = places.extents(piece);
            if !found.eq((piece.len > 0).then_some(expected)) {
                return Err(Difference::Place { trak: piece.trak, offset: piece.start });
            }
        }
        Ok(())
    }
}

/// The index without the tables that say where samples are.
///
fn without_places(frame: &Frame) -> Result<Vec<u8>, Difference> {
    let index = rewrite(&frame.index, &|_: usize, _: &super::boxes::BoxRef<'_>| Some(Vec::new()));
    index.map_err(|error: FormatError| Difference::Layout(error.into()))
}
