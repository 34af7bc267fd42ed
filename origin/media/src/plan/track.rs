//! How one track is cut: columns of segments, measured in one walk over its samples.

use std::ops::Range;

use super::cuts::Cut;
use super::table::{Row, SegmentTable};
use super::window::Window;
use crate::movie::{Measurer, Measures, Track, TrackKind};
use crate::sample::Commons;
use crate::slice::Slice;
use crate::time::{Instant, Timescale};
use crate::timeline::{BRIDGED_MS, Clip, ClipTrack};

/// How one track is cut.
#[derive(Debug, Clone)]
pub(super) struct TrackPlan {
    pub(super) timescale: Timescale,
    pub(super) segments: SegmentTable,
    /// Why the track is left out.
    pub(super) excluded: Option<&'static str>,
}

/// A plan that grows clip by clip.
#[derive(Debug)]
pub(super) struct TrackDraft {
    timescale: Timescale,
    rows: Vec<Row>,
    excluded: Option<&'static str>,
}

impl TrackDraft {
    pub(super) const fn new(timescale: Timescale) -> Self {
        Self { timescale, rows: Vec::new(), excluded: None }
    }

    /// Appends the segments of the next clip; without, the track is left out for `reason`.
    pub(super) fn append(&mut self, clip: &Clip, draft: Option<Draft>, reason: &'static str) {
        match draft {
            Some(draft) => self.rows.extend(draft.finish(clip)),
            None => self.excluded = Some(reason),
        }
    }

    pub(super) fn finish(self) -> TrackPlan {
        TrackPlan {
            timescale: self.timescale,
            segments: self.rows.into_iter().collect(),
            excluded: self.excluded,
        }
    }
}

/// The segments of one track of a clip, before decode times are fitted.
#[derive(Debug)]
pub(super) struct Draft {
    index: usize,
    timescale: Timescale,
    kind: TrackKind,
    segments: Vec<Measured>,
}

/// A segment as the clip's samples have it.
#[derive(Debug)]
struct Measured {
    first: usize,
    last: usize,
    /// Presentation on the output timeline.
    start: i64,
    end: i64,
    /// Decode time of the first sample, and end of the last one.
    decoded: (i64, i64),
    shortest: u32,
    commons: Commons,
}

impl Draft {
    /// Walks the samples of track `index` once; segments start at the positions `firsts`.
    pub(super) fn new(clip: &Clip, index: usize, firsts: &[usize], cuts: &[Cut]) -> Option<Self> {
        let (track, part) = clip.track(index)?;
        let mut segments: Vec<Measured> = Vec::with_capacity(firsts.len());
        let mut in_source = Measurer::new(&track.samples, part.samples.start);
        let lasts = firsts.iter().skip(1).copied().chain([part.len()]);
        for ((first, last), cut) in firsts.iter().copied().zip(lasts).zip(cuts) {
            let measured = measure_in_source(part, &mut in_source, track, first..last);
            let measured = measured.unwrap_or_else(|| measure(clip, index, first..last, cut.at));
            // With reordering a segment ends on paper after its neighbour starts: what counts is the next
            // start. But where the track has nothing more, its end stays what it is.
            if let Some(before) = segments.last_mut()
                && first < part.len()
            {
                before.end = measured.start;
            }
            segments.push(measured);
        }
        // Frames that were moved last for what they were moved to: the clip knows when the last one ends.
        if let Some(last) = segments.last_mut().filter(|last| last.first < last.last)
            && part.silence.after == 0
        {
            last.end = part.end.max(last.start);
        }
        Some(Self { index, timescale: track.timescale, kind: track.kind(), segments })
    }

    /// When the track ends, if anything of it is shown.
    fn end(&self) -> Option<Instant> {
        let last = self.segments.iter().rfind(|segment| segment.first < segment.last)?;
        Some(Instant::new(last.end, self.timescale))
    }

    /// Fits the samples into their segments.
    ///
    /// Cost: another walk over those segments whose decode times do not fit.
    fn finish(self, clip: &Clip) -> impl Iterator<Item = Row> {
        let row = move |segment: Measured| {
            let Measured { first, last, start, end, .. } = segment;
            let window = Window::new(start, end, last.saturating_sub(first), self.timescale);
            let commons = if window.holds(segment.decoded.0, segment.decoded.1, segment.shortest) {
                segment.commons
            } else {
                let samples = clip.samples(self.index, first..last).enumerate();
                Commons::of(samples.map(|(number, sample)| window.fit(number, sample)))
            };
            let position = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
            Row { first: position(first), last: position(last), start, end, commons }
        };
        self.segments.into_iter().map(row)
    }
}

