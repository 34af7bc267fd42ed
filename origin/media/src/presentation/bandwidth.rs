//! Bit rates as playlists state them (draft-pantos-hls-rfc8216bis §4.4.6.2).
//!
//! The peak is the largest rate of any run of segments whose length is between 0.5 and 1.5 target
//! durations; the average is that of the whole. A variant with sound has the sum of both.

use super::{Rendition, Segment};

/// Peak and average, in bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// `BANDWIDTH`.
    pub peak: u64,
    /// `AVERAGE-BANDWIDTH`.
    pub average: u64,
}

/// Pieces of a run that is looked at. A run of more (of key frames in an asset with one very long
/// segment) is judged by its parts, one of which has at least its rate: the work stays linear.
const MAX_RUN: usize = 256;

/// Microseconds and bytes of a piece.
type Piece = (u64, u64);

impl Bandwidth {
    /// That of `video` played with the most expensive of `audio`, or of `video` alone when there is none:
    /// the largest sum of peaks, and of averages, of any playable combination.
    ///
    /// Cost: O(segments) for each rendition.
    pub fn of_variant<'a>(
        video: &Rendition,
        audio: impl Iterator<Item = &'a Rendition>,
        target_duration_s: u32,
    ) -> Self {
        let of = |rendition: &Rendition| Self::of_pieces(&pieces(rendition), target_duration_s);
        let mut most = Self::default();
        for with in audio.map(of) {
            most.peak = most.peak.max(with.peak);
            most.average = most.average.max(with.average);
        }
        let alone = of(video);
        Self { peak: alone.peak + most.peak, average: alone.average + most.average }
    }

    /// That of the key frames of `video` (`EXT-X-I-FRAME-STREAM-INF`).
    pub fn of_key_frames(video: &Rendition, target_duration_s: u32) -> Self {
        let micros = |ticks: i64| micros(ticks, video);
        let pieces: Vec<Piece> =
            video.key_frames.iter().map(|entry| (micros(entry.frame.duration), entry.bytes)).collect();
        Self::of_pieces(&pieces, target_duration_s)
    }

    fn of_pieces(pieces: &[Piece], target_duration_s: u32) -> Self {
        let time: u64 = pieces.iter().map(|(time, _)| time).sum();
        let bytes: u64 = pieces.iter().map(|(_, bytes)| bytes).sum();
        let average = rate(bytes, time);
        Self { peak: peak(pieces, target_duration_s).unwrap_or(average).max(average), average }
    }
}

/// The largest rate of any run of pieces of 0.5 to 1.5 target durations; `None` if there is no such run.
///
/// A longer piece than that counts alone: a player has to load it all the same.
fn peak(pieces: &[Piece], target_duration_s: u32) -> Option<u64> {
    let target = u64::from(target_duration_s) * 1_000_000;
    let (least, most) = (target / 2, target + target / 2);
    let mut peak = None;
    for start in 0..pieces.len() {
        let (mut time, mut bytes) = (0, 0);
        for (number, piece) in pieces.iter().skip(start).take(MAX_RUN).enumerate() {
            time += piece.0;
            bytes += piece.1;
            if time > most && number > 0 {
                break;
            }
            if time >= least || number + 1 == MAX_RUN {
                peak = peak.max(Some(rate(bytes, time)));
            }
        }
    }
    peak
}

fn pieces(rendition: &Rendition) -> Vec<Piece> {
    let piece = |segment: &Segment| (micros(segment.duration, rendition), segment.bytes);
    rendition.segments.iter().map(piece).collect()
}

fn micros(ticks: i64, rendition: &Rendition) -> u64 {
    let scaled = i128::from(ticks) * 1_000_000 / i128::from(rendition.timescale.ticks_per_s());
    u64::try_from(scaled).unwrap_or(0)
}

/// Bits a second, rounded up; of nothing in no time, nothing.
fn rate(bytes: u64, micros: u64) -> u64 {
    let bits = u128::from(bytes) * 8_000_000;
    u64::try_from(bits.div_ceil(u128::from(micros.max(1)))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_segments_count_only_in_runs() {
        // 6 s at 1 Mb/s, and a tail of 0.1 s at 10 Mb/s that no player loads alone.
        let pieces = [(6_000_000, 750_000), (6_000_000, 750_000), (100_000, 125_000)];
        let of = Bandwidth::of_pieces(&pieces, 6);
        assert_eq!(of, Bandwidth { peak: rate(875_000, 6_100_000), average: rate(1_625_000, 12_100_000) });
    }

    #[test]
    fn a_run_of_very_many_pieces_is_judged_by_its_parts() {
        // A day in one segment makes the target; then 10,000 pictures of half a second.
        let mut pieces = vec![(86_400_000_000, 1)];
        pieces.extend((0..10_000).map(|number| (500_000, if number < 300 { 1000 } else { 10 })));
        assert_eq!(Bandwidth::of_pieces(&pieces, 86_400).peak, 16_000);
    }

    #[test]
    fn an_asset_shorter_than_half_a_target_still_has_a_rate() {
        let of = Bandwidth::of_pieces(&[(500_000, 1000)], 6);
        assert_eq!(of, Bandwidth { peak: 16_000, average: 16_000 });
        assert_eq!(Bandwidth::of_pieces(&[(20_000_000, 2_500_000)], 6).peak, 1_000_000);
    }
}
