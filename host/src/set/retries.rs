//! The retries of a capability: their budget and their counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plugbay_guard::{RetryBudget, RetryRules};
use serde::{Deserialize, Serialize};

use super::counts::SetCounts;

/// The retries of one capability. They outlive the generation, as long as the settings of the
/// capability are unchanged: a reload resets neither the counts nor the budget.
pub(crate) struct Retries {
    /// The counts of all capabilities together, which are never reset.
    all: Arc<SetCounts>,
    /// `None` if a call that failed half-way is never repeated.
    budget: Option<RetryBudget>,
    failed_over: AtomicU64,
    retried: AtomicU64,
    budget_exhausted: AtomicU64,
}

/// The retries of a capability with several providers, since its settings changed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RetryStatus {
    /// Calls that went to the next provider because one did nothing: it took no calls, or answered
    /// `unavailable`.
    pub failed_over: u64,
    /// Calls that were repeated with the next provider after one had failed half-way.
    pub retried: u64,
    /// Calls that were not repeated because the budget `retries` was used up.
    pub budget_exhausted: u64,
}

impl Retries {
    /// Retries with a budget of `percent` of the calls; no budget if that is 0.
    pub(crate) fn within(percent: u32, all: &Arc<SetCounts>) -> Self {
        let rules = RetryRules { share: f64::from(percent) / 100.0, ..RetryRules::default() };
        let budget = (percent > 0).then(|| RetryBudget::new(rules, Instant::now()));
        let [failed_over, retried, budget_exhausted] = <[AtomicU64; 3]>::default();
        Self { all: Arc::clone(all), budget, failed_over, retried, budget_exhausted }
    }

    pub(crate) fn status(&self) -> RetryStatus {
        RetryStatus {
            failed_over: self.failed_over.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            budget_exhausted: self.budget_exhausted.load(Ordering::Relaxed),
        }
    }

    /// Counts a call that begins.
    pub(crate) fn called(&self) {
        if let Some(budget) = &self.budget {
            budget.called(Instant::now());
        }
    }

    /// Counts a call that goes to the next provider because one did nothing.
    pub(crate) fn fail_over(&self) {
        count(&self.failed_over);
        count(&self.all.failed_over);
    }

    /// Takes a retry from the budget for a call that failed half-way. Returns false if the budget
    /// is used up.
    pub(crate) fn try_repeat(&self) -> bool {
        let granted = self.budget.as_ref().is_some_and(|budget| budget.take(Instant::now()));
        for counts in if granted {
            [&self.retried, &self.all.retried]
        } else {
            [&self.budget_exhausted, &self.all.budget_exhausted]
        } {
            count(counts);
        }
        granted
    }
}

fn count(figure: &AtomicU64) {
    // Relaxed: a figure guards nothing but itself.
    figure.fetch_add(1, Ordering::Relaxed);
}
