//! Meter: how often did it happen, how long did it take, how large was it?
//!
//! Counted with atomics where things happen, read by whoever shows them. A
//! meter has no name and knows no reader: names are the server's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of [`Durations`], microseconds: 0.1 ms to 10 s in steps of 1, 2, 5.
const MICROS: [u64; 16] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// Upper bounds of [`Sizes`]: up to the largest batch of the log.
const COUNTS: [u64; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096];

const MICROS_PER_SECOND: f64 = 1e6;

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, and how many that makes.
    pub fn add(&self) -> u64 {
        self.add_many(1)
    }

    /// `more` more, and how many that makes.
    pub fn add_many(&self, more: u64) -> u64 {
        self.0.fetch_add(more, Ordering::Relaxed).wrapping_add(more)
    }
}

/// How long something took, each time.
#[derive(Debug, Default)]
pub struct Durations(Tally<{ MICROS.len() }>);

impl Durations {
    /// It took this long.
    pub fn record(&self, took: Duration) {
        self.0.record(&MICROS, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// All so far, in seconds.
    #[must_use]
    pub fn read(&self) -> Distribution {
        self.0.read(&MICROS, MICROS_PER_SECOND)
    }
}

/// How many things were in something, each time.
#[derive(Debug, Default)]
pub struct Sizes(Tally<{ COUNTS.len() }>);

impl Sizes {
    /// There were so many.
    pub fn record(&self, count: usize) {
        self.0.record(&COUNTS, u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// All so far.
    #[must_use]
    pub fn read(&self) -> Distribution {
        self.0.read(&COUNTS, 1.0)
    }
}

/// Observations sorted by size, read at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// For each upper bound, how many observations were not above it.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were in all.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

/// Observations by bucket; each counts in the first bucket it fits into.
#[derive(Debug)]
struct Tally<const N: usize> {
    within: [AtomicU64; N],
    above: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Tally<N> {
    fn record(&self, bounds: &[u64; N], value: u64) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        self.within.get(bucket).unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// The count is the buckets' sum, so that the two agree while others record.
    fn read(&self, bounds: &[u64; N], per_unit: f64) -> Distribution {
        let mut count = 0;
        let buckets = bounds.iter().zip(&self.within).map(|(bound, within)| {
            count += within.load(Ordering::Relaxed);
            (*bound as f64 / per_unit, count)
        });
        let buckets = buckets.collect();
        count += self.above.load(Ordering::Relaxed);
        let sum = self.sum.load(Ordering::Relaxed) as f64 / per_unit;
        Distribution { buckets, count, sum }
    }
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        let within = std::array::from_fn(|_| AtomicU64::default());
        Self { within, above: AtomicU64::default(), sum: AtomicU64::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(distribution: &Distribution, bound: f64) -> u64 {
        distribution.buckets.iter().find(|(upper, _)| *upper == bound).unwrap().1
    }

    #[test]
    fn a_bound_is_part_of_its_bucket() {
        let durations = Durations::default();
        for micros in [100, 101, 10_000_000, 10_000_001] {
            durations.record(Duration::from_micros(micros));
        }
        let read = durations.read();
        assert_eq!((within(&read, 0.0001), within(&read, 0.0002)), (1, 2));
        assert_eq!((within(&read, 5.0), within(&read, 10.0), read.count), (2, 3, 4));
        assert!((read.sum - 20.000_202).abs() < 1e-9, "{}", read.sum);
    }

    #[test]
    fn sizes_are_counted_by_number() {
        let sizes = Sizes::default();
        for size in [0, 1, 3, 5_000] {
            sizes.record(size);
        }
        let read = sizes.read();
        assert_eq!((within(&read, 1.0), within(&read, 4.0), read.count), (2, 3, 4));
        assert_eq!(read.sum, 5_004.0);
    }

    #[test]
    fn bounds_rise() {
        assert!(MICROS.is_sorted_by(|a, b| a < b) && COUNTS.is_sorted_by(|a, b| a < b));
    }
}
