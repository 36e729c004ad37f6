//! How slow an endpoint is, as one number that threads share.
//!
//! The peak-sensitive moving average of Finagle and tower's `PeakEwma`: a call that took longer than the
//! average raises it to its own time at once, a quicker one lowers it slowly. Tower's own keeps it behind
//! a lock and reads the clock for each choice; here it is one atomic word, and it fades in steps, when
//! the balancer is maintained.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How much of the average one call replaces, if it was quicker.
const WEIGHT: f64 = 0.1;
/// After this time without calls, 1/e of the average is left.
const DECAY: Duration = Duration::from_secs(10);
/// The average while nothing is known. It only has to be above 0, so that calls in flight count.
const UNKNOWN: f64 = 1e-3;

/// The average time of a call in seconds, as the bits of an `f64`.
#[derive(Debug)]
pub(super) struct Latency {
    seconds: AtomicU64,
}

impl Latency {
    /// An endpoint that nothing is known of starts as slow as the others are: if it started as quick as
    /// can be, it would get every call until its first answer.
    pub(super) fn new(others: Option<f64>) -> Self {
        Self { seconds: AtomicU64::new(others.unwrap_or(UNKNOWN).to_bits()) }
    }

    /// In seconds, above 0.
    #[inline]
    pub(super) fn seconds(&self) -> f64 {
        f64::from_bits(self.seconds.load(Relaxed))
    }

    /// A call took this long. Of two calls that end at the same time one may be lost, which an average
    /// survives.
    pub(super) fn record(&self, took: Duration) {
        let took = took.as_secs_f64();
        let average = self.seconds();
        let next = if took > average { took } else { average + WEIGHT * (took - average) };
        self.store(next);
    }

    /// This much time has passed.
    pub(super) fn fade(&self, passed: Duration) {
        self.store(self.seconds() * (-passed.as_secs_f64() / DECAY.as_secs_f64()).exp());
    }

    fn store(&self, seconds: f64) {
        self.seconds.store(seconds.max(1e-6).to_bits(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_call_counts_at_once_and_is_forgotten_slowly() {
        let latency = Latency::new(None);
        latency.record(Duration::from_secs(1));
        assert!((latency.seconds() - 1.0).abs() < 1e-9);
        latency.record(Duration::ZERO);
        assert!((latency.seconds() - 0.9).abs() < 1e-9);
        latency.fade(DECAY);
        assert!((latency.seconds() - 0.9 / std::f64::consts::E).abs() < 1e-9);
        latency.fade(Duration::from_secs(10_000));
        assert!(latency.seconds() > 0.0);
    }
}
