//! The counts of one side of a trial.

#[cfg(all(loom, test))]
use loom::sync::atomic::AtomicU64;
#[cfg(not(all(loom, test)))]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::histogram::{BUCKETS, bucket, end};

/// The counts of one side of a trial: the stable version or the canary. Takes two kilobytes.
/// Counting a call is one relaxed addition. Without a canary there is no side, and no cost.
#[derive(Debug)]
pub struct Side {
    errors: AtomicU64,
    refusals: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Side {
    fn default() -> Self {
        Self {
            errors: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Side {
    /// Counts a call that succeeded and took this long.
    #[inline]
    pub fn succeeded(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
    }

    /// Counts a call that the plugin failed.
    #[inline]
    pub fn failed(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    /// Counts a call whose input the plugin refused. It is not timed: a refusal is often fast.
    #[inline]
    pub fn refused(&self) {
        self.refusals.fetch_add(1, Relaxed);
    }

    /// A copy of the current counts. Each call that ends meanwhile may or may not be included.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let buckets = self.buckets.iter().map(|count| count.load(Relaxed)).collect();
        let (errors, refusals) = (self.errors.load(Relaxed), self.refusals.load(Relaxed));
        Figures { errors, refusals, buckets }
    }
}

/// A copy of a side's counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    errors: u64,
    refusals: u64,
    buckets: Vec<u64>,
}

impl Figures {
    /// Calls that ended by success, failure or refusal.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.timed() + self.errors + self.refusals
    }

    /// Calls whose input was refused.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// The share of calls whose input was refused, from 0 to 1; 0 if there were none.
    #[must_use]
    pub fn refusal_rate(&self) -> f64 {
        share(self.refusals, self.calls())
    }

    /// Calls that failed.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// The share of calls that failed, from 0 to 1; 0 if there were none.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        share(self.errors, self.calls())
    }

    /// The latency that this share of the successful calls does not exceed, rounded up to the end
    /// of its bucket (an eighth at most). `None` if no call succeeded.
    #[must_use]
    pub fn latency(&self, quantile: f64) -> Option<Duration> {
        let wanted = quantile.clamp(0.0, 1.0) * count(self.timed());
        let mut seen = 0;
        let at = self.buckets.iter().position(|bucket| {
            seen += bucket;
            seen > 0 && count(seen) >= wanted
        })?;
        Some(Duration::from_nanos(end(at)))
    }

    /// Calls that succeeded; those that are timed.
    pub(super) fn timed(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How many calls certainly took longer: those in buckets that begin at `limit` or above it.
    pub(super) fn longer(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let from = (0..BUCKETS).position(|at| end(at) >= limit).map_or(BUCKETS, |at| at + 1);
        self.buckets.iter().skip(from).sum()
    }
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 calls one more makes no difference")]
pub(super) fn count(number: u64) -> f64 {
    number as f64
}

pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { count(part) / count(all) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_counts_and_finds_quantiles_to_an_eighth() {
        let side = Side::default();
        assert_eq!((side.figures().calls(), side.figures().latency(0.5)), (0, None));
        assert!(side.figures().error_rate() < f64::EPSILON);
        for ms in 1..=100 {
            side.succeeded(ms * MS);
        }
        (0..25).for_each(|_| side.failed());
        let figures = side.figures();
        assert_eq!((figures.calls(), figures.errors()), (125, 25));
        assert!((figures.error_rate() - 0.2).abs() < 1e-12);
        for (quantile, ms) in [(0.0, 1), (0.5, 50), (0.95, 95), (1.0, 100)] {
            let found = figures.latency(quantile).unwrap();
            assert!(found >= ms * MS && found <= ms * MS * 9 / 8, "{quantile}: {found:?}");
        }
    }

    #[test]
    fn longer_is_surely_longer() {
        let side = Side::default();
        for ms in 1..=100 {
            side.succeeded(ms * MS);
        }
        let figures = side.figures();
        for ms in 1..=100 {
            let surely = figures.longer(ms * MS);
            assert!(
                surely <= u64::from(100 - ms)
                    && surely + u64::from(ms / 8 + 1) >= u64::from(100 - ms)
            );
        }
        assert_eq!(figures.longer(Duration::MAX), 0);
        assert_eq!(figures.longer(Duration::ZERO), 100);
    }
}
