//! Media time: ticks of a timescale, and exact comparison between timescales.
//!
//! Every track keeps the timescale of its source, so that durations stay exact; times of two tracks
//! meet only through [`Timescale::rescale`] or [`Instant`], never through floating point.
//! Ticks are `i64`: negative before time zero, and wide enough for 2,900 years at 100 MHz.

use std::cmp::Ordering;
use std::num::NonZeroU32;

/// Seconds added to every time of every track and format of the output (the time-zero rule).
///
/// Output has no edit lists. The first presented video frame is at this offset; audio priming
/// starts before it; so decode times are never negative, whatever the reordering.
pub const OFFSET_S: u32 = 10;

/// Ticks a second of one track: never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// Milliseconds.
    pub const MS: Self = match Self::new(1000) {
        Some(ms) => ms,
        None => unreachable!(),
    };

    /// Parses a timescale; `None` if it is zero.
    pub const fn new(ticks_per_s: u32) -> Option<Self> {
        match NonZeroU32::new(ticks_per_s) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Ticks a second.
    pub const fn ticks_per_s(self) -> u32 {
        self.0.get()
    }

    /// [`OFFSET_S`] in ticks of this timescale.
    pub fn offset(self) -> i64 {
        i64::from(OFFSET_S) * i64::from(self.0.get())
    }

    /// Ticks of `self` as ticks of `to`, rounded half away from zero; saturates at the ends of `i64`.
    pub fn rescale(self, ticks: i64, to: Self) -> i64 {
        if self == to {
            return ticks;
        }
        let from = i128::from(self.0.get());
        let scaled = i128::from(ticks) * i128::from(to.0.get());
        let half = if scaled < 0 { -(from / 2) } else { from / 2 };
        let rounded = (scaled + half) / from;
        i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
    }

    /// `ticks` as seconds, for people and playlists; exact to about 15 digits.
    #[expect(clippy::cast_precision_loss, reason = "printed with at most 6 decimals")]
    pub fn seconds(self, ticks: i64) -> f64 {
        ticks as f64 / f64::from(self.0.get())
    }
}

/// A point in time with its timescale: compares exactly with one of any other timescale.
#[derive(Debug, Clone, Copy)]
pub struct Instant {
    /// Ticks since time zero.
    pub ticks: i64,
    /// What a tick is.
    pub timescale: Timescale,
}

impl Instant {
    /// The point `ticks` of `timescale`.
    pub const fn new(ticks: i64, timescale: Timescale) -> Self {
        Self { ticks, timescale }
    }

    /// Seconds since time zero, for people and playlists.
    pub fn seconds(self) -> f64 {
        self.timescale.seconds(self.ticks)
    }
}

impl PartialEq for Instant {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Instant {}

impl PartialOrd for Instant {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Instant {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = i128::from(self.ticks) * i128::from(other.timescale.ticks_per_s());
        let right = i128::from(other.ticks) * i128::from(self.timescale.ticks_per_s());
        left.cmp(&right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(ticks_per_s: u32) -> Timescale {
        Timescale::new(ticks_per_s).expect("not zero")
    }

    #[test]
    fn rescale_rounds_half_away_from_zero_and_saturates() {
        let cases: [(u32, i64, u32, i64); 7] = [
            (90_000, 90_000, 48_000, 48_000),
            (30_000, 1001, 90_000, 3003),
            (3, 1, 2, 1),
            (3, -1, 2, -1),
            (1000, 1, 3, 0),
            (1, i64::MAX, 2, i64::MAX),
            (1, i64::MIN, 2, i64::MIN),
        ];
        for (from, ticks, to, expected) in cases {
            assert_eq!(scale(from).rescale(ticks, scale(to)), expected, "{ticks}/{from} in 1/{to}");
        }
    }

    #[test]
    fn instants_compare_exactly_across_timescales() {
        assert_eq!(Instant::new(1, scale(3)), Instant::new(2, scale(6)));
        assert!(Instant::new(1001, scale(30_000)) > Instant::new(1601, scale(48_000)));
        assert!(Instant::new(-1, scale(1)) < Instant::new(0, scale(u32::MAX)));
    }
}
