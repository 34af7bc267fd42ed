//! The file of an index: a header that says what it is and of which source, then sections.
//!
//! ```text
//!    0  magic, 8 bytes                           24  length of the file, 8
//!    8  format version, 2                        32  checksum of all other bytes, 8 (XXH3)
//!   10  byte order mark, 2                       40  stamp of the source, 5 x 8
//!   12  packager's format version, 2             80  digest of what was read of the source, 16 (XXH3-128)
//!   14  zero, 2                                  96  table: kind 2, coding 2, rendition 4, offset 8, length 8
//!   16  policy: cut from so many ms, 4                …
//!   20  sections, 4                                   sections
//! ```
//!
//! Numbers are little-endian. The checksum finds damage, not malice: what comes behind is read as foreign bytes all
//! the same. A reader takes exactly its own version, of the file and of the packager; any other is made anew, for an
//! index holds nothing that the source does not.

use std::ops::Range;

use bytes::Bytes;
use rillcast_media::index::{DecodeError, Edition};
use rillcast_media::plan::Policy;
use rillcast_media::revision::FORMAT_VERSION;
use twox_hash::XxHash3_64;

use crate::blob::Stamp;

/// Version of the file format. Any change of layout or meaning raises it.
pub const INDEX_VERSION: u16 = 2;
/// Bytes of an index: a named limit, far above that of the longest film.
pub const MAX_INDEX_BYTES: u64 = 1 << 30;
/// Sections of an index: the edition, its sources, and four texts in three codings of each rendition.
const MAX_SECTIONS: u32 = 1024;

const MAGIC: [u8; 8] = *b"rillidx\n";
const BYTE_ORDER: u16 = 0x0102;
const CHECKSUM: Range<usize> = 32..40;
/// Where the stamp stands.
const STAMP: usize = 40;
const HEADER_BYTES: usize = 96;
const ROW_BYTES: usize = 24;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The edition: samples, plan, renditions.
    Edition = 1,
    /// Which bytes of the source it was made of.
    Sources = 2,
    /// The multivariant playlist.
    Multivariant = 3,
    /// A media playlist.
    Media = 4,
    /// A key frame playlist.
    IFrames = 5,
    /// An init segment.
    Init = 6,
}

/// Names a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) kind: Kind,
    /// 0 as it is, 1 gzip, 2 Brotli.
    pub(super) coding: u16,
    /// Which rendition it is of; 0 for what is of all.
    pub(super) rendition: u32,
}

impl Name {
    /// The section of the edition.
    pub(super) const EDITION: Self = Self { kind: Kind::Edition, coding: 0, rendition: 0 };
}

/// Of what an index was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// Which content, by what the store knows of it.
    pub(super) stamp: Stamp,
    /// Which content, by the bytes that were read of it.
    pub(super) digest: u128,
    /// How it was cut.
    pub(super) policy: Policy,
}

/// Why a file is no index of ours. It is made anew, whatever the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexFault {
    /// It is shorter than a header.
    #[error("it is too short")]
    Short,
    /// It does not begin as one.
    #[error("it is no index")]
    Foreign,
    /// Of another version of the file format.
    #[error("it has format version {found}, this is {INDEX_VERSION}")]
    Version {
        /// The version it says.
        found: u16,
    },
    /// Written by another kind of machine.
    #[error("its byte order is another")]
    ByteOrder,
    /// By another version of the packager, or with another policy.
    #[error("it is of packager version {found}, cut from {cut_from_ms} ms")]
    Packager {
        /// The version it says.
        found: u16,
        /// The policy it says.
        cut_from_ms: u32,
    },
    /// It is not as long as it says.
    #[error("it has {len} bytes and says {said}")]
    Length {
        /// Bytes it has.
        len: u64,
        /// Bytes it says.
        said: u64,
    },
    /// Bytes have changed since it was written.
    #[error("its checksum is wrong")]
    Checksum,
    /// Its sections are not where it says, or one is missing.
    #[error("its table of sections is wrong")]
    Table,
    /// What is in it is nothing of ours.
    #[error("its content is wrong: {0}")]
    Content(#[from] DecodeError),
    /// The disk could not give it, or somebody cut it short.
    #[error("a part of it is not to be had")]
    Damaged,
    /// Others may write it, so that nobody knows who did.
    #[error("others than we and the source's owner may write it: set its mode to 0644")]
    Exposed,
    /// The source is another than it was made of.
    #[error("the source has changed")]
    Stale,
}

/// A file that was checked.
#[derive(Debug, Clone)]
pub(super) struct IndexFile {
    bytes: Bytes,
    pub(super) origin: Origin,
    sections: Vec<(Name, Range<usize>)>,
}

impl IndexFile {
    /// Checks `bytes`, which go on being shared.
    ///
    /// Cost: the checksum, some 0.1 ms a MiB.
    pub(super) fn parse(bytes: Bytes, policy: Policy) -> Result<Self, IndexFault> {
        let head: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(IndexFault::Short)?;
        let mut head = Numbers(head);
        if head.take() != MAGIC {
            return Err(IndexFault::Foreign);
        }
        let (version, order) = (head.u16(), head.u16());
        if order != BYTE_ORDER {
            return Err(IndexFault::ByteOrder);
        }
        if version != INDEX_VERSION {
            return Err(IndexFault::Version { found: version });
        }
        let (found, _, cut_from_ms, sections) = (head.u16(), head.u16(), head.u32(), head.u32());
        if found != FORMAT_VERSION || cut_from_ms != policy.cut_from_ms {
            return Err(IndexFault::Packager { found, cut_from_ms });
        }
        let (len, said) = (bytes.len() as u64, head.u64());
        if len != said {
            return Err(IndexFault::Length { len, said });
        }
        if head.u64() != checksum(&bytes) {
            return Err(IndexFault::Checksum);
        }
        let stamp = Stamp([head.u64(), head.u64(), head.u64(), head.u64(), head.u64()]);
        let digest = u128::from_le_bytes(head.take());
        let sections = read_table(&bytes, sections).ok_or(IndexFault::Table)?;
        Ok(Self { origin: Origin { stamp, digest, policy }, sections, bytes })
    }

