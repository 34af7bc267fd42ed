//! Every bound on foreign input, in one place.
//!
//! A presentation that goes past one of them is audited up to the bound, and the report says so in
//! [`Report::not_audited`](crate::Report::not_audited): a cut-off audit never looks like a clean one.

/// Media playlists (variants, renditions and I-frame playlists together) fetched per presentation.
pub const PLAYLISTS_MAX: usize = 200;
/// Media segments fetched per presentation, I-frame ranges and parts included.
pub const SEGMENTS_MAX: usize = 50_000;
/// Largest playlist body read.
pub const PLAYLIST_BYTES_MAX: u64 = 16 << 20;
/// Largest init segment body read.
pub const INIT_BYTES_MAX: u64 = 4 << 20;
/// Largest media segment body read.
pub const SEGMENT_BYTES_MAX: u64 = 512 << 20;
/// Lines read of one playlist.
pub const LINES_MAX: usize = 400_000;
/// Bytes of one playlist line.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// Attributes read of one tag.
pub const ATTRIBUTES_MAX: usize = 64;
/// Variants, I-frame variants and renditions read of one multivariant playlist, each.
pub const ENTRIES_MAX: usize = 1_000;
/// Init segments fetched per presentation.
pub const INITS_MAX: usize = 500;
/// Bytes kept of one codec configuration record, to notice changes.
pub const CONFIGURATION_BYTES_MAX: usize = 4 << 10;
/// Boxes read at one level of an MP4 file.
pub const BOXES_MAX: usize = 100_000;
/// Tracks read of one init segment.
pub const TRACKS_MAX: usize = 16;
/// Samples read of one media segment, all tracks together.
pub const SAMPLES_MAX: usize = 1_000_000;
/// NAL units looked at in the first sample of a segment.
pub const NALS_MAX: usize = 1_000;
/// Findings kept for one line of the checklist; further ones are only counted.
pub const FINDINGS_PER_LINE_MAX: usize = 50;
/// Longest [`Response::problem`](crate::Response::problem) that is shown, in characters.
pub const PROBLEM_CHARS_MAX: usize = 400;
/// Longest piece of foreign text quoted in a message, in characters.
pub const QUOTE_CHARS_MAX: usize = 120;
