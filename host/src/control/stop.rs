//! Stops a host: waits for calls and shuts plugins down, all within one deadline.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use plugbay_core::split_label;
use plugbay_registry::Leased;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::drain::{calls_ended, deadline_outcome};
use super::shared::HostState;
use crate::report::{Outcome, millis};
use crate::set::Running;

/// The minimum time for all shutdowns together, even if the calls used up the deadline.
const MIN_SHUTDOWN_TIME: Duration = Duration::from_secs(1);
/// The longest wait; a longer one could overflow the clock.
const MAX_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The instant after this wait.
pub(crate) fn after(wait: Duration) -> Instant {
    Instant::now() + wait.min(MAX_WAIT)
}

/// Refuses new calls, waits for those in flight until `end`, and shuts down every version: those
/// that serve, and retired ones that are not shut down yet. Returns the `name@version` of versions
/// whose calls did not end. A plugin that names another in `after` is shut down before it; all
/// others are shut down at the same time, so that many that hang take no longer than one. The
/// groups share the remaining time. The host must be stopped before, so that the cell holds its
/// last set.
pub(crate) async fn stop_all(shared: &Arc<HostState>, end: Instant) -> Vec<String> {
    let published = shared.cell.load();
    let generation = &published.generation;
    let serving = generation.plugins.iter().flat_map(|(_, member)| member.all().cloned());
    let serving: Vec<_> = serving.collect();
    generation.users.close();
    for running in &serving {
        running.close();
    }
    // A call that began in an earlier generation may still reach what this one shares with it.
    let users = shared.draining.add_replaced(&generation.users);
    let depths = generation.config.start_depths();
    let mut groups: BTreeMap<Reverse<usize>, Vec<Arc<Leased<Running>>>> = BTreeMap::new();
    for running in shared.draining.versions().into_iter().chain(serving) {
        let depth = depths.get(&*running.identity.name).copied().unwrap_or_default();
        groups.entry(Reverse(depth)).or_default().push(running);
    }
    let all = u32::try_from(groups.len()).unwrap_or(u32::MAX);
    let mut unfinished = Vec::new();
    for (left, group) in (1..=all).rev().zip(groups.into_values()) {
        let mut going = JoinSet::new();
        for running in group {
            let (shared, users) = (Arc::clone(shared), users.clone());
            let number = generation.number;
            going.spawn(async move {
                let name = running.label.to_string();
                let outcome = shut_down_one(&shared, running, &users, end, |now| {
                    (end.saturating_duration_since(now) / left).max(MIN_SHUTDOWN_TIME / all)
                });
                let (in_time, outcome) = outcome.await;
                if let Some(outcome) = outcome {
                    shared.journal.note(number, outcome);
                }
                (!in_time).then_some(name)
            });
        }
        while let Some(late) = going.join_next().await {
            unfinished.extend(late.ok().flatten());
        }
    }
    unfinished
}

/// Waits for a version's calls until `end`, and shuts it down. Returns whether the calls ended, and
/// the outcome to report, unless another task reports it.
async fn shut_down_one(
    shared: &HostState,
    running: Arc<Leased<Running>>,
    users: &[Arc<Leased<()>>],
    end: Instant,
    bound: impl FnOnce(Instant) -> Duration,
) -> (bool, Option<Outcome>) {
    let began = Instant::now();
    let in_time = timeout_at(end, calls_ended(&running, users)).await.is_ok();
    let (label, late) = (Arc::clone(&running.label), deadline_outcome(&running, users));
    let (first, mut gone) = shared.draining.shutdown(running);
    if timeout(bound(Instant::now()), gone.wait_for(|gone| *gone)).await.is_err() {
        let (plugin, version) = split_label(&label);
        tracing::warn!(plugin, version, "the plugin's shutdown did not return in time");
    }
    let drained =
        || Outcome::Drained { plugin: label.to_string(), took_ms: millis(began.elapsed()) };
    (in_time, first.then(|| if in_time { drained() } else { late }))
}
