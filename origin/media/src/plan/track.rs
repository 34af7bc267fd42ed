//! How one track is cut: columns of segments, measured in one walk over its samples.

use super::cuts::Cut;
use super::table::{Row, SegmentTable};
use super::window::Window;
use crate::movie::TrackKind;
use crate::sample::Commons;
use crate::slice::Slice;
use crate::time::{Instant, Timescale};
use crate::timeline::{BRIDGED_MS, Clip, Samples};

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
        let mut samples = clip.samples(index, 0..part.len());
        let lasts = firsts.iter().skip(1).copied().chain([part.len()]);
        for ((first, last), cut) in firsts.iter().copied().zip(lasts).zip(cuts) {
            let measured = measure(&mut samples, first..last, cut.at, track.timescale);
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

/// The segment of positions `range`, whose samples are the next of `samples`.
fn measure(
    samples: &mut Samples<'_>,
    range: std::ops::Range<usize>,
    cut: Instant,
    timescale: Timescale,
) -> Measured {
    let (first, last) = (range.start, range.end);
    let at = cut.timescale.rescale(cut.ticks, timescale);
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
    for (number, sample) in samples.take(range.len()).enumerate() {
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
