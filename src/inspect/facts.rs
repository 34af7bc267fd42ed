//! What is computed from samples and configurations. Pure; ticks in, ticks out.
//!
//! The walks take rows one by one ([`cadence::CadenceWalk`], [`gop::GopWalk`], [`rate::PeakWalk`]),
//! so that a track is read once for all of them, in memory that does not grow with it.

pub(super) mod cadence;
pub(super) mod codec;
pub(super) mod color;
pub(super) mod edits;
pub(super) mod gop;
pub(super) mod interleave;
pub(super) mod rate;
pub(super) mod shown;
pub(super) mod transform;

use rillcast_media::time::Timescale;

/// `ticks` in seconds, to the microsecond.
pub(super) fn seconds(ticks: i64, timescale: Timescale) -> f64 {
    rounded(timescale.seconds(ticks), 1e6)
}

/// `value` rounded to `1 / steps`, for people and JSON.
pub(super) fn rounded(value: f64, steps: f64) -> f64 {
    // Adding zero makes a negative zero a plain one.
    (value * steps).round() / steps + 0.0
}
