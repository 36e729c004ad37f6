//! What came of a plugin's calls.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;
use serde::Serialize;

/// A power of two.
const SHARDS: usize = 8;

/// Counts the calls of one plugin version, by what came of them.
#[derive(Default)]
pub(crate) struct Tally {
    /// Nearly all of them, so each thread has a line of its own to count on.
    answered: [CachePadded<AtomicU64>; SHARDS],
    /// By reason.
    failed: Mutex<BTreeMap<&'static str, u64>>,
    cancelled: AtomicU64,
}

/// Calls of one plugin version since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CallStatus {
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that failed, by the reason of their error.
    pub failed: BTreeMap<&'static str, u64>,
    /// Calls whose caller went away.
    pub cancelled: u64,
}

impl Tally {
    /// A call was answered.
    #[inline]
    pub(crate) fn answered(&self) {
        // Relaxed: a figure guards nothing but itself.
        self.answered[shard()].fetch_add(1, Ordering::Relaxed);
    }

    /// A call failed.
    pub(crate) fn failed(&self, reason: &'static str) {
        *self.lock().entry(reason).or_default() += 1;
    }

    /// A caller went away.
    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> CallStatus {
        CallStatus {
            answered: self.answered.iter().map(|shard| shard.load(Ordering::Relaxed)).sum(),
            failed: self.lock().clone(),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, u64>> {
        // A panic while the lock is held leaves at worst one figure a step behind.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calling thread's line.
#[inline]
fn shard() -> usize {
    const UNSETTLED: usize = usize::MAX;
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(UNSETTLED) };
    }
    #[cold]
    fn settle() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        let shard = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
        SHARD.set(shard);
        shard
    }
    let shard = SHARD.get();
    if shard == UNSETTLED { settle() } else { shard }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_all_threads_are_counted() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| (0..1000).for_each(|_| tally.answered()));
            }
        });
        tally.failed("trap");
        tally.failed("trap");
        tally.cancelled();
        let status = tally.status();
        assert_eq!((status.answered, status.cancelled), (2 * SHARDS as u64 * 1000, 1));
        assert_eq!(status.failed, [("trap", 2)].into());
    }
}
