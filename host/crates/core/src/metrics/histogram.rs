//! A histogram that threads share without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use super::reported::{Bucket, MetricValue};
use super::saturating_add;

/// The distribution of observed values: a count for each bucket, and the sum.
#[derive(Debug)]
pub(super) struct Histogram {
    /// The upper bounds, ascending and finite.
    bounds: Box<[f64]>,
    /// One for each bound, and one for values above the last.
    counts: Box<[AtomicU64]>,
    /// The bits of the sum.
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(bounds: &[f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds: bounds.into(), counts, sum: AtomicU64::new(0.0_f64.to_bits()) }
    }

    pub(super) fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// Counts a value, which is finite.
    pub(super) fn observe(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        // There is one count more than bounds.
        if let Some(count) = self.counts.get(bucket) {
            saturating_add(count, 1);
        }
        // It stays finite, because JSON has no other numbers.
        let added = |sum| Some((f64::from_bits(sum) + value).clamp(f64::MIN, f64::MAX).to_bits());
        // It never fails.
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }

    /// The counts and the sum. A value that is observed meanwhile may be in one and not in the other.
    pub(super) fn snapshot(&self) -> MetricValue {
        let mut count = 0_u64;
        let mut counts = self.counts.iter().map(|of_bucket| {
            count = count.saturating_add(of_bucket.load(Ordering::Relaxed));
            count
        });
        let buckets = self.bounds.iter().zip(&mut counts);
        let buckets = buckets.map(|(le, count)| Bucket { le: *le, count }).collect();
        // The last one is above all bounds.
        counts.next();
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed));
        MetricValue::Histogram { buckets, sum, count }
    }
}