/// Holds the last picture of each video track of the last clip until everything ends, if a duration can say it.
pub(super) fn hold_last_pictures(drafts: &mut [Option<Draft>]) {
    let Some(end) = drafts.iter().flatten().filter_map(Draft::end).max() else { return };
    for draft in drafts.iter_mut().flatten().filter(|draft| draft.kind == TrackKind::Video) {
        let end = end.timescale.rescale(end.ticks, draft.timescale);
        if let Some(last) = draft.segments.last_mut().filter(|last| last.first < last.last)
            && end.saturating_sub(last.end) > Timescale::MS.rescale(BRIDGED_MS, draft.timescale)
            && end.saturating_sub(last.start) < i64::from(u32::MAX)
        {
            last.end = end;
        }
    }
}

/// Decode time of the first sample at `positions`, if all stand where the source has them and fit into `window` so.
pub(super) fn fitting_decode_time(
    track: &Track,
    part: &ClipTrack,
    positions: &Range<usize>,
    window: Window,
) -> Option<i64> {
    let mut measurer = Measurer::new(&track.samples, part.unmoved_numbers(positions)?.start);
    let measured = measure_in_source(part, &mut measurer, track, positions.clone())?;
    let (first, end) = measured.decoded;
    window.holds(first, end, measured.shortest).then_some(first)
}

/// The segment of positions `range`, if all of it stands where the source has it.
///
/// It is what [`measure`] says, for a tenth of the work; `measurer` has measured what came before, mostly.
fn measure_in_source<'a>(
    part: &ClipTrack,
    measurer: &mut Measurer<'a>,
    track: &'a Track,
    range: Range<usize>,
) -> Option<Measured> {
    let numbers = part.unmoved_numbers(&range)?;
    if measurer.index() != numbers.start {
        *measurer = Measurer::new(&track.samples, numbers.start);
    }
    let measures = measurer.next(numbers.len())?;
    let delay = i64::from(part.decode_delay);
    // Offsets that saturate move presentation times: nothing for a short cut.
    let offset = |composition: i64| i32::try_from(composition.checked_sub(delay)?).ok();
    let offsets = (offset(measures.compositions.0)?, offset(measures.compositions.1)?);
    let shortest = u32::try_from(measures.durations.0).ok()?;
    let longest = u32::try_from(measures.durations.1).ok()?;
    Some(Measured {
        first: range.start,
        last: range.end,
        start: measures.first_pts + part.shift,
        end: measures.presented_end + part.shift,
        decoded: (measures.decoded.0 + part.shift + delay, measures.decoded.1 + part.shift + delay),
        shortest,
        commons: Commons {
            count: numbers.len(),
            bytes: measures.bytes,
            duration: (shortest == longest).then_some(shortest),
            first_sync: measures.first_sync,
            rest_sync: rest_sync(&measures, numbers.len()),
            has_composition: offsets != (0, 0),
        },
    })
}

/// Whether the samples of `count` after the first are sync samples, if they are alike; of one, whether it is.
fn rest_sync(measures: &Measures, count: usize) -> Option<bool> {
    match measures.later_syncs {
        _ if count == 1 => Some(measures.first_sync),
        0 => Some(false),
        all if all + 1 == count => Some(true),
        _ => None,
    }
}

