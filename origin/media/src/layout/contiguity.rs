//! How many pieces of the file the segments of a movie are.

use crate::package::cmaf;
use crate::plan::{SegmentPlan, samples};
use crate::slice::Slice;
use crate::timeline::Timeline;

/// How many byte ranges of the source the bodies of segments are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contiguity {
    /// Bodies that have bytes of the source: one a segment and track.
    pub bodies: u64,
    /// Byte ranges they are made of.
    pub extents: u64,
}

impl Contiguity {
    /// Packages every segment of `plan`, and counts.
    ///
    /// Cost: O(samples), the headers of one segment at a time.
    pub fn of(timeline: &Timeline, plan: &SegmentPlan) -> Self {
        let mut found = Self::default();
        for track in 0..plan.tracks() {
            for span in plan.spans(track) {
                let body = cmaf::segment(1, samples(timeline, track, &span));
                let extents = body.iter().filter(|slice| matches!(slice, Slice::Extent(_))).count() as u64;
                found.bodies += u64::from(extents > 0);
                found.extents += extents;
            }
        }
        found
    }

    /// Whether no body has more than one.
    pub const fn is_contiguous(&self) -> bool {
        self.extents == self.bodies
    }

    /// Byte ranges of a body on average; zero where there are no bodies.
    pub fn average(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (extents, bodies) = (self.extents as f64, self.bodies.max(1) as f64);
        extents / bodies
    }
}
