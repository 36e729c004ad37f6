//! A new version on trial: a share of the calls, compared with the version that serves. The share
//! grows by the steps of the configuration. At each step the two versions are compared by the test
//! in [`plugbay_guard`]; a version that does worse gets no calls from that moment on, and is rolled
//! back with the figures of the decision. A version that passes all steps takes all calls.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugbay_guard::{CanaryRules, Figures, Side, Stage, Steps, Trial as Judge, WeightedProvider};
use plugbay_registry::Swap;
use serde::{Deserialize, Serialize};

/// The terms of a trial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(crate) steps: Steps,
    pub(crate) rules: CanaryRules,
}

/// A version on trial beside the stable version.
pub(crate) struct Trial {
    /// `name@version` of the one that serves, and of the one on trial.
    labels: [Arc<str>; 2],
    terms: Terms,
    /// The share of the calls that the canary gets, in thousandths.
    share: AtomicU32,
    /// The counts of the calls of both versions since the step began.
    sides: Swap<[Side; 2]>,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    judge: Judge,
    end: Option<End>,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The canary takes all calls, for this reason.
    Promoted(String),
    /// The stable version gets all calls again, for this reason.
    RolledBack(String),
    /// The trial was interrupted by another change.
    Over,
}

/// The condition of a version, by its guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Serving,
    /// Its breaker is not closed.
    BreakerOpen,
    /// Its health checks fail.
    Unhealthy,
    /// An operator holds its calls back.
    Held,
}

/// The change of a trial by one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// The canary gets this share now, in percent.
    Step(u32),
    /// The trial is over.
    End,
}

/// The state of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct TrialStatus {
    /// `name@version` of the stable version.
    pub stable: String,
    /// The current step, from 1,
    pub step: usize,
    /// of this many, before the canary gets all calls.
    pub steps: usize,
    /// The judgement: `undecided`, `good` or `bad`.
    pub judgement: Cow<'static, str>,
    /// The canary's share of the calls, in percent.
    pub share: f64,
    /// Calls of the canary since the step began.
    pub calls: u64,
    /// Of those, the calls that it failed.
    pub errors: u64,
    /// Of those, the calls whose input it refused.
    pub refusals: u64,
    /// The 95th percentile of the time that the other calls took, in milliseconds, to an eighth.
    pub latency_ms: Option<f64>,
    /// Calls of the stable version since the step began.
    pub stable_calls: u64,
    /// Of those, the calls that it failed.
    pub stable_errors: u64,
    /// Of those, the calls whose input it refused.
    pub stable_refusals: u64,
    /// As `latency_ms`, for the stable version.
    pub stable_latency_ms: Option<f64>,
}

