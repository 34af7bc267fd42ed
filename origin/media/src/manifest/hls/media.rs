//! Media playlists and key frame playlists.

use std::fmt::Write;

use super::{VERSION, names};
use crate::presentation::{Presentation, Rendition};
use crate::time::Timescale;

/// The media playlist of `rendition` (RFC 8216 §4.3.3), whole: video on demand.
///
/// Cost: O(segments), one allocation of some 25 bytes a segment.
pub fn media_playlist(presentation: &Presentation, rendition: &Rendition) -> String {
    let discontinuous = rendition.segments.iter().any(|segment| segment.discontinuity);
    let mut text = String::with_capacity(256 + rendition.segments.len() * 32);
    head(&mut text, presentation.target_duration_s, discontinuous);
    if presentation.independent_segments {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    map(&mut text);
    for (number, segment) in rendition.segments.iter().enumerate() {
        if segment.discontinuity {
            text.push_str("#EXT-X-DISCONTINUITY\n");
            map(&mut text);
        }
        if segment.gap {
            text.push_str("#EXT-X-GAP\n");
        }
        inf(&mut text, segment.duration, rendition.timescale);
        writeln!(text, "{number}{}", names::SEGMENT_ENDING).expect("writing to a string");
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// The key frames of `rendition` (RFC 8216 §4.3.3.6), each a segment of its own.
pub fn i_frame_playlist(presentation: &Presentation, rendition: &Rendition) -> String {
    let discontinuous = rendition.key_frames.iter().any(|entry| entry.discontinuity);
    let longest = rendition.key_frames.iter().map(|entry| entry.frame.duration).max().unwrap_or(0);
    let second = Timescale::new(1).expect("not zero");
    let longest_s = u32::try_from(rendition.timescale.rescale(longest, second)).unwrap_or(0);
    let mut text = String::with_capacity(256 + rendition.key_frames.len() * 40);
    head(&mut text, presentation.target_duration_s.max(longest_s), discontinuous);
    text.push_str("#EXT-X-I-FRAMES-ONLY\n");
    map(&mut text);
    for (number, entry) in rendition.key_frames.iter().enumerate() {
        if entry.discontinuity {
            text.push_str("#EXT-X-DISCONTINUITY\n");
            map(&mut text);
        }
        inf(&mut text, entry.frame.duration, rendition.timescale);
        let (folder, ending) = (names::I_FRAME_FOLDER, names::SEGMENT_ENDING);
        writeln!(text, "{folder}/{number}{ending}").expect("writing to a string");
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

fn head(text: &mut String, target_duration_s: u32, discontinuous: bool) {
    writeln!(text, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target_duration_s}")
        .expect("writing to a string");
    text.push_str("#EXT-X-MEDIA-SEQUENCE:0\n");
    if discontinuous {
        text.push_str("#EXT-X-DISCONTINUITY-SEQUENCE:0\n");
    }
    text.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
}

fn map(text: &mut String) {
    writeln!(text, "#EXT-X-MAP:URI=\"{}\"", names::INIT).expect("writing to a string");
}

/// `EXTINF` with six decimals, by whole numbers: sums over a long list stay exact to a frame.
fn inf(text: &mut String, duration: i64, timescale: Timescale) {
    let micro = Timescale::new(1_000_000).expect("not zero");
    let micros = timescale.rescale(duration, micro).max(0);
    writeln!(text, "#EXTINF:{}.{:06},", micros / 1_000_000, micros % 1_000_000).expect("writing to a string");
}
