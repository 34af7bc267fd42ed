//! The file of packed sound: a head, a table of segments, and the segments as they are sent.
//!
//! ```text
//!    0  magic, 8 bytes                           24  length of the file, 8
//!    8  format version, 2                        32  checksum of header and table but itself, 8 (XXH3)
//!   10  byte order mark, 2                       40  stamp of the source, 5 x 8
//!   12  packager's format version, 2             80  revision and track, as text, hashed, 16 (XXH3-128)
//!   14  zero, 2                                  96  table: offset 8, length 8, checksum 8 (XXH3) a segment
//!   16  policy: cut from so many ms, 4                …
//!   20  segments, 4                                   bytes of the segments, in order
//! ```
//!
//! Numbers are little-endian. As with an index, any other version is made anew.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rillcast_media::plan::{MAX_SEGMENTS, Policy};
use rillcast_media::revision::{FORMAT_VERSION, Revision};
use twox_hash::{XxHash3_64, XxHash3_128};

use crate::blob::Stamp;

/// Version of the file format. Any change of layout or meaning raises it.
const PACKED_VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"rillpak\n";
const BYTE_ORDER: u16 = 0x0102;
const HEADER_BYTES: usize = 96;
const ROW_BYTES: usize = 24;
/// Where the checksum stands.
const CHECKSUM: std::ops::Range<usize> = 32..40;

/// Where the bytes of one segment lie in the sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// XXH3 of the bytes.
    pub(crate) sum: u64,
}

/// What a sidecar belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Belongs {
    pub(crate) stamp: Stamp,
    pub(crate) revision: Revision,
    pub(crate) policy: Policy,
    /// Track id in the source.
    pub(crate) track: u32,
    /// How many segments are listed.
    pub(crate) segments: usize,
}

/// Why a sidecar is not used. The source is, whatever the reason.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackedFault {
    /// It is no file of ours, or of another version.
    #[error("it is no packed sound of this version")]
    Foreign,
    /// Of another source, edition or track.
    #[error("the source has changed")]
    Stale,
    /// It is not as long as it says.
    #[error("it has {len} bytes and says {said}")]
    Length { len: u64, said: u64 },
    /// Its header or table was damaged.
    #[error("its checksum is wrong")]
    Checksum,
    /// A segment lies outside.
    #[error("its table of segments is wrong")]
    Table,
    /// The bytes of a segment were damaged.
    #[error("the checksum of segment {number} is wrong")]
    Segment { number: usize },
    /// Others may write it.
    #[error("others than we and the source's owner may write it: set its mode to 0644")]
    Exposed,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Bytes of header and table of `segments` segments.
pub(super) const fn head_bytes(segments: usize) -> usize {
    HEADER_BYTES.saturating_add(segments.saturating_mul(ROW_BYTES))
}

/// Header and table of `rows`.
pub(super) fn write_head(belongs: &Belongs, rows: &[Row]) -> Vec<u8> {
    let len = rows.last().map_or(head_bytes(0) as u64, |last| last.offset.saturating_add(last.len));
    let mut out = Vec::with_capacity(head_bytes(rows.len()));
    out.extend_from_slice(&fixed(belongs));
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&identity(belongs));
    for row in rows {
        [row.offset, row.len, row.sum].iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }
    let sum = checksum(&out).to_le_bytes();
    if let Some(place) = out.get_mut(CHECKSUM) {
        place.copy_from_slice(&sum);
    }
    out
}

/// Reads header and table of `file` of `len` bytes, and checks them. Blocks on the disk.
pub(super) fn read_rows(file: &File, len: u64, belongs: &Belongs) -> Result<Vec<Row>, PackedFault> {
    if belongs.segments > MAX_SEGMENTS {
        return Err(PackedFault::Table);
    }
    let mut head = vec![0; head_bytes(belongs.segments)];
    if len < head.len() as u64 {
        return Err(PackedFault::Foreign);
    }
    file.read_exact_at(&mut head, 0)?;
    let part = |range: std::ops::Range<usize>| head.get(range).unwrap_or_default();
    if part(0..24) != fixed(belongs) {
        return Err(PackedFault::Foreign);
    }
    let said = word(part(24..32));
    if said != len {
        return Err(PackedFault::Length { len, said });
    }
    if word(part(CHECKSUM)) != checksum(&head) {
        return Err(PackedFault::Checksum);
    }
    if part(40..HEADER_BYTES) != identity(belongs) {
        return Err(PackedFault::Stale);
    }
    let (rows, _) = part(HEADER_BYTES..head.len()).as_chunks::<ROW_BYTES>();
    rows.iter().map(|row| read_row(row, len).ok_or(PackedFault::Table)).collect()
}

fn read_row(row: &[u8; ROW_BYTES], file_len: u64) -> Option<Row> {
    let (words, _) = row.as_chunks::<8>();
    let [offset, len, sum] = words else { unreachable!("a row of three words") };
    let row = Row {
        offset: u64::from_le_bytes(*offset),
        len: u64::from_le_bytes(*len),
        sum: u64::from_le_bytes(*sum),
    };
    (row.offset.checked_add(row.len)? <= file_len).then_some(row)
}

/// What no version changes without being another: the bytes before the length.
fn fixed(belongs: &Belongs) -> Vec<u8> {
    let segments = u32::try_from(belongs.segments).unwrap_or(u32::MAX);
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&PACKED_VERSION.to_le_bytes());
    out.extend_from_slice(&BYTE_ORDER.to_le_bytes());
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&belongs.policy.cut_from_ms.to_le_bytes());
    out.extend_from_slice(&segments.to_le_bytes());
    out
}

fn identity(belongs: &Belongs) -> Vec<u8> {
    let mut out: Vec<u8> = belongs.stamp.0.iter().flat_map(|word| word.to_le_bytes()).collect();
    let name = format!("{} {}", belongs.revision, belongs.track);
    out.extend_from_slice(&XxHash3_128::oneshot(name.as_bytes()).to_le_bytes());
    out
}

fn checksum(head: &[u8]) -> u64 {
    let before = XxHash3_64::oneshot(head.get(..CHECKSUM.start).unwrap_or_default());
    XxHash3_64::oneshot_with_seed(before, head.get(CHECKSUM.end..).unwrap_or_default())
}

fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}
