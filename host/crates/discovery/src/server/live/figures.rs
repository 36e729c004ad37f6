//! What a directory counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::wire::{Change, ChangeKind, HealthStatus};

/// The upper bounds of the buckets of the watch's lag, in seconds.
const BOUNDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];

/// Counts of durations by size.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    above: AtomicU64,
    sum_micros: AtomicU64,
}

impl Histogram {
    fn observe(&self, value: Duration) {
        let seconds = value.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        let bucket = bucket.and_then(|it| self.buckets.get(it)).unwrap_or(&self.above);
        bucket.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The upper bound of each bucket in seconds, rising, and its count alone.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let counts = self.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        BOUNDS.into_iter().zip(counts).collect()
    }

    /// The count above the last bound.
    #[must_use]
    pub fn above(&self) -> u64 {
        self.above.load(Ordering::Relaxed)
    }

    /// The sum in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)).as_secs_f64()
    }
}

/// What a directory counts. All counters begin at zero with the process.
#[derive(Debug, Default)]
pub struct Figures {
    changes: [AtomicU64; 4],
    heartbeats: [AtomicU64; 2],
    checks: [AtomicU64; 4],
    store_failures: AtomicU64,
    resyncs: AtomicU64,
    reconnects: AtomicU64,
    lag: Histogram,
}

impl Figures {
    /// Changes of one kind.
    #[must_use]
    pub fn changes(&self, kind: ChangeKind) -> u64 {
        self.changes[kind as usize].load(Ordering::Relaxed)
    }

    /// Heartbeats that renewed a lease, or did not.
    #[must_use]
    pub fn heartbeats(&self, renewed: bool) -> u64 {
        self.heartbeats[usize::from(renewed)].load(Ordering::Relaxed)
    }

    /// Checks that found this status.
    #[must_use]
    pub fn checks(&self, status: HealthStatus) -> u64 {
        self.checks[status as usize].load(Ordering::Relaxed)
    }

    /// Writes to the store that failed.
    #[must_use]
    pub fn store_failures(&self) -> u64 {
        self.store_failures.load(Ordering::Relaxed)
    }

    /// Watchers that were too far behind and got a snapshot.
    #[must_use]
    pub fn resyncs(&self) -> u64 {
        self.resyncs.load(Ordering::Relaxed)
    }

    /// Watchers that came back with a sequence number.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    /// The time from a change to the moment when a watcher takes it.
    #[must_use]
    pub fn lag(&self) -> &Histogram {
        &self.lag
    }

    pub(super) fn changed(&self, changes: &[Arc<Change>]) {
        for change in changes {
            self.changes[change.kind as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn heartbeat(&self, renewed: bool) {
        self.heartbeats[usize::from(renewed)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn checked(&self, status: HealthStatus) {
        self.checks[status as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn store_failed(&self) {
        self.store_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn delivered(&self, lag: Duration) {
        self.lag.observe(lag);
    }

    pub(crate) fn resynced(&self) {
        self.resyncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }
}
