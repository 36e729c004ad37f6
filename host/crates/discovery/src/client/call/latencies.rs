//! How long the recent calls of a service took.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many calls a quantile is computed from. With 400, twenty are above the 95th percentile.
const WINDOW: usize = 400;

/// A quantile of the latest full window of calls.
#[derive(Debug)]
pub(super) struct Latencies {
    quantile: f64,
    calls: Mutex<Vec<Duration>>,
    /// In nanoseconds; 0 until the first window is full.
    result: AtomicU64,
}

impl Latencies {
    /// `quantile` is between 0 and 1.
    pub(super) fn new(quantile: f64) -> Self {
        Self { quantile, calls: Mutex::new(Vec::with_capacity(WINDOW)), result: AtomicU64::new(0) }
    }

    pub(super) fn record(&self, took: Duration) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(took);
        if calls.len() >= WINDOW {
            let (_, at, _) = calls.select_nth_unstable(rank(self.quantile));
            let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
            self.result.store(nanos.max(1), Relaxed);
            calls.clear();
        }
    }

    /// The quantile, if enough calls are known.
    pub(super) fn quantile(&self) -> Option<Duration> {
        match self.result.load(Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

/// The position of the quantile in a sorted window.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a cast from floating point saturates, and is bounded"
)]
fn rank(quantile: f64) -> usize {
    ((WINDOW as f64 * quantile) as usize).min(WINDOW - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_that_of_the_last_full_window() {
        let latencies = Latencies::new(0.95);
        let window = |from: u64| (from..from + WINDOW as u64).map(Duration::from_millis);
        window(1).take(WINDOW - 1).for_each(|took| latencies.record(took));
        assert_eq!(latencies.quantile(), None);
        latencies.record(Duration::from_millis(WINDOW as u64));
        assert_eq!(latencies.quantile(), Some(Duration::from_millis(381)));
        window(1_001).for_each(|took| latencies.record(took));
        assert_eq!(latencies.quantile(), Some(Duration::from_millis(1_381)));
        for (quantile, expected) in [(0.0, 0), (1.0, WINDOW - 1), (-1.0, 0), (f64::NAN, 0)] {
            assert_eq!(rank(quantile), expected);
        }
    }
}
