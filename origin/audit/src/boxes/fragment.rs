//! Media segments: moof and mdat held against each other, sample by sample (ISO/IEC 14496-12 §8.8).

mod runs;

use super::init::{Init, Kind};
use super::nal::{Access, access};
use super::{Mp4Box, Notes, walk};

/// Media data boxes looked at after one moof.
const MDATS_MAX: usize = 16;

/// What is expected of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A media segment: every byte of every mdat belongs to a sample.
    Segment,
    /// A part: as a segment, and exactly one moof.
    Part,
    /// A byte range of an I-frame playlist: one sample, mdat may be cut after it.
    IFrame,
}

/// A picture that lasts less than this is decoded for others' sake and not seen; one that lasts a second
/// is a still.
pub(crate) const GLIMPSE_MS: u64 = 2;

/// One track of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackRun {
    pub(crate) id: u32,
    /// Decode time of the first sample, track ticks.
    pub(crate) start: u64,
    /// Sum of sample durations, track ticks.
    pub(crate) duration: u64,
    pub(crate) samples: u64,
    /// Of these, those that make the frame rate: they last from [`GLIMPSE_MS`] to less than a second.
    pub(crate) steady_samples: u64,
    /// Sum of their durations, track ticks.
    pub(crate) steady_duration: u64,
    /// Longest sample, track ticks.
    pub(crate) longest: u64,
    /// Shortest sample, track ticks.
    pub(crate) shortest: u64,
    /// Earliest presentation time, track ticks, before any edit.
    pub(crate) first_presented: i64,
    /// Presentation time of the first sample in decode order.
    pub(crate) first_sample_presented: i64,
    /// The first sample is a sync sample by flags and, where it can be read, by its bytes.
    pub(crate) starts_sync: bool,
    /// Samples marked sync.
    pub(crate) sync_samples: u64,
}

/// One segment as read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fragment {
    pub(crate) tracks: Vec<TrackRun>,
    pub(crate) moofs: u64,
    /// Samples whose bytes are all in the body.
    pub(crate) complete_samples: u64,
}

impl Fragment {
    pub(crate) fn track(&self, id: u32) -> Option<&TrackRun> {
        self.tracks.iter().find(|track| track.id == id)
    }
}

/// One sample as placed by its run.
#[derive(Debug, Clone, Copy)]
struct Sample {
    offset: u64,
    size: u64,
    track: u32,
    /// First sample of its track in the whole segment.
    first: bool,
    claims_sync: bool,
}

/// Whether `body` begins like a fragmented MP4 file.
pub(crate) fn looks_like_mp4(body: &[u8]) -> bool {
    body.get(4..8).is_some_and(|fourcc| {
        [b"styp", b"moof", b"sidx", b"ftyp", b"emsg", b"prft", b"moov"].iter().any(|known| fourcc == *known)
    })
}

/// Reads a segment against its init; what is odd becomes notes (lines 31, 36, 37, 40, for I-frames 32).
pub(crate) fn parse(body: &[u8], init: &Init, extent: Extent, notes: &mut Notes) -> Fragment {
    let top = walk(body, 0, notes);
    let mut fragment = Fragment::default();
    for (at, part) in top.iter().enumerate() {
        match &part.fourcc {
            b"styp" if at != 0 && extent != Extent::Segment => {
                notes.error(40, part.offset, part.fourcc, "is not the first box");
            }
            b"moov" => notes.error(40, part.offset, part.fourcc, "media segment holds an init segment"),
            b"moof" => {
                fragment.moofs += 1;
                let mdats: Vec<_> = top
                    .iter()
                    .skip(at + 1)
                    .take_while(|b| b.fourcc != *b"moof")
                    .filter(|b| b.fourcc == *b"mdat")
                    .take(MDATS_MAX)
                    .copied()
                    .collect();
                let samples = runs::read(part, init, &mut fragment, notes);
                cover(part, &samples, &mdats, extent, notes);
                pictures(body, &samples, init, extent, &mut fragment, notes);
            }
            _ => {}
        }
    }
    if extent == Extent::Part && fragment.moofs != 1 {
        notes.error(40, 0, *b"moof", format!("part has {} moof boxes", fragment.moofs));
    } else if fragment.moofs == 0 {
        let line = if extent == Extent::IFrame { 32 } else { 40 };
        notes.error(line, 0, *b"moof", "there is no moof");
    }
    fragment
}

