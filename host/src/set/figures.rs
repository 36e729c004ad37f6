//! The counts of one plugin version, which outlive it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use plugbay_core::{Bucket, DurationStats, MetricValue, PluginStats};
use plugbay_telemetry::Histogram;

use super::tally::{CallStatus, Tally};
use crate::report::WordCounts;

/// The counts of one started plugin version. The version and the ledger hold them, so that they are still
/// there when the version is freed.
#[derive(Default)]
pub(crate) struct Figures {
    /// Its calls.
    pub(crate) tally: Tally,
    /// The changes of its guard, by the word of their outcome.
    pub(crate) transitions: WordCounts,
    /// What its runtime counted, as it was read last.
    stats: Mutex<StatCounts>,
}

/// What a runtime counts for a plugin. None of it ever goes back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StatCounts {
    pub(crate) instantiations: u64,
    pub(crate) discarded: u64,
    /// `None` if the runtime cannot tell.
    pub(crate) cpu_seconds: Option<f64>,
    /// How long calls waited for an instance.
    pub(crate) waited: DurationStats,
    pub(crate) denied: BTreeMap<Cow<'static, str>, u64>,
    pub(crate) limited: BTreeMap<Cow<'static, str>, u64>,
    /// The plugin's own counters.
    pub(crate) guest: BTreeMap<String, u64>,
    /// The plugin's own histograms.
    pub(crate) histograms: BTreeMap<String, Histogram>,
}

/// All counts of plugin versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) calls: CallStatus,
    /// How long calls took.
    pub(crate) durations: DurationStats,
    pub(crate) transitions: BTreeMap<&'static str, u64>,
    pub(crate) stats: StatCounts,
}

impl Figures {
    /// Keeps what the runtime counted until now.
    pub(crate) fn keep(&self, stats: &PluginStats) {
        self.stats().raise(stats);
    }

    /// All counts until now.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            calls: self.tally.status(),
            durations: self.tally.durations(),
            transitions: self.transitions.all(),
            stats: self.stats().clone(),
        }
    }

    fn stats(&self) -> MutexGuard<'_, StatCounts> {
        // A panic while the lock is held leaves at worst one figure a step behind.
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatCounts {
    /// Raises each count to that of `stats`.
    fn raise(&mut self, stats: &PluginStats) {
        raise(&mut self.instantiations, stats.instantiations);
        raise(&mut self.discarded, stats.discarded);
        if let Some(read) = stats.cpu_seconds {
            self.cpu_seconds = Some(self.cpu_seconds.map_or(read, |known| known.max(read)));
        }
        if stats.waited.count >= self.waited.count {
            self.waited.clone_from(&stats.waited);
        }
        for (known, read) in
            [(&mut self.denied, &stats.denied), (&mut self.limited, &stats.limited)]
        {
            for (word, count) in read {
                raise(known.entry(word.clone()).or_default(), *count);
            }
        }
        for metric in &stats.metrics {
            let name = &metric.name;
            match &metric.value {
                MetricValue::Counter { value } => match self.guest.get_mut(name) {
                    Some(count) => raise(count, *value),
                    None => drop(self.guest.insert(name.clone(), *value)),
                },
                MetricValue::Histogram { buckets, sum, count } => {
                    let read = in_each(buckets, *sum, *count);
                    let known = self.histograms.get(name).map_or(0, Histogram::count);
                    if read.count() >= known {
                        self.histograms.insert(name.clone(), read);
                    }
                }
                MetricValue::Gauge { .. } => {}
            }
        }
    }
}

/// Durations as a histogram.
pub(crate) fn histogram(durations: &DurationStats) -> Histogram {
    in_each(&durations.buckets, durations.sum, durations.count)
}

/// The buckets of the status count what is below their bound, and those of an exposition what is in them alone.
fn in_each(buckets: &[Bucket], sum: f64, count: u64) -> Histogram {
    let mut below = 0;
    let alone = buckets.iter().map(|bucket| {
        let alone = bucket.count.saturating_sub(below);
        below = bucket.count;
        (bucket.le, alone)
    });
    let buckets = alone.collect();
    Histogram { sum, buckets, above: count.saturating_sub(below) }
}

fn raise(count: &mut u64, read: u64) {
    *count = (*count).max(read);
}

