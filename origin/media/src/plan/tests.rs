//! Where timelines are cut: tables of GOPs, and the invariants over any tracks.

use std::sync::Arc;

use proptest::prelude::*;
use rillcast_fixtures::{Edit, Sample as MadeSample, Shape, Track as Made};

use super::*;
use crate::demux::mp4::read_all;
use crate::time::{Instant, OFFSET_S};

fn timeline(tracks: Vec<Made>) -> Timeline {
    let movie = read_all(&Shape::new(tracks).bytes().into()).expect("a good file");
    Timeline::of_movie(&Arc::new(movie)).expect("a timeline")
}

fn plan(tracks: Vec<Made>) -> SegmentPlan {
    SegmentPlan::new(&timeline(tracks), Policy::VOD).expect("few segments")
}

/// Seconds of the segments of `track`; one that is a gap is negative.
fn seconds(plan: &SegmentPlan, track: usize) -> Vec<f64> {
    let timescale = plan.tracks[track].timescale;
    let of_span = |span: Span| {
        let length = (timescale.seconds(span.duration) * 1000.0).round() / 1000.0;
        if span.samples.is_empty() { -length } else { length }
    };
    plan.spans(track).map(of_span).collect()
}

#[test]
fn a_segment_ends_at_the_first_sync_sample_from_five_seconds_on() {
    let cases: [(usize, &[f64]); 8] = [
        (50, &[6.0, 6.0, 4.0]),
        (75, &[6.0, 6.0, 4.0]),
        (125, &[5.0, 5.0, 5.0, 1.0]),
        (150, &[6.0, 6.0, 4.0]),
        (250, &[10.0, 6.0]),
        (399, &[15.96, 0.04]),
        (500, &[16.0]),
        (1, &[5.0, 5.0, 5.0, 1.0]),
    ];
    for (gop, expected) in cases {
        let plan = plan(vec![Made::avc(1, 25, gop, 400)]);
        assert_eq!(seconds(&plan, 0), expected, "GOP of {gop} frames");
        let longest = expected.iter().copied().fold(0.0, f64::max).round();
        assert_eq!(f64::from(plan.target_duration_s()), longest);
    }
}

#[test]
fn a_segment_of_half_a_second_more_rounds_the_target_up() {
    for (gop, target) in [(137, 5), (138, 6)] {
        assert_eq!(plan(vec![Made::avc(1, 25, gop, 276)]).target_duration_s(), target, "{gop} frames");
    }
    assert_eq!(plan(vec![Made::avc(1, 25, 12, 1)]).target_duration_s(), 1, "never zero");
}

#[test]
fn sound_alone_is_cut_every_five_seconds() {
    // 1024 ticks at 48 kHz: 235 samples are the first that reach 5 s.
    let plan = plan(vec![Made::aac(1, 500)]);
    let counts: Vec<usize> = plan.spans(0).map(|span| span.samples.len()).collect();
    assert_eq!(counts, [235, 235, 30]);
}

#[test]
fn sound_that_cannot_be_filled_leaves_gaps_at_the_end() {
    let plan = plan(vec![Made::avc(1, 25, 50, 400), Made::aac_22_2(2, 300)]);
    assert_eq!(seconds(&plan, 0), [6.0, 6.0, 4.0]);
    // 6.4 s of sound: 281.25 samples are 6 s.
    assert_eq!(seconds(&plan, 1), [6.016, 0.384, -0.0]);
    assert!(plan.span(1, 2).expect("listed").samples.is_empty());
}

#[test]
fn sound_that_goes_on_belongs_to_the_last_segment() {
    let plan = plan(vec![Made::avc(1, 25, 50, 400), Made::aac(2, 48_000 * 20 / 1024)]);
    assert_eq!(seconds(&plan, 1), [6.016, 5.995, 7.979]);
    assert_eq!(plan.target_duration_s(), 8);
}

