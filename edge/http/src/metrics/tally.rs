//! Counts with one writer: a core adds without locking its neighbours out of anything, and a scrape reads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A count that one thread adds to and others may read. Costs a load and a store.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    /// Adds `more`. Only the owner of the tally calls this: of two at once, one would be lost.
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.read().wrapping_add(more), Ordering::Relaxed);
    }

    /// What was added so far.
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How durations spread over bounds; one writer.
#[derive(Debug)]
pub(crate) struct Spread {
    /// Upper bounds in seconds, ascending.
    bounds_s: &'static [f64],
    /// One for each bound, and one for what is beyond the last.
    buckets: Box<[Tally]>,
    nanoseconds: Tally,
}

impl Spread {
    pub(crate) fn new(bounds_s: &'static [f64]) -> Self {
        let buckets = (0..=bounds_s.len()).map(|_| Tally::default()).collect();
        Self { bounds_s, buckets, nanoseconds: Tally::default() }
    }

    pub(crate) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let at = self.bounds_s.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds_s.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
        self.nanoseconds.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// The sum of [`Spread`]s of the same bounds.
#[derive(Debug, Default)]
pub(crate) struct SpreadSum {
    /// Upper bound in seconds and count of each bucket but the last.
    buckets: Vec<(f64, u64)>,
    count: u64,
    seconds: f64,
}

impl SpreadSum {
    /// Adds what `spread` has now.
    pub(crate) fn add(&mut self, spread: &Spread) {
        if self.buckets.is_empty() {
            self.buckets = spread.bounds_s.iter().map(|bound| (*bound, 0)).collect();
        }
        let counts: Vec<u64> = spread.buckets.iter().map(Tally::read).collect();
        for ((_, sum), count) in self.buckets.iter_mut().zip(&counts) {
            *sum = sum.wrapping_add(*count);
        }
        self.count = counts.iter().fold(self.count, |sum, count| sum.wrapping_add(*count));
        self.seconds += Duration::from_nanos(spread.nanoseconds.read()).as_secs_f64();
    }

    /// As a scrape tells it.
    pub(crate) fn to_proto(&self) -> prometheus::proto::Histogram {
        let mut below: u64 = 0;
        let buckets = self.buckets.iter().map(|(bound, count)| {
            below = below.wrapping_add(*count);
            let mut bucket = prometheus::proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(below);
            bucket
        });
        let mut histogram = prometheus::proto::Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(self.count);
        histogram.set_sample_sum(self.seconds);
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_counts_at_its_bounds_and_sums_add_up() {
        let (one, other) = (Spread::new(&[0.001, 0.1]), Spread::new(&[0.001, 0.1]));
        for micros in [0, 1000, 1001] {
            one.observe(Duration::from_micros(micros));
        }
        for millis in [100, 101] {
            other.observe(Duration::from_millis(millis));
        }
        let mut sum = SpreadSum::default();
        sum.add(&one);
        sum.add(&other);
        let told = sum.to_proto();
        let buckets: Vec<_> = told
            .get_bucket()
            .iter()
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            .collect();
        assert_eq!(buckets, [(0.001, 2), (0.1, 4)]);
        assert_eq!(told.get_sample_count(), 5);
        assert!((told.get_sample_sum() - 0.203_001).abs() < 1e-9);
    }
}
