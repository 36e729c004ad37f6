//! A new version on trial: a share of the calls, compared with the version that serves.
//!
//! The share grows by the steps of the configuration. At each step the two are compared by
//! the test that [`plugbay_guard`] states; a version that does worse gets no calls from that
//! moment on, and is rolled back with the figures that made it so. One that got through all the
//! steps takes all calls.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugbay_guard::{CanaryRules, Figures, Seat, Side, Stage, Steps, Trial as Judge};
use plugbay_registry::Swap;
use serde::{Deserialize, Serialize};

/// How a version is tried.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(crate) steps: Steps,
    pub(crate) rules: CanaryRules,
}

/// A version on trial beside the one that serves.
pub(crate) struct Trial {
    /// `name@version` of the one that serves, and of the one on trial.
    labels: [Arc<str>; 2],
    terms: Terms,
    /// Thousandths of the calls that the one on trial gets.
    share: AtomicU32,
    /// What came of the calls of each, since the step began.
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
    /// The one on trial takes all calls: why.
    Promoted(String),
    /// The one that served goes on alone: why.
    RolledBack(String),
    /// Something else changed, and there is nothing to try any more.
    Over,
}

/// How the two are as their guards say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Well,
    /// Its breaker is not closed.
    Broken,
    /// Its health checks fail.
    Sick,
}

/// What a look at a trial changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// It gets this share now, in percent.
    Step(u32),
    /// It is over.
    End,
}

