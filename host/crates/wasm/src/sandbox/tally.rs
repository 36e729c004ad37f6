//! Counts of events, which say when the next notice of them is due.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The shortest time between two notices of one thing.
const QUIET: Duration = Duration::from_secs(10);

/// The most different events that are reported within that time.
const DIFFERENT: usize = 16;

/// How often an event happened. The first is reported at once; after that, one notice in a while
/// reports how often it happened since the last.
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

    /// Counts one event. Returns how many to report, if a notice is due.
    pub(crate) fn count(&self) -> Option<u64> {
        self.count_at(self.start.elapsed())
    }

    fn count_at(&self, now: Duration) -> Option<u64> {
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let (due, after) = (nanos(now) >= next, nanos(now.saturating_add(QUIET)));
        // The thread that moves the time on reports; what others counted is in the next notice.
        let tells = due
            && self
                .next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        tells.then(|| total.saturating_sub(self.told.swap(total, Ordering::Relaxed)))
    }

    /// Reports the event that was counted last, before a notice is due.
    fn tell_one(&self) -> u64 {
        self.told.fetch_add(1, Ordering::Relaxed);
        1
    }
}

/// A [`Tally`] of events that differ: one that was not reported lately is reported at once, so that
/// a harmless one does not hide another.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    tally: Tally,
    /// Hashes of what was reported since the last notice that was due; zero for none.
    lately: [AtomicU64; DIFFERENT],
}

impl Denials {
    /// How often anything happened so far.
    pub(crate) fn total(&self) -> u64 {
        self.tally.total()
    }

    /// Counts one event. Returns how many to report, if a notice is due.
    pub(crate) fn count(&self, what: &impl fmt::Display) -> Option<u64> {
        self.count_at(what, self.tally.start.elapsed())
    }

    fn count_at(&self, what: &impl fmt::Display, now: Duration) -> Option<u64> {
        let due = self.tally.count_at(now);
        if due.is_some() {
            self.lately.iter().for_each(|it| it.store(0, Ordering::Relaxed));
        }
        let is_new = self.note(hash(what));
        due.or_else(|| is_new.then(|| self.tally.tell_one()))
    }

    /// Whether there is none of this hash, and room for it.
    fn note(&self, hash: u64) -> bool {
        for it in &self.lately {
            match it.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(known) if known == hash => return false,
                Err(_) => {}
            }
        }
        false
    }
}

/// Never zero.
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

    #[test]
    fn what_differs_is_told_at_once() {
        let denials = Denials::default();
        let at = |what: &str, seconds| denials.count_at(&what, Duration::from_secs(seconds));
        assert_eq!(at("look up x", 0), Some(1));
        assert_eq!(at("look up x", 1), None);
        assert_eq!(at("connect to y", 1), Some(1));
        assert_eq!(at("connect to y", 2), None);
        // What was told before its time is not told again.
        assert_eq!(at("look up x", 10), Some(3));
        assert_eq!(at("connect to y", 10), Some(1));
        for different in 2..DIFFERENT {
            assert_eq!(at(&different.to_string(), 11), Some(1), "{different}");
        }
        assert_eq!(at("one more", 11), None);
        assert_eq!(denials.total(), 7 + DIFFERENT as u64 - 2);
    }
}
