//! The metrics that a plugin reports, bounded in number.
//!
//! A report takes no lock, but for the first of a name, which may wait for another first one: guests report from
//! threads of a low priority and from threads that serve sockets, and one of the latter must not wait for one
//! of the former.

use std::array;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::GuestMetric;

/// The maximum number of names per plugin; further ones are counted in `dropped`.
const MAX_NAMES: usize = 64;
const DROPPED: &str = "dropped";

/// The metrics of a plugin, shared by all its instances.
#[derive(Debug)]
pub struct GuestMetrics {
    /// In the order in which they came. A place that was taken stays.
    metrics: [OnceLock<Metric>; MAX_NAMES],
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Metric {
    name: Box<str>,
    is_counter: bool,
    /// The count, or the bits of the gauge's value.
    value: AtomicU64,
}

impl Default for GuestMetrics {
    fn default() -> Self {
        Self { metrics: array::from_fn(|_| OnceLock::new()), dropped: AtomicU64::new(0) }
    }
}

impl GuestMetrics {
    /// Adds to the counter `name`.
    pub fn add(&self, name: &str, delta: u64) {
        match self.find(name, true, 0) {
            Some(counter) => add(&counter.value, delta),
            None => add(&self.dropped, 1),
        }
    }

    /// Sets the gauge `name`.
    pub fn set(&self, name: &str, to: f64) {
        let bits = to.to_bits();
        match self.find(name, false, bits) {
            Some(gauge) => gauge.value.store(bits, Ordering::Relaxed),
            None => add(&self.dropped, 1),
        }
    }

    /// All metrics, sorted by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<GuestMetric> {
        let metrics = self.metrics.iter().map_while(OnceLock::get);
        let mut all: Vec<GuestMetric> = metrics.map(Metric::snapshot).collect();
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            all.push(GuestMetric::Counter { name: DROPPED.to_owned(), value: dropped });
        }
        all.sort_by(|one, other| one.name().cmp(other.name()));
        all
    }

    /// The metric `name`, new with the value `first` if it is not there yet. There is none for a bad name, for one too many, and for a
    /// counter that is used as a gauge: these count as dropped, so that the author sees the mistake.
    fn find(&self, name: &str, is_counter: bool, first: u64) -> Option<&Metric> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let good = (1..=64).contains(&name.len()) && name.bytes().all(legal) && name != DROPPED;
        let mut metrics = good.then_some(&self.metrics).into_iter().flatten();
        let fresh = || Metric { name: name.into(), is_counter, value: AtomicU64::new(first) };
        let found = metrics.find_map(|place| {
            // If another thread takes the place at the same time, it may be for another name.
            let metric = place.get_or_init(fresh);
            (*metric.name == *name).then_some(metric)
        });
        found.filter(|metric| metric.is_counter == is_counter)
    }
}

impl Metric {
    fn snapshot(&self) -> GuestMetric {
        let (name, value) = (self.name.to_string(), self.value.load(Ordering::Relaxed));
        if self.is_counter {
            GuestMetric::Counter { name, value }
        } else {
            GuestMetric::Gauge { name, value: f64::from_bits(value) }
        }
    }
}

/// Adds to a count that does not wrap around.
fn add(count: &AtomicU64, delta: u64) {
    let added = |value: u64| Some(value.saturating_add(delta));
    // It never fails.
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str, value: u64) -> GuestMetric {
        GuestMetric::Counter { name: name.into(), value }
    }

    #[test]
    fn names_are_bounded_and_drops_are_counted() {
        let metrics = GuestMetrics::default();
        for index in 0..100 {
            metrics.add(&format!("n{index}"), 1);
        }
        metrics.add("Bad Name", 1);
        metrics.set("n0", 1.0);
        assert!(metrics.snapshot().contains(&counter(DROPPED, 36 + 2)));
        assert_eq!(metrics.snapshot().len(), MAX_NAMES + 1);
    }

    #[test]
    fn threads_share_the_metrics() {
        let metrics = GuestMetrics::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let metrics = &metrics;
                scope.spawn(move || {
                    for index in 0..80 {
                        metrics.add(&format!("n{}", (index + 20 * thread) % 80), 2);
                    }
                    metrics.add("n0", u64::MAX);
                });
            }
        });
        let snapshot = metrics.snapshot();
        let counts = snapshot.iter().filter(|it| it.name().starts_with('n'));
        // The first names that came have places, in whichever order that was.
        assert_eq!(counts.clone().count(), MAX_NAMES);
        assert!(counts.clone().all(|it| it.name() == "n0" || *it == counter(it.name(), 8)));
        assert!(snapshot.is_sorted_by_key(GuestMetric::name), "{snapshot:?}");
    }
}
