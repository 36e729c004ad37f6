//! Counts requests against a rate, for each key.

mod standings;

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use plugbay::config::Rate;

pub(crate) use self::standings::Standings;

/// Counts requests by key. The key of a client without recent requests is forgotten.
pub(crate) struct Limiter<K: Hash + Eq + Clone> {
    rate: Rate,
    /// `None` if there is no limit.
    counts: Option<DefaultKeyedRateLimiter<K, StateInformationMiddleware>>,
    /// The most keys that are told apart.
    most: usize,
    clock: DefaultClock,
    began: <DefaultClock as governor::clock::Clock>::Instant,
    /// The second since the beginning in which keys were last forgotten.
    forgot: AtomicU64,
}

/// Where a key stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The most requests in a window.
    pub(crate) count: NonZeroU32,
    pub(crate) window: Duration,
    /// The requests that may come at once.
    pub(crate) remaining: u32,
    /// How long the next one must wait, if this one came too early.
    pub(crate) wait: Option<Duration>,
}

impl Standing {
    /// The time until all requests of a window may come at once again.
    pub(crate) fn reset(&self) -> Duration {
        let used = self.count.get() - self.remaining.min(self.count.get());
        self.window.mul_f64(f64::from(used) / f64::from(self.count.get()))
    }
}

/// Whole seconds, never early (RFC 9110, section 10.2.3).
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// Counts at most `most` keys.
    pub(crate) fn new(rate: Rate, most: usize) -> Self {
        let quota = rate.limit().and_then(|(count, window)| {
            // Shorter periods are not counted.
            let period = (window / count.get()).max(Duration::from_nanos(1));
            Some(Quota::with_period(period)?.allow_burst(count))
        });
        let counts = quota.map(|quota| RateLimiter::keyed(quota).with_middleware());
        let clock = DefaultClock::default();
        let began = clock.now();
        Self { rate, counts, most, clock, began, forgot: AtomicU64::new(0) }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Counts a request; `None` if there is no limit. If too many keys are told apart already, a new one is counted as
    /// `other`.
    pub(crate) fn count(&self, key: &K, other: &K) -> Option<Standing> {
        let (counts, (count, window)) = (self.counts.as_ref()?, self.rate.limit()?);
        let key = if self.is_full(counts) { other } else { key };
        let (remaining, wait) = match counts.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(early) => (0, Some(early.wait_time_from(self.clock.now()))),
        };
        Some(Standing { count, window, remaining, wait })
    }

    /// Whether no more keys can be told apart. Forgets some, at most once a second, because it looks at each.
    fn is_full(&self, counts: &DefaultKeyedRateLimiter<K, StateInformationMiddleware>) -> bool {
        if counts.len() < self.most {
            return false;
        }
        let second = self.clock.now().duration_since(self.began).as_secs() + 1;
        if self.forgot.swap(second, Ordering::Relaxed) != second {
            counts.retain_recent();
        }
        counts.len() >= self.most
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.counts.as_ref().map_or(0, RateLimiter::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_requests_may_come_at_once() {
        let limiter = Limiter::new("3/1h".parse().unwrap(), 10);
        let count = |key| limiter.count(&key, &0).unwrap();
        assert_eq!(
            [count(1), count(1), count(1)].map(|it| (it.remaining, it.wait)),
            [(2, None), (1, None), (0, None)]
        );
        let late = count(1);
        let wait = late.wait.unwrap();
        assert!(wait > Duration::from_mins(19) && wait <= Duration::from_mins(20), "{wait:?}");
        assert_eq!(late.reset(), Duration::from_hours(1));
        assert_eq!(count(2).remaining, 2, "another key");
        assert_eq!(Limiter::new(Rate::NONE, 10).count(&1, &0), None);
    }

    #[test]
    fn many_keys_do_not_fill_the_memory() {
        let limiter = Limiter::new("3/1h".parse().unwrap(), 10);
        let refused = (1..100).filter(|key| limiter.count(key, &0).unwrap().wait.is_some()).count();
        assert_eq!(limiter.keys(), 11);
        assert_eq!(refused, 99 - 10 - 3, "further keys share one count");
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_millis(1001)), 2);
    }
}
