//! The index (`moov`): read for where each track's bytes are, written again with new places.
//!
//! ```text
//!  moov ─ trak ─ mdia ─ minf ─ stbl ┬ stsc           run of chunks: written anew
//!                                   ├ stco or co64   place of each chunk: written anew
//!                                   └ …              as it was, like all that is not drawn
//! ```
//!
//! Refused: what holds places of the file besides (`saio`, `iloc`), and media in other files.

use super::LayoutError;
use super::boxes::{BoxRef, Children, number, u32_at};
use crate::demux::FormatError;
use crate::demux::mp4::MAX_INDEX_BOXES;
use crate::fourcc::FourCc;

/// One `trak`.
#[derive(Debug)]
pub(super) struct Trak<'a> {
    pub(super) id: u32,
    /// Its first byte in the source.
    pub(super) offset: u64,
    pub(super) handler: FourCc,
    /// `stsz` or `stz2`.
    pub(super) sizes: Option<BoxRef<'a>>,
    /// `stsc`.
    pub(super) runs: Option<BoxRef<'a>>,
    /// `stco` or `co64`.
    pub(super) offsets: Option<BoxRef<'a>>,
    /// A `dref` that points to another file.
    elsewhere: Option<u64>,
}

/// The tracks of `index`, which begins at `offset` of the source, in file order.
///
/// # Errors
/// [`LayoutError::Format`] for boxes that cannot be walked, [`LayoutError::Unmovable`].
pub(super) fn traks(index: &[u8], offset: u64) -> Result<Vec<Trak<'_>>, LayoutError> {
    let mut traks = Vec::new();
    let mut boxes = 0;
    let Some(moov) = Children::new(index, offset).next()? else { return Ok(traks) };
    let mut children = moov.children();
    while let Some(child) = children.next()? {
        match &child.fourcc.0 {
            b"trak" => traks.push(trak(&child, &mut boxes)?),
            b"mvex" => return Err(unmovable("belongs to a file of fragments", &child)),
            _ => refuse_items(&child)?,
        }
    }
    Ok(traks)
}

fn trak<'a>(trak: &BoxRef<'a>, boxes: &mut u64) -> Result<Trak<'a>, LayoutError> {
    let mut found = Trak {
        id: 0,
        offset: trak.offset,
        handler: FourCc([0; 4]),
        sizes: None,
        runs: None,
        offsets: None,
        elsewhere: None,
    };
    found.read(trak, boxes)?;
    if let Some(offset) = found.elsewhere.filter(|_| found.has_chunks()) {
        let what = "points to media in another file";
        return Err(LayoutError::Unmovable { what, fourcc: FourCc(*b"dref"), offset });
    }
    Ok(found)
}

impl<'a> Trak<'a> {
    /// Whether any chunk is listed.
    pub(super) fn has_chunks(&self) -> bool {
        self.offsets.and_then(|table| u32_at(table.payload, 4)).is_some_and(|count| count > 0)
    }

    /// Takes what is of use from the boxes of `parent`, which is the `trak` or a container in it.
    fn read(&mut self, parent: &BoxRef<'a>, boxes: &mut u64) -> Result<(), LayoutError> {
        let mut children = parent.children();
        while let Some(child) = children.next()? {
            *boxes = boxes.saturating_add(1);
            if *boxes > MAX_INDEX_BOXES {
                let (what, value, limit) = ("number of boxes in `moov`", *boxes, MAX_INDEX_BOXES);
                return Err(FormatError::Limit { what, value, limit, offset: child.offset }.into());
            }
            let slot = match (&parent.fourcc.0, &child.fourcc.0) {
                (b"trak", b"mdia") | (b"mdia", b"minf") | (b"minf", b"stbl" | b"dinf") => {
                    self.read(&child, boxes)?;
                    continue;
                }
                (b"stbl", b"stsz" | b"stz2") => &mut self.sizes,
                (b"stbl", b"stsc") => &mut self.runs,
                (b"stbl", b"stco" | b"co64") => &mut self.offsets,
                _ => {
                    self.read_leaf(parent, &child)?;
                    continue;
                }
            };
            if slot.replace(child).is_some() {
                return Err(FormatError::Duplicate { fourcc: child.fourcc, offset: child.offset }.into());
            }
        }
        Ok(())
    }

    fn read_leaf(&mut self, parent: &BoxRef<'a>, child: &BoxRef<'a>) -> Result<(), LayoutError> {
        match (&parent.fourcc.0, &child.fourcc.0) {
            // Creation and modification time come first: of 32 bits, in version 1 of 64 (§8.3.2).
            (b"trak", b"tkhd") => {
                let at = if child.payload.first() == Some(&1) { 20 } else { 12 };
                self.id = u32_at(child.payload, at).unwrap_or(0);
            }
            (b"mdia", b"hdlr") => self.handler = FourCc(number::<4>(child.payload, 8).unwrap_or([0; 4])),
            (b"dinf", b"dref") if refers_elsewhere(child)? => self.elsewhere = Some(child.offset),
            (b"stbl", b"saio") => {
                return Err(unmovable("says where auxiliary data of samples lies", child));
            }
            _ => refuse_items(child)?,
        }
        Ok(())
    }
}

