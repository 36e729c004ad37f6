//! A limit of events per second, with a count of the events that exceeded it.

use std::time::Instant;

use crate::{RateLimit, Tally};

/// A limit of events per second, all of which may come at once, with a [`Tally`] of the events that
/// exceeded it.
///
/// ```
/// use std::time::Instant;
/// use plugbay_guard::Quota;
///
/// let now = Instant::now();
/// let lines = Quota::new(1, now).expect("0 is no limit");
/// assert!(lines.take(now).is_ok());
/// let exceeded = lines.take(now).unwrap_err();
/// assert_eq!((exceeded.per_second, exceeded.report), (1, Some(1))); // "one line was dropped"
/// assert_eq!(lines.take(now).unwrap_err().report, None); // not yet again
/// assert_eq!(lines.exceeded(), 2);
/// ```
#[derive(Debug)]
pub struct Quota {
    per_second: u32,
    rate: RateLimit,
    tally: Tally,
    start: Instant,
}

/// An event exceeded its [`Quota`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The limit.
    pub per_second: u32,
    /// How many events that exceeded it to report, if a report is due.
    pub report: Option<u64>,
}

impl Quota {
    /// At most `per_second` events a second, from `now` on; `None` for 0, which means no limit.
    #[must_use]
    pub fn new(per_second: u32, now: Instant) -> Option<Self> {
        let rate = || RateLimit::new(per_second, per_second);
        (per_second > 0).then(|| Self {
            per_second,
            rate: rate(),
            tally: Tally::new(now),
            start: now,
        })
    }

    /// Takes one event at `now`.
    ///
    /// # Errors
    /// [`Exceeded`] if the event exceeds the limit; it is counted then.
    #[inline]
    pub fn take(&self, now: Instant) -> Result<(), Exceeded> {
        let nanos = now.saturating_duration_since(self.start).as_nanos();
        if self.rate.take(u64::try_from(nanos).unwrap_or(u64::MAX)) {
            return Ok(());
        }
        Err(self.exceed(now))
    }

    /// How many events exceeded the limit so far.
    #[must_use]
    pub fn exceeded(&self) -> u64 {
        self.tally.total()
    }

    #[cold]
    fn exceed(&self, now: Instant) -> Exceeded {
        Exceeded { per_second: self.per_second, report: self.tally.count(now) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_is_one_burst_and_what_exceeds_it_is_counted() {
        let start = Instant::now();
        let quota = Quota::new(2, start).unwrap();
        let taken = |second| {
            let now = start + Duration::from_secs(second);
            (0..5).filter(|_| quota.take(now).is_ok()).count()
        };
        assert_eq!([0, 1, 9].map(taken), [2, 2, 2]);
        assert_eq!(quota.exceeded(), 9);
        let later = start + Duration::from_secs(10);
        let reports: Vec<_> = (0..5).filter_map(|_| quota.take(later).err()?.report).collect();
        assert_eq!(reports, [9], "those since the first, which was reported at once");
    }

    #[test]
    fn zero_is_no_limit() {
        assert!(Quota::new(0, Instant::now()).is_none());
    }
}
