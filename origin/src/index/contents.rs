//! What goes into an index, and what comes out of one.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rillcast_http::Map;
use rillcast_http::coding::Coding;
use rillcast_media::index::Edition;
use rillcast_media::plan::Policy;
use twox_hash::xxhash3_128::Hasher;

use super::file::{self, IndexFault, IndexFile, Kind, Name, Origin};
use crate::blob::{Blob, BlobError, Priority, Stamp};
use crate::vod::asset::Asset;

/// Playlists of fewer bytes are sent as they are: one packet either way.
const CODED_BYTES_MIN: usize = 256;
/// Playlists of more bytes are not compressed ahead: it would take too long.
const CODED_BYTES_MAX: usize = 4 << 20;
/// Ranges of the source that its digest covers: as many as boxes can be looked at before the index.
const MAX_RANGES: usize = 8192;
/// Bytes of the source that are read at once for its digest.
const DIGEST_READ_BYTES: u64 = 1 << 20;

/// A text that was written once, with what it is compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// As it is.
    pub(crate) plain: Bytes,
    /// In codings in which it is kept.
    pub(crate) coded: Vec<(Coding, Bytes)>,
}

impl Text {
    /// A text that is not compressed yet.
    pub(crate) const fn plain(plain: Bytes) -> Self {
        Self { plain, coded: Vec::new() }
    }
}

const CODINGS: [(u16, Coding); 2] = [(1, Coding::Gzip), (2, Coding::Brotli)];

/// An index that was checked, and the edition in it.
pub(crate) struct Stored {
    file: IndexFile,
    map: Arc<Map>,
    /// What is known of the source.
    pub(crate) edition: Edition,
}

impl Stored {
    /// The edition in `file`, which lies in `map`, if it is of a source of `source_len` bytes.
    pub(super) fn of(file: IndexFile, map: Arc<Map>, source_len: u64) -> Result<Self, IndexFault> {
        let edition = Edition::decode(file.section(Name::EDITION).ok_or(IndexFault::Table)?)?;
        let first = edition.timeline.clips().first();
        if first.is_none_or(|clip| clip.movie.source_len != source_len) {
            return Err(IndexFault::Stale);
        }
        let stored = Self { file, map, edition };
        for (kind, rendition) in texts(&stored.edition) {
            stored.file.section(Name { kind, coding: 0, rendition }).ok_or(IndexFault::Table)?;
        }
        if stored.map.is_damaged() { Err(IndexFault::Damaged) } else { Ok(stored) }
    }

    /// The stamp of the source it was made of.
    pub(super) const fn stamp(&self) -> Stamp {
        self.file.origin.stamp
    }

    /// How it was cut.
    pub(crate) const fn policy(&self) -> Policy {
        self.file.origin.policy
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> u64 {
        (*self.map).as_ref().len() as u64
    }

    /// Whether a part of the file was not to be had: what was read of it may be wrong.
    pub(crate) fn is_damaged(&self) -> bool {
        self.map.is_damaged()
    }

    /// A text, copied: what is sent must not change under the sender.
    pub(crate) fn text(&self, kind: Kind, rendition: usize) -> Option<Text> {
        let rendition = u32::try_from(rendition).ok()?;
        let copied = |coding| {
            self.file.section(Name { kind, coding, rendition }).map(|text| Bytes::copy_from_slice(&text))
        };
        let coded = CODINGS.into_iter().filter_map(|(number, coding)| Some((coding, copied(number)?)));
        Some(Text { plain: copied(0)?, coded: coded.collect() })
    }

    /// Whether `blob`, which has another stamp, is the source all the same: whether the bytes are that were read.
    pub(super) async fn check_source(&self, blob: &dyn Blob) -> Result<(), IndexFault> {
        let name = Name { kind: Kind::Sources, coding: 0, rendition: 0 };
        let ranges = read_ranges(&self.file.section(name).ok_or(IndexFault::Table)?, blob.len());
        let ranges = ranges.ok_or(IndexFault::Table)?;
        match digest(blob, &ranges, Priority::Viewer).await {
            Ok(found) if found == self.file.origin.digest => Ok(()),
            Ok(_) | Err(_) => Err(IndexFault::Stale),
        }
    }

    /// The file with another stamp.
    pub(super) fn restamped(&self, stamp: Stamp) -> Vec<u8> {
        self.file.restamped(stamp)
    }
}

/// The bytes of the index of `asset`, which was parsed from what `read` says of its source, with `digest`; `None`
/// for what has no index.
///
/// Cost: some 30 ms for each MiB of playlists, which are compressed.
pub(super) fn contents(asset: &Asset, read: &[Range<u64>], digest: u128) -> Option<Vec<u8>> {
    let edition = asset.edition();
    let of_all = |kind| Name { kind, coding: 0, rendition: 0 };
    let mut sections = vec![(of_all(Kind::Edition), Bytes::from(edition.encode()?))];
    let ranges = read.iter().flat_map(|range| [range.start, range.end]);
    sections.push((of_all(Kind::Sources), ranges.flat_map(u64::to_le_bytes).collect()));
    for (kind, rendition) in texts(edition) {
        let plain = asset.text(kind, rendition as usize)?.plain;
        let is_playlist = kind != Kind::Init;
        if is_playlist && (CODED_BYTES_MIN..=CODED_BYTES_MAX).contains(&plain.len()) {
            for (number, coding) in CODINGS {
                let coded = coding.encode(&plain).ok()?;
                sections.push((Name { kind, coding: number, rendition }, coded.into()));
            }
        }
        sections.push((Name { kind, coding: 0, rendition }, plain));
    }
    let origin = Origin { stamp: asset.blob.stamp(), digest, policy: asset.policy };
    Some(file::write(&origin, &sections))
}

/// The texts that an index of `edition` has.
fn texts(edition: &Edition) -> Vec<(Kind, u32)> {
    let mut texts = vec![(Kind::Multivariant, 0)];
    for (number, rendition) in (0..).zip(&edition.renditions) {
        texts.extend([(Kind::Media, number), (Kind::Init, number)]);
        if !rendition.key_frames.is_empty() {
            texts.push((Kind::IFrames, number));
        }
    }
    texts
}

fn read_ranges(section: &Bytes, source_len: u64) -> Option<Vec<Range<u64>>> {
    let (rows, rest) = section.as_chunks::<16>();
    let range = |row: &[u8; 16]| {
        let (words, _) = row.as_chunks::<8>();
        let [start, end] = words else { unreachable!("a row of two words") };
        let range = u64::from_le_bytes(*start)..u64::from_le_bytes(*end);
        (range.start < range.end && range.end <= source_len).then_some(range)
    };
    let ranges: Vec<Range<u64>> = rows.iter().map(range).collect::<Option<_>>()?;
    let rise = ranges.iter().zip(ranges.iter().skip(1)).all(|(one, next)| one.end < next.start);
    (rest.is_empty() && rise && !ranges.is_empty() && ranges.len() <= MAX_RANGES).then_some(ranges)
}

/// The digest of `ranges` of `blob`.
pub(super) async fn digest(
    blob: &dyn Blob,
    ranges: &[Range<u64>],
    priority: Priority,
) -> Result<u128, BlobError> {
    let mut hasher = Hasher::new();
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at.saturating_add(DIGEST_READ_BYTES));
            let bytes = blob.read(at..end, priority).await?;
            if bytes.is_empty() {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
            hasher.write(bytes.get(..usize::try_from(end - at).unwrap_or(usize::MAX)).unwrap_or(&bytes));
            at = at.saturating_add(bytes.len() as u64);
        }
    }
    Ok(hasher.finish_128())
}
