//! Asks plugins, from time to time, whether they are well.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use plugbay_core::{CallError, CallErrorKind};
use plugbay_guard::{Health, Streak};
use plugbay_registry::Leased;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::generation::Running;
use crate::outcome::Outcome;
use crate::shared::Shared;
use crate::status::timestamp;

/// How long an answer may be late before nobody waits for it any more: native code cannot be
/// stopped, and a limit of CPU time is kept to a tick.
const GRACE: Duration = Duration::from_millis(100);

/// What the checks say of one plugin version.
#[derive(Default)]
pub(crate) struct HealthRecord(Mutex<HealthStatus>);

/// What the health checks say of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthStatus {
    /// Whether it gets calls.
    pub healthy: bool,
    /// Since when.
    #[serde(serialize_with = "timestamp")]
    pub since: SystemTime,
    /// What the last bad answer was, while it counts.
    pub why: Option<String>,
    /// How often it was started anew before it was left alone, if it was.
    pub crash_loop: Option<u32>,
    /// How often it was asked.
    pub asked: u64,
}

impl Default for HealthStatus {
    fn default() -> Self {
        Self { healthy: true, since: SystemTime::now(), why: None, crash_loop: None, asked: 0 }
    }
}

impl HealthRecord {
    pub(crate) fn status(&self) -> HealthStatus {
        self.lock().clone()
    }

    /// What the last bad answer was.
    pub(crate) fn why(&self) -> Option<String> {
        self.lock().why.clone()
    }

    /// It was started anew so often that it is left alone. Returns whether that is news.
    pub(crate) fn is_crash_loop(&self, restarts: u32) -> bool {
        self.lock().crash_loop.replace(restarts).is_none()
    }

    /// Keeps an answer.
    fn answered(&self, answer: &Result<(), CallError>) {
        let mut status = self.lock();
        status.asked += 1;
        status.why = answer.as_ref().err().map(|error| error.message().to_owned());
    }

    fn changed(&self, health: Health) {
        let mut status = self.lock();
        status.healthy = health.is_healthy();
        status.crash_loop = None;
        status.since = SystemTime::now();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HealthStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to ask a plugin that was just published. Ends by itself once the plugin leaves.
pub(crate) fn follow(shared: &Arc<Shared>, running: &Arc<Leased<Running>>) {
    if running.identity.policy.protection.health_every.is_zero() {
        return;
    }
    let (shared, running) = (Arc::downgrade(shared), Arc::downgrade(running));
    if let Some(tokio) = shared.upgrade().map(|shared| shared.tokio.clone()) {
        tokio.spawn(ask_for_ever(shared, running));
    }
}

async fn ask_for_ever(shared: Weak<Shared>, plugin: Weak<Leased<Running>>) {
    let Some(rules) = plugin.upgrade().map(|it| it.identity.policy.protection.clone()) else {
        return;
    };
    let mut streak = Streak::new(rules.health_fall, rules.health_rise);
    let mut question = None;
    loop {
        tokio::time::sleep(jittered(rules.health_every)).await;
        let Some(asked) = shared.upgrade().map(|shared| Arc::clone(&shared.probes)) else { return };
        let Some(running) = plugin.upgrade().filter(|running| !running.is_closed()) else { return };
        let answer = ask(&asked, &running, rules.health_deadline, &mut question).await;
        if matches!(&answer, Err(error) if error.kind() == CallErrorKind::Overloaded) {
            // All its instances are busy: that says nothing of its health.
            continue;
        }
        running.health.answered(&answer);
        let Some(health) = streak.note(answer.is_ok()) else { continue };
        let Some(shared) = shared.upgrade() else { return };
        running.health.changed(health);
        if let Some(transition) = running.guard.set_health(health) {
            let because = answer.as_ref().err();
            if let Some(outcome) = Outcome::of_guard(&running.label, transition, because) {
                shared.journal.note_now(outcome);
            }
        }
        if !health.is_healthy() {
            shared.is_sick(&running);
        }
    }
}

/// A question that is under way.
type Question = JoinHandle<Result<(), CallError>>;

/// Asks once; not more plugins at the same time than may be. A question that got no answer in
/// time stays, and another is only asked once it is over: each holds a thread.
async fn ask(
    probes: &Semaphore,
    running: &Arc<Leased<Running>>,
    within: Duration,
    under_way: &mut Option<Question>,
) -> Result<(), CallError> {
    // It is never closed.
    let _turn = probes.acquire().await;
    let question = under_way.get_or_insert_with(|| {
        let plugin = Arc::clone(&running.plugin);
        tokio::task::spawn_blocking(move || plugin.health(within))
    });
    let answer = tokio::time::timeout(within + GRACE, question).await;
    if answer.is_ok() {
        *under_way = None;
    }
    match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => Err(CallError::new(CallErrorKind::Panic, panicked.to_string())),
        Err(_elapsed) => {
            let message = format!("expected an answer to health within {within:?}");
            Err(CallError::new(CallErrorKind::Deadline, message))
        }
    }
}

/// From 90 % to 110 % of a duration: plugins that were started together are asked apart.
fn jittered(every: Duration) -> Duration {
    every.mul_f64(0.9 + 0.2 * fastrand::f64())
}
