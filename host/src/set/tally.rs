//! Counts of a plugin's calls, and how long they took.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::{DurationStats, Durations};
use serde::{Deserialize, Serialize};
use thread_local::ThreadLocal;

/// One in this many synchronous calls of a thread is timed.
const SAMPLE: u32 = Durations::SAMPLE;

/// Counts the calls of one plugin version by result.
#[derive(Default)]
pub(crate) struct Tally {
    /// The counts of each thread, which only it writes, so that no atomic addition is needed, which would be a
    /// large part of the cost of all protections; those of a thread that ends pass to a later thread.
    shards: ThreadLocal<Box<Shard>>,
    /// Failed calls by reason.
    failed: Mutex<BTreeMap<&'static str, u64>>,
    cancelled: AtomicU64,
}

/// The counts of one thread.
#[derive(Default)]
pub(crate) struct Shard {
    /// Answered calls, which are nearly all.
    answered: AtomicU64,
    durations: Durations,
    /// How many synchronous calls are not timed before the next one that is.
    untimed: AtomicU32,
    /// For how many calls the next timed one counts; 0 for one.
    weight: AtomicU32,
}

/// When a call began that is timed, and for how many it counts.
pub(crate) struct Timed {
    began: Instant,
    weight: u32,
}

/// Calls of one plugin version since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// The counts of this thread.
    #[inline]
    pub(crate) fn here(&self) -> &Shard {
        self.shards.get_or_default()
    }

    /// Counts a call that was answered.
    pub(crate) fn answered(&self) {
        self.here().answered();
    }

    /// Counts the duration of a call.
    pub(crate) fn took(&self, time: Duration) {
        self.here().durations.add_by_owner(time, 1);
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
        let answered = self.shards.iter().map(|shard| shard.answered.load(Ordering::Relaxed));
        CallStatus {
            answered: answered.sum(),
            failed: self.lock().iter().map(|(&reason, &count)| (reason.into(), count)).collect(),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    /// How long calls took, whatever their result.
    pub(crate) fn durations(&self) -> DurationStats {
        let mut all = Durations::new().stats();
        for shard in &self.shards {
            all.add(&shard.durations.stats());
        }
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, u64>> {
        // A panic while the lock is held leaves at worst one figure a step behind.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Relaxed: a figure guards nothing but itself.
impl Shard {
    /// Counts a call that was answered.
    #[inline]
    pub(crate) fn answered(&self) {
        self.answered.store(self.answered.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// A synchronous call of this thread begins: it is timed if this returns something, which goes to
    /// [`Shard::ended`].
    #[inline]
    pub(crate) fn begins(&self) -> Option<Timed> {
        let untimed = self.untimed.load(Ordering::Relaxed);
        if untimed != 0 {
            self.untimed.store(untimed - 1, Ordering::Relaxed);
            return None;
        }
        Some(self.time())
    }

    #[cold]
    fn time(&self) -> Timed {
        // The first call counts for itself alone, and each that follows for those since the one before.
        let weight = self.weight.load(Ordering::Relaxed).max(1);
        self.weight.store(SAMPLE, Ordering::Relaxed);
        self.untimed.store(SAMPLE - 1, Ordering::Relaxed);
        Timed { began: Instant::now(), weight }
    }

    /// A synchronous call of this thread ended, with whatever result.
    #[inline]
    pub(crate) fn ended(&self, timed: Option<Timed>) {
        if let Some(timed) = timed {
            self.count(&timed);
        }
    }

    #[cold]
    fn count(&self, timed: &Timed) {
        self.durations.add_by_owner(timed.began.elapsed(), timed.weight.into());
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

    #[test]
    fn the_timed_calls_count_for_all() {
        let tally = Tally::default();
        let call = || {
            let shard = tally.here();
            let timed = shard.begins();
            let is_timed = timed.is_some();
            shard.ended(timed);
            is_timed
        };
        let timed = (0..=10 * SAMPLE).filter(|_| call()).count();
        assert_eq!((timed, tally.durations().count), (11, u64::from(10 * SAMPLE + 1)));
        tally.took(Duration::from_secs(3));
        let durations = tally.durations();
        let within = durations.buckets.iter().find(|bucket| bucket.le >= 2.5).unwrap().count;
        assert_eq!((within, durations.count), (171, 172));
        assert!((3.0..4.0).contains(&durations.sum), "{}", durations.sum);
    }
}
