//! The MP4 reader, and all that is made of a movie when it succeeds.
//!
//! Read twice: as a file of just these bytes, and as one that goes on with zeros for a while, so that
//! an index alone (a seed of a few kilobytes) has media to point into.

use std::sync::Arc;

use bytes::Bytes;
use rillcast_media::demux::mp4::{Mp4Reader, read_all};
use rillcast_media::demux::{Demux, FormatError, MAX_NEED_BYTES};
use rillcast_media::manifest::hls;
use rillcast_media::movie::Movie;
use rillcast_media::package::cmaf;
use rillcast_media::plan::{Policy, SegmentPlan, samples};
use rillcast_media::presentation::Presentation;
use rillcast_media::revision::Revision;
use rillcast_media::timeline::Timeline;

/// Bytes of zeros after an input that is read as the start of a larger file.
const TAIL_BYTES: u64 = 4 << 20;
/// Segments of one track whose headers are built.
const MAX_SEGMENTS: usize = 32;
/// Segments that playlists are written for: their cost is linear, but an input may have 100,000.
const MAX_LISTED: usize = 4096;
/// Polls of a reader, far above what an index of this size needs.
const MAX_POLLS: usize = 100_000;

/// The target.
pub fn run(data: &[u8]) {
    let file = Bytes::copy_from_slice(data);
    if let Ok(movie) = read_all(&file) {
        use_movie(movie);
    }
    if let Ok(movie) = read_with_tail(data) {
        use_movie(movie);
    }
}

/// Reads `data` as the start of a file that ends in zeros.
fn read_with_tail(data: &[u8]) -> Result<Movie, FormatError> {
    let source_len = data.len() as u64 + TAIL_BYTES;
    let mut reader = Mp4Reader::new(source_len);
    for _ in 0..MAX_POLLS {
        match reader.poll()? {
            Demux::Ready(movie) => return Ok(*movie),
            Demux::Need(range) => {
                assert!(range.start < range.end && range.end <= source_len, "need lies in the source");
                assert!(range.end - range.start <= MAX_NEED_BYTES, "need is small");
                let at = |offset: u64| usize::try_from(offset).expect("a small file");
                let mut bytes = data.get(at(range.start).min(data.len())..).unwrap_or_default().to_vec();
                bytes.resize(at(range.end - range.start), 0);
                reader.supply(range.start, bytes.into());
            }
        }
    }
    unreachable!("an index of {} bytes takes more than {MAX_POLLS} reads", data.len());
}

/// Makes everything there is to make of a movie.
pub fn use_movie(movie: Movie) {
    for track in &movie.tracks {
        let (mut dts, mut bytes) = (0, 0);
        for row in track.samples.rows(0..track.samples.len()) {
            assert_eq!(row.dts, dts, "decode times are sums of durations");
            assert!(row.size > 0 && row.offset + u64::from(row.size) <= movie.source_len);
            dts += i64::from(row.duration);
            bytes += u64::from(row.size);
        }
        assert_eq!((dts, bytes), (track.samples.total_duration(), track.samples.total_bytes()));
        cmaf::init(track);
    }
    let _ = movie.playable();
    let movie = Arc::new(movie);
    let Ok(timeline) = Timeline::of_movie(&movie) else { return };
    let Ok(plan) = SegmentPlan::new(&timeline, Policy::VOD) else { return };
    assert!(!plan.is_empty(), "a timeline shows something");
    let text = Revision::of(&timeline, Policy::VOD).to_string();
    assert!(text.parse::<Revision>().is_ok_and(|revision| revision.to_string() == text));
    if plan.len() <= MAX_LISTED {
        write_playlists(&timeline, &plan);
    }
    for track in 0..plan.tracks() {
        for (number, span) in plan.spans(track).take(MAX_SEGMENTS).enumerate() {
            let sequence = u32::try_from(number).expect("few segments") + 1;
            let body = cmaf::segment(sequence, samples(&timeline, track, &span));
            let exact = span.commons.bytes + cmaf::header_bytes(&span.commons);
            assert_eq!(body.len(), exact, "the length of a segment is known before it is built");
            let of_span = cmaf::segment_of_span(sequence, &timeline, track, &span);
            assert_eq!(of_span, body, "a segment is the same however it is written");
        }
    }
}

fn write_playlists(timeline: &Timeline, plan: &SegmentPlan) {
    let presentation = Presentation::of_plan(timeline, plan);
    let multivariant = hls::multivariant(&presentation, "~1.0/");
    assert!(multivariant.starts_with("#EXTM3U\n"));
    let mut names: Vec<&str> =
        multivariant.split(",NAME=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let sounds = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), sounds, "each name of a group is there once");
    for rendition in &presentation.renditions {
        let playlist = hls::media_playlist(&presentation, rendition);
        let listed = playlist.lines().filter(|line| line.starts_with("#EXTINF:")).count();
        assert_eq!(listed, rendition.segments.len());
        hls::i_frame_playlist(&presentation, rendition);
    }
}
