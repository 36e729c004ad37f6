//! How long to wait before the next try.

use std::time::Duration;

use crate::client::balance::Dice;

/// Exponential back-off with full jitter: before try number `n`, a time by chance between zero and
/// `base · 2ⁿ`, which is at most `max`. Full jitter spreads the tries of many clients the furthest. (Marc
/// Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first repetition.
    pub base: Duration,
    /// The longest wait of all.
    pub max: Duration,
}

impl Backoff {
    /// The wait before repetition number `failures`; the first is number 1.
    #[must_use]
    pub fn wait(&self, failures: u32, dice: &Dice) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let longest = self.base.saturating_mul(1 << doublings).min(self.max);
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let share = (u128::from(dice.roll()) * u128::from(nanos)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_from_zero_to_a_bound_that_doubles() {
        let backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(1) };
        let dice = Dice::new(3);
        for (failures, bound) in [(1, 100), (2, 200), (4, 800), (5, 1_000), (u32::MAX, 1_000)] {
            let waits: Vec<_> = (0..1_000).map(|_| backoff.wait(failures, &dice)).collect();
            let bound = Duration::from_millis(bound);
            assert!(waits.iter().all(|wait| *wait < bound));
            let mean = waits.iter().sum::<Duration>() / 1_000;
            assert!(mean.abs_diff(bound / 2) < bound / 20, "{mean:?} of {bound:?}");
        }
        let longest = Backoff { base: Duration::MAX, max: Duration::MAX };
        assert!(longest.wait(9, &dice) > Duration::ZERO);
    }
}
