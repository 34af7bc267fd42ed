//! Time zero: what is shown, and at which output time its first sample is presented.

use rillcast_fixtures::{Edit, Shape, Track as Made};

use super::*;
use crate::demux::mp4::read_all;
use crate::time::OFFSET_S;

/// Ticks of a frame of [`video`], whose timescale is 12,800.
const FRAME: i64 = 512;

/// 40 frames at 25 a second, a sync sample every 12: 1.6 s.
fn video() -> Made {
    Made::avc(1, 25, 12, 40)
}

/// 75 frames of 1024 ticks at 48 kHz: 1.6 s.
fn audio() -> Made {
    Made::aac(2, 75)
}

fn timeline(tracks: Vec<Made>) -> Result<Timeline, TimelineError> {
    let movie = read_all(&Shape { wide_headers: true, ..Shape::new(tracks) }.bytes().into());
    Timeline::of_movie(&Arc::new(movie.expect("a good file")))
}

/// Samples of each track of a clip, and when the first is presented: ticks of the track after the offset.
type Shown = Vec<(Range<usize>, i64)>;

fn shown_of(timeline: &Timeline) -> Vec<Shown> {
    let of_track = |clip: &Clip, index: usize| {
        let (track, part) = clip.track(index).expect("as many parts as tracks");
        let first = clip.sample(index, part.of_source().start).map_or(0, |sample| sample.pts());
        (part.samples.clone(), first - track.timescale.offset())
    };
    let clips = timeline.clips().iter();
    clips.map(|clip| (0..clip.tracks.len()).map(|index| of_track(clip, index)).collect()).collect()
}

#[track_caller]
fn check(tracks: Vec<Made>, expected: &[&[(Range<usize>, i64)]]) {
    assert_eq!(shown_of(&timeline(tracks).expect("a timeline")), expected);
}

#[track_caller]
fn refuse(tracks: Vec<Made>, track: u32, reason: &'static str) {
    assert_eq!(timeline(tracks).expect_err("refused"), TimelineError::Edits { track, reason });
}

#[test]
fn without_edits_all_starts_at_the_offset() {
    assert_eq!(OFFSET_S, 10);
    check(vec![video(), audio()], &[&[(0..40, 0), (0..75, 0)]]);
    check(vec![audio()], &[&[(0..75, 0)]]);
}

#[test]
fn the_first_presented_frame_is_at_the_offset_whatever_the_reordering() {
    // Without an edit list the pictures are a frame late: sound keeps its distance.
    check(vec![video().with_b_frames(), audio()], &[&[(0..40, 0), (0..75, -1920)]]);
    let edited = video().with_b_frames().with_edits(&[Edit::new(1600, FRAME)]);
    check(vec![edited, audio()], &[&[(0..40, 0), (0..75, 0)]]);
}

#[test]
fn decode_times_are_moved_so_that_a_segment_starts_where_it_is_presented() {
    for (made, delay) in [(video(), 0), (video().with_b_frames(), 512)] {
        let timeline = timeline(vec![made]).expect("a timeline");
        assert_eq!(timeline.clips()[0].tracks[0].decode_delay, delay);
    }
}

#[test]
fn an_empty_edit_delays_its_track() {
    let late = video().with_edits(&[Edit::new(40, -1), Edit::new(1600, 0)]);
    check(vec![late, audio()], &[&[(0..40, 0), (0..75, -1920)]]);
    let late = audio().with_edits(&[Edit::new(44, -1), Edit::new(1600, 0)]);
    check(vec![video(), late], &[&[(0..40, 0), (0..75, 44 * 48)]]);
}

#[test]
fn priming_comes_before_the_offset() {
    let primed = audio().with_edits(&[Edit::new(1578, 1024)]);
    check(vec![video(), primed.clone()], &[&[(0..40, 0), (0..75, -1024)]]);
    check(vec![primed], &[&[(0..75, -1024)]]);
}

