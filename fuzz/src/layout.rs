//! Laying a file out anew: whatever is accepted becomes a file that shows the same, byte for byte.
//!
//! An input is read as the start of a file that ends in zeros, so that an index alone has media to
//! point into.

use std::sync::Arc;

use bytes::Bytes;
use rillcast_media::demux::mp4::read_all;
use rillcast_media::layout::{Frame, Rewrite, survey_all};
use rillcast_media::plan::{Policy, SegmentPlan};
use rillcast_media::timeline::Timeline;

/// Bytes of zeros after an input.
const TAIL_BYTES: usize = 4 << 20;
/// Samples of an input: their number is limited by the tail, their cost is that of reading each.
const MAX_SAMPLES: usize = 1 << 18;

/// The target.
///
/// # Panics
/// If the new file is not what was described, or lacks a byte.
pub fn run(data: &[u8]) {
    let mut file = data.to_vec();
    file.resize(data.len() + TAIL_BYTES, 0);
    let file = Bytes::from(file);
    let Some((frame, timeline, plan)) = known(&file) else { return };
    let movie = &timeline.clips()[0].movie;
    if movie.tracks.iter().map(|track| track.samples.len()).sum::<usize>() > MAX_SAMPLES {
        return;
    }
    let Ok(rewrite) = Rewrite::new(&frame, &timeline, &plan) else { return };
    let new = Bytes::from(rewrite.bytes(&file));
    assert_eq!(new.len() as u64, rewrite.len(), "every byte is there");
    let (written, new_timeline, new_plan) = known(&new).expect("what we write we read");
    let confirmed = rewrite.confirm((&frame, &timeline), (&written, &new_timeline, &new_plan), Policy::VOD);
    assert_eq!(confirmed, Ok(()));
    for (old, now) in movie.tracks.iter().zip(&new_timeline.clips()[0].movie.tracks) {
        for (one, other) in old.samples.rows(0..usize::MAX).zip(now.samples.rows(0..usize::MAX)) {
            assert_eq!(part(&file, one.offset, one.size), part(&new, other.offset, other.size));
        }
    }
    let again = Rewrite::new(&written, &new_timeline, &new_plan).expect("it was laid out once");
    assert!(again.is_in_place(), "there is nothing left to gain");
}

fn known(file: &Bytes) -> Option<(Frame, Timeline, SegmentPlan)> {
    let timeline = Timeline::of_movie(&Arc::new(read_all(file).ok()?)).ok()?;
    let plan = SegmentPlan::new(&timeline, Policy::VOD).ok()?;
    Some((survey_all(file).ok()?, timeline, plan))
}

fn part(file: &Bytes, offset: u64, size: u32) -> &[u8] {
    let start = usize::try_from(offset).expect("inside a file in memory");
    &file[start..start + size as usize]
}
