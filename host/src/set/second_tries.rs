//! What the calls of a capability that go on to another provider cost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plugbay_guard::{RetryBudget, RetryRules};
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// A call begins.
    pub(crate) fn called(&self) {
        if let Some(budget) = &self.budget {
            budget.called(Instant::now());
        }
    }

    /// The next provider is asked because one did nothing.
    pub(crate) fn pass_on(&self) {
        count(&self.passed_on);
    }

    /// Takes a retry from the budget for a call that failed half-way; false if there is none.
    pub(crate) fn try_repeat(&self) -> bool {
        let granted = self.budget.as_ref().is_some_and(|budget| budget.take(Instant::now()));
        count(if granted { &self.repeated } else { &self.refused });
        granted
    }
}

fn count(figure: &AtomicU64) {
    // Relaxed: a figure guards nothing but itself.
    figure.fetch_add(1, Ordering::Relaxed);
}
