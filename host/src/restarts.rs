//! Starts plugins anew that are not well, with pauses that grow, and not for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use plugbay_guard::{Next, RestartRules, Restarts};
use plugbay_registry::Leased;

use crate::generation::{Generation, Running};
use crate::outcome::{Outcome, millis};
use crate::shared::Shared;

/// How long a restart counts.
const WINDOW: Duration = Duration::from_secs(600);
/// After what time the reconciler looks whether a restart helped.
const SOON: Duration = Duration::from_millis(100);

/// What was begun for plugins that are not well. Lives with the reconciler.
pub(crate) struct Restarter {
    shared: Arc<Shared>,
    /// By plugin: also of those that are well again, as long as their restarts count.
    patients: BTreeMap<String, Patient>,
}

struct Patient {
    /// The version that is not well.
    running: Weak<Leased<Running>>,
    restarts: Restarts,
    step: Step,
}

/// What comes next for a plugin that is not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Decide what.
    Decide,
    /// Start it anew, not earlier than this.
    At(Instant),
    /// It was started so often that it is left alone until then.
    LeaveUntil(Instant),
}

impl Restarter {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, patients: BTreeMap::new() }
    }

    /// The plugins of a generation that are to be started anew now.
    pub(crate) fn due(&mut self, generation: &Generation, now: Instant) -> BTreeSet<String> {
        for sick in self.shared.take_sick() {
            let protection = &sick.identity.policy.protection;
            let on_trial = generation.plugins.get(&sick.identity.name).and_then(|member| {
                member.canary.as_ref().filter(|canary| Arc::ptr_eq(&canary.running, &sick))
            });
            if let Some(canary) = on_trial {
                let why = sick.health.why().unwrap_or_default();
                canary.trial.take_back(&self.shared, format!("its health checks fail: {why}"));
                continue;
            }
            if protection.restarts == 0 {
                continue;
            }
            let fresh = || Patient {
                running: Weak::new(),
                restarts: Restarts::new(rules(protection.restarts)),
                step: Step::Decide,
            };
            let patient = self.patients.entry(sick.identity.name.clone()).or_insert_with(fresh);
            patient.running = Arc::downgrade(&sick);
            patient.step = Step::Decide;
        }
        let mut due = BTreeSet::new();
        self.patients.retain(|name, patient| {
            let sick = patient.running.upgrade().filter(|running| {
                let serves = generation.plugins.get(name);
                // While there is a trial, it is decided first.
                serves.is_some_and(|it| it.canary.is_none() && Arc::ptr_eq(&it.running, running))
                    && !running.guard.health().is_healthy()
            });
            let Some(sick) = sick else {
                // Well again, or replaced. Earlier restarts count on.
                return !patient.restarts.ran_well(now);
            };
            if patient.step == Step::Decide {
                patient.step = decide(&self.shared, &sick, &mut patient.restarts, now);
            }
            match patient.step {
                Step::At(at) if at <= now => {
                    due.insert(name.clone());
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

fn decide(shared: &Arc<Shared>, sick: &Running, restarts: &mut Restarts, now: Instant) -> Step {
    let plugin = sick.label.to_string();
    let wait = match restarts.next(now, fastrand::u64(..)) {
        Next::Now => Duration::ZERO,
        Next::Wait(wait) => wait,
        Next::Exhausted { since, restarts } => {
            let because = sick.health.why().unwrap_or_default();
            if sick.health.is_crash_loop(restarts) {
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
