//! Counts events, and decides when to report them: the first at once, later ones at intervals.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The shortest time between two due reports of one tally.
const QUIET: Duration = Duration::from_secs(10);

/// The most different events that a [`DistinctTally`] reports at once within [`QUIET`].
const DISTINCT: usize = 16;

/// A count of events of one kind.
///
/// The first event is reported at once. After that, at most one report in ten seconds says how many
/// events there were since the last one.
///
/// ```
/// use std::time::{Duration, Instant};
/// use plugbay_guard::Tally;
///
/// let start = Instant::now();
/// let dropped = Tally::new(start);
/// assert_eq!(dropped.count(start), Some(1)); // report it
/// assert_eq!(dropped.count(start), None);
/// assert_eq!(dropped.count(start + Duration::from_secs(10)), Some(2));
/// assert_eq!(dropped.total(), 3);
/// ```
#[derive(Debug)]
pub struct Tally {
    total: AtomicU64,
    reported: AtomicU64,
    /// When the next report is due, in nanoseconds since `start`.
    due: AtomicU64,
    start: Instant,
}

impl Tally {
    /// An empty tally, made at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let zero = AtomicU64::default;
        Self { total: zero(), reported: zero(), due: zero(), start: now }
    }

    /// How many events there were so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Counts an event at `now`. Returns how many events to report, if a report is due.
    pub fn count(&self, now: Instant) -> Option<u64> {
        let total = self.total.fetch_add(1, Relaxed) + 1;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let now = now.saturating_duration_since(self.start);
        let due = self.due.load(Relaxed);
        let next = nanos(now.saturating_add(QUIET));
        // The thread that moves `due` reports; events of other threads are in the next report.
        let reports =
            nanos(now) >= due && self.due.compare_exchange(due, next, Relaxed, Relaxed).is_ok();
        reports.then(|| total.saturating_sub(self.reported.swap(total, Relaxed)))
    }

    /// Reports the event that was counted last, before a report is due.
    fn report_one(&self) -> u64 {
        self.reported.fetch_add(1, Relaxed);
        1
    }
}

/// A [`Tally`] of events that differ: an event unlike the recent ones is reported at once, so that
/// a harmless event does not hide another one.
#[derive(Debug)]
pub struct DistinctTally {
    tally: Tally,
    /// Hashes of the events since the last report that was due; zero for none.
    recent: [AtomicU64; DISTINCT],
}

impl DistinctTally {
    /// An empty tally, made at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { tally: Tally::new(now), recent: Default::default() }
    }

    /// How many events there were so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.tally.total()
    }

    /// Counts the event that `what` describes, at `now`. Returns how many events to report, if a
    /// report is due or the event is unlike the recent ones.
    pub fn count(&self, what: &impl fmt::Display, now: Instant) -> Option<u64> {
        let due = self.tally.count(now);
        if due.is_some() {
            self.recent.iter().for_each(|it| it.store(0, Relaxed));
        }
        let is_new = self.insert(hash(what));
        due.or_else(|| is_new.then(|| self.tally.report_one()))
    }

    /// Adds a hash to the recent ones. Returns true if it is new and there was room.
    fn insert(&self, hash: u64) -> bool {
        for it in &self.recent {
            match it.compare_exchange(0, hash, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(known) if known == hash => return false,
                Err(_) => {}
            }
        }
        false
    }
}

/// The hash of an event's text; never zero.
fn hash(what: &impl fmt::Display) -> u64 {
    struct Hashing(DefaultHasher);
    impl fmt::Write for Hashing {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut hashing = Hashing(DefaultHasher::new());
    // Writing to a hasher cannot fail.
    let _ = write!(hashing, "{what}");
    hashing.0.finish().max(1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_reported_at_once_and_the_others_after_a_while() {
        let start = Instant::now();
        let tally = Tally::new(start);
        let at = |seconds| tally.count(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 9, 10, 11].map(at), [Some(1), None, None, Some(3), None]);
        assert_eq!(tally.total(), 5);
    }

    #[test]
    fn a_different_event_is_reported_at_once() {
        let start = Instant::now();
        let tally = DistinctTally::new(start);
        let at = |what: &str, seconds| tally.count(&what, start + Duration::from_secs(seconds));
        assert_eq!(at("look up x", 0), Some(1));
        assert_eq!(at("look up x", 1), None);
        assert_eq!(at("connect to y", 1), Some(1));
        assert_eq!(at("connect to y", 2), None);
        // An event that was reported before its time is not reported again.
        assert_eq!(at("look up x", 10), Some(3));
        assert_eq!(at("connect to y", 10), Some(1));
        for different in 2..DISTINCT {
            assert_eq!(at(&different.to_string(), 11), Some(1), "{different}");
        }
        assert_eq!(at("one more", 11), None);
        assert_eq!(tally.total(), 7 + DISTINCT as u64 - 2);
    }
}
