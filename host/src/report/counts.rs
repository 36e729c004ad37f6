//! Counts of what the reconciler and the journal do, made where it happens: a subscriber may lag.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plugbay_core::{Durations, Reason};

use super::summary::Report;

/// Counts by a word of a closed list. For what happens seldom: it takes a lock.
#[derive(Default)]
pub(crate) struct WordCounts(Mutex<BTreeMap<&'static str, u64>>);

impl WordCounts {
    pub(crate) fn add(&self, word: &'static str) {
        *lock(&self.0).entry(word).or_default() += 1;
    }

    /// The counts so far, by word. Words that were never counted are missing.
    pub(crate) fn all(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0).clone()
    }
}

/// The result of one reconciliation, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReloadOutcome {
    /// A new generation serves.
    Published,
    /// Nothing was published, and something is refused.
    Refused,
    /// Nothing was published yet: artifacts are being prepared.
    Preparing,
    /// Nothing changed.
    Unchanged,
}

impl ReloadOutcome {
    pub(crate) const ALL: [Self; 4] =
        [Self::Published, Self::Refused, Self::Preparing, Self::Unchanged];

    pub(crate) fn of(report: &Report) -> Self {
        if report.published {
            Self::Published
        } else if !report.rejected.is_empty() {
            Self::Refused
        } else if !report.preparing.is_empty() {
            Self::Preparing
        } else {
            Self::Unchanged
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Refused => "refused",
            Self::Preparing => "preparing",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The result of one registration, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegisterOutcome {
    /// A plugin was started and serves.
    Success,
    /// A name, a capability or a route is taken.
    Duplicate,
    /// It was refused for any other reason.
    Invalid,
}

impl RegisterOutcome {
    pub(crate) const ALL: [Self; 3] = [Self::Success, Self::Duplicate, Self::Invalid];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
        }
    }
}

/// The result of preparing an artifact, such as compiling it, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreparationOutcome {
    /// Plugins can be started from it.
    Prepared,
    /// It is refused.
    Refused,
    /// The file changed meanwhile.
    Changed,
    /// It was not necessary: a plugin was started from an artifact that was prepared for another start.
    Shared,
}

impl PreparationOutcome {
    pub(crate) const ALL: [Self; 4] = [Self::Prepared, Self::Refused, Self::Changed, Self::Shared];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Refused => "refused",
            Self::Changed => "changed",
            Self::Shared => "shared",
        }
    }
}

/// The counts of one host.
#[derive(Default)]
pub(crate) struct HostCounts {
    /// Reconciliations by [`ReloadOutcome`].
    pub(crate) reloads: WordCounts,
    pub(crate) reload_durations: Durations,
    /// Registrations by [`RegisterOutcome`].
    pub(crate) registrations: WordCounts,
    /// New rejections by reason.
    pub(crate) rejections: WordCounts,
    /// Preparations of artifacts, by [`PreparationOutcome`].
    pub(crate) preparations: Arc<WordCounts>,
}

impl HostCounts {
    /// Counts a reconciliation that ended.
    pub(crate) fn reloaded(&self, report: &Report, took: Duration) {
        self.reloads.add(ReloadOutcome::of(report).as_str());
        self.reload_durations.add(took);
    }

    /// Counts a plugin that was started and serves.
    pub(crate) fn registered(&self) {
        self.registrations.add(RegisterOutcome::Success.as_str());
    }

    /// Counts a new rejection.
    pub(crate) fn rejected(&self, reason: Reason) {
        let outcome = match reason {
            Reason::NameClash | Reason::CapabilityClash | Reason::RouteClash => {
                RegisterOutcome::Duplicate
            }
            _ => RegisterOutcome::Invalid,
        };
        self.registrations.add(outcome.as_str());
        self.rejections.add(reason.as_str());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock is held leaves at worst one figure a step behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconciliation_that_changed_nothing_is_counted_too() {
        let counts = HostCounts::default();
        let report = Report {
            generation: 1,
            published: false,
            loaded: Vec::new(),
            retired: Vec::new(),
            rejected: Vec::new(),
            preparing: Vec::new(),
        };
        counts.reloaded(&report, Duration::ZERO);
        counts.reloaded(&Report { preparing: vec!["a".into()], ..report.clone() }, Duration::ZERO);
        counts.reloaded(&Report { published: true, ..report }, Duration::ZERO);
        let all = [("preparing", 1), ("published", 1), ("unchanged", 1)];
        assert_eq!(counts.reloads.all(), all.into());
        assert_eq!(counts.reload_durations.stats().count, 3);
    }
}
