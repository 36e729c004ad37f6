//! Restarts unhealthy plugins, with pauses that grow, and not for ever.

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

/// How long a restart counts.
const WINDOW: Duration = Duration::from_secs(600);
/// After what time the reconciler looks whether a restart helped.
const SOON: Duration = Duration::from_millis(100);

/// What was begun for unhealthy plugins. Lives with the reconciler.
///
/// It is no part of a look: whatever is refused now, what serves is to be well.
pub(crate) struct Restarter {
    shared: Arc<HostState>,
    /// By plugin: also of those that are well again, as long as their restarts count.
    patients: BTreeMap<String, UnhealthyPlugin>,
}

struct UnhealthyPlugin {
    /// Whose restarts are counted: another version, or another configuration, has its own.
    identity: PluginIdentity,
    /// The version that is unhealthy.
    running: Weak<Leased<Running>>,
    restarts: Restarts,
    step: Step,
    /// Why it would not start the last time.
    refused: Option<Rejection>,
}

/// What comes next for a plugin that is unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Decide what.
    Decide,
    /// Restart it, not earlier than this.
    At(Instant),
    /// It was started so often that it is left alone until then.
    LeaveUntil(Instant),
}

impl UnhealthyPlugin {
    fn new(sick: &Running) -> Self {
        Self {
            identity: sick.identity.clone(),
            running: Weak::new(),
            restarts: Restarts::new(rules(sick.identity.policy.protection.restarts)),
            step: Step::Decide,
            refused: None,
        }
    }

    /// The version that is unhealthy, if it still serves, and alone: a trial is decided first.
    fn sick(&self, generation: &Generation) -> Option<Arc<Leased<Running>>> {
        let member = generation.plugins.get(&self.identity.name)?;
        let running = self.running.upgrade()?;
        let serves = member.canary.is_none() && Arc::ptr_eq(&member.running, &running);
        (serves && !running.guard.health().is_healthy()).then_some(running)
    }
}

impl Restarter {
    pub(crate) fn new(shared: Arc<HostState>) -> Self {
        Self { shared, patients: BTreeMap::new() }
    }

    /// The members of a generation that are to be restarted now.
    pub(crate) fn due(&mut self, generation: &Generation, now: Instant) -> Vec<Member> {
        for sick in self.shared.take_unhealthy() {
            self.admit(&sick, generation);
        }
        let mut due = Vec::new();
        self.patients.retain(|name, patient| {
            let Some(sick) = patient.sick(generation) else {
                // Well again, or replaced. Earlier restarts count on.
                patient.refused = None;
                if let Step::At(_) = std::mem::replace(&mut patient.step, Step::Decide) {
                    patient.restarts.forgo();
                }
                return !patient.restarts.forget_if_quiet(now);
            };
            if patient.step == Step::Decide {
                patient.step = decide(&self.shared, &sick, &mut patient.restarts, now);
            }
            match patient.step {
                Step::At(at) if at <= now => {
                    due.extend(generation.plugins.get(name).cloned());
                    // If it does not help, this version is still there at the next look.
                    patient.step = Step::Decide;
                    self.shared.look_after(SOON);
                }
                Step::LeaveUntil(at) if at <= now => {
                    patient.step = Step::Decide;
                    self.shared.look_after(Duration::ZERO);
                }
                _ => {}
            }
            true
        });
        due
    }

    /// A plugin was found not to be well.
    fn admit(&mut self, sick: &Arc<Leased<Running>>, generation: &Generation) {
        let name = &sick.identity.name;
        let on_trial = generation.plugins.get(name).and_then(|member| {
            member.canary.as_ref().filter(|canary| Arc::ptr_eq(&canary.running, sick))
        });
        if let Some(canary) = on_trial {
            let why = sick.health.why().unwrap_or_default();
            roll_back_trial(&canary.trial, &self.shared, format!("its health checks fail: {why}"));
            return;
        }
        if sick.identity.policy.protection.restarts == 0 {
            return;
        }
        let patient =
            self.patients.entry(name.clone()).or_insert_with(|| UnhealthyPlugin::new(sick));
        if patient.identity != sick.identity {
            *patient = UnhealthyPlugin::new(sick);
        }
        patient.running = Arc::downgrade(sick);
        patient.step = Step::Decide;
    }

    /// Takes note of what came of restarting these.
    pub(crate) fn tried(&mut self, started: &[StartedPlugin], refused: Vec<Rejection>) {
        for fresh in started {
            if let Some(patient) = self.patients.get_mut(&fresh.wanted.identity.name) {
                patient.refused = None;
            }
        }
        for refused in refused {
            let patient = refused.plugin.as_ref().and_then(|name| self.patients.get_mut(name));
            if let Some(patient) = patient {
                patient.refused = Some(refused);
            }
        }
    }

    /// Why plugins did not restart. A look finds nothing wrong with
    /// them.
    pub(crate) fn refused(&self) -> Vec<Rejection> {
        self.patients.values().filter_map(|patient| patient.refused.clone()).collect()
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

fn decide(shared: &Arc<HostState>, sick: &Running, restarts: &mut Restarts, now: Instant) -> Step {
    let plugin = sick.label.to_string();
    let wait = match restarts.next(now, fastrand::u64(..)) {
        Next::Now => Duration::ZERO,
        Next::Wait(wait) => wait,
        Next::Exhausted { since, restarts } => {
            let because = sick.health.why().unwrap_or_default();
            if sick.health.enter_crash_loop(restarts) {
                shared.journal.note_now(Outcome::CrashLoop { plugin, restarts, because });
            }
            let until = since + WINDOW;
            shared.look_after(until.saturating_duration_since(now));
            return Step::LeaveUntil(until);
        }
    };
    let outcome = Outcome::Restarting { plugin, in_ms: millis(wait) };
    shared.journal.note_now(outcome);
    if !wait.is_zero() {
        shared.look_after(wait);
    }
    Step::At(now + wait)
}