#[test]
fn a_start_inside_a_gop_keeps_what_decoding_needs() {
    let cut_video = video().with_edits(&[Edit::new(880, FRAME * 18)]);
    let cut_audio = audio().with_edits(&[Edit::new(880, 34_560)]);
    // Frame 18 needs those from 12 on; sample 33 of the sound is cut through, the one before is preroll.
    check(vec![cut_video, cut_audio], &[&[(12..40, -6), (32..75, 32 * 1024 - 34_560)]]);
}

/// Decode and presentation times of the samples of a track, in ticks after the offset.
fn times(timeline: &Timeline, clip: usize, index: usize) -> Vec<(i64, i64)> {
    let clip = &timeline.clips()[clip];
    let (track, part) = clip.track(index).expect("a track");
    let offset = track.timescale.offset();
    let samples: Vec<_> = clip.samples(index, 0..part.len()).collect();
    for pair in samples.windows(2) {
        assert_eq!(pair[0].dts + i64::from(pair[0].duration), pair[1].dts, "no hole in decode times");
    }
    samples.iter().map(|sample| (sample.dts - offset, sample.pts() - offset)).collect()
}

#[test]
fn pictures_before_the_start_stand_close_together() {
    let edited = video().with_edits(&[Edit::new(880, FRAME * 18)]);
    let made = times(&timeline(vec![edited]).expect("a timeline"), 0, 0);
    assert_eq!(made[..6], [-6, -5, -4, -3, -2, -1].map(|at| (at, at)));
    assert_eq!(made[6..8], [(0, 0), (FRAME, FRAME)]);
    // Frames 12 13 14 15 … are presented 12 14 13 15 …; number 14 is the last that is not seen.
    let reordered = video().with_b_frames().with_edits(&[Edit::new(880, FRAME * 15)]);
    let made = times(&timeline(vec![reordered]).expect("a timeline"), 0, 0);
    assert_eq!(made[..5], [(-2, -2), (-1, 0), (0, -1), (FRAME, FRAME), (2 * FRAME, 3 * FRAME)]);
}

#[test]
fn a_clip_does_not_lie_over_the_one_before() {
    let edits = [Edit::new(480, 0), Edit::new(400, FRAME * 32)];
    let timeline = timeline(vec![video().with_edits(&edits)]).expect("a timeline");
    assert_eq!(timeline.clips()[1].tracks[0].samples, 24..40);
    let (last, start) = (12 * FRAME - 1, 12 * FRAME);
    assert_eq!(times(&timeline, 1, 0)[7..10], [last, start, start + FRAME].map(|at| (at, at)));
}

#[test]
fn a_coarse_clock_leaves_what_it_has_no_room_for() {
    let mut coarse = video();
    (coarse.timescale, coarse.samples) =
        (25, coarse.samples.iter().map(|s| rillcast_fixtures::Sample { duration: 1, ..*s }).collect());
    let edited = coarse.with_edits(&[Edit::new(880, 18)]);
    let made = times(&timeline(vec![edited]).expect("a timeline"), 0, 0);
    assert_eq!(made[..8], [-6, -5, -4, -3, -2, -1, 0, 1].map(|at| (at, at)));
}

#[test]
fn more_than_the_limit_stays_where_it_is() {
    let long = |frames: usize| {
        let edit = Edit::new(0, FRAME * i64::try_from(frames).expect("few"));
        let mut made = Made::avc(1, 25, frames + 100, frames + 100);
        made.samples[1..].iter_mut().for_each(|sample| sample.duration = 512);
        timeline(vec![made.with_edits(&[edit])])
    };
    let most = preroll::MAX_MOVED - shown::REORDER_SAMPLES - 1;
    let moved =
        |timeline: Result<Timeline, _>| timeline.map(|timeline| timeline.clips()[0].tracks[0].preroll.len());
    assert_eq!(moved(long(most)), Ok(most));
    let reason = "has it begin more than 10 s before the first frame that is shown";
    assert_eq!(moved(long(preroll::MAX_MOVED)), Err(TimelineError::Edits { track: 1, reason }));
}

