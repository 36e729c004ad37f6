//! The figures of each plugin version.
//!
//! Counters are those of all runs of the version; gauges those of the runs that live, because an older run
//! of the same version may still drain beside the one that serves. What only one run can have, such as its
//! state, is that of the run that serves.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use plugbay_core::CallErrorKind;
use plugbay_telemetry::Samples;

use super::families as f;
use crate::set::{Generation, Live, Row, Running, Totals, Trial, histogram};
use crate::status::{PluginState, state};

/// The outcomes that are no failure.
const ANSWERED: &str = "answered";
const CANCELLED: &str = "cancelled";

/// The words of [`Outcome`](crate::Outcome) that a guard changes to.
const TRANSITIONS: [&str; 5] =
    ["breaker-opened", "breaker-half-open", "breaker-closed", "unhealthy", "healthy"];

pub(super) fn collect(samples: &mut Samples, rows: &[Row], generation: &Generation) {
    let serving = serving(generation);
    for row in rows {
        let version = [&*row.plugin, &*row.version];
        counters(samples, version, &row.totals, row.restarts);
        if row.live.is_empty() {
            continue;
        }
        let sum = |figure: fn(&Live) -> u64| row.live.iter().map(figure).sum::<u64>();
        samples.gauge(&f::IN_FLIGHT, &version, sum(|live| live.running.leases() as u64));
        samples.gauge(&f::WAITING, &version, sum(|live| live.stats.waiting));
        samples.gauge(&f::INSTANCES, &version, sum(|live| live.stats.instances));
        samples.gauge(&f::MEMORY, &version, sum(|live| live.stats.memory));
        samples.gauge(&f::PEAK_MEMORY, &version, sum(|live| live.stats.peak_memory));
        if let Some((running, trial)) = serving.get(&(&*row.plugin, row.version.clone()))
            && let Some(live) = row.live.iter().find(|it| is(it, running))
        {
            one(samples, version, live, *trial);
        }
    }
}

fn is(live: &Live, running: &Running) -> bool {
    let this: &Running = &live.running;
    std::ptr::eq(this, running)
}

/// The runs that serve, by name and version. If the version on trial has the number of the stable one, it is
/// the stable one.
fn serving(generation: &Generation) -> BTreeMap<(&str, String), (&Running, Option<&Trial>)> {
    let mut serving = BTreeMap::new();
    for (name, member) in generation.plugins.iter() {
        let stable: (&Running, Option<&Trial>) = (&member.running, None);
        let canary = member.canary.as_ref();
        let canary =
            canary.map(|it| -> (&Running, Option<&Trial>) { (&it.running, Some(&it.trial)) });
        for (running, trial) in std::iter::once(stable).chain(canary) {
            let version = running.description.version.to_string();
            serving.entry((name, version)).or_insert((running, trial));
        }
    }
    serving
}

fn counters(samples: &mut Samples, version: [&str; 2], totals: &Totals, restarts: u64) {
    let [plugin, number] = version;
    let Totals { calls, durations, transitions, stats } = totals;
    samples.counter(&f::CALLS, &[plugin, number, ANSWERED], calls.answered);
    samples.counter(&f::CALLS, &[plugin, number, CANCELLED], calls.cancelled);
    for reason in CallErrorKind::ALL.map(CallErrorKind::reason) {
        // Counted as cancelled above.
        if reason != CANCELLED {
            let count = calls.failed.get(reason).copied().unwrap_or_default();
            samples.counter(&f::CALLS, &[plugin, number, reason], count);
        }
    }
    samples.histogram(&f::DURATION, &version, histogram(durations));
    if !stats.waited.is_empty() {
        samples.histogram(&f::WAITED, &version, histogram(&stats.waited));
    }
    if let Some(seconds) = stats.cpu_seconds {
        samples.counter(&f::CPU, &version, seconds);
    }
    samples.counter(&f::INSTANTIATIONS, &version, stats.instantiations);
    samples.counter(&f::DISCARDED, &version, stats.discarded);
    samples.counter(&f::RESTARTS, &version, restarts);
    for to in TRANSITIONS {
        let count = transitions.get(to).copied().unwrap_or_default();
        samples.counter(&f::TRANSITIONS, &[plugin, number, to], count);
    }
    for (grant, count) in &stats.denied {
        samples.counter(&f::DENIED, &[plugin, number, grant], *count);
    }
    for (limit, count) in &stats.limited {
        samples.counter(&f::LIMITED, &[plugin, number, limit], *count);
    }
}

/// What the run that serves has.
fn one(samples: &mut Samples, version: [&str; 2], live: &Live, trial: Option<&Trial>) {
    let [plugin, number] = version;
    let running = &**live.running;
    let digest = running.identity.digest.to_string();
    samples.info(&f::INFO, &[plugin, number, &digest, running.runtime]);
    let now = state(running, &running.health.status(), &live.stats, trial);
    for state in PluginState::ALL {
        samples.gauge(&f::STATE, &[plugin, number, state.as_str()], state == now);
    }
    let started = running.started.duration_since(SystemTime::UNIX_EPOCH);
    let started = started.unwrap_or(Duration::ZERO).as_secs_f64();
    samples.gauge(&f::START_TIME, &version, started);
    samples.gauge(&f::MEMORY_LIMIT, &version, running.identity.policy.total_memory);
    samples.gauge(&f::CODE, &version, running.code_size);
}
