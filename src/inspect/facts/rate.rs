//! Bit rates: the average, and the second that needs most.

use std::collections::VecDeque;

use rillcast_media::movie::SampleRow;
use rillcast_media::time::Timescale;

/// Finds the second of decode time with most bytes.
#[derive(Debug)]
pub(in crate::inspect) struct PeakWalk {
    second: i64,
    /// Decode times and sizes of the last second.
    window: VecDeque<(i64, u32)>,
    bytes: u64,
    most: u64,
}

impl PeakWalk {
    pub(in crate::inspect) fn new(timescale: Timescale) -> Self {
        Self { second: i64::from(timescale.ticks_per_s()), window: VecDeque::new(), bytes: 0, most: 0 }
    }

    pub(in crate::inspect) fn push(&mut self, row: &SampleRow) {
        let from = row.dts.saturating_sub(self.second);
        while let Some((_, size)) = self.window.pop_front_if(|(dts, _)| *dts <= from) {
            self.bytes = self.bytes.saturating_sub(u64::from(size));
        }
        self.window.push_back((row.dts, row.size));
        self.bytes = self.bytes.saturating_add(u64::from(row.size));
        self.most = self.most.max(self.bytes);
    }

    /// Bits of the fullest second; never below `average`, which is that of a track below a second.
    pub(in crate::inspect) fn finish(self, average: u64, duration_ticks: i64) -> u64 {
        if duration_ticks < self.second { average } else { self.most.saturating_mul(8).max(average) }
    }
}

/// Bits a second of `bytes` in `ticks`; of nothing in no time, nothing.
pub(in crate::inspect) fn average(bytes: u64, ticks: i64, timescale: Timescale) -> u64 {
    let ticks = u128::try_from(ticks.max(1)).unwrap_or(1);
    let bits = u128::from(bytes) * 8 * u128::from(timescale.ticks_per_s());
    u64::try_from((bits + ticks / 2) / ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::facts::cadence::tests::rows;

    fn peak(of: &[(u32, u32)]) -> u64 {
        let timescale = Timescale::new(10).expect("not zero");
        let of: Vec<_> = of.iter().map(|(duration, size)| (*duration, 0, true, *size)).collect();
        let mut walk = PeakWalk::new(timescale);
        rows(&of).iter().for_each(|row| walk.push(row));
        let (bytes, ticks) =
            of.iter().fold((0, 0), |(b, t), row| (b + u64::from(row.3), t + i64::from(row.0)));
        walk.finish(average(bytes, ticks, timescale), ticks)
    }

    #[test]
    fn the_peak_is_the_fullest_second_wherever_it_starts() {
        assert_eq!(peak(&[(5, 1), (5, 10), (5, 20), (5, 1)]), 30 * 8);
        assert_eq!(peak(&[(10, 7), (10, 7)]), 7 * 8);
    }

    #[test]
    fn less_than_a_second_has_its_average() {
        assert_eq!(peak(&[(1, 1)]), 80);
    }
}