/// The segment of positions `range`, cut at `cut`, sample by sample.
fn measure(clip: &Clip, index: usize, range: Range<usize>, cut: Instant) -> Measured {
    let (first, last) = (range.start, range.end);
    let at = clip.track(index).map_or(0, |(track, _)| cut.timescale.rescale(cut.ticks, track.timescale));
    let mut measured = Measured {
        first,
        last,
        start: i64::MAX,
        end: i64::MIN,
        decoded: (at, at),
        shortest: u32::MAX,
        commons: Commons::default(),
    };
    let mut last_pts = i64::MIN;
    for (number, sample) in clip.samples(index, range).enumerate() {
        let duration = i64::from(sample.duration);
        let bytes = Slice::len(&sample.payload);
        measured.commons.push(sample.duration, sample.composition_offset, sample.sync, bytes);
        measured.start = measured.start.min(sample.pts());
        // Durations are those of decoding: only the last frame presented tells how long it is shown.
        if sample.pts() >= last_pts {
            (last_pts, measured.end) = (sample.pts(), sample.pts() + duration);
        }
        measured.shortest = measured.shortest.min(sample.duration);
        if number == 0 {
            measured.decoded.0 = sample.dts;
        }
        measured.decoded.1 = sample.dts + duration;
    }
    if first >= last {
        (measured.start, measured.end) = (at, at);
    }
    measured
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rillcast_fixtures::{Edit, Sample as MadeSample, Shape, Track as Made};

    use super::*;
    use crate::demux::mp4::read_all;
    use crate::package::cmaf;
    use crate::plan::{Policy, SegmentPlan, samples};
    use crate::timeline::Timeline;

    /// Measured both ways, every segment of every track is the same.
    fn check(tracks: Vec<Made>, cut_every: usize) -> usize {
        let movie = Arc::new(read_all(&Shape::new(tracks).bytes().into()).expect("a good file"));
        let timeline = Timeline::of_movie(&movie).expect("a timeline");
        let plan = SegmentPlan::new(&timeline, Policy { cut_from_ms: 1_500 }).expect("a plan");
        for track in 0..plan.tracks() {
            for span in plan.spans(track) {
                let slow = cmaf::segment(7, samples(&timeline, track, &span));
                assert_eq!(
                    cmaf::segment_of_span(7, &timeline, track, &span),
                    slow,
                    "track {track}, {span:?}"
                );
            }
        }
        let mut compared = 0;
        for clip in timeline.clips() {
            for index in 0..clip.tracks.len() {
                let (track, part) = clip.track(index).expect("there");
                let mut measurer = Measurer::new(&track.samples, part.samples.start);
                for first in (0..part.len()).step_by(cut_every) {
                    let range = first..(first + cut_every).min(part.len());
                    let folded = clip.samples(index, range.clone()).fold(Vec::new(), |mut all, sample| {
                        all.push(sample);
                        all
                    });
                    let mut one_by_one = clip.samples(index, range.clone());
                    let stepped: Vec<_> = std::iter::from_fn(|| one_by_one.next()).collect();
                    assert_eq!(folded, stepped, "track {index}, {range:?}");
                    assert_eq!(folded.len(), range.len());
                    let fast = measure_in_source(part, &mut measurer, track, range.clone());
                    let Some(fast) = fast else { continue };
                    let cut = Instant::new(0, track.timescale);
                    let slow = measure(clip, index, range.clone(), cut);
                    assert_eq!(format!("{fast:?}"), format!("{slow:?}"), "track {index}, {range:?}");
                    compared += 1;
                }
            }
        }
        compared
    }

    #[test]
    fn segments_are_the_same_however_they_are_walked() {
        let odd = |mut made: Made| {
            for (number, sample) in made.samples.iter_mut().enumerate() {
                let pattern = u32::try_from(number * 7 % 11).unwrap();
                sample.duration += pattern % 3;
                sample.composition += i32::try_from(pattern).unwrap() - 5;
                sample.sync = pattern.is_multiple_of(4);
            }
            made
        };
        for cut_every in [1, 2, 63, 64, 65, 100] {
            let plain = vec![Made::avc(1, 25, 50, 300), Made::aac(2, 400)];
            assert!(check(plain, cut_every) > 5);
            assert!(check(vec![odd(Made::avc(1, 25, 50, 300)), odd(Made::aac(2, 400))], cut_every) > 5);
            let edited =
                vec![Made::avc(1, 25, 50, 300).with_edits(&[Edit::new(5_000, 3_000)]), Made::aac(2, 700)];
            check(edited, cut_every);
            let one = MadeSample { size: 1, duration: 1, composition: i32::MAX, sync: true };
            let mut extreme = Made::avc(1, 25, 50, 300);
            extreme.samples.iter_mut().skip(1).step_by(9).for_each(|sample| *sample = one);
            check(vec![extreme], cut_every);
        }
    }
}
