//! Counts of a plugin's calls.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thread_local::ThreadLocal;

/// Counts the calls of one plugin version by result.
#[derive(Default)]
pub(crate) struct Tally {
    /// Answered calls, which are nearly all. Each thread has a count that only it writes, so that
    /// no atomic addition is needed, which would be a large part of the cost of all protections;
    /// the count of a thread that ends passes to a later thread.
    answered: ThreadLocal<AtomicU64>,
    /// Failed calls by reason.
    failed: Mutex<BTreeMap<&'static str, u64>>,
    cancelled: AtomicU64,
}

/// Calls of one plugin version since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallStatus {
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that failed, by the reason of their error.
    pub failed: BTreeMap<Cow<'static, str>, u64>,
    /// Calls whose caller went away.
    pub cancelled: u64,
}

impl Tally {
    /// Counts a call that was answered.
    #[inline]
    pub(crate) fn answered(&self) {
        let count = self.answered.get_or_default();
        // Relaxed: a figure guards nothing but itself.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Counts a call that failed.
    pub(crate) fn failed(&self, reason: &'static str) {
        *self.lock().entry(reason).or_default() += 1;
    }

    /// Counts a call whose caller went away.
    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> CallStatus {
        CallStatus {
            answered: self.answered.iter().map(|count| count.load(Ordering::Relaxed)).sum(),
            failed: self.lock().iter().map(|(&reason, &count)| (reason.into(), count)).collect(),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, u64>> {
        // A panic while the lock is held leaves at worst one figure a step behind.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREADS: u64 = 16;

    #[test]
    fn calls_of_all_threads_are_counted() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..1000).for_each(|_| tally.answered()));
            }
        });
        tally.failed("trap");
        tally.failed("trap");
        tally.cancelled();
        let status = tally.status();
        assert_eq!((status.answered, status.cancelled), (THREADS * 1000, 1));
        assert_eq!(status.failed, [("trap".into(), 2)].into());
    }
}