#[test]
fn sound_that_cannot_be_filled_has_gaps_first() {
    let late = Made::aac_22_2(2, 200).with_edits(&[Edit::new(7000, -1), Edit::new(4000, 0)]);
    let plan = plan(vec![Made::avc(1, 25, 50, 400), late]);
    // The gap is as long as the segment beside it, and the next is shorter by what is missing.
    assert_eq!(seconds(&plan, 1)[0], -7.0);
    assert_eq!(plan.span(1, 0).expect("listed").start, 48_000 * i64::from(OFFSET_S));
    let second = plan.span(1, 1).expect("listed");
    assert_eq!((second.samples.start, second.start), (0, 48_000 * (i64::from(OFFSET_S) + 7)));
}

#[test]
fn silence_is_cut_as_sound_is() {
    // 7 s late and 4.27 s long: 329 frames in front, the first 18.7 ms early, 222 behind.
    let late = Made::aac(2, 200).with_edits(&[Edit::new(7000, -1), Edit::new(4267, 0)]);
    let plan = plan(vec![Made::avc(1, 25, 50, 400), late]);
    assert_eq!(seconds(&plan, 0), [6.0, 6.0, 4.0]);
    assert_eq!(seconds(&plan, 1), [6.037, 5.995, 3.989]);
    let counts: Vec<usize> = plan.spans(1).map(|span| span.samples.len()).collect();
    assert_eq!((counts.iter().sum::<usize>(), counts), (329 + 200 + 222, vec![283, 281, 187]));
    assert_eq!(plan.span(1, 0).expect("listed").start, 48_000 * 17 - 329 * 1024);
}

#[test]
fn a_pause_before_a_key_frame_belongs_to_the_segment_before() {
    // Encoders write decode times that are those of the picture before, so that the pause comes late: the
    // key frame, number 51, is decoded before the pause and presented after it.
    let pause: i32 = 35 * 25 * 512;
    let mut made = Made::avc(1, 25, 51, 102).with_b_frames();
    made.samples[51].duration += pause.unsigned_abs();
    made.samples[51].composition += pause;
    let timeline = timeline(vec![made]);
    let plan = SegmentPlan::new(&timeline, Policy { cut_from_ms: 2000 }).expect("few segments");
    assert_eq!(seconds(&plan, 0), [2.04 + 35.0, 2.04]);
    check_invariants(&timeline, &plan);
    let second = plan.span(0, 1).expect("listed");
    let times = samples(&timeline, 0, &second).map(|s| (s.dts - second.start, s.pts() - second.start));
    assert_eq!(times.take(4).collect::<Vec<_>>(), [(0, 0), (512, 1024), (1024, 512), (1536, 1536)]);
}

#[test]
fn a_film_that_lost_its_last_b_frames_ends_with_its_last_picture() {
    let mut made = Made::avc(1, 25, 50, 51).with_b_frames();
    made.samples.truncate(50);
    let timeline = timeline(vec![made]);
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
    // Pictures 0 to 47, and number 49 without the one that was to be shown before it.
    assert_eq!(seconds(&plan, 0), [2.04]);
    check_invariants(&timeline, &plan);
}

#[test]
fn a_last_picture_that_was_moved_lasts_as_long_as_it_should() {
    // Ten pictures a second long; the edit starts in the last but one, so that eight are moved.
    let mut made = Made::avc(1, 1, 10, 10);
    made.timescale = 512;
    let timeline = timeline(vec![made.with_edits(&[Edit::new(0, 512 * 8 + 100)])]);
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
    assert_eq!(seconds(&plan, 0), [2.016]);
    let alone = Made { timescale: 512, ..Made::avc(1, 1, 10, 10) }.with_edits(&[Edit::new(0, 512 * 9 + 100)]);
    let plan = SegmentPlan::new(&self::timeline(vec![alone]), Policy::VOD).expect("few segments");
    assert_eq!(seconds(&plan, 0), [1.018]);
}

#[test]
fn the_last_picture_is_held_while_the_sound_goes_on() {
    for (frames, end) in [(189, 4.0), (192, 4.096), (193, 4.117)] {
        let timeline = timeline(vec![Made::avc(1, 25, 50, 100), Made::aac(2, frames)]);
        let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
        let held = if end > 4.1 { end } else { 4.0 };
        assert_eq!(seconds(&plan, 0), [held], "{frames} frames of sound");
        check_invariants(&timeline, &plan);
    }
}

