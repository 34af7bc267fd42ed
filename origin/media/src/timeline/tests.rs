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
        let first = track.samples.row(part.samples.start).map_or(0, |row| row.pts());
        (part.samples.clone(), first + part.shift - track.timescale.offset())
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
    check(vec![cut_video, cut_audio], &[&[(12..40, -6 * FRAME), (32..75, 32 * 1024 - 34_560)]]);
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
    // Sound 11 s before the pictures.
    let late = |ms| video().with_edits(&[Edit::new(ms, -1), Edit::new(1600, 0)]);
    refuse(vec![late(10_001), audio()], 2, reason);
    check(vec![late(10_000), audio()], &[&[(0..40, 0), (0..75, -480_000)]]);
    // A start 11 s into a GOP.
    let long_gop = |frame| vec![Made::avc(1, 25, 300, 301).with_edits(&[Edit::new(0, FRAME * frame)])];
    refuse(long_gop(251), 1, reason);
    check(long_gop(250), &[&[(0..301, -250 * FRAME)]]);
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
    check(vec![video().with_edits(&[Edit::new(40, 39 * FRAME)])], &[&[(36..40, -3 * FRAME)]]);
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