/// Whether an entry of a `dref` is not in this file (flag 1, §8.7.2).
fn refers_elsewhere(references: &BoxRef<'_>) -> Result<bool, FormatError> {
    let entries = references.payload.get(8..).unwrap_or_default();
    let mut entries = Children::new(entries, references.payload_offset().saturating_add(8));
    while let Some(entry) = entries.next()? {
        if u32_at(entry.payload, 0).is_none_or(|flags| flags & 1 == 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses metadata with items, here or in user data.
fn refuse_items(child: &BoxRef<'_>) -> Result<(), LayoutError> {
    const WHAT: &str = "has items at places of this file";
    if child.fourcc.0 == *b"meta" && meta_has_items(child) {
        return Err(unmovable(WHAT, child));
    }
    if child.fourcc.0 == *b"udta" {
        let mut children = child.children();
        // User data that cannot be walked is nobody's metadata, and stays as it is.
        while let Ok(Some(inner)) = children.next() {
            if inner.fourcc.0 == *b"meta" && meta_has_items(&inner) {
                return Err(unmovable(WHAT, &inner));
            }
        }
    }
    Ok(())
}

/// Whether a `meta` box lists items by place (`iloc`, §8.11.3).
pub(super) fn meta_has_items(meta: &BoxRef<'_>) -> bool {
    // QuickTime's has no version: its handler follows at once.
    let skipped = if number::<4>(meta.payload, 4) == Some(*b"hdlr") { 0 } else { 4 };
    let mut children = Children::new(meta.payload.get(skipped..).unwrap_or_default(), meta.offset);
    while let Ok(Some(child)) = children.next() {
        if child.fourcc.0 == *b"iloc" {
            let wide = child.payload.first().is_some_and(|version| *version >= 2);
            let count = if wide {
                u32_at(child.payload, 6).unwrap_or(0)
            } else {
                u32::from(number::<2>(child.payload, 6).map_or(0, u16::from_be_bytes))
            };
            return count > 0;
        }
    }
    false
}

const fn unmovable(what: &'static str, of: &BoxRef<'_>) -> LayoutError {
    LayoutError::Unmovable { what, fourcc: of.fourcc, offset: of.offset }
}

/// What takes the place of a table: the whole box that is written for it.
pub(super) trait Replace {
    /// The box for `table` (`stsc`, `stco` or `co64`) of the track numbered `trak`; `None` keeps it.
    fn replace(&self, trak: usize, table: &BoxRef<'_>) -> Option<Vec<u8>>;
}

impl<F: Fn(usize, &BoxRef<'_>) -> Option<Vec<u8>>> Replace for F {
    fn replace(&self, trak: usize, table: &BoxRef<'_>) -> Option<Vec<u8>> {
        self(trak, table)
    }
}

/// `index` again, byte for byte but for the tables that `with` replaces and the sizes of what holds them.
///
/// # Errors
/// [`FormatError`] for boxes that cannot be walked; none where [`traks`] had none.
pub(super) fn rewrite(index: &[u8], with: &impl Replace) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::with_capacity(index.len());
    let mut traks = 0;
    if let Some(moov) = Children::new(index, 0).next()? {
        write(&moov, &mut traks, with, &mut out)?;
    }
    Ok(out)
}

/// Writes a container of the path to the tables; `traks` have begun so far.
fn write(
    container: &BoxRef<'_>,
    traks: &mut usize,
    with: &impl Replace,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let start = out.len();
    out.extend_from_slice(container.header);
    let mut children = container.children();
    while let Some(child) = children.next()? {
        match (&container.fourcc.0, &child.fourcc.0) {
            (b"moov", b"trak") => {
                *traks = traks.saturating_add(1);
                write(&child, traks, with, out)?;
            }
            (b"trak", b"mdia") | (b"mdia", b"minf") | (b"minf", b"stbl") => {
                write(&child, traks, with, out)?;
            }
            (b"stbl", b"stsc" | b"stco" | b"co64") => match with.replace(traks.saturating_sub(1), &child) {
                Some(table) => out.extend_from_slice(&table),
                None => copy(&child, out),
            },
            _ => copy(&child, out),
        }
    }
    out.extend_from_slice(children.rest());
    let size = out.len().saturating_sub(start) as u64;
    let (at, written) = if container.header.len() == 16 {
        (start.saturating_add(8), size.to_be_bytes().to_vec())
    } else {
        // An index below 256 MiB and new tables for at most 100,000 segments of 64 tracks.
        let size = u32::try_from(size).expect("an index with new tables stays below 1 GiB");
        (start, size.to_be_bytes().to_vec())
    };
    if let Some(place) = out.get_mut(at..at.saturating_add(written.len())) {
        place.copy_from_slice(&written);
    }
    Ok(())
}

fn copy(child: &BoxRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(child.header);
    out.extend_from_slice(child.payload);
}
