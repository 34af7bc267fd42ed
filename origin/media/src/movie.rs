//! A source, parsed: its tracks, and where and when every sample is.
//!
//! A [`Movie`] is what every demuxer makes, whatever the container. It is columnar (one
//! [`Column`](crate::column::Column) a property, not one struct a sample), so that a ten-hour film
//! fits in a few megabytes. It is only ever built whole and checked; nothing changes it afterwards.
//! It holds all that the output needs: no stage after `demux` reads the container again.

mod samples;

use bytes::Bytes;

pub use self::samples::{
    MAX_SAMPLES, Rows, SampleRow, SampleTable, StoredTableError, SyncSamples, TableError,
};
pub(crate) use self::samples::{Measurer, Measures, RawTables, Run};
use crate::codec::Codec;
use crate::fourcc::FourCc;
use crate::time::Timescale;

/// A parsed source.
#[derive(Debug, Clone)]
pub struct Movie {
    /// The timescale of edit durations (`mvhd`).
    pub timescale: Timescale,
    /// Length of the source in bytes; every sample lies inside it.
    pub source_len: u64,
    /// Tracks that can be played, in file order; never empty in a [`playable`](Self::playable) movie.
    pub tracks: Vec<Track>,
    /// Tracks that are left out, each with the reason.
    pub ignored: Vec<IgnoredTrack>,
    /// How the container is laid out, for people.
    pub layout: Layout,
}

/// Facts of the container that do not change the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Container format, such as `MP4` or `QuickTime`.
    pub format: &'static str,
    /// Major brand and compatible brands, if the file has them.
    pub brands: Vec<FourCc>,
    /// First byte of the index (`moov`), and its length.
    pub index: (u64, u64),
    /// Whether the index comes before the media data.
    pub index_first: bool,
}

/// What a track is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// One playable track of a movie.
#[derive(Debug, Clone)]
pub struct Track {
    /// Track id in the source.
    pub id: u32,
    /// Whether the source marks it as on by default (`tkhd` flag 1).
    pub enabled: bool,
    /// Ticks a second of its samples.
    pub timescale: Timescale,
    /// BCP 47 language tag; `und` if the source does not say.
    pub language: String,
    /// What its author calls it, such as `Director's commentary`: text of the source, at most 256
    /// bytes, neither empty nor checked for control characters.
    pub title: Option<String>,
    /// What is needed to decode it.
    pub codec: Codec,
    /// Picture or sound format of the sample entry.
    pub format: TrackFormat,
    /// The edit list as written; empty when there is none.
    pub edits: Vec<Edit>,
    /// Its samples.
    pub samples: SampleTable,
}

impl Track {
    /// Video or audio.
    pub const fn kind(&self) -> TrackKind {
        match self.format {
            TrackFormat::Video(_) => TrackKind::Video,
            TrackFormat::Audio(_) => TrackKind::Audio,
        }
    }
}

/// The fields of a sample entry that belong to the kind of track (ISO/IEC 14496-12 §12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackFormat {
    /// Pictures.
    Video(VideoFormat),
    /// Sound.
    Audio(AudioFormat),
}

/// How pictures are to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFormat {
    /// Coded width in pixels, as the sample entry says.
    pub width: u16,
    /// Coded height in pixels.
    pub height: u16,
    /// Shape of a pixel: horizontal and vertical spacing (`pasp`), else 1:1.
    pub pixel_aspect: (u32, u32),
    /// Clockwise rotation for display, in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
    /// The transformation matrix of `tkhd`, kept for the output (§8.3.2).
    pub matrix: [i32; 9],
    /// Boxes of the sample entry that describe colour and shape (`pasp`, `colr`, `mdcv`, `clli`),
    /// whole, for the output.
    pub extra: Bytes,
    /// Colour, from `colr` or else from the codec.
    pub color: Option<crate::codec::color::Color>,
}

impl VideoFormat {
    /// Width and height as displayed: pixel shape and rotation applied.
    pub fn display_size(&self) -> (u32, u32) {
        let (h, v) = self.pixel_aspect;
        let wide = (u64::from(self.width) * u64::from(h) + u64::from(v) / 2).checked_div(u64::from(v));
        let width = wide.and_then(|wide| u32::try_from(wide).ok()).unwrap_or_else(|| u32::from(self.width));
        let height = u32::from(self.height);
        if self.rotation % 180 == 90 { (height, width) } else { (width, height) }
    }
}

/// How sound is to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioFormat {
    /// Channels as the codec says; of the sample entry where it does not.
    pub channels: u16,
    /// Samples a second after decoding.
    pub sample_rate: u32,
}

/// One entry of an edit list (§8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// How long it is shown, in ticks of the movie.
    pub duration: u64,
    /// Where it starts, in ticks of the track; `None` shows nothing (an empty edit).
    pub media_time: Option<i64>,
    /// Playback rate as 16.16 fixed point; 0x10000 is normal.
    pub rate: i32,
}

/// A track that is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredTrack {
    /// Track id in the source.
    pub id: u32,
    /// Handler type, such as `vide`, `soun`, `text`.
    pub handler: FourCc,
    /// First sample entry, if there is one.
    pub fourcc: Option<FourCc>,
    /// What it is, for people.
    pub name: &'static str,
    /// Why it is left out.
    pub reason: &'static str,
    /// Samples it claims to have.
    pub samples: u64,
}

/// Why a well-formed movie is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unplayable {
    /// All tracks of a kind that matters were left out.
    #[error("the {kind} is {name}: {reason}")]
    Codec {
        /// `video` or `audio`.
        kind: &'static str,
        /// What it is, for people.
        name: String,
        /// Why it is left out.
        reason: &'static str,
    },
    /// There is neither video nor audio.
    #[error("there is no video or audio track")]
    NothingToPlay,
}

impl Movie {
    /// The tracks of one kind, in file order.
    pub fn tracks_of(&self, kind: TrackKind) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(move |track| track.kind() == kind)
    }

    /// Whether what a viewer expects can be served: a file with pictures is not served without
    /// them, nor one with sound in silence.
    ///
    /// # Errors
    /// [`Unplayable`] names the codec in the way.
    pub fn playable(&self) -> Result<(), Unplayable> {
        let kinds = [(TrackKind::Video, "video", b"vide"), (TrackKind::Audio, "audio", b"soun")];
        for (kind, word, handler) in kinds {
            if self.tracks_of(kind).next().is_some() {
                continue;
            }
            if let Some(ignored) = self.ignored.iter().find(|track| track.handler.0 == *handler) {
                return Err(Unplayable::Codec {
                    kind: word,
                    name: ignored.fourcc.map_or_else(
                        || ignored.name.to_owned(),
                        |fourcc| format!("{} (`{fourcc}`)", ignored.name),
                    ),
                    reason: ignored.reason,
                });
            }
        }
        if self.tracks.is_empty() {
            return Err(Unplayable::NothingToPlay);
        }
        Ok(())
    }

    /// Bytes of memory behind the sample tables.
    pub fn memory_bytes(&self) -> usize {
        self.tracks.iter().map(|track| track.samples.memory_bytes()).sum()
    }
}
