//! Runs the periodic health checks of plugins.

use std::sync::{Arc, Weak};
use std::time::Duration;

use plugbay_core::{CallError, CallErrorKind};
use plugbay_guard::{Streak, jittered};
use plugbay_registry::Leased;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::shared::HostState;
use crate::set::{Running, spawn_dedicated};

/// How much later than its deadline an answer may come before the check fails: native code cannot
/// be stopped, and a CPU limit has the precision of a tick.
const GRACE: Duration = Duration::from_millis(100);

/// Begins the health checks of a plugin that was just published. They end when the plugin is
/// retired.
pub(crate) fn follow(shared: &Arc<HostState>, running: &Arc<Leased<Running>>) {
    if running.identity.policy.protection.health_every.is_zero() {
        return;
    }
    let (shared, running) = (Arc::downgrade(shared), Arc::downgrade(running));
    if let Some(tokio) = shared.upgrade().map(|shared| shared.tokio.clone()) {
        tokio.spawn(check_periodically(shared, running));
    }
}

async fn check_periodically(shared: Weak<HostState>, plugin: Weak<Leased<Running>>) {
    let known =
        plugin.upgrade().map(|it| (it.identity.policy.protection.clone(), it.shutdown.subscribe()));
    let Some((rules, mut gone)) = known else { return };
    let mut streak = Streak::new(rules.health_fall, rules.health_rise);
    let mut late = None;
    loop {
        // Ends as soon as the plugin is gone: where plugins are replaced often, waiting tasks would
        // pile up.
        if timeout(jittered(rules.health_every, fastrand::f64()), gone.wait_for(|gone| *gone))
            .await
            .is_ok()
        {
            return;
        }
        let Some(probes) = shared.upgrade().map(|shared| Arc::clone(&shared.probes)) else {
            return;
        };
        let Some(running) = plugin.upgrade().filter(|running| !running.is_closed()) else { return };
        let answer = probe(&probes, &running, rules.health_deadline, &mut late).await;
        if let Some(shared) = shared.upgrade() {
            note(&shared, &running, &mut streak, &answer);
        }
    }
}

/// Counts the result of a check, and reports an unhealthy plugin to the reconciler.
fn note(
    shared: &Arc<HostState>,
    running: &Arc<Leased<Running>>,
    streak: &mut Streak,
    answer: &Result<(), CallError>,
) {
    if matches!(answer, Err(error) if error.kind() == CallErrorKind::Overloaded) {
        // The plugin could not be called: that says nothing about its health.
        return;
    }
    running.health.record(answer);
    let Some(health) = streak.note(answer.is_ok()) else { return };
    running.health.set_health(health);
    if let Some(transition) = running.guard.set_health(health) {
        running.changed(transition, answer.as_ref().err());
    }
    if !health.is_healthy() {
        shared.report_unhealthy(running);
    }
}

/// A health check in progress.
type PendingCheck = oneshot::Receiver<Result<(), CallError>>;

/// Runs one health check, once `probes` has a permit. A check that did not end in time is kept in
/// `late`, and the next one begins only after it has ended, because each holds a thread. A late
/// answer does not count as the answer of the next check.
async fn probe(
    probes: &Semaphore,
    running: &Running,
    within: Duration,
    late: &mut Option<PendingCheck>,
) -> Result<(), CallError> {
    // The semaphore is never closed.
    let _turn = probes.acquire().await;
    let no_answer = || {
        let message = format!("no answer to the health check within {within:?}");
        Err(CallError::new(CallErrorKind::Deadline, message))
    };
    if let Some(check) = late {
        if timeout(within + GRACE, check).await.is_err() {
            return no_answer();
        }
        *late = None;
    }
    let plugin = Arc::clone(&*running.plugin);
    let started = spawn_dedicated("health", move || plugin.health(within));
    let mut check = started.map_err(|error| {
        let message = format!("cannot start a thread for the health check: {error}");
        CallError::new(CallErrorKind::Overloaded, message)
    })?;
    match timeout(within + GRACE, &mut check).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panicked)) => {
            let message = "the health check panicked";
            Err(CallError::new(CallErrorKind::Panic, message))
        }
        Err(_elapsed) => {
            *late = Some(check);
            no_answer()
        }
    }
}
