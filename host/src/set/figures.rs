//! The counts of one plugin version, which outlive it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use plugbay_core::{GuestMetric, PluginStats};

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
    pub(crate) denied: BTreeMap<Cow<'static, str>, u64>,
    pub(crate) limited: BTreeMap<Cow<'static, str>, u64>,
    /// The plugin's own counters.
    pub(crate) guest: BTreeMap<String, u64>,
}

/// All counts of plugin versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) calls: CallStatus,
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
        for (known, read) in
            [(&mut self.denied, &stats.denied), (&mut self.limited, &stats.limited)]
        {
            for (word, count) in read {
                raise(known.entry(word.clone()).or_default(), *count);
            }
        }
        for metric in &stats.metrics {
            if let GuestMetric::Counter { name, value } = metric {
                match self.guest.get_mut(name) {
                    Some(count) => raise(count, *value),
                    None => drop(self.guest.insert(name.clone(), *value)),
                }
            }
        }
    }
}

fn raise(count: &mut u64, read: u64) {
    *count = (*count).max(read);
}

impl Totals {
    /// Adds the counts of another run of the same version.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { calls, transitions, stats } = self;
        calls.answered += other.calls.answered;
        calls.cancelled += other.calls.cancelled;
        add(&mut calls.failed, &other.calls.failed);
        add(transitions, &other.transitions);
        stats.instantiations += other.stats.instantiations;
        stats.discarded += other.stats.discarded;
        add(&mut stats.denied, &other.stats.denied);
        add(&mut stats.limited, &other.stats.limited);
        for (name, count) in &other.stats.guest {
            let known = stats.guest.entry(name.clone()).or_default();
            // A plugin chooses these.
            *known = known.saturating_add(*count);
        }
    }
}

fn add<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (word, count) in more {
        *to.entry(word.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(instantiations: u64, hits: u64) -> PluginStats {
        let metrics = vec![GuestMetric::Counter { name: "hits".into(), value: hits }];
        PluginStats { instantiations, metrics, ..PluginStats::default() }
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

    #[test]
    fn the_runs_of_one_version_are_added() {
        let mut all = Totals::default();
        for _ in 0..2 {
            let figures = Figures::default();
            figures.tally.answered();
            figures.tally.failed("trap");
            figures.transitions.add("unhealthy");
            figures.keep(&stats(1, u64::MAX));
            all.add(&figures.totals());
        }
        assert_eq!((all.calls.answered, all.calls.failed["trap"]), (2, 2));
        assert_eq!((all.transitions["unhealthy"], all.stats.instantiations), (2, 2));
        assert_eq!(all.stats.guest["hits"], u64::MAX);
    }
}
