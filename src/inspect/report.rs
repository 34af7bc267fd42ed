//! The report on one file: what `--json` prints, and what the text is written from.
//!
//! Field names are stable and carry their unit; `null` is "not known" or "does not apply". Times in
//! seconds are rounded to the microsecond; those called `start_s` and `end_s` are on the output
//! timeline less its fixed offset, so that the first video frame is at zero.

#[cfg(test)]
pub(super) mod samples;
mod segments;
mod track;

use std::sync::Arc;

use rillcast_media::movie::{IgnoredTrack, Movie};
use rillcast_media::plan::{Policy, SegmentPlan};
use rillcast_media::presentation::Presentation;
use rillcast_media::revision::Revision;
use rillcast_media::timeline::Timeline;
use serde::Serialize;

pub(super) use self::segments::Segments;
pub(super) use self::track::{AudioReport, FrameRate, GopReport, TrackReport, VideoReport};
use super::refusal::{self, Refused};
use super::source::Unreadable;
use super::suspicious::{self, Suspicion};

/// What there is to know of one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Report {
    /// The path as given.
    pub(super) file: String,
    /// Whether it can be served.
    pub(super) playable: bool,
    /// Why it cannot be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unreadable: Option<UnreadableReport>,
    /// Why it cannot be served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<Refused>,
    /// The rest; absent when the bytes are no movie.
    #[serde(flatten)]
    pub(super) content: Option<Content>,
}

/// Why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct UnreadableReport {
    /// Stable name of the reason.
    pub(super) kind: &'static str,
    /// The reason, and what to do.
    pub(super) message: String,
}

/// What is in a file whose index could be read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Content {
    /// Length of presentation: that of the longest track.
    pub(super) duration_s: f64,
    /// The file around the tracks.
    pub(super) container: Container,
    /// Tracks that can be played, in the order of the origin.
    pub(super) tracks: Vec<TrackReport>,
    /// Tracks that are left out.
    pub(super) ignored_tracks: Vec<IgnoredReport>,
    /// How it would be cut; `null` if it cannot be served.
    pub(super) segments: Option<Segments>,
    /// The name of this edition in URLs; `null` if it cannot be served.
    pub(super) revision: Option<String>,
    /// What is allowed, but worth a look.
    pub(super) suspicious: Vec<Suspicion>,
}

/// The file around the tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Container {
    /// `MP4` or `QuickTime`.
    pub(super) format: &'static str,
    /// Major brand, then compatible ones.
    pub(super) brands: Vec<String>,
    /// Length of the file.
    pub(super) size_bytes: u64,
    /// Where the index (`moov`) starts.
    pub(super) index_offset_bytes: u64,
    /// How long it is.
    pub(super) index_size_bytes: u64,
    /// Whether it precedes the media ("fast start").
    pub(super) index_first: bool,
    /// What was read of the file for this report.
    pub(super) read_bytes: u64,
    /// Ticks a second of the movie header.
    pub(super) timescale_ticks_per_s: u32,
}

/// A track that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct IgnoredReport {
    /// Track id.
    pub(super) id: u32,
    /// Handler type, such as `soun`.
    pub(super) handler: String,
    /// Sample entry, such as `ac-3`.
    pub(super) sample_entry: Option<String>,
    /// What it is, in words.
    pub(super) name: &'static str,
    /// Why it is left out.
    pub(super) reason: &'static str,
    /// Samples it has.
    pub(super) sample_count: u64,
}

/// What the origin would make of a movie.
struct Served {
    timeline: Timeline,
    plan: SegmentPlan,
    presentation: Presentation,
    revision: Revision,
}

impl Report {
    /// The report on a file whose index was read, `read_bytes` bytes of it.
    ///
    /// Cost: some passes over the samples.
    pub(super) fn of_movie(file: String, movie: Movie, read_bytes: u64) -> Self {
        let movie = Arc::new(movie);
        let (served, refused) = match serve(&movie) {
            Ok(served) => (Some(served), None),
            Err(refused) => (None, Some(refused)),
        };
        let mut content = content(&movie, served.as_ref(), read_bytes);
        content.suspicious = suspicious::suspicious(&content);
        Self { file, playable: refused.is_none(), unreadable: None, refused, content: Some(content) }
    }

    /// The report on bytes that are no movie.
    pub(super) const fn refused(file: String, refused: Refused) -> Self {
        Self { file, playable: false, unreadable: None, refused: Some(refused), content: None }
    }

    /// The report on a file without bytes.
    pub(super) fn unreadable(file: String, reason: &Unreadable) -> Self {
        let unreadable = UnreadableReport { kind: reason.kind(), message: reason.to_string() };
        Self { file, playable: false, unreadable: Some(unreadable), refused: None, content: None }
    }
}

/// The steps of the origin, in its order.
fn serve(movie: &Arc<Movie>) -> Result<Served, Refused> {
    movie.playable().map_err(|error| refusal::of_movie(&error))?;
    let timeline = Timeline::of_movie(movie).map_err(|error| refusal::of_timeline(&error))?;
    let plan = SegmentPlan::new(&timeline, Policy::VOD).map_err(|error| refusal::of_plan(&error))?;
    let presentation = Presentation::of_plan(&timeline, &plan);
    let revision = Revision::of(&timeline, Policy::VOD);
    Ok(Served { timeline, plan, presentation, revision })
}

fn content(movie: &Movie, served: Option<&Served>, read_bytes: u64) -> Content {
    let track = |(index, of_movie)| track::report(of_movie, index, movie.timescale, served);
    let tracks: Vec<TrackReport> = movie.tracks.iter().enumerate().map(track).collect();
    let duration_s = tracks.iter().map(TrackReport::length_s).fold(0.0, f64::max);
    Content {
        duration_s,
        container: container(movie, read_bytes),
        tracks,
        ignored_tracks: movie.ignored.iter().map(ignored).collect(),
        segments: served.map(|served| segments::report(&served.timeline, &served.plan, &served.presentation)),
        revision: served.map(|served| served.revision.to_string()),
        suspicious: Vec::new(),
    }
}

fn container(movie: &Movie, read_bytes: u64) -> Container {
    let layout = &movie.layout;
    let (index_offset_bytes, index_size_bytes) = layout.index;
    Container {
        format: layout.format,
        brands: layout.brands.iter().map(|brand| brand.text().trim_end().to_owned()).collect(),
        size_bytes: movie.source_len,
        index_offset_bytes,
        index_size_bytes,
        index_first: layout.index_first,
        read_bytes,
        timescale_ticks_per_s: movie.timescale.ticks_per_s(),
    }
}

fn ignored(track: &IgnoredTrack) -> IgnoredReport {
    IgnoredReport {
        id: track.id,
        handler: track.handler.text(),
        sample_entry: track.fourcc.map(|fourcc| fourcc.text()),
        name: track.name,
        reason: track.reason,
        sample_count: track.samples,
    }
}
