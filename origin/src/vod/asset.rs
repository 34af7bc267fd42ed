//! An open asset: a blob with all that is known of it, parsed here or read from its index.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rillcast_http::FileExtent;
use rillcast_media::demux::mp4::Mp4Reader;
use rillcast_media::demux::{Demux, FormatError};
use rillcast_media::index::{Edition, EditionError, ListedRendition};
use rillcast_media::manifest::hls;
use rillcast_media::movie::{Movie, TrackKind};
use rillcast_media::package::cmaf;
use rillcast_media::plan::Policy;
use rillcast_media::presentation::{Presentation, TrackName};
use rillcast_media::revision::Revision;

use super::content::ContentNames;
use crate::blob::{Blob, BlobError, Priority};
use crate::index::{Job, Kind, Packing, Stored, Text};
use crate::sidecar::Slot;

/// Memory of an asset besides what is counted.
const OWN_BYTES: usize = 8192;

/// Entries of a playlist that is long: at 26 to 40 bytes each it has about 64 KB.
const LONG_ENTRIES: usize = 1800;

/// An open asset. Immutable; texts are written, or fetched from the index, on first use.
pub struct Asset {
    /// Where its bytes are.
    pub blob: Arc<dyn Blob>,
    /// The name of this edition.
    pub revision: Revision,
    /// How it is cut.
    pub policy: Policy,
    /// Names the bytes of its pieces.
    pub(crate) content: ContentNames,
    /// How its sound is packed; without, it is served as it lies.
    pub(crate) packing: Option<Packing>,
    known: Known,
    multivariant: OnceLock<Text>,
    tracks: Vec<TrackTexts>,
}

/// Where what is known of the blob comes from.
enum Known {
    /// It was parsed.
    Parsed {
        edition: Box<Edition>,
        presentation: Presentation,
        /// The bytes of the blob that decided it, rising, apart.
        read: Vec<Range<u64>>,
    },
    /// It was there.
    Stored(Box<Stored>),
}

/// What was made once for a rendition.
#[derive(Default)]
struct TrackTexts {
    media: OnceLock<Text>,
    i_frames: OnceLock<Text>,
    init: OnceLock<Text>,
    packed: Slot,
}

/// Why an asset cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The blob is not to be had.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Its bytes are no movie we read. The source's fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why a source is refused: final for these bytes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Not a container we read, or a broken one.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A movie, but none that we serve.
    #[error(transparent)]
    Edition(#[from] EditionError),
}

impl Refusal {
    /// Whether the file may be correct and it is we who do not serve its kind.
    pub const fn is_unsupported(&self) -> bool {
        match self {
            Self::Format(error) => error.is_unsupported(),
            Self::Edition(_) => true,
        }
    }
}

