//! Pictures that do not stand where the source has them: those before an edit's start, which decoding
//! needs and nobody should see, and a first one that comes after the sound.
//!
//! Output has no edit lists, so **pre-roll** is decoded and presented like all other pictures. Left where
//! the source has it it would stand in front of time zero, and players would begin with as long a hole in
//! the sound (or, inside a timeline, lay it over the end of the clip before). So it is moved close
//! together, right in front of the first picture that is meant to be seen:
//!
//! ```text
//!  source    I────P────P────P────▶P────P────        ▶ the edit's start
//!  output                   IPPP ▶P────P────        decoded as before, shown for some microseconds
//!
//!  source    ♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪♪
//!                      I────P────P────P────         the pictures come late
//!  output    I──────────────P────P────P────         the first is held from where the sound begins
//! ```
//!
//! What an edit's end leaves behind it, because pictures before the end refer to it, stands right before the
//! end likewise.
//!
//! Decoding order and payloads stay. Decode times behind, of pictures that are seen but decoded between
//! the moved ones, are at least as late as needed to grow.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::clip::ClipTrack;
use super::shown::REORDER_SAMPLES;
use crate::movie::{SampleRow, Track};

/// How many pictures of pre-roll a second has room for. MSE counts microseconds: 100 is well above.
const PER_SECOND: u32 = 10_000;
/// Pictures that are moved in all clips of a timeline together, those decoded between them included: a
/// named limit. Clips past it keep their pre-roll where the source has it.
pub(super) const MAX_MOVED: usize = 1 << 16;

/// Decode and presentation times on the output timeline of the first samples of a clip's track, in ticks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preroll {
    moved: Arc<[(i64, i64)]>,
    /// Samples presented after the end of the clip, which others before it need: number and presentation time.
    behind: Arc<[(usize, i64)]>,
}

impl Preroll {
    /// Decode and presentation time of the clip's sample `number`, if it is moved.
    pub fn get(&self, number: usize) -> Option<(i64, i64)> {
        self.moved.get(number).copied()
    }

    /// Presentation time of the clip's sample `number`, if it stands behind what is meant to be seen.
    pub fn behind(&self, number: usize) -> Option<i64> {
        self.behind.iter().find(|(of, _)| *of == number).map(|(_, pts)| *pts)
    }

    /// Numbers of the clip's samples that are not moved; there may be more behind.
    pub(super) fn unmoved(&self) -> Range<usize> {
        let end = self.behind.iter().map(|(number, _)| *number).min().unwrap_or(usize::MAX);
        self.moved.len()..end
    }

    /// The same with what `part` of `track` has behind its end moved to right before it.
    ///
    /// Cost: O(1): reordering reaches so far only.
    pub(super) fn with_end(mut self, track: &Track, part: &ClipTrack, end: i64) -> Self {
        let late = track.samples.rows(part.tail()).filter(|row| row.pts() + part.shift >= end);
        let mut late: Vec<(usize, i64)> =
            late.map(|row| (row.index.saturating_sub(part.samples.start), row.pts())).collect();
        late.sort_unstable_by_key(|(_, pts)| *pts);
        let mut at = end.saturating_sub(step(track).saturating_mul(i64::try_from(late.len()).unwrap_or(0)));
        for (_, pts) in &mut late {
            *pts = at;
            at = at.saturating_add(step(track));
        }
        self.behind = late.into();
        self
    }

    /// Samples that are moved at the start.
    pub fn len(&self) -> usize {
        self.moved.len()
    }

    /// Whether nothing is moved at the start.
    pub fn is_empty(&self) -> bool {
        self.moved.is_empty()
    }

    /// What is moved of `part` of `track`, whose first picture to be seen has media time `first`, and is
    /// held for `hold` ticks longer than in the source; nothing when that were more than `room` samples.
    ///
    /// Cost: O(n log n) for n samples of pre-roll.
    pub(super) fn new(track: &Track, part: &ClipTrack, first: i64, hold: i64, room: usize) -> Self {
        let rows: Vec<SampleRow> = head(track, part, first, room.saturating_add(1)).collect();
        let mut unseen: Vec<i64> = rows.iter().map(SampleRow::pts).filter(|pts| *pts < first).collect();
        if (unseen.is_empty() && hold == 0) || rows.len() > room {
            return Self::default();
        }
        unseen.sort_unstable();
        let step = step(track);
        let ticks = |samples: usize| i64::try_from(samples).unwrap_or(i64::MAX).saturating_mul(step);
        // When the first picture is seen, and all before it begins.
        let zero = first + part.shift - hold;
        let start = zero.saturating_sub(ticks(unseen.len()));
        let mut moved = Vec::with_capacity(rows.len());
        let (mut settled, mut is_behind) = (0, false);
        for (number, row) in rows.iter().enumerate() {
            let in_the_source = part.in_the_source(row);
            let earliest = start.saturating_add(ticks(number));
            let dts = if is_behind { in_the_source.0.max(earliest) } else { earliest };
            let pts = match row.pts().cmp(&first) {
                Ordering::Less => start + ticks(unseen.partition_point(|other| *other < row.pts())),
                Ordering::Equal => zero,
                Ordering::Greater => in_the_source.1,
            };
            is_behind |= row.pts() == first;
            moved.push((dts, pts));
            if (dts, pts) != in_the_source {
                settled = number + 1;
            }
        }
        // The samples behind must be decoded later than what was moved.
        if settled == rows.len() && rows.len() < part.samples.len() {
            return Self::default();
        }
        moved.truncate(settled);
        Self { moved: moved.into(), behind: Arc::default() }
    }
}

/// What moved pictures are apart, in ticks of `track`.
fn step(track: &Track) -> i64 {
    i64::from((track.timescale.ticks_per_s() / PER_SECOND).max(1))
}

/// The samples of `part` from its start to well behind `first`, at most `most`.
fn head<'a>(
    track: &'a Track,
    part: &ClipTrack,
    first: i64,
    most: usize,
) -> impl Iterator<Item = SampleRow> + 'a {
    let mut behind = 0;
    track.samples.rows(part.samples.clone()).take(most).take_while(move |row| {
        behind += usize::from(row.dts > first);
        behind <= REORDER_SAMPLES
    })
}
