//! A piece of an open asset as a body: described, not read.

use bytes::Bytes;
use rillcast_http::{Body, BodySource};
use rillcast_media::package::cmaf;
use rillcast_media::plan;
use rillcast_media::slice::{Slice, Slices};

use super::asset::Asset;
use crate::blob::BlobError;
use crate::locator::Piece;

/// What a piece is made of.
pub(crate) enum Object {
    /// Text that may be compressed.
    Playlist(Bytes),
    /// Media.
    Media(Body),
}

/// The piece of rendition `index`; `None` when there is no such piece.
///
/// Cost: O(samples of the segment); no media byte is read.
///
/// # Errors
/// [`BlobError::Outside`] if the plan and the blob disagree: our bug.
pub(crate) fn object(asset: &Asset, index: usize, piece: Piece) -> Result<Option<Object>, BlobError> {
    let slices = match piece {
        Piece::Media => return Ok(asset.media_playlist(index).map(Object::Playlist)),
        Piece::IFrames => return Ok(asset.i_frame_playlist(index).map(Object::Playlist)),
        Piece::Init => asset.init(index).map(Slices::from),
        Piece::Segment(number) => segment(asset, index, number),
        Piece::KeyFrame(number) => key_frame(asset, index, number),
    };
    slices.map(|slices| body(asset, &slices).map(Object::Media)).transpose()
}

fn segment(asset: &Asset, index: usize, number: u32) -> Option<Slices> {
    let rendition = asset.presentation.renditions.get(index)?;
    let listed = rendition.segments.get(number as usize)?;
    if listed.gap {
        return None;
    }
    let span = asset.plan.span(rendition.track, number as usize).ok()?;
    let samples = plan::samples(&asset.timeline, rendition.track, &span);
    Some(cmaf::segment(number.saturating_add(1), samples))
}

fn key_frame(asset: &Asset, index: usize, number: u32) -> Option<Slices> {
    let rendition = asset.presentation.renditions.get(index)?;
    let frame = rendition.key_frames.get(number as usize)?.frame;
    let sample = asset.timeline.clips().get(frame.clip)?.sample(rendition.track, frame.position)?;
    let duration = u32::try_from(frame.duration).unwrap_or(u32::MAX);
    Some(cmaf::key_frame(number.saturating_add(1), &sample, frame.pts, duration))
}

/// Maps slices to sources of the asset's blob.
fn body(asset: &Asset, slices: &Slices) -> Result<Body, BlobError> {
    let mut body = Body::new();
    for slice in slices.iter() {
        body.push(match slice {
            Slice::Mem(bytes) => BodySource::Mem(bytes.clone()),
            Slice::Extent(extent) => asset.blob.body(extent.offset, extent.len)?,
        });
    }
    Ok(body)
}