#[test]
fn other_videos_are_cut_alike_or_left_out() {
    let small = Made { timescale: 90_000, ..Made::avc(2, 25, 50, 400) };
    let small = Made {
        samples: small.samples.iter().map(|sample| MadeSample { duration: 3600, ..*sample }).collect(),
        ..small
    };
    let shifted = Made::avc(3, 25, 60, 400);
    let plan = plan(vec![Made::avc(1, 25, 50, 400), small, shifted, Made::aac(4, 700)]);
    assert_eq!(seconds(&plan, 1), [6.0, 6.0, 4.0]);
    assert_eq!((plan.excluded(0), plan.excluded(1), plan.excluded(3)), (None, None, None));
    assert_eq!(plan.excluded(2), Some("it has no sync sample where the first video track is cut"));
    assert_eq!(plan.span(2, 0), Err(PlanError::NoSuchTrack { track: 2 }));
    assert_eq!(plan.spans(2).count(), 0);
}

#[test]
fn a_clip_starts_a_segment_and_a_discontinuity() {
    let edits = [Edit::new(8000, 0), Edit::new(4000, 512 * 300)];
    let plan = plan(vec![Made::avc(1, 25, 50, 400).with_edits(&edits)]);
    let spans: Vec<_> = plan.spans(0).map(|s| (s.clip, s.samples, s.discontinuity)).collect();
    assert_eq!(spans, [(0, 0..150, false), (0, 150..200, false), (1, 0..100, true)]);
    assert_eq!(seconds(&plan, 0), [6.0, 2.0, 4.0]);
}

#[test]
fn what_does_not_exist_is_an_error() {
    let plan = plan(vec![Made::avc(1, 25, 50, 400)]);
    assert_eq!(plan.span(0, 3), Err(PlanError::NoSuchSegment { number: 3, len: 3 }));
    assert_eq!(plan.span(1, 0), Err(PlanError::NoSuchTrack { track: 1 }));
}

#[test]
fn segments_have_a_limit() {
    let every_frame = Policy { cut_from_ms: 1 };
    let of = |frames| SegmentPlan::new(&timeline(vec![Made::avc(1, 25, 1, frames)]), every_frame);
    assert_eq!(of(MAX_SEGMENTS).map(|plan| plan.len()), Ok(MAX_SEGMENTS));
    assert_eq!(of(MAX_SEGMENTS + 1).map(|plan| plan.len()), Err(PlanError::TooMany { limit: MAX_SEGMENTS }));
}

#[test]
fn key_frames_are_half_a_second_apart_and_fill_the_time() {
    let timeline = timeline(vec![Made::avc(1, 25, 5, 100)]);
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
    let frames: Vec<_> =
        key_frames(&timeline, &plan, 0).iter().map(|frame| (frame.position, frame.duration / 512)).collect();
    assert_eq!(frames, [(0, 15), (15, 15), (30, 15), (45, 15), (60, 15), (75, 15), (90, 10)]);
}

#[test]
fn key_frames_of_a_very_long_film_are_further_apart() {
    // 120,000 sync samples a second apart: 33 hours.
    let mut made = Made::avc(1, 1, 1, 120_000);
    made.timescale = 512;
    let timeline = timeline(vec![made]);
    let plan = SegmentPlan::new(&timeline, Policy { cut_from_ms: 10_000 }).expect("few segments");
    let frames = key_frames(&timeline, &plan, 0);
    assert_eq!(frames.len(), 60_000);
    assert!(frames.iter().all(|frame| frame.duration == 1024));
}

/// A video track of GOPs of these lengths (in units of three frames), with or without B-frames.
fn video() -> impl Strategy<Value = Made> {
    (prop::collection::vec(1..70usize, 1..12), any::<bool>(), 1..31u32).prop_map(|(gops, reorder, fps)| {
        let frames = gops.iter().sum::<usize>() * 3;
        let mut made = Made::avc(1, fps, frames, frames);
        let mut at = 0;
        for gop in gops {
            made.samples[at].sync = true;
            at += gop * 3;
        }
        made.per_chunk = 7;
        if reorder { made.with_b_frames() } else { made }
    })
}

