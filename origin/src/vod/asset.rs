//! An open asset: a blob with its parsed index, cut into segments.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rillcast_media::demux::mp4::Mp4Reader;
use rillcast_media::demux::{Demux, FormatError};
use rillcast_media::manifest::hls;
use rillcast_media::movie::{Movie, Unplayable};
use rillcast_media::package::cmaf;
use rillcast_media::plan::{PlanError, Policy, SegmentPlan};
use rillcast_media::presentation::{Presentation, Rendition, TrackName};
use rillcast_media::revision::Revision;
use rillcast_media::timeline::{Timeline, TimelineError};

use super::content::ContentNames;
use crate::blob::{Blob, BlobError, Priority};

/// An open asset. Immutable; playlists are written on first use.
pub struct Asset {
    /// Where its bytes are.
    pub blob: Arc<dyn Blob>,
    /// What is shown.
    pub timeline: Timeline,
    /// Where it is cut.
    pub plan: SegmentPlan,
    /// What players see.
    pub presentation: Presentation,
    /// The name of this edition.
    pub revision: Revision,
    /// Names the bytes of its pieces.
    pub(crate) content: ContentNames,
    multivariant: OnceLock<Bytes>,
    tracks: Vec<TrackTexts>,
}

/// What was made once for a rendition.
#[derive(Default)]
struct TrackTexts {
    media: OnceLock<Bytes>,
    i_frames: OnceLock<Bytes>,
    init: OnceLock<Bytes>,
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
    /// Nothing in it that we serve.
    #[error(transparent)]
    Unplayable(#[from] Unplayable),
    /// An edit list that we do not serve.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// Past a limit of the plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl Refusal {
    /// Whether the file may be correct and it is we who do not serve its kind.
    pub const fn is_unsupported(&self) -> bool {
        match self {
            Self::Format(error) => error.is_unsupported(),
            Self::Unplayable(_) | Self::Timeline(_) | Self::Plan(_) => true,
        }
    }
}

impl Asset {
    /// Reads the index of `blob` and plans its segments.
    ///
    /// Cost: reads of at most 1 MiB each over the index, and one pass over the samples.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(blob: Arc<dyn Blob>, policy: Policy) -> Result<Self, OpenError> {
        let movie = read_movie(blob.as_ref()).await?;
        Ok(Self::of_movie(blob, movie, policy)?)
    }

    fn of_movie(blob: Arc<dyn Blob>, movie: Movie, policy: Policy) -> Result<Self, Refusal> {
        movie.playable()?;
        let timeline = Timeline::of_movie(&Arc::new(movie))?;
        let plan = SegmentPlan::new(&timeline, policy)?;
        let presentation = Presentation::of_plan(&timeline, &plan);
        if presentation.renditions.is_empty() {
            return Err(Unplayable::NothingToPlay.into());
        }
        let revision = Revision::of(&timeline, policy);
        let tracks = presentation.renditions.iter().map(|_| TrackTexts::default()).collect();
        let content = ContentNames::new(blob.stamp(), revision);
        Ok(Self {
            blob,
            timeline,
            plan,
            presentation,
            revision,
            content,
            multivariant: OnceLock::new(),
            tracks,
        })
    }

    /// Memory it takes, for the cache's budget: columns, plan and playlists.
    pub fn memory_bytes(&self) -> usize {
        let movies: usize = self.timeline.clips().iter().map(|clip| clip.movie.memory_bytes()).sum();
        let segments: usize =
            self.presentation.renditions.iter().map(|r| r.segments.len() + r.key_frames.len()).sum();
        // A segment takes some 40 bytes in the plan, 32 in the presentation and 30 of playlist text.
        4096 + movies + segments * 128
    }

    /// The multivariant playlist.
    pub fn multivariant(&self) -> Bytes {
        let write = || hls::multivariant(&self.presentation, &format!("~{}/", self.revision)).into();
        self.multivariant.get_or_init(write).clone()
    }

    /// The rendition called `name` and its number.
    pub fn rendition(&self, name: TrackName) -> Option<(usize, &Rendition)> {
        self.presentation.renditions.iter().enumerate().find(|(_, rendition)| rendition.name == name)
    }

    /// The media playlist of rendition `index`.
    pub fn media_playlist(&self, index: usize) -> Option<Bytes> {
        let (rendition, texts) = self.texts(index)?;
        let write = || hls::media_playlist(&self.presentation, rendition).into();
        Some(texts.media.get_or_init(write).clone())
    }

    /// The key frame playlist of rendition `index`; `None` where it has no pictures.
    pub fn i_frame_playlist(&self, index: usize) -> Option<Bytes> {
        let (rendition, texts) = self.texts(index)?;
        if rendition.key_frames.is_empty() {
            return None;
        }
        let write = || hls::i_frame_playlist(&self.presentation, rendition).into();
        Some(texts.i_frames.get_or_init(write).clone())
    }

    /// The init segment of rendition `index`.
    pub fn init(&self, index: usize) -> Option<Bytes> {
        let (rendition, texts) = self.texts(index)?;
        let track = self.timeline.clips().first()?.movie.tracks.get(rendition.track)?;
        Some(texts.init.get_or_init(|| cmaf::init(track)).clone())
    }

    fn texts(&self, index: usize) -> Option<(&Rendition, &TrackTexts)> {
        self.presentation.renditions.get(index).zip(self.tracks.get(index))
    }
}

/// Drives the demuxer over `blob`.
async fn read_movie(blob: &dyn Blob) -> Result<Movie, OpenError> {
    let mut reader = Mp4Reader::new(blob.len());
    loop {
        match reader.poll().map_err(Refusal::from)? {
            Demux::Ready(movie) => return Ok(*movie),
            Demux::Need(range) => {
                let start = range.start;
                reader.supply(start, blob.read(range, Priority::Viewer).await?);
            }
        }
    }
}
