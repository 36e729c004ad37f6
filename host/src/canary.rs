//! A new version on trial: a share of the calls, compared with the version that serves.
//!
//! The share grows by the steps of the configuration. At each step the two are compared anew by
//! the test that [`plugbay_guard`] states; a version that does worse is taken back at once, with
//! the figures that made it so. One that got through all the steps takes all calls.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use plugbay_core::{Reason, Refusal, Source};
use plugbay_guard::{
    BreakerState, CanaryRules, Figures, Judgement, Seat, Side, Stage, Steps, Trial as Judge,
};
use plugbay_registry::{Leased, Swap};
use serde::Serialize;

use crate::config::{Config, Strategy};
use crate::desired::{Refused, Wanted};
use crate::generation::{Canary, Member, Running};
use crate::outcome::Outcome;
use crate::plan::Identity;
use crate::shared::Shared;

/// How often a trial is judged.
const EVERY: Duration = Duration::from_millis(500);
/// The probability with which an equal version is taken back at one step.
const SIGNIFICANCE: f64 = 0.01;

/// A version on trial beside the one that serves.
pub(crate) struct Trial {
    /// `name@version` of the one that serves, and of the one on trial.
    labels: [Arc<str>; 2],
    /// Thousandths of the calls that the one on trial gets.
    share: AtomicU32,
    /// What came of the calls of each, since the step began.
    sides: Swap<[Side; 2]>,
    steps: Steps,
    rules: CanaryRules,
    decision: Mutex<Option<Decision>>,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Promote,
    /// And why.
    TakeBack(String),
}

/// How a trial goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrialStatus {
    /// `name@version` of the version that it is compared with.
    pub stable: String,
    /// Percent of the calls that it gets.
    pub share: f64,
    /// Its calls since the step began.
    pub calls: u64,
    /// Of those, how many failed by its fault.
    pub errors: u64,
    /// Calls of the stable version since the step began.
    pub stable_calls: u64,
    /// Of those, how many failed by its fault.
    pub stable_errors: u64,
}

impl Trial {
    fn new(labels: [Arc<str>; 2], steps: Steps, rules: CanaryRules) -> Self {
        let share = AtomicU32::new(steps.share(steps.start(Instant::now())));
        let decision = Mutex::new(None);
        Self { labels, share, sides: Swap::new(Default::default()), steps, rules, decision }
    }

    /// The seats of the two.
    pub(crate) fn seats(&self) -> [Seat; 2] {
        let share = self.share.load(Ordering::Relaxed);
        [Seat { name: 0, weight: Steps::ALL - share }, Seat { name: 1, weight: share }]
    }

    /// Counts a call of the version that serves (0) or the one on trial (1).
    pub(crate) fn record(&self, version: usize, took: Duration, failed: bool) {
        self.sides.peek(|sides| match (sides.get(version), failed) {
            (Some(side), true) => side.failed(),
            (Some(side), false) => side.succeeded(took),
            (None, _) => {}
        });
    }

    /// Counts a call whose input the version refused.
    pub(crate) fn refused(&self, version: usize) {
        self.sides.peek(|sides| {
            if let Some(side) = sides.get(version) {
                side.refused();
            }
        });
    }

    fn figures(&self) -> [Figures; 2] {
        self.sides.peek(|sides| sides.each_ref().map(Side::figures))
    }

    pub(crate) fn status(&self) -> TrialStatus {
        let [stable, canary] = self.figures();
        TrialStatus {
            stable: self.labels[0].to_string(),
            share: f64::from(self.share.load(Ordering::Relaxed)) / 10.0,
            calls: canary.calls(),
            errors: canary.errors(),
            stable_calls: stable.calls(),
            stable_errors: stable.errors(),
        }
    }

    /// Ends the trial: the version that served goes on alone.
    pub(crate) fn take_back(&self, shared: &Shared, why: String) {
        let (plugin, because) = (self.labels[1].to_string(), why.clone());
        if self.decide(Decision::TakeBack(why)) {
            shared.journal.note_now(Outcome::CanaryTakenBack { plugin, because });
            shared.look_after(Duration::ZERO);
        }
    }

    /// Returns whether it was undecided until now.
    fn decide(&self, decision: Decision) -> bool {
        let mut decided = self.lock();
        let first = decided.is_none();
        decided.get_or_insert(decision);
        first
    }

