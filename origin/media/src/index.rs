//! An asset as bytes and back: what is known of a source once it was parsed, planned and named.
//!
//! Parsing an index of a long film takes milliseconds and megabytes; reading it back from here takes
//! neither, because columns are used as they lie in the bytes (which may be a mapped file).
//!
//! ```text
//!  Movie ─┐                                                ┌─ Movie (columns share the bytes)
//!  SegmentPlan ├─ Edition ─encode─▶ bytes ─decode─▶ Edition ┼─ Timeline, made again: O(clips)
//!  renditions ─┘                                           └─ SegmentPlan, renditions, key frames
//! ```
//!
//! | part | form |
//! |---|---|
//! | `wire` | numbers little-endian, lengths before what they count |
//! | `movie` | tracks with their codec configurations as the containers have them, sample columns |
//! | `renditions` | names and lengths of what is listed, key frames in rows of one width |
//!
//! What is not served is not kept: ignored tracks, and the layout but for its place. There is no version and no
//! checksum here: those belong to the file around it.
//!
//! Invariants: what was encoded decodes to the same output bytes. Whatever the bytes, decoding ends, does not
//! panic, and takes memory in proportion to their length; and so does all that is made of what it decodes.

mod movie;
mod renditions;
pub(crate) mod wire;

use std::sync::Arc;

use bytes::Bytes;

pub use self::renditions::{KeyFrameTable, ListedRendition};
use self::wire::{Reader, Writer};
use crate::movie::{Movie, StoredTableError, Unplayable};
use crate::plan::{PlanError, Policy, SegmentPlan};
use crate::presentation::Presentation;
use crate::revision::{Revision, RevisionError};
use crate::timeline::{Timeline, TimelineError};

/// A source with all that is known of it before a request comes.
#[derive(Debug, Clone)]
pub struct Edition {
    /// What is shown.
    pub timeline: Timeline,
    /// Where it is cut.
    pub plan: SegmentPlan,
    /// What playlists list, in their order.
    pub renditions: Vec<ListedRendition>,
    /// Its name.
    pub revision: Revision,
}

/// Why a movie is no edition: final for this source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditionError {
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

/// Why bytes are no edition: damage, or not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("byte {offset}: {need} bytes for {what}, {left} are left")]
    Short {
        /// What was to be read.
        what: &'static str,
        /// From the start of the edition.
        offset: usize,
        /// Bytes it takes.
        need: u64,
        /// Bytes there are.
        left: usize,
    },
    /// They go on behind the end.
    #[error("byte {offset}: {left} bytes too many")]
    Long {
        /// From the start of the edition.
        offset: usize,
        /// Bytes there are.
        left: usize,
    },
    /// More of something than we accept.
    #[error("byte {offset}: {count} of {what}, limit {limit}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// From the start of the edition.
        offset: usize,
        /// How many there are said to be.
        count: u64,
        /// How many may be.
        limit: u64,
    },
    /// A value that cannot be.
    #[error("byte {offset}: {what} cannot be so")]
    Value {
        /// What it is.
        what: &'static str,
        /// From the start of the edition.
        offset: usize,
    },
    /// A sample table.
    #[error("byte {offset}: {source}")]
    Samples {
        /// From the start of the edition.
        offset: usize,
        /// Why it is none.
        source: StoredTableError,
    },
    /// A name that is none.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// Samples and edit lists of which no timeline can be made.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
}

impl Edition {
    /// The edition of `movie` cut by `policy`, with what its playlists say.
    ///
    /// Cost: a few passes over the samples.
    ///
    /// # Errors
    /// [`EditionError`].
    pub fn new(movie: Movie, policy: Policy) -> Result<(Self, Presentation), EditionError> {
        movie.playable()?;
        let timeline = Timeline::of_movie(&Arc::new(movie))?;
        let plan = SegmentPlan::new(&timeline, policy)?;
        let presentation = Presentation::of_plan(&timeline, &plan);
        if presentation.renditions.is_empty() {
            return Err(Unplayable::NothingToPlay.into());
        }
        let revision = Revision::of(&timeline, policy);
        let renditions = presentation.renditions.iter().map(ListedRendition::of).collect();
        Ok((Self { timeline, plan, renditions, revision }, presentation))
    }

    /// The edition as bytes; `None` for a timeline of more than one movie, which has no such form.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let movie = &self.timeline.clips().first()?.movie;
        if self.timeline.clips().iter().any(|clip| !Arc::ptr_eq(&clip.movie, movie)) {
            return None;
        }
        let mut w = Writer::default();
        w.text(&self.revision.to_string());
        movie::write(&mut w, movie);
        self.plan.write(&mut w);
        renditions::write(&mut w, &self.renditions);
        Some(w.finish())
    }

    /// Reads what [`encode`](Self::encode) wrote. Columns and key frames go on sharing `bytes`.
    ///
    /// Cost: O(segments + samples / 64); no row of a sample table is read but those at the ends of clips.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let revision = r.text("revision", 64)?.parse()?;
        let movie = movie::read(&mut r)?;
        let timeline = Timeline::of_movie(&Arc::new(movie))?;
        let plan = SegmentPlan::read(&mut r, &timeline)?;
        let renditions = renditions::read(&mut r, &timeline, &plan)?;
        r.end()?;
        Ok(Self { timeline, plan, renditions, revision })
    }
}

#[cfg(test)]
mod tests;