#[test]
fn the_first_picture_is_held_when_sound_comes_first() {
    let late = |ms, made: Made| {
        let edits = [Edit::new(ms, -1), Edit::new(1600, 0)];
        timeline(vec![made.with_edits(&edits), audio()]).expect("a timeline")
    };
    let made = times(&late(100, video()), 0, 0);
    assert_eq!(made[..2], [(0, 0), (FRAME, FRAME)]);
    let second = 12_800;
    let held = late(1000, video());
    assert_eq!(times(&held, 0, 0)[..3], [0, second + FRAME, second + 2 * FRAME].map(|at| (at, at)));
    assert_eq!(times(&held, 0, 1)[0], (0, 0));
    // Without an edit for the reordering delay of one frame the picture is seen that much later still.
    let reordered = times(&late(1000, video().with_b_frames()), 0, 0);
    let shown = second + FRAME;
    let next = [(0, 0), (shown + FRAME, shown + 2 * FRAME), (shown + 2 * FRAME, shown + FRAME)];
    assert_eq!(reordered[..3], next);
}

#[test]
fn silence_fills_what_players_do_not_bridge() {
    let silence = |lead: u64, frames: usize| {
        let sound = Made::aac(2, frames).with_edits(&[Edit::new(lead, -1), Edit::new(0, 0)]);
        let timeline = timeline(vec![video(), sound]).expect("a timeline");
        let made = timeline.clips()[0].tracks[1].silence.clone();
        let times = times(&timeline, 0, 1);
        assert_eq!(times.len(), made.before + frames + made.after);
        (made.before, made.after, times[0].0)
    };
    assert_eq!(silence(0, 75), (0, 0, 0));
    assert_eq!(silence(100, 70), (0, 0, 4800));
    assert_eq!(silence(101, 70), (5, 0, 4848 - 5 * 1024));
    // Of 1.6 s 38 frames leave 789 ms, 37 leave 810.7 ms.
    assert_eq!(silence(0, 38), (0, 0, 0));
    assert_eq!(silence(0, 37), (0, 38, 0));
    assert_eq!(silence(1000, 1), (47, 0, 48_000 - 47 * 1024));
    let behind = |frames| {
        let timeline = timeline(vec![Made::avc(1, 25, 50, 400), Made::aac(2, frames)]).expect("a timeline");
        timeline.clips()[0].tracks[1].silence.after
    };
    // 16 s: 610 frames leave 2.987 s, 609 leave 3.008 s.
    assert_eq!((behind(610), behind(609)), (0, 141));
}

#[test]
fn silence_between_clips_leaves_no_hole() {
    let edits = |ticks: i64| [Edit::new(480, ticks * 24), Edit::new(480, 0)];
    // The first clip has 10,240 ticks of sound, and 12,800 are missing; the second has all.
    let sound = Made::aac(2, 55).with_edits(&edits(1920));
    let timeline = timeline(vec![video().with_edits(&edits(FRAME)), sound]).expect("a timeline");
    let made = timeline.clips().iter().map(|clip| &clip.tracks[1].silence);
    assert_eq!(made.map(|made| (made.before, made.after)).collect::<Vec<_>>(), [(0, 13), (0, 0)]);
}

#[test]
fn every_sound_goes_on_as_long_as_the_longest() {
    // Pictures 1.6 s, sound 4 s and 1 s: the pictures are held to 4 s, so the short sound goes on to there.
    let timeline = timeline(vec![video(), Made::aac(2, 188), Made::aac(3, 47)]).expect("a timeline");
    let made = timeline.clips()[0].tracks.iter().map(|part| part.silence.after);
    assert_eq!(made.collect::<Vec<_>>(), [0, 0, 141]);
}

