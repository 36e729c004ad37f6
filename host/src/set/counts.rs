//! Counts of calls that no single plugin version has: they outlive every generation.

use std::sync::atomic::{AtomicU64, Ordering};

use thread_local::ThreadLocal;

/// The counts that all generations of one host share.
#[derive(Default)]
pub(crate) struct SetCounts {
    /// Searches for a capability that found it. Each thread has a count that only it writes, as in
    /// [`Tally`](super::tally::Tally).
    hits: ThreadLocal<AtomicU64>,
    misses: AtomicU64,
    /// Calls that went to the next provider because one did nothing.
    pub(crate) failed_over: AtomicU64,
    /// Calls that were repeated with the next provider.
    pub(crate) retried: AtomicU64,
    /// Calls that were not repeated because the budget was used up.
    pub(crate) budget_exhausted: AtomicU64,
}

impl SetCounts {
    /// Counts a search that found a capability.
    #[inline]
    pub(crate) fn hit(&self) {
        let count = self.hits.get_or_default();
        // Relaxed: a figure guards nothing but itself.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Counts a search that found none.
    pub(crate) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// The searches that found a capability.
    pub(crate) fn hits(&self) -> u64 {
        self.hits.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The searches that found none.
    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}