impl Totals {
    /// Adds the counts of another run of the same version.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { calls, durations, transitions, stats } = self;
        calls.answered += other.calls.answered;
        calls.cancelled += other.calls.cancelled;
        add(&mut calls.failed, &other.calls.failed);
        durations.add(&other.durations);
        add(transitions, &other.transitions);
        stats.instantiations += other.stats.instantiations;
        stats.discarded += other.stats.discarded;
        if let Some(more) = other.stats.cpu_seconds {
            *stats.cpu_seconds.get_or_insert_default() += more;
        }
        stats.waited.add(&other.stats.waited);
        add(&mut stats.denied, &other.stats.denied);
        add(&mut stats.limited, &other.stats.limited);
        for (name, count) in &other.stats.guest {
            let known = stats.guest.entry(name.clone()).or_default();
            // A plugin chooses these.
            *known = known.saturating_add(*count);
        }
        for (name, more) in &other.stats.histograms {
            match stats.histograms.get_mut(name) {
                Some(known) if bounds(known).eq(bounds(more)) => add_histogram(known, more),
                // Counts with other bounds cannot be added: they begin at zero.
                _ => drop(stats.histograms.insert(name.clone(), more.clone())),
            }
        }
    }
}

fn bounds(histogram: &Histogram) -> impl Iterator<Item = u64> {
    histogram.buckets.iter().map(|(bound, _)| bound.to_bits())
}

fn add_histogram(to: &mut Histogram, more: &Histogram) {
    // It stays finite, as that of each run is.
    to.sum = (to.sum + more.sum).clamp(f64::MIN, f64::MAX);
    to.above = to.above.saturating_add(more.above);
    for ((_, count), (_, more)) in to.buckets.iter_mut().zip(&more.buckets) {
        *count = count.saturating_add(*more);
    }
}

fn add<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (word, count) in more {
        *to.entry(word.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugbay_core::GuestMetric;

    use super::*;

    fn stats(instantiations: u64, hits: u64) -> PluginStats {
        let metrics = vec![GuestMetric::counter("hits", hits)];
        let cpu_seconds = Some(0.25);
        PluginStats { instantiations, cpu_seconds, metrics, ..PluginStats::default() }
    }

    #[test]
    fn counts_that_a_runtime_forgets_do_not_go_back() {
        let figures = Figures::default();
        figures.keep(&stats(3, 7));
        figures.keep(&stats(1, 0));
        figures.keep(&PluginStats::default());
        let totals = figures.totals();
        assert_eq!((totals.stats.instantiations, totals.stats.guest["hits"]), (3, 7));
    }

    /// The stats of a plugin that observed these values, with buckets up to these bounds.
    fn observed(bounds: [f64; 2], values: &[f64]) -> PluginStats {
        let within = |le: f64| values.iter().filter(|value| **value <= le).count() as u64;
        let buckets = bounds.iter().map(|le| Bucket { le: *le, count: within(*le) }).collect();
        let (sum, count) = (values.iter().sum(), values.len() as u64);
        let value = MetricValue::Histogram { buckets, sum, count };
        let metrics = vec![GuestMetric { value, ..GuestMetric::counter("seconds", 0) }];
        PluginStats { metrics, ..PluginStats::default() }
    }

    #[test]
    fn histograms_of_the_same_bounds_are_added_and_none_goes_back() {
        let (mut all, figures) = (Totals::default(), Figures::default());
        figures.keep(&observed([1.0, 2.0], &[0.5, 1.5, 1.5, 9.0]));
        figures.keep(&observed([1.0, 2.0], &[0.5]));
        all.add(&figures.totals());
        all.add(&figures.totals());
        let buckets = vec![(1.0, 2), (2.0, 4)];
        let expected = Histogram { sum: 25.0, buckets, above: 2 };
        assert_eq!(all.stats.histograms["seconds"], expected);

        let figures = Figures::default();
        figures.keep(&observed([1.0, 4.0], &[3.0]));
        all.add(&figures.totals());
        let expected = Histogram { sum: 3.0, buckets: vec![(1.0, 0), (4.0, 1)], above: 0 };
        assert_eq!(all.stats.histograms["seconds"], expected, "other bounds begin at zero");
    }

    #[test]
    fn the_runs_of_one_version_are_added() {
        let mut all = Totals::default();
        for _ in 0..2 {
            let figures = Figures::default();
            figures.tally.answered();
            figures.tally.took(Duration::from_millis(3));
            figures.tally.failed("trap");
            figures.transitions.add("unhealthy");
            figures.keep(&stats(1, u64::MAX));
            all.add(&figures.totals());
        }
        assert_eq!((all.calls.answered, all.calls.failed["trap"]), (2, 2));
        assert_eq!((all.transitions["unhealthy"], all.stats.instantiations), (2, 2));
        assert_eq!((all.durations.count, all.stats.cpu_seconds), (2, Some(0.5)));
        assert_eq!(all.stats.guest["hits"], u64::MAX);
    }
}
