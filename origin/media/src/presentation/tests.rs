//! What players are told, against what they will be sent.

use std::sync::Arc;

use rillcast_fixtures::{Edit, Shape, Track as Made, packed_language};

use super::*;
use crate::demux::mp4::read_all;
use crate::plan::{Policy, samples};

fn published(tracks: Vec<Made>) -> (Timeline, SegmentPlan, Presentation) {
    let movie = read_all(&Shape::new(tracks).bytes().into()).expect("a good file");
    let timeline = Timeline::of_movie(&Arc::new(movie)).expect("a timeline");
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
    let presentation = Presentation::of_plan(&timeline, &plan);
    (timeline, plan, presentation)
}

fn presentation(tracks: Vec<Made>) -> Presentation {
    published(tracks).2
}

#[test]
fn the_bytes_of_a_segment_are_those_of_its_body() {
    let short = Made::aac_22_2(3, 300);
    let (timeline, plan, presentation) =
        published(vec![Made::avc(1, 25, 60, 400).with_b_frames(), Made::aac(2, 750), short]);
    for rendition in &presentation.renditions {
        for (number, segment) in rendition.segments.iter().enumerate() {
            let span = plan.span(rendition.track, number).expect("listed");
            let body = cmaf::segment(1, samples(&timeline, rendition.track, &span));
            assert_eq!(segment.bytes, body.len(), "{} segment {number}", rendition.name);
            assert_eq!(segment.duration, span.duration);
        }
        for entry in &rendition.key_frames {
            let sample = timeline.clips()[0].sample(rendition.track, entry.frame.position).expect("there");
            let duration = u32::try_from(entry.frame.duration).expect("short");
            assert_eq!(cmaf::key_frame(1, &sample, entry.frame.pts, duration).len(), entry.bytes);
        }
    }
    // What ends early has no segments after its end.
    assert_eq!(presentation.renditions.iter().map(|r| r.segments.len()).collect::<Vec<_>>(), [3, 3, 1]);
}

#[test]
fn a_rendition_says_what_the_track_is() {
    let mut turned = Made::avc(1, 30, 30, 60);
    turned.rotation = 90;
    let mut sound = Made::aac(2, 90);
    (sound.language, sound.enabled) = (packed_language(b"ger"), false);
    let presentation = presentation(vec![turned, sound]);
    let [video, audio] = presentation.renditions.as_slice() else { panic!("two renditions") };
    assert_eq!((video.name.to_string().as_str(), video.codec.as_str()), ("v1", "avc1.64001F"));
    let look = Look::Video { width: 540, height: 960, frame_rate_milli: 30_000, range: VideoRange::Sdr };
    assert_eq!(video.look, look);
    assert_eq!((audio.name.to_string().as_str(), audio.codec.as_str()), ("a2", "mp4a.40.2"));
    assert_eq!(
        (audio.look.clone(), audio.language.as_str(), audio.enabled),
        (Look::Audio { channels: 2 }, "de", false)
    );
    assert!(audio.key_frames.is_empty());
    assert_eq!(presentation.rendition(video.name).map(|found| found.track), Some(0));
    assert_eq!(presentation.of_kind(TrackKind::Audio).count(), 1);
    assert_eq!(video.duration(), 60 * 512);
}

#[test]
fn what_is_left_out_has_a_reason() {
    let gone = Made::aac(3, 75).with_edits(&[Edit::new(1000, 75 * 1024)]);
    let presentation = presentation(vec![Made::avc(1, 25, 50, 400), Made::avc(2, 25, 60, 400), gone]);
    let left_out: Vec<_> = presentation.excluded.iter().map(|(name, why)| (name.to_string(), *why)).collect();
    assert_eq!(
        left_out,
        [
            ("v2".to_owned(), "it has no sync sample where the first video track is cut"),
            ("a3".to_owned(), "nothing of it is shown"),
        ]
    );
    assert_eq!(presentation.renditions.len(), 1);
}

#[test]
fn independence_is_claimed_only_where_it_is_true() {
    assert!(presentation(vec![Made::avc(1, 25, 50, 400), Made::aac(2, 700)]).independent_segments);
    let mut late = Made::avc(1, 25, 50, 400);
    late.samples[0].sync = false;
    assert!(!presentation(vec![late]).independent_segments, "the first frame is no sync sample");
}
