//! Asks plugins, from time to time, whether they are well.

use std::sync::{Arc, Weak};
use std::time::Duration;

use plugbay_core::{CallError, CallErrorKind};
use plugbay_guard::Streak;
use plugbay_registry::Leased;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::shared::HostState;
use crate::report::Outcome;
use crate::set::{Running, spawn_dedicated};

/// How late an answer may be before the check counts as failed: native code cannot be
/// stopped, and a limit of CPU time is kept to a tick.
const GRACE: Duration = Duration::from_millis(100);

/// Begins to ask a plugin that was just published. Ends by itself once the plugin leaves.
pub(crate) fn follow(shared: &Arc<HostState>, running: &Arc<Leased<Running>>) {
    if running.identity.policy.protection.health_every.is_zero() {
        return;
    }
    let (shared, running) = (Arc::downgrade(shared), Arc::downgrade(running));
    if let Some(tokio) = shared.upgrade().map(|shared| shared.tokio.clone()) {
        tokio.spawn(ask_for_ever(shared, running));
    }
}

async fn ask_for_ever(shared: Weak<HostState>, plugin: Weak<Leased<Running>>) {
    let known =
        plugin.upgrade().map(|it| (it.identity.policy.protection.clone(), it.shutdown.heard()));
    let Some((rules, mut gone)) = known else { return };
    let mut streak = Streak::new(rules.health_fall, rules.health_rise);
    let mut late = None;
    loop {
        // Where plugins are replaced often, what is kept of each until its next question adds up.
        if timeout(jittered(rules.health_every), gone.wait_for(|gone| *gone)).await.is_ok() {
            return;
        }
        let Some(probes) = shared.upgrade().map(|shared| Arc::clone(&shared.probes)) else {
            return;
        };
        let Some(running) = plugin.upgrade().filter(|running| !running.is_closed()) else { return };
        let answer = ask(&probes, &running, rules.health_deadline, &mut late).await;
        if let Some(shared) = shared.upgrade() {
            note(&shared, &running, &mut streak, &answer);
        }
    }
}

/// Counts an answer, and has a plugin looked at that is unhealthy.
fn note(
    shared: &Arc<HostState>,
    running: &Arc<Leased<Running>>,
    streak: &mut Streak,
    answer: &Result<(), CallError>,
) {
    if matches!(answer, Err(error) if error.kind() == CallErrorKind::Overloaded) {
        // It could not be asked: that says nothing of its health.
        return;
    }
    running.health.answered(answer);
    let Some(health) = streak.note(answer.is_ok()) else { return };
    running.health.changed(health);
    if let Some(transition) = running.guard.set_health(health) {
        let because = answer.as_ref().err();
        if let Some(outcome) = Outcome::of_guard(&running.label, transition, because) {
            shared.journal.note_now(outcome);
        }
    }
    if !health.is_healthy() {
        shared.report_unhealthy(running);
    }
}

/// A question that is under way.
type Question = oneshot::Receiver<Result<(), CallError>>;

/// Asks once; not more plugins at the same time than may be. A question that got no answer in
/// time is kept in `late`, and another is only asked once it is over: each holds a thread. What is
/// answered late is no answer to the next question.
async fn ask(
    probes: &Semaphore,
    running: &Running,
    within: Duration,
    late: &mut Option<Question>,
) -> Result<(), CallError> {
    // It is never closed.
    let _turn = probes.acquire().await;
    let silent = || {
        let message = format!("expected an answer to health within {within:?}");
        Err(CallError::new(CallErrorKind::Deadline, message))
    };
    if let Some(question) = late {
        if timeout(within + GRACE, question).await.is_err() {
            return silent();
        }
        *late = None;
    }
    let plugin = Arc::clone(&*running.plugin);
    let asked = spawn_dedicated("health", move || plugin.health(within));
    let mut question = asked.map_err(|error| {
        let message = format!("expected a thread to ask for its health: {error}");
        CallError::new(CallErrorKind::Overloaded, message)
    })?;
    match timeout(within + GRACE, &mut question).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_gone)) => {
            let message = "expected an answer to health, found a panic";
            Err(CallError::new(CallErrorKind::Panic, message))
        }
        Err(_elapsed) => {
            *late = Some(question);
            silent()
        }
    }
}

/// From 90 % to 110 % of a duration: plugins that were started together are asked apart.
fn jittered(every: Duration) -> Duration {
    every.mul_f64(0.9 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_that_were_started_together_are_asked_apart() {
        let every = Duration::from_secs(10);
        let pauses: Vec<Duration> = (0..1000).map(|_| jittered(every)).collect();
        let (least, most) = (every.mul_f64(0.9), every.mul_f64(1.1));
        assert!(pauses.iter().all(|pause| (least..=most).contains(pause)));
        let early = pauses.iter().filter(|pause| **pause < every).count();
        assert!((300..700).contains(&early), "{early} of 1000 are early");
    }
}
