use super::*;
use crate::inspect::refusal::Refused;
use crate::inspect::report::samples::plain;
use crate::inspect::suspicious::Suspicion;

fn text(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).expect("writing to memory does not fail");
    String::from_utf8(out).expect("text")
}

const PLAIN: &str = "\
plain.mp4
  container    MP4 (isom)
  size         3.00 MB, 12.000 s, 2.00 Mb/s
  index        9.00 kB at byte 32, before the media (fast start); read 65.5 kB
  revision     1.0123456789abcdef

  v1 video     H.264 High level 4.0 (avc1.640028)
  track        id 1, on, language eng
  picture      1920 x 1080, pixels 1:1, 8 bit 4:2:0, progressive
  colour       SDR, BT.709, limited range
  frame rate   25 constant (25/1)
  GOP          6 sync samples; 2.000 min, 2.000 avg, 2.000 s max, last 2.000 s
  order        B-frames, reordering over 2 frames (the stream states 2)
  bit rate     1.87 Mb/s average, 2.50 Mb/s in the peak second; 2.80 MB
  time         12.000 s, 300 frames, 12800 ticks/s, shown from 0.000 s to 12.000 s

  a2 audio     AAC LC (mp4a.40.2)
  track        id 2, on, language eng
  sound        stereo, 48000 Hz, 1024 samples a frame
  bit rate     128 kb/s average, 130 kb/s in the peak second; 192 kB
  time         12.000 s, 563 samples, 48000 ticks/s, shown from 0.000 s to 12.000 s
  edit list    starts 1024 ticks (21.3 ms) in: priming

  plan         2 segments cut by v1, target duration 6 s
  durations    6.000 min, 6.000 avg, 6.000 s max; longest is number 0 at 0.000 s
               ██
  layout       segment-contiguous: each segment of a track is one piece of the file
  bandwidth    v1: peak 2.20 Mb/s, average 2.00 Mb/s, as playlists state it
               ▄█

  verdict      playable
";

#[test]
fn a_plain_file_reads_like_this() {
    assert_eq!(text(&plain()), PLAIN);
}

#[test]
fn a_refusal_has_its_place_and_advice_and_stays_in_its_lines() {
    let mut report = plain();
    report.file = "a\nb.mp4".to_owned();
    report.content = None;
    report.refused = Some(Refused {
        kind: "unsupported".to_owned(),
        fourcc: Some("mvex".to_owned()),
        offset: Some(1154),
        message: "a fragmented file\u{7}".to_owned(),
        advice: Some("remux it"),
    });
    let expected = "a\\u{a}b.mp4\n\n  refused      unsupported, box `mvex` at byte 1154\n               \
                    a fragmented file\\u{7}\n  advice       remux it\n";
    assert_eq!(text(&report), expected);
}

#[test]
fn an_interleaved_file_is_told_what_makes_it_contiguous() {
    let mut report = plain();
    let content = report.content.as_mut().expect("it has one");
    let segments = content.segments.as_mut().expect("it is playable");
    (segments.contiguous, segments.extents_average) = (false, 177.25);
    let expected =
        "  layout       interleaved, 177.2 pieces of the file a segment; `rillcast optimize` makes it 1\n";
    assert!(text(&report).contains(expected), "{}", text(&report));
}

#[test]
fn no_line_is_wider_than_a_terminal() {
    let mut report = plain();
    let content = report.content.as_mut().expect("it has one");
    content.container.brands = vec!["isom".to_owned(); 33];
    let suspicion =
        Suspicion { slug: "long-gop", track: Some("v1".to_owned()), message: "so it is ".repeat(30) };
    content.suspicious = vec![suspicion];
    content.segments.as_mut().expect("it is playable").durations_s = vec![6.0; 5000];
    assert!(text(&report).lines().all(|line| line.chars().count() <= 96));
}