    /// The section `name`, if there is one.
    pub(super) fn section(&self, name: Name) -> Option<Bytes> {
        let (_, range) = self.sections.iter().find(|(other, _)| *other == name)?;
        Some(self.bytes.slice(range.clone()))
    }

    /// The bytes of this file with another stamp.
    pub(super) fn restamped(&self, stamp: Stamp) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        let words = stamp.0.iter().flat_map(|word| word.to_le_bytes());
        bytes.iter_mut().skip(STAMP).zip(words).for_each(|(place, byte)| *place = byte);
        seal(&mut bytes);
        bytes
    }
}

/// The bytes of a file of `sections` about `origin`.
pub(super) fn write(origin: &Origin, sections: &[(Name, Bytes)]) -> Vec<u8> {
    let table_end = HEADER_BYTES.saturating_add(sections.len().saturating_mul(ROW_BYTES));
    let len = sections.iter().fold(table_end, |len, (_, section)| len.saturating_add(section.len()));
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&INDEX_VERSION.to_le_bytes());
    out.extend_from_slice(&BYTE_ORDER.to_le_bytes());
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&origin.policy.cut_from_ms.to_le_bytes());
    let count = u32::try_from(sections.len()).expect("a few for each of at most 64 renditions");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&(len as u64).to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    origin.stamp.0.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    out.extend_from_slice(&origin.digest.to_le_bytes());
    let mut at = table_end as u64;
    for (name, section) in sections {
        out.extend_from_slice(&(name.kind as u16).to_le_bytes());
        out.extend_from_slice(&name.coding.to_le_bytes());
        out.extend_from_slice(&name.rendition.to_le_bytes());
        out.extend_from_slice(&at.to_le_bytes());
        out.extend_from_slice(&(section.len() as u64).to_le_bytes());
        at = at.saturating_add(section.len() as u64);
    }
    sections.iter().for_each(|(_, section)| out.extend_from_slice(section));
    seal(&mut out);
    out
}

/// The file of an index with nothing but `edition`, as bytes: for tools that look at the format.
pub fn of_edition(edition: Vec<u8>, policy: Policy) -> Vec<u8> {
    let origin = Origin { stamp: Stamp([0; 5]), digest: 0, policy };
    write(&origin, &[(Name::EDITION, edition.into())])
}

/// The edition in the file of an index, for tools that look at the format.
///
/// # Errors
/// [`IndexFault`].
pub fn edition(file: Bytes, policy: Policy) -> Result<Edition, IndexFault> {
    let file = IndexFile::parse(file, policy)?;
    Ok(Edition::decode(file.section(Name::EDITION).ok_or(IndexFault::Table)?)?)
}

/// Writes the checksum of `bytes`, a file of ours, into it.
///
/// What is too short for one stays as it is.
pub fn seal(bytes: &mut [u8]) {
    let sum = checksum(bytes).to_le_bytes();
    if let Some(place) = bytes.get_mut(CHECKSUM) {
        place.copy_from_slice(&sum);
    }
}

/// The checksum of a file: of all bytes but its own.
fn checksum(bytes: &[u8]) -> u64 {
    let (head, rest) = bytes.split_at_checked(CHECKSUM.end).unwrap_or((bytes, &[]));
    let head = XxHash3_64::oneshot(head.get(..CHECKSUM.start).unwrap_or(head));
    XxHash3_64::oneshot_with_seed(head, rest)
}

fn read_table(bytes: &Bytes, count: u32) -> Option<Vec<(Name, Range<usize>)>> {
    if count > MAX_SECTIONS {
        return None;
    }
    let (rows, _) = bytes.get(HEADER_BYTES..)?.as_chunks::<ROW_BYTES>();
    let rows = rows.get(..usize::try_from(count).ok()?)?;
    rows.iter().map(|row| read_row(row, bytes.len())).collect()
}

fn read_row(row: &[u8; ROW_BYTES], len: usize) -> Option<(Name, Range<usize>)> {
    let mut row = Numbers(row);
    let kinds = [Kind::Edition, Kind::Sources, Kind::Multivariant, Kind::Media, Kind::IFrames, Kind::Init];
    let kind = row.u16();
    let kind = kinds.into_iter().find(|known| *known as u16 == kind)?;
    let name = Name { kind, coding: row.u16(), rendition: row.u32() };
    let start = usize::try_from(row.u64()).ok()?;
    let end = start.checked_add(usize::try_from(row.u64()).ok()?)?;
    (end <= len).then_some((name, start..end))
}

/// Numbers one behind the other in a slice that is known to be long enough.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) =
            self.0.split_first_chunk().expect("headers and rows have as many bytes as are read");
        self.0 = rest;
        *taken
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
