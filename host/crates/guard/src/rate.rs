//! A rate limit per second with a burst.

#[cfg(all(loom, test))]
use loom::sync::atomic::AtomicU64;
#[cfg(not(all(loom, test)))]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

const SECOND: u64 = 1_000_000_000;

/// A token bucket in one word.
///
/// The word is the time at which the bucket is full again. Each token that is taken moves this time
/// on by the interval in which one token comes back. A token is refused if the time would be
/// further off than a whole bucket. This is the generic cell rate algorithm, as virtual scheduling:
/// ITU-T Recommendation I.371, annex A.
///
/// The clock is nanoseconds since any fixed moment, as a number, because the word stores it. A
/// clock that goes back gives out no extra tokens.
///
/// ```
/// use plugbay_guard::RateLimit;
///
/// let lines = RateLimit::new(10, 2); // ten a second, two at once
/// assert!(lines.take(0) && lines.take(0));
/// assert!(!lines.take(0));
/// assert!(lines.take(100_000_000)); // a tenth of a second later
/// ```
#[derive(Debug)]
pub struct RateLimit {
    full: AtomicU64,
    /// Nanoseconds between two tokens; 0 if none ever comes.
    interval: u64,
    /// Nanoseconds until a bucket with one token is full.
    slack: u64,
}

impl RateLimit {
    /// A full bucket of `burst` tokens (0 counts as 1), of which `per_second` come back each
    /// second. A rate of 0 lets nothing through, and one above 10⁹ counts as 10⁹.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = match u64::from(per_second) {
            0 => 0,
            rate => (SECOND / rate).max(1),
        };
        let slack = interval.saturating_mul(u64::from(burst.max(1) - 1));
        Self { full: AtomicU64::new(0), interval, slack }
    }

    /// Takes a token at `now`, in nanoseconds, if there is one.
    #[must_use = "false is a refusal"]
    pub fn take(&self, now: u64) -> bool {
        let mut full = self.full.load(Relaxed);
        loop {
            let from = full.max(now);
            if from - now > self.slack || self.interval == 0 {
                return false;
            }
            let after = from.saturating_add(self.interval);
            match self.full.compare_exchange_weak(full, after, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(current) => full = current,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let limit = RateLimit::new(4, 3);
        let quarter = SECOND / 4;
        let taken = |now| (0..10).filter(|_| limit.take(now)).count();
        assert_eq!(taken(0), 3);
        assert_eq!(taken(quarter - 1), 0);
        assert_eq!(taken(quarter), 1);
        assert_eq!(taken(3 * quarter), 2);
        assert_eq!(taken(100 * quarter), 3, "never more than the bucket holds");
        assert_eq!(taken(0), 0, "a clock that goes back gives nothing away");
    }

    #[test]
    fn the_ends_of_its_numbers() {
        let none = RateLimit::new(0, 5);
        assert!(!none.take(0) && !none.take(u64::MAX));
        let most = RateLimit::new(u32::MAX, u32::MAX);
        assert!(most.take(0) && most.take(u64::MAX));
        let least = RateLimit::new(1, 0);
        assert!(least.take(0) && !least.take(0) && least.take(SECOND));
    }

    proptest! {
        #[test]
        fn it_never_lets_more_through_than_burst_and_rate(
            rate in 1..2_000_u32,
            burst in 1..20_u32,
            gaps in prop::collection::vec(0..50_000_000_u64, 1..300),
        ) {
            let limit = RateLimit::new(rate, burst);
            let mut now = 0;
            let mut taken: Vec<u64> = Vec::new();
            // A bucket that is counted, in nanoseconds' worth of tokens.
            let (token, most) = (SECOND / u64::from(rate), u64::from(burst));
            let mut level = token * most;
            for gap in gaps {
                now += gap;
                level = (level + gap).min(token * most);
                let expected = level >= token;
                prop_assert_eq!(limit.take(now), expected);
                if expected {
                    level -= token;
                    taken.push(now);
                }
            }
            for (at, from) in taken.iter().enumerate() {
                let span = taken[at..].iter().take_while(|time| **time - from < SECOND).count();
                prop_assert!(span as u64 <= most + u64::from(rate) + 1);
            }
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use loom::thread;

    use super::*;

    #[test]
    fn loom_no_token_is_given_twice() {
        loom::model(|| {
            let limit = Arc::new(RateLimit::new(1, 2));
            let takers = [(); 2].map(|()| {
                let limit = Arc::clone(&limit);
                thread::spawn(move || limit.take(0))
            });
            let mut taken = usize::from(limit.take(0));
            for taker in takers {
                taken += usize::from(taker.join().expect("no panic"));
            }
            assert_eq!(taken, 2);
        });
    }
}
