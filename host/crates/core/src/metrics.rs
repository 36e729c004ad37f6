//! The metrics that a plugin reports, bounded in number.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::GuestMetric;

/// The maximum number of names per plugin; further ones are counted in `dropped`.
const MAX_NAMES: usize = 64;
const DROPPED: &str = "dropped";

/// The metrics of a plugin, shared by all its instances.
#[derive(Debug, Default)]
pub struct GuestMetrics {
    metrics: Mutex<BTreeMap<String, GuestMetric>>,
}

impl GuestMetrics {
    /// Adds to the counter `name`.
    pub fn add(&self, name: &str, delta: u64) {
        let fresh = || GuestMetric::Counter { name: name.to_owned(), value: 0 };
        self.update(name, fresh, |metric| match metric {
            GuestMetric::Counter { value, .. } => {
                *value = value.saturating_add(delta);
                true
            }
            GuestMetric::Gauge { .. } => false,
        });
    }

    /// Sets the gauge `name`.
    pub fn set(&self, name: &str, to: f64) {
        let fresh = || GuestMetric::Gauge { name: name.to_owned(), value: to };
        self.update(name, fresh, |metric| match metric {
            GuestMetric::Gauge { value, .. } => {
                *value = to;
                true
            }
            GuestMetric::Counter { .. } => false,
        });
    }

    /// All metrics, sorted by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<GuestMetric> {
        self.lock().values().cloned().collect()
    }

    /// Updates `name`. A bad name, one too many, or a counter that is used as a gauge is counted as
    /// dropped, so that the author sees the mistake.
    fn update(
        &self,
        name: &str,
        fresh: impl FnOnce() -> GuestMetric,
        update: impl FnOnce(&mut GuestMetric) -> bool,
    ) {
        let mut metrics = self.lock();
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let good = (1..=64).contains(&name.len()) && name.bytes().all(legal) && name != DROPPED;
        let room = metrics.contains_key(name) || metrics.len() < MAX_NAMES;
        let done = good && room && update(metrics.entry(name.to_owned()).or_insert_with(fresh));
        if !done {
            let dropped = metrics
                .entry(DROPPED.to_owned())
                .or_insert_with(|| GuestMetric::Counter { name: DROPPED.to_owned(), value: 0 });
            if let GuestMetric::Counter { value, .. } = dropped {
                *value = value.saturating_add(1);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, GuestMetric>> {
        // A panic while the lock is held loses one update at most.
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_drops_are_counted() {
        let metrics = GuestMetrics::default();
        for index in 0..100 {
            metrics.add(&format!("n{index}"), 1);
        }
        metrics.add("Bad Name", 1);
        metrics.set("n0", 1.0);
        let dropped = GuestMetric::Counter { name: DROPPED.into(), value: 36 + 2 };
        assert!(metrics.snapshot().contains(&dropped));
        assert_eq!(metrics.snapshot().len(), MAX_NAMES + 1);
    }
}
