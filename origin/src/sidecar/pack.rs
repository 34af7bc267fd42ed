//! Finding the sidecar of a track, or making it.

use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use rillcast_media::movie::TrackKind;
use twox_hash::XxHash3_64;

use super::Packed;
use super::file::{Belongs, PackedFault, Row, head_bytes, write_head};
use crate::asset_path::AssetPath;
use crate::blob::BlobError;
use crate::index::{Companion, IndexFault, Shelf};
use crate::vod::asset::Asset;
use crate::vod::object;

/// Sound in fewer pieces a segment needs no copy.
const SCATTERED_PIECES: usize = 8;
/// Bytes of one segment of sound: a named limit, far above what six seconds of any codec take.
const MAX_SEGMENT_BYTES: usize = 64 << 20;
/// What one sidecar may take of the bound on all files: so many parts of it.
const SHARE_OF_LIMIT: u64 = 4;

/// Why there is no sidecar.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackError {
    /// It is no sound, or not scattered, or longer than is kept: nothing is wrong.
    #[error("it needs no packed sound, or too much of it")]
    NotMeant,
    /// The source changed, or cannot be read.
    #[error(transparent)]
    Source(#[from] BlobError),
    /// The source changed while it was copied.
    #[error("the source changed while its sound was packed")]
    Changed,
    /// The file cannot be written.
    #[error("packed sound cannot be written: {0}")]
    Write(#[from] io::Error),
    /// What was written is not what was read: the disk's fault.
    #[error("packed sound was written wrong: {0}")]
    Wrong(PackedFault),
}

/// The sidecar of rendition `index` of the asset at `path`: found, else made. Blocks on the disk.
///
/// Cost: to make it, a read for each sample and the bytes of the track written; some 0.1 s for each hour.
pub(crate) fn pack(
    shelf: &Shelf,
    path: &AssetPath,
    asset: &Asset,
    index: usize,
) -> Result<Packed, PackError> {
    let belongs = belongs(asset, index).ok_or(PackError::NotMeant)?;
    let companion = Companion::Packed(belongs.track);
    match shelf.open(path, companion) {
        Ok(Some(Ok(file))) => match Packed::open(file, &belongs) {
            Ok(packed) => return Ok(packed),
            Err(fault) => told(path, &fault),
        },
        Ok(Some(Err(IndexFault::Exposed))) => told(path, &PackedFault::Exposed),
        Ok(Some(Err(_))) => told(path, &PackedFault::Foreign),
        Ok(None) => {}
        Err(error) => tracing::debug!(path = path.as_str(), %error, "packed sound cannot be opened"),
    }
    let mut part = shelf.begin(path, companion)?;
    let rows = copy(asset, index, belongs.segments, shelf.limit_bytes() / SHARE_OF_LIMIT, part.file())?;
    part.file().write_all_at(&write_head(&belongs, &rows), 0)?;
    // Looked at last: what was copied is of the source that the stamp names.
    if !asset.blob.is_unchanged() {
        return Err(PackError::Changed);
    }
    part.file().sync_all()?;
    let written = Packed::open(part.file().try_clone()?, &belongs).map_err(PackError::Wrong)?;
    for number in 0..rows.len() {
        written.verify(number).map_err(PackError::Wrong)?;
    }
    shelf.publish(part, rows.last().map_or(0, |row| row.offset.saturating_add(row.len)))?;
    let file = shelf
        .open(path, companion)?
        .and_then(Result::ok)
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    // To be read only, and by the name that others find.
    let packed = Packed::open(file, &belongs).map_err(PackError::Wrong)?;
    Ok(packed.verified_as(&written))
}

/// One line about a sidecar that is not used.
pub(crate) fn told(path: &AssetPath, fault: &PackedFault) {
    tracing::info!(path = path.as_str(), reason = %fault, "packed sound is not used: the source is");
}

/// What a sidecar of rendition `index` belongs to; `None` where none is meant to be.
fn belongs(asset: &Asset, index: usize) -> Option<Belongs> {
    let edition = asset.edition();
    let rendition = edition.renditions.get(index)?;
    let middle = u32::try_from(rendition.segments / 2).ok()?;
    let pieces = object::segment(asset, index, middle)?.iter().len();
    let meant = rendition.name.kind == TrackKind::Audio && pieces > SCATTERED_PIECES;
    meant.then_some(Belongs {
        stamp: asset.blob.stamp(),
        revision: asset.revision,
        policy: asset.policy,
        track: rendition.name.id,
        segments: rendition.segments,
    })
}

/// Copies all segments, headers included, to `file`, behind room for the head.
fn copy(
    asset: &Asset,
    index: usize,
    segments: usize,
    limit_bytes: u64,
    file: &mut std::fs::File,
) -> Result<Vec<Row>, PackError> {
    let mut offset = head_bytes(segments) as u64;
    file.seek(SeekFrom::Start(offset))?;
    let mut out = io::BufWriter::with_capacity(1 << 20, file);
    let mut rows = Vec::with_capacity(segments);
    for number in 0..segments {
        let number = u32::try_from(number).map_err(|_| PackError::NotMeant)?;
        let bytes = match object::unpacked(asset, index, number)? {
            Some(body) => body.read_blocking(MAX_SEGMENT_BYTES).map_err(BlobError::from)?,
            // Where the track has nothing.
            None => bytes::Bytes::new(),
        };
        let row = Row { offset, len: bytes.len() as u64, sum: XxHash3_64::oneshot(&bytes) };
        offset = offset.saturating_add(row.len);
        if offset > limit_bytes {
            return Err(PackError::NotMeant);
        }
        out.write_all(&bytes)?;
        rows.push(row);
    }
    out.flush()?;
    if asset.is_damaged() {
        return Err(PackError::Changed);
    }
    Ok(rows)
}