    fn decision(&self) -> Option<Decision> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Decision>> {
        self.decision.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges a trial that just began, in the background, until it is decided.
pub(crate) fn follow(shared: &Arc<Shared>, canary: &Canary) {
    let [stable, plugin] = canary.trial.labels.each_ref().map(ToString::to_string);
    shared.journal.note_now(Outcome::CanaryBegun { plugin, stable });
    let (host, trial) = (Arc::downgrade(shared), Arc::downgrade(&canary.trial));
    shared.tokio.spawn(judge(host, trial, Arc::downgrade(&canary.running)));
}

async fn judge(host: Weak<Shared>, trial: Weak<Trial>, running: Weak<Leased<Running>>) {
    let Some((mut stage, mut judge)) =
        trial.upgrade().map(|trial| (trial.steps.start(Instant::now()), Judge::new(trial.rules)))
    else {
        return;
    };
    loop {
        // Whoever goes, goes: the next set holds no such trial, or there is no host.
        let (Some(shared), Some(trial)) = (host.upgrade(), trial.upgrade()) else { return };
        let [stable, canary] = trial.figures();
        let judgement = judge.judge(&stable, &canary).clone();
        let next = trial.steps.next(stage, Instant::now(), &judgement);
        match next {
            Stage::Step { .. } if next == stage => {}
            Stage::Step { .. } => {
                let share = trial.steps.share(next);
                trial.sides.store(Arc::default());
                trial.share.store(share, Ordering::Relaxed);
                judge = Judge::new(trial.rules);
                let (plugin, percent) = (trial.labels[1].to_string(), share / 10);
                shared.journal.note_now(Outcome::CanaryStep { plugin, percent });
            }
            Stage::Done => {
                trial.decide(Decision::Promote);
                let plugin = trial.labels[1].to_string();
                shared.journal.note_now(Outcome::CanaryPromoted { plugin });
            }
            Stage::RolledBack => {
                if let Judgement::Bad(why) = &judgement {
                    trial.take_back(&shared, why.to_string());
                }
            }
        }
        stage = next;
        // It gets no calls then, so that nothing more would be seen of it.
        if running
            .upgrade()
            .is_some_and(|it| it.guard.state(Instant::now()) != BreakerState::Closed)
        {
            let failures = canary.errors();
            let why = format!("its breaker opened after {failures} failures at this step");
            trial.take_back(&shared, why);
        }
        if trial.decision().is_some() {
            return shared.look_after(Duration::ZERO);
        }
        drop((shared, trial));
        tokio::time::sleep(EVERY).await;
    }
}

/// What the reconciler knows of trials.
#[derive(Default)]
pub(crate) struct Trials {
    /// Versions that were taken back, and why: not tried again until they change or somebody
    /// asks.
    failed: Vec<(Identity, Refusal)>,
}

impl Trials {
    /// What failed may be tried again.
    pub(crate) fn forget(&mut self) {
        self.failed.clear();
    }

    /// Whether this version was taken back already; then it is refused for the same reason.
    pub(crate) fn has_failed(&self, wanted: &Wanted, refused: &mut Vec<Refused>) -> bool {
        let failed = self.failed.iter().find(|(identity, _)| *identity == wanted.identity);
        refused.extend(failed.map(|(_, refusal)| wanted.refused(refusal.clone())));
        failed.is_some()
    }

    /// The member of the next generation for a plugin of which nothing changed: its trial goes
    /// on, or ends as was decided.
    pub(crate) fn go_on(
        &mut self,
        member: &Member,
        wanted: &Wanted,
        refused: &mut Vec<Refused>,
    ) -> Member {
        let source = wanted.offer.source.clone();
        let Some(canary) = &member.canary else { return Member { source, ..member.clone() } };
        match canary.trial.decision() {
            None => {
                let canary = Canary { source, ..canary.clone() };
                Member { canary: Some(canary), ..member.clone() }
            }
            Some(Decision::Promote) => {
                let running = Arc::clone(&canary.running);
                Member { running, source, since: canary.since, canary: None }
            }
            Some(Decision::TakeBack(why)) => {
                let refusal = Refusal::new(Reason::Canary, why)
                    .hint("mend the plugin, or have it tried again: POST /v1/reload");
                self.failed.push((wanted.identity.clone(), refusal.clone()));
                refused.push(wanted.refused(refusal));
                Member { canary: None, ..member.clone() }
            }
        }
    }
}

/// The member of the next generation for a plugin that was just started: on trial, if it is a new
/// version and the configuration says so.
pub(crate) fn member(
    config: &Config,
    old: Option<&Member>,
    running: Arc<Leased<Running>>,
    source: Source,
    since: u64,
) -> Member {
    let on_trial = old.and_then(|old| Some((old, settings(config, &old.running, &running)?)));
    let Some((old, (steps, rules))) = on_trial else {
        return Member { running, source, since, canary: None };
    };
    let labels = [Arc::clone(&old.running.label), Arc::clone(&running.label)];
    let trial = Arc::new(Trial::new(labels, steps, rules));
    Member { canary: Some(Canary { running, source, since, trial }), ..old.clone() }
}

/// How a new version of a plugin is tried, if any capability that both versions offer says so.
fn settings(config: &Config, old: &Running, new: &Running) -> Option<(Steps, CanaryRules)> {
    if old.identity.digest == new.identity.digest {
        // The same code: whoever changed its configuration means it.
        return None;
    }
    let mut both = old.description.keys().filter(|key| new.description.keys().any(|it| it == *key));
    both.find_map(|key| match &config.capabilities.get(&key)?.strategy {
        Strategy::Canary { steps, every, errors, latency, calls, .. } => {
            // The last step is all of the calls: there is nothing left to compare with.
            let shares = steps.iter().filter(|share| **share < 100).map(|share| share * 10);
            let rules = CanaryRules {
                significance: SIGNIFICANCE,
                difference: errors / 100.0,
                latency: *latency,
                least: (*calls).min(CanaryRules::default().least),
                enough: *calls,
                ..CanaryRules::default()
            };
            Some((Steps { shares: shares.collect(), each: *every }, rules))
        }
        Strategy::Failover { .. } | Strategy::Split { .. } => None,
    })
}
