//! Spreads what would otherwise happen at the same time.

use std::time::Duration;

/// A duration from 90 % to 110 % of `every`, by a random number `chance` from 0 up to 1: so that things
/// that began together are not all checked at the same time.
///
/// ```
/// use std::time::Duration;
/// use plugbay_guard::jittered;
///
/// let every = Duration::from_secs(10);
/// assert_eq!(jittered(every, 0.0), Duration::from_secs(9));
/// assert_eq!(jittered(every, 0.5), every);
/// ```
#[must_use]
pub fn jittered(every: Duration, chance: f64) -> Duration {
    every.mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_that_began_together_are_checked_at_different_times() {
        let every = Duration::from_secs(10);
        let mut random = fastrand::Rng::with_seed(7);
        let pauses: Vec<Duration> = (0..1000).map(|_| jittered(every, random.f64())).collect();
        let (least, most) = (every.mul_f64(0.9), every.mul_f64(1.1));
        assert!(pauses.iter().all(|pause| (least..=most).contains(pause)));
        let early = pauses.iter().filter(|pause| **pause < every).count();
        assert!((300..700).contains(&early), "{early} of 1000 are early");
    }
}
