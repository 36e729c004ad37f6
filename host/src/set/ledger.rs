//! Keeps the counts of plugin versions, whether they serve or not, so that no counter ever goes back and
//! the last increments of a retired version are still read.
//!
//! A series is identified by a plugin's name and version. The same version may be started often: after a
//! change of its configuration, by a restart, by a rollback. So the ledger adds up all its runs. A run that
//! is freed is folded into one sum; until then the ledger shares its [`Figures`], so that a call that
//! outlives the drain deadline is counted too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use plugbay_core::PluginStats;
use plugbay_registry::Leased;

use super::figures::{Figures, Totals};
use super::running::Running;

/// How long the counts of a version that is gone are still shown, at least: five minutes are more than two
/// scrapes at the intervals that are usual, and the time after which Prometheus forgets a series.
const SHOWN: Duration = Duration::from_secs(300);
/// How many versions of one plugin are shown that are gone: those that went last.
const MAX_SHOWN: usize = 32;
/// How many versions are remembered that are gone, of all plugins together: if one of them comes back, its
/// counts go on.
const MAX_GONE: usize = 1024;
/// After how many new runs those that are freed are folded, if nobody scrapes.
const SETTLE_EVERY: u64 = 64;

/// The counts of all plugin versions, by name and version.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// By name and version.
    versions: BTreeMap<(String, String), Entry>,
    /// How many runs there were: the order in which they came.
    runs: u64,
}

#[derive(Default)]
struct Entry {
    runs: Vec<Run>,
    /// The counts of the runs that are freed.
    freed: Totals,
    restarts: u64,
    /// The number of the latest run.
    latest: u64,
    /// When it was first seen that no run is left.
    gone: Option<Instant>,
}

#[derive(Clone)]
struct Run {
    running: Weak<Leased<Running>>,
    figures: Arc<Figures>,
}

/// The counts of one version, and its runs.
pub(crate) struct Row {
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) totals: Totals,
    pub(crate) restarts: u64,
    /// The runs that still live, the latest last: they serve or drain.
    pub(crate) live: Vec<Live>,
}

/// A run that lives.
pub(crate) struct Live {
    pub(crate) running: Arc<Leased<Running>>,
    pub(crate) stats: PluginStats,
}

impl Ledger {
    /// Adds a version that was started. Called before it serves.
    pub(crate) fn add(&self, running: &Arc<Leased<Running>>) {
        let run = Run { running: Arc::downgrade(running), figures: Arc::clone(&running.figures) };
        let mut entries = self.entries();
        entries.runs += 1;
        let latest = entries.runs;
        let entry = entries.versions.entry(key(running)).or_default();
        entry.runs.push(run);
        (entry.latest, entry.gone) = (latest, None);
        // A host that nobody scrapes must not keep the figures of every run.
        if latest.is_multiple_of(SETTLE_EVERY) {
            entries.settle(Instant::now());
        }
    }

    /// Counts a restart of a version.
    pub(crate) fn restarted(&self, running: &Running) {
        self.entries().versions.entry(key(running)).or_default().restarts += 1;
    }

    /// The counts of every version that lives, or is gone for less than [`SHOWN`].
    pub(crate) fn rows(&self, now: Instant) -> Vec<Row> {
        let shown = self.entries().shown(now);
        // No lock is held: an application may bring a runtime of its own, and its code is called.
        shown.into_iter().map(|(key, entry)| row(key, entry)).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(running: &Running) -> (String, String) {
    (running.identity.name.clone(), running.description.version.to_string())
}

/// What is shown of an entry.
struct Shown {
    runs: Vec<Run>,
    freed: Totals,
    restarts: u64,
}

fn row((plugin, version): (String, String), entry: Shown) -> Row {
    let Shown { runs, freed: mut totals, restarts } = entry;
    let mut live = Vec::new();
    for Run { running, figures } in runs {
        if let Some(running) = running.upgrade() {
            let stats = running.plugin.stats();
            figures.keep(&stats);
            live.push(Live { running, stats });
        }
        totals.add(&figures.totals());
    }
    Row { plugin, version, totals, restarts, live }
}

impl Entries {
    /// Folds the runs that are freed, and forgets the versions that are gone for longest.
    fn settle(&mut self, now: Instant) {
        for entry in self.versions.values_mut() {
            let Entry { runs, freed, .. } = entry;
            // The figures of a run are held only here once it is freed and nobody reads them.
            runs.retain_mut(|run| match Arc::get_mut(&mut run.figures) {
                Some(figures) => {
                    freed.add(&figures.totals());
                    false
                }
                None => true,
            });
            if runs.is_empty() {
                entry.gone.get_or_insert(now);
            }
        }
        let gone = self.versions.iter().filter(|(_, entry)| entry.gone.is_some());
        let gone: Vec<(u64, (String, String))> =
            gone.map(|(key, entry)| (entry.latest, key.clone())).collect();
        if gone.len() > MAX_GONE {
            let mut gone = gone;
            gone.sort();
            for (_, key) in &gone[..gone.len() - MAX_GONE] {
                self.versions.remove(key);
            }
        }
    }

    fn shown(&mut self, now: Instant) -> Vec<((String, String), Shown)> {
        self.settle(now);
        // By plugin, the versions that are gone, the latest last.
        let mut gone: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for ((plugin, _), entry) in &self.versions {
            if entry.gone.is_some() {
                gone.entry(plugin).or_default().push(entry.latest);
            }
        }
        for latest in gone.values_mut() {
            latest.sort_unstable();
            latest.drain(..latest.len().saturating_sub(MAX_SHOWN));
        }
        let is_shown = |plugin: &str, entry: &Entry| match entry.gone {
            None => true,
            Some(since) => {
                let latest = gone.get(plugin).is_some_and(|it| it.contains(&entry.latest));
                latest && now.saturating_duration_since(since) < SHOWN
            }
        };
        let shown = self.versions.iter().filter(|((plugin, _), entry)| is_shown(plugin, entry));
        let shown = shown.map(|(key, entry)| {
            let (runs, freed) = (entry.runs.clone(), entry.freed.clone());
            (key.clone(), Shown { runs, freed, restarts: entry.restarts })
        });
        shown.collect()
    }
}
