//! A histogram with Envoy's default buckets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The buckets' upper bounds as Envoy writes them in its Prometheus exposition, for
/// milliseconds and bytes alike; another bucket has no bound.
pub(super) const BOUNDS: [&str; 19] = [
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000",
    "30000", "60000", "300000", "600000", "1800000", "3600000",
];

/// The same for whole numbers.
const UPPER: [u64; BOUNDS.len()] = [
    0, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000,
    1_800_000, 3_600_000,
];

/// How often values fell into each bucket, not cumulated, and their sum. One thread
/// writes, others read.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum: AtomicU64,
}

/// What several histograms have counted together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub buckets: [u64; BOUNDS.len() + 1],
    pub sum: u64,
}

impl Histogram {
    /// Counts a value.
    pub fn record(&self, value: u64) {
        let at = UPPER.partition_point(|upper| *upper < value);
        if let Some(bucket) = self.buckets.get(at) {
            add(bucket, 1);
        }
        add(&self.sum, value);
    }

    /// Adds what has been counted.
    pub fn add_to(&self, counted: &mut Counted) {
        for (bucket, total) in self.buckets.iter().zip(&mut counted.buckets) {
            *total += bucket.load(Relaxed);
        }
        counted.sum = counted.sum.wrapping_add(self.sum.load(Relaxed));
    }
}

/// Adds to a counter that no other thread writes at the same time, which is cheaper than an
/// atomic addition.
pub(super) fn add(counter: &AtomicU64, value: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(value), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for value in [0, 1, 2, 5, 6, 3_600_000, 3_600_001, 1 << 40] {
            histogram.record(value);
        }
        let mut counted = Counted::default();
        histogram.add_to(&mut counted);
        let mut expected = [0; 20];
        (expected[0], expected[1], expected[2], expected[3]) = (1, 1, 2, 1);
        (expected[18], expected[19]) = (1, 2);
        assert_eq!(counted.buckets, expected);
        assert_eq!(counted.sum, 7_200_015 + (1 << 40));
    }

    #[test]
    fn the_bounds_are_those_that_are_written() {
        let written = BOUNDS.map(|bound| bound.parse::<f64>().unwrap().floor() as u64);
        assert_eq!(written, UPPER);
    }
}