/// How a trial goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrialStatus {
    /// `name@version` of the version that it is compared with.
    pub stable: String,
    /// The step that it is at, from 1,
    pub step: usize,
    /// of so many, before it gets all calls.
    pub steps: usize,
    /// What is known of it: `undecided`, `good` or `bad`.
    pub judgement: Cow<'static, str>,
    /// Percent of the calls that it gets.
    pub share: f64,
    /// Its calls since the step began.
    pub calls: u64,
    /// Of those, how many failed by its fault.
    pub errors: u64,
    /// Of those, how many had an input that it refused.
    pub refusals: u64,
    /// The 95th percentile of the time that the others took, in milliseconds, to an eighth.
    pub latency_ms: Option<f64>,
    /// Calls of the stable version since the step began.
    pub stable_calls: u64,
    /// Of those, how many failed by its fault.
    pub stable_errors: u64,
    /// Of those, how many had an input that it refused.
    pub stable_refusals: u64,
    /// As `latency_ms`, of the stable version.
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

    /// How it ended, if it did.
    pub(crate) fn end(&self) -> Option<End> {
        self.lock().end.clone()
    }

    /// Ends it, unless it ended before: returns whether it did not. Who is rolled back gets no
    /// calls from now on, whenever the next set is published.
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

    /// Judges it as of `now`. The conditions are those of the one that serves, and of the one
    /// on trial.
    pub(crate) fn look(&self, now: Instant, conditions: [Condition; 2]) -> Change {
        let [stable, canary] = self.figures();
        let mut state = self.lock();
        if state.end.is_some() {
            return Change::End;
        }
        let State { stage, judge, .. } = &mut *state;
        let next = self.terms.steps.advance(*stage, now, judge, &stable, &canary);
        let end = match (next, conditions) {
            (Stage::RolledBack, _) => End::RolledBack(why(judge)),
            // It gets no calls then, so that nothing more would be seen of it.
            (_, [_, Condition::Broken]) => End::RolledBack(format!(
                "its breaker opened: it failed {} of {} calls at this step, the stable version \
                 {} of {}",
                canary.errors(),
                canary.calls(),
                stable.errors(),
                stable.calls()
            )),
            (Stage::Done, _) => End::Promoted("it did well at all steps".to_owned()),
            // The same goes for the other one: there is nothing to compare with, and the
            // healthy version is better.
            (_, [Condition::Sick, Condition::Well]) => {
                End::Promoted(format!("{} is unhealthy", self.labels[0]))
            }
            // This may pass, so that a few calls are waited for; it stands in for all of them.
            (_, [Condition::Broken, Condition::Well])
                if canary.calls() >= self.terms.rules.least =>
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

fn why(judge: &Judge) -> String {
    match judge.judgement() {
        plugbay_guard::Judgement::Bad(why) => why.to_string(),
        other => other.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const WELL: [Condition; 2] = [Condition::Well; 2];

    fn trial() -> Trial {
        let steps = Steps { shares: vec![100, 500], each: Duration::from_secs(60) };
        let rules = CanaryRules { enough: 100, ..CanaryRules::default() };
        Trial::new(["c@1.0.0".into(), "c@2.0.0".into()], Terms { steps, rules })
    }

    fn calls(trial: &Trial, stable: u32, canary: u32) {
        (0..stable).for_each(|_| trial.record(0, MS, false));
        (0..canary).for_each(|_| trial.record(1, MS, false));
    }

    #[test]
    fn it_goes_through_its_steps_and_says_where_it_stands() {
        let (trial, start) = (trial(), Instant::now());
        calls(&trial, 900, 100);
        assert_eq!(trial.look(start, WELL), Change::Nothing);
        let status = trial.status();
        assert_eq!((status.step, status.steps, &*status.judgement), (1, 2, "good"));
        assert!(status.latency_ms.unwrap() >= 1.0 && status.stable_latency_ms.unwrap() < 1.2);
        assert_eq!(trial.look(start + 61_000 * MS, WELL), Change::Step(50));
        let status = trial.status();
        assert_eq!((status.step, &*status.judgement, status.calls), (2, "undecided", 0));
        calls(&trial, 100, 100);
        assert_eq!(trial.look(start + 122_000 * MS, WELL), Change::End);
        assert!(matches!(trial.end(), Some(End::Promoted(_))));
    }

    #[test]
    fn who_is_taken_back_gets_no_calls_and_is_not_promoted_after_all() {
        let (trial, start) = (trial(), Instant::now());
        calls(&trial, 900, 100);
        assert!(trial.end_by(End::RolledBack("its health checks fail".into())));
        assert_eq!(trial.seats().map(|seat| seat.weight), [1000, 0]);
        // Its judge, if one is left, announces nothing more and changes nothing.
        assert_eq!(trial.look(start + 61_000 * MS, WELL), Change::End);
        assert!(!trial.end_by(End::Promoted(String::new())));
        assert!(matches!(trial.end(), Some(End::RolledBack(_))));
        assert_eq!(trial.seats().map(|seat| seat.weight), [1000, 0]);
    }

    #[test]
    fn a_trial_that_is_over_has_no_more_steps() {
        let (trial, start) = (trial(), Instant::now());
        calls(&trial, 900, 100);
        assert!(trial.end_by(End::Over));
        assert_eq!(trial.look(start + 61_000 * MS, WELL), Change::End);
        assert_eq!(trial.seats()[1].weight, 100, "who holds an old set sees no new share");
    }

    #[test]
    fn a_healthy_version_is_better_than_an_unhealthy_one() {
        let start = Instant::now();
        let sick = trial();
        assert_eq!(sick.look(start, [Condition::Sick, Condition::Well]), Change::End);
        assert_eq!(sick.end(), Some(End::Promoted("c@1.0.0 is unhealthy".into())));
        let neither = trial();
        assert_eq!(neither.look(start, [Condition::Sick, Condition::Sick]), Change::Nothing);
        // A breaker may close again: it is not for nothing that there is a trial.
        let (broken, conditions) = (trial(), [Condition::Broken, Condition::Well]);
        calls(&broken, 5, 49);
        assert_eq!(broken.look(start, conditions), Change::Nothing);
        calls(&broken, 0, 1);
        assert_eq!(broken.look(start, conditions), Change::End);
        assert!(matches!(broken.end(), Some(End::Promoted(_))));
    }

    #[test]
    fn an_open_breaker_is_told_with_the_figures_of_both() {
        let trial = trial();
        calls(&trial, 9, 2);
        (0..5).for_each(|_| trial.record(1, MS, true));
        let conditions = [Condition::Well, Condition::Broken];
        assert_eq!(trial.look(Instant::now(), conditions), Change::End);
        let Some(End::RolledBack(why)) = trial.end() else { panic!("it is bad") };
        assert_eq!(
            why,
            "its breaker opened: it failed 5 of 7 calls at this step, the stable version 0 of 9"
        );
    }
}
