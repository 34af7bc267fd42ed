//! Silence where a clip's sound begins later, or ends earlier, than its pictures.
//!
//! Players take a missing start of one rendition badly: hls.js waits for ever before `EXT-X-GAP`, Shaka
//! leaves the pictures out. So the missing part is filled with silent frames of the track's own codec;
//! they follow the sound's own beat, outwards from what the source has, so that the sound stays where it is:
//!
//! ```text
//!  pictures    |────────────────────────────────|
//!  source                 ♪♪♪♪♪♪♪♪♪♪♪
//!  output     ▁▁▁▁▁▁▁▁▁▁▁▁♪♪♪♪♪♪♪♪♪♪♪▁▁▁▁▁▁▁▁▁▁▁▁        begins up to a frame early
//! ```
//!
//! Codecs of which we make no silent frame keep the gap.

use bytes::Bytes;

use super::clip::ClipTrack;
use crate::codec::Codec;
use crate::movie::Track;
use crate::sample::Sample;
use crate::slice::Slice;
use crate::time::{Instant, Timescale};

/// Sound may begin this much late (or early), or end this much before the next clip: players bridge it.
pub(crate) const BRIDGED_MS: i64 = 100;
/// Sound may end this much before the end of everything, where nothing has to go on: half a segment. Of what
/// is shorter than a segment, half.
const END_BRIDGED_MS: i64 = 3_000;
/// Frames made in all clips of a timeline together: a named limit (six hours at 48 kHz). What would need
/// more keeps its gap.
pub(super) const MAX_FRAMES: usize = 1 << 20;

/// What is made in front of, and behind, the samples that the source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Frames in front.
    pub before: usize,
    /// Frames behind.
    pub after: usize,
    /// The coded frame.
    frame: Bytes,
    /// Samples of sound in a frame.
    samples_per_frame: i64,
    /// Samples of sound a second.
    rate: Timescale,
    /// Ticks of the track.
    timescale: Timescale,
    /// Decode time of the source's first sample on the output timeline.
    start: i64,
    /// End of its last one.
    end: i64,
}

impl Silence {
    /// None, for a track of `timescale`.
    pub const fn none(timescale: Timescale) -> Self {
        Self {
            before: 0,
            after: 0,
            frame: Bytes::new(),
            samples_per_frame: 0,
            rate: timescale,
            timescale,
            start: 0,
            end: 0,
        }
    }

    /// The silence that `part` of `track` needs to reach from `from` to `to`, in at most `room` frames.
    /// `last` says that no clip follows.
    pub(super) fn new(
        track: &Track,
        part: &ClipTrack,
        (from, to): (Instant, Instant),
        last: bool,
        room: usize,
    ) -> Self {
        let none = Self::none(track.timescale);
        let Codec::Aac(config) = &track.codec else { return none };
        let (Some(frame), Some(rate)) = (config.silent_frame(), Timescale::new(config.core_sample_rate()))
        else {
            return none;
        };
        let ends = part.samples.clone().next().zip(part.samples.clone().next_back());
        let Some((first, last_one)) =
            ends.and_then(|(first, last)| track.samples.row(first).zip(track.samples.row(last)))
        else {
            return none;
        };
        let (start, _) = part.place(&first);
        let end = part.place(&last_one).0 + i64::from(last_one.duration);
        let samples_per_frame = i64::from(config.samples_per_frame());
        let mut silence = Self { frame, samples_per_frame, rate, start, end, ..none };
        let at = |instant: Instant| instant.timescale.rescale(instant.ticks, track.timescale);
        silence.before = silence.frames(start - at(from), BRIDGED_MS);
        let ms = |ticks| track.timescale.rescale(ticks, Timescale::MS);
        let half_ms = ms(at(to) - at(from)) / 2;
        let bridged_ms = if last { half_ms.min(END_BRIDGED_MS) } else { BRIDGED_MS };
        silence.after = silence.frames(at(to) - end, bridged_ms);
        if silence.before.saturating_add(silence.after) > room {
            return none;
        }
        silence
    }

    /// Frames that fill `gap` ticks, if it is too long to be bridged.
    fn frames(&self, gap: i64, bridged_ms: i64) -> usize {
        if gap <= Timescale::MS.rescale(bridged_ms, self.timescale) {
            return 0;
        }
        let samples = u64::try_from(self.timescale.rescale(gap, self.rate)).unwrap_or(0);
        let frames = samples.div_ceil(self.samples_per_frame.unsigned_abs().max(1));
        usize::try_from(frames).unwrap_or(usize::MAX)
    }

    /// Frame `number` of those in front.
    pub(super) fn in_front(&self, number: usize) -> Sample<Slice> {
        let left = |number: usize| self.start - self.ticks(self.before.saturating_sub(number));
        self.sample(left(number), left(number + 1))
    }

    /// Frame `number` of those behind.
    pub(super) fn behind(&self, number: usize) -> Sample<Slice> {
        self.sample(self.end + self.ticks(number), self.end + self.ticks(number + 1))
    }

    fn sample(&self, dts: i64, next: i64) -> Sample<Slice> {
        Sample {
            dts,
            duration: u32::try_from(next - dts).unwrap_or(0),
            composition_offset: 0,
            sync: true,
            payload: Slice::Mem(self.frame.clone()),
        }
    }

    /// How long `frames` last, in ticks of the track: rounded as a whole, so that nothing adds up.
    fn ticks(&self, frames: usize) -> i64 {
        let samples = i64::try_from(frames).unwrap_or(i64::MAX).saturating_mul(self.samples_per_frame);
        self.rate.rescale(samples, self.timescale)
    }
}
