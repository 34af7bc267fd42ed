//! The stored index: an edition as bytes, and the file around it. All that is served of what decodes is made once.

use bytes::Bytes;
use rillcast_media::index::Edition;
use rillcast_media::package::cmaf;
use rillcast_media::plan::{Policy, samples};
use rillcast_origin::index::file;

/// Segments and key frames of one rendition that are made.
const MAX_PIECES: usize = 16;
/// Samples of one segment: an input of a few kilobytes may claim millions of equal ones.
const MAX_SAMPLES: usize = 4096;

/// The target: the input is an edition, and the file of an index whose checksum is put right.
pub fn run(data: &[u8]) {
    if let Ok(edition) = Edition::decode(Bytes::copy_from_slice(data)) {
        serve(&edition);
    }
    let mut file = data.to_vec();
    file::seal(&mut file);
    if let Ok(edition) = file::edition(file.into(), Policy::VOD) {
        serve(&edition);
    }
}

fn serve(edition: &Edition) {
    assert!(!edition.renditions.is_empty(), "an edition lists something");
    for rendition in &edition.renditions {
        for span in edition.plan.spans(rendition.track).take(rendition.segments.min(MAX_PIECES)) {
            let number = samples(&edition.timeline, rendition.track, &span).take(MAX_SAMPLES + 1).count();
            if number <= MAX_SAMPLES {
                cmaf::segment(1, samples(&edition.timeline, rendition.track, &span));
            }
        }
        for number in 0..rendition.key_frames.len().min(MAX_PIECES) {
            let Some(frame) = rendition.key_frames.get(number) else { continue };
            let clip = edition.timeline.clips().get(frame.clip);
            if let Some(sample) = clip.and_then(|clip| clip.sample(rendition.track, frame.position)) {
                cmaf::key_frame(1, &sample, frame.pts, u32::try_from(frame.duration).unwrap_or(u32::MAX));
            }
        }
        let track = edition.timeline.clips().first().and_then(|clip| clip.movie.tracks.get(rendition.track));
        cmaf::init(track.expect("a rendition is of a track"));
    }
    edition.encode();
}
