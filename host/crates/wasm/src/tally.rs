//! Counts what went wrong, and says when it is time to tell of it again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The shortest time between two notices of one thing.
const QUIET: Duration = Duration::from_secs(10);

/// How often something happened. Its first time is told at once; after that, at most one
/// notice in a while tells how often it happened since.
#[derive(Debug)]
pub(crate) struct Tally {
    total: AtomicU64,
    told: AtomicU64,
    /// When the next notice may be, in nanoseconds since `start`.
    next: AtomicU64,
    start: Instant,
}

impl Default for Tally {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self { total: zero(), told: zero(), next: zero(), start: Instant::now() }
    }
}

impl Tally {
    /// How often it happened so far.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts one more. Says how many are to be told of, if it is time to tell.
    pub(crate) fn count(&self) -> Option<u64> {
        self.count_at(self.start.elapsed())
    }

    fn count_at(&self, now: Duration) -> Option<u64> {
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let (due, after) = (nanos(now) >= next, nanos(now.saturating_add(QUIET)));
        // Whoever moves the time on tells; the others counted, and are told of next time.
        let tells = due
            && self
                .next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        tells.then(|| total.saturating_sub(self.told.swap(total, Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_after_a_while() {
        let tally = Tally::default();
        assert_eq!(tally.count_at(Duration::ZERO), Some(1));
        assert_eq!(tally.count_at(Duration::from_secs(1)), None);
        assert_eq!(tally.count_at(Duration::from_secs(9)), None);
        assert_eq!(tally.count_at(Duration::from_secs(10)), Some(3));
        assert_eq!(tally.count_at(Duration::from_secs(11)), None);
        assert_eq!(tally.total(), 5);
    }
}
