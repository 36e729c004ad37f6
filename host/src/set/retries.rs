//! What the calls of a capability that go on to another provider cost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plugbay_guard::{RetryBudget, RetryRules};
use serde::{Deserialize, Serialize};

/// Second tries of one capability. It outlives the generation, as long as the capability is
/// configured the same: a reload makes nothing forgotten and no retry free.
#[derive(Default)]
pub(crate) struct Retries {
    /// None if a call that failed half-way is never made again.
    budget: Option<RetryBudget>,
    failed_over: AtomicU64,
    retried: AtomicU64,
    budget_exhausted: AtomicU64,
}

/// Second tries of a capability with several providers, since it was configured so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetryStatus {
    /// The next provider was asked because one did nothing: it took no calls, or said that it
    /// could not answer now.
    pub failed_over: u64,
    /// The next one was asked after one had failed half-way, within `retries`.
    pub retried: u64,
    /// It would have been, had `retries` allowed for more.
    pub budget_exhausted: u64,
}

impl Retries {
    /// What `percent` of the calls may be retried; none if that is 0.
    pub(crate) fn within(percent: u32) -> Self {
        let rules = RetryRules { share: f64::from(percent) / 100.0, ..RetryRules::default() };
        let budget = (percent > 0).then(|| RetryBudget::new(rules, Instant::now()));
        Self { budget, ..Self::default() }
    }

    pub(crate) fn status(&self) -> RetryStatus {
        RetryStatus {
            failed_over: self.failed_over.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            budget_exhausted: self.budget_exhausted.load(Ordering::Relaxed),
        }
    }

    /// A call begins.
    pub(crate) fn called(&self) {
        if let Some(budget) = &self.budget {
            budget.called(Instant::now());
        }
    }

    /// The next provider is asked because one did nothing.
    pub(crate) fn fail_over(&self) {
        count(&self.failed_over);
    }

    /// Takes a retry from the budget for a call that failed half-way; false if there is none.
    pub(crate) fn try_repeat(&self) -> bool {
        let granted = self.budget.as_ref().is_some_and(|budget| budget.take(Instant::now()));
        count(if granted { &self.retried } else { &self.budget_exhausted });
        granted
    }
}

fn count(figure: &AtomicU64) {
    // Relaxed: a figure guards nothing but itself.
    figure.fetch_add(1, Ordering::Relaxed);
}
