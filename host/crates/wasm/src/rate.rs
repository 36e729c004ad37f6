//! How often something may happen: a token bucket in one atomic word.
//!
//! The word is the time at which the next event would be due if all came evenly (the generic
//! cell rate algorithm). An event moves it on by one interval; where that would be more than
//! a second ahead of now, the event is one too many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How far ahead of now the next event may be due: one second's worth may come at once.
const BURST: u64 = 1_000_000_000;

/// So many events in a second, shared by all that count them.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Nanoseconds between two events.
    interval: u64,
    /// When the next one is due, in nanoseconds since `start`.
    due: AtomicU64,
    start: Instant,
}

impl Rate {
    /// At most `per_second` events; `None` for 0, which means no limit.
    pub(crate) fn new(per_second: u32) -> Option<Self> {
        let interval = BURST.checked_div(per_second.into())?;
        Some(Self { interval, due: AtomicU64::new(0), start: Instant::now() })
    }

    /// Counts one event; false if it is one too many, which then does not count.
    pub(crate) fn take(&self) -> bool {
        self.take_at(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn take_at(&self, now: u64) -> bool {
        // Relaxed: the word guards nothing but itself.
        self.due
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
                let due = due.max(now).saturating_add(self.interval);
                (due - now <= BURST).then_some(due)
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seconds_worth_at_once_and_then_evenly() {
        let rate = Rate::new(4).unwrap();
        assert_eq!((0..10).filter(|_| rate.take_at(0)).count(), 4);
        assert!(!rate.take_at(249_999_999));
        assert!(rate.take_at(250_000_000));
        assert!(!rate.take_at(250_000_001));
        // Idle time is worth no more than a second.
        assert_eq!((0..10).filter(|_| rate.take_at(60_000_000_000)).count(), 4);
    }

    #[test]
    fn zero_means_no_limit() {
        assert!(Rate::new(0).is_none());
        let most = Rate::new(u32::MAX).unwrap();
        assert!((0..1000).all(|_| most.take_at(0)));
    }
}