/// Samples must lie in the fragment's mdat, side by side, and fill it.
fn cover(moof: &Mp4Box<'_>, samples: &[Sample], mdats: &[Mp4Box<'_>], extent: Extent, notes: &mut Notes) {
    if mdats.is_empty() {
        notes.error(40, moof.offset, moof.fourcc, "no mdat follows");
        return;
    }
    if let Some(mdat) = mdats.iter().find(|mdat| mdat.overrun > 0 && extent != Extent::IFrame) {
        let message = format!("claims {} bytes past the end of the segment", mdat.overrun);
        notes.error(40, mdat.offset, mdat.fourcc, message);
        return;
    }
    let inside = |sample: &&Sample| {
        mdats.iter().any(|mdat| {
            let start = mdat.body_offset();
            let end = start.saturating_add(mdat.body.len() as u64).saturating_add(mdat.overrun);
            sample.offset >= start && sample.offset.saturating_add(sample.size) <= end
        })
    };
    if let Some(stray) = samples.iter().find(|sample| !inside(sample)) {
        let message = format!("trun places {} bytes of track {} outside mdat", stray.size, stray.track);
        notes.error(40, stray.offset, *b"trun", message);
        return;
    }
    if extent == Extent::IFrame {
        return;
    }
    let mut order: Vec<&Sample> = samples.iter().collect();
    order.sort_by_key(|sample| sample.offset);
    let overlap = order.windows(2).find_map(|pair| match pair {
        [a, b] if a.offset.saturating_add(a.size) > b.offset => Some(b.offset),
        _ => None,
    });
    let used: u64 = samples.iter().map(|sample| sample.size).fold(0, u64::saturating_add);
    let held: u64 = mdats.iter().map(|mdat| mdat.body.len() as u64).sum();
    if let Some(offset) = overlap {
        notes.error(40, offset, *b"trun", "samples overlap in mdat");
    } else if used != held {
        notes.error(40, moof.offset, *b"trun", format!("samples use {used} of the {held} bytes in mdat"));
    }
}

/// Reads the pictures that must be random access points; counts samples that are all there.
fn pictures(
    body: &[u8],
    samples: &[Sample],
    init: &Init,
    extent: Extent,
    fragment: &mut Fragment,
    notes: &mut Notes,
) {
    for sample in samples {
        let end = sample.offset.saturating_add(sample.size);
        let whole = end <= body.len() as u64;
        fragment.complete_samples += u64::from(whole);
        let Some(track) = init.track(sample.track).filter(|t| sample.first && t.kind == Kind::Video) else {
            continue;
        };
        let from = usize::try_from(sample.offset).unwrap_or(usize::MAX);
        let to = usize::try_from(end).unwrap_or(usize::MAX).min(body.len());
        let bytes = body.get(from..to).unwrap_or_default();
        let entry = &track.entry;
        let seen = match entry.nal_length {
            Some(length) if !entry.protected => access(bytes, entry.format, length, whole),
            _ => Access::Unknown,
        };
        let line = if extent == Extent::IFrame { 32 } else { 37 };
        let mut sync = sample.claims_sync;
        if seen == Access::Broken {
            notes.error(40, sample.offset, *b"mdat", "NAL unit lengths do not add up to the first sample");
        } else if seen == Access::Dependent {
            sync = false;
        }
        if !sync && extent != Extent::Part {
            let message = if sample.claims_sync {
                "first video sample is marked sync but is no random access picture"
            } else {
                "first video sample is not a sync sample"
            };
            notes.error(line, sample.offset, *b"mdat", message);
        }
        if let Some(run) = fragment.tracks.iter_mut().find(|run| run.id == sample.track) {
            run.starts_sync = sync;
        }
    }
}