#[test]
fn pictures_behind_the_end_of_a_clip_stand_before_it() {
    // Frames 18 19 20 are presented 18 20 19 (all one late): the second is decoded for the third's sake only.
    let edits = [Edit::new(800, FRAME), Edit::new(400, FRAME * 25)];
    let timeline = timeline(vec![video().with_b_frames().with_edits(&edits)]).expect("a timeline");
    let shown = times(&timeline, 0, 0);
    let end = 20 * FRAME;
    assert_eq!(timeline.clips()[0].tracks[0].end, end + 128_000);
    assert_eq!(shown[18..], [(18 * FRAME, 18 * FRAME), (19 * FRAME, end - 1), (20 * FRAME, 19 * FRAME)]);
}

#[test]
fn the_picture_at_the_start_is_heard_whole() {
    // The edit starts 300 ticks into frame 18; the sound of those 300 ticks is there as well.
    let cut_video = video().with_edits(&[Edit::new(0, FRAME * 18 + 300)]);
    let cut_audio = audio().with_edits(&[Edit::new(0, 34_560 + 1125)]);
    let timeline = timeline(vec![cut_video, cut_audio]).expect("a timeline");
    // Sample 33 covers 34,560, the one before is preroll.
    assert_eq!(timeline.clips()[0].tracks[1].samples, 32..75);
    assert_eq!(times(&timeline, 0, 1)[0], (32 * 1024 - 34_560, 32 * 1024 - 34_560));
}

#[test]
fn parts_must_begin_together() {
    let parts = |lead| [Edit::new(lead, -1), Edit::new(480, 0), Edit::new(480, FRAME * 24)];
    let sound = |lead| [Edit::new(lead, -1), Edit::new(480, 0), Edit::new(480, 1920 * 24)];
    let of = |one, other| vec![video().with_edits(&parts(one)), audio().with_edits(&sound(other))];
    assert_eq!(timeline(of(1000, 1000)).map(|timeline| timeline.clips().len()), Ok(2));
    refuse(of(1000, 200), 2, "has several parts that differ from the other tracks'");
}

#[test]
fn silence_has_a_limit() {
    let seconds = i64::try_from(silence::MAX_FRAMES).expect("fits") * 1024 / 48_000;
    let late = |seconds: i64| {
        let edits = [Edit::new(u64::try_from(seconds).expect("positive") * 1000, -1), Edit::new(0, 0)];
        let timeline = timeline(vec![video(), Made::aac(2, 75).with_edits(&edits)]).expect("a timeline");
        timeline.clips()[0].tracks[1].silence.before
    };
    assert_eq!(late(seconds), 1_048_547);
    assert_eq!(late(seconds + 2), 0);
}

#[test]
fn an_edit_that_ends_early_trims() {
    let half = video().with_edits(&[Edit::new(800, 0)]);
    check(vec![half, audio().with_edits(&[Edit::new(800, 0)])], &[&[(0..20, 0), (0..38, 0)]]);
    // B-frames: what is presented before the end stays, and all that is decoded before it.
    let half = video().with_b_frames().with_edits(&[Edit::new(800, FRAME)]);
    check(vec![half], &[&[(0..21, 0)]]);
    // Within 100 ms of the end nothing was meant to be cut; nor by a duration of zero or of all ones.
    for duration in [1550, 1600, 5000, 0, u64::MAX] {
        check(vec![video().with_edits(&[Edit::new(duration, 0)])], &[&[(0..40, 0)]]);
    }
}

#[test]
fn parts_that_follow_each_other_are_one_clip() {
    let joined = video().with_edits(&[Edit::new(480, 0), Edit::new(480, FRAME * 12)]);
    check(vec![joined], &[&[(0..24, 0)]]);
}

