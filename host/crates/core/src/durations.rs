//! Counts of durations by size.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::Bucket;

/// Durations by size: from the call of a codec, which takes a microsecond, to a reconciliation that waits for a
/// compiler.
#[derive(Debug)]
pub struct Durations {
    /// How many took at most [`Durations::BOUNDS`], each in the smallest bound alone.
    within: [AtomicU64; Self::BOUNDS.len()],
    /// How many took longer.
    above: AtomicU64,
    /// The sum, in nanoseconds: 64 bits hold 584 years.
    nanos: AtomicU64,
}

/// How many durations there were, and how long they were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DurationStats {
    /// How many there were.
    pub count: u64,
    /// Their sum, in seconds.
    pub sum: f64,
    /// How many took at most as long as each bound, in seconds, the shorter ones included.
    pub buckets: Vec<Bucket>,
}

impl DurationStats {
    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds other counts, which have the same bounds.
    pub fn add(&mut self, more: &Self) {
        if self.buckets.is_empty() {
            self.buckets = more.buckets.iter().map(|it| Bucket { count: 0, ..*it }).collect();
        }
        for (bucket, more) in self.buckets.iter_mut().zip(&more.buckets) {
            bucket.count = bucket.count.saturating_add(more.count);
        }
        self.count = self.count.saturating_add(more.count);
        self.sum += more.sum;
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self::new()
    }
}

impl Durations {
    /// The upper bounds, in seconds.
    pub const BOUNDS: [f64; 17] = [
        0.000_002, 0.000_01, 0.000_05, 0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
        0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
    ];

    /// One in this many calls that block their thread is timed, and counts for as many: such a call may take less
    /// than a microsecond, and reading a clock twice would take ten times as long as everything else that is
    /// counted. A prime number: if calls take turns in a pattern, such as encode and decode, each of them is
    /// timed in turn.
    pub const SAMPLE: u32 = 17;

    /// No duration yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            within: [const { AtomicU64::new(0) }; Self::BOUNDS.len()],
            above: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
        }
    }

    // Relaxed: a figure guards nothing but itself.

    /// Counts a duration.
    pub fn add(&self, took: Duration) {
        self.count(took).fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// Counts a duration that stands for `weight` durations, without a locked instruction. Only one thread may
    /// do so; others may read. If several do, counts are lost.
    #[inline]
    pub fn add_by_owner(&self, took: Duration, weight: u64) {
        let add = |to: &AtomicU64, more: u64| {
            to.store(to.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        };
        add(self.count(took), weight);
        add(&self.nanos, nanos(took).wrapping_mul(weight));
    }

    /// The counts so far.
    #[must_use]
    pub fn stats(&self) -> DurationStats {
        let mut count = 0;
        let buckets = Self::BOUNDS.iter().zip(&self.within).map(|(&le, within)| {
            count += within.load(Ordering::Relaxed);
            Bucket { le, count }
        });
        let buckets = buckets.collect();
        let sum = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64();
        DurationStats { count: count + self.above.load(Ordering::Relaxed), sum, buckets }
    }

    /// The place in which a duration is counted.
    #[inline]
    fn count(&self, took: Duration) -> &AtomicU64 {
        let seconds = took.as_secs_f64();
        let bound = Self::BOUNDS.iter().position(|bound| seconds <= *bound);
        bound.and_then(|bound| self.within.get(bound)).unwrap_or(&self.above)
    }
}

fn nanos(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_up_to_each_bound_that_holds_them() {
        let durations = Durations::new();
        assert!(durations.stats().is_empty());
        for millis in [1, 2, 60_000, 60_001] {
            durations.add(Duration::from_millis(millis));
        }
        let stats = durations.stats();
        let up_to = |le: f64| stats.buckets.iter().find(|it| it.le.to_bits() == le.to_bits());
        let counts = [0.000_25, 0.001, 0.002_5, 10.0, 60.0].map(|le| up_to(le).unwrap().count);
        assert_eq!((counts, stats.count), ([0, 1, 2, 2, 3], 4));
        assert!((stats.sum - 120.004).abs() < 1e-9, "{}", stats.sum);
    }

    #[test]
    fn a_duration_may_stand_for_several() {
        let (durations, other) = (Durations::new(), Durations::new());
        durations.add_by_owner(Duration::from_millis(2), 17);
        other.add_by_owner(Duration::from_hours(1), 1);
        let mut stats = durations.stats();
        stats.add(&other.stats());
        let within = |le: f64| stats.buckets.iter().find(|it| it.le >= le).unwrap().count;
        assert_eq!((within(0.001), within(0.002_5), within(60.0), stats.count), (0, 17, 17, 18));
        assert!((stats.sum - 3600.034).abs() < 1e-9, "{}", stats.sum);
    }
}
