//! What is in front of the media of the new file: `ftyp`, the index with new places, what else is kept,
//! and the header of `mdat`.

use bytes::Bytes;

use super::boxes::BoxRef;
use super::index::{Replace, rewrite};
use super::places::{Place, Places};
use super::{Frame, Kind, Piece, REST_CHUNK_SAMPLES};
use crate::demux::FormatError;

/// A chunk of the new file.
#[derive(Debug, Clone, Copy)]
struct NewChunk {
    /// Zero for a track that is left out: its `stsc` stays.
    samples: u32,
    /// First byte, counted from the start of the media.
    offset: u64,
}

/// The new tables of every `trak`.
struct NewTables {
    /// `None` where there is nothing to place.
    traks: Vec<Option<Vec<NewChunk>>>,
    left_out: Vec<bool>,
    /// Where the media starts in the new file.
    base: u64,
    /// Whether places take 64 bits.
    wide: bool,
}

/// The head of a file whose media is `pieces`, placed from zero on, `media` bytes in all.
pub(super) fn write(
    frame: &Frame,
    places: &Places,
    pieces: &[Piece],
    media: u64,
) -> Result<Bytes, FormatError> {
    let mut tables = NewTables::of(places, pieces);
    let mut head = tables.head(frame, media)?;
    let last = tables.traks.iter().flatten().flatten().map(|chunk| chunk.offset).max().unwrap_or(0);
    // Wider places make a longer index, which moves the media; a longer head can only need wider places.
    tables.wide = u32::try_from(last.saturating_add(head.len() as u64)).is_err();
    if tables.wide {
        head = tables.head(frame, media)?;
    }
    tables.base = head.len() as u64;
    Ok(tables.head(frame, media)?.into())
}

impl NewTables {
    fn of(places: &Places, pieces: &[Piece]) -> Self {
        let mut of_traks: Vec<Vec<&Piece>> = places.iter().map(|_| Vec::new()).collect();
        for piece in pieces {
            if let Some(own) = of_traks.get_mut(piece.trak) {
                own.push(piece);
            }
        }
        let traks = of_traks.into_iter().enumerate().map(|(trak, mut own)| {
            own.sort_by_key(|piece| piece.range.start);
            let chunks: Vec<NewChunk> =
                own.into_iter().flat_map(|piece| chunks(places, trak, piece)).collect();
            (!chunks.is_empty()).then_some(chunks)
        });
        let left_out = places.iter().map(|place| matches!(place, Place::Chunks(_))).collect();
        Self { traks: traks.collect(), left_out, base: 0, wide: false }
    }

    fn head(&self, frame: &Frame, media: u64) -> Result<Vec<u8>, FormatError> {
        let mut head = frame.file_type.to_vec();
        head.extend(rewrite(&frame.index, self)?);
        frame.kept.iter().for_each(|kept| head.extend_from_slice(kept));
        match u32::try_from(media.saturating_add(8)) {
            Ok(size) => {
                head.extend_from_slice(&size.to_be_bytes());
                head.extend_from_slice(b"mdat");
            }
            Err(_) => {
                head.extend_from_slice(&1u32.to_be_bytes());
                head.extend_from_slice(b"mdat");
                head.extend_from_slice(&media.saturating_add(16).to_be_bytes());
            }
        }
        Ok(head)
    }
}

impl Replace for NewTables {
    fn replace(&self, trak: usize, table: &BoxRef<'_>) -> Option<Vec<u8>> {
        let chunks = self.traks.get(trak)?.as_ref()?;
        match &table.fourcc.0 {
            b"stsc" if self.left_out.get(trak) == Some(&true) => None,
            b"stsc" => Some(runs(chunks)),
            _ => Some(offsets(chunks, self.base, self.wide)),
        }
    }
}

/// The chunks of `piece`, in order.
fn chunks(places: &Places, trak: usize, piece: &Piece) -> Vec<NewChunk> {
    match places.get(trak) {
        Some(Place::Chunks(chunks)) => {
            let mut offset = piece.start;
            let lens = chunks.lens.iter_from(piece.range.start).take(piece.range.len());
            let place = |len: u64| {
                let chunk = NewChunk { samples: 0, offset };
                offset = offset.saturating_add(len);
                chunk
            };
            lens.map(place).collect()
        }
        Some(Place::Samples(_)) if piece.kind == Kind::Rest => {
            let mut offset = piece.start;
            let mut found = Vec::new();
            let mut first = piece.range.start;
            while first < piece.range.end {
                let end = piece.range.end.min(first.saturating_add(REST_CHUNK_SAMPLES));
                let part = Piece { range: first..end, ..piece.clone() };
                found.push(NewChunk { samples: count(&part), offset });
                offset = places.extents(&part).map(|extent| extent.len).fold(offset, u64::saturating_add);
                first = end;
            }
            found
        }
        Some(Place::Samples(_)) => vec![NewChunk { samples: count(piece), offset: piece.start }],
        None => Vec::new(),
    }
}

fn count(piece: &Piece) -> u32 {
    u32::try_from(piece.range.len()).expect("a track has at most 2^26 samples")
}

/// `stsc`: runs of chunks with as many samples each (§8.7.4).
fn runs(chunks: &[NewChunk]) -> Vec<u8> {
    let mut entries: Vec<[u32; 3]> = Vec::new();
    for (number, chunk) in (1u32..).zip(chunks) {
        if entries.last().is_none_or(|[_, samples, _]| *samples != chunk.samples) {
            entries.push([number, chunk.samples, 1]);
        }
    }
    let values = entries.iter().flatten().flat_map(|value| value.to_be_bytes());
    table(b"stsc", entries.len(), values)
}

/// `stco` or `co64`: where chunks begin (§8.7.5).
fn offsets(chunks: &[NewChunk], base: u64, wide: bool) -> Vec<u8> {
    let places = chunks.iter().map(|chunk| chunk.offset.saturating_add(base));
    if wide {
        table(b"co64", chunks.len(), places.flat_map(u64::to_be_bytes))
    } else {
        // While the head is only measured the base is zero; then every place was found to fit.
        let narrow = places.map(|place| u32::try_from(place).unwrap_or(u32::MAX));
        table(b"stco", chunks.len(), narrow.flat_map(u32::to_be_bytes))
    }
}

fn table(fourcc: &[u8; 4], entries: usize, values: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut whole = vec![0; 4];
    whole.extend_from_slice(fourcc);
    whole.extend_from_slice(&[0; 4]);
    whole.extend_from_slice(&u32::try_from(entries).expect("chunks are counted in 32 bits").to_be_bytes());
    whole.extend(values);
    let size = u32::try_from(whole.len()).expect("a table of an index below 1 GiB").to_be_bytes();
    if let Some(place) = whole.first_chunk_mut::<4>() {
        *place = size;
    }
    whole
}
