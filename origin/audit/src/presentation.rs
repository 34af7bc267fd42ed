//! Everything read of one presentation, gathered before the rules that compare documents run.
//!
//! Segment bodies are not here: each is read when it arrives and only its facts are kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::boxes::fragment::{Fragment, TrackRun};
use crate::boxes::init::{Init, Kind, Track};
use crate::playlist::{MediaPlaylist, Multivariant, RenditionKind, Variant};

/// What a media playlist is for, by the first tag that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Variant,
    Rendition(RenditionKind),
    IFrame,
    /// The entry URL is itself a media playlist.
    Only,
}

/// One media segment or I-frame range as read.
#[derive(Debug)]
pub(crate) struct SegmentRead {
    /// Index into the playlist's segments.
    pub(crate) index: usize,
    pub(crate) url: String,
    pub(crate) size: u64,
    /// Absent when the body is no fMP4.
    pub(crate) fragment: Option<Fragment>,
}

/// One part as read.
#[derive(Debug)]
pub(crate) struct PartRead {
    /// Parent segment; `None` for the one still open.
    pub(crate) segment: Option<usize>,
    pub(crate) part: usize,
    pub(crate) fragment: Fragment,
}

/// One media playlist and what was read through it.
#[derive(Debug)]
pub(crate) struct Stream {
    /// URL asked for.
    pub(crate) url: String,
    /// URL that answered: the base of its URIs.
    pub(crate) base: String,
    pub(crate) role: Role,
    pub(crate) playlist: Option<MediaPlaylist>,
    /// Parallel to the playlist's maps.
    pub(crate) inits: Vec<Option<Arc<Init>>>,
    /// Ascending by index once all have arrived.
    pub(crate) segments: Vec<SegmentRead>,
    pub(crate) parts: Vec<PartRead>,
    /// What the answer to `_HLS_skip=YES` held.
    pub(crate) delta: Option<MediaPlaylist>,
    /// First bytes of the first segment, when they are text (WebVTT).
    pub(crate) first_text: Option<String>,
}

impl Stream {
    pub(crate) fn new(url: String, role: Role) -> Self {
        Self {
            base: url.clone(),
            url,
            role,
            playlist: None,
            inits: Vec::new(),
            segments: Vec::new(),
            parts: Vec::new(),
            delta: None,
            first_text: None,
        }
    }

    /// Named as an I-frame playlist, or one by its own tag.
    pub(crate) fn is_iframe(&self) -> bool {
        self.role == Role::IFrame || self.playlist.as_ref().is_some_and(|list| list.iframes_only)
    }

    /// Init segment in force for segment `index`.
    pub(crate) fn init_of(&self, index: usize) -> Option<&Init> {
        let map = self.playlist.as_ref()?.segments.get(index)?.map?;
        self.inits.get(map)?.as_deref()
    }

    /// The first init segment that could be read.
    pub(crate) fn first_init(&self) -> Option<&Init> {
        self.inits.iter().flatten().next().map(Arc::as_ref)
    }

    /// The track of `kind` in a read segment, with its run.
    pub(crate) fn run_of<'a>(
        &'a self,
        read: &'a SegmentRead,
        kind: Kind,
    ) -> Option<(&'a Track, &'a TrackRun)> {
        let track = self.init_of(read.index)?.first(kind)?;
        Some((track, read.fragment.as_ref()?.track(track.id)?))
    }

    /// The track that paces the stream: video when there is one.
    pub(crate) fn pace<'a>(&'a self, read: &'a SegmentRead) -> Option<(&'a Track, &'a TrackRun)> {
        self.run_of(read, Kind::Video).or_else(|| self.run_of(read, Kind::Audio))
    }

    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.first_init().is_some_and(|init| init.first(kind).is_some())
    }
}

/// The whole.
#[derive(Debug, Default)]
pub(crate) struct Presentation {
    /// URL the audit began at, before any redirect.
    pub(crate) entry_url: String,
    /// URL and text of the multivariant playlist.
    pub(crate) multivariant: Option<(String, Multivariant)>,
    pub(crate) streams: Vec<Stream>,
    /// Streams of `multivariant.variants`, parallel.
    pub(crate) variant_streams: Vec<Option<usize>>,
    /// Streams of `multivariant.iframes`, parallel.
    pub(crate) iframe_streams: Vec<Option<usize>>,
    /// Streams of `multivariant.renditions`, parallel.
    pub(crate) rendition_streams: Vec<Option<usize>>,
}

impl Presentation {
    /// Streams with their playlists, in the order met.
    pub(crate) fn playlists(&self) -> impl Iterator<Item = (&Stream, &MediaPlaylist)> {
        self.streams.iter().filter_map(|stream| Some((stream, stream.playlist.as_ref()?)))
    }

    /// The stream a variant's URI names.
    pub(crate) fn variant_stream(&self, at: usize) -> Option<&Stream> {
        self.streams.get((*self.variant_streams.get(at)?)?)
    }

    pub(crate) fn iframe_stream(&self, at: usize) -> Option<&Stream> {
        self.streams.get((*self.iframe_streams.get(at)?)?)
    }

    /// Streams of the members of the group that `variant` names for `kind`, each once.
    pub(crate) fn group_streams(&self, variant: &Variant, kind: RenditionKind) -> Vec<&Stream> {
        let (Some((_, list)), Some(group)) = (&self.multivariant, variant.attributes.text(kind.word()))
        else {
            return Vec::new();
        };
        let members: BTreeSet<usize> = list
            .renditions
            .iter()
            .zip(&self.rendition_streams)
            .filter(|(rendition, _)| rendition.kind == kind && rendition.group == group)
            .filter_map(|(_, stream)| *stream)
            .collect();
        members.into_iter().filter_map(|stream| self.streams.get(stream)).collect()
    }
}

/// Ticks as nanoseconds, rounded to nearest. `timescale` 0 gives 0.
pub(crate) fn ticks_ns(ticks: i128, timescale: u32) -> i128 {
    let scale = i128::from(timescale);
    if scale == 0 {
        return 0;
    }
    (ticks.saturating_mul(1_000_000_000).saturating_add(scale / 2)).div_euclid(scale)
}

/// Nanoseconds as seconds, for messages.
pub(crate) fn seconds(ns: i128) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    format!("{sign}{}.{:06} s", ns / 1_000_000_000, ns % 1_000_000_000 / 1000)
}
