//! The tries of one call among several providers: who is asked next, and what that costs.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plugbay_core::{Blame, CallError, CallErrorKind, Context};
use plugbay_guard::{RetryBudget, RetryRules};
use serde::Serialize;

use crate::dispatch::blame;
use crate::generation::Capability;
use crate::spread::{Rule, Spread};

/// Second tries of one capability. It outlives the generation, as long as the capability is
/// configured the same: a reload makes nothing forgotten and no retry free.
#[derive(Default)]
pub(crate) struct SecondTries {
    /// None if a call that failed half-way is never made again.
    budget: Option<RetryBudget>,
    passed_on: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
}

/// Second tries of a capability with several providers, since it was configured so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SecondTryStatus {
    /// The next provider was asked because one did nothing: it took no calls, or said that it
    /// could not answer now.
    pub passed_on: u64,
    /// The next one was asked after one had failed half-way, within `retries`.
    pub repeated: u64,
    /// It would have been, had `retries` allowed for more.
    pub refused: u64,
}

impl SecondTries {
    /// What `percent` of the calls may be repeated; none if that is 0.
    pub(crate) fn within(percent: u32) -> Self {
        let rules = RetryRules { share: f64::from(percent) / 100.0, ..RetryRules::default() };
        let budget = (percent > 0).then(|| RetryBudget::new(rules, Instant::now()));
        Self { budget, ..Self::default() }
    }

    pub(crate) fn status(&self) -> SecondTryStatus {
        SecondTryStatus {
            passed_on: self.passed_on.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn called(&self) {
        if let Some(budget) = &self.budget {
            budget.called(Instant::now());
        }
    }

    /// Whether a call that failed half-way may be made again.
    fn may_repeat(&self) -> bool {
        let granted = self.budget.as_ref().is_some_and(|budget| budget.take(Instant::now()));
        count(if granted { &self.repeated } else { &self.refused });
        granted
    }
}

fn count(figure: &AtomicU64) {
    // Relaxed: a figure guards nothing but itself.
    figure.fetch_add(1, Ordering::Relaxed);
}

/// The tries of one call.
pub(crate) struct Tries<'a, R> {
    spread: &'a Spread,
    /// Whether the call may be made twice.
    repeatable: bool,
    context: Context<'a>,
    /// What the caller gets if nobody does better.
    best: Option<Result<R, CallError>>,
}

/// What the caller gets, or the next provider's turn.
pub(crate) type Turn<R> = ControlFlow<Result<R, CallError>>;

impl<'a, R> Tries<'a, R> {
    pub(crate) fn new(spread: &'a Spread, repeatable: bool, context: Context<'a>) -> Self {
        spread.second_tries.called();
        Self { spread, repeatable, context, best: None }
    }

    /// The provider of this index answered.
    pub(crate) fn answered(&self, index: usize, began: Instant) {
        if let Rule::Canary(trial) = &self.spread.rule {
            trial.record(index, began.elapsed(), false);
        }
    }

    /// The provider of this index gave an answer that says it failed. That is passed on if
    /// nobody gives a better one.
    pub(crate) fn answered_badly(
        &mut self,
        index: usize,
        began: Instant,
        answer: R,
        fault: &CallError,
    ) -> Turn<R> {
        if let Rule::Canary(trial) = &self.spread.rule {
            trial.record(index, began.elapsed(), true);
        }
        // Unlike an error, it says no word of what was done.
        let go_on = matches!(self.spread.rule, Rule::Failover)
            && fault.kind() == CallErrorKind::Unavailable
            && self.repeatable
            && self.has_time();
        if !go_on {
            return Turn::Break(Ok(answer));
        }
        count(&self.spread.second_tries.passed_on);
        self.best = Some(Ok(answer));
        Turn::Continue(())
    }

    /// The provider of this index failed.
    pub(crate) fn failed(&mut self, index: usize, began: Instant, error: CallError) -> Turn<R> {
        let blame = blame(&error, &self.context);
        if let Rule::Canary(trial) = &self.spread.rule {
            match blame {
                Blame::Plugin => trial.record(index, began.elapsed(), true),
                // It took at least as long as the caller had patience, on either side.
                Blame::Unknown => trial.record(index, began.elapsed(), false),
                Blame::Nobody => trial.refused(index),
                Blame::NotCalled => {}
            }
        }
        if !self.goes_on(index, blame, &error) {
            return Turn::Break(match self.best.take() {
                // Any answer is better than an error, unless that is what the input deserves.
                Some(Ok(answer)) if blame != Blame::Nobody => Ok(answer),
                _ => Err(error),
            });
        }
        if self.is_better(&error) {
            self.best = Some(Err(error));
        }
        Turn::Continue(())
    }

    fn goes_on(&self, index: usize, blame: Blame, error: &CallError) -> bool {
        let tries = &self.spread.second_tries;
        let did_nothing = match (&self.spread.rule, blame) {
            // A version on trial has its share, which is no larger when the other one is busy.
            (Rule::Canary(_), Blame::NotCalled)
                if index == 0 && error.kind() == CallErrorKind::Overloaded =>
            {
                return false;
            }
            (_, Blame::NotCalled) => true,
            (Rule::Failover, Blame::Plugin) => error.kind() == CallErrorKind::Unavailable,
            (_, Blame::Nobody | Blame::Unknown)
            | (Rule::Split(_) | Rule::Canary(_), Blame::Plugin) => return false,
        };
        if !self.has_time() {
            return false;
        }
        if did_nothing {
            count(&tries.passed_on);
            return true;
        }
        self.repeatable && tries.may_repeat()
    }

    /// Whether another try can still be worth it.
    fn has_time(&self) -> bool {
        !self.context.is_late() && !self.context.is_cancelled()
    }

    /// Whether an error says more than what is known: what a provider said tells more than that
    /// another was not asked; and of those, the first to take calls again says when that is.
    fn is_better(&self, error: &CallError) -> bool {
        match &self.best {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(known)) => match (known.kind().blame(), error.kind().blame()) {
                (Blame::NotCalled, Blame::NotCalled) => {
                    error.wait().is_some_and(|wait| known.wait().is_none_or(|it| wait < it))
                }
                (known, new) => known == Blame::NotCalled || new == Blame::Plugin,
            },
        }
    }

    /// All were asked, and none answered well.
    pub(crate) fn nobody(self, capability: &Capability) -> Result<R, CallError> {
        self.best.unwrap_or_else(|| {
            let message = format!("expected a provider of {} to be well", capability.key);
            Err(CallError::new(CallErrorKind::Unavailable, message))
        })
    }
}