#[test]
fn parts_with_a_jump_are_clips() {
    let edits = |ticks_per_frame: i64| [Edit::new(480, 0), Edit::new(480, ticks_per_frame * 24)];
    let jump = video().with_edits(&edits(FRAME));
    check(vec![jump.clone()], &[&[(0..12, 0)], &[(24..36, 12 * FRAME)]]);
    let in_step = audio().with_edits(&edits(1920));
    // The second clip's sound starts at sample 45, one earlier as preroll.
    let second = 44 * 1024 - 24 * 1920 + 12 * 1920;
    check(
        vec![jump.clone(), in_step],
        &[&[(0..12, 0), (0..23, 0)], &[(24..36, 12 * FRAME), (44..68, second)]],
    );
    refuse(vec![jump, audio()], 2, "has several parts that differ from the other tracks'");
}

#[test]
fn edit_lists_that_cannot_be_served_are_refused() {
    for rate in [0, 0x8000, -0x1_0000] {
        let edit = Edit { rate, ..Edit::new(1600, 0) };
        refuse(vec![video().with_edits(&[edit])], 1, "changes the speed or holds a frame");
    }
    let pause = [Edit::new(480, 0), Edit::new(100, -1), Edit::new(480, FRAME * 12)];
    refuse(vec![video().with_edits(&pause)], 1, "has a pause in the middle");
}

#[test]
fn nothing_begins_before_time_zero() {
    let reason = "has it begin more than 10 s before the first frame that is shown";
    let late = |ms| video().with_edits(&[Edit::new(ms, -1), Edit::new(1600, 0)]);
    refuse(vec![late(60_001), audio()], 2, reason);
    check(vec![late(60_000), audio()], &[&[(0..40, 0), (0..75, 0)]]);
    // A start 11 s into a GOP, for which the pictures before are moved.
    let long_gop = Made::avc(1, 25, 300, 301).with_edits(&[Edit::new(0, FRAME * 275)]);
    check(vec![long_gop], &[&[(0..301, -275)]]);
}

#[test]
fn an_edit_past_the_end_of_the_media_shows_nothing() {
    for start in [40 * FRAME, 1 << 40, i64::MAX] {
        let edited = video().with_edits(&[Edit::new(1000, start)]);
        assert_eq!(timeline(vec![edited]).expect_err("nothing"), TimelineError::Nothing { track: 1 });
    }
    // Of another track it leaves nothing, and the first goes on.
    let past = audio().with_edits(&[Edit::new(1000, 75 * 1024)]);
    let timeline = timeline(vec![video(), past]).expect("a timeline");
    assert!(timeline.clips()[0].tracks[1].samples.is_empty());
    check(vec![video().with_edits(&[Edit::new(40, 39 * FRAME)])], &[&[(36..40, -3)]]);
}

#[test]
fn more_than_a_year_is_refused() {
    let made = |seconds: i64| {
        let mut made = Made::avc(1, 25, 12, 40);
        (made.timescale, made.samples[0].duration) = (1, u32::try_from(seconds).expect("fits") - 39);
        made.samples[1..].iter_mut().for_each(|sample| sample.duration = 1);
        made
    };
    assert!(timeline(vec![made(MAX_DURATION_S)]).is_ok());
    refuse(vec![made(MAX_DURATION_S + 1)], 1, "covers more than a year");
    let longest = u64::try_from(MAX_DURATION_S).expect("positive") * 1000;
    let twice = video().with_edits(&[Edit::new(longest, 0), Edit::new(1, 0)]);
    refuse(vec![twice], 1, "covers more than a year");
}

#[test]
fn parts_of_one_long_gop_are_not_shown_without_end() {
    // Every part needs all that is before it: 20,000 samples a part at last.
    let parts = |count: i64| {
        let mut made = Made::avc(1, 25, 20_000, 20_000);
        made.samples[1..].iter_mut().for_each(|sample| sample.duration = 1);
        let edits: Vec<Edit> = (0..count).map(|part| Edit::new(1, 20_300 - part % 2 * 100)).collect();
        vec![made.with_edits(&edits)]
    };
    assert_eq!(timeline(parts(200)).map(|timeline| timeline.clips().len()), Ok(200));
    refuse(parts(4096), 1, "shows the same samples too often");
}
