//! The host's collector, and the figures of the host as a whole.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Instant;

use plugbay_telemetry::{Collector, Described, Samples};

use super::families as f;
use super::{guests, plugins};
use crate::control::HostState;
use crate::report::{PreparationOutcome, RegisterOutcome, ReloadOutcome};
use crate::set::{PublishedSet, histogram};

/// Collects the figures of a host and of its plugins, for as long as the host is there.
pub(crate) struct HostCollector(Weak<HostState>);

impl HostCollector {
    /// Its name in the registry.
    pub(crate) const NAME: &'static str = "host";

    pub(crate) fn of(shared: &Arc<HostState>) -> Arc<Self> {
        Arc::new(Self(Arc::downgrade(shared)))
    }
}

impl Collector for HostCollector {
    fn describe(&self) -> Vec<Described> {
        let families = f::ALL.iter().map(|family| Described::Family((*family).clone()));
        families.chain([Described::Namespace(guests::PREFIX.to_owned())]).collect()
    }

    fn collect(&self, samples: &mut Samples) {
        let Some(shared) = self.0.upgrade() else { return };
        let published = shared.cell.load();
        host(samples, &shared, &published);
        let mut rows = shared.ledger.rows(Instant::now());
        // If there are too many, those of versions that are gone are left out.
        rows.sort_by_key(|row| row.live.is_empty());
        plugins::collect(samples, &rows, &published.generation);
        guests::collect(samples, &rows);
    }
}

fn host(samples: &mut Samples, shared: &HostState, published: &PublishedSet) {
    let generation = &published.generation;
    samples.gauge(&f::SIZE, &[], generation.capabilities.iter().count());
    let registrations = shared.counts.registrations.all();
    for outcome in RegisterOutcome::ALL.map(RegisterOutcome::as_str) {
        let count = registrations.get(outcome).copied().unwrap_or_default();
        samples.counter(&f::REGISTER, &[outcome], count);
    }
    samples.counter(&f::LOOKUP, &["hit"], generation.counts.hits());
    samples.counter(&f::LOOKUP, &["miss"], generation.counts.misses());
    let reloads = shared.counts.reloads.all();
    for outcome in ReloadOutcome::ALL.map(ReloadOutcome::as_str) {
        let count = reloads.get(outcome).copied().unwrap_or_default();
        samples.counter(&f::RELOAD, &[outcome], count);
    }
    let durations = shared.counts.reload_durations.stats();
    samples.histogram(&f::RELOAD_DURATION, &[], histogram(&durations));

    samples.gauge(&f::GENERATION, &[], generation.number);
    samples.gauge(&f::PLUGINS, &[], generation.plugins.iter().count());
    samples.gauge(&f::PINNED, &[], published.pinned.is_some());
    samples.gauge(&f::REJECTED, &[], published.rejected.len());
    for (reason, count) in shared.counts.rejections.all() {
        samples.counter(&f::REJECTIONS, &[reason], count);
    }
    let preparations = shared.counts.preparations.all();
    for outcome in PreparationOutcome::ALL.map(PreparationOutcome::as_str) {
        let count = preparations.get(outcome).copied().unwrap_or_default();
        samples.counter(&f::PREPARATIONS, &[outcome], count);
    }
    samples.gauge(&f::PREPARING, &[], shared.preparing().len());
    samples.gauge(&f::DRAINING, &[], shared.draining.versions().len());
    samples.gauge(&f::PENDING_RESTART, &[], published.pending_restart.len());
    samples.gauge(&f::WARNINGS, &[], shared.warnings().len());
    samples.gauge(&f::WATCHER_LOST, &[], shared.watch_error().is_some());
    samples.gauge(&f::STALLED, &[], shared.liveness.step_takes().as_secs_f64());
    for (reason, count) in shared.journal.counts() {
        samples.counter(&f::EVENTS, &[reason], count);
    }
    let counts = &generation.counts;
    samples.counter(&f::FAILED_OVER, &[], counts.failed_over.load(Relaxed));
    samples.counter(&f::RETRIED, &[], counts.retried.load(Relaxed));
    samples.counter(&f::BUDGET_EXHAUSTED, &[], counts.budget_exhausted.load(Relaxed));
}