fn audio() -> impl Strategy<Value = Made> {
    (3..1500usize, 0..4000u64, prop::sample::select(vec![0i64, 1024, 2112])).prop_map(
        |(count, lead, priming)| {
            Made::aac(2, count).with_edits(&[Edit::new(lead, -1), Edit::new(0, priming)])
        },
    )
}

/// Asserts what holds of every track of every plan of one clip.
fn check_invariants(timeline: &Timeline, plan: &SegmentPlan) {
    let clip = &timeline.clips()[0];
    let reference: Vec<Span> = plan.spans(timeline.reference()).collect();
    for index in 0..plan.tracks() {
        let (track, part) = clip.track(index).expect("a track");
        let spans: Vec<Span> = plan.spans(index).collect();
        assert_eq!(spans.len(), plan.len());
        // Every sample once, in order.
        let mut next = 0;
        for span in spans.iter().filter(|span| !span.samples.is_empty()) {
            assert_eq!(span.samples.start, next);
            next = span.samples.end;
            let made: Vec<_> = samples(timeline, index, span).collect();
            assert_eq!(made.len(), span.samples.len());
            assert_eq!(made.iter().map(|sample| sample.payload.len()).sum::<u64>(), span.commons.bytes);
            let first = made.iter().map(Sample::pts).min().expect("not empty");
            assert_eq!(first, span.start, "a span starts with the first frame presented");
            assert_eq!(made[0].dts, span.start, "a span is decoded from its start on");
            let length: i64 = made.iter().map(|sample| i64::from(sample.duration)).sum();
            assert_eq!(length, span.duration, "durations add up to the span");
            assert!(made.windows(2).all(|pair| pair[0].dts + i64::from(pair[0].duration) == pair[1].dts));
            let fitted = Commons::of(made.into_iter());
            assert_eq!(fitted, span.commons, "what is planned is what is made");
        }
        assert_eq!(next, part.len());
        // No hole between segments, up to where the track ends.
        for pair in spans.windows(2).filter(|pair| pair[1].samples.start < part.len()) {
            assert_eq!(pair[0].start + pair[0].duration, pair[1].start);
        }
        let total: i64 = spans.iter().map(|span| span.duration).sum();
        let last = clip.samples(index, 0..part.len()).max_by_key(Sample::pts).expect("not empty");
        let (end, shown) = (last.pts() + i64::from(last.duration), spans[0].start + total);
        let held = track.kind() == TrackKind::Video && shown > end + track.timescale.offset() / 100;
        assert!(shown == end || held, "{shown} is neither {end} nor held");
        // Boundaries differ by less than one sample.
        let scale = timeline.clips()[0].movie.tracks[timeline.reference()].timescale;
        for (span, cut) in spans.iter().zip(&reference).skip(1).filter(|(span, _)| !span.samples.is_empty()) {
            let at = Instant::new(cut.start, scale);
            let first = clip.sample(index, span.samples.start).expect("in the track");
            let start = Instant::new(span.start, track.timescale);
            let before = Instant::new(span.start - i64::from(first.duration), track.timescale);
            let first_of_all = span.samples.start == 0;
            assert!(start >= at && (before < at || first_of_all), "{start:?} beside {at:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn plans_keep_their_promises(video in video(), audio in audio()) {
        let timeline = timeline(vec![video, audio]);
        let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
        check_invariants(&timeline, &plan);
    }

    #[test]
    fn a_feed_is_cut_as_its_recording(video in video()) {
        let timeline = timeline(vec![video]);
        let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
        let track = &timeline.clips()[0].movie.tracks[0];
        let mut cutter = Cutter::new(Policy::VOD, track.timescale);
        let live: Vec<usize> = track
            .samples
            .rows(0..usize::MAX)
            .filter(|row| row.sync && cutter.push(row.pts()))
            .map(|row| row.index)
            .collect();
        prop_assert_eq!(live, plan.spans(0).map(|span| span.samples.start).collect::<Vec<_>>());
    }
}