impl Asset {
    /// Reads the index of `blob` and plans its segments.
    ///
    /// Cost: reads of at most 1 MiB each over the index, and a few passes over the samples.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(blob: Arc<dyn Blob>, policy: Policy) -> Result<Self, OpenError> {
        let (movie, read) = read_movie(blob.as_ref()).await?;
        let (edition, presentation) = Edition::new(movie, policy).map_err(Refusal::from)?;
        tracing::debug!(revision = %edition.revision, "an asset was parsed");
        let known = Known::Parsed { edition: Box::new(edition), presentation, read };
        Ok(Self::of(blob, policy, known))
    }

    /// The asset of `blob` as its index has it.
    pub(crate) fn of_stored(blob: Arc<dyn Blob>, stored: Stored) -> Self {
        let policy = stored.policy();
        Self::of(blob, policy, Known::Stored(Box::new(stored)))
    }

    fn of(blob: Arc<dyn Blob>, policy: Policy, known: Known) -> Self {
        let edition = known.edition();
        let revision = edition.revision;
        let tracks = edition.renditions.iter().map(|_| TrackTexts::default()).collect();
        let content = ContentNames::new(blob.stamp(), revision);
        Self { blob, revision, policy, content, packing: None, known, multivariant: OnceLock::new(), tracks }
    }

    /// What is shown, where it is cut, and what is listed.
    pub fn edition(&self) -> &Edition {
        self.known.edition()
    }

    /// Memory it takes, for the cache's budget: columns, tables and texts; not what is mapped.
    pub fn memory_bytes(&self) -> usize {
        let edition = self.edition();
        let texts = edition.plan.len().saturating_mul(edition.renditions.len()).saturating_mul(32);
        let Known::Parsed { .. } = &self.known else { return OWN_BYTES.saturating_add(texts) };
        let movies: usize = edition.timeline.clips().iter().map(|clip| clip.movie.memory_bytes()).sum();
        let listed = edition.renditions.iter().map(|rendition| {
            // In the plan, in the presentation, and their text.
            rendition.segments * (40 + 32 + 32) + rendition.key_frames.len() * (32 + 48 + 40)
        });
        OWN_BYTES.saturating_add(movies).saturating_add(listed.sum())
    }

    /// Whether it is from an index.
    pub(crate) const fn is_stored(&self) -> bool {
        matches!(self.known, Known::Stored(_))
    }

    /// Bytes of the index it is from.
    pub(crate) fn stored_bytes(&self) -> u64 {
        match &self.known {
            Known::Stored(stored) => stored.len(),
            Known::Parsed { .. } => 0,
        }
    }

    /// Whether a part of its index was lost while it was open. To be asked after something was made of it: that
    /// may be wrong then, and the asset is to be opened anew.
    pub fn is_damaged(&self) -> bool {
        match &self.known {
            Known::Stored(stored) => stored.is_damaged(),
            Known::Parsed { .. } => false,
        }
    }

    /// The bytes of the blob that decided what is known of it; none for one from an index.
    pub(crate) fn read_ranges(&self) -> &[Range<u64>] {
        match &self.known {
            Known::Parsed { read, .. } => read,
            Known::Stored(_) => &[],
        }
    }

    /// Segment `number` of rendition `index` in one piece, if it is packed yet. The first
    /// time that sound is asked for, it is packed soon; until then, and of pictures, there are none.
    ///
    /// Cost: no system call.
    pub(crate) fn packed(self: &Arc<Self>, index: usize, number: usize) -> Option<FileExtent> {
        let packing = self.packing.as_ref()?;
        let slot = self.packed_slot(index)?;
        let asset = || Arc::clone(self);
        let Some(packed) = slot.get() else {
            if slot.ask() && !packing.queue(|path| Job::Pack { path, asset: asset(), index }) {
                slot.forget();
            }
            return None;
        };
        let extent = packed.extent(number);
        if extent.is_none()
            && packed.claim(number)
            && !packing.queue(|path| Job::Verify { path, asset: asset(), index, number })
        {
            packed.give_up();
        }
        extent
    }

    /// Where the packed sound of rendition `index` is put; none for pictures.
    pub(crate) fn packed_slot(&self, index: usize) -> Option<&Slot> {
        let rendition = self.edition().renditions.get(index)?;
        let is_sound = rendition.name.kind == TrackKind::Audio;
        self.tracks.get(index).filter(|_| is_sound).map(|track| &track.packed)
    }

    /// The multivariant playlist.
    pub(crate) fn multivariant(&self) -> Option<Text> {
        self.text(Kind::Multivariant, 0)
    }

    /// The rendition called `name` and its number.
    pub fn rendition(&self, name: TrackName) -> Option<(usize, &ListedRendition)> {
        self.edition().renditions.iter().enumerate().find(|(_, rendition)| rendition.name == name)
    }

    /// The text of `kind` of rendition `index`; `None` where there is none.
    pub(crate) fn text(&self, kind: Kind, index: usize) -> Option<Text> {
        let texts = self.tracks.get(index)?;
        let once = match kind {
            Kind::Multivariant => &self.multivariant,
            Kind::Media => &texts.media,
            Kind::IFrames => &texts.i_frames,
            Kind::Init => &texts.init,
            Kind::Edition | Kind::Sources => return None,
        };
        if let Some(text) = once.get() {
            return Some(text.clone());
        }
        let text = match &self.known {
            Known::Stored(stored) => stored.text(kind, index)?,
            Known::Parsed { presentation, .. } => self.write(presentation, kind, index)?,
        };
        Some(once.get_or_init(|| text).clone())
    }

    /// Whether the text of `kind` of rendition `index` is yet to be written and long: too much work for a thread that has
    /// connections to serve.
    pub(crate) fn is_long_to_write(&self, kind: Kind, index: usize) -> bool {
        let (Known::Parsed { .. }, Some(texts)) = (&self.known, self.tracks.get(index)) else { return false };
        let Some(rendition) = self.edition().renditions.get(index) else { return false };
        let (entries, once) = match kind {
            Kind::Media => (rendition.segments, &texts.media),
            Kind::IFrames => (rendition.key_frames.len(), &texts.i_frames),
            _ => return false,
        };
        entries > LONG_ENTRIES && once.get().is_none()
    }

    fn write(&self, presentation: &Presentation, kind: Kind, index: usize) -> Option<Text> {
        let rendition = presentation.renditions.get(index)?;
        let text = match kind {
            Kind::Multivariant => hls::multivariant(presentation, &format!("~{}/", self.revision)).into(),
            Kind::Media => hls::media_playlist(presentation, rendition).into(),
            Kind::IFrames if rendition.key_frames.is_empty() => return None,
            Kind::IFrames => hls::i_frame_playlist(presentation, rendition).into(),
            Kind::Init => {
                let first = self.edition().timeline.clips().first()?;
                cmaf::init(first.movie.tracks.get(rendition.track)?)
            }
            Kind::Edition | Kind::Sources => return None,
        };
        tracing::debug!(revision = %self.revision, ?kind, bytes = text.len(), "a text was written");
        Some(Text::plain(text))
    }
}

impl Known {
    fn edition(&self) -> &Edition {
        match self {
            Self::Parsed { edition, .. } => edition,
            Self::Stored(stored) => &stored.edition,
        }
    }
}

/// Drives the demuxer over `blob`; says which of its bytes were read.
async fn read_movie(blob: &dyn Blob) -> Result<(Movie, Vec<Range<u64>>), OpenError> {
    let mut reader = Mp4Reader::new(blob.len());
    let mut read = Vec::new();
    loop {
        match reader.poll().map_err(Refusal::from)? {
            Demux::Ready(movie) => return Ok((*movie, merged(read))),
            Demux::Need(range) => {
                let start = range.start;
                let bytes = blob.read(range, Priority::Viewer).await?;
                read.push(start..start.saturating_add(bytes.len() as u64));
                reader.supply(start, bytes);
            }
        }
    }
}

/// `ranges` in order, those that touch as one.
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_or_overlap_are_one() {
        let merge = |ranges: &[(u64, u64)]| {
            let ranges = merged(ranges.iter().map(|(start, end)| *start..*end).collect());
            ranges.iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        assert_eq!(merge(&[(8, 9), (0, 4), (4, 6), (5, 6), (0, 1)]), [(0, 6), (8, 9)]);
        assert_eq!(merge(&[]), []);
    }
}
