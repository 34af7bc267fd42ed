//! A piece of an open asset as a body: described, not read.

use std::sync::Arc;

use rillcast_http::{Body, BodySource};
use rillcast_media::index::ListedRendition;
use rillcast_media::package::cmaf;
use rillcast_media::slice::{Slice, Slices};

use super::asset::Asset;
use crate::blob::BlobError;
use crate::index::{Kind, Text};
use crate::locator::Piece;

/// What a piece is made of.
pub(crate) enum Object {
    /// Text that may be compressed.
    Playlist(Text),
    /// Media.
    Media(Body),
}

/// The multivariant playlist.
///
/// # Errors
/// As of [`object`].
pub(crate) fn multivariant(asset: &Asset) -> Result<Option<Object>, BlobError> {
    whole(asset, asset.multivariant().map(Object::Playlist))
}

/// The piece of rendition `index`; `None` when there is no such piece.
///
/// Cost: O(samples of the segment); no media byte is read.
///
/// # Errors
/// [`BlobError::Outside`] if the plan and the blob disagree: our bug, or an index that somebody made up;
/// [`BlobError::Io`] if the asset's index was damaged under us: opened anew, the asset is whole again.
pub(crate) fn object(asset: &Arc<Asset>, index: usize, piece: Piece) -> Result<Option<Object>, BlobError> {
    let text = |kind| asset.text(kind, index);
    if let Piece::Segment(number) = piece
        && let Some(packed) = asset.packed(index, number as usize)
    {
        return Ok(Some(Object::Media(Body::from(packed))));
    }
    let slices = match piece {
        Piece::Media => return whole(asset, text(Kind::Media).map(Object::Playlist)),
        Piece::IFrames => return whole(asset, text(Kind::IFrames).map(Object::Playlist)),
        Piece::Init => text(Kind::Init).map(|init| Slices::from(init.plain)),
        Piece::Segment(number) => segment(asset, index, number),
        Piece::KeyFrame(number) => key_frame(asset, index, number),
    };
    let body = slices.map(|slices| body(asset, &slices)).transpose();
    whole(asset, None)?;
    Ok(body?.map(Object::Media))
}

/// `object`, unless what it was made of was damaged meanwhile.
fn whole(asset: &Asset, object: Option<Object>) -> Result<Option<Object>, BlobError> {
    if asset.is_damaged() {
        return Err(std::io::Error::other("the index of the asset was cut short or cannot be read").into());
    }
    Ok(object)
}

/// Segment `number` of rendition `index`, described by the source.
pub(crate) fn segment(asset: &Asset, index: usize, number: u32) -> Option<Slices> {
    let edition = asset.edition();
    let rendition: &ListedRendition = edition.renditions.get(index)?;
    let at = usize::try_from(number).ok().filter(|at| *at < rendition.segments)?;
    let span = edition.plan.span(rendition.track, at).ok()?;
    // Where the track has nothing, the playlist says EXT-X-GAP.
    if span.samples.is_empty() {
        return None;
    }
    Some(cmaf::segment_of_span(number.saturating_add(1), &edition.timeline, rendition.track, &span))
}

fn key_frame(asset: &Asset, index: usize, number: u32) -> Option<Slices> {
    let edition = asset.edition();
    let rendition = edition.renditions.get(index)?;
    let frame = rendition.key_frames.get(usize::try_from(number).ok()?)?;
    let sample = edition.timeline.clips().get(frame.clip)?.sample(rendition.track, frame.position)?;
    let duration = u32::try_from(frame.duration).unwrap_or(u32::MAX);
    Some(cmaf::key_frame(number.saturating_add(1), &sample, frame.pts, duration))
}

/// Segment `number` of rendition `index` as the source has it; `None` where there is no such segment.
///
/// # Errors
/// As of [`object`].
pub(crate) fn unpacked(asset: &Asset, index: usize, number: u32) -> Result<Option<Body>, BlobError> {
    segment(asset, index, number).map(|slices| body(asset, &slices)).transpose()
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
