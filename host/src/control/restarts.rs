//! Restarts unhealthy plugins, with growing pauses and a budget.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use plugbay_guard::{Next, RestartRules, Restarts};
use plugbay_registry::Leased;

use super::canary::roll_back_trial;
use super::shared::HostState;
use crate::change::StartedPlugin;
use crate::report::{Outcome, Rejection, millis};
use crate::set::{Generation, Member, PluginIdentity, Running};

/// How long a restart counts against the budget.
const WINDOW: Duration = Duration::from_secs(600);
/// The time after a restart at which the reconciler checks whether it succeeded.
const SOON: Duration = Duration::from_millis(100);

/// The restarts of unhealthy plugins. Lives with the reconciler. Restarts do not depend on what a
/// reconciliation refuses: the serving version is restarted.
pub(crate) struct Restarter {
    shared: Arc<HostState>,
    /// By plugin name, including plugins that are healthy again, as long as their restarts count.
    plugins: BTreeMap<String, UnhealthyPlugin>,
}

struct UnhealthyPlugin {
    /// The identity whose restarts are counted: another version, or another configuration, has its
    /// own count.
    identity: PluginIdentity,
    /// The version that is unhealthy.
    running: Weak<Leased<Running>>,
    restarts: Restarts,
    step: Step,
    /// Why its last restart failed.
    refused: Option<Rejection>,
}

/// The next step for an unhealthy plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Decide whether and when to restart it.
    Decide,
    /// Restart it at this time.
    At(Instant),
    /// The budget is used up: do not restart it before this time.
    GiveUpUntil(Instant),
}

impl UnhealthyPlugin {
    fn new(running: &Running) -> Self {
        Self {
            identity: running.identity.clone(),
            running: Weak::new(),
            restarts: Restarts::new(rules(running.identity.policy.protection.restarts)),
            step: Step::Decide,
            refused: None,
        }
    }

    /// The unhealthy version, if it still serves and no trial is running: a trial is decided first.
    fn unhealthy_version(&self, generation: &Generation) -> Option<Arc<Leased<Running>>> {
        let member = generation.plugins.get(&self.identity.name)?;
        let running = self.running.upgrade()?;
        let serves = member.canary.is_none() && Arc::ptr_eq(&member.running, &running);
        (serves && !running.guard.health().is_healthy()).then_some(running)
    }
}

impl Restarter {
    pub(crate) fn new(shared: Arc<HostState>) -> Self {
        Self { shared, plugins: BTreeMap::new() }
    }

    /// The members of a generation that are due for a restart now.
    pub(crate) fn due(&mut self, generation: &Generation, now: Instant) -> Vec<Member> {
        for running in self.shared.take_unhealthy() {
            self.admit(&running, generation);
        }
        let mut due = Vec::new();
        self.plugins.retain(|name, unhealthy| {
            let Some(running) = unhealthy.unhealthy_version(generation) else {
                // Healthy again, or replaced. Earlier restarts still count.
                unhealthy.refused = None;
                if let Step::At(_) = std::mem::replace(&mut unhealthy.step, Step::Decide) {
                    unhealthy.restarts.cancel_last();
                }
                return !unhealthy.restarts.forget_if_quiet(now);
            };
            if unhealthy.step == Step::Decide {
                unhealthy.step = decide(&self.shared, &running, &mut unhealthy.restarts, now);
            }
            match unhealthy.step {
                Step::At(at) if at <= now => {
                    due.extend(generation.plugins.get(name).cloned());
                    // If the restart fails, this version is still there at the next reconciliation.
                    unhealthy.step = Step::Decide;
                    self.shared.wake_after(SOON);
                }
                Step::GiveUpUntil(at) if at <= now => {
                    unhealthy.step = Step::Decide;
                    self.shared.wake_after(Duration::ZERO);
                }
                _ => {}
            }
            true
        });
        due
    }

    /// Adds a plugin that became unhealthy.
    fn admit(&mut self, running: &Arc<Leased<Running>>, generation: &Generation) {
        let name = &running.identity.name;
        let on_trial = generation.plugins.get(name).and_then(|member| {
            member.canary.as_ref().filter(|canary| Arc::ptr_eq(&canary.running, running))
        });
        if let Some(canary) = on_trial {
            let error = running.health.last_error().unwrap_or_default();
            roll_back_trial(
                &canary.trial,
                &self.shared,
                format!("its health checks fail: {error}"),
            );
            return;
        }
        if running.identity.policy.protection.restarts == 0 {
            return;
        }
        let unhealthy =
            self.plugins.entry(name.clone()).or_insert_with(|| UnhealthyPlugin::new(running));
        if unhealthy.identity != running.identity {
            *unhealthy = UnhealthyPlugin::new(running);
        }
        unhealthy.running = Arc::downgrade(running);
        unhealthy.step = Step::Decide;
    }

    /// Records the results of restarts.
    pub(crate) fn tried(&mut self, started: &[StartedPlugin], refused: Vec<Rejection>) {
        for fresh in started {
            if let Some(unhealthy) = self.plugins.get_mut(&fresh.wanted.identity.name) {
                unhealthy.refused = None;
            }
        }
        for refused in refused {
            let unhealthy = refused.plugin.as_ref().and_then(|name| self.plugins.get_mut(name));
            if let Some(unhealthy) = unhealthy {
                unhealthy.refused = Some(refused);
            }
        }
    }

    /// Why plugins failed to restart. A reconciliation does not find these failures.
    pub(crate) fn refused(&self) -> Vec<Rejection> {
        self.plugins.values().filter_map(|unhealthy| unhealthy.refused.clone()).collect()
    }
}

fn rules(budget: u32) -> RestartRules {
    RestartRules {
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
        budget,
        window: WINDOW,
        quiet: WINDOW,
    }
}

fn decide(
    shared: &Arc<HostState>,
    running: &Running,
    restarts: &mut Restarts,
    now: Instant,
) -> Step {
    let plugin = running.label.to_string();
    let wait = match restarts.next(now, fastrand::u64(..)) {
        Next::Now => Duration::ZERO,
        Next::Wait(wait) => wait,
        Next::Exhausted { since, restarts } => {
            let because = running.health.last_error().unwrap_or_default();
            if running.health.enter_crash_loop(restarts) {
                shared.journal.note_now(Outcome::CrashLoop { plugin, restarts, because });
            }
            let until = since + WINDOW;
            shared.wake_after(until.saturating_duration_since(now));
            return Step::GiveUpUntil(until);
        }
    };
    let outcome = Outcome::Restarting { plugin, in_ms: millis(wait) };
    shared.journal.note_now(outcome);
    if !wait.is_zero() {
        shared.wake_after(wait);
    }
    Step::At(now + wait)
}