impl Trial {
    pub(crate) fn new(labels: [Arc<str>; 2], terms: Terms) -> Self {
        let first = terms.steps.start(Instant::now());
        let share = AtomicU32::new(terms.steps.share(first));
        let state = State { stage: first, judge: Judge::new(terms.rules), end: None };
        let sides = Swap::new(Default::default());
        Self { labels, terms, share, sides, state: Mutex::new(state) }
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// `name@version` of the one that serves, and of the one on trial.
    pub(crate) fn labels(&self) -> &[Arc<str>; 2] {
        &self.labels
    }

    /// `name@version` of the one on trial.
    pub(crate) fn label(&self) -> &str {
        &self.labels[1]
    }

    /// The weights of the two versions.
    pub(crate) fn providers(&self) -> [WeightedProvider; 2] {
        let share = self.share.load(Ordering::Relaxed);
        [
            WeightedProvider { name: 0, weight: Steps::ALL - share },
            WeightedProvider { name: 1, weight: share },
        ]
    }

    /// Counts a call of the stable version (0) or the canary (1).
    pub(crate) fn record(&self, version: usize, took: Duration, failed: bool) {
        self.sides.peek(|sides| match (sides.get(version), failed) {
            (Some(side), true) => side.failed(),
            (Some(side), false) => side.succeeded(took),
            (None, _) => {}
        });
    }

    /// Counts a call whose input the version refused.
    pub(crate) fn input_refused(&self, version: usize) {
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
        let latency = |side: &Figures| {
            side.latency(self.terms.rules.quantile).map(|it| 1000.0 * it.as_secs_f64())
        };
        let state = self.lock();
        let steps = self.terms.steps.shares.len();
        TrialStatus {
            stable: self.labels[0].to_string(),
            step: match state.stage {
                Stage::Step { number, .. } => number + 1,
                _ => steps,
            },
            steps,
            judgement: state.judge.judgement().as_str().into(),
            share: f64::from(self.share.load(Ordering::Relaxed)) / 10.0,
            calls: canary.calls(),
            errors: canary.errors(),
            refusals: canary.refusals(),
            latency_ms: latency(&canary),
            stable_calls: stable.calls(),
            stable_errors: stable.errors(),
            stable_refusals: stable.refusals(),
            stable_latency_ms: latency(&stable),
        }
    }

    /// How the trial ended, if it did.
    pub(crate) fn end(&self) -> Option<End> {
        self.lock().end.clone()
    }

    /// Ends the trial. Returns false if it had ended before. A canary that is rolled back gets no
    /// calls from now on, even before the next set is published.
    pub(crate) fn end_by(&self, end: End) -> bool {
        self.end_in(&mut self.lock(), end)
    }

    fn end_in(&self, state: &mut State, end: End) -> bool {
        if state.end.is_some() {
            return false;
        }
        if matches!(end, End::RolledBack(_)) {
            self.share.store(0, Ordering::Relaxed);
        }
        state.end = Some(end);
        true
    }

    /// Evaluates the trial as of `now`. The conditions are those of the stable version and of the
    /// canary.
    pub(crate) fn evaluate(&self, now: Instant, conditions: [Condition; 2]) -> Change {
        let [stable, canary] = self.figures();
        let mut state = self.lock();
        if state.end.is_some() {
            return Change::End;
        }
        // Without calls nothing is learned, and time alone must not promote a version.
        if conditions.contains(&Condition::Held) {
            return Change::Nothing;
        }
        let State { stage, judge, .. } = &mut *state;
        let next = self.terms.steps.advance(*stage, now, judge, &stable, &canary);
        let end = match (next, conditions) {
            (Stage::RolledBack, _) => End::RolledBack(reason(judge)),
            // With an open breaker the canary gets no calls, so that nothing more would be learned.
            (_, [_, Condition::BreakerOpen]) => End::RolledBack(format!(
                "its breaker opened: it failed {} of {} calls at this step, the stable version \
                 {} of {}",
                canary.errors(),
                canary.calls(),
                stable.errors(),
                stable.calls()
            )),
            (Stage::Done, _) => End::Promoted("it passed all steps of the trial".to_owned()),
            // An unhealthy stable version gets no calls, so that there is nothing to compare with,
            // and the healthy version is better.
            (_, [Condition::Unhealthy, Condition::Serving]) => {
                End::Promoted(format!("{} is unhealthy", self.labels[0]))
            }
            // An open breaker may close again, so a few calls are awaited; meanwhile the canary
            // serves all of them.
            (_, [Condition::BreakerOpen, Condition::Serving])
                if canary.calls() >= self.terms.rules.min_calls =>
            {
                End::Promoted(format!("the breaker of {} is open", self.labels[0]))
            }
            (next, _) if next == *stage => return Change::Nothing,
            (next, _) => {
                let share = self.terms.steps.share(next);
                *stage = next;
                *judge = Judge::new(self.terms.rules);
                self.sides.store(Arc::default());
                self.share.store(share, Ordering::Relaxed);
                return Change::Step(share / 10);
            }
        };
        self.end_in(&mut state, end);
        Change::End
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(judge: &Judge) -> String {
    match judge.judgement() {
        plugbay_guard::Judgement::Bad(regression) => regression.to_string(),
        other => other.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SERVING: [Condition; 2] = [Condition::Serving; 2];

    fn trial() -> Trial {
        let steps = Steps { shares: vec![100, 500], step_duration: Duration::from_secs(60) };
        let rules = CanaryRules { enough_calls: 100, ..CanaryRules::default() };
        Trial::new(["c@1.0.0".into(), "c@2.0.0".into()], Terms { steps, rules })
    }

    fn calls(trial: &Trial, stable: u32, canary: u32) {
        (0..stable).for_each(|_| trial.record(0, MS, false));
        (0..canary).for_each(|_| trial.record(1, MS, false));
    }

    #[test]
    fn a_trial_advances_through_its_steps_and_reports_its_progress() {
        let (trial, start) = (trial(), Instant::now());
        calls(&trial, 900, 100);
        assert_eq!(trial.evaluate(start, SERVING), Change::Nothing);
        let status = trial.status();
        assert_eq!((status.step, status.steps, &*status.judgement), (1, 2, "good"));
        assert!(status.latency_ms.unwrap() >= 1.0 && status.stable_latency_ms.unwrap() < 1.2);
        assert_eq!(trial.evaluate(start + 61_000 * MS, SERVING), Change::Step(50));
        let status = trial.status();
        assert_eq!((status.step, &*status.judgement, status.calls), (2, "undecided", 0));
        calls(&trial, 100, 100);
        assert_eq!(trial.evaluate(start + 122_000 * MS, SERVING), Change::End);
        assert!(matches!(trial.end(), Some(End::Promoted(_))));
    }

    #[test]
    fn a_canary_that_is_rolled_back_gets_no_calls_and_is_not_promoted() {
        let (trial, start) = (trial(), Instant::now());
        calls(&trial, 900, 100);
        assert!(trial.end_by(End::RolledBack("its health checks fail".into())));
        assert_eq!(trial.providers().map(|provider| provider.weight), [1000, 0]);
        // A later evaluation changes nothing.
        assert_eq!(trial.evaluate(start + 61_000 * MS, SERVING), Change::End);
        assert!(!trial.end_by(End::Promoted(String::new())));
        assert!(matches!(trial.end(), Some(End::RolledBack(_))));
        assert_eq!(trial.providers().map(|provider| provider.weight), [1000, 0]);
    }

    #[test]
    fn calls_that_an_operator_holds_back_decide_nothing() {
        let (trial, start) = (trial(), Instant::now());
        calls(&trial, 900, 100);
        let held = [Condition::Held; 2];
        assert_eq!(trial.evaluate(start + 61_000 * MS, held), Change::Nothing);
        assert_eq!(trial.evaluate(start + 62_000 * MS, SERVING), Change::Step(50));
    }

    #[test]
    fn a_trial_that_ended_has_no_more_steps() {
        let (trial, start) = (trial(), Instant::now());
        calls(&trial, 900, 100);
        assert!(trial.end_by(End::Over));
        assert_eq!(trial.evaluate(start + 61_000 * MS, SERVING), Change::End);
        assert_eq!(trial.providers()[1].weight, 100, "an old set keeps its share");
    }

    #[test]
    fn a_healthy_version_is_better_than_an_unhealthy_one() {
        let start = Instant::now();
        let unhealthy = trial();
        assert_eq!(
            unhealthy.evaluate(start, [Condition::Unhealthy, Condition::Serving]),
            Change::End
        );
        assert_eq!(unhealthy.end(), Some(End::Promoted("c@1.0.0 is unhealthy".into())));
        let both = trial();
        assert_eq!(
            both.evaluate(start, [Condition::Unhealthy, Condition::Unhealthy]),
            Change::Nothing
        );
        // A breaker may close again, so the trial goes on until the canary has enough calls.
        let (broken, conditions) = (trial(), [Condition::BreakerOpen, Condition::Serving]);
        calls(&broken, 5, 49);
        assert_eq!(broken.evaluate(start, conditions), Change::Nothing);
        calls(&broken, 0, 1);
        assert_eq!(broken.evaluate(start, conditions), Change::End);
        assert!(matches!(broken.end(), Some(End::Promoted(_))));
    }

    #[test]
    fn an_open_breaker_is_reported_with_the_figures_of_both_versions() {
        let trial = trial();
        calls(&trial, 9, 2);
        (0..5).for_each(|_| trial.record(1, MS, true));
        let conditions = [Condition::Serving, Condition::BreakerOpen];
        assert_eq!(trial.evaluate(Instant::now(), conditions), Change::End);
        let Some(End::RolledBack(why)) = trial.end() else { panic!("it is bad") };
        assert_eq!(
            why,
            "its breaker opened: it failed 5 of 7 calls at this step, the stable version 0 of 9"
        );
    }
}
